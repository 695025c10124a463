"""Reads how the files of tables are, for the report."""

from datetime import UTC
from typing import Any

from deepkt_irt.jobs.reading import Read
from deepkt_irt.reporting.operations import Figures, Operations, StoredTable, in_order
from deepkt_irt.tables.ops import TABLE_HEALTH

READS = (TABLE_HEALTH,)


def operations(read: Read) -> Operations | None:
    """The last upkeep of the tables; None if there was none."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    health = read(TABLE_HEALTH)
    last = health.agg(F.max("as_of").alias("as_of"))
    rows = health.join(last, "as_of").collect()
    if not rows:
        return None
    return Operations(
        as_of=f"{rows[0]['as_of'].astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        tables=in_order([_stored(row) for row in rows]),
        left_out=tuple(sorted({row["left_out"] for row in rows if row["left_out"]})),
    )


def _stored(row: Any) -> StoredTable:  # noqa: ANN401 - a Spark row
    return StoredTable(
        name=row["table_name"],
        n_rows=row["n_rows"],
        expired=row["rows_expired"],
        before=_figures(row, "before"),
        after=_figures(row, "after"),
        steps=tuple(row["steps"]),
        care=tuple(row["care"]),
    )


def _figures(row: Any, moment: str) -> Figures:  # noqa: ANN401 - a Spark row
    return Figures(
        n_files=row[f"files_{moment}"],
        n_small=row[f"small_files_{moment}"],
        n_bytes=row[f"bytes_{moment}"],
        stored_bytes=row[f"stored_bytes_{moment}"],
        deleted_share=row[f"deleted_share_{moment}"],
    )
