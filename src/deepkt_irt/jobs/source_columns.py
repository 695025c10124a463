"""Keeps which columns sources deliver, worked out again from the accounts of all their files.

A run that was cut off leaves nothing undone that the next one would not work out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import PurePath
from typing import Any

import pandas as pd

from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.reading import in_utc
from deepkt_irt.jobs.source_stops import Stop
from deepkt_irt.sources.catalogue import SOURCES
from deepkt_irt.sources.evolution import (
    ColumnState,
    Delivery,
    FileColumns,
    Status,
    changes,
    followed,
    lacking,
)
from deepkt_irt.tables.ops import SOURCE_COLUMNS

Kind = tuple[str, str]  # source and kind of file

_TIMES = ("first_seen_at", "last_seen_at", "changed_at")

SAID = {
    Status.KNOWN: "as it was before",
    Status.ADDED: "added, which no layout names",
    Status.MISSING_OPTIONAL: "no longer there, so its values are missing",
    Status.MISSING_REQUIRED: "missing, which stops the source",
    Status.TYPE_CHANGED: "of another type, so that rows are refused",
}
"""A status that is a change, in words behind a column's name."""


def keep_columns(
    ctx: JobContext,
    accounts: Iterable[Mapping[str, Any]],
    stops: Mapping[str, Stop],
    since: Mapping[str, datetime],
) -> Counter[Status]:
    """Bring ops.source_columns up to date, and say what changed since the delivery before.

    Args:
        ctx: Of the task.
        accounts: Rows of ops.ingest_audit.
        stops: Sources that cannot go on.
        since: By source, since when.

    Returns:
        How many columns this run changed, by what they are now.
    """
    states = _states(accounts, ctx.settings.ingest.changed_type_share)
    for source, stop in stops.items():
        kind = _kind_of(stop)
        if stop.columns and kind:
            file, at = stop.file, since[source]
            states[kind] = lacking(states.get(kind, []), stop.columns, file=file, at=at)
    changed = {kind: changes(of_kind) for kind, of_kind in states.items()}
    rows = [
        _row(kind, each, is_change=each in changed[kind])
        for kind in sorted(states)
        for each in states[kind]
    ]
    if rows != _kept(ctx):
        frame = pd.DataFrame(rows, columns=list(SOURCE_COLUMNS.column_names))
        typed = frame.astype(dict.fromkeys(_TIMES, "datetime64[us, UTC]"))
        ctx.overwrite(SOURCE_COLUMNS, ctx.frame(SOURCE_COLUMNS, typed))
    return _told(ctx, changed)


def _states(accounts: Iterable[Mapping[str, Any]], limit: float) -> dict[Kind, list[ColumnState]]:
    """Where the columns of every kind of file stand after all that was taken in."""
    told = (each for each in accounts if each["columns"] is not None)
    in_order = itemgetter("source", "layout", "ingested_at", "file")
    rows = sorted(told, key=in_order)
    return {
        kind: followed(_deliveries(of_kind), changed_type_share=limit)
        for kind, of_kind in groupby(rows, key=itemgetter("source", "layout"))
    }


def _deliveries(rows: Iterable[Mapping[str, Any]]) -> list[Delivery]:
    """Accounts of one kind of file, in order of time, as deliveries."""
    return [
        Delivery(
            in_utc(at),
            [
                FileColumns(
                    row["file"],
                    {name: Status(text) for name, text in row["columns"].items()},
                    row["refused_share"] or {},
                    row["rows_read"],
                )
                for row in files
            ],
        )
        for at, files in groupby(rows, key=itemgetter("ingested_at"))
    ]


def _kind_of(stop: Stop) -> Kind | None:
    """The kind of file that a source is stopped by, if it is one of the source's."""
    source = SOURCES.get(stop.source)
    layout = source and source.layout_of(PurePath(stop.file).name)
    return (stop.source, layout.label) if layout else None


def _row(kind: Kind, state: ColumnState, *, is_change: bool) -> dict[str, Any]:
    values = {"source": kind[0], "layout": kind[1], **asdict(state), "is_change": is_change}
    values["status"] = state.status.value
    return {name: values[name] for name in SOURCE_COLUMNS.column_names}


def _kept(ctx: JobContext) -> list[dict[str, Any]]:
    """The rows of ops.source_columns as they were left."""
    rows = [row.asDict() for row in ctx.read(SOURCE_COLUMNS).collect()]
    rows.sort(key=itemgetter(*SOURCE_COLUMNS.key))
    for row in rows:
        row |= {name: row[name] and in_utc(row[name]) for name in _TIMES}
    return rows


def _told(ctx: JobContext, changed: Mapping[Kind, list[ColumnState]]) -> Counter[Status]:
    """Say in a line per kind of file what this run changed, and count it."""
    counted: Counter[Status] = Counter()
    for (source, layout), states in changed.items():
        mine = [each for each in states if each.changed_at == ctx.as_of]
        if mine:
            said = "; ".join(f"column {each.column} is {SAID[each.status]}" for each in mine)
            ctx.progress(f"{source} {layout}: {said}")
        counted.update(each.status for each in mine)
    return counted
