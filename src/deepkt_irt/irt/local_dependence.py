"""Pairs of items that share more than the ability: one hints at the other, or both at a text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csc_array, csr_array, vstack
from scipy.special import ndtr, ndtri

from deepkt_irt.irt.predictive import LeaveOneOut

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_PAIRS = 500_000  # pairs of items whose students are counted at a time
_DENSE = 0.15  # share of answered items from which plain products are faster than sparse ones
_FAMILY = 0.05  # error rate over an item's partners, when the strongest is chosen


@dataclass(frozen=True)
class LocalDependence:
    """Each item's strongest partner, arrays of shape (items,).

    Attributes:
        partner: Index of the item; -1 if no other shares enough students.
        q3: Correlation of the residuals of both, -1 to 1; 0 expected. NaN without a partner.
        n_common: Students who answered both; 0 without a partner.
        n_partners: Items that share enough students, among which the strongest was chosen.
        p: Chance that any of them reaches such a correlation without dependence (Bonferroni).
    """

    partner: IntArray
    q3: FloatArray
    n_common: IntArray
    n_partners: IntArray
    p: FloatArray


def q3(
    student: IntArray,
    item: IntArray,
    score: FloatArray,
    *,
    predicted: LeaveOneOut,
    min_pair: int,
) -> LocalDependence:
    """Local dependence: what two items share beyond the ability.

    Residuals of two items are correlated negatively without any dependence, by about 1 over the
    number of items, since each answer moves the ability the other one is judged by. Under a normal
    approximation their covariance is -k_i k_j / t^2, with k the covariance of score and ability in
    the leave-one-out prediction and t^2 the posterior variance given all answers. It is taken off.

    q3 = sum(e_i e_j + k_i k_j / t^2) / sqrt(n sum(v_i v_j)) over n students in common, with v the
    predictive variances, brought to the variance the item's residuals e have; q3 sqrt(n) is about
    N(0, 1), more closely so than for a plain correlation of few residuals. The strongest partner
    is the one with the highest end near 0 of an interval for |q3|, so that a pair with few students
    does not win by chance alone.

    Args:
        student: Index of the student, (responses,).
        item: Index of the item, (responses,).
        score: Share of credit, (responses,).
        predicted: The predictions of these responses.
        min_pair: Students two items must have in common, at least 2.

    Raises:
        ValueError: If min_pair is below 2.

    Reference:
        Yen (1984), Applied Psychological Measurement 8, 125-145; Chen and Thissen (1997), Journal
        of Educational and Behavioral Statistics 22, 265-289; the bias: Christensen, Makransky and
        Horton (2017), Applied Psychological Measurement 41, 178-194.
    """
    if min_pair < 2:
        raise ValueError(f"min_pair={min_pair} must be at least 2")
    n_items = predicted.n_items
    calibrated = np.isfinite(predicted.variance)
    enough = np.bincount(item, weights=calibrated, minlength=n_items) >= min_pair
    rows, kept = np.flatnonzero(enough[item]), np.flatnonzero(enough)
    place = np.searchsorted(kept, item[rows])
    residual = (score - predicted.expected)[rows]
    residual, variance = _centred(place, residual, predicted.variance[rows])
    common = predicted.covariance[rows] / predicted.student_sd[student[rows]]
    shape = (len(predicted.student_sd), len(kept))

    def matrix(values: FloatArray) -> csr_array:
        return csr_array((values, (student[rows], place)), shape=shape)

    product = vstack([matrix(residual), matrix(common)]).tocsr()
    pairs = _pairs(matrix(np.ones(len(rows))), matrix(variance), product, min_pair)
    first, second, n, correlation = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return _strongest(
        np.concatenate([kept[first], kept[second]]),
        np.concatenate([kept[second], kept[first]]),
        np.tile(n, 2),
        np.tile(correlation, 2),
        n_items=n_items,
    )


def _centred(
    item: IntArray, residual: FloatArray, variance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Residuals without their item's mean, and variances scaled to those the residuals have."""
    away = residual - (np.bincount(item, weights=residual) / np.bincount(item))[item]
    least = np.finfo(float).tiny
    own = np.bincount(item, weights=away**2) / (np.bincount(item, weights=variance) + least)
    return away, variance * own[item]


def _pairs(
    seen: csr_array, variance: csr_array, product: csr_array, min_pair: int
) -> Iterator[tuple[IntArray, IntArray, FloatArray, FloatArray]]:
    """Pairs that share enough students, each once: both items, students in common, q3.

    Args:
        seen: 1 where a student answered an item, (students, items).
        variance: Of the residuals, likewise.
        product: Residuals, below them what corrects their products, (2 students, items).
        min_pair: Students that are enough.
    """
    right: list[Any] = [seen, variance, product]
    left: list[Any] = [csc_array(x) for x in right]
    n_students, n_items = seen.shape
    if seen.nnz > _DENSE * n_students * n_items:
        left = right = [x.toarray() for x in right]
    size = max(1, _PAIRS // max(n_items, 1))
    for begin in range(0, max(n_items, 1), size):
        part, rest = slice(begin, begin + size), slice(begin, None)
        sums = [x[:, part].T @ y[:, rest] for x, y in zip(left, right, strict=True)]
        n, vv, ee = (x if isinstance(x, np.ndarray) else x.toarray() for x in sums)
        first, second = np.nonzero(np.triu((n >= min_pair) & (vv > 0), k=1))
        at = (first, second)
        correlation = np.clip(ee[at] / np.sqrt(n[at] * vv[at]), -1, 1)
        yield first + begin, second + begin, n[at], correlation


def _strongest(
    item: IntArray, other: IntArray, n: FloatArray, correlation: FloatArray, *, n_items: int
) -> LocalDependence:
    """The strongest partner of each item, from all pairs seen from both sides."""
    n_partners = np.bincount(item, minlength=n_items)
    margin = -ndtri(_FAMILY / 2 / np.maximum(n_partners, 1))
    surely = np.abs(correlation) - margin[item] / np.sqrt(n)
    order = np.lexsort((-other, surely, item))  # of equals, the partner that comes first
    best = order[np.flatnonzero(np.diff(item[order], append=-1))]
    has, one = item[best], 2 * ndtr(-np.abs(correlation[best]) * np.sqrt(n[best]))

    def all_items(values: ArrayLike, missing: float) -> FloatArray:
        whole = np.full(n_items, missing)
        whole[has] = values
        return whole

    return LocalDependence(
        partner=all_items(other[best], -1).astype(np.int64),
        q3=all_items(correlation[best], np.nan),
        n_common=all_items(n[best], 0).astype(np.int64),
        n_partners=n_partners,
        p=all_items(np.minimum(1, n_partners[has] * one), np.nan),
    )
