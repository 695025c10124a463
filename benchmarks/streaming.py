"""How soon events are in silver if files land all the time, and whether the stream equals a batch.

`python benchmarks/streaming.py --minutes 2` is a short run; the section of the page takes 10.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pyarrow import parquet

from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.session import local_session
from deepkt_irt.settings import Settings
from deepkt_irt.tables.bronze import RAW_RESPONSES
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.gold import SAKT_SEQUENCES
from deepkt_irt.tables.ops import INGEST_AUDIT, PIPELINE_RUNS, QUARANTINE
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, STUDENT_KEYS, USER_SPLITS, USERS
from deepkt_irt.tables.store import TableStore
from page import table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_RATE = 1_000  # events a second
_FILE_SECONDS = 5
_STUDENTS, _ITEMS, _SKILLS = 20_000, 2_000, 50
_LATE_SHARE, _REPEATED_SHARE = 0.01, 0.005
_SEED = 20_261_127
_TRIGGER_SECONDS = 10
_COMPARED = (CANONICAL_LEARNING_EVENTS, USERS, USER_SPLITS, SAKT_SEQUENCES)
# which batch an event came with, and indexes that are given by arrival, are what differs
_BY_ARRIVAL = {"batch_id", "item_indexes", "skill_indexes"}


@dataclass(frozen=True)
class Landed:
    """What was put into the landing folder: rows, and those that repeat an earlier one."""

    n_files: int
    n_rows: int
    n_repeated: int
    n_late: int


@dataclass(frozen=True)
class Waits:
    """Seconds from the arrival of a file to its events in silver, over rows."""

    p50: float
    p99: float
    longest: float
    n_rounds: int


def section(*, minutes: float = 10.0) -> str:
    """The section of the page."""
    with TemporaryDirectory() as scratch:
        streamed, at_once = Path(scratch) / "streamed", Path(scratch) / "at_once"
        landed = _stream(streamed, minutes)
        spark = local_session(profile="large", memory="4g")
        store = TableStore(spark, lake=streamed)
        waits = _waits(store, streamed)
        lost, doubled = _lost(store, landed), _doubled(store)
        batch = _batch(spark, streamed, at_once)
        differing = {each.name: _differing(each, store, batch) for each in _COMPARED}
    rows = [
        ("events", f"{landed.n_rows - landed.n_repeated:,} in {landed.n_files} files"),
        ("rounds", f"{waits.n_rounds}"),
        ("arrival to silver, p50", f"{waits.p50:.1f} s"),
        ("arrival to silver, p99", f"{waits.p99:.1f} s"),
        ("longest", f"{waits.longest:.1f} s"),
        ("events lost", f"{lost:,}"),
        ("events doubled", f"{doubled:,}"),
        *((f"rows of {name} unlike the batch's", f"{n:,}") for name, n in differing.items()),
    ]
    return f"""## Streaming

{_RATE:,} events a second for {minutes:g} minutes, a file every {_FILE_SECONDS} s, of
{_STUDENTS:,} students and {_ITEMS:,} items, into an empty lake that a stream of its own process
watches (`deepkt stream`, a round every {_TRIGGER_SECONDS} s at most). {landed.n_late:,} events come
hours late, {landed.n_repeated:,} come twice. The wait is counted per row, from the file's name
appearing in the landing folder to the end of the silver write. The batch is one run over all files,
with the same pseudonyms. Load average of the machine at the end: {os.getloadavg()[1]:.1f}.

{table(("", "measured"), rows)}
"""


def _stream(lake: Path, minutes: float) -> Landed:
    """Land files at the pace of the clock while a stream takes them in, and let it finish."""
    command = [sys.executable, "-m", "deepkt_irt.cli", "stream", "--lake", str(lake), "--quiet"]
    for setting in (f"trigger_seconds={_TRIGGER_SECONDS}", "score_seconds=60"):
        command += ["--set", f"stream.{setting}"]
    process = subprocess.Popen(command)  # noqa: S603 - a fixed program
    try:
        landed = _land_all(lake / "landing" / "responses_csv", minutes)
        _wait_for(lake, landed.n_files, process)
        process.send_signal(signal.SIGTERM)
        if process.wait(timeout=600) != 0:
            raise RuntimeError(f"the stream ended with {process.returncode}")
    finally:
        process.kill()
    return landed


def _land_all(folder: Path, minutes: float) -> Landed:
    """A file every few seconds, written aside and renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, begun = np.random.default_rng(_SEED), time.monotonic()
    n_files = max(round(minutes * 60 / _FILE_SECONDS), 2)
    before, n_rows, n_repeated, n_late = _drawn(rng, 0), 0, 0, 0
    for number in range(n_files):
        frame = _drawn(rng, number)
        late = rng.random(len(frame)) < _LATE_SHARE
        frame.loc[late, "answered_at"] -= pd.to_timedelta(rng.integers(1, 72, late.sum()), "h")
        again = before[rng.random(len(before)) < _REPEATED_SHARE] if number else before[:0]
        both = pd.concat([frame, again])
        partial = folder / f"_{number:05d}.part"
        both.to_csv(partial, index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ")
        time.sleep(max(0.0, begun + number * _FILE_SECONDS - time.monotonic()))
        os.utime(partial)  # arrival is the moment of the name
        partial.rename(folder / f"{number:05d}.csv")
        before = frame
        n_rows, n_repeated, n_late = (
            n_rows + len(both),
            n_repeated + len(again),
            n_late + int(late.sum()),
        )
    return Landed(n_files, n_rows, n_repeated, n_late)


def _drawn(rng: np.random.Generator, number: int) -> pd.DataFrame:
    """The answers of a few seconds; no two of a student in the same microsecond."""
    n = _RATE * _FILE_SECONDS
    item = rng.integers(0, _ITEMS, n)
    begin = datetime(2026, 3, 2, 8, tzinfo=UTC) + timedelta(seconds=number * _FILE_SECONDS)
    return pd.DataFrame(
        {
            "student_id": [f"s{each:05d}" for each in rng.integers(0, _STUDENTS, n)],
            "item_id": [f"i{each:04d}" for each in item],
            "skill_ids": [f"k{each % _SKILLS}" for each in item],
            "correct": rng.integers(0, 2, n),
            "answered_at": pd.Timestamp(begin)
            + pd.to_timedelta(np.arange(n) * (_FILE_SECONDS / n), "s"),
            "latency_ms": rng.integers(2_000, 60_000, n),
        }
    )


def _wait_for(lake: Path, n_files: int, process: "subprocess.Popen[bytes]") -> None:
    """Until every file has its account, as the files of that table say, without Spark."""
    folder = lake / "tables" / INGEST_AUDIT.layer.value / INGEST_AUDIT.name
    deadline = time.monotonic() + 1_800
    while time.monotonic() < deadline and process.poll() is None:
        accounts = folder.glob("*.parquet")
        if sum(parquet.read_metadata(path).num_rows for path in accounts) >= n_files:
            return
        time.sleep(1)
    raise RuntimeError("the stream has not taken in what landed")


def _waits(store: TableStore, lake: Path) -> Waits:
    """Per row: when the round that took a file in had written silver, less the file's arrival."""
    files = store.read(INGEST_AUDIT).select("file", "rows_read", "ingested_at").toPandas()
    runs = store.read(PIPELINE_RUNS).filter("task = 'stream_events'")
    ready = runs.select("as_of", "started_at").toPandas().set_index("as_of")["started_at"]
    landing = lake / "landing" / "responses_csv"
    arrived = np.array([(landing / name).stat().st_mtime for name in files["file"]])
    done = files["ingested_at"].map(ready).dt.tz_localize(UTC).map(pd.Timestamp.timestamp)
    each = np.repeat(done.to_numpy() - arrived, files["rows_read"])
    p50, p99 = np.quantile(each, [0.5, 0.99])
    return Waits(float(p50), float(p99), float(each.max()), len(ready))


def _lost(store: TableStore, landed: Landed) -> int:
    """Rows that landed and are neither in bronze nor refused, and events that silver lacks."""
    refused = store.read(QUARANTINE).filter("stage = 'ingest_bronze'").count()
    kept = store.read(RAW_RESPONSES).count()
    events = store.read(CANONICAL_LEARNING_EVENTS).select("event_id").distinct().count()
    return (landed.n_rows - kept - refused) + (landed.n_rows - landed.n_repeated - events)


def _doubled(store: TableStore) -> int:
    """Events that stand in silver more than once."""
    events = store.read(CANONICAL_LEARNING_EVENTS)
    return events.count() - events.select("event_id").distinct().count()


def _batch(spark: "SparkSession", streamed: Path, at_once: Path) -> TableStore:
    """One run over the same files, with the same pseudonyms; they are random."""
    keys = Path("tables") / STUDENT_KEYS.layer.value / STUDENT_KEYS.name
    shutil.copytree(streamed / keys, at_once / keys)
    shutil.copytree(streamed / "landing", at_once / "landing")
    store = TableStore(spark, lake=at_once)
    now = datetime.now(UTC).replace(microsecond=0)
    runner = Runner(spark, store, Place.of_lake(at_once), Settings(), now)
    runner.run([TASKS[n] for n in ("ingest_bronze", "transform_silver", "engineer_features")])
    return store


def _differing(each: Table, one: TableStore, other: TableStore) -> int:
    """Rows of a table that only one of two lakes has."""
    columns = [name for name in each.column_names if name not in _BY_ARRIVAL]
    text = "xxhash64(to_json(struct(*), map('ignoreNullFields', 'false'))) AS h"
    left, right = (s.read(each).select(*columns).selectExpr(text) for s in (one, other))
    return left.exceptAll(right).count() + right.exceptAll(left).count()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    print(section(minutes=parser.parse_args().minutes))
