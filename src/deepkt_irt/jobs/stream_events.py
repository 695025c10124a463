"""Console script stream_events: takes in files as they land, round by round, until it is ended.

A round runs the tasks of the daily job on what is new, in one session, so that batch and stream
cannot differ. Rounds and nothing else: a cut one is completed by the next, as any run is.
"""

import argparse
import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from types import FrameType

from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.landing_batches import state_of
from deepkt_irt.jobs.opening import open_runner, parse_settings
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.recommend_changed import RECOMMEND_CHANGED
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.jobs.scripts import add_experiments, add_model_names, add_settings, target_of
from deepkt_irt.jobs.stream_figures import Arrival, waits_of
from deepkt_irt.jobs.task import Metrics, Task
from deepkt_irt.tables.ops import INGEST_AUDIT
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS

log = logging.getLogger(__name__)

_TO_SILVER = ("ingest_bronze", "transform_silver")
_TO_SCORES = ("engineer_features", "score_students")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of the job; each round speaks about the instant it starts at."""
    parser.add_argument(
        "--for-seconds", type=float, help="end after so long; default: only when told to"
    )
    add_settings(parser)
    add_experiments(parser)
    add_model_names(parser)


def stream_events(flags: argparse.Namespace) -> None:
    """Take in files as they land, through silver to fresh mastery and next items, until ended.

    SIGTERM or Ctrl-C ends it after the round at hand; a second one ends it at once. Safe to start
    again after any end: the first round completes what was cut off. A source whose file cannot be
    read stops alone, as in the daily job; it ends if no source can go on. ops.pipeline_runs has a
    row a round under stream_events, with the seconds from a file's arrival to its events in silver.
    """
    settings = parse_settings(flags.set)
    runner = open_runner(target_of(flags), settings=settings, lasting="hours")
    with stopped_by_signals() as stop:
        stream(runner, stop, Until(seconds=flags.for_seconds))


@dataclass(frozen=True)
class Until:
    """When a stream ends by itself; None: never.

    Attributes:
        rounds: After so many, also those in which nothing had landed.
        seconds: After the round in which so many have passed.
    """

    rounds: int | None = None
    seconds: float | None = None

    def reached(self, *, rounds: int, seconds: float) -> bool:
        """Whether it is time."""
        over = (self.rounds, rounds), (self.seconds, seconds)
        return any(limit is not None and value >= limit for limit, value in over)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGINT sets; the next one does what it did before.

    Signals reach the main thread alone: started in another, nothing sets the event.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        restore()

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        restore()


def stream(runner: Runner, stop: threading.Event, until: Until) -> None:
    """Run a round whenever one is due, until told to stop.

    Args:
        runner: Of the lake or catalog; each round has an instant of its own.
        stop: Ends the stream after the round at hand.
        until: When it ends by itself.

    Raises:
        DeepktError: As raised by the task that failed.
    """
    settings, rounds = runner.settings.stream, Rounds(runner)
    begun, n = time.monotonic(), 0
    while not stop.is_set():
        started = time.monotonic()
        if not resting(settings.rests, datetime.now(UTC)):
            rounds.run()
        n += 1
        if until.reached(rounds=n, seconds=time.monotonic() - begun):
            break
        stop.wait(max(0.0, settings.trigger_seconds - (time.monotonic() - started)))
    log.info("stream_events: ended after %d rounds", n)


def resting(rests: str, now: datetime) -> bool:
    """Whether an instant lies in the hours of rest, which may run over midnight."""
    if not rests:
        return False
    begin, end = map(time_of_day.fromisoformat, rests.split("-"))
    at = now.astimezone(UTC).time()
    return begin <= at < end if begin <= end else at >= begin or at < end


@dataclass
class Rounds:
    """The rounds of one stream, and what they need to know of each other.

    Attributes:
        runner: Of the lake or catalog.
    """

    runner: Runner
    _seen: frozenset[tuple[Path, int]] | None = (
        None  # before the first round nothing is taken for read
    )
    _students_wait: bool = True
    _students_at: float = field(default=float("-inf"))

    def run(self) -> None:
        """Take in what landed, if anything did, and renew the students, if it is time."""
        landed = state_of(self.runner.place.landing)
        runner = replace(self.runner, as_of=datetime.now(UTC).replace(microsecond=0))
        if landed and (self._seen is None or not landed <= self._seen):
            runner.run([TASKS[name] for name in _TO_SILVER])
            runner.run([_ROUND], force=True)
            self._students_wait = True
        self._seen = landed
        due = time.monotonic() - self._students_at >= runner.settings.stream.score_seconds
        if landed and self._students_wait and due:
            self._students_at = time.monotonic()
            runner.run([*(TASKS[name] for name in _TO_SCORES), RECOMMEND_CHANGED])
            self._students_wait = False


def _account(ctx: JobContext) -> Metrics:
    """Say what a round took in, and how long it took from a file's arrival to its events."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    ready = time.time()
    mine = ctx.read(INGEST_AUDIT).filter(F.col("ingested_at") == F.lit(ctx.as_of))
    rows = mine.select("source", "file", "rows_read", "batch_id").collect()
    ctx.count_rows(rows_in=sum(row["rows_read"] for row in rows))
    since = ctx.as_of - timedelta(days=ctx.settings.stream.late_days)
    batches = sorted({row["batch_id"] for row in rows})
    counted = (
        ctx.read(CANONICAL_LEARNING_EVENTS)
        .filter(F.col("batch_id").isin(batches))
        .agg(
            F.count("*").alias("events"),
            F.count_if(F.col("answered_at") < F.lit(since)).alias("events_late"),
        )
        .collect()[0]
        .asDict()
    )
    arrivals = [
        Arrival(path.stat().st_mtime, row["rows_read"])
        for row in rows
        if (path := ctx.landing / row["source"] / row["file"]).exists()
    ]
    metrics = {"files": len(rows), **counted, **waits_of(arrivals, ready)}
    ctx.progress(_told(metrics, n_rows=ctx.access.rows_in or 0))
    return metrics


def _told(metrics: Metrics, n_rows: int) -> str:
    """A round in a line."""
    taken = f"{metrics['files']:.0f} files, {n_rows:,} rows, {metrics['events']:,.0f} events"
    late = f", {metrics['events_late']:,.0f} of them late" if metrics["events_late"] else ""
    if "to_silver_seconds_p50" not in metrics:
        return taken + late
    p50, p99 = (metrics[f"to_silver_seconds_{name}"] for name in ("p50", "p99"))
    return f"{taken}{late}; from arrival to silver {p50:.1f} s (p50), {p99:.1f} s (p99)"


_ROUND = Task(
    name="stream_events",
    function=_account,
    reads=(INGEST_AUDIT, CANONICAL_LEARNING_EVENTS),
    writes=(),
    uses_models=(),
    trains=(),
)
