"""How the columns of a kind of file change from delivery to delivery, and what that is called.

A delivery is what one run took in of one kind of file. The first one is what later ones are held
against. All follows from the accounts of the files, so working it out again gives the same.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from deepkt_irt.sources.layout import Layout


class Status(enum.StrEnum):
    """What is to be said of a column."""

    KNOWN = "known"  # the layout names it
    ADDED = "added"  # the layout does not name it: it is kept as it came, beside the others
    MISSING_OPTIONAL = "missing_optional"
    MISSING_REQUIRED = "missing_required"  # its source is stopped
    TYPE_CHANGED = "type_changed"  # many of its values break a rule that they kept before


@dataclass(frozen=True)
class FileColumns:
    """What an account says of the columns of one file.

    Attributes:
        file: Landing file, as below its source's folder.
        columns: Status by column, as `columns_of` gives it.
        refused_share: By column, the share of the file's rows refused for it; none is 0.
        n_rows: Its records.
    """

    file: str
    columns: Mapping[str, Status]
    refused_share: Mapping[str, float]
    n_rows: int


@dataclass(frozen=True)
class Delivery:
    """Files of one kind taken in by one run."""

    at: datetime
    files: Sequence[FileColumns]


@dataclass(frozen=True)
class ColumnState:
    """Where a column stands after all deliveries.

    Attributes:
        column: Name in the files.
        status: As of the latest delivery.
        file: The latest file that shows it.
        first_seen_at: Delivery that had it first; None: none ever had.
        last_seen_at: Delivery that had it last.
        changed_at: Delivery since which the status is what it is.
        refused_share: Of the rows of the latest delivery that had it, those refused for it.
        kept_rule: Whether a delivery had it without many refused rows, so that its type is known.
    """

    column: str
    status: Status
    file: str
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    changed_at: datetime
    refused_share: float = 0.0
    kept_rule: bool = field(default=False, repr=False)


def columns_of(layout: Layout, header: Sequence[str]) -> dict[str, Status]:
    """What a file that has all it must have holds of its layout's columns, and what beyond.

    Objects of a JSON file have no header: only the columns that are used of them are told.
    """
    named = [*(each.header for each in layout.fields), *layout.needed]
    if layout.document:
        return dict.fromkeys(named, Status.KNOWN)
    there = {name: Status.KNOWN if name in named else Status.ADDED for name in header if name}
    absent = (name for name in named if name not in there)
    return there | dict.fromkeys(absent, Status.MISSING_OPTIONAL)


def followed(deliveries: Sequence[Delivery], *, changed_type_share: float) -> list[ColumnState]:
    """The state of every column that one kind of file ever had or should have, by name.

    Args:
        deliveries: Of one kind of file, oldest first.
        changed_type_share: Share of rows refused for a column from which its type has changed.
    """
    states: dict[str, ColumnState] = {}
    for each in deliveries:
        names = {name for file in each.files for name in file.columns}
        for name in sorted(names | states.keys()):
            states[name] = _next(name, states.get(name), each, changed_type_share)
    return [states[name] for name in sorted(states)]


def _next(name: str, before: ColumnState | None, delivery: Delivery, limit: float) -> ColumnState:
    """The state of a column after one more delivery."""
    having = [f for f in delivery.files if f.columns.get(name) in (Status.KNOWN, Status.ADDED)]
    n_rows = sum(each.n_rows for each in having)
    refused = sum(each.refused_share.get(name, 0.0) * each.n_rows for each in having)
    share = refused / n_rows if n_rows else 0.0
    old = before or ColumnState(name, Status.MISSING_OPTIONAL, "", None, None, delivery.at)
    if not having:
        status = Status.MISSING_OPTIONAL
    elif share > limit and old.kept_rule:
        status = Status.TYPE_CHANGED
    elif any(each.columns[name] is Status.KNOWN for each in having):
        status = Status.KNOWN
    else:
        status = Status.ADDED
    return ColumnState(
        column=name,
        status=status,
        file=(having or delivery.files)[-1].file,
        first_seen_at=old.first_seen_at or (delivery.at if having else None),
        last_seen_at=delivery.at if having else old.last_seen_at,
        changed_at=old.changed_at if status is old.status else delivery.at,
        refused_share=share if having else old.refused_share,
        kept_rule=old.kept_rule or (n_rows > 0 and share <= limit),
    )


def lacking(
    states: Sequence[ColumnState], columns: Sequence[str], *, file: str, at: datetime
) -> list[ColumnState]:
    """The states with the columns marked that a stopped file lacks and must have."""
    found = {each.column: each for each in states}
    for name in columns:
        known = found.get(name, ColumnState(name, Status.KNOWN, file, None, None, at))
        found[name] = replace(known, status=Status.MISSING_REQUIRED, file=file, changed_at=at)
    return [found[name] for name in sorted(found)]


def changes(states: Sequence[ColumnState]) -> list[ColumnState]:
    """Those of one kind of file that its latest delivery changed, and those that stop it.

    What the first delivery brought is no change.
    """
    first = min((each.first_seen_at for each in states if each.first_seen_at), default=None)
    latest = max((each.last_seen_at for each in states if each.last_seen_at), default=None)
    return [
        each
        for each in states
        if each.status is Status.MISSING_REQUIRED or (latest != first and each.changed_at == latest)
    ]
