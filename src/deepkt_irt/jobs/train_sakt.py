"""Task train_sakt: trains the knowledge-tracing model and lets it score only if it is better."""

from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.tables.gold import (
    MODEL_EVALUATIONS,
    SAKT_SEQUENCES,
)
from deepkt_irt.tables.silver import USERS


@task(
    reads=(SAKT_SEQUENCES, USERS, MODEL_EVALUATIONS),
    writes=(MODEL_EVALUATIONS,),
    trains=("sakt",),
)
def train_sakt(ctx: JobContext) -> Metrics:
    """Train the knowledge-tracing model and evaluate it on held-out students.

    A model that the leakage guard refuses is not registered. A version becomes champion only if it
    predicts them better, beyond chance, than the champion and the baselines trained beside it.
    Safe to run again: a training cut off goes on where it was, and the same data, settings and
    code are trained and registered once. Stops with NoData if a split has no students.
    """
    # torch is absent where only lake tasks run, and they register with this one
    from deepkt_irt.jobs.sakt_training import train_and_judge  # noqa: PLC0415

    return train_and_judge(ctx)
