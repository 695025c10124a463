"""Integer indexes of skills and items that never change once given."""

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def new_entries(ids: "DataFrame", known: "DataFrame", *, added_at: datetime) -> "DataFrame":
    """Entries for ids that have none, numbered on from the last in the order of the ids.

    Args:
        ids: One column, `item_id` or `skill_id`.
        known: The vocabulary so far.
        added_at: Instant noted beside the entries, UTC.

    Returns:
        Rows of the vocabulary; empty if every id is known.
    """
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    name = ids.columns[0]
    index = f"{name.removesuffix('_id')}_index"
    last = known.agg(F.coalesce(F.max(index), F.lit(0)).alias("last"))
    absent = ids.distinct().join(known, name, "left_anti").crossJoin(last)
    # all rows have one last index; without a partition Spark warns at every call
    number = F.row_number().over(Window.partitionBy("last").orderBy(name))
    return absent.select(
        (F.col("last") + number).cast("int").alias(index),
        name,
        F.lit(added_at).alias("added_at"),
    )
