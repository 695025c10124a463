"""The simulated district before anybody works: curriculum, problems, students, calendar.

Abilities and difficulties are in logits, log_seconds and speed in natural log of seconds, days
count from the first day of school. It draws people and problems, and no answer.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
TextArray = NDArray[Any]  # Python strings

SCHOOL_STARTS_AT = datetime(2024, 9, 2, tzinfo=UTC)  # a Monday: weekends are days 5 and 6 modulo 7
SCHOOL_DAYS = 280  # calendar days from the first to the last unit test
DRIFT_DAY = 139  # a Sunday in the middle of the year, so no assignment runs across it
WITHDRAWN_DAY = 55  # withdrawn problems are shown to nobody from here on

TEST_STUDENT = "test"
ALGEBRA = "algebra"
GUESSABLE_TYPE = "Multiple Choice (select 1)"
OPEN_TYPE = "Ungraded Open Response"
STEADY, HINT_SEEKER, RAPID_GUESSER = "steady", "hint_seeker", "rapid_guesser"

_STUDENTS_PER_CLASS = 25
_CLASSES_PER_TEACHER = 3
_ITEMS_PER_SKILL = 4  # at least; fewer items make a shorter curriculum
_TEST_SHARE = 0.17
_ENTRY_TYPES = ("Number", "Numeric Expression", "Algebraic Expression", "Exact Fraction")
_TYPE_SHARES = (0.30, 0.15, 0.15, 0.10)  # the rest is guessable
_TUTORING = ("hint", "explanation", "answer")
_TUTORING_SHARES = (0.5, 0.3, 0.2)
_DIFFICULTY_MEAN, _DIFFICULTY_SD, _DIFFICULTY_REACH = -0.7, 1.0, 2.25
_KINDS = (STEADY, HINT_SEEKER, RAPID_GUESSER)
_KIND_SHARES = (0.78, 0.14, 0.08)
_CLASS_SD, _PERSON_SD, _OFFSET_SD = 0.25, 0.85, 0.35
_SEEKER_LAG = 0.4  # hint-seekers know less
_ID_ALPHABET = np.array(list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
_ID_LENGTH = 8
_ID_STRIDE = 1_618_033_988_751  # shares no factor with 36, so that ids never repeat


@dataclass(frozen=True)
class Skill:
    """One skill of the curriculum, taught as one unit."""

    code: str
    name: str
    prerequisites: tuple[str, ...] = ()


CURRICULUM = (
    Skill("6.NS.B.2", "multi-digit division"),
    Skill("6.G.A.1", "area of polygons", ("6.NS.B.2",)),
    Skill("6.RP.A.1", "ratios", ("6.NS.B.2",)),
    Skill("6.RP.A.2", "unit rates", ("6.RP.A.1",)),
    Skill("6.RP.A.3", "percentages", ("6.RP.A.2",)),
    Skill("6.NS.A.1", "dividing fractions", ("6.NS.B.2",)),
    Skill("6.NS.C.5", "negative numbers"),
    Skill("6.EE.A.1", "powers and exponents", ("6.NS.B.2",)),
    Skill("6.EE.A.2", ALGEBRA, ("6.NS.C.5", "6.EE.A.1")),
    Skill("6.EE.B.7", "one-step equations", ("6.EE.A.2", "6.NS.A.1")),
    Skill("6.EE.B.8", "inequalities", ("6.EE.B.7",)),
    Skill("6.SP.B.5", "describing data", ("6.NS.A.1",)),
)


@dataclass(frozen=True)
class Problems:
    """Arrays over problems, (problems,): the items first, then withdrawn and open problems."""

    problem_id: TextArray
    skill: IntArray  # index into the curriculum
    role: TextArray  # practice, test, withdrawn or open
    type: TextArray
    tutoring: TextArray  # kind of help on offer
    a: FloatArray
    b: FloatArray
    c: FloatArray
    log_seconds: FloatArray  # of a person of average speed

    def of(self, role: str, skill: int) -> IntArray:
        """Indexes of the problems of a role in a unit."""
        return np.flatnonzero((self.role == role) & (self.skill == skill))


@dataclass(frozen=True)
class Students:
    """Arrays over students, (students,); `test` is the last one."""

    student_id: TextArray
    class_index: IntArray
    kind: TextArray
    general: FloatArray
    ability: FloatArray  # (students, skills) at the start of the year
    gain: FloatArray  # what a skill rises by with endless practice
    speed: FloatArray
    slip: FloatArray
    diligence: FloatArray  # chance of doing an assignment
    rapid_rate: FloatArray
    hint_rate: FloatArray
    answer_first_rate: FloatArray


@dataclass(frozen=True)
class Unit:
    """What a teacher can assign about one skill: sequences of problem indexes."""

    review: tuple[int, ...]  # problems of the prerequisites; may be empty
    practice: tuple[tuple[int, ...], ...]
    tests: tuple[tuple[int, ...], ...]  # parallel forms


@dataclass(frozen=True)
class World:
    """Everything that is fixed before the first day of school."""

    skills: tuple[Skill, ...]
    problems: Problems
    students: Students
    units: tuple[Unit, ...]
    class_ids: TextArray
    teacher_ids: TextArray  # (classes,)


def build_world(rng: np.random.Generator, *, n_students: int, n_items: int) -> World:
    """Draw a district of `n_students` and `test`, with `n_items` graded items."""
    skills = _curriculum(min(len(CURRICULUM), n_items // _ITEMS_PER_SKILL))
    problems = _draw_problems(rng, skills, n_items=n_items)
    n_classes = max(1, round(n_students / _STUDENTS_PER_CLASS))
    teachers = unique_ids(rng, 1 + (n_classes - 1) // _CLASSES_PER_TEACHER)
    return World(
        skills=skills,
        problems=problems,
        students=_draw_students(rng, skills, n_students=n_students, n_classes=n_classes),
        units=tuple(_unit(rng, skills, problems, number) for number in range(len(skills))),
        class_ids=unique_ids(rng, n_classes),
        teacher_ids=teachers[np.arange(n_classes) // _CLASSES_PER_TEACHER],
    )


def unique_ids(rng: np.random.Generator, count: int) -> TextArray:
    """Distinct identifiers of letters and digits that tell nothing, (count,)."""
    size = len(_ID_ALPHABET) ** _ID_LENGTH
    number = (int(rng.integers(size)) + np.arange(count, dtype=np.int64) * _ID_STRIDE) % size
    places = len(_ID_ALPHABET) ** np.arange(_ID_LENGTH, dtype=np.int64)
    letters = _ID_ALPHABET[number[:, None] // places % len(_ID_ALPHABET)]
    return np.ascontiguousarray(letters).view(f"<U{_ID_LENGTH}").ravel().astype(object)


def repeat_rows(counts: IntArray) -> tuple[IntArray, IntArray]:
    """Rows repeated `counts` times: index of the row, and number of the copy from 0."""
    row = np.repeat(np.arange(counts.size), counts)
    first = np.cumsum(counts) - counts
    return row, np.arange(row.size) - first[row]


def _curriculum(n_skills: int) -> tuple[Skill, ...]:
    """The first skills, always with algebra and all that comes before it: at least four."""
    by_code = {skill.code: skill for skill in CURRICULUM}
    wanted = [skill.code for skill in CURRICULUM if skill.name == ALGEBRA]
    for code in wanted:  # grows while it is walked: ancestors of ancestors
        wanted.extend(before for before in by_code[code].prerequisites if before not in wanted)
    wanted.extend(skill.code for skill in CURRICULUM if skill.code not in wanted)
    kept = set(wanted[:n_skills])
    return tuple(skill for skill in CURRICULUM if skill.code in kept)


def _draw_problems(
    rng: np.random.Generator, skills: tuple[Skill, ...], *, n_items: int
) -> Problems:
    n_skills = len(skills)
    roots = [number for number, skill in enumerate(skills) if not skill.prerequisites]
    skill = np.concatenate([np.arange(n_items) % n_skills, roots, np.arange(n_skills)])
    rank = np.arange(n_items) // n_skills
    n_tests = np.maximum(1, np.round(_TEST_SHARE * np.bincount(skill[:n_items])))
    role = np.concatenate(
        [
            np.where(rank < n_tests[skill[:n_items]], "test", "practice"),
            np.full(len(roots), "withdrawn"),
            np.full(n_skills, "open"),
        ]
    ).astype(object)
    size = skill.size
    shares = (*_TYPE_SHARES, 1 - sum(_TYPE_SHARES))
    kind = rng.choice([*_ENTRY_TYPES, GUESSABLE_TYPE], size, p=shares).astype(object)
    kind[role == "open"] = OPEN_TYPE
    difficulty = rng.normal(0, _DIFFICULTY_SD, size)
    return Problems(
        problem_id=unique_ids(rng, size),
        skill=skill.astype(np.int64),
        role=role,
        type=kind,
        tutoring=rng.choice(_TUTORING, size, p=_TUTORING_SHARES).astype(object),
        a=rng.lognormal(0.0, 0.2, size),
        b=_DIFFICULTY_MEAN + np.clip(difficulty, -_DIFFICULTY_REACH, _DIFFICULTY_REACH),
        c=np.where(kind == GUESSABLE_TYPE, rng.choice([1 / 4, 1 / 5], size), 0.0),  # 4, 5 options
        log_seconds=rng.normal(np.log(40.0), 0.35, size),
    )


def _draw_students(
    rng: np.random.Generator, skills: tuple[Skill, ...], *, n_students: int, n_classes: int
) -> Students:
    size = n_students + 1
    class_index = np.append(np.arange(n_students) % n_classes, 0)
    kind = np.append(rng.choice(_KINDS, n_students, p=_KIND_SHARES), STEADY).astype(object)
    seeks, rushes = kind == HINT_SEEKER, kind == RAPID_GUESSER
    general = _CLASS_SD * rng.normal(size=n_classes)[class_index] - _SEEKER_LAG * seeks
    general += _PERSON_SD * rng.normal(size=size)
    general -= general.mean()  # the scale's origin: the average student as the year begins
    general[-1] = 0.1
    ability = general[:, None] + _skill_offsets(rng, skills, size)
    ability[-1] = [general[-1] - 1.2 * (skill.name == ALGEBRA) for skill in skills]
    return Students(
        student_id=np.append(unique_ids(rng, n_students), TEST_STUDENT),
        class_index=class_index,
        kind=kind,
        general=general,
        ability=ability,
        gain=np.append(rng.lognormal(np.log(0.45), 0.35, n_students), 0.45),
        speed=np.append(rng.normal(0, 0.3, n_students), 0.0),
        slip=rng.uniform(0.0, 0.03, size),
        diligence=np.append(rng.beta(11, 3, n_students), 1.0),
        rapid_rate=np.where(rushes, rng.uniform(0.25, 0.5, size), 0.0),
        hint_rate=np.where(seeks, rng.uniform(0.2, 0.5, size), 0.02),
        answer_first_rate=np.where(seeks, rng.uniform(0.02, 0.12, size), 0.005),
    )


def _skill_offsets(
    rng: np.random.Generator, skills: tuple[Skill, ...], n_students: int
) -> FloatArray:
    """How far each skill lies from the general ability; prerequisites pull theirs along."""
    number = {skill.code: index for index, skill in enumerate(skills)}
    offsets = np.zeros((n_students, len(skills)))
    for index, skill in enumerate(skills):
        offsets[:, index] = rng.normal(0, _OFFSET_SD, n_students)
        if skill.prerequisites:
            before = [number[code] for code in skill.prerequisites]
            offsets[:, index] = 0.8 * offsets[:, index] + 0.5 * offsets[:, before].mean(axis=1)
    return offsets


def _unit(
    rng: np.random.Generator, skills: tuple[Skill, ...], problems: Problems, number: int
) -> Unit:
    practice = _chunks(problems.of("practice", number))
    practice[0] += tuple(problems.of("withdrawn", number).tolist())
    practice[-1] += tuple(problems.of("open", number).tolist())
    before = [i for i, skill in enumerate(skills) if skill.code in skills[number].prerequisites]
    known = np.concatenate([np.zeros(0, np.int64), *(problems.of("practice", i) for i in before)])
    review = rng.choice(known, min(2, known.size), replace=False)
    return Unit(
        review=tuple(review.tolist()),
        practice=tuple(practice),
        tests=tuple(_chunks(problems.of("test", number))),
    )


def _chunks(indexes: IntArray, most: int = 4) -> list[tuple[int, ...]]:
    parts = np.array_split(indexes, -(-indexes.size // most))
    return [tuple(part.tolist()) for part in parts]
