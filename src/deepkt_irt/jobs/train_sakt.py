"""Task train_sakt: trains the knowledge-tracing model and lets it score only if it is better."""

from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.tables.gold import (
    ITEM_VOCABULARY,
    MODEL_EVALUATIONS,
    SAKT_SEQUENCES,
    SKILL_VOCABULARY,
)


@task(
    reads=(SAKT_SEQUENCES, ITEM_VOCABULARY, SKILL_VOCABULARY, MODEL_EVALUATIONS),
    writes=(MODEL_EVALUATIONS,),
    trains=("sakt",),
)
def train_sakt(ctx: JobContext) -> Metrics:
    """Train the knowledge-tracing model and evaluate it on held-out students.

    The version becomes champion only if it predicts them better than the item means do.
    Safe to run again: the same data, settings and code are trained and registered once.
    Stops with NoData if a split has no students.
    """
    # torch is absent where only lake tasks run, and they register with this one
    from deepkt_irt.jobs.sakt_training import train_and_evaluate  # noqa: PLC0415

    return train_and_evaluate(ctx)
