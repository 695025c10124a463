"""What a calibration is made of: which items and models, and every student's responses as cells."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepkt_irt.errors import NoData
from deepkt_irt.irt.responses import Selection, select
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.settings import CalibrationSettings
from deepkt_irt.tables.gold_items import CALIBRATION_RESPONSES
from deepkt_irt.tables.silver import ITEMS, USERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def selected(ctx: JobContext, graded: "DataFrame") -> tuple[pd.Index, Selection]:
    """Items met, sorted by id, and what can be estimated of each.

    Args:
        ctx: Of a task that reads silver.items.
        graded: Attempts that count, with level and n_steps.

    Raises:
        NoData: If there is none, or no item has enough.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    counted = graded.groupBy("item_id", "level").agg(
        F.count("*").alias("n"), F.first("n_steps").alias("n_steps")
    )
    found = counted.toPandas().sort_values(["item_id", "level"])
    if found.empty:
        raise NoData("no graded first attempts to calibrate items on")
    codes, item_ids = pd.factorize(found["item_id"], sort=True)
    counts = np.zeros((len(item_ids), max(2, int(found["level"].max()) + 1)), dtype=np.int64)
    counts[codes, found["level"]] = found["n"]
    steps = np.ones(len(item_ids), dtype=np.int64)
    steps[codes] = found["n_steps"]
    known = ctx.read(ITEMS).filter("is_guessable").select("item_id").toPandas()["item_id"]
    index = pd.Index(item_ids)
    selection = select(counts, ctx.settings.calibration, guessable=index.isin(known), n_steps=steps)
    return index, selection


def write_responses(
    ctx: JobContext, graded: "DataFrame", item_ids: pd.Index, selection: Selection
) -> None:
    """Replace gold.calibration_responses by these attempts."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    cells = F.broadcast(ctx.spark.createDataFrame(_cells(item_ids, selection)))
    students = (
        graded.join(cells, ["item_id", "level"])
        .groupBy("student_key")
        .agg(F.array_sort(F.collect_list(F.col("cell").cast("int"))).alias("cells"))
    )
    groups = _groups(ctx.read(USERS), students, ctx.settings.calibration)
    ctx.overwrite(CALIBRATION_RESPONSES, groups)


def _cells(item_ids: pd.Index, selection: Selection) -> pd.DataFrame:
    """item_id, level and cell of every level of every kept item."""
    highest = max(int(selection.full_credit.max()), selection.n_levels - 1)
    item = np.repeat(selection.kept, highest + 1)
    level = np.tile(np.arange(highest + 1), len(selection.kept))
    top: NDArray[np.int64] = np.repeat(selection.full_credit, highest + 1)
    inside = level <= top
    item, level = item[inside], level[inside]
    cell = selection.cell(item, level)
    return pd.DataFrame({"item_id": item_ids[item], "level": level, "cell": cell})


def _groups(
    users: "DataFrame", students: "DataFrame", settings: CalibrationSettings
) -> "DataFrame":
    """The students with their group's index, the largest group first; small ones count to it."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    if not settings.use_groups:
        return students.withColumn("group_index", F.lit(0))
    named = students.join(users.select("student_key", "student_group"), "student_key", "left")
    named = named.withColumn("student_group", F.coalesce("student_group", F.lit("")))
    sizes = named.groupBy("student_group").count().toPandas()
    large = sizes[sizes["count"] >= settings.min_group_students]
    order = large.sort_values(["count", "student_group"], ascending=[False, True])
    index = F.lit(0)
    for number, name in enumerate(order["student_group"]):
        index = F.when(F.col("student_group") == name, number).otherwise(index)
    return named.withColumn("group_index", index).drop("student_group")
