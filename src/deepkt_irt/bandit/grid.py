"""Scores of every student by every item, for features that are products of theirs.

The scores are those of `linucb` for the same rows; no row is ever made.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deepkt_irt.bandit.linear_state import FloatArray, IntArray
from deepkt_irt.bandit.linucb import Posterior, Scores, blocks

_ITEM_BLOCK = 1_024


@dataclass(frozen=True)
class Factors:
    """How features are products of one of a student's and one of an item's.

    With u~ = [1, u] and v~ = [1, v]: z_k = u~[student[k]] v~[item[k]] and x_m = u~[own[m]]. So 0
    stands for the constant and j for the j-th feature, counted from 1.

    Attributes:
        student: Of each shared feature, (shared,).
        item: Of each shared feature, (shared,).
        own: Of each own feature, each once, (own,).

    Raises:
        ValueError: Lengths differ, a number is negative, or an own feature is there twice.
    """

    student: IntArray
    item: IntArray
    own: IntArray

    def __post_init__(self) -> None:
        if len(self.student) != len(self.item):
            raise ValueError(f"{len(self.student)} student but {len(self.item)} item factors")
        if any(len(each) and np.min(each) < 0 for each in (self.student, self.item, self.own)):
            raise ValueError("factors count from 0, the constant")
        if len(np.unique(self.own)) != len(self.own):
            raise ValueError("an own feature is there twice")

    def rows(
        self, student_features: FloatArray, item_features: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Features z and x of rows, from u (rows, student) and v (rows, item)."""
        u, v = _with_constant(student_features), _with_constant(item_features)
        return u[:, self.student] * v[:, self.item], u[:, self.own]


@dataclass(frozen=True)
class Grid:
    """Scores of every student by every item as two matrix products, without any row of features.

    Both c and x are linear in u~, so a mean is u~'m_a and a squared width u~'Q_a u~ with m_a and
    Q_a of the item alone. With phi(u) the products u~_i u~_j, i <= j, of the p factors in use, all
    squared widths are phi (students, p) @ Q (p, items).

    Attributes:
        used: Factors of the student that matter, (used,).
        mean: m_a, (used, items).
        square: Q_a, upper triangle, (used (used + 1) / 2, items).
    """

    used: IntArray
    mean: NDArray[np.floating[Any]]
    square: NDArray[np.floating[Any]]

    @classmethod
    def of(
        cls,
        posterior: Posterior,
        factors: Factors,
        item_features: FloatArray,
        item: IntArray,
        *,
        dtype: DTypeLike = np.float64,
    ) -> Self:
        """Prepare items for scoring.

        Args:
            posterior: What is known.
            factors: How its features are made.
            item_features: v of the items to score, (items, item features).
            item: Their positions in the state, (items,).
            dtype: float32 halves time and memory; a width that is far smaller than its parts
                then has few digits.

        Raises:
            ValueError: Shapes do not fit each other.
        """
        if len(factors.student) != len(posterior.beta):
            raise ValueError(f"{len(factors.student)} factors, {len(posterior.beta)} weights")
        if len(factors.own) != posterior.own_mean.shape[1]:
            raise ValueError(f"{len(factors.own)} own factors, expected those of the posterior")
        if len(item_features) != len(item) or not np.isfinite(item_features).all():
            raise ValueError("item features must be finite, one row per item")
        used, place = np.unique(np.r_[factors.student, factors.own], return_inverse=True)
        place_of_z, place_of_x = np.split(place, [len(factors.student)])
        upper = np.triu_indices(len(used))
        mean = np.empty((len(used), len(item)), dtype=dtype)
        square = np.empty((len(upper[0]), len(item)), dtype=dtype)
        for rows in blocks(len(item), _ITEM_BLOCK):
            at, v = item[rows], _with_constant(item_features[rows])
            left = np.zeros((len(at), len(used), len(posterior.beta)))  # c = u~' left
            left[:, place_of_z, np.arange(len(posterior.beta))] = v[:, factors.item]
            left[:, place_of_x] -= posterior.projection[at]
            means = left @ posterior.beta
            means[:, place_of_x] += posterior.own_mean[at]
            half = left @ posterior.root
            form = half @ np.swapaxes(half, 1, 2)
            form[:, place_of_x[:, None], place_of_x] += posterior.own_covariance[at]
            form *= 2 - np.eye(len(used))  # what is off the diagonal counts twice
            mean[:, rows], square[:, rows] = means.T, form[:, upper[0], upper[1]].T
        return cls(used, mean, square)

    def scores(self, student_features: FloatArray) -> Scores:
        """Mean and width of students u (students, features) by items, (students, items).

        Raises:
            ValueError: A feature is not finite, or there are fewer than the factors name.
        """
        if not np.isfinite(student_features).all():
            raise ValueError("student features must be finite")
        if len(self.used) and self.used[-1] > student_features.shape[1]:
            raise ValueError(f"factors name feature {self.used[-1]} of a student, which is missing")
        u = _with_constant(student_features)[:, self.used].astype(self.mean.dtype)
        first, second = np.triu_indices(len(self.used))
        width = (u[:, first] * u[:, second]) @ self.square
        np.sqrt(np.maximum(width, 0, out=width), out=width)
        return Scores(u @ self.mean, width)

    def blocks(
        self, student_features: FloatArray, *, block: int = 1_024
    ) -> Iterator[tuple[slice, Scores]]:
        """Scores of so many students at a time, with which ones they are."""
        for rows in blocks(len(student_features), block):
            yield rows, self.scores(student_features[rows])

    def rows(
        self, student_features: FloatArray, offsets: IntArray, item: IntArray, *, block: int = 1_024
    ) -> Scores:
        """Scores of ragged sets, one after the other, (rows,).

        Args:
            student_features: u, (students, features).
            offsets: Where each student's rows begin, and the end, (students + 1,).
            item: Columns of this grid, (rows,).
            block: Students at a time.
        """
        mean = np.empty(len(item), dtype=self.mean.dtype)
        width = np.empty_like(mean)
        for students, found in self.blocks(student_features, block=block):
            bounds = offsets[students.start : students.stop + 1]
            rows = slice(bounds[0], bounds[-1])
            at = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)), item[rows]
            mean[rows], width[rows] = found.mean[at], found.width[at]
        return Scores(mean, width)


def _with_constant(features: FloatArray) -> FloatArray:
    return np.column_stack([np.ones(len(features)), features])
