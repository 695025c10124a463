"""What each decision may choose from: rows of many decisions in one, and sums over them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.bandit.linear_state import FloatArray, IntArray

BoolArray = NDArray[np.bool_]

NO_SKILL = -2  # nothing: differs from the -1 of rows without a skill, which are not alike


@dataclass(frozen=True)
class Eligible:
    """Rows that may be chosen, decision after decision.

    Attributes:
        offsets: Where each decision's rows begin, and the end, (decisions + 1,).
        item: Item of each row, a number from 0; each once in a decision, (rows,).
        skill: Skill that the row would practise; -1 for none, (rows,).

    Raises:
        ValueError: The offsets do not cut the rows, or a number is too small.
    """

    offsets: IntArray
    item: IntArray
    skill: IntArray

    def __post_init__(self) -> None:
        if not len(self.offsets) or self.offsets[0] != 0 or self.offsets[-1] != len(self.item):
            raise ValueError(f"offsets must go from 0 to {len(self.item)} rows")
        if (np.diff(self.offsets) < 0).any():
            raise ValueError("offsets must not fall")
        if np.shape(self.skill) != np.shape(self.item):
            raise ValueError(f"{len(self.item)} items but {len(self.skill)} skills")
        if len(self.item) and (self.item.min() < 0 or self.skill.min() < -1):
            raise ValueError("items count from 0, skills from -1")

    @property
    def n_decisions(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def filled(self) -> IntArray:
        """Decisions that have rows, (filled,); reduceat cannot do without any."""
        return np.flatnonzero(np.diff(self.offsets))

    @cached_property
    def place(self) -> IntArray:
        """Place of each row's decision among the filled ones, (rows,)."""
        return np.repeat(np.arange(len(self.filled)), np.diff(self.offsets)[self.filled])

    @cached_property
    def by_skill(self) -> tuple[IntArray, "Eligible"]:
        """The rows with each pair of a decision and a skill as a decision of its own.

        Returns:
            The order in which the rows of a pair follow each other, and the rows in it.
        """
        decision = np.repeat(np.arange(self.n_decisions), np.diff(self.offsets))
        order = np.lexsort((self.skill, decision))
        pair = decision[order], self.skill[order]
        starts = np.any([np.diff(each, prepend=NO_SKILL) != 0 for each in pair], axis=0)
        offsets = np.append(np.flatnonzero(starts), len(order))
        return order, Eligible(offsets, self.item[order], pair[1])

    def only(self, decisions: BoolArray) -> "Eligible":
        """Some of the decisions with their rows."""
        sizes = np.diff(self.offsets)
        rows = np.repeat(decisions, sizes)
        offsets = np.concatenate([[0], np.cumsum(sizes[decisions])])
        return Eligible(offsets, self.item[rows], self.skill[rows])

    def net_of_skill(self, values: NDArray[np.floating[Any]]) -> FloatArray:
        """Values less their mean over the decision's rows of the same skill, (rows, ...)."""
        order, pairs = self.by_skill
        n = np.reshape(np.diff(pairs.offsets), (-1, *(1,) * (values.ndim - 1)))
        net = np.empty(values.shape)
        net[order] = values[order] - (pairs.totals(values[order]) / n)[pairs.place]
        return net

    def totals(self, values: NDArray[np.generic]) -> FloatArray:
        """Sums over the rows of each filled decision, (filled, ...)."""
        sums: FloatArray = np.add.reduceat(
            values, self.offsets[self.filled], axis=0, dtype=np.float64
        )
        return sums

    def largest(self, values: FloatArray) -> FloatArray:
        """Largest value among the rows of each filled decision, (filled, ...)."""
        tops: FloatArray = np.maximum.reduceat(values, self.offsets[self.filled], axis=0)
        return tops
