"""Recommends items to those students alone who were scored since they were last decided about.

For between two runs of recommend_items, which notes rewards, learns and judges. Here what was
learnt last decides, on items and skills as they are now.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deepkt_irt.jobs.bandit_learning import MODEL
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.reading import held
from deepkt_irt.jobs.recommend_items import decide, recommend_items
from deepkt_irt.jobs.recommendation_input import Of, catalogue_of
from deepkt_irt.jobs.task import TASKS, Metrics
from deepkt_irt.recommending import Recommender
from deepkt_irt.tables.gold import SAKT_PREDICTIONS
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def recommend_changed(ctx: JobContext) -> Metrics:
    """Recommend items to students whose scores are newer than what was last decided about them.

    Nothing is learnt and no policy judged; where nothing was ever decided, or more students
    changed than are worth telling apart, recommend_items does its whole work. Safe to run again.
    """
    students = _scored_since(ctx)
    if students is not None and students.isEmpty():
        return {"students": 0.0}
    if students is None or ctx.models.champion(MODEL) is None:
        return recommend_items(ctx)
    catalogue, curves = catalogue_of(ctx)
    with tempfile.TemporaryDirectory() as scratch:
        version, files = ctx.models.champion_files(MODEL, Path(scratch))
        learnt = Recommender.load(files)
    now = replace(
        learnt, catalogue=catalogue, curves=curves, recommendation=ctx.settings.recommendation
    )
    decide(ctx, now, version, among=Of(ctx, students))
    return {"students": float(students.count())}


def _scored_since(ctx: JobContext) -> "DataFrame | None":
    """student_key of those whose scores are newer than the last decision; None: too many."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    scored = ctx.read(SAKT_PREDICTIONS).groupBy("student_key").agg(F.max("scored_at").alias("at"))
    decided = ctx.read(BANDIT_DECISIONS).groupBy("student_key")
    last = decided.agg(F.max("decided_at").alias("decided_at"))
    both = scored.join(last, "student_key", "left")
    newer = both.filter("decided_at IS NULL OR decided_at < at").select("student_key")
    return held(newer, at_most=ctx.settings.scoring.max_changed)


RECOMMEND_CHANGED = replace(
    TASKS["recommend_items"], name="recommend_changed", function=recommend_changed
)
"""A task of the stream; its record is not that of recommend_items, which has still to run."""
