"""Logged decisions of a policy: one item recommended to one student out of those eligible.

Eligible sets differ in size, so their items lie one after another in flat arrays, and each decision
says where its own begin. A log is checked once, when it is made. Nothing is estimated here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_SUM_TOLERANCE = 1e-6  # probabilities may have been stored in 32 bits


@dataclass(frozen=True)
class DecisionLog:
    """Decisions in any order, with the eligible items of each.

    Attributes:
        student: Index of the student, 0 or more, (decisions,).
        offsets: Where the eligible rows of each decision begin, and where the last ones end,
            (decisions + 1,).
        item: Index of the item of each eligible row, (rows,).
        chosen: The eligible row that was recommended, in 0 to rows - 1, (decisions,).
        propensity: Chance with which the logging policy chose it, in (0, 1]; NaN if it was not
            logged, (decisions,).
        reward: Finite; NaN while it is pending, (decisions,).

    Raises:
        ValueError: If lengths differ, a decision has no eligible item or chose one that is not
            its own, or a value is outside its range.
    """

    student: IntArray
    offsets: IntArray
    item: IntArray
    chosen: IntArray
    propensity: FloatArray
    reward: FloatArray

    def __post_init__(self) -> None:
        self._check_shapes()
        sizes = np.diff(self.offsets)
        _refuse(sizes < 1, "offsets", "leave no eligible item")
        outside = (self.chosen < self.offsets[:-1]) | (self.chosen >= self.offsets[1:])
        _refuse(outside, "chosen", "is none of the decision's eligible rows")
        _refuse(self.student < 0, "student", "is below 0")
        p = self.propensity
        _refuse(~(np.isnan(p) | ((p > 0) & (p <= 1))), "propensity", "is outside (0, 1]")
        _refuse(np.isinf(self.reward), "reward", "is infinite")

    def _check_shapes(self) -> None:
        n = len(self.student)
        due = {"offsets": n + 1, "chosen": n, "propensity": n, "reward": n}
        for name, length in due.items():
            if np.shape(getattr(self, name)) != (length,):
                found = np.shape(getattr(self, name))
                raise ValueError(f"{n} students, so {name} must be ({length},), not {found}")
        for name in ("student", "offsets", "item", "chosen"):
            if not np.issubdtype(getattr(self, name).dtype, np.integer):
                raise ValueError(f"{name} must hold whole numbers")
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.item):
            raise ValueError(f"offsets must run from 0 to the number of rows, {len(self.item)}")

    @property
    def n_decisions(self) -> int:
        """Decisions, pending ones included."""
        return len(self.student)

    @property
    def sizes(self) -> IntArray:
        """How many items were eligible, (decisions,)."""
        return np.diff(self.offsets)

    @property
    def has_reward(self) -> BoolArray:
        """False while the reward is pending, (decisions,)."""
        return np.isfinite(self.reward)

    @property
    def has_propensity(self) -> BoolArray:
        """Whether the propensity was logged, (decisions,)."""
        return np.isfinite(self.propensity)

    def per_decision(self, values: FloatArray) -> FloatArray:
        """Sums of values over the eligible rows of each decision, (rows,) to (decisions,)."""
        if not self.n_decisions:
            return np.zeros(0)
        sums: FloatArray = np.add.reduceat(values, self.offsets[:-1])
        return sums

    def checked_policy(self, probabilities: FloatArray, name: str) -> FloatArray:
        """A policy's probabilities of the eligible rows, (rows,), if they are such.

        Args:
            probabilities: In [0, 1], 1 in sum over each decision, (rows,).
            name: What an error calls the policy.

        Raises:
            ValueError: If they are not.
        """
        p = self.checked_rows(probabilities, name)
        negative = self.per_decision((p < 0).astype(np.float64)) > 0
        _refuse(negative, name, "has a probability below 0")
        total = self.per_decision(p)
        _refuse(np.abs(total - 1) > _SUM_TOLERANCE, name, "does not sum to 1")
        return p

    def checked_rows(self, values: FloatArray, name: str) -> FloatArray:
        """One finite value per eligible row, (rows,).

        Raises:
            ValueError: If there is not one for each, or one is NaN or infinite.
        """
        x = np.asarray(values, dtype=np.float64)
        if x.shape != self.item.shape:
            raise ValueError(f"{name} must be {self.item.shape}, one per row, not {x.shape}")
        unknown = self.per_decision((~np.isfinite(x)).astype(np.float64)) > 0
        _refuse(unknown, name, "is not finite")
        return x


def _refuse(bad: BoolArray, column: str, why: str) -> None:
    if bad.any():
        first, n = int(np.argmax(bad)), int(bad.sum())
        others = f" (and {n - 1} more)" if n > 1 else ""
        raise ValueError(f"decision {first}{others}: {column} {why}")
