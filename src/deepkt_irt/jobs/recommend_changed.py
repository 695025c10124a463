"""Recommends items to those students alone whose recommendations no longer stand.

For between two runs of recommend_items, which notes rewards, learns and judges. Here what was
learnt last decides, on items and skills as they are now.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from deepkt_irt.jobs.bandit_learning import MODEL
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.reading import held
from deepkt_irt.jobs.recommend_items import decide, recommend_items
from deepkt_irt.jobs.recommendation_input import Of, catalogue_of
from deepkt_irt.jobs.task import TASKS, Metrics
from deepkt_irt.jobs.to_decide import to_decide
from deepkt_irt.recommending import Recommender


def recommend_changed(ctx: JobContext) -> Metrics:
    """Recommend items to students who were scored since, or whose recommendations do not stand.

    Nothing is learnt and no policy judged; where nothing was ever decided, or more students
    changed than are worth telling apart, recommend_items does its whole work. Safe to run again.
    """
    if ctx.models.champion(MODEL) is None:
        return recommend_items(ctx)
    catalogue, curves = catalogue_of(ctx)
    with tempfile.TemporaryDirectory() as scratch:
        version, files = ctx.models.champion_files(MODEL, Path(scratch))
        learnt = Recommender.load(files)
    now = replace(
        learnt, catalogue=catalogue, curves=curves, recommendation=ctx.settings.recommendation
    )
    students = held(
        to_decide(ctx, catalogue, now.policy_name), at_most=ctx.settings.scoring.max_changed
    )
    if students is None:
        return recommend_items(ctx)
    n_students = students.count()
    if n_students:
        decide(ctx, now, version, among=Of(ctx, students))
    return {"students": float(n_students)}


RECOMMEND_CHANGED = replace(
    TASKS["recommend_items"], name="recommend_changed", function=recommend_changed
)
"""A task of the stream; its record is not that of recommend_items, which has still to run."""
