"""Sources that change: what comes is kept and told; one that breaks leaves the others running."""

from datetime import timedelta

import pytest

from conftest import AS_OF, rows
from deepkt_irt.errors import BadFile, QualityViolation, SourceStopped
from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.ingest_bronze import ingest_bronze
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.report_sources import source_report
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.settings import Settings
from deepkt_irt.tables.bronze import RAW_ASSIGNMENT_RELATIONSHIPS, RAW_RESPONSES
from deepkt_irt.tables.ops import (
    INGEST_AUDIT,
    PIPELINE_RUNS,
    QUARANTINE,
    SOURCE_COLUMNS,
    STOPPED_SOURCES,
)

pytestmark = pytest.mark.spark

HEADER = "user_id,item_id,correct,seq_pos,class_id\n"
GOOD = HEADER + "s1,i1,1,1,c\ns1,i2,0,2,c\n"
RELATIONS = "in_unit_assignment_log_id,unit_test_assignment_log_id\n"


@pytest.fixture
def drop(tmp_path):
    """Puts a file into landing as it is, as another system would."""

    def write(name, text):
        path = tmp_path / "lake" / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def ingest(context):
    """Runs the task on a day; its metrics and the lines it said."""

    def run(day=0):
        ctx = context(TASKS["ingest_bronze"], as_of=AS_OF + timedelta(days=day))
        said = []
        ctx._on_progress = said.append
        metrics = ingest_bronze(ctx)
        return {name: value for name, value in metrics.items() if value}, said

    return run


def read(store):
    return rows(store.read(INGEST_AUDIT), "source", "file")


def stopped(store):
    return rows(store.read(STOPPED_SOURCES), "source", "file", "columns")


def changed(store):
    found = store.read(SOURCE_COLUMNS).filter("is_change")
    return rows(found, "source", "column", "status")


def test_source_that_breaks_stops_alone_until_it_is_put_right(ingest, store, drop):
    drop("responses_csv/monday.csv", GOOD)
    drop("edm_cup/assignment_relationships.csv", RELATIONS + "b,a\n")
    ingest()
    drop("responses_csv/tuesday.csv", GOOD.replace("s1", "s2"))
    broken = drop("edm_cup/assignment_relationships_2.csv", "in_unit_assignment_log_id\nd\n")
    drop("edm_cup/hint_details.csv", "hint_id,problem_id\nh,p\n")
    before = read(store)

    metrics, said = ingest(1)

    assert metrics == {
        "files_new": 1,
        "rows_read": 2,
        "rows_kept": 2,
        "columns_missing": 1,
        "sources_stopped": 1,
    }
    assert [line for line in said if line.startswith("SOURCE edm_cup IS STOPPED")]
    assert read(store) == sorted([*before, ("responses_csv", "tuesday.csv")])
    lacks = "unit_test_assignment_log_id"
    assert stopped(store) == [("edm_cup", "assignment_relationships_2.csv", lacks)]
    assert changed(store) == [("edm_cup", lacks, "missing_required")]
    (since,) = rows(store.read(STOPPED_SOURCES), "stopped_at")

    assert ingest(2)[0] == {"sources_stopped": 1}  # its column was told on the day it was met

    (row,) = store.read(STOPPED_SOURCES).collect()
    assert (row["stopped_at"],) == since
    assert row["tried_at"] - row["stopped_at"] == timedelta(days=1)

    broken.write_text(RELATIONS + "d,c\n")
    metrics, said = ingest(3)

    assert metrics == {"files_new": 2, "rows_read": 2, "rows_kept": 2}
    assert "source edm_cup goes on again" in said
    assert stopped(store) == []
    assert changed(store) == []
    assert rows(store.read(RAW_ASSIGNMENT_RELATIONSHIPS), "in_unit_assignment_log_id") == [
        ("b",),
        ("d",),
    ]
    assert store.read(RAW_RESPONSES).count() == 4


@pytest.mark.nightly
def test_columns_of_three_deliveries_are_kept_and_what_changed_is_told(ingest, store, drop):
    drop("responses_csv/1.csv", GOOD)
    assert ingest(0)[0] == {"files_new": 1, "rows_read": 2, "rows_kept": 2}
    assert changed(store) == []

    drop("responses_csv/2.csv", "user_id,item_id,correct,seq_pos,mood\ns2,i1,1,1,fine\n")
    metrics, said = ingest(1)

    assert (metrics["columns_added"], metrics["columns_missing"]) == (1, 1)
    assert changed(store) == [
        ("responses_csv", "class_id", "missing_optional"),
        ("responses_csv", "mood", "added"),
    ]
    assert [line for line in said if "column mood is added, which no layout names" in line]
    kept = store.read(RAW_RESPONSES).filter("_file = '2.csv'")
    assert rows(kept, "class_id", "extras") == [(None, '{"mood": "fine"}')]

    broken = "".join(f"s3,i{n},1,{'one' if n else 1},\n" for n in range(4))
    drop("responses_csv/3.csv", HEADER.replace("class_id", "mood") + broken)
    metrics, _ = ingest(2)

    assert metrics["columns_of_another_type"] == 1
    assert (metrics["rows_kept"], metrics["rows_quarantined"]) == (1, 3)
    assert changed(store) == [("responses_csv", "seq_pos", "type_changed")]
    (share,) = rows(store.read(SOURCE_COLUMNS).filter("column = 'seq_pos'"), "refused_share")
    assert share == (0.75,)


def test_unknown_column_of_a_table_that_had_none_is_kept_beside_the_others(ingest, store, drop):
    header = RELATIONS.replace("\n", ",note\n")
    drop("edm_cup/assignment_relationships.csv", header + "b,a,late\nd,c,\n")

    ingest()

    assert rows(store.read(RAW_ASSIGNMENT_RELATIONSHIPS).na.fill("-"), "extras") == [
        ("-",),
        ('{"note": "late"}',),
    ]


@pytest.mark.nightly
def test_file_without_a_usable_row_stops_what_follows_of_its_source_only(ingest, store, drop):
    useless = drop("edm_cup/assignment_relationships.csv", RELATIONS + ",a\n")
    drop("responses_csv/1.csv", GOOD)
    metrics, _ = ingest()
    assert (metrics["sources_stopped"], metrics["rows_quarantined"]) == (1, 1)
    drop("edm_cup/assignment_relationships_2.csv", RELATIONS + "d,c\n")
    drop("responses_csv/2.csv", GOOD)

    metrics, _ = ingest(1)

    assert (metrics["files_new"], metrics["sources_stopped"]) == (1, 1)
    useless.unlink()
    assert ingest(2)[0] == {"files_new": 1, "rows_read": 1, "rows_kept": 1}


def test_what_belongs_nowhere_leaves_other_sources_running(ingest, store, drop):
    drop("responses_csv/1.csv", GOOD)
    drop("stray.csv", GOOD)
    drop("quiz_tool/answers.csv", GOOD)
    drop("edm_cup/notes.csv", GOOD)
    drop("xapi/statements.jsonl.gz", "{}")

    assert ingest()[0]["rows_kept"] == 2

    errors = dict(rows(store.read(STOPPED_SOURCES), "source", "error"))
    assert "in no source's folder" in errors.pop("stray.csv")
    assert "no source 'quiz_tool'" in errors.pop("quiz_tool")
    assert "no file of source edm_cup" in errors.pop("edm_cup")
    assert "no gz file" in errors.pop("xapi")
    assert errors == {}


def test_source_that_breaks_while_it_is_the_only_one_fails_the_task(ingest, store, drop):
    drop("responses_csv/1.csv", GOOD)
    drop("responses_csv/2.csv", HEADER + "s,i,7,1,\n")

    with pytest.raises(QualityViolation, match=r"all 1 rows were refused.*under a new name"):
        ingest()

    assert stopped(store) == [("responses_csv", "2.csv", None)]
    assert store.read(RAW_RESPONSES).count() == 2
    assert store.read(QUARANTINE).count() == 1


def test_first_file_of_a_source_taken_out_again_leaves_nothing_behind(ingest, store, drop):
    bad = drop("edm_cup/assignment_relationships.csv", "who,what\n1,2\n")
    with pytest.raises(BadFile, match="missing; it has who, what"):
        ingest()
    assert {column for _, column, _ in changed(store)} == set(RELATIONS.strip().split(","))

    bad.unlink()

    assert ingest(1)[0] == {}
    assert (stopped(store), changed(store)) == ([], [])


@pytest.mark.nightly
def test_run_with_a_stopped_source_ends_red_after_all_else_was_done(
    spark, store, context, tmp_path, ingest, drop
):
    drop("responses_csv/1.csv", GOOD)
    ingest()
    drop("responses_csv/2.csv", HEADER.replace("class_id", "mood") + "s2,i1,1,1,fine\n")
    drop("edm_cup/assignment_relationships.csv", "who,what\n1,2\n")
    next_day = AS_OF + timedelta(days=1)
    runner = Runner(spark, store, Place.of_lake(tmp_path / "lake"), Settings(), next_day)
    tasks = [TASKS[name] for name in ("ingest_bronze", "transform_silver", "verify_sources")]

    with pytest.raises(SourceStopped, match=r"edm_cup, since 2026-03-02: .*column unit_test_as"):
        runner.run(tasks)

    assert dict(rows(store.read(PIPELINE_RUNS), "task", "outcome")) == {
        "ingest_bronze": "succeeded",
        "transform_silver": "succeeded",
        "verify_sources": "failed",
    }
    told = source_report(context(TASKS["publish_report"]).read)
    assert [(each.source, each.since) for each in told.stopped] == [
        ("edm_cup", "2026-03-02 02:00 UTC")
    ]
    added = ("responses_csv", "mood", "added, which no layout names")
    assert added in [(each.source, each.column, each.what) for each in told.changes]
