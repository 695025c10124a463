"""One student as an erasure sees it: by which values tables hold the student, and how many rows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from deepkt_irt.governance.erasure import BY_COLUMN, LISTS, Note, Search, Subject
from deepkt_irt.jobs.reading import in_utc
from deepkt_irt.settings import Settings
from deepkt_irt.tables.bronze import RAW_ASSIGNMENT_DETAILS
from deepkt_irt.tables.ops import ERASURES
from deepkt_irt.tables.rosters import ROSTER_STUDENTS
from deepkt_irt.tables.silver import STUDENT_KEYS, USER_SPLITS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from deepkt_irt.jobs.opening import Opened
    from deepkt_irt.tables.contract import Table


@dataclass(frozen=True)
class Request:
    """A student to be forgotten: a row of restricted.erasure_requests."""

    erasure_id: str
    source: str
    student_id: str
    requested_at: datetime
    officer: str | None


@dataclass(frozen=True)
class Site:
    """Where an erasure works.

    Attributes:
        opened: Session, tables and places.
        lake: Folder of a lake; None for a catalog.
        settings: Of the run.
        as_of: Instant the run speaks about, UTC.
        refuse_others: Raises where somebody else writes, which a purge must not meet; a lake's
            lock has seen to that before.
    """

    opened: "Opened"
    lake: Path | None
    settings: Settings
    as_of: datetime
    refuse_others: Callable[[], None] = lambda: None

    def read(self, table: "Table") -> "DataFrame":
        """Rows of a table."""
        return self.opened.store.read(table)

    def rows(self, values: Sequence[tuple[str, ...]], *columns: str) -> "DataFrame":
        """A frame of texts."""
        schema = ", ".join(f"{name} string" for name in columns)
        return self.opened.spark.createDataFrame(list(values), schema)

    def note(self, request: Request, notes: Iterable[Note]) -> None:
        """Add lines to the account of an erasure; one that is there stays as it was."""
        lines = [
            {
                "erasure_id": request.erasure_id,
                "noted_at": self.as_of,
                **{name: getattr(note, name) for name in ("phase", "place", "detail", "due_at")},
                "n": note.n,
            }
            for note in notes
        ]
        if lines:
            typed = pd.DataFrame(lines).astype({"n": "Int64", "due_at": "datetime64[us, UTC]"})
            store = self.opened.store
            store.insert_new(ERASURES, store.frame(ERASURES, typed))

    def notes(self, request: Request) -> list[Note]:
        """The account so far, in a fixed order."""
        mine = self.read(ERASURES)
        mine = mine.filter(mine["erasure_id"] == request.erasure_id)
        names = ("phase", "place", "n", "detail", "due_at", "noted_at")
        return [Note(*row) for row in mine.select(*names).orderBy("phase", "place").collect()]


@dataclass(frozen=True)
class Person:
    """The values by which tables hold a student.

    Attributes:
        source: Source system.
        student_id: Id there, without blanks around it.
        key: Pseudonym; None if there is none (any more).
        known_since: When the key was made.
        split: Part of the students the student belongs to.
        work: Assignment logs of the student.
        also: The same student as a roster, or what it was matched with, knows the student.
    """

    source: str
    student_id: str
    key: str | None
    known_since: datetime | None
    split: str | None
    work: tuple[str, ...]
    also: "tuple[Person, ...]" = ()

    @property
    def everywhere(self) -> "tuple[Person, ...]":
        """The student in each source, this one first."""
        return (self, *self.also)

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources that know the student."""
        return tuple(dict.fromkeys(each.source for each in self.everywhere))

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the student, whatever the source."""
        return tuple(dict.fromkeys(each.student_id for each in self.everywhere))

    def values(self, subject: Subject, source: str | None = None) -> frozenset[str]:
        """What a column of a subject holds of the student; None: in any source."""
        held = [each for each in self.everywhere if source in (None, each.source)]
        match subject:
            case Subject.KEY:
                return frozenset(each.key for each in held if each.key)
            case Subject.STUDENT:
                return frozenset(each.student_id for each in held)
            case Subject.WORK:
                return frozenset(log for each in held for log in each.work)


def person_of(site: Site, request: Request) -> Person:
    """The student of a request, as far as the tables still know."""
    one = _known(site, request.source, request.student_id.strip(" "))
    return replace(one, also=tuple(_known(site, *each) for each in _elsewhere(site, one)))


def _known(site: Site, source: str, student_id: str) -> Person:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    keys = site.read(STUDENT_KEYS).filter(
        (F.col("source") == source) & (F.trim("student_id") == student_id)
    )
    known = keys.select("student_key", "created_at").first()
    key = str(known[0]) if known else None
    parts = (
        site.read(USER_SPLITS)
        .filter(F.col("student_key").isin([key] if key else []))
        .select("split")
        .first()
    )
    theirs = site.read(RAW_ASSIGNMENT_DETAILS).filter(
        (F.col("_source") == source) & (F.trim("student_id") == student_id)
    )
    work = theirs.select("assignment_log_id").distinct().na.drop().collect()
    return Person(
        source=source,
        student_id=student_id,
        key=key,
        known_since=in_utc(known[1]) if known else None,
        split=str(parts[0]) if parts else None,
        work=tuple(sorted(str(row[0]) for row in work)),
    )


def _elsewhere(site: Site, one: Person) -> list[tuple[str, str]]:
    """Source and id by which others know a student: a roster, or those it was matched with."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    matched = site.read(ROSTER_STUDENTS).filter("outcome = 'matched'")
    listed = (F.col("source") == one.source) & (F.col("user_id") == one.student_id)
    keys = site.read(STUDENT_KEYS).join(
        matched.filter(listed).select("student_key"), "student_key", "left_semi"
    )
    in_rosters = matched.filter(F.col("student_key").isin([one.key] if one.key else []))
    found = keys.select("source", F.trim("student_id")).union(
        in_rosters.select("source", "user_id")
    )
    return sorted((row[0], row[1]) for row in found.distinct().collect())


def theirs(search: Search, person: Person) -> "Column":
    """The condition of the student's rows in a table."""
    return reduce(or_, (_held(search, name, person) for name in search.columns))


def _held(search: Search, name: str, person: Person) -> "Column":
    """Whether a column holds the student: a key in any row, an id in rows of its source."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    subject = BY_COLUMN[name]
    if subject is Subject.KEY:
        return _is_one_of(name, person.values(subject))
    source = F.col(str(search.source_column))
    return reduce(
        or_,
        (
            (source == each) & _is_one_of(name, person.values(subject, each))
            for each in person.sources
        ),
    )


def _is_one_of(name: str, values: frozenset[str]) -> "Column":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    found = F.trim(name).isin(sorted(values))
    if name in LISTS:
        found = F.exists(F.split(name, ","), lambda each: F.trim(each).isin(sorted(values)))
    return F.coalesce(found, F.lit(False))  # noqa: FBT003 - a column's value


def count(site: Site, search: Search, person: Person) -> int:
    """The student's rows in a table."""
    if not site.opened.store.exists(search.table):
        return 0
    return site.read(search.table).filter(theirs(search, person)).count()


def erase(site: Site, search: Search, person: Person) -> None:
    """Delete the student's rows from a table, one commit per column that finds some."""
    if not site.opened.store.exists(search.table):
        return
    source = [search.source_column] if search.source_column else []
    for name in search.columns:
        found = site.read(search.table).filter(theirs(Search(search.table, (name,)), person))
        # to the driver and back: few, and the table is not read while it is changed
        values = found.select(*source, name).distinct().collect()
        if values:
            matching = site.rows([tuple(row) for row in values], *source, name)
            site.opened.store.delete_matching(search.table, matching)


def found_in(search: Search) -> str:
    """How a table was searched, in words."""
    return f"equality in {', '.join(search.columns)}"
