"""The files of tables are looked after: no row changes, and nothing is worked out again."""

import json
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from conftest import AS_OF, rows
from deepkt_irt.cli import main
from deepkt_irt.jobs import maintain_tables
from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.opening import Target
from deepkt_irt.jobs.report_operations import operations
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.jobs.task import Task
from deepkt_irt.settings import Settings
from deepkt_irt.tables.ops import PIPELINE_RUNS, QUARANTINE, TABLE_HEALTH
from deepkt_irt.tables.silver import SKILLS, USERS
from deepkt_irt.tables.store import TableStore

pytestmark = pytest.mark.spark

DAYS_BACK = 8
GONE = "student-4711"


def skill(number):
    named = {"skill_id": f"s:{number}", "source": "s", "name": f"n{number}"}
    return {**named, "prerequisite_ids": [], "n_events": 1}


def user(key, n):
    return {"student_key": key, "source": "s", "class_keys": [], "n_events": n}


def refused(row, at):
    return {
        "stage": "ingest_bronze",
        "source": "s",
        "table_name": "bronze.raw_responses",
        "file": "a.csv",
        "row": row,
        "reason": "too short",
        "received": "x",
        "batch_id": 0,
        "quarantined_at": at,
    }


@pytest.fixture(scope="module")
def frame_of(spark):
    def build(table, given):
        schema = ", ".join(f"{column.name} {column.type}" for column in table.columns)
        values = [tuple(map(row.get, table.column_names)) for row in given]
        return spark.createDataFrame(values, schema)

    return build


@pytest.fixture(scope="module")
def worn(spark, tmp_path_factory, frame_of) -> Path:
    """A lake with many small files, deleted rows in files, old versions and overdue rows."""
    lake = tmp_path_factory.mktemp("worn") / "lake"
    store = TableStore(spark, lake=lake)
    for number in range(12):
        made = frame_of(SKILLS, [skill(number)])
        store.append(SKILLS, made, app_id=f"skills/{number}", version=1)
    students = [user(f"student-{n}", n) for n in range(1, 100)]
    store.overwrite(USERS, frame_of(USERS, [*students, user(GONE, 1)]))
    store.delete_matching(USERS, frame_of(USERS, [user(GONE, 1)]).select("student_key"))
    old, new = AS_OF - timedelta(days=400), AS_OF - timedelta(days=1)
    store.overwrite(QUARANTINE, frame_of(QUARANTINE, [refused(1, old), refused(2, new)]))
    return lake


def aged(lake: Path, copy: Path) -> Path:
    """The lake as if all of it had been written some days earlier."""
    shutil.copytree(lake, copy)
    earlier = DAYS_BACK * 86_400
    for path in copy.rglob("*"):
        if path.suffix == ".crc":
            path.unlink()  # of the text that is changed here
        elif path.is_file():
            if path.parent.name == "_delta_log" and path.suffix == ".json":
                entries = [json.loads(line) for line in path.read_text().splitlines()]
                for entry in entries:
                    if "remove" in entry:
                        entry["remove"]["deletionTimestamp"] -= earlier * 1000
                path.write_text("\n".join(json.dumps(e, separators=(",", ":")) for e in entries))
            when = time.time() - earlier
            os.utime(path, (when, when))
    return copy


def copied_rows(ctx):
    """Copy nothing: only its inputs matter."""
    ctx.read(SKILLS)
    return {}


READER = Task("reader", copied_rows, (SKILLS,), (USERS,), (), ())


def run_reader(spark, lake):
    place = Place.of_lake(lake)
    Runner(spark, TableStore(spark, lake=lake), place, Settings(), AS_OF).run([READER])
    runs = TableStore(spark, lake=lake).read(PIPELINE_RUNS).filter("task = 'reader'")
    return runs.count()


def contains(folder: Path, text: str, spark) -> list[str]:
    """Parquet files with a value that has the text."""
    files = [path for path in folder.rglob("*.parquet") if "_delta_log" not in path.parts]
    return [
        path.name for path in files if text in spark.read.parquet(str(path)).toPandas().to_csv()
    ]


@pytest.fixture(scope="module")
def kept(spark, worn, tmp_path_factory):
    """The lake, aged and looked after, with rows before and what was done."""
    lake = aged(worn, tmp_path_factory.mktemp("kept") / "lake")
    store = TableStore(spark, lake=lake)
    before = {table: rows(store.read(table), *table.key) for table in (SKILLS, USERS)}
    ran = run_reader(spark, lake)
    done = maintain_tables.maintain(Target(lake=lake), Settings(), as_of=AS_OF)
    return lake, before, ran, {each.name: each for each in done}


def test_small_files_become_one_and_those_before_stay_for_readers(kept):
    _, _, _, done = kept
    skills = done["silver.skills"]

    # besides, each append of one row left an empty file that no commit names
    assert skills.steps == ("optimize", "vacuum")
    assert (skills.before.n_files, skills.before.n_small) == (12, 12)
    assert (skills.after.n_files, skills.after.n_rows, skills.care) == (1, 12, ())
    assert skills.after.stored_bytes > skills.after.n_bytes


def test_deleted_rows_of_persons_are_written_out_and_after_some_days_gone(kept, worn, spark):
    lake, _, _, done = kept
    users = done["silver.users"]
    folder = lake / "tables" / "silver" / "users"

    assert users.before.deleted_share == pytest.approx(0.01)
    assert users.steps == ("purge", "vacuum")
    assert (users.after.deleted_share, users.after.n_rows) == (0.0, 99)
    assert contains(worn / "tables" / "silver" / "users", GONE, spark)
    assert contains(folder, GONE, spark)  # still in reach of readers

    older = aged(lake, lake.parent / "a week later")
    later = AS_OF + timedelta(days=DAYS_BACK)
    maintain_tables.maintain(Target(lake=older), Settings(), as_of=later)

    assert contains(older / "tables" / "silver" / "users", GONE, spark) == []
    assert TableStore(spark, lake=older).read(USERS).count() == 99


def test_overdue_rows_are_deleted_at_once(kept, spark):
    lake, _, _, done = kept

    assert done["ops.quarantine"].expired == 1
    assert rows(TableStore(spark, lake=lake).read(QUARANTINE), "row") == [(2,)]


def test_no_row_changes_and_no_task_runs_again(kept, spark):
    lake, before, ran, _ = kept
    store = TableStore(spark, lake=lake)

    assert {table: rows(store.read(table), *table.key) for table in before} == before
    assert store.version(SKILLS) > store.data_version(SKILLS)
    assert run_reader(spark, lake) == ran == 1


def test_account_of_every_table_is_kept_and_shown_in_the_report(kept, spark):
    lake, _, _, done = kept
    store = TableStore(spark, lake=lake)

    told = {row["table_name"]: row for row in store.read(TABLE_HEALTH).collect()}
    shown = operations(store.read)

    assert told.keys() == done.keys()
    skills = told["silver.skills"]
    assert (skills["files_before"], skills["files_after"]) == (12, 1)
    assert skills["deleted_share_after"] == 0.0
    assert skills["steps"] == ["optimize", "vacuum"]
    assert skills["left_out"].startswith("analyze: ")
    assert shown.as_of == "2026-03-01 02:00 UTC"
    assert {each.name: each for each in shown.tables} == done
    assert shown.needing_care == ()


@pytest.mark.nightly
def test_run_again_with_the_same_instant_keeps_one_account(worn, spark, tmp_path):
    lake = shutil.copytree(worn, tmp_path / "lake")
    for _ in range(2):
        maintain_tables.maintain(Target(lake=lake), Settings(), as_of=AS_OF)

    told = TableStore(spark, lake=lake).read(TABLE_HEALTH)
    assert told.groupBy("table_name").count().filter("count > 1").isEmpty()


def test_what_unity_catalog_does_is_left_to_it(worn, spark, tmp_path):
    lake = shutil.copytree(worn, tmp_path / "lake")
    managed = Settings.model_validate({"maintenance": {"predictive_optimization": True}})

    done = maintain_tables.maintain(Target(lake=lake), managed, as_of=datetime.now(UTC))

    by_name = {each.name: each for each in done}
    assert by_name["silver.skills"].steps == ()
    assert by_name["silver.skills"].care == ("12 small files of 12",)
    assert by_name["silver.users"].steps == ("purge",)


@pytest.mark.nightly
def test_command_shows_each_table_that_needed_something(worn, tmp_path, capfd):
    lake = shutil.copytree(worn, tmp_path / "lake")
    capfd.readouterr()

    main(["maintain", "--lake", str(lake), "--as-of", "2026-03-01T02:00"])
    shown = capfd.readouterr().out
    main(["maintain", "--lake", str(lake), "--as-of", "2026-03-02T02:00", "--json"])
    told = capfd.readouterr().out

    lines = shown.splitlines()
    assert "silver.skills: 12 \N{RIGHTWARDS ARROW} 1 files; optimize, vacuum" in lines
    # 12 skills, 99 students, and the row that is not overdue
    assert lines[-1].startswith("In all 3 tables, 112 rows, ")
    again = {each["name"]: each for each in json.loads(told[told.index("[\n") :])}
    assert again["silver.skills"]["after"]["n_files"] == 1
    assert again["ops.table_health"]["after"]["n_rows"] == 3
