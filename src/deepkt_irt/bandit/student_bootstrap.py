"""Intervals by a bootstrap over students, whose decisions are not independent.

A resample weighs every student by how often it was drawn; as figures are made of sums per student,
a resample is a product of its weights with a small table. A plain percentile interval is too short
with few students, and worse where a few decisions carry most of the weight. So each resample is
measured in its own standard error (the bootstrap-t), taken from the linearised variance between
students. What other intervals held of simulated truths is in docs/experiments.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_CHUNK = 2_000_000  # draws at a time, resamples x students
_NO_SPREAD = 1e-12  # of the terms' size: a figure that no draw of students can move


@dataclass(frozen=True)
class Bootstrap:
    """How students are resampled.

    Attributes:
        n_resamples: Draws of as many students as there are, 1 or more.
        confidence: Of the intervals, in (0, 1).
        seed: Determines the draws.
    """

    n_resamples: int = 1_000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_resamples < 1 or not 0 < self.confidence < 1:
            raise ValueError(
                f"n_resamples={self.n_resamples} must be at least 1 "
                f"and confidence={self.confidence} in (0, 1)"
            )


@dataclass(frozen=True)
class Ratios:
    """A figure made of sums over students: sum_k sign_k sum(top_k) / sum(bottom_k).

    Attributes:
        top: Sums of each student, (terms, students).
        bottom: Sums of each student, none below 0, (terms, students).
        sign: 1 to add a term, -1 to subtract it, (terms,).
    """

    top: FloatArray
    bottom: FloatArray
    sign: FloatArray

    @property
    def value(self) -> float:
        """The figure of all students; NaN if a term has nothing below its line."""
        below = self.bottom.sum(axis=1)
        if not np.all(below > 0):
            return float("nan")
        return float(np.sum(self.sign * self.top.sum(axis=1) / below))

    def minus(self, other: "Ratios") -> "Ratios":
        """Difference of two figures of the same students."""
        return Ratios(
            np.concatenate([self.top, other.top]),
            np.concatenate([self.bottom, other.bottom]),
            np.concatenate([self.sign, -other.sign]),
        )

    @property
    def spread(self) -> float:
        """Linearised standard error, without the factor for few students."""
        return float(np.sqrt(np.sum(self.influence() ** 2)))

    def influence(self) -> FloatArray:
        """What each student adds to the figure's error, to the first order, (students,)."""
        below = self.bottom.sum(axis=1, keepdims=True)
        result: FloatArray = np.sum(self.sign[:, None] * self.residuals() / below, axis=0)
        return result

    def residuals(self) -> FloatArray:
        """Top less its ratio times bottom, 0 in sum over students, (terms, students)."""
        ratio = self.top.sum(axis=1) / self.bottom.sum(axis=1)
        result: FloatArray = self.top - ratio[:, None] * self.bottom
        return result


def student_intervals(figures: Sequence[Ratios], bootstrap: Bootstrap) -> list[tuple[float, float]]:
    """Bootstrap-t intervals, low and high, of figures of the same students and draws.

    With v the figure, s its linearised standard error and `v*`, `s*` those of a resample, the
    ends are v - q s, with q the upper and the lower quantile of `(v* - v) / s*`. Resamples without
    spread are left out. Both ends are the figure itself if no draw can move it, NaN if it is NaN.

    Args:
        figures: With the same students in the same order.
        bootstrap: Number of resamples, confidence and seed.

    Reference:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 12; with few
        clusters: Cameron, Gelbach and Miller (2008), Review of Economics and Statistics 90(3).
    """
    moved = [k for k, each in enumerate(figures) if _has_spread(each)]
    found = [(each.value, each.value) for each in figures]
    if not moved:
        return found
    tables = [_Table.of(figures[k]) for k in moved]
    n_students = figures[moved[0]].top.shape[1]
    t = np.concatenate(
        [
            np.stack([table.studentised(counts) for table in tables])
            for counts in _draws(n_students, bootstrap)
        ],
        axis=1,
    )
    for row, k in zip(t, moved, strict=True):
        found[k] = _interval(figures[k], row[np.isfinite(row)], bootstrap.confidence)
    return found


def _has_spread(figure: Ratios) -> bool:
    if not np.isfinite(figure.value):
        return False
    scale = np.sum(np.abs(figure.top).max(axis=1) / figure.bottom.sum(axis=1))
    return bool(np.abs(figure.influence()).max() > _NO_SPREAD * scale)


def _interval(figure: Ratios, t: FloatArray, confidence: float) -> tuple[float, float]:
    if not t.size:
        return float("nan"), float("nan")
    below, above = np.quantile(t, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(figure.value - above * figure.spread), float(figure.value - below * figure.spread)


@dataclass(frozen=True)
class _Table:
    """What a figure's resamples are computed from.

    Attributes:
        columns: Residuals, then bottoms of each term, (students, 2 x terms).
        products: Of all pairs of columns, (students, pairs).
        sign: Of each term, (terms,).
        spread: The figure's own.
    """

    columns: FloatArray
    products: FloatArray
    sign: FloatArray
    spread: float

    @classmethod
    def of(cls, figure: Ratios) -> "_Table":
        columns = np.concatenate([figure.residuals(), figure.bottom]).T
        products = (columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
        return cls(columns, products, figure.sign, figure.spread)

    def studentised(self, counts: FloatArray) -> FloatArray:
        """Deviation from the figure in standard errors of the resample, (resamples,).

        The factor n / (n - 1) of the variance is in both errors and so falls out.

        Args:
            counts: How often each student was drawn, (resamples, students).
        """
        above, below = np.split(counts @ self.columns, 2, axis=1)
        width = self.columns.shape[1]
        squares = (counts @ self.products).reshape(-1, width, width)
        with np.errstate(divide="ignore", invalid="ignore"):  # nobody drawn who carries weight
            ratio = above / below
            slope = np.concatenate([self.sign / below, -self.sign * ratio / below], axis=1)
            variance = np.einsum("ri,rij,rj->r", slope, squares, slope)
            error = np.sqrt(np.maximum(variance, 0))
            t = (ratio @ self.sign) / error
        result: FloatArray = np.where(error > 1e-6 * self.spread, t, np.nan)
        return result


def _draws(n_students: int, bootstrap: Bootstrap) -> Iterator[FloatArray]:
    """How often each student is drawn with replacement, in chunks of (resamples, students)."""
    rng = np.random.default_rng(bootstrap.seed)
    at_once = max(1, _CHUNK // n_students)
    for start in range(0, bootstrap.n_resamples, at_once):
        n = min(at_once, bootstrap.n_resamples - start)
        drawn = rng.integers(0, n_students, size=(n, n_students))
        drawn += np.arange(n)[:, None] * n_students
        counts = np.bincount(drawn.ravel(), minlength=n * n_students)
        yield counts.reshape(n, n_students).astype(np.float64)
