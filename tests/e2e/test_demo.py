"""`deepkt demo` from end to end: what it leaves, and that a second run changes nothing."""

import json

import pandas as pd
import pytest

from conftest import rows
from deepkt_irt.cli import main
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.tables import bronze, gold, ops, silver
from deepkt_irt.tables.registry import TABLES
from deepkt_irt.tables.store import TableStore
from e2e.checksums import COMPARED, checksums
from e2e.conftest import AS_OF, SMALL, TRAINING

pytestmark = [pytest.mark.spark, pytest.mark.slow]


def test_demo_every_task_succeeded_once_with_rows(table):
    runs = rows(table(ops.PIPELINE_RUNS), "task", "outcome")

    assert runs == [(name, "succeeded") for name in sorted(TASKS)]


def test_demo_every_file_is_read_kept_or_quarantined(table):
    audit = table(ops.INGEST_AUDIT).collect()

    assert len(audit) >= 10
    assert all(row.rows_read == row.rows_kept + row.rows_quarantined for row in audit)
    kept = {}
    for row in audit:
        kept[row.table_name] = kept.get(row.table_name, 0) + row.rows_kept
    counted = {
        each.qualified_name: table(each).count()
        for each in bronze.TABLES
        if each.qualified_name in kept
    }
    assert counted == kept


def test_demo_every_student_belongs_to_one_split_and_key(table):
    students = table(silver.USERS).count()

    assert students == 81  # 80 and the one called `test`
    assert table(silver.USER_SPLITS).count() == students
    assert table(silver.STUDENT_KEYS).count() == students


def test_demo_every_graded_event_is_scored_once_with_a_prediction(table):
    graded = table(silver.CANONICAL_LEARNING_EVENTS).filter("correct IS NOT NULL").count()
    predicted = table(gold.SAKT_PREDICTIONS).filter("event_id IS NOT NULL")

    assert predicted.count() == graded
    assert predicted.select("event_id").distinct().count() == graded


def test_demo_students_get_different_items(table):
    first = table(gold.BANDIT_RECOMMENDATIONS).filter("rank = 1")

    assert first.select("item_id").distinct().count() > 5


@pytest.mark.nightly
def test_demo_again_changes_no_row_and_no_version(spark, demo_lake):
    store = TableStore(spark, lake=demo_lake)
    before = checksums(store), [store.version(each) for each in COMPARED]

    main(["demo", "--lake", str(demo_lake), *SMALL, *AS_OF])

    assert (checksums(store), [store.version(each) for each in COMPARED]) == before


@pytest.mark.nightly
def test_demo_forced_again_leaves_the_same_rows(spark, demo_lake):
    """Not skipping, but doing it all again gives the same tables."""
    store = TableStore(spark, lake=demo_lake)
    before = checksums(store)
    data = demo_lake / "landing" / "simulator"

    main(
        [
            *("run", "--source", "simulator", "--data", str(data), "--lake", str(demo_lake)),
            *("--from", "ingest_bronze", *TRAINING, *AS_OF),
        ]
    )

    assert checksums(store) == before


def test_trace_of_student_test_on_algebra_shows_evidence_and_next_item(demo_lake, capsys):
    main(["trace", "--student-id", "test", "--topic", "algebra", "--lake", str(demo_lake)])

    shown = capsys.readouterr().out
    assert "algebra" in shown.lower()
    assert "mastery" in shown.lower()


def test_trace_unknown_student_says_how_to_find_ids(demo_lake, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["trace", "--student-id", "nobody", "--lake", str(demo_lake)])

    assert stopped.value.code == 1
    assert "nobody" in capsys.readouterr().err


def test_trace_json_is_what_the_text_says(demo_lake, capsys):
    main(["trace", "--student-id", "test", "--lake", str(demo_lake), "--json"])

    told = json.loads(capsys.readouterr().out)
    assert told["student_id"] == "test"
    assert all(0 <= each["value"] <= 1 for each in told["student"]["mastery"])
    assert [each["rank"] for each in told["student"]["next_items"]] == [1, 2, 3, 4, 5]


def test_compare_recs_shows_both_slates_and_the_rule_decides(table, demo_lake, capsys):
    main(["compare-recs", "test", "--lake", str(demo_lake), "--json"])
    told = json.loads(capsys.readouterr().out)
    main(["compare-recs", "test", "--lake", str(demo_lake)])
    shown = capsys.readouterr().out

    assert told["running"] == "target_success_rule"
    assert set(told["slates"]) == {"target_success_rule", "linucb"}
    key = table(silver.STUDENT_KEYS).filter("student_id = 'test'").collect()[0]["student_key"]
    given = table(gold.BANDIT_RECOMMENDATIONS).filter(f"student_key = '{key}'")
    own = [each["item_id"] for each in told["slates"]["target_success_rule"]["items"]]
    assert own == [row["item_id"] for row in given.orderBy("rank").collect()]
    assert "target_success_rule, which runs" in shown
    assert "no reward yet" in shown


def test_gaming_json_points_at_planted_rapid_guessers(demo_lake, capsys):
    planted = pd.read_csv(demo_lake / "truth" / "truth_students.csv")
    rushes = set(planted.loc[planted["kind"] == "rapid_guesser", "student_id"])

    main(["gaming", "--lake", str(demo_lake), "--json"])

    shown = json.loads(capsys.readouterr().out)["students"]
    clear = {each["student_id"] for each in shown if each["confidence"] == "clear"}
    assert clear
    assert clear <= rushes
    assert all(each["evidence"] for each in shown)


def test_report_holds_no_source_id_and_no_link(table, demo_lake):
    page = (demo_lake / "report.html").read_text()
    ids = [row[0] for row in table(silver.STUDENT_KEYS).select("student_id").collect()]

    assert not [each for each in ids if len(each) > 4 and each in page]
    assert 'src="http' not in page
    assert 'href="http' not in page


@pytest.mark.nightly
def test_tables_json_matches_the_registry_and_the_stored_tables(store, capsys):
    main(["tables", "--json"])

    listed = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in listed] == [each.qualified_name for each in TABLES]
    for each, contract in zip(listed, TABLES, strict=True):
        assert each["key"] == list(contract.key)
        store.create(contract)
        stored = store.read(contract).schema
        assert [column["name"] for column in each["columns"]] == stored.names
        comments = [field.metadata.get("comment") for field in stored]
        assert [column["comment"] for column in each["columns"]] == comments
        assert all(comments)


def test_stages_json_matches_the_task_registry(capsys):
    main(["stages", "--json"])

    listed = json.loads(capsys.readouterr().out)
    assert {each["name"] for each in listed} == set(TASKS)
    for each in listed:
        declared = TASKS[each["name"]]
        assert each["reads"] == [t.qualified_name for t in declared.reads]
        assert each["writes"] == [t.qualified_name for t in declared.writes]
