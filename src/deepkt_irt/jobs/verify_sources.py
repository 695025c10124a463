"""Task verify_sources: a run in which a source was stopped ends red, after all else was done."""

from typing import TYPE_CHECKING

from deepkt_irt.errors import SourceStopped
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.reading import in_utc
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.tables.ops import STOPPED_SOURCES

if TYPE_CHECKING:
    from pyspark.sql import Row


@task(reads=(STOPPED_SOURCES,), writes=())
def verify_sources(ctx: JobContext) -> Metrics:
    """Fail if a source is stopped, so that somebody is told; no task waits for this one.

    The message names the file at fault and how to put it right. Put it right and run the job again:
    what the source delivered meanwhile is then taken in, and nothing is read twice. Until then
    all other sources go on, and this task fails in every run.
    """
    rows = ctx.read(STOPPED_SOURCES).orderBy("source").collect()
    if rows:
        raise SourceStopped([f"{row['source']}, since {_day(row)}: {row['error']}" for row in rows])
    return {"sources_stopped": 0}


def _day(row: "Row") -> str:
    return f"{in_utc(row['stopped_at']):%Y-%m-%d}"
