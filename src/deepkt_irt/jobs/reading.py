"""How views read tables, what they call items, and how they find the student asked for."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import reduce
from typing import TYPE_CHECKING, Any

from deepkt_irt.errors import NoData
from deepkt_irt.tables.contract import Table, View
from deepkt_irt.tables.silver import STUDENT_KEYS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

Read = Callable[[Table], "DataFrame"]
_FEW = 200_000  # ids


def in_utc(instant: datetime) -> datetime:
    """An instant of a collected row in UTC: Spark gives it naive, in the zone of the machine."""
    return instant.astimezone(UTC)


def look(view: View, read: Read) -> "DataFrame":
    """Rows of a view, over tables as they are read here."""
    frames: dict[str, Any] = {table.name: read(table) for table in view.reads}
    return read(view.reads[0]).sparkSession.sql(view.query, **frames)


def find_student(read: Read, student_id: str) -> tuple[str, str]:
    """Key and source of a student; of several sources that know the id, the first by name.

    Raises:
        NoData: If none is known by that id.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    found = read(STUDENT_KEYS).filter(F.col("student_id") == student_id).orderBy("source").collect()
    if not found:
        raise NoData(
            f"no student {student_id!r} in this lake; ids are those of the source's files, "
            "as in the student column of the data you ran"
        )
    return found[0]["student_key"], found[0]["source"]


def item_label(name: str = "label") -> "Column":
    """What people call an item of silver.items: its title, or else its id in the source."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.coalesce("title", "source_item_id").alias(name)


def counts(*asked: "tuple[DataFrame, Mapping[str, str]]") -> dict[str, float]:
    """How many rows of some frames meet conditions, all in one query.

    Args:
        asked: Each a frame and SQL conditions by the name of the count.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    each = [
        frame.agg(
            F.map_from_arrays(
                F.array(*map(F.lit, conditions)),
                F.array(*(F.count_if(F.expr(text)) for text in conditions.values())),
            ).alias("counts")
        )
        for frame, conditions in asked
    ]
    rows = reduce(lambda a, b: a.unionByName(b), each).collect()
    return {name: float(count) for row in rows for name, count in row["counts"].items()}


def held(rows: "DataFrame", *, at_most: int) -> "DataFrame | None":
    """The same rows, worked out now, so that reading them again costs nothing.

    Returns:
        None if there are more than `at_most`, which would be a load here.
    """
    values = rows.limit(at_most + 1).toPandas()
    return (
        rows.sparkSession.createDataFrame(values, rows.schema) if len(values) <= at_most else None
    )


def held_if_few(rows: "DataFrame") -> "DataFrame":
    """The same rows, held if they are few enough, else to be worked out with each use."""
    few = held(rows, at_most=_FEW)
    return rows if few is None else few
