"""One school year in a simulated district: what is assigned, met and answered.

First come the plan and the encounters, drawn without any answer; then the answers, with the
probability behind each. It writes no log: that is what the files are made of afterwards.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from deepkt_irt.sources.simulator_world import (
    DRIFT_DAY,
    OPEN_TYPE,
    SCHOOL_DAYS,
    WITHDRAWN_DAY,
    BoolArray,
    FloatArray,
    IntArray,
    Skill,
    Students,
    TextArray,
    World,
    repeat_rows,
    unique_ids,
)

DAY_MS = 86_400_000
RELEASE_MS = 12 * 3_600_000  # time of day at which assignments open, UTC

_FIRST_START_MS, _LAST_START_MS = 13 * 3_600_000, int(19.5 * 3_600_000)
_SETS_PER_UNIT = 2  # practice that a teacher assigns
_UNFINISHED_SHARE = 0.05
_GAIN_PROBLEMS = 6.0  # practice after which 63% of the gain is made
_DRIFT_LOGITS = 1.0
_DRIFT_SHARE = 0.04  # of the items, at least two
_LATENCY_SD = 0.4
_RAPID_LOG_SECONDS, _RAPID_SD = float(np.log(2.0)), 0.3
_LONGEST_MS = 600_000

Role = Literal["review", "practice", "test"]


@dataclass(frozen=True)
class Sequence:
    """Problems assigned together."""

    unit: int
    role: Role
    name: str
    problems: tuple[int, ...]


@dataclass(frozen=True)
class Assignments:
    """Arrays over students' assignments, (assignments,), in order of student and time."""

    assignment_log_id: TextArray
    student: IntArray
    sequence: IntArray
    release_day: IntArray
    start_ms: IntArray  # since the first day of school


@dataclass(frozen=True)
class Encounters:
    """Arrays over problems met, (encounters,), in order of student and time."""

    assignment: IntArray
    problem: IntArray
    position: IntArray
    abandoned: BoolArray  # looked at and left: here the student stopped the assignment
    practice: BoolArray  # with feedback and help; otherwise a unit test


@dataclass(frozen=True)
class Answers:
    """Arrays over encounters, (encounters,)."""

    p_irt: FloatArray  # of an earnest response, without slips
    p_correct: FloatArray  # with slips and rapid guesses, before either is known
    graded: BoolArray
    answer_first: BoolArray  # asked for the answer and moved on
    rapid: BoolArray
    correct: BoolArray  # of graded first responses
    latency_ms: IntArray


@dataclass(frozen=True)
class Year:
    """All that happened."""

    sequences: tuple[Sequence, ...]
    assignments: Assignments
    encounters: Encounters
    answers: Answers
    drift_b: FloatArray  # (problems,), added to b from DRIFT_DAY on; 0: no drift


def live_year(rng: np.random.Generator, world: World) -> Year:
    """Draw one school year."""
    plan_rng, work_rng, answer_rng = rng.spawn(3)
    sequences = _sequences(world)
    assignments = _assign(plan_rng, world, sequences)
    encounters = _meet(work_rng, world, sequences, assignments)
    drift_b = _drift(world, assignments, encounters)
    return Year(
        sequences=sequences,
        assignments=assignments,
        encounters=encounters,
        answers=_answer(answer_rng, world, assignments, encounters, drift_b=drift_b),
        drift_b=drift_b,
    )


def practised(world: World, met: Encounters) -> BoolArray:
    """Whether a problem was worked on with feedback, (encounters,)."""
    graded = np.asarray(world.problems.type[met.problem] != OPEN_TYPE, dtype=np.bool_)
    return met.practice & ~met.abandoned & graded


def risen(students: Students, student: IntArray, n_practised: IntArray) -> FloatArray:
    """What practice has added to an ability, logits."""
    share_made: FloatArray = 1 - np.exp(-n_practised / _GAIN_PROBLEMS)
    return students.gain[student] * share_made


def _sequences(world: World) -> tuple[Sequence, ...]:
    made = []
    for number, (skill, unit) in enumerate(zip(world.skills, world.units, strict=True)):
        title = skill.name.capitalize()
        if unit.review:
            made.append(Sequence(number, "review", f"{title}: warm-up", unit.review))
        for count, problems in enumerate(unit.practice, start=1):
            made.append(Sequence(number, "practice", f"{title}: practice {count}", problems))
        for count, problems in enumerate(unit.tests, start=1):
            made.append(Sequence(number, "test", f"{title}: unit test, form {count}", problems))
    return tuple(made)


def _assign(rng: np.random.Generator, world: World, sequences: tuple[Sequence, ...]) -> Assignments:
    """Every class goes through all units in an order that respects prerequisites."""
    students, n_classes = world.students, len(world.class_ids)
    rows = [
        (number, sequence, day)
        for number in range(n_classes)
        for sequence, day in _class_plan(rng, world, sequences, number)
    ]
    of_class, of_sequence, release = np.array(rows, dtype=np.int64).T
    members = np.argsort(students.class_index, kind="stable")
    sizes = np.bincount(students.class_index, minlength=n_classes)
    row, within = repeat_rows(sizes[of_class])
    student = members[(np.cumsum(sizes) - sizes)[of_class[row]] + within]
    start_day = _school_day(release[row] + rng.integers(0, 2, row.size))
    start_ms = start_day * DAY_MS + rng.integers(_FIRST_START_MS, _LAST_START_MS, row.size)
    done = rng.random(row.size) < students.diligence[student]
    order = np.lexsort((start_ms, student))
    order = order[done[order]]
    return Assignments(
        assignment_log_id=unique_ids(rng, order.size),
        student=student[order],
        sequence=of_sequence[row][order],
        release_day=release[row][order],
        start_ms=start_ms[order],
    )


def _class_plan(
    rng: np.random.Generator, world: World, sequences: tuple[Sequence, ...], number: int
) -> list[tuple[int, int]]:
    """Sequence and day of release of all assignments of a class: warm-up, practice, test."""
    order = _unit_order(rng, world.skills)
    span = SCHOOL_DAYS / len(order)
    rows: list[tuple[int, int]] = []
    for place, unit in enumerate(order):
        warm_up, practice, tests = (
            [i for i, s in enumerate(sequences) if (s.unit, s.role) == (unit, role)]
            for role in ("review", "practice", "test")
        )
        turn = range(number, number + min(_SETS_PER_UNIT, len(practice)))
        sets = [practice[index % len(practice)] for index in turn]  # classes share them evenly
        slots = [*warm_up, *sets, tests[number % len(tests)]]
        days = (place + np.arange(len(slots)) / len(slots)) * span
        rows.extend(zip(slots, _school_day(days.astype(np.int64)).tolist(), strict=True))
    return rows


def _unit_order(rng: np.random.Generator, skills: tuple[Skill, ...]) -> list[int]:
    """A random order in which no unit comes before its prerequisites."""
    order: list[int] = []
    taught: set[str] = set()
    while len(order) < len(skills):
        ready = [
            index
            for index, skill in enumerate(skills)
            if index not in order and taught.issuperset(skill.prerequisites)
        ]
        order.append(ready[int(rng.integers(len(ready)))])
        taught.add(skills[order[-1]].code)
    return order


def _school_day(day: IntArray) -> IntArray:
    """The day itself, or the Monday after a weekend."""
    weekday = day % 7
    return day + np.where(weekday >= 5, 7 - weekday, 0)


def _meet(
    rng: np.random.Generator,
    world: World,
    sequences: tuple[Sequence, ...],
    assignments: Assignments,
) -> Encounters:
    """Every problem of every assignment up to where the student stopped."""
    sizes = np.array([len(sequence.problems) for sequence in sequences])
    is_test = np.array([sequence.role == "test" for sequence in sequences])
    listed = np.concatenate([sequence.problems for sequence in sequences])
    length = sizes[assignments.sequence]
    stops = (rng.random(length.size) < _UNFINISHED_SHARE) & ~is_test[assignments.sequence]
    stop = np.where(stops & (length > 1), rng.integers(1, np.maximum(length, 2)), length)
    row, position = repeat_rows(length)
    problem = listed[(np.cumsum(sizes) - sizes)[assignments.sequence[row]] + position]
    withdrawn = (world.problems.role[problem] == "withdrawn") & (
        assignments.start_ms[row] >= WITHDRAWN_DAY * DAY_MS
    )
    kept = (position <= stop[row]) & ~withdrawn
    return Encounters(
        assignment=row[kept],
        problem=problem[kept],
        position=position[kept],
        abandoned=(position == stop[row])[kept],
        practice=~is_test[assignments.sequence[row]][kept],
    )


def _drift(world: World, assignments: Assignments, met: Encounters) -> FloatArray:
    """Drift of the practice items met most on both sides: the easy get harder, the hard easier."""
    roles = world.problems.role
    size = roles.size
    after = assignments.start_ms[met.assignment] >= DRIFT_DAY * DAY_MS
    n_after = np.bincount(met.problem[after], minlength=size)
    n_before = np.bincount(met.problem[~after], minlength=size)
    smaller_side = np.where(roles == "practice", np.minimum(n_before, n_after), -1)
    n_items = int(np.sum((roles == "practice") | (roles == "test")))
    chosen = np.argsort(-smaller_side, kind="stable")[: max(2, round(_DRIFT_SHARE * n_items))]
    drift_b = np.zeros(size)
    by_difficulty = chosen[np.argsort(world.problems.b[chosen], kind="stable")]
    drift_b[by_difficulty] = np.where(
        np.arange(chosen.size) < chosen.size / 2, _DRIFT_LOGITS, -_DRIFT_LOGITS
    )
    return drift_b


def _practised_before(world: World, assignments: Assignments, met: Encounters) -> IntArray:
    """Problems of the same skill that the student had practised by then, (encounters,)."""
    frame = pd.DataFrame(
        {
            "student": assignments.student[met.assignment],
            "skill": world.problems.skill[met.problem],
            "practised": practised(world, met).astype(np.int64),
        }
    )
    up_to_now = frame.groupby(["student", "skill"])["practised"].cumsum()
    return (up_to_now - frame["practised"]).to_numpy(dtype=np.int64)


def _answer(
    rng: np.random.Generator,
    world: World,
    assignments: Assignments,
    met: Encounters,
    *,
    drift_b: FloatArray,
) -> Answers:
    """First responses, and the probabilities they were drawn with."""
    problems, students = world.problems, world.students
    student, size = assignments.student[met.assignment], met.problem.size
    ability = students.ability[student, problems.skill[met.problem]]
    ability = ability + risen(students, student, _practised_before(world, assignments, met))
    drifted = assignments.start_ms[met.assignment] >= DRIFT_DAY * DAY_MS
    b = problems.b[met.problem] + drift_b[met.problem] * drifted
    c, slip = problems.c[met.problem], students.slip[student]
    knows = 1 / (1 + np.exp(-problems.a[met.problem] * (ability - b)))
    p_earnest = c + (1 - slip - c) * knows
    rapid_rate = students.rapid_rate[student]
    rapid = rng.random(size) < rapid_rate
    asks = met.practice & (rng.random(size) < students.answer_first_rate[student])
    answerable = (problems.type[met.problem] != OPEN_TYPE) & ~met.abandoned
    log_seconds = problems.log_seconds[met.problem] - students.speed[student]
    log_seconds = log_seconds + rng.normal(0, _LATENCY_SD, size)
    quick = rng.normal(_RAPID_LOG_SECONDS, _RAPID_SD, size)
    latency = np.round(1_000 * np.exp(np.where(rapid, quick, log_seconds)))
    return Answers(
        p_irt=c + (1 - c) * knows,
        p_correct=(1 - rapid_rate) * p_earnest + rapid_rate * c,
        graded=answerable & ~asks,
        answer_first=answerable & asks,
        rapid=rapid,
        correct=rng.random(size) < np.where(rapid, c, p_earnest),
        latency_ms=np.clip(latency, 300, _LONGEST_MS).astype(np.int64),
    )
