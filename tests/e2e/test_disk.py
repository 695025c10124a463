"""A disk that is full or takes nothing: one line that says so, and all is well once it is mended.

The disks are real ones, mounted in a namespace of their own, which goes with its process.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deepkt_irt.tables.bronze import RAW_RESPONSES
from deepkt_irt.tables.ops import INGEST_AUDIT
from deepkt_irt.tables.store import TableStore

pytestmark = [pytest.mark.slow]

APART = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
HEADER = "student_id,item_id,is_correct,timestamp"
ROWS = 3_000


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*APART, "mount -t tmpfs none /mnt"], capture_output=True, check=False)
    return tried.returncode == 0


needs_mounts = pytest.mark.skipif(not can_mount(), reason="nothing may be mounted here")


@pytest.fixture
def answers(tmp_path) -> Path:
    """A file of invented answers, 130 kB."""
    lines = [
        f"student-{n % 40},item-{n % 25},{n % 2},2026-02-{n % 28 + 1:02d}T10:00:{n % 60:02d}"
        for n in range(ROWS)
    ]
    file = tmp_path / "answers.csv"
    file.write_text("\n".join([HEADER, *lines]) + "\n")
    return file


def command(answers: Path, lake: Path) -> str:
    deepkt = f"{sys.executable} -m deepkt_irt.cli run --source responses_csv --quiet"
    return f"{deepkt} --data {answers} --lake {lake} --only ingest_bronze"


def run_apart(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*APART, script], capture_output=True, text=True, check=False)


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


@needs_mounts
def test_disk_too_small_for_the_files_lands_none_of_them(answers, tmp_path):
    lake = tmp_path / "lake"
    lake.mkdir()
    script = f"mount -t tmpfs -o size=64k none {lake}; {command(answers, lake)}; echo status $?"

    ended = run_apart(f"{script}; ls -A {lake}/landing/responses_csv")

    assert ended.stdout.splitlines() == ["status 1", "_answers.csv.mapping.json"]
    assert "No space left on device" in last_line(ended.stderr)
    assert str(lake) in last_line(ended.stderr)
    assert "Traceback" not in ended.stderr


@needs_mounts
@pytest.mark.nightly
@pytest.mark.spark
def test_disk_that_fills_up_within_a_table_loses_and_doubles_nothing(spark, answers, tmp_path):
    lake, kept = tmp_path / "lake", tmp_path / "kept"
    lake.mkdir()
    run = command(answers, lake)
    first = f"mount -t tmpfs -o size=400k none {lake}; {run}; echo status $?"
    again = f"mount -o remount,size=100m {lake}; {run}; echo status $?; cp -r {lake} {kept}"

    ended = run_apart(f"{first}; {again}")

    told = [line for line in ended.stdout.splitlines() if line.startswith("status")]
    assert told == ["status 1", "status 0"], ended.stderr[-2000:]
    assert "the disk is full; make room and run again" in ended.stderr
    store = TableStore(spark, lake=kept)
    assert store.read(RAW_RESPONSES).count() == ROWS
    assert [row["rows_kept"] for row in store.read(INGEST_AUDIT).collect()] == [ROWS]


@needs_mounts
def test_lake_that_may_only_be_read_is_refused_before_anything_is_done(answers, tmp_path):
    lake = tmp_path / "lake"
    (lake / "tables").mkdir(parents=True)
    bound = f"mount --bind {lake} {lake}; mount -o remount,bind,ro {lake}"

    ended = run_apart(f"{bound}; {command(answers, lake)}; echo status $?")

    assert ended.stdout.splitlines() == ["status 1"]
    expected = f"lake {lake} cannot be written (Read-only file system)"
    assert expected in last_line(ended.stderr)
    assert [path.name for path in lake.rglob("*")] == ["tables"]
