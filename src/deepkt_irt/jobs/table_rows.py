"""Reads rows of a table or view, as a person asks for them."""

import json
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs.reading import Read, look
from deepkt_irt.reporting.table_rows import TableRows
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Table, View
from deepkt_irt.tables.registry import TABLES, views

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def relation_named(name: str, settings: Settings) -> Table | View:
    """The table or view called `schema.name`, or by its name alone where only one is.

    Raises:
        UsageError: If there is none, naming those called like it.
    """
    there: tuple[Table | View, ...] = (*TABLES, *views(settings))
    named = {each.qualified_name: each for each in there}
    found = [each for key, each in named.items() if name in (key, each.name)]
    if len(found) == 1:
        return found[0]
    last = name.rpartition(".")[2]
    inside = [key for key in named if last in key]
    near = inside or get_close_matches(name, named, n=3, cutoff=0.5)
    like = f" like it: {', '.join(near[:5])};" if near else ":"
    raise UsageError(f"no table {name!r}; there are{like} deepkt tables lists all")


def read_rows(
    read: Read,
    relation: Table | View,
    *,
    where: str = "",
    columns: Sequence[str] = (),
    limit: int = 20,
) -> TableRows:
    """First rows by key of those that meet a condition.

    Args:
        read: Reads a table.
        relation: Table or view.
        where: Condition in SQL; empty for all rows.
        columns: Names of those wanted; none for all.
        limit: Rows at most.

    Raises:
        UsageError: If a column is not known, or the condition is none.
    """
    from pyspark.errors import PySparkException  # noqa: PLC0415 - start without Spark

    for name in columns:
        if name not in relation.column_names:
            there = ", ".join(relation.column_names)
            raise UsageError(f"--columns {name}: {relation.qualified_name} has: {there}")
    shown = tuple(columns) or relation.column_names
    frame = look(relation, read) if isinstance(relation, View) else read(relation)
    try:
        rows = _values(frame.filter(where or "true").orderBy(*relation.key), shown, limit + 1)
    except PySparkException as error:
        if not where:
            raise
        first = str(error).strip().splitlines()[0]
        raise UsageError(f"--where {where!r}: write a condition in SQL ({first})") from error
    return TableRows(relation.qualified_name, shown, tuple(rows[:limit]), len(rows) > limit)


def _values(frame: "DataFrame", columns: Sequence[str], limit: int) -> list[dict[str, object]]:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    row = F.to_json(F.struct(*columns), {"ignoreNullFields": "false", "timeZone": "UTC"})
    return [json.loads(each[0]) for each in frame.limit(limit).select(row).collect()]
