"""Windows of histories as flat arrays, and their batches."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """Windows one after another; window w owns steps offsets[w] to offsets[w + 1].

    Attributes:
        offsets: (windows + 1,).
        item: Item index of each step, (steps,).
        skills: Skill indexes of each step, 0 where there are fewer, (steps, skills).
        correct: 1 right, 0 wrong, (steps,).
        context: Leading steps of each window that are not scored, (windows,).
        student: Index of the student of each window, (windows,).
        split: train, validation or test of each window, (windows,).
    """

    offsets: IntArray
    item: IntArray
    skills: IntArray
    correct: IntArray
    context: IntArray
    student: IntArray
    split: NDArray[Any]

    def __len__(self) -> int:
        return len(self.context)

    @property
    def lengths(self) -> IntArray:
        """Steps of each window, (windows,)."""
        return np.diff(self.offsets)

    def of_split(self, split: str) -> IntArray:
        """Indexes of the windows of a split."""
        return np.flatnonzero(self.split == split)

    def scored_steps(self, windows: IntArray) -> IntArray:
        """Indexes of the steps that are scored in some windows, in order."""
        starts = self.offsets[windows] + self.context[windows]
        parts = [np.arange(a, b) for a, b in zip(starts, self.offsets[windows + 1], strict=True)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    @property
    def digest(self) -> str:
        """Names the content, whatever the students' pseudonyms: the version of the data."""
        content = hashlib.sha256()
        for part in (self.offsets, self.item, self.skills, self.correct, self.context):
            content.update(np.ascontiguousarray(part).tobytes())
        content.update("".join(self.split.tolist()).encode())
        return content.hexdigest()[:16]


@dataclass(frozen=True)
class Batch:
    """Padded windows: (batch, time) unless said otherwise.

    Attributes:
        item: Item index, 0 where padded.
        skills: Skill indexes, (batch, time, skills), 0 where padded.
        correct: 1.0 right, 0.0 wrong.
        valid: Whether there is a step.
        scored: Whether the step is scored in this window.
    """

    item: torch.Tensor
    skills: torch.Tensor
    correct: torch.Tensor
    valid: torch.Tensor
    scored: torch.Tensor


def windows_of(frame: pd.DataFrame) -> Windows:
    """Windows from rows of gold.sakt_sequences.

    Students are put in an order that their random pseudonyms do not change, so that training
    gives the same model on a lake built anew.
    """
    return windows_in_order(_ordered(frame))


def windows_in_order(ordered: pd.DataFrame) -> Windows:
    """Windows in the order of the rows; a student's rows must follow one another."""
    lengths = ordered["item_indexes"].map(len).to_numpy(dtype=np.int64)
    skills = [step for window in ordered["skill_indexes"] for step in window]
    width = max([1, *(len(step) for step in skills)])
    matrix = np.zeros((len(skills), width), dtype=np.int64)
    for row, step in enumerate(skills):
        matrix[row, : len(step)] = step
    return Windows(
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        item=_flat(ordered["item_indexes"]),
        skills=matrix,
        correct=_flat(ordered["correct"]),
        context=ordered["context_length"].to_numpy(dtype=np.int64),
        student=ordered.groupby("student_key", sort=False).ngroup().to_numpy().astype(np.int64),
        split=ordered["split"].to_numpy(dtype=str),
    )


def _flat(arrays: Iterable[ArrayLike]) -> IntArray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *arrays]).astype(np.int64)


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    columns = (frame[name] for name in ("item_indexes", "correct", "skill_indexes"))
    content = [
        _hash([items, right]) + _hash([[len(step) for step in skills], *skills])
        for items, right, skills in zip(*columns, strict=True)
    ]
    # all windows and the split: students who merely begin alike must not be told apart by keys
    in_time = frame.assign(content=content).sort_values("window_index").groupby("student_key")
    keyed = frame.assign(content=frame["student_key"].map(in_time["content"].agg("".join)))
    return keyed.sort_values(["content", "split", "student_key", "window_index"], ignore_index=True)


def _hash(arrays: Iterable[ArrayLike]) -> str:
    return hashlib.sha256(_flat(arrays).tobytes()).hexdigest()


def batch_of(windows: Windows, chosen: IntArray) -> Batch:
    """The chosen windows padded to the longest of them."""
    longest = int(windows.lengths[chosen].max())
    time = np.arange(longest)
    valid = time < windows.lengths[chosen, None]
    at = np.where(valid, windows.offsets[chosen, None] + time, 0)
    return Batch(
        item=torch.from_numpy(np.where(valid, windows.item[at], 0)),
        skills=torch.from_numpy(np.where(valid[..., None], windows.skills[at], 0)),
        correct=torch.from_numpy(np.where(valid, windows.correct[at], 0).astype(np.float32)),
        valid=torch.from_numpy(valid),
        scored=torch.from_numpy(valid & (time >= windows.context[chosen, None])),
    )


def batches(windows: Windows, chosen: IntArray, *, size: int) -> list[IntArray]:
    """Windows grouped by length, so that little is padding; (size,) each but the last."""
    by_length = chosen[np.argsort(windows.lengths[chosen], kind="stable")]
    return [by_length[begin : begin + size] for begin in range(0, len(by_length), size)]
