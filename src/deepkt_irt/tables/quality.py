"""A frame beside its contract and beside the table it goes to, before a single row is written."""

from functools import reduce
from typing import TYPE_CHECKING

from deepkt_irt.errors import SchemaMismatch
from deepkt_irt.tables.contract import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

GONE = "_gone"
"""Column of `differing` that is true of a row that shall no longer be there."""


def schema_differences(table: Table, actual: dict[str, str]) -> list[str]:
    """What separates a frame's columns from the contract's, one phrase each.

    Args:
        table: The contract.
        actual: Spark's name of the type by column.
    """
    declared = {column.name: column.type for column in table.columns}
    missing, extra = declared.keys() - actual, actual.keys() - declared
    differences = [f"column {name} ({declared[name]}) is missing" for name in missing]
    differences += [f"column {name} ({actual[name]}) is not declared" for name in extra]
    differences += [
        f"column {name} is {actual[name]}, declared {declared[name]}"
        for name in declared.keys() & actual
        if actual[name] != declared[name]
    ]
    return sorted(differences)


def conformed(table: Table, frame: "DataFrame") -> "DataFrame":
    """The frame with the contract's columns in the contract's order.

    Raises:
        SchemaMismatch: If names or types differ, naming each difference.
    """
    differences = schema_differences(table, dict(frame.dtypes))
    if differences:
        raise SchemaMismatch(table.qualified_name, differences)
    return frame.select(*table.column_names)


def matching(frame: "DataFrame", scopes: "Sequence[DataFrame]") -> "DataFrame":
    """The rows that equal a row of at least one of some frames, in the columns that this has.

    Args:
        frame: Any rows.
        scopes: Frames with some of the frame's columns; small beside it, so each is sent to where
            the frame's rows are.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    if len(scopes) == 1:
        return frame.join(F.broadcast(scopes[0]), scopes[0].columns, "left_semi")
    flags = [f"_in_{number}" for number in range(len(scopes))]
    marked = frame
    for scope, flag in zip(scopes, flags, strict=True):
        inside = scope.distinct().withColumn(flag, F.expr("true"))
        marked = marked.join(F.broadcast(inside), scope.columns, "left")
    is_inside = reduce(lambda a, b: a | b, (F.col(flag).isNotNull() for flag in flags))
    return marked.filter(is_inside).select(*frame.columns)


def differing(table: Table, before: "DataFrame", now: "DataFrame") -> "DataFrame":
    """What has to be written so that some rows become others.

    Args:
        table: The contract; its key tells which row is which.
        before: Rows of the table as they are.
        now: What they shall be.

    Returns:
        The contract's columns and `_gone`: rows to insert or replace, and rows to delete.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    def packed(frame: "DataFrame", name: str) -> "DataFrame":
        return frame.select(*table.key, F.struct(*table.column_names).alias(name))

    both = packed(now, "now").join(packed(before, "before"), list(table.key), "full")
    kept = F.coalesce("now", "before").alias("kept")
    changed = both.filter(~F.col("now").eqNullSafe(F.col("before")))
    return changed.select(kept, F.col("now").isNull().alias(GONE)).select("kept.*", GONE)
