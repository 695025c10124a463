"""The Delta log of a local table, read without Spark, for which a query takes 0.1 s and more."""

import json
import shutil
from pathlib import Path
from typing import Any

from deepkt_irt.errors import DamagedTable

_CHANGED = "dataChange"  # of a file that a commit brings or takes: whether rows do, too


def remove_unbegun(log: Path) -> None:
    """Remove a log without any commit, which a process killed while it made the table leaves.

    Delta takes such a folder for a table when it is to make one, and for none when it is to write.
    """
    # commits and checkpoints begin with their version; half of a file has another name
    if log.is_dir() and not any(log.glob("[0-9]*")):
        shutil.rmtree(log)


def last_commit(log: Path) -> tuple[int, dict[str, str]]:
    """Version and metrics of the last commit.

    Raises:
        DamagedTable: If its file is not whole.
    """
    newest = max(log.glob("[0-9]*.json"))
    for entry in _entries(newest):
        if "commitInfo" in entry:
            return int(newest.stem), entry["commitInfo"].get("operationMetrics", {})
    return int(newest.stem), {}


def last_change(log: Path) -> int:
    """Version of the last commit that changed rows; the first one's if none is left that did.

    Raises:
        DamagedTable: If a file looked at is not whole.
    """
    commits = sorted(log.glob("[0-9]*[0-9].json"))
    changing = (each for each in reversed(commits) if any(map(_changes_rows, _entries(each))))
    return int(next(changing, commits[0]).stem)


def _changes_rows(entry: dict[str, Any]) -> bool:
    return any(entry.get(kind, {}).get(_CHANGED) for kind in ("add", "remove"))


def _entries(commit: Path) -> list[dict[str, Any]]:
    """What a commit's file holds: one JSON object a line, at least one."""
    try:
        # not splitlines, which also splits at characters that JSON takes within a text
        lines = commit.read_text(encoding="utf-8").split("\n")
        entries = [json.loads(line) for line in lines if line]
    except ValueError as error:  # no JSON, or no text
        raise DamagedTable(commit, str(error)) from error
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        raise DamagedTable(commit, "no JSON objects" if entries else "it is empty")
    return entries
