"""Rows of bronze.raw_statements to canonical responses: one per item, student and registration."""

import json
from datetime import UTC, datetime

import pytest

from conftest import rows
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.tables.bronze import RAW_STATEMENTS
from made_up_statements import HOME, voiding
from made_up_statements import caliper as event
from made_up_statements import xapi as statement

pytestmark = pytest.mark.spark

ANN, ITEM = f"{HOME}|ann", f"{HOME}/item/q1"
RIGHT, WRONG = {"success": True}, {"success": False}


@pytest.fixture
def canonical(frame):
    """Canonical frames of statements; row numbers count from 1."""

    def build(*statements, source="xapi"):
        found = source_named(source)
        document = found.layouts[0].document
        provenance = {"_source": source, "_file": "a.json", "_batch_id": 0}
        provenance["_ingested_at"] = datetime(2026, 3, 1, tzinfo=UTC)
        records = [
            {
                **provenance,
                "_row": number,
                "statement": json.dumps(each),
                **{name: value or None for name, value in document.flat(each).items()},
            }
            for number, each in enumerate(statements, start=1)
        ]
        return found.canonical({RAW_STATEMENTS.qualified_name: frame(RAW_STATEMENTS, records)})

    return build


def reasons(found):
    return rows(found.rejected, "row", "column", "reason")


@pytest.mark.connect
def test_canonical_answer_is_a_response_with_all_it_says(canonical):
    result = {"success": True, "score": {"scaled": 1}, "response": "B", "duration": "PT1M2.5S"}

    found = canonical(statement(1, result=result, minute=3))

    (event,) = found.responses.collect()
    assert (event["source"], event["student_id"], event["item_id"]) == ("xapi", ANN, ITEM)
    assert (event["correct"], event["score"], event["answer"]) == (True, 1.0, "B")
    assert event["answered_at"].timestamp() == datetime(2026, 2, 2, 9, 3, tzinfo=UTC).timestamp()
    assert (event["latency_ms"], event["attempt_count"]) == (62_500, 1)
    assert event["skill_ids"] == [f"{HOME}/skill/fractions"]
    assert event["hint_count"] is event["first_action"] is event["answer_requested"] is None
    assert (event["file"], event["row"], event["event_kind"]) == ("a.json", 1, "practice")
    assert rows(found.items, "item_id", "item_type", "is_guessable", "title") == [
        (ITEM, "choice", True, "Question q1")
    ]
    assert rows(found.skills, "skill_id", "name") == [(f"{HOME}/skill/fractions", "Fractions")]
    assert reasons(found) == []


def test_canonical_duration_is_milliseconds(canonical):
    durations = {"PT0.25S": 250, "PT1H": 3_600_000, "P1DT2M": 86_520_000, "P0.5W": 302_400_000}

    found = canonical(
        *(
            statement(n, item=f"q{n}", result=RIGHT | {"duration": each})
            for n, each in enumerate(durations)
        )
    )

    latencies = [row["latency_ms"] for row in found.responses.orderBy("item_id").collect()]
    assert latencies == list(durations.values())


@pytest.mark.connect
def test_canonical_first_graded_attempt_of_a_registration_counts(canonical):
    found = canonical(
        statement(1, minute=1),  # answered, but graded nowhere
        statement(2, minute=3, result=RIGHT),
        statement(3, minute=2, result=WRONG | {"response": "C"}),
        statement(4, minute=4, result=RIGHT, registration="r2"),
        statement(5, minute=5, result=RIGHT, who="ben"),
        statement(6, verb="attempted", minute=1),
    )

    assert rows(found.responses, "student_id", "row", "correct", "attempt_count") == [
        (ANN, 3, False, 3),
        (ANN, 4, True, 1),
        (f"{HOME}|ben", 5, True, 1),
    ]
    assert reasons(found) == []


def test_canonical_answer_that_nobody_graded_is_neither_right_nor_wrong(canonical):
    found = canonical(statement(1), statement(2, item="q2", result={"score": {"scaled": 0.5}}))

    assert [(e["correct"], e["score"]) for e in found.responses.orderBy("row").collect()] == [
        (None, None),
        (None, 0.5),
    ]


def test_canonical_without_registration_all_attempts_at_an_item_are_one_response(canonical):
    found = canonical(*(statement(n, minute=n, result=RIGHT, registration=None) for n in (1, 2, 3)))

    assert rows(found.responses, "row", "attempt_count") == [(1, 3)]


def test_canonical_hints_count_up_to_the_response_and_answers_shown_are_told_apart(canonical):
    found = canonical(
        statement(1, verb="asked", item="q1/hint/1", minute=1),
        statement(2, verb="asked", item="q1/hint/2", minute=2),
        statement(3, minute=3, result=WRONG),
        statement(4, verb="asked", item="q1/hint/3", minute=4),
        statement(5, verb="asked", item="q2/answer", minute=1),
        statement(6, item="q2", minute=2, result=RIGHT),
        statement(7, item="q3", minute=2, result=RIGHT),
        statement(8, verb="asked", item="q3/answer", minute=3),
    )

    columns = ("row", "hint_count", "first_action", "answer_requested", "answer_requested_later")
    assert rows(found.responses, *columns) == [
        (3, 2, "hint", False, False),
        (6, 0, "hint", True, False),
        (7, 0, "attempt", False, True),
    ]


def test_canonical_statement_delivered_again_is_one_and_said(canonical):
    first = statement(1, result=RIGHT)
    found = canonical(first, first | {"id": first["id"].upper()}, statement(2, minute=9))

    assert rows(found.responses, "row", "attempt_count") == [(1, 2)]
    assert reasons(found) == [(2, "statement_id", "repeats a.json row 1")]


def test_canonical_voided_statement_counts_in_nothing(canonical):
    found = canonical(
        voiding(9, target=1),
        statement(1, result=WRONG),
        statement(2, minute=2, result=RIGHT),
        voiding(8, target=7),
    )

    assert rows(found.responses, "row", "correct", "attempt_count") == [(3, True, 1)]
    gone = "00000000-0000-4000-8000-000000000007"
    assert reasons(found) == [
        (2, "statement_id", "voided by a.json row 1"),
        (4, "object_id", f"voids {gone}, which is not there"),
    ]


def test_canonical_unknown_verb_is_refused_not_lost(canonical):
    played = statement(1) | {"verb": {"id": "https://w3id.org/xapi/video/verbs/played"}}

    found = canonical(played, statement(2, result=RIGHT))

    assert found.responses.count() == 1
    assert reasons(found) == [(1, "verb", f"{played['verb']['id']} counts in nothing")]
    (refused,) = found.rejected.collect()
    assert refused["table_name"] == "bronze.raw_statements"
    assert json.loads(json.loads(refused["received"])["statement"]) == played


@pytest.mark.connect
def test_canonical_caliper_response_and_its_grade_are_one_attempt(canonical):
    found = canonical(
        event(1, "AssessmentItemEvent", "Started", minute=1),
        event(3, "GradeEvent", "Graded", minute=9, given=0),
        event(2, "AssessmentItemEvent", "Completed", minute=2, value="B", duration="PT20S"),
        event(5, "GradeEvent", "Graded", minute=12, attempt=2, given=1),
        event(4, "AssessmentItemEvent", "Completed", minute=10, attempt=2, value="C"),
        source="caliper",
    )

    (answer,) = found.responses.collect()
    assert (answer["row"], answer["answer"], answer["correct"]) == (3, "B", False)
    assert (answer["latency_ms"], answer["attempt_count"], answer["score"]) == (20_000, 2, 0.0)
    assert answer["class_id"] == f"{HOME}/class/7b"
    assert answer["skill_ids"] == ["adding", "fractions"]
    assert rows(found.items, "title", "is_guessable") == [("Question q1", True)]
    assert reasons(found) == []


def test_canonical_caliper_later_grade_of_an_attempt_corrects_the_earlier(canonical):
    found = canonical(
        event(1, "GradeEvent", "Graded", minute=1, given=0),
        event(2, "GradeEvent", "Graded", minute=2, given=2, most=4),
        source="caliper",
    )

    assert rows(found.responses, "row", "score") == [(1, 0.5)]


def test_canonical_every_statement_is_in_a_response_or_refused(canonical):
    verbs = ("answered", "evaluated", "asked", "attempted", "played", "voided")
    given = [
        statement(n % 30, verb=verbs[n % 6], item=f"q{n % 4}", minute=n, who="ab"[n % 2], result=r)
        for n, r in ((n, (RIGHT, WRONG, {})[n % 3]) for n in range(45))
    ]

    found = canonical(*given)

    ids = {each["id"] for each in given}
    refused = {(row, column) for row, column, _ in reasons(found)}
    assert found.rejected.count() == len(refused)
    assert sum(column == "statement_id" for _, column in refused) == len(given) - len(ids)
    n_tries = sum(row[0] for row in rows(found.responses, "attempt_count"))
    told = [n for n in range(30) if verbs[n % 6] in ("answered", "evaluated")]
    assert n_tries == len(told)
