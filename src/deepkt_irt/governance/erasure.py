"""What erasing a student comes to: which tables hold the student by which columns, in which order.

Pure planning from the privacy tags of contracts; nothing here runs a statement. A tagged column
that no rule knows is refused, so that a new table cannot be forgotten.
"""

import enum
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from deepkt_irt.tables.bronze import EXTRAS
from deepkt_irt.tables.contract import Column, Privacy, Table
from deepkt_irt.tables.ops import QUARANTINE
from deepkt_irt.tables.rosters import ROSTER_STUDENTS
from deepkt_irt.tables.silver import CANONICAL_RESPONSES, ERASURE_REQUESTS, STUDENT_KEYS


class Subject(enum.StrEnum):
    """What of a student a column may hold."""

    KEY = "student_key"
    STUDENT = "student_id"
    WORK = "assignment_log_id"  # one student's work on one assignment (EDM Cup 2023)


BY_COLUMN: Mapping[str, Subject] = {
    "student_key": Subject.KEY,
    "student_id": Subject.STUDENT,
    "assignment_log_id": Subject.WORK,
    "unit_test_assignment_log_id": Subject.WORK,
    "in_unit_assignment_log_id": Subject.WORK,
    "user_id": Subject.STUDENT,
    "agent_ids": Subject.STUDENT,
}
"""The columns a student is found by."""

LISTS = frozenset({"agent_ids"})
"""Of them, those with several ids and commas between: one that is the student's will do."""

# identifiers of others, or values that stand beside a column above in the same row
_BESIDE = frozenset(
    {
        *("teacher", "teacher_id", "class_id", "answer", "student_group", EXTRAS),
        *("attempt_id", "registration", "statement"),
        *("sourced_id", "username", "email", "identifier", "user_ids"),
    }
)
EMPTIED = (CANONICAL_RESPONSES,)
"""Tables that the next run makes anew: they are emptied, whatever stands in them."""

# found in another way: refused rows by their text, requests by their token
_APART = frozenset(table.qualified_name for table in (QUARANTINE, ERASURE_REQUESTS, *EMPTIED))


@dataclass(frozen=True)
class Search:
    """A table and the columns by which it holds a student."""

    table: Table
    columns: tuple[str, ...]

    @property
    def source_column(self) -> str | None:
        """The column that says of which source an id is; None: keys need none."""
        if all(BY_COLUMN[name] is Subject.KEY for name in self.columns):
            return None
        return "_source" if "_source" in self.table.column_names else "source"

    @property
    def subjects(self) -> frozenset[Subject]:
        """What the columns hold."""
        return frozenset(BY_COLUMN[name] for name in self.columns)


def searches(tables: Iterable[Table]) -> tuple[Search, ...]:
    """Where a student is to be looked for, in the order of deletion.

    What tells which values are the student's goes last, so that an erasure that was cut off
    finds all that is left.

    Raises:
        ValueError: If a contract tags a column that no rule says how to search.
    """
    found = [
        Search(table, columns)
        for table in tables
        if table.qualified_name not in _APART and (columns := _columns(table))
    ]
    return tuple(sorted(found, key=_tells_more))


def _columns(table: Table) -> tuple[str, ...]:
    """The columns of a table that a student is found by; of several, ids come before work."""
    tagged = [column for column in table.columns if column.is_key]
    by = [column for column in tagged if column.name in BY_COLUMN]
    known = {column.name for column in by} | (_BESIDE if by or _is_of_staff(tagged) else set())
    unknown = [column.name for column in tagged if column.name not in known]
    unknown += [column.name for column in by if column.type != "string"]
    if [column.name for column in tagged] == [EXTRAS]:
        return ()  # of no student by itself: who stands in it is masked, as in any text
    if unknown:
        raise ValueError(
            f"{table.qualified_name}: say in governance/erasure.py how a student is found by "
            f"{', '.join(unknown)}"
        )
    if STUDENT_KEYS.qualified_name == table.qualified_name:
        return (Subject.STUDENT.value,)
    direct = [column.name for column in by if BY_COLUMN[column.name] is not Subject.WORK]
    return tuple(direct or (column.name for column in by))


def _is_of_staff(tagged: Sequence[Column]) -> bool:
    return all(column.name.startswith("teacher") for column in tagged)


def _tells_more(search: Search) -> int:
    if search.table.qualified_name == STUDENT_KEYS.qualified_name:
        return 3
    if search.table.qualified_name == ROSTER_STUDENTS.qualified_name:
        return 2
    names = set(search.table.column_names)
    return int({Subject.STUDENT.value, Subject.WORK.value} <= names)


def holds_persons(table: Table) -> bool:
    """Whether older versions of a table may hold rows of a student."""
    return any(column.privacy is not Privacy.NONE for column in table.columns)


@dataclass(frozen=True)
class Note:
    """One line of what was searched, found and left; names no student."""

    phase: str
    place: str
    n: int | None
    detail: str
    due_at: datetime | None = None
    noted_at: datetime | None = None


@dataclass(frozen=True)
class Learnt:
    """A model version and when it was registered."""

    model: str
    number: str
    registered_at: datetime


_ROLES = {
    "train": "trained on the student",
    "validation": "stopped early by the student's answers",
    "test": "evaluated on the student, not trained",
}


def models_that_learnt(
    versions: Iterable[Learnt], *, split: str | None, known_since: datetime | None
) -> list[tuple[Learnt, str]]:
    """The versions that may know a student, and what of: those made since the student had a key.

    A version keeps a hash of its students, not their list, so this is by time and by the part of
    the students the student belongs to: it may name a version too many, never one too few.

    Args:
        versions: Registered versions.
        split: Part the student belongs to; None: in no part yet.
        known_since: When the student got a key; None: never.
    """
    if split is None or known_since is None:
        return []
    return [(each, _ROLES[split]) for each in versions if each.registered_at >= known_since]


def retrain_by(at: datetime, *, within_days: int) -> datetime:
    """The instant by which models are trained anew without the student."""
    return at + timedelta(days=within_days)


def report(
    erasure_id: str,
    notes: Sequence[Note],
    *,
    requested_at: datetime,
    officer: str | None,
) -> dict[str, Any]:
    """The proof of an erasure, with a hash over all of it; it names no student.

    The same notes give the same report, so that one written twice is one.

    Args:
        erasure_id: Token of the erasure.
        notes: All that was noted of it.
        requested_at: When it was asked for.
        officer: Who signs it off; None: nobody yet.
    """
    instants = [note.noted_at for note in notes if note.phase == "left" and note.noted_at]
    body: dict[str, Any] = {
        "erasure_id": erasure_id,
        "requested_at": requested_at.isoformat(),
        "erased_at": max(instants).isoformat() if instants else None,
        "signed_off_by": officer,
    }
    for phase in ("found", "rewritten", "model", "left"):
        body[phase] = [_line(note) for note in notes if note.phase == phase]
    return {**body, "sha256": report_hash(body)}


def report_hash(body: Mapping[str, Any]) -> str:
    """SHA-256 over a report without its hash, whatever the order of its keys."""
    rest = {key: value for key, value in body.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _line(note: Note) -> dict[str, Any]:
    due = {"retrain_by": note.due_at.isoformat()} if note.due_at else {}
    return {"place": note.place, "n": note.n, "detail": note.detail, **due}
