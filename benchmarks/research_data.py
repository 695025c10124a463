"""Research data as histories: ASSISTments 2009-10 and 2012-13, and DBE-KT22; read in place."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from deepkt_irt.knowledge_tracing.histories import FIRST_ACTIONS, Histories, IntArray
from page import REPOSITORY, CannotRunError

_FIRST_ACTION_2009 = ("attempt", "hint", "scaffold")  # coded 0, 1, 2


def assist2009() -> Histories:
    """ASSISTments 2009-10, skill builder: order alone, with latency, attempts and first action.

    Raises:
        CannotRunError: If the file is absent.
    """
    rows = _read("assist2009", skills="skill_ids").sort_values(["user_id", "seq_pos"])
    actions = np.array([1 + FIRST_ACTIONS.index(name) for name in _FIRST_ACTION_2009])
    latency = rows["ms_first_response"].to_numpy(dtype=np.float64)
    return Histories.of(
        **_responses(rows, student="user_id", item="problem_id", skills="skill_ids"),
        latency_ms=np.where(latency > 0, latency, np.nan),  # 0 and less are missing
        attempt_count=rows["attempt_count"].to_numpy(dtype=np.float64),
        first_action=actions[rows["first_action"].to_numpy(dtype=np.int64)],
    )


def dbe_kt22() -> Histories:
    """DBE-KT22: a university's course on relational databases, with instants.

    Raises:
        CannotRunError: If the file is absent.
    """
    rows = _read("dbe_kt22", skills="kc_ids").sort_values(["student_id", "seq_pos"])
    return Histories.of(
        **_responses(rows, student="student_id", item="question_id", skills="kc_ids"),
        answered_at=rows["timestamp"].to_numpy(dtype=np.float64),
    )


def assist2012() -> Histories:
    """ASSISTments 2012-13: two million responses with one skill each, with instants.

    Raises:
        CannotRunError: If the file is absent.
    """
    rows = _read("assist2012", skills="skill_id")
    rows = rows.sort_values(["user_id", "timestamp"], kind="stable")
    return Histories.of(
        **_responses(rows, student="user_id", item="item_id", skills="skill_id"),
        answered_at=rows["timestamp"].to_numpy(dtype=np.float64),
    )


DATA: dict[str, Callable[[], Histories]] = {
    "assist2009": assist2009,
    "dbe_kt22": dbe_kt22,
    "assist2012": assist2012,
}
"""Readers by name."""


def described(histories: Histories) -> str:
    """Size of histories, in words."""
    return (
        f"{len(np.unique(histories.student)):,} students, {len(histories):,} responses, "
        f"{histories.n_items:,} items and {histories.n_skills:,} skills"
    )


def data_file(name: str, file: str) -> Path:
    """A file of the research data.

    Raises:
        CannotRunError: If it is absent.
    """
    folder = Path(os.environ.get("DEEPKT_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    path = folder / name / file
    if not path.exists():
        raise CannotRunError(f"{name} is not at {path} (set DEEPKT_SHARED_DATA)")
    return path


def _read(name: str, *, skills: str) -> pd.DataFrame:
    return pd.read_csv(data_file(name, "interactions.csv.gz"), dtype={skills: str})


def _responses(rows: pd.DataFrame, *, student: str, item: str, skills: str) -> dict[str, IntArray]:
    """Columns that all data have, of rows sorted by student and in order."""
    n_by_student = rows.groupby(student, sort=True).size().to_numpy()
    return {
        "offsets": np.concatenate([[0], np.cumsum(n_by_student)]),
        "item": 1 + np.unique(rows[item], return_inverse=True)[1].astype(np.int64),
        "skills": _skills(rows[skills]),
        "correct": rows["correct"].to_numpy(dtype=np.int64),
    }


def _skills(joined: pd.Series) -> IntArray:
    """Skill indexes of ids joined by `_`, sorted, 0 where fewer, (responses, most)."""
    combinations, place = np.unique(joined.fillna("").to_numpy(dtype=str), return_inverse=True)
    split = [[each for each in text.split("_") if each] for text in combinations]
    index = {
        name: 1 + n for n, name in enumerate(sorted({each for part in split for each in part}))
    }
    table = np.zeros((len(split), max(map(len, split))), dtype=np.int64)
    for row, names in enumerate(split):
        table[row, : len(names)] = sorted(index[name] for name in names)
    return table[place]
