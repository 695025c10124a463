"""A lake has one writer: others are refused or wait, and any end of it frees the lake."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from deepkt_irt.errors import AnotherRun, BackendUnavailable
from deepkt_irt.jobs.lake_lock import LOCK_FILE, sole_writer

HOLDER = """
import sys, time
from pathlib import Path
from deepkt_irt.jobs.lake_lock import sole_writer

with sole_writer(Path(sys.argv[1]), "deepkt run"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def held_elsewhere(lake, *, seconds=60.0):
    """Another process that holds the lake."""
    command = [sys.executable, "-c", HOLDER, str(lake), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_second_writer_is_refused_at_once_naming_the_first(tmp_path):
    with held_elsewhere(tmp_path) as process:
        begun = time.monotonic()
        with pytest.raises(AnotherRun) as refused, sole_writer(tmp_path, "deepkt report"):
            raise AssertionError("two writers at once")

    assert time.monotonic() - begun < 2
    message = str(refused.value)
    assert f"{tmp_path} is being written by deepkt run (process {process.pid} on " in message
    assert "UTC)" in message
    assert "--wait SECONDS" in message
    assert "\n" not in message


def test_writer_that_was_killed_holds_nothing(tmp_path):
    with held_elsewhere(tmp_path) as process:
        process.kill()
        process.wait()
        assert (tmp_path / LOCK_FILE).read_text()  # what it said is still there

        with sole_writer(tmp_path, "deepkt demo"):
            assert f"deepkt demo (process {os.getpid()} " in (tmp_path / LOCK_FILE).read_text()


def test_waiting_writer_starts_when_the_first_has_ended_and_says_what_it_waits_for(tmp_path):
    said = []
    with (
        held_elsewhere(tmp_path, seconds=0.5) as process,
        sole_writer(tmp_path, "deepkt run", wait_seconds=30, on_wait=said.append),
    ):
        assert process.wait(5) == 0

    (line,) = said
    assert line.startswith("waiting up to 30 s for deepkt run (process ")


def test_waiting_ends_when_the_time_is_over(tmp_path):
    with held_elsewhere(tmp_path):
        begun = time.monotonic()
        with pytest.raises(AnotherRun), sole_writer(tmp_path, "deepkt run", wait_seconds=0.5):
            raise AssertionError("two writers at once")

    assert 0.5 <= time.monotonic() - begun < 5


def test_failure_inside_frees_the_lake_and_leaves_no_name(tmp_path):
    with pytest.raises(KeyError), sole_writer(tmp_path, "deepkt run"):
        raise KeyError("what went wrong")

    assert (tmp_path / LOCK_FILE).read_text() == ""
    with sole_writer(tmp_path, "deepkt run"):
        pass


def test_refused_writer_does_not_wipe_out_who_holds_it(tmp_path):
    with held_elsewhere(tmp_path):
        before = (tmp_path / LOCK_FILE).read_text()
        with pytest.raises(AnotherRun), sole_writer(tmp_path, "deepkt forget"):
            raise AssertionError("two writers at once")

        assert (tmp_path / LOCK_FILE).read_text() == before


def test_two_lakes_do_not_wait_for_each_other(tmp_path):
    with held_elsewhere(tmp_path / "one"), sole_writer(tmp_path / "other", "deepkt run"):
        pass


def test_catalog_has_no_lock_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with sole_writer(None, "ingest_bronze"):
        assert list(tmp_path.iterdir()) == []


def test_folder_where_the_file_should_be_is_said(tmp_path):
    (tmp_path / LOCK_FILE).mkdir()

    refused = pytest.raises(BackendUnavailable, match=r"writer\.lock cannot be opened")
    with refused, sole_writer(tmp_path, "deepkt run"):
        raise AssertionError("nothing was locked")
