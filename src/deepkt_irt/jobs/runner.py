"""Runs tasks in the order their reads and writes give, and records every run.

A task whose inputs, settings and code have not changed since it last succeeded is not run
again; that is also how a run that was cut off goes on where it stopped.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from deepkt_irt.errors import DeepktError
from deepkt_irt.jobs.context import JobContext, Place
from deepkt_irt.jobs.replay import Replay
from deepkt_irt.jobs.task import Metrics, Task
from deepkt_irt.jobs.together import together
from deepkt_irt.settings import Settings
from deepkt_irt.sources.reader import content_hash
from deepkt_irt.tables.ops import ERASURES, PIPELINE_RUNS
from deepkt_irt.tables.store import TableStore

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

_RECORDS = frozenset({PIPELINE_RUNS.qualified_name})  # changes with every run
_CHANGES_KEPT = timedelta(days=6)  # a day less than Delta keeps files of changes by default


class Reporter(Protocol):
    """Who is told how a run goes."""

    def started(self, task: Task) -> None: ...

    def line(self, task: Task, text: str) -> None: ...

    def skipped(self, task: Task) -> None: ...

    def finished(self, task: Task, *, seconds: float, rows: int, metrics: Metrics) -> None: ...


class LogReporter:
    """One log line per step; what a job without a terminal shows."""

    def started(self, task: Task) -> None:
        log.info("%s: started", task.name)

    def line(self, task: Task, text: str) -> None:
        log.info("%s: %s", task.name, text)

    def skipped(self, task: Task) -> None:
        log.info("%s: up to date", task.name)

    def finished(self, task: Task, *, seconds: float, rows: int, metrics: Metrics) -> None:
        log.info("%s: done in %.1f s, %d rows, %s", task.name, seconds, rows, metrics)


@dataclass
class Runner:
    """One pipeline run over one lake or catalog.

    Attributes:
        as_of: Instant the run speaks about, UTC.
        as_of_given: Whether a person chose it; then another instant makes tasks run again.
        replay: Whom tasks work out again beside whom changes concern; with it, all tasks run.
    """

    spark: "SparkSession"
    store: TableStore
    place: Place
    settings: Settings
    as_of: datetime
    as_of_given: bool = False
    reporter: Reporter = field(default_factory=LogReporter)
    replay: Replay | None = None
    _rows: dict[tuple[str, int | None], int] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """Names the run by its instant."""
        return self.as_of.strftime("%Y%m%dT%H%M%SZ")

    def run(self, tasks: Sequence[Task], *, always: bool = False, force: bool = False) -> None:
        """Run tasks in the given order, stopping at the first that fails.

        Args:
            tasks: In run order.
            always: Run also those that are up to date.
            force: The same, and let them work out everything, not just what changed.

        Raises:
            DeepktError: As raised by the task that failed; its run is on record.
        """
        last = {} if force else self._last_runs()
        for task in tasks:
            state, before = self._state(task), last.get(task.name)
            if before is not None and _has_lost(task, before, state):
                before = None
            up_to_date = before is not None and before.fingerprint == state.fingerprint
            if up_to_date and not (always or self.replay or _always_runs(task)):
                self.reporter.skipped(task)
                continue
            self._run_one(task, state, since=_still_known(before, state))

    def _run_one(self, task: Task, state: "_State", since: dict[str, int] | None) -> None:
        context = JobContext(
            store=self.store,
            task=task,
            settings=self.settings,
            as_of=self.as_of,
            run_id=self.run_id,
            place=self.place,
            spark=self.spark,
            since=since,
            replay=self.replay,
            on_progress=lambda text: self.reporter.line(task, text),
        )
        self.reporter.started(task)
        started, clock = datetime.now(UTC), time.monotonic()
        record = _Record(task.name, state, started, context)
        try:
            metrics = task.function(context)
        except (
            BaseException
        ) as error:  # recorded, then raised again: also an interrupt is a failure
            # from another thread: here, the answer to what was cut off would be taken for the next
            together(partial(self._record, record, metrics={}, error=_one_line(error)))
            raise
        self._record(record, metrics=metrics, error=None)
        self.reporter.finished(
            task,
            seconds=time.monotonic() - clock,
            rows=context.access.rows_written,
            metrics=metrics,
        )

    def _record(self, record: "_Record", *, metrics: Metrics, error: str | None) -> None:
        access = record.context.access
        row = {
            "run_id": self.run_id,
            "task": record.task,
            "as_of": self.as_of,
            "started_at": record.started_at,
            "ended_at": datetime.now(UTC),
            "outcome": "failed" if error else "succeeded",
            "rows_in": access.rows_in
            if access.rows_in is not None
            else self._rows_read(access.read),
            "rows_out": access.rows_written,
            "metrics": {name: float(value) for name, value in sorted(metrics.items())},
            "error": error,
            "fingerprint": record.state.fingerprint,
            "basis": record.state.basis,
            # of what it wrote as it left them, so that a loss is noticed
            "input_versions": {**(record.state.versions or {}), **access.versions},
        }
        frame = self.store.frame(PIPELINE_RUNS, pd.DataFrame([row]))
        key = f"{self.run_id}/{record.task}/{record.started_at.isoformat()}"
        self.store.append(PIPELINE_RUNS, frame, app_id=key, version=1)

    def _rows_read(self, names: set[str]) -> int:
        """Rows in the tables a task read, each table counted once per version."""
        tables = self.store.tables_named(names)
        keys = [(table.qualified_name, self.store.version(table)) for table in tables]
        new = {key: table for key, table in zip(keys, tables, strict=True) if key not in self._rows}
        counted = together(*(self.store.read(table).count for table in new.values()))
        self._rows |= dict(zip(new, counted, strict=True))
        return sum(self._rows[key] for key in keys)

    def _last_runs(self) -> dict[str, "_State"]:
        """State of each task's latest run that succeeded."""
        from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

        runs = self.store.read(PIPELINE_RUNS).filter("outcome = 'succeeded'")
        state = F.struct("fingerprint", "basis", "input_versions", "started_at")
        latest = runs.groupBy("task").agg(F.max_by(state, "started_at").alias("state"))
        return {row["task"]: _State(*row["state"]) for row in latest.collect()}

    def _state(self, task: Task) -> "_State":
        """All that decides a task's result; what it writes itself is left out."""
        touched = dict.fromkeys((*task.reads, *task.writes))
        versions = {table.qualified_name: self.store.version(table) for table in touched}
        written = {table.qualified_name for table in task.writes}
        # upkeep of files makes versions, too, and nothing is to be worked out again because of it
        inputs = {
            table.qualified_name: self.store.data_version(table)
            for table in task.reads
            if table.qualified_name not in written | _RECORDS
        }
        code = {"package": package_version("deepkt-irt")}
        settings = {"settings": self.settings.of_results()}
        # what is left of changes before an erasure no longer tells who was touched
        erasures = {"erasures": self.store.version(ERASURES)}
        facts = {
            "task": task.name,
            **code,
            **settings,
            "inputs": inputs,
            "as_of": self.as_of.isoformat() if self.as_of_given else None,
            "content": content_files(self.place.content) if task.reads_content else {},
        }
        return _State(
            fingerprint=_hash(facts),
            basis=_hash({**code, **settings, **erasures}),
            versions={name: version for name, version in versions.items() if version is not None},
            started_at=datetime.now(UTC),
        )


def content_files(folder: Path) -> dict[str, str]:
    """Content hash of every file below a folder, by its path in it; none where there is no folder.

    Names with `_` or `.` in front are passed over.
    """
    inside = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    seen = {n: p for n, p in inside.items() if not any(s.startswith(("_", ".")) for s in n.parts)}
    return {name.as_posix(): content_hash(path) for name, path in sorted(seen.items())}


@dataclass(frozen=True)
class _State:
    """What a task was run on.

    Attributes:
        fingerprint: Hash of all that decides its result; the same again is not run.
        basis: Hash of all but the inputs; null in records of earlier versions.
        versions: Delta version of each table it reads or writes; null as above.
        started_at: Wall clock, UTC.
    """

    fingerprint: str
    basis: str | None
    versions: dict[str, int] | None
    started_at: datetime


@dataclass(frozen=True)
class _Record:
    task: str
    state: _State
    started_at: datetime
    context: JobContext


def _has_lost(task: Task, before: _State, now: _State) -> bool:
    """Whether a table that it wrote is gone, or was made anew by others."""
    then, at_hand = before.versions or {}, now.versions or {}
    wrote = {table.qualified_name for table in task.writes} & then.keys()
    return any(at_hand.get(name, -1) < then[name] for name in wrote)


def _still_known(before: _State | None, now: _State) -> dict[str, int] | None:
    """Versions from which the changes since a run can be told; None if they cannot."""
    if before is None or before.basis != now.basis:
        return None
    # the clocks of a session and of a record may differ in how they name UTC
    age = now.started_at.replace(tzinfo=None) - before.started_at.replace(tzinfo=None)
    return before.versions if age < _CHANGES_KEPT else None


def _hash(facts: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _always_runs(task: Task) -> bool:
    """Whether no table version tells if a task has work: it takes files, or leaves a file."""
    return not task.writes or all(table in task.writes for table in task.reads)


def _one_line(error: BaseException) -> str:
    text = str(error) if isinstance(error, DeepktError) else f"{type(error).__name__}: {error}"
    return text.splitlines()[0][:2000] if text else type(error).__name__
