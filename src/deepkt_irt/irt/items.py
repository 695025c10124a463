"""Calibrated items as every other part of this room uses them: curves on the scale of ability."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepkt_irt.irt.response import level_probabilities

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TINY = np.finfo(float).tiny
_ROUNDING = 1e-3  # of a share of credit


@dataclass(frozen=True)
class ItemParameters:
    """Curves of items; abilities and difficulties in logits, arrays over items.

    An item that was not calibrated has NaN thresholds, and everything said of it is NaN.

    Attributes:
        thresholds: Difficulty of each step up in score, (items, steps), rising; NaN beyond an
            item's steps. Items that are right or wrong have one.
        slope: a, above 0; 1 where no discrimination was estimated (1PL), (items,).
        guessing: c of items with one step; 0 where there is none, (items,).
    """

    thresholds: FloatArray
    slope: FloatArray
    guessing: FloatArray

    def __post_init__(self) -> None:
        if self.thresholds.ndim != 2 or not self.thresholds.shape[1]:
            raise ValueError("thresholds must have the shape (items, steps)")
        if not len(self.thresholds) == len(self.slope) == len(self.guessing):
            raise ValueError("thresholds, slope and guessing differ in length")
        known = np.isfinite(self.thresholds)
        if (known[:, 1:] & ~(self.thresholds[:, 1:] > self.thresholds[:, :-1])).any():
            raise ValueError("the thresholds of an item must rise, NaN after the last one")
        if ((self.guessing > 0) & (known.sum(axis=1) > 1)).any():
            raise ValueError("only items with one step may have guessing")
        if not (self.slope > 0).all() or (self.guessing < 0).any() or (self.guessing >= 1).any():
            raise ValueError("slopes must be above 0, guessing in [0, 1)")

    @classmethod
    def dichotomous(
        cls,
        difficulty: ArrayLike,
        discrimination: ArrayLike = np.nan,
        guessing: ArrayLike = np.nan,
    ) -> Self:
        """Items that are right or wrong; NaN discrimination means slope 1, NaN guessing none."""
        b = np.atleast_1d(np.asarray(difficulty, dtype=np.float64))
        a = np.broadcast_to(np.asarray(discrimination, dtype=np.float64), b.shape)
        c = np.broadcast_to(np.asarray(guessing, dtype=np.float64), b.shape)
        return cls(b[:, None], np.where(np.isnan(a), 1.0, a), np.nan_to_num(c))

    def __len__(self) -> int:
        return len(self.slope)

    @property
    def n_steps(self) -> IntArray:
        """Steps of each item: 1 for right or wrong, 0 if not calibrated."""
        steps: IntArray = np.isfinite(self.thresholds).sum(axis=1)
        return steps

    @property
    def is_calibrated(self) -> NDArray[np.bool_]:
        """Whether an item has a curve."""
        return self.n_steps > 0

    @property
    def difficulty(self) -> FloatArray:
        """Mean of the thresholds: b of items that are right or wrong; NaN if there is none."""
        total = np.where(np.isnan(self.thresholds), 0.0, self.thresholds).sum(axis=1)
        missing = np.full(len(self), np.nan)
        mean: FloatArray = np.divide(total, self.n_steps, out=missing, where=self.is_calibrated)
        return mean

    def take(self, which: NDArray[np.integer] | NDArray[np.bool_]) -> "ItemParameters":
        """Some of the items, in the order given; one item may come repeatedly."""
        return ItemParameters(self.thresholds[which], self.slope[which], self.guessing[which])

    def placed(self, at: NDArray[np.integer]) -> "ItemParameters":
        """Some of the items, in the order given, as `take`; -1 stands for one without a curve."""
        if not len(self):
            n = len(at)
            return ItemParameters(np.full((n, 1), np.nan), np.ones(n), np.zeros(n))
        known = at >= 0
        return ItemParameters(
            np.where(known[:, None], self.thresholds[at], np.nan),
            np.where(known, self.slope[at], 1.0),
            np.where(known, self.guessing[at], 0.0),
        )

    def at_levels(self, item: IntArray, share: FloatArray) -> FloatArray:
        """Shares of credit as the items were calibrated, each one of its item's levels.

        Args:
            item: Index of the item, (responses,).
            share: Of credit as given, 0 to 1, (responses,). On an item with one step, or without
                a curve, full credit is right and anything less wrong.
        """
        steps = np.maximum(self.n_steps, 1)[item]
        down = np.where(steps > 1, np.round(share * steps), np.floor(share + _ROUNDING))
        levels: FloatArray = down / steps
        return levels

    def probabilities(self, theta: ArrayLike) -> FloatArray:
        """Chance of each score level at each ability, theta's shape + (items, steps + 1)."""
        return self._levels(np.asarray(theta, dtype=np.float64)[..., None])

    def paired(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Expected share of credit and information of each item at an ability of its own.

        Args:
            theta: Ability for each item, (items,).

        Returns:
            As of `expected_score` and `information`, (items,) each.
        """
        return self._expected(theta), self._information(theta)

    def expected_score(self, theta: ArrayLike) -> FloatArray:
        """Expected share of credit, 0 to 1, theta's shape + (items,); P of right or wrong items."""
        return self._expected(np.asarray(theta, dtype=np.float64)[..., None])

    def information(self, theta: ArrayLike) -> FloatArray:
        """Fisher information of one response about the ability, theta's shape + (items,).

        Reference:
            Samejima (1969), Psychometrika Monograph 17: the sum over levels of P'^2 / P.
        """
        return self._information(np.asarray(theta, dtype=np.float64)[..., None])

    def _levels(self, at: FloatArray) -> FloatArray:
        """Chance of each score level; abilities broadcast with items."""
        return level_probabilities(at, self.slope, self.thresholds, self.guessing)

    def _information(self, at: FloatArray) -> FloatArray:
        p = self._levels(at)
        bare = np.isnan(self.thresholds)
        s = level_probabilities(at[..., None], self.slope[:, None], self.thresholds[..., None])
        rise = self.slope[:, None] * s[..., 0] * s[..., 1]  # of P(level >= k)
        rise = np.where(bare, 0.0, rise) * (1.0 - self.guessing[:, None])
        edge = np.zeros((*rise.shape[:-1], 1))
        change = np.concatenate([edge, rise], axis=-1) - np.concatenate([rise, edge], axis=-1)
        total: FloatArray = (change**2 / np.maximum(p, _TINY)).sum(axis=-1)
        return total

    def _expected(self, at: FloatArray) -> FloatArray:
        p = self._levels(at)
        share = np.arange(p.shape[-1]) / np.maximum(self.n_steps, 1)[:, None]
        mean: FloatArray = (p * share).sum(axis=-1)
        return mean
