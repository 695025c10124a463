"""`deepkt stream` killed in the middle of its rounds, and started again, equals one run."""

import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.settings import Settings
from deepkt_irt.tables import bronze, gold, ops, silver
from deepkt_irt.tables.store import TableStore
from made_up_stream import PORTIONS, content, land

pytestmark = [pytest.mark.spark, pytest.mark.nightly]

LIMIT_SECONDS = 300
TASKS_TO_SEQUENCES = ("ingest_bronze", "transform_silver", "engineer_features")
# half way through an ingest, between two tables of silver, before the last table of gold
CUTS = (bronze.RAW_RESPONSES, silver.CANONICAL_LEARNING_EVENTS, gold.SAKT_SEQUENCES)
COMPARED = (
    bronze.RAW_RESPONSES,
    *(silver.CANONICAL_LEARNING_EVENTS, silver.USERS, silver.ITEMS),
    *(ops.QUARANTINE, gold.SAKT_SEQUENCES, gold.WDIRT_FEATURES),
)


def command(lake, *more):
    return [sys.executable, "-m", "deepkt_irt.cli", "stream", "--lake", str(lake), *more]


def run_and_kill_after(table, lake):
    """Start a stream and kill it, and its Spark, once it has written a table."""
    process = subprocess.Popen(
        command(lake),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        bufsize=0,  # a line waiting in a buffer would not wake the selector
    )
    lines = selectors.DefaultSelector()
    lines.register(process.stderr, selectors.EVENT_READ)
    deadline = time.monotonic() + LIMIT_SECONDS
    try:
        while time.monotonic() < deadline:
            if lines.select(timeout=1):
                line = process.stderr.readline().decode()
                assert line, "the stream ended by itself"
                if line.strip().startswith(f"{table.qualified_name}:"):
                    return
        raise AssertionError(f"{table.qualified_name} not written within {LIMIT_SECONDS} s")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stderr.close()
        process.wait(timeout=LIMIT_SECONDS)


@pytest.mark.usefixtures("quick_start")
def test_stream_killed_in_each_of_three_rounds_leaves_what_one_run_does(spark, tmp_path):
    lake, other = tmp_path / "streamed", tmp_path / "at_once"
    for files, table in zip(PORTIONS, CUTS, strict=True):
        land(lake, files)
        run_and_kill_after(table, lake)
    ended = subprocess.run(
        command(lake, "--rounds", "1"), capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
    store = TableStore(spark, lake=lake)
    keys = store.folder(silver.STUDENT_KEYS).relative_to(lake)
    shutil.copytree(lake / keys, other / keys)  # pseudonyms are random
    at_once = TableStore(spark, lake=other)
    for files in PORTIONS:
        land(other, files)
    now = datetime.now(UTC).replace(microsecond=0)
    runner = Runner(spark, at_once, Place.of_lake(other), Settings(), now)
    runner.run([TASKS[name] for name in TASKS_TO_SEQUENCES])
    for each in COMPARED:
        assert content(store, each) == content(at_once, each), each.qualified_name


@pytest.mark.usefixtures("quick_start")
def test_stream_that_is_asked_to_end_finishes_its_round(spark, tmp_path):
    lake = tmp_path / "lake"
    land(lake, PORTIONS[0])
    process = subprocess.Popen(command(lake, "--quiet"), start_new_session=True)
    log = TableStore(spark, lake=lake).folder(bronze.RAW_RESPONSES) / "_delta_log"
    deadline = time.monotonic() + LIMIT_SECONDS
    while not any(log.glob("*1.json")) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=LIMIT_SECONDS) == 0
    store = TableStore(spark, lake=lake)
    assert store.read(silver.CANONICAL_LEARNING_EVENTS).count() == 15
    assert store.read(ops.PIPELINE_RUNS).filter("task = 'stream_events'").count() == 1
