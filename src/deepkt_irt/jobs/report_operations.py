"""Reads how the files of tables are, for the report."""

from typing import Any

from deepkt_irt.jobs.reading import Read, in_utc
from deepkt_irt.reporting.operations import Operations, TableFiles, TableUpkeep, in_order
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
        as_of=f"{in_utc(rows[0]['as_of']):%Y-%m-%d %H:%M} UTC",
        tables=in_order(_upkeep(row) for row in rows),
    )


def _upkeep(row: Any) -> TableUpkeep:  # noqa: ANN401 - a Spark row
    return TableUpkeep(
        name=row["table_name"],
        expired=row["rows_expired"],
        before=_files(row, "before"),
        after=_files(row, "after"),
        steps=tuple(row["steps"]),
        left_out=row["left_out"],
        care=tuple(row["care"]),
        seconds=row["seconds"],
    )


def _files(row: Any, moment: str) -> TableFiles:  # noqa: ANN401 - a Spark row
    return TableFiles(
        n_rows=row["n_rows"],
        n_files=row[f"files_{moment}"],
        n_small=row[f"small_files_{moment}"],
        n_bytes=row[f"bytes_{moment}"],
        stored_bytes=row[f"stored_bytes_{moment}"],
        deleted_share=row[f"deleted_share_{moment}"],
    )
