"""Students with their responses in order, some at a time, and the nodes their abilities lie on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from deepkt_irt.irt.items import ItemParameters

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
ScoreArray = FloatArray | IntArray

NODES = 161  # fine enough for the posterior of a student with thousands of responses
_MOST_NODES = 2001
_CHUNK = 30_000  # responses whose items' curves are held at a time
_LEVEL_TOLERANCE = 1e-3  # of a share of credit, which may have been rounded
_LEAST = 1e-100  # no chance is smaller, so that a posterior never vanishes


@dataclass(frozen=True)
class Start:
    """Where abilities start: a normal distribution for each student, arrays of shape (students,).

    Attributes:
        mean: In logits.
        sd: Above 0.
    """

    mean: FloatArray
    sd: FloatArray

    @classmethod
    def of(cls, mean: ArrayLike, sd: ArrayLike, n_students: int) -> Self:
        """One mean and SD for all students, or one each."""
        shape = (n_students,)
        means, sds = (np.broadcast_to(np.asarray(x, dtype=np.float64), shape) for x in (mean, sd))
        if not (np.isfinite(means).all() and np.isfinite(sds).all() and (sds > 0).all()):
            raise ValueError("population_mean must be finite, population_sd finite and above 0")
        return cls(means, sds)

    def grid(self, reach: float, n_nodes: int = NODES) -> FloatArray:
        """Nodes that reach over all students; more if one is known closely, (nodes,)."""
        if not len(self.mean):
            return np.zeros(1)
        low = float((self.mean - reach * self.sd).min())
        high = float((self.mean + reach * self.sd).max())
        # even steps of one SD integrate a normal density to nine digits
        needed = np.ceil((high - low) / self.sd.min()) + 1
        return np.linspace(low, high, int(np.clip(needed, n_nodes, _MOST_NODES)))


@dataclass(frozen=True)
class StudentChunk:
    """Some students with all their responses.

    Attributes:
        students: Which of all students.
        rows: Which of all responses.
        offsets: Where each student's responses begin within the chunk, (students + 1,).
        distinct: Items met, (distinct items,).
        place: Index among them, (responses,).
        level: Score level, 0 on items without a curve, (responses,).
        counts: Whether the item has a curve, (responses,).
        chances: Of each level, 1 on items without a curve, (distinct items, levels, nodes).
    """

    students: slice
    rows: slice
    offsets: IntArray
    distinct: IntArray
    place: IntArray
    level: IntArray
    counts: BoolArray
    chances: FloatArray

    @property
    def student(self) -> IntArray:
        """Index within the chunk, (responses,)."""
        lengths = np.diff(self.offsets)
        return np.repeat(np.arange(len(lengths)), lengths)

    @property
    def cell(self) -> IntArray:
        """Row of each response in the chances of all levels of all items, (responses,)."""
        cell: IntArray = self.place * self.chances.shape[1] + self.level
        return cell

    @property
    def n_counted(self) -> IntArray:
        """Responses that count, (students,)."""
        return np.bincount(self.student[self.counts], minlength=len(self.offsets) - 1)

    def log_likelihood(self) -> FloatArray:
        """Of all responses of each student at each node, (students, nodes)."""
        n_items, n_levels, n_nodes = self.chances.shape
        shape = (len(self.offsets) - 1, n_items * n_levels)
        given = csr_array((np.ones(len(self.place)), self.cell, self.offsets), shape=shape)
        logs: FloatArray = given @ np.log(self.chances).reshape(-1, n_nodes)
        return logs


def sorted_by_student(student: IntArray, n_students: int) -> tuple[IntArray, IntArray]:
    """Order that brings a student's responses together, keeping theirs, and the offsets.

    Raises:
        ValueError: If an index lies outside 0 to n_students - 1.
    """
    if len(student) and not (student.min() >= 0 and student.max() < n_students):
        raise ValueError(f"student index outside 0 to {n_students - 1}")
    order: IntArray = np.argsort(student, kind="stable")
    counts = np.bincount(student, minlength=n_students)
    return order, np.concatenate([[0], np.cumsum(counts)])


def student_chunks(
    offsets: IntArray,
    item: IntArray,
    score: ScoreArray,
    *,
    items: ItemParameters,
    theta: FloatArray,
) -> Iterator[StudentChunk]:
    """Whole students, so many that they have about _CHUNK responses."""
    _check(offsets, item, score, items)
    begin, n = 0, len(offsets) - 1
    while begin < n:
        end = int(np.searchsorted(offsets, offsets[begin] + _CHUNK, side="right")) - 1
        end = min(max(end, begin + 1), begin + _CHUNK)
        rows = slice(offsets[begin], offsets[end])
        distinct, place = np.unique(item[rows], return_inverse=True)
        some = items.take(distinct)
        chances = np.moveaxis(some.probabilities(theta), 0, -1)
        chances = np.where(np.isnan(chances), 1.0, np.maximum(chances, _LEAST))
        chances = np.ascontiguousarray(chances)
        yield StudentChunk(
            students=slice(begin, end),
            rows=rows,
            offsets=offsets[begin : end + 1] - offsets[begin],
            distinct=distinct,
            place=place,
            level=_levels(some.n_steps[place], score[rows]),
            counts=some.is_calibrated[place],
            chances=chances,
        )
        begin = end


def _check(offsets: IntArray, item: IntArray, score: ScoreArray, items: ItemParameters) -> None:
    if len(item) != len(score):
        raise ValueError("item and score differ in length")
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(item):
        raise ValueError("offsets must lead from 0 to the number of responses")
    if len(item) and not (item.min() >= 0 and item.max() < len(items)):
        raise ValueError(f"item index outside 0 to {len(items) - 1}")
    given = np.asarray(score)[items.is_calibrated[item]]
    if not ((given >= 0) & (given <= 1)).all():
        raise ValueError("score must be a share of credit from 0 to 1")


def _levels(steps: IntArray, score: ScoreArray) -> IntArray:
    """Score level of each response; 0 on items without steps, (responses,)."""
    reached = np.where(steps > 0, score, 0.0) * steps
    level = np.rint(reached)
    if (np.abs(reached - level) > _LEVEL_TOLERANCE * steps).any():
        raise ValueError("a score is none of the shares of credit that its item gives")
    return level.astype(np.int64)
