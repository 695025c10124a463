"""First attempts in long form, and what can be estimated of each item from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from deepkt_irt.errors import NoData
from deepkt_irt.settings import CalibrationSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Responses:
    """First attempts; arrays of shape (responses,) unless said otherwise.

    Attributes:
        student: Index of the student, 0 to n_students - 1.
        item: Index of the item, 0 to n_items - 1; a student answers an item once.
        level: Score level reached: 1 right, 0 wrong; on graded items 0 to the item's steps.
        n_students: Number of students.
        n_items: Number of items.
        group: Group of each student, 0 to the number of groups - 1, (students,); group 0 is the
            reference. None: all are one.
        guessable: Items on which a student without a clue may be right by chance, (items,).
            None: none is.
        n_steps: Highest level of each item, (items,). None: the highest one met.
    """

    student: IntArray
    item: IntArray
    level: IntArray
    n_students: int
    n_items: int
    group: IntArray | None = None
    guessable: BoolArray | None = None
    n_steps: IntArray | None = None

    def __post_init__(self) -> None:
        if not len(self.student) == len(self.item) == len(self.level):
            raise ValueError("student, item and level differ in length")
        if not len(self.level):
            raise NoData("no graded first attempts to calibrate items on")
        if self.student.min() < 0 or self.student.max() >= self.n_students:
            raise ValueError(f"student index outside 0 to {self.n_students - 1}")
        if self.item.min() < 0 or self.item.max() >= self.n_items:
            raise ValueError(f"item index outside 0 to {self.n_items - 1}")
        if not np.issubdtype(self.level.dtype, np.integer):
            raise ValueError("score levels are whole numbers: 0 wrong, 1 right, or 0, 1, 2 …")
        if self.level.min() < 0:
            raise ValueError("score levels start at 0")
        self._refuse_parts_that_do_not_fit()

    def _refuse_parts_that_do_not_fit(self) -> None:
        if self.group is not None and len(self.group) != self.n_students:
            raise ValueError(f"group has {len(self.group)} entries for {self.n_students} students")
        for name in ("guessable", "n_steps"):
            values = getattr(self, name)
            if values is not None and len(values) != self.n_items:
                raise ValueError(f"{name} has {len(values)} entries for {self.n_items} items")
        if self.n_steps is not None and (self.level > self.n_steps[self.item]).any():
            raise ValueError("a score level lies above the item's steps")

    def level_counts(self) -> IntArray:
        """Responses by item and level, (items, levels)."""
        n_levels = max(2, int(self.level.max()) + 1)
        cell = self.item * n_levels + self.level
        counts = np.bincount(cell, minlength=self.n_items * n_levels)
        return counts.reshape(self.n_items, n_levels).astype(np.int64)

    def cells(self, selection: "Selection") -> csr_array:
        """1 at the level reached, (students, kept items x levels).

        Raises:
            ValueError: If a student has two responses to an item.
        """
        cell = selection.cell(self.item, self.level)
        inside = cell >= 0
        shape = (self.n_students, selection.n_cells)
        ones = np.ones(int(inside.sum()))
        cells = csr_array((ones, (self.student[inside], cell[inside])), shape=shape)
        by_item = csr_array(
            (cells.data, cells.indices // selection.n_levels, cells.indptr), shape=shape
        )
        by_item.sum_duplicates()
        if by_item.nnz < len(ones):
            raise ValueError("a student has several responses to one item; keep the first")
        return cells


@dataclass(frozen=True)
class Selection:
    """Which items are calibrated, and by which model.

    Attributes:
        kept: Items with enough responses, (kept items,).
        n_steps: Steps of the kept items; 1 where a graded item is taken as right or wrong.
        full_credit: Level that is full credit, (kept items,).
        has_slope: A slope of their own, (kept items,).
        has_guessing: A lower asymptote that is estimated, (kept items,).
        assumes_guessing: A lower asymptote that is taken as usual, (kept items,).
        counts: Responses at each level, after joining, (kept items, levels).
        n_responses: Of all items, (items,).
        p_value: Mean share of credit, (items,); NaN without responses.
    """

    kept: IntArray
    n_steps: IntArray
    full_credit: IntArray
    has_slope: BoolArray
    has_guessing: BoolArray
    assumes_guessing: BoolArray
    counts: IntArray
    n_responses: IntArray
    p_value: FloatArray

    @property
    def n_levels(self) -> int:
        """Levels of the item with the most."""
        return int(self.counts.shape[1])

    @property
    def n_cells(self) -> int:
        """Levels of all kept items, padded to equal number."""
        return self.counts.size

    def cell(self, item: IntArray, level: IntArray) -> IntArray:
        """Index of an item's level among all cells, (responses,); -1 for items not kept."""
        place = np.full(len(self.n_responses), -1)
        place[self.kept] = np.arange(len(self.kept))
        kept = place[item]
        dichotomous = self.n_steps[kept] == 1
        joined = np.where(dichotomous, level == self.full_credit[kept], level)
        return np.where(kept < 0, -1, kept * self.n_levels + joined)


def select(
    counts: IntArray,
    settings: CalibrationSettings,
    *,
    guessable: BoolArray | None = None,
    n_steps: IntArray | None = None,
) -> Selection:
    """Choose the model of each item by its type and its amount of data.

    Args:
        counts: Responses by item and level, (items, levels).
        settings: How many responses a model needs.
        guessable: See Responses.
        n_steps: See Responses.

    Raises:
        NoData: If no item has enough responses.
    """
    n = counts.sum(axis=1)
    levels = np.arange(counts.shape[1])
    highest = np.where(counts > 0, levels, 0).max(axis=1)
    steps = np.maximum(highest if n_steps is None else n_steps, 1)
    earned = counts @ levels / steps
    p_value = np.divide(earned, n, out=np.full(len(n), np.nan), where=n > 0)
    kept = np.flatnonzero(n >= settings.min_responses)
    if not len(kept):
        raise NoData(f"no item has {settings.min_responses} first attempts")
    rare = (counts < settings.min_level_responses) & (levels <= steps[:, None])
    graded = (steps > 1) & (steps < settings.max_levels) & (steps <= highest) & ~rare.any(axis=1)
    joined = _joined(counts, steps, graded)[kept]
    enough = (n >= settings.min_responses_2pl)[kept]
    own_steps = np.where(graded, steps, 1)[kept]
    met = ((joined > 0) | (np.arange(joined.shape[1]) > own_steps[:, None])).all(axis=1)
    may_guess = np.zeros(len(n), dtype=bool) if guessable is None else guessable
    may_guess = (may_guess & ~graded)[kept]
    own_guessing = may_guess & (n >= settings.min_responses_3pl)[kept] & enough & met
    return Selection(
        kept=kept,
        n_steps=own_steps,
        full_credit=steps[kept],
        has_slope=enough & met,
        has_guessing=own_guessing,
        assumes_guessing=may_guess & ~(enough & met) & settings.assume_guessing,
        counts=joined,
        n_responses=n,
        p_value=p_value,
    )


def _joined(counts: IntArray, steps: IntArray, graded: BoolArray) -> IntArray:
    """Counts with everything below full credit joined where an item is not graded."""
    n_levels = int(np.where(graded, steps, 1).max()) + 1
    item = np.arange(len(counts))
    full = np.where(
        steps < counts.shape[1], counts[item, np.minimum(steps, counts.shape[1] - 1)], 0
    )
    two = np.zeros((len(counts), n_levels), dtype=np.int64)
    two[:, 0], two[:, 1] = counts.sum(axis=1) - full, full
    padded = np.zeros((len(counts), n_levels), dtype=np.int64)
    width = min(n_levels, counts.shape[1])
    padded[:, :width] = counts[:, :width]
    return np.where(graded[:, None], padded, two)
