"""Two processes on one lake: the second is refused, and one that was killed holds nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deepkt_irt.jobs.lake_lock import LOCK_FILE, sole_writer

LIMIT_SECONDS = 60
ANSWERS = "user_id,item_id,correct,seq_pos\nann,i1,1,1\nann,i2,0,2\n"
TASK = "from deepkt_irt.jobs.entry_points import SCRIPTS; SCRIPTS['transform_silver']()"


def started(lake: Path, log: Path) -> subprocess.Popen:
    """`deepkt demo` in a process group of its own, once it holds the lake."""
    command = [sys.executable, "-m", "deepkt_irt.cli", "demo", "--lake", str(lake), "--quiet"]
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    deadline = time.monotonic() + LIMIT_SECONDS
    lock = lake / LOCK_FILE
    while not (lock.is_file() and lock.read_text()):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def tried(*command: str) -> tuple[int, str]:
    """Exit status and standard error of a second process."""
    ended = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, timeout=120
    )
    return ended.returncode, ended.stderr.strip()


@pytest.mark.nightly
def test_second_process_is_refused_in_one_line_and_a_killed_one_frees_the_lake(tmp_path):
    lake, data = tmp_path / "lake", tmp_path / "answers.csv"
    data.write_text(ANSWERS)
    run = ["run", "--source", "responses_csv", "--data", str(data), "--lake", str(lake)]
    process = started(lake, tmp_path / "demo.log")
    try:
        command = tried("-m", "deepkt_irt.cli", *run)
        task = tried("-c", TASK, "--lake", str(lake))
        reading = tried("-m", "deepkt_irt.cli", "models", "--lake", str(lake))
        landed = list((lake / "landing").glob("responses_csv/*"))
        still_held = process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    assert still_held, "the first command ended before the others were tried"
    for status, said in (command, task):
        assert status == 1
        assert f"written by deepkt demo (process {process.pid} on " in said
        assert len(said.splitlines()) == 1
    assert "is being written" not in reading[1]
    assert landed == []  # the refused command had touched nothing
    with sole_writer(lake, "deepkt run"):
        pass


def test_lock_names_no_argument(tmp_path):
    lake = tmp_path / "lake"
    log = lake / "tables" / "ops" / "pipeline_runs" / "_delta_log"
    log.mkdir(parents=True)
    (log / "0.json").touch()
    forget = ["forget", "--student-id", "ann-4711", "--lake", str(lake)]

    with sole_writer(lake, "deepkt run"):
        status, said = tried("-m", "deepkt_irt.cli", *forget)
    assert (status, "being written by deepkt run" in said) == (1, True)
    assert "ann-4711" not in (lake / LOCK_FILE).read_text()


@pytest.mark.parametrize("wait", ["-1", "soon"])
def test_wait_that_is_no_time_is_wrong_usage(tmp_path, wait):
    status, said = tried("-m", "deepkt_irt.cli", "report", "--lake", str(tmp_path), "--wait", wait)

    assert status == 2
    assert "wait" in said
