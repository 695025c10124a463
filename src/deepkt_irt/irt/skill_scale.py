"""From mastery of a skill to an ability, and to how mastery has changed by later answers.

Mastery is the mean success on a skill's reference items. The ability that gives that mean says what
success on another item of the skill is to be expected.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.irt.items import ItemParameters

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_THETA = np.linspace(-6.0, 6.0, 121)
_REACH = 3.0  # logits that one step may go
_TINY = 1e-9


@dataclass(frozen=True)
class SkillScale:
    """Mean curves of skills' reference items.

    Attributes:
        items: Curves of all items.
        curves: Mean success at each ability of a grid; NaN where a skill has no calibrated
            reference item, (skills + 1, nodes).
    """

    items: ItemParameters
    curves: FloatArray

    @classmethod
    def of(cls, items: ItemParameters, references: Mapping[int, Sequence[int]]) -> Self:
        """Work the curves out.

        Args:
            items: Curves of all items.
            references: Items of each skill that it is judged by, by number; skills from 1.
        """
        curves = np.full((max(references, default=0) + 1, len(_THETA)), np.nan)
        for skill, numbers in references.items():
            own = items.take(np.asarray(numbers, dtype=np.int64))
            if own.is_calibrated.any():
                curves[skill] = own.take(own.is_calibrated).expected_score(_THETA).mean(axis=1)
        return cls(items, curves)

    def ability(self, skill: IntArray, mastery: FloatArray) -> FloatArray:
        """The ability that gives a mastery, within 6 logits; NaN where the skill has no curve.

        Args:
            skill: From 1; -1 for one that is not known, (rows,).
            mastery: Of that skill, 0 to 1, (rows,).
        """
        theta = np.full(len(skill), np.nan)
        for rows, curve in self._with_curves(skill):
            theta[rows] = np.interp(mastery[rows], curve, _THETA)
        return theta

    def gain(
        self,
        skill: IntArray,
        mastery: FloatArray,
        decision: IntArray,
        item: IntArray,
        correct: FloatArray,
    ) -> FloatArray:
        """How much higher a mastery is by later answers on the skill than it was, (decisions,).

        The ability that the mastery stands for is moved by one step of Fisher scoring on the
        probes. Unlike a mean of right less expected this does not depend on which probes came: an
        ability that was taken for too low shows more on some items than on others.

        Args:
            skill: Of each decision, (decisions,).
            mastery: Of that skill then, 0 to 1, (decisions,).
            decision: Of each probe, (probes,).
            item: Numbers of probes; -1 for one that is not known, (probes,).
            correct: 1 right, 0 wrong, (probes,).

        Returns:
            From -1 to 1; the share of right answers less the mastery where no probe has a curve,
            NaN without probes.
        """
        n_decisions, theta = len(skill), self.ability(skill, mastery)
        known = (item >= 0) & np.isfinite(theta[decision])
        known[known] = self.items.is_calibrated[item[known]]
        p, information = self.items.take(item[known]).paired(theta[decision[known]])
        spread = np.maximum(p * (1 - p), _TINY)
        score = np.sqrt(information / spread) * (correct[known] - p)

        def total(of: IntArray, values: FloatArray) -> FloatArray:
            return np.bincount(of, weights=values, minlength=n_decisions)

        told, moved = total(decision[known], information), total(decision[known], score)
        step = np.divide(moved, told, out=np.zeros(n_decisions), where=told > 0)
        n, right = total(decision, np.ones(len(decision))), total(decision, correct)
        share = np.divide(right, n, out=np.full(n_decisions, np.nan), where=n > 0)
        after = self._mastery(skill, theta + np.clip(step, -_REACH, _REACH))
        gain: FloatArray = np.where(told > 0, after, share) - mastery
        return gain

    def _mastery(self, skill: IntArray, theta: FloatArray) -> FloatArray:
        mastery = np.full(len(skill), np.nan)
        for rows, curve in self._with_curves(skill):
            mastery[rows] = np.interp(theta[rows], _THETA, curve)
        return mastery

    def _with_curves(self, skill: IntArray) -> Iterator[tuple[BoolArray, FloatArray]]:
        """Rows of each skill that has a curve, with that curve."""
        for each in np.unique(skill):
            if 0 <= each < len(self.curves) and np.isfinite(self.curves[each, 0]):
                yield skill == each, self.curves[each]
