"""The school of a learning world: skills, items and students as they are and as they are known.

What is taken from the simulator of logs: curriculum, abilities, difficulty, item types, pace,
diligence, and the share of rapid guessers. What is added decides how practice teaches; the world
says how. Nobody answers here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from deepkt_irt.irt.response import probability_3pl
from deepkt_irt.sources.simulator_world import (
    CURRICULUM,
    GUESSABLE_TYPE,
    HINT_SEEKER,
    BoolArray,
    FloatArray,
    IntArray,
    Problems,
    Students,
    build_world,
)

GROUPS = ("A", "B", "C")

_GROUP_SHARES, _GROUP_SHIFTS = (0.5, 0.3, 0.2), np.array([0.1, 0.0, -0.25])  # logits
_GAIN_PROBLEMS = 6.0  # as in the simulator: the first problem of a skill teaches gain / 6
_CENTRES, _CENTRE_SD = (0.62, 0.78), 0.02  # without and with a need for support
_READS = (0.35, 0.75)
_QUALITY_SD, _QUALITY_REACH = 0.4, 1.2  # of the log
HELP_EFFECT = 0.15  # of the log of what an item teaches: more with an explanation, less without
_TWO_SKILL_SHARE = 0.25
_ITEMS_PER_SKILL = 4  # at least, and so many of one skill alone
_REFERENCE_ITEMS = 10  # per skill, at most
_MEDIAN_ANSWERS, _ANSWERS_SD, _FEWEST_ANSWERS = 200.0, 0.8, 50.0  # that items were calibrated on
_INFORMATION = 0.2  # mean of P (1 - P) over them
_C_SE = 0.03


@dataclass(frozen=True)
class Catalogue:
    """What a platform knows before anybody answers; item parameters with calibration error.

    Attributes:
        item_skill: Sorted skills of each item, 1 or more, then 0, (items, most).
        guessable: Whether an item has options to choose from, (items,).
        has_help: Whether there is an explanation to read, (items,).
        a: Estimated discrimination, (items,).
        b: Estimated difficulty, logits, (items,).
        c: Estimated guessing, 0 where nothing can be guessed, (items,).
        b_se: Standard error of the estimated difficulty, (items,).
        prerequisites: Whether the skill of a row needs that of a column, (skills, skills).
        skill_names: For people.
    """

    item_skill: IntArray
    guessable: BoolArray
    has_help: BoolArray
    a: FloatArray
    b: FloatArray
    c: FloatArray
    b_se: FloatArray
    prerequisites: BoolArray
    skill_names: tuple[str, ...]


@dataclass(frozen=True)
class TrueItems:
    """For the judge: what items are like.

    Attributes:
        a: Discrimination, (items,).
        b: Difficulty, logits, (items,).
        c: Guessing, (items,).
        quality: Factor of what practice teaches, around 1, (items,).
        log_seconds: Log seconds a person of average speed needs, (items,).
        reference: Items that mastery is judged by, those of one skill alone that lie nearest its
            median difficulty, (skills, reference items).
    """

    a: FloatArray
    b: FloatArray
    c: FloatArray
    quality: FloatArray
    log_seconds: FloatArray
    reference: IntArray


@dataclass(frozen=True)
class Learners:
    """For the judge: what students are like.

    Attributes:
        start: Ability on the first day and what forgetting leads back to, (students, skills).
        rate: First gain in a skill by an item of average quality in the zone, logits, (students,).
        centre: Expected success at which practice teaches most, (students,).
        reads: Chance of reading the explanation after a wrong answer, (students,).
        rapid_rate: Share of items answered by a rapid guess, (students,).
        speed: Log seconds faster than average, (students,).
        diligence: Chance of being there on the best of days, (students,).
        group: Label for figures of fairness, of no effect after the start, (students,).
    """

    start: FloatArray
    rate: FloatArray
    centre: FloatArray
    reads: FloatArray
    rapid_rate: FloatArray
    speed: FloatArray
    diligence: FloatArray
    group: NDArray[np.str_]


@dataclass(frozen=True)
class School:
    """All that is fixed before the first day."""

    catalogue: Catalogue
    items: TrueItems
    learners: Learners


def draw_school(
    seed: int, *, n_students: int, n_items: int, n_skills: int, help_effect: float = HELP_EFFECT
) -> School:
    """Draw a school; the same arguments give the same one.

    Args:
        seed: 0 or more.
        n_students: 1 or more.
        n_items: 4 or more per skill.
        n_skills: 1 to 12, the first ones of the simulator's curriculum.
        help_effect: What an explanation adds to the log of what an item teaches; as much is taken
            off without one.

    Raises:
        ValueError: If a size is outside its range.
    """
    most = len(CURRICULUM)
    if seed < 0 or n_students < 1 or not 1 <= n_skills <= most:
        raise ValueError(
            f"seed={seed} must be at least 0, n_students={n_students} at least 1 and "
            f"n_skills={n_skills} from 1 to {most}"
        )
    if n_items < _ITEMS_PER_SKILL * n_skills:
        raise ValueError(f"n_items={n_items}: each of {n_skills} skills needs {_ITEMS_PER_SKILL}")
    base_rng, item_rng, student_rng = np.random.default_rng(seed).spawn(3)
    enough = max(n_items, _ITEMS_PER_SKILL * most)  # with fewer the curriculum would be another
    base = build_world(base_rng, n_students=n_students, n_items=enough)
    item_skill, prerequisites = _draw_skills(item_rng, n_items, n_skills)
    items = _draw_items(item_rng, base.problems, item_skill, help_effect)
    return School(
        catalogue=_calibrated(item_rng, base.problems, items, item_skill, prerequisites),
        items=items,
        learners=_draw_learners(student_rng, base.students, n_students, n_skills),
    )


def ability_at(items: TrueItems, mastery: float) -> FloatArray:
    """Ability with which the mean success over a skill's reference items is `mastery`, (skills,).

    By bisection; `mastery` lies between the chance of guessing and 1.
    """
    a, b, c = (each[items.reference] for each in (items.a, items.b, items.c))
    low, high = np.full((2, len(a)), [[-20.0], [20.0]])
    for _ in range(50):
        middle = (low + high) / 2
        below = probability_3pl(middle[:, None], a, b, c).mean(axis=1) < mastery
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return high


def _draw_skills(
    rng: np.random.Generator, n_items: int, n_skills: int
) -> tuple[IntArray, BoolArray]:
    """Skills of items, (items, 2), and prerequisites, (skills, skills).

    Some items need the first prerequisite of their skill as well.
    """
    number = {skill.code: place for place, skill in enumerate(CURRICULUM)}
    needs = np.zeros((n_skills, n_skills), dtype=np.bool_)
    first = np.zeros(n_skills, dtype=np.int64)  # 0: none
    for place, skill in enumerate(CURRICULUM[:n_skills]):
        before = [number[code] for code in skill.prerequisites]
        needs[place, before] = True
        first[place] = before[0] + 1 if before else 0
    own = np.arange(n_items) % n_skills
    spared = np.arange(n_items) < _ITEMS_PER_SKILL * n_skills
    two = (rng.random(n_items) < _TWO_SKILL_SHARE) & ~spared
    second = np.where(two, first[own], 0)
    pair = np.stack([own + 1, second], axis=1)
    return np.where(second[:, None] > 0, np.sort(pair, axis=1), pair), needs


def _draw_items(
    rng: np.random.Generator, problems: Problems, item_skill: IntArray, help_effect: float
) -> TrueItems:
    n = len(item_skill)
    noise = np.clip(rng.normal(0, _QUALITY_SD, n), -_QUALITY_REACH, _QUALITY_REACH)
    centred = help_effect * np.where(_has_help(problems, n), 1, -1)
    return TrueItems(
        a=problems.a[:n],
        b=problems.b[:n],
        c=problems.c[:n],
        quality=np.exp(noise + centred - _QUALITY_SD**2 / 2),
        log_seconds=problems.log_seconds[:n],
        reference=_reference(problems.b[:n], item_skill),
    )


def _has_help(problems: Problems, n: int) -> BoolArray:
    """An answer alone explains nothing."""
    return np.asarray(problems.tutoring[:n] != "answer", dtype=np.bool_)


def _reference(b: FloatArray, item_skill: IntArray) -> IntArray:
    alone = item_skill[:, 1] == 0
    of_skill = [
        np.flatnonzero(alone & (item_skill[:, 0] == skill))
        for skill in range(1, int(item_skill.max()) + 1)
    ]
    n = min(_REFERENCE_ITEMS, *(len(items) for items in of_skill))
    nearest = [items[np.argsort(np.abs(b[items] - np.median(b[items])))] for items in of_skill]
    return np.stack([items[:n] for items in nearest])


def _calibrated(
    rng: np.random.Generator,
    problems: Problems,
    items: TrueItems,
    item_skill: IntArray,
    prerequisites: BoolArray,
) -> Catalogue:
    """Items as a calibration would know them, from more answers or fewer."""
    n = len(item_skill)
    n_answers = np.exp(rng.normal(np.log(_MEDIAN_ANSWERS), _ANSWERS_SD, n))
    root = np.sqrt(_INFORMATION * np.maximum(n_answers, _FEWEST_ANSWERS))
    b_se = 1 / (items.a * root)
    c = np.clip(items.c + rng.normal(0, _C_SE, n), 0.05, 0.45)
    return Catalogue(
        item_skill=item_skill,
        guessable=np.asarray(problems.type[:n] == GUESSABLE_TYPE, dtype=np.bool_),
        has_help=_has_help(problems, n),
        a=items.a * np.exp(rng.normal(0, 1, n) / root),
        b=items.b + b_se * rng.normal(0, 1, n),
        c=np.where(items.c > 0, c, 0.0),
        b_se=b_se,
        prerequisites=prerequisites,
        skill_names=tuple(skill.name for skill in CURRICULUM[: len(prerequisites)]),
    )


def _draw_learners(
    rng: np.random.Generator, students: Students, n_students: int, n_skills: int
) -> Learners:
    group = rng.choice(len(GROUPS), n_students, p=_GROUP_SHARES)
    general = students.general[:n_students]
    seeks = students.kind[:n_students] == HINT_SEEKER
    supported = (rng.random(n_students) < expit(-general)) | seeks
    centre = np.where(supported, _CENTRES[1], _CENTRES[0])
    return Learners(
        start=students.ability[:n_students, :n_skills] + _GROUP_SHIFTS[group][:, None],
        rate=students.gain[:n_students] / _GAIN_PROBLEMS,
        centre=centre + rng.normal(0, _CENTRE_SD, n_students),
        reads=np.where(supported, _READS[1], _READS[0]),
        rapid_rate=students.rapid_rate[:n_students],
        speed=students.speed[:n_students],
        diligence=students.diligence[:n_students],
        group=np.array(GROUPS)[group],
    )
