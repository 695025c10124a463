"""Histories from rows of gold.sakt_sequences."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from deepkt_irt.knowledge_tracing.histories import FIRST_ACTIONS, FloatArray, Histories, IntArray

STEPS = (
    "item_indexes",
    "skill_indexes",
    "correct",
    "latency_ms",
    "hint_counts",
    "attempt_counts",
    "first_actions",
    "answered_at",
)
COLUMNS = ("student_key", "window_index", "context_length", "split", *STEPS)
UNIT_COLUMNS = ("student_key", "unit_id", "visible", "split", *STEPS)
_CODE = {action: code for code, action in enumerate(FIRST_ACTIONS, start=1)}


def histories_of(frame: pd.DataFrame) -> tuple[Histories, NDArray[Any]]:
    """Whole histories and the split of each, (students,).

    Students are put in an order that their random pseudonyms do not change, so that training
    gives the same model on a lake built anew.
    """
    return histories_in_order(_ordered(frame))


def histories_in_order(ordered: pd.DataFrame) -> tuple[Histories, NDArray[Any]]:
    """Whole histories and their splits in the order of the rows.

    Args:
        ordered: A student's windows follow one another, in order. What a window repeats of the
            one before, its context, is taken once.
    """
    context = ordered["context_length"].to_numpy(dtype=np.int64)
    own = {
        name: [window[n:] for window, n in zip(ordered[name], context, strict=True)]
        for name in STEPS
    }
    student = ordered.groupby("student_key", sort=False).ngroup().to_numpy()
    firsts = ordered.drop_duplicates("student_key")
    lengths = np.array([len(window) for window in own["item_indexes"]], dtype=np.int64)
    per_student = np.bincount(student, weights=lengths, minlength=len(firsts)).astype(np.int64)
    made = Histories.of(
        offsets=np.concatenate([[0], np.cumsum(per_student)]),
        **_steps(own),
        names=firsts["student_key"].to_numpy(dtype=str),
    )
    return made, firsts["split"].to_numpy(dtype=str)


def units_of(frame: pd.DataFrame) -> tuple[Histories, NDArray[Any]]:
    """Units as segments, and the split of each student, (students,).

    Args:
        frame: Rows of gold.wdirt_features; students are ordered as by `histories_of`.
    """
    ordered = _ordered(frame.rename(columns={"unit_id": "window_index"}))
    firsts = ordered.drop_duplicates("student_key")
    made = Histories.of(
        offsets=np.concatenate([[0], np.cumsum(ordered["item_indexes"].map(len))]).astype(np.int64),
        **_steps({name: ordered[name].to_list() for name in STEPS}),
        visible=_flat(ordered["visible"]),
        student=ordered.groupby("student_key", sort=False).ngroup().to_numpy().astype(np.int64),
        names=firsts["student_key"].to_numpy(dtype=str),
    )
    return made, firsts["split"].to_numpy(dtype=str)


def _steps(parts: dict[str, list[NDArray[Any]]]) -> dict[str, Any]:
    """Arrays over all steps from those of each window."""
    actions = [_CODE.get(action, 0) for window in parts["first_actions"] for action in window]
    return {
        "item": _flat(parts["item_indexes"]),
        "skills": _matrix([step for window in parts["skill_indexes"] for step in window]),
        "correct": _flat(parts["correct"]),
        "latency_ms": _known(parts["latency_ms"]),
        "hint_count": _known(parts["hint_counts"]),
        "attempt_count": _known(parts["attempt_counts"]),
        "first_action": np.array(actions, dtype=np.int64),
        "answered_at": _seconds(parts["answered_at"]),
    }


def _flat(arrays: Iterable[ArrayLike]) -> IntArray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *arrays]).astype(np.int64)


def _known(arrays: Iterable[ArrayLike]) -> FloatArray:
    """Numbers, NaN where a step has none."""
    parts = [np.asarray(array, dtype=np.float64) for array in arrays]  # None becomes NaN
    return np.concatenate([np.zeros(0), *parts])


def _seconds(arrays: Iterable[ArrayLike]) -> FloatArray:
    instants = np.concatenate(
        [np.zeros(0, dtype="datetime64[us]"), *(_instants(array) for array in arrays)]
    )
    seconds = instants.astype(np.int64) / 1e6
    return np.where(np.isnat(instants), np.nan, seconds)


def _instants(array: ArrayLike) -> NDArray[np.datetime64]:
    found = pd.to_datetime(pd.Series(array), utc=True).dt.tz_localize(None)
    return found.to_numpy(dtype="datetime64[us]")


def _matrix(steps: list[NDArray[Any]]) -> IntArray:
    lengths = np.array([len(step) for step in steps], dtype=np.int64)
    matrix = np.zeros((len(steps), max(1, int(lengths.max(initial=0)))), dtype=np.int64)
    matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = _flat(steps)
    return matrix


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
