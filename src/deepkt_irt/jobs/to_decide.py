"""Whose recommendations no longer stand: those of everybody else are left as they are."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pandas as pd

from deepkt_irt.bandit.situation import Catalogue
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, SAKT_PREDICTIONS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def to_decide(ctx: JobContext, catalogue: Catalogue, policy: str) -> "DataFrame":
    """Column student_key: who is to be decided about at this instant.

    Those who were scored since they were decided about or have nothing recommended; whose
    recommendations name an item that may no longer be offered, come from another policy, or are
    `recommendation.decide_again_days` old; and those decided about at this very instant, so that
    the same instant again decides the same.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    # the row of an item on offer says when its student was scored last
    scored = ctx.read(SAKT_PREDICTIONS).filter("event_id IS NULL").groupBy("student_key")
    is_withdrawn = F.col("withdrawn").isNotNull() | (F.col("policy") != policy)
    standing = (
        ctx.read(BANDIT_RECOMMENDATIONS)
        .join(F.broadcast(_withdrawn(ctx, catalogue)), "item_id", "left")
        .groupBy("student_key")
        .agg(F.min("decided_at").alias("decided_at"), F.max(is_withdrawn).alias("is_withdrawn"))
    )
    both = scored.agg(F.max("scored_at").alias("scored_at")).join(standing, "student_key", "full")
    oldest = ctx.as_of - timedelta(days=ctx.settings.recommendation.decide_again_days)
    stands = (
        (F.col("decided_at") >= F.col("scored_at"))
        & ~F.col("is_withdrawn")
        & (F.col("decided_at") > F.lit(oldest))
        & (F.col("decided_at") < F.lit(ctx.as_of))
    )
    return both.filter(~F.coalesce(stands, F.expr("false"))).select("student_key")


def _withdrawn(ctx: JobContext, catalogue: Catalogue) -> "DataFrame":
    """item_id of what may not be offered to anybody."""
    not_offered = catalogue.is_blocked | catalogue.is_unhealthy | catalogue.is_guessed
    items = pd.DataFrame({"item_id": catalogue.item_ids[not_offered].astype(object)})
    rows = ctx.spark.createDataFrame(items, "item_id string")
    return rows.selectExpr("item_id", "true AS withdrawn")
