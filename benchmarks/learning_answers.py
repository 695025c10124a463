"""Answers of a learning world as a platform sees them, and the chance that stands behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """What a platform sees of answers, in order of time for each student; all (answers,).

    Attributes:
        day: From 0.
        student: Who answered.
        item: What was asked.
        right: Whether the answer was.
        latency_ms: Time it took.
        explained: Whether the explanation was read after a wrong answer.
        assigned: Whether it was assigned rather than recommended.
    """

    day: IntArray
    student: IntArray
    item: IntArray
    right: BoolArray
    latency_ms: IntArray
    explained: BoolArray
    assigned: BoolArray

    def __len__(self) -> int:
        return len(self.item)


def joined(parts: Sequence[Answers]) -> Answers:
    """Answers one after another; none from none."""
    if not parts:
        none, no = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
        return Answers(none, none, none, no, none, no, no)
    columns = ([getattr(part, each.name) for part in parts] for each in fields(Answers))
    return Answers(*(np.concatenate(column) for column in columns))


def turns(student: IntArray) -> IntArray:
    """How many rows of the same student come before each, (rows,)."""
    order = np.argsort(student, kind="stable")
    ordered = student[order]
    turn = np.empty_like(order)
    turn[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return turn


def uniforms(seed: int, *keys: IntArray | int) -> FloatArray:
    """Numbers in (0, 1) that depend on whole numbers alone: no stream runs, so none can shift.

    Args:
        seed: 0 or more.
        keys: 0 or more; they broadcast, and their order matters.

    Reference:
        Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, OOPSLA; its
        mixing function is applied once per key.
    """
    state = np.zeros(1, dtype=np.uint64)  # an array, since scalars warn when they overflow
    for key in (seed, *keys):
        state = state ^ np.asarray(key).astype(np.uint64)
        state = state + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(12)).astype(np.float64) * 2.0**-52 + 2.0**-53  # never 0 nor 1
