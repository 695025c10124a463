"""Canonical responses become events: ids, duplicates, refusals, one order per student."""

import hashlib
import re
from datetime import UTC, datetime

import pytest

from conftest import REPOSITORY, rows
from deepkt_irt.silver.events import events, identified, named, refused
from deepkt_irt.sources.canonical import REJECTED
from deepkt_irt.tables.ddl import schema_of
from deepkt_irt.tables.quality import schema_differences
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, CANONICAL_RESPONSES, STUDENT_KEYS

pytestmark = pytest.mark.spark

NAMES = CANONICAL_RESPONSES.column_names
BASE = {
    "source": "s",
    "student_id": "ann",
    "item_id": "i1",
    "skill_ids": [],
    "event_kind": "practice",
    "file": "a.csv",
    "batch_id": 0,
    "is_refused": False,
    "owner": "ann",
}
KEYS = {"ann": "key-of-ann", "bob": "key-of-bob"}


def at(minute):
    return datetime(2026, 1, 1, 9, minute, tzinfo=UTC)


@pytest.fixture
def responses(spark):
    """Builds canonical responses from the values that matter; rows are numbered from 1."""

    def build(*given):
        filled = [BASE | {"row": number} | values for number, values in enumerate(given, 1)]
        assert all(values.keys() <= set(NAMES) for values in filled)
        return spark.createDataFrame(
            [tuple(map(v.get, NAMES)) for v in filled], schema_of(CANONICAL_RESPONSES)
        )

    return build


@pytest.fixture
def owned(responses, frame):
    """The same, identified under fixed keys."""
    keys = [
        {"source": "s", "student_id": name, "student_key": key, "created_at": at(0)}
        for name, key in KEYS.items()
    ]

    def build(*given, student_keys=keys):
        return identified(responses(*given), frame(STUDENT_KEYS, student_keys))

    return build


def in_order(made, *columns):
    ordered = made.orderBy("student_key", "sequence_number")
    return [tuple(row) for row in ordered.select(*columns).collect()]


def test_events_have_exactly_the_declared_columns(owned):
    made = events(owned({"answered_at": at(1)}))

    assert schema_differences(CANONICAL_LEARNING_EVENTS, dict(made.dtypes)) == []


def test_events_ids_are_qualified_by_source_once(owned):
    made = events(
        owned({"skill_ids": ["k2", "k1"], "assignment_id": "a", "practice_assignment_ids": ["p"]})
    ).first()

    assert made.item_id == "s:i1"
    assert made.skill_ids == ["s:k1", "s:k2"]
    assert made.assignment_id == "s:a"
    assert made.practice_assignment_ids == ["s:p"]


def test_events_class_key_is_a_hash_of_the_class_and_null_without_one(owned):
    made = events(owned({"class_id": "7b", "response_order": 1.0}, {"response_order": 2.0}))

    digest = hashlib.sha256(b"s:7b").hexdigest()
    assert in_order(made, "class_key") == [(f"class-{digest[:16]}",), (None,)]


def test_events_class_key_is_what_the_guide_tells_a_district(owned, spark):
    page = (REPOSITORY / "docs" / "workspace.md").read_text()
    (told,) = re.findall(r"SELECT (concat\('class-', .*?\)), '", page)
    made = events(owned({"class_id": "7b", "response_order": 1.0}))

    key = spark.range(1).selectExpr(told.replace("responses_csv:", "s:")).first()[0]

    assert in_order(made, "class_key") == [(key,)]


def test_events_missing_values_stay_missing(owned):
    made = events(owned({"response_order": 1.0})).first()

    for name in (
        *("answered_at", "correct", "score", "answer", "attempt_count", "first_action"),
        *("latency_ms", "hint_count", "answer_requested", "explanation_requested"),
        *("answer_requested_later", "practice_assignment_ids"),
    ):
        assert made[name] is None, name
    assert made.skill_ids == []


@pytest.mark.connect
def test_events_order_is_time_then_order_then_place_with_missing_last(owned):
    made = events(
        owned(
            {"item_id": "neither", "file": "b.csv"},
            {"item_id": "order only", "response_order": 9.0},
            {"item_id": "later", "answered_at": at(2)},
            {"item_id": "tie, no order", "answered_at": at(1)},
            {"item_id": "tie, order 2", "answered_at": at(1), "response_order": 2.0},
            {"item_id": "tie, order 1", "answered_at": at(1), "response_order": 1.0},
            {"item_id": "tie, order 1, later row", "answered_at": at(1), "response_order": 1.0},
            {"item_id": "tie, order 1, file b", **at_one_in_file_b()},
            {"item_id": "neither, earlier file"},
        )
    )

    assert [
        item.removeprefix("s:") for _, item in in_order(made, "sequence_number", "item_id")
    ] == [
        "tie, order 1",
        "tie, order 1, later row",
        "tie, order 1, file b",
        "tie, order 2",
        "tie, no order",
        "later",
        "order only",
        "neither, earlier file",
        "neither",
    ]
    assert [number for (number,) in in_order(made, "sequence_number")] == list(range(1, 10))


def at_one_in_file_b():
    return {"answered_at": at(1), "response_order": 1.0, "file": "b.csv", "row": 1}


def test_events_each_student_is_numbered_from_one(owned):
    made = events(
        owned(
            {"response_order": 5.0},
            {"student_id": "bob", "response_order": 3.0},
            {"response_order": 6.0},
        )
    )

    assert rows(made, "student_key", "sequence_number") == [
        ("key-of-ann", 1),
        ("key-of-ann", 2),
        ("key-of-bob", 1),
    ]


def test_events_a_later_response_leaves_the_earlier_rows_as_they_are(owned):
    first = {"answered_at": at(1), "correct": True}
    second = {"item_id": "i2", "answered_at": at(2), "correct": False}
    later = {"item_id": "i3", "answered_at": at(3), "correct": True, "file": "b.csv", "batch_id": 1}

    before = rows(events(owned(first, second)), *CANONICAL_LEARNING_EVENTS.column_names)
    after = rows(events(owned(first, second, later)), *CANONICAL_LEARNING_EVENTS.column_names)

    assert [row for row in after if row in before] == before
    assert len(after) == 3


def test_events_do_not_depend_on_the_order_of_the_rows_received(owned):
    given = [
        {"row": 1, "answered_at": at(1), "correct": True},
        {"row": 2, "answered_at": at(1), "correct": False},
        {"row": 3, "item_id": "i2", "answered_at": at(1)},
    ]

    columns = ("event_id", "sequence_number", "correct")
    assert rows(events(owned(*given)), *columns) == rows(events(owned(*given[::-1])), *columns)


def test_event_id_follows_the_random_key_and_not_the_source_id(owned):
    def event_id(student_id, key):
        known = {"source": "s", "student_id": student_id, "student_key": key, "created_at": at(0)}
        given = {"student_id": student_id, "answered_at": at(1), "assignment_id": "a"}
        return events(owned(given, student_keys=[known])).first().event_id

    assert event_id("ann", "key") == event_id("ann", "key")
    assert event_id("ann", "key") == event_id("zoe", "key")
    assert event_id("ann", "key") != event_id("ann", "another key")


def test_event_id_each_part_of_the_identity_makes_another_event(owned):
    given = {"answered_at": at(1), "assignment_id": "a", "response_order": 1.0}
    changes = [
        {"student_id": "bob"},
        {"item_id": "i2"},
        {"assignment_id": "b"},
        {"answered_at": at(2)},
        {"answered_at": None},
        {"response_order": 2.0},
        {"event_kind": "assessment"},
    ]

    made = owned(given, *(given | change for change in changes))

    assert rows(refused(made), "row", "reason") == []
    assert events(made).select("event_id").distinct().count() == 1 + len(changes)


def test_event_id_parts_cannot_run_into_each_other(owned):
    made = events(
        owned(
            {"item_id": 'x","y', "assignment_id": "z", "answered_at": at(1)},
            {"item_id": "x", "assignment_id": 'y","z', "answered_at": at(1)},
            {"item_id": "e", "assignment_id": None, "answered_at": at(1)},
            {"item_id": "e", "assignment_id": "", "answered_at": at(1)},
        )
    )

    assert made.count() == 4


def test_event_id_does_not_change_with_the_time_zone_of_the_session(owned, spark):
    given = {"answered_at": at(1)}
    utc = events(owned(given)).first().event_id
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    try:
        assert events(owned(given)).first().event_id == utc
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


def test_identified_event_delivered_again_keeps_the_first_and_says_so(owned):
    given = {"answered_at": at(1), "correct": True}
    made = owned(
        given | {"file": "a.csv", "row": 9, "batch_id": 1},
        given | {"file": "b.csv", "row": 2, "batch_id": 0},
        given | {"file": "b.csv", "row": 4, "batch_id": 0},
    )

    assert events(made).first().batch_id == 0
    assert rows(refused(made), "file", "row", "reason") == [
        ("a.csv", 9, "repeats event of b.csv row 2"),
        ("b.csv", 4, "repeats event of b.csv row 2"),
    ]


def test_identified_event_with_another_result_is_a_contradiction(owned):
    given = {"answered_at": at(1), "correct": True, "score": 1.0}
    others = [given | each for each in ({"correct": False}, {"correct": None}, {"score": 0.5})]

    made = owned(given, *others)

    assert rows(events(made), "correct", "score") == [(True, 1.0)]
    contradicts = "contradicts event of a.csv row 1"
    assert rows(refused(made), "row", "reason") == [(row, contradicts) for row in (2, 3, 4)]


def test_identified_answer_and_group_are_no_part_of_what_makes_an_event(owned):
    given = {"answered_at": at(1), "correct": False, "answer": "B", "student_group": "x"}
    bare = given | {"answer": None, "student_group": None}

    made = owned(given, given | {"answer": "C", "student_group": "y"}, bare)

    assert rows(events(made), "answer") == [("B",)]
    again = "repeats event of a.csv row 1"
    assert rows(refused(made), "row", "reason") == [(2, again), (3, again)]
    assert '"answer":"C"' in refused(made).orderBy("row").first().received
    assert rows(events(owned(given)), "event_id") == rows(events(owned(bare)), "event_id")


def test_identified_test_score_in_another_row_is_the_same_score(owned):
    score = {"event_kind": "assessment", "assignment_id": "t", "correct": True}
    made = owned(
        score | {"response_order": 1.0, "row": 1},
        score | {"response_order": 7.0, "row": 7, "file": "b.csv", "batch_id": 1},
    )

    assert events(made).count() == 1
    assert rows(refused(made), "reason") == [("repeats event of a.csv row 1",)]


@pytest.mark.parametrize("column", ["student_id", "item_id"])
def test_identified_response_without_an_id_is_refused_with_its_column(owned, responses, column):
    given = [{column: empty, "answered_at": at(1)} for empty in (None, "", "  ", None)]

    made = owned(*given)

    assert events(made).count() == 0
    assert named(responses(*given)).count() == 0
    missing = (column, f"{column} is missing")
    assert rows(refused(made), "row", "column", "reason") == [(n, *missing) for n in (1, 2, 3, 4)]


def test_refused_rows_have_the_shape_of_rejected_ones_and_show_what_came(owned, spark):
    made = refused(owned({"item_id": None, "skill_ids": ["k"], "correct": False}))

    assert sorted(made.dtypes) == sorted(spark.createDataFrame([], REJECTED).dtypes)
    row = made.first()
    assert row.table_name == "silver.canonical_learning_events"
    assert '"student_id":"ann"' in row.received
    assert '"skill_ids":["k"]' in row.received
    assert '"correct":false' in row.received


def test_refused_row_that_its_source_refused_stays_as_the_source_said(owned):
    said = {
        "table_name": "bronze.raw_responses",
        "column": "latency_ms",
        "reason": "latency -5 is not above 0",
        "received": '{"latency_ms":"-5"}',
    }
    made = owned({"answered_at": at(1)}, {"student_id": None, "is_refused": True, **said})

    assert events(made).count() == 1
    (row,) = refused(made).collect()
    assert {name: row[name] for name in said} == said


def test_identified_every_response_is_an_event_or_refused(owned):
    given = [
        {"answered_at": at(1)},
        {"answered_at": at(1)},
        {"item_id": None},
        {"student_id": None},
        {"student_id": "bob", "response_order": 1.0},
    ]
    made = owned(*given)

    assert events(made).count() + refused(made).count() == len(given)
