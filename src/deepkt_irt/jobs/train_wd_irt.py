"""Task train_wd_irt: trains Wide & Deep IRT, and keeps its item parameters beside the others."""

from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.tables.gold import ITEM_VOCABULARY, MODEL_EVALUATIONS, WDIRT_FEATURES
from deepkt_irt.tables.gold_items import CALIBRATIONS, ITEM_PARAMETERS
from deepkt_irt.tables.silver import ITEMS, USERS


@task(
    reads=(
        WDIRT_FEATURES,
        ITEM_VOCABULARY,
        ITEMS,
        USERS,
        CALIBRATIONS,
        ITEM_PARAMETERS,
        MODEL_EVALUATIONS,
    ),
    writes=(MODEL_EVALUATIONS, ITEM_PARAMETERS),
    trains=("wd_irt",),
)
def train_wd_irt(ctx: JobContext) -> Metrics:
    """Train Wide & Deep IRT on what students did before, and evaluate it on held-out students.

    Items are told on the scale of the latest calibration. A model that the leakage guard
    refuses is not registered, and becomes champion only if it predicts better, beyond chance, than
    the champion and the baselines. Safe to run again: the same data, settings and code are trained
    and registered once. Stops with NoData if a split has no students.
    """
    # torch is absent where only lake tasks run, and they register with this one
    from deepkt_irt.jobs.wd_irt_training import train_and_judge  # noqa: PLC0415

    return train_and_judge(ctx)
