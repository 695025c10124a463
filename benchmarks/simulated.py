"""Responses drawn from known items, for the benchmarks of calibration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.irt.items import ItemParameters

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_BLOCK = 1_000_000  # responses drawn at a time, so that memory stays small


@dataclass(frozen=True)
class Drawn:
    """Answers of students with theta ~ N(0, 1), sorted by student.

    Attributes:
        student: Index of the student, (responses,).
        item: Index of the item, (responses,).
        level: Score level reached, 1 for right where items are right or wrong, (responses,).
        n_students: Number of students.
        n_items: Number of items.
    """

    student: IntArray
    item: IntArray
    level: IntArray
    n_students: int
    n_items: int


def dichotomous(
    rng: np.random.Generator, n_items: int, *, slope_sd: float, guessing: bool = False
) -> ItemParameters:
    """Items with b ~ N(0, 1), log a ~ N(0, slope_sd^2) and, where asked, c ~ Beta(5, 17)."""
    b = rng.normal(size=n_items)
    a = rng.lognormal(0.0, slope_sd, n_items)
    c = rng.beta(5, 17, n_items) if guessing else np.nan
    return ItemParameters.dichotomous(b, a, c)


def graded(
    rng: np.random.Generator, n_items: int, *, slope_sd: float, n_steps: int
) -> ItemParameters:
    """Items with several score levels, whose thresholds lie 0.8 logits apart on average."""
    gaps = 0.8 * rng.uniform(0.5, 1.5, (n_items, n_steps - 1))
    rise = np.concatenate([np.zeros((n_items, 1)), gaps.cumsum(axis=1)], axis=1)
    middle = rng.normal(size=(n_items, 1))
    thresholds = middle + rise - rise.mean(axis=1, keepdims=True)
    return ItemParameters(thresholds, rng.lognormal(0.0, slope_sd, n_items), np.zeros(n_items))


def everyone(n_students: int, n_items: int) -> tuple[IntArray, IntArray]:
    """Student and item of each response where all answer all."""
    return np.repeat(np.arange(n_students), n_items), np.tile(np.arange(n_items), n_students)


def exposed(
    rng: np.random.Generator, n_students: int, n_by_item: IntArray
) -> tuple[IntArray, IntArray]:
    """Student and item of each response where each item meets so many random students."""
    takers = [rng.choice(n_students, n, replace=False, shuffle=False) for n in n_by_item]
    student, item = np.concatenate(takers), np.repeat(np.arange(len(n_by_item)), n_by_item)
    order = np.lexsort((item, student))
    return student[order], item[order]


def answers(
    rng: np.random.Generator,
    items: ItemParameters,
    pairs: tuple[IntArray, IntArray],
    *,
    n_students: int,
) -> Drawn:
    """Score levels that students with theta ~ N(0, 1) reach on the items they meet."""
    student, item = pairs
    theta = rng.normal(size=n_students)
    level = np.empty(len(student), dtype=np.int64)
    for begin in range(0, len(student), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        level[part] = _levels(rng, items.take(item[part]), theta[student[part]])
    return Drawn(student, item, level, n_students, len(items))


def _levels(rng: np.random.Generator, items: ItemParameters, theta: FloatArray) -> IntArray:
    """A level for each pair of item and ability: the steps a uniform number does not reach."""
    eta = items.slope[:, None] * (theta[:, None] - items.thresholds)
    above = 1.0 / (1.0 + np.exp(-eta))
    above[:, 0] += items.guessing * (1.0 - above[:, 0])
    reached: IntArray = (rng.random((len(theta), 1)) < above).sum(axis=1)
    return reached
