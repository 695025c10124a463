"""Every task of the pipeline: importing this module fills the task registry.

The order of the imports is the order among tasks that do not depend on each other. So the last is
verify_sources, which fails a run in which a source was stopped.
"""

from deepkt_irt.jobs import (  # noqa: F401 - imported to register
    build_vector_index,
    calibrate_items,
    engineer_features,
    explain_students,
    ingest_bronze,
    monitor_items,
    publish_report,
    recommend_items,
    score_students,
    train_sakt,
    train_wd_irt,
    transform_silver,
    verify_sources,
)
from deepkt_irt.jobs.task import TASKS, Task, run_order

__all__ = ["LOCAL_ORDER", "TASKS"]

LOCAL_ORDER: tuple[Task, ...] = tuple(run_order(TASKS))
