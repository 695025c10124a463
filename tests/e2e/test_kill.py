"""kill -9 in every task, then the same command: the lake equals one that was never cut off."""

import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deepkt_irt.jobs.pipeline import LOCAL_ORDER
from deepkt_irt.jobs.task import Task
from deepkt_irt.tables.silver import STUDENT_KEYS
from deepkt_irt.tables.store import TableStore
from e2e.checksums import checksums
from e2e.conftest import AS_OF, SMALL

pytestmark = [pytest.mark.spark, pytest.mark.nightly]

LIMIT_SECONDS = 300


def command(lake: Path) -> list[str]:
    return [sys.executable, "-m", "deepkt_irt.cli", "demo", "--lake", str(lake), *SMALL, *AS_OF]


def run_and_kill_in(task: Task, lake: Path) -> bool:
    """Start the command and kill it inside a task; whether it came that far.

    The moment is the first write, which leaves the task half done, or half a second in where
    the task writes no table.
    """
    process = subprocess.Popen(
        command(lake),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        bufsize=0,  # a line waiting in a buffer would not wake the selector
    )
    assert process.stderr is not None
    try:
        if _reached(process, task):
            os.killpg(process.pid, signal.SIGKILL)
            return True
        return False
    finally:
        process.stderr.close()
        process.wait(timeout=LIMIT_SECONDS)


def _reached(process, task: Task) -> bool:
    """Follow the progress lines until the moment to kill; False if the process ends before."""
    lines = selectors.DefaultSelector()
    lines.register(process.stderr, selectors.EVENT_READ)
    deadline, inside = time.monotonic() + LIMIT_SECONDS, False
    while time.monotonic() < deadline:
        if not lines.select(timeout=1):
            continue
        line = process.stderr.readline().decode()
        if not line:
            return False
        if line.startswith(f"{task.name} ") and "up to date" not in line:
            inside = True
            if not task.writes:
                time.sleep(0.5)
                return process.poll() is None
        elif inside and line.startswith("    ") and " rows" in line:
            return process.poll() is None
    raise AssertionError(f"{task.name} not reached within {LIMIT_SECONDS} s")


def test_kill_in_every_task_then_the_same_command_equals_an_uninterrupted_run(
    spark, demo_lake, tmp_path, quick_start
):
    whole = TableStore(spark, lake=demo_lake)
    expected = checksums(whole)
    lake = tmp_path / "lake"
    # pseudonyms are random: give both lakes the same ones, so that all else can be compared
    keys = Path("tables") / STUDENT_KEYS.layer.value / STUDENT_KEYS.name
    shutil.copytree(demo_lake / keys, lake / keys)

    killed = {task.name: run_and_kill_in(task, lake) for task in LOCAL_ORDER}
    finished = subprocess.run(command(lake), capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr
    assert all(killed.values()), killed
    assert checksums(TableStore(spark, lake=lake)) == expected
