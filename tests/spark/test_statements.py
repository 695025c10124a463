"""Rows of bronze.raw_statements to canonical responses: one per item, student and registration.

Each scene is a file of its own with items of its own, so that all are mapped in one go.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.tables.bronze import RAW_STATEMENTS
from made_up_statements import HOME, voiding
from made_up_statements import caliper as event
from made_up_statements import xapi as statement

pytestmark = pytest.mark.spark

ANN = f"{HOME}|ann"
RIGHT, WRONG = {"success": True}, {"success": False}
DURATIONS = {"PT0.25S": 250, "PT1H": 3_600_000, "P1DT2M": 86_520_000, "P0.5W": 302_400_000}
GONE = "00000000-0000-4000-8000-000000009999"
PLAYED = "https://w3id.org/xapi/video/verbs/played"
VERBS = ("answered", "evaluated", "asked", "attempted", "played", "voided")
WHOLE = {"success": True, "score": {"scaled": 1}, "response": "B", "duration": "PT1M2.5S"}

XAPI = {
    "whole.json": [statement(1, item="w", minute=3, result=WHOLE)],
    "durations.json": [
        statement(10 + n, item=f"d{n}", result=RIGHT | {"duration": each})
        for n, each in enumerate(DURATIONS)
    ],
    "attempts.json": [
        statement(21, item="a", minute=1),  # answered, but graded nowhere
        statement(22, item="a", minute=3, result=RIGHT),
        statement(23, item="a", minute=2, result=WRONG | {"response": "C"}),
        statement(24, item="a", minute=4, result=RIGHT, registration="r2"),
        statement(25, item="a", minute=5, result=RIGHT, who="ben"),
        statement(26, item="a", minute=1, verb="attempted"),
    ],
    "ungraded.json": [
        statement(31, item="u1"),
        statement(32, item="u2", result={"score": {"scaled": 0.5}}),
    ],
    "unregistered.json": [
        statement(40 + n, item="n", minute=n, result=RIGHT, registration=None) for n in (1, 2, 3)
    ],
    "hints.json": [
        statement(51, verb="asked", item="h1/hint/1", minute=1),
        statement(52, verb="asked", item="h1/hint/2", minute=2),
        statement(53, item="h1", minute=3, result=WRONG),
        statement(54, verb="asked", item="h1/hint/3", minute=4),
        statement(55, verb="asked", item="h2/answer", minute=1),
        statement(56, item="h2", minute=2, result=RIGHT),
        statement(57, item="h3", minute=2, result=RIGHT),
        statement(58, verb="asked", item="h3/answer", minute=3),
    ],
    "again.json": [
        statement(0xA61, item="g", result=RIGHT) | {"id": "aaaa"},
        statement(0xA61, item="g", result=RIGHT) | {"id": "AAAA"},
        statement(62, item="g", minute=9),
    ],
    "voided.json": [
        voiding(71, target=72),
        statement(72, item="v", result=WRONG),
        statement(73, item="v", minute=2, result=RIGHT),
        voiding(74, target=9999),
    ],
    "unknown.json": [
        statement(81, item="k") | {"verb": {"id": PLAYED}},
        statement(82, item="k", result=RIGHT),
    ],
    "mixed.json": [
        statement(
            100 + n % 30, verb=VERBS[n % 6], item=f"m{n % 4}", minute=n, who="ab"[n % 2],
            result=(RIGHT, WRONG, {})[n % 3],
        )
        for n in range(45)
    ],
}  # fmt: skip
CALIPER = {
    "graded.json": [
        event(1, "AssessmentItemEvent", "Started", minute=1),
        event(3, "GradeEvent", "Graded", minute=9, given=0),
        event(2, "AssessmentItemEvent", "Completed", minute=2, value="B", duration="PT20S"),
        event(5, "GradeEvent", "Graded", minute=12, attempt=2, given=1),
        event(4, "AssessmentItemEvent", "Completed", minute=10, attempt=2, value="C"),
    ],
    "corrected.json": [
        event(11, "GradeEvent", "Graded", item="q2", minute=1, given=0),
        event(12, "GradeEvent", "Graded", item="q2", minute=2, given=2, most=4),
    ],
}


@dataclass
class Told:
    """What a source makes of the scenes, by the file each stands in."""

    frames: object
    responses: list
    rejected: list

    def of(self, scene, *columns):
        """Some columns of a scene's responses, in the order of rows."""
        mine = sorted((r for r in self.responses if r["file"] == scene), key=lambda r: r["row"])
        return [tuple(each[name] for name in columns) for each in mine]

    def reasons(self, scene):
        mine = (r for r in self.rejected if r["file"] == scene)
        return sorted((r["row"], r["column"], r["reason"]) for r in mine)


def told(spark, name, scenes):
    source = source_named(name)
    document = source.layouts[0].document
    at = datetime(2026, 3, 1, tzinfo=UTC)
    records = [
        {name: value or None for name, value in document.flat(each).items()}
        | {"statement": json.dumps(each), "_source": source.name, "_file": file, "_row": row}
        | {"_batch_id": 0, "_ingested_at": at}
        for file, statements in scenes.items()
        for row, each in enumerate(statements, start=1)
    ]
    schema = ", ".join(f"{column.name} {column.type}" for column in RAW_STATEMENTS.columns)
    values = [tuple(map(each.get, RAW_STATEMENTS.column_names)) for each in records]
    raw = {RAW_STATEMENTS.qualified_name: spark.createDataFrame(values, schema)}
    found = source.canonical(raw)
    return Told(found, found.responses.collect(), found.rejected.collect())


@pytest.fixture(scope="module")
def xapi(spark):
    return told(spark, "xapi", XAPI)


@pytest.fixture(scope="module")
def caliper(spark):
    return told(spark, "caliper", CALIPER)


def test_canonical_answer_is_a_response_with_all_it_says(xapi):
    (answer,) = (each for each in xapi.responses if each["file"] == "whole.json")

    item = f"{HOME}/item/w"
    assert (answer["source"], answer["student_id"], answer["item_id"]) == ("xapi", ANN, item)
    assert (answer["correct"], answer["score"], answer["answer"]) == (True, 1.0, "B")
    assert answer["answered_at"].timestamp() == datetime(2026, 2, 2, 9, 3, tzinfo=UTC).timestamp()
    assert (answer["latency_ms"], answer["attempt_count"]) == (62_500, 1)
    assert answer["skill_ids"] == [f"{HOME}/skill/fractions"]
    assert answer["hint_count"] is answer["first_action"] is answer["answer_requested"] is None
    assert (answer["row"], answer["event_kind"]) == (1, "practice")
    (named,) = xapi.frames.items.filter(f"item_id = '{item}'").collect()
    assert (named["item_type"], named["is_guessable"]) == ("choice", True)
    assert named["title"] == "Question w"
    (skill,) = xapi.frames.skills.collect()
    assert (skill["skill_id"], skill["name"]) == (f"{HOME}/skill/fractions", "Fractions")


def test_canonical_duration_is_milliseconds(xapi):
    assert xapi.of("durations.json", "latency_ms") == [(each,) for each in DURATIONS.values()]


def test_canonical_first_graded_attempt_of_a_registration_counts(xapi):
    assert xapi.of("attempts.json", "student_id", "row", "correct", "attempt_count") == [
        (ANN, 3, False, 3),
        (ANN, 4, True, 1),
        (f"{HOME}|ben", 5, True, 1),
    ]
    assert xapi.reasons("attempts.json") == []


def test_canonical_answer_that_nobody_graded_is_neither_right_nor_wrong(xapi):
    assert xapi.of("ungraded.json", "correct", "score") == [(None, None), (None, 0.5)]


def test_canonical_without_registration_all_attempts_at_an_item_are_one_response(xapi):
    assert xapi.of("unregistered.json", "row", "attempt_count") == [(1, 3)]


def test_canonical_hints_count_up_to_the_response_and_answers_shown_are_told_apart(xapi):
    columns = ("row", "hint_count", "first_action", "answer_requested", "answer_requested_later")
    assert xapi.of("hints.json", *columns) == [
        (3, 2, "hint", False, False),
        (6, 0, "hint", True, False),
        (7, 0, "attempt", False, True),
    ]


def test_canonical_statement_delivered_again_is_one_and_said(xapi):
    assert xapi.of("again.json", "row", "attempt_count") == [(1, 2)]
    assert xapi.reasons("again.json") == [(2, "statement_id", "repeats again.json row 1")]


def test_canonical_voided_statement_counts_in_nothing(xapi):
    assert xapi.of("voided.json", "row", "correct", "attempt_count") == [(3, True, 1)]
    assert xapi.reasons("voided.json") == [
        (2, "statement_id", "voided by voided.json row 1"),
        (4, "object_id", f"voids {GONE}, which is not there"),
    ]


def test_canonical_unknown_verb_is_refused_not_lost(xapi):
    assert len(xapi.of("unknown.json")) == 1
    assert xapi.reasons("unknown.json") == [(1, "verb", f"{PLAYED} counts in nothing")]
    (refused,) = (each for each in xapi.rejected if each["file"] == "unknown.json")
    assert refused["table_name"] == "bronze.raw_statements"
    kept = json.loads(json.loads(refused["received"])["statement"])
    assert kept == XAPI["unknown.json"][0]


def test_canonical_every_statement_is_an_attempt_help_progress_or_refused(xapi):
    n_attempts = sum(n for (n,) in xapi.of("mixed.json", "attempt_count"))
    refused = [column for _, column, _ in xapi.reasons("mixed.json")]

    # of 30 different ones 5 of each verb; 15 come again
    assert n_attempts == 2 * 5
    assert {column: refused.count(column) for column in refused} == {
        "statement_id": 15,
        "verb": 5,
        "object_id": 5,
    }


def test_canonical_caliper_response_and_its_grade_are_one_attempt(caliper):
    (answer,) = (each for each in caliper.responses if each["file"] == "graded.json")

    assert (answer["row"], answer["answer"], answer["correct"]) == (3, "B", False)
    assert (answer["latency_ms"], answer["attempt_count"], answer["score"]) == (20_000, 2, 0.0)
    assert answer["class_id"] == f"{HOME}/class/7b"
    assert answer["skill_ids"] == ["adding", "fractions"]
    (item,) = caliper.frames.items.filter(f"item_id = '{HOME}/item/q1'").collect()
    assert (item["title"], item["is_guessable"]) == ("Question q1", True)
    assert caliper.rejected == []


def test_canonical_caliper_later_grade_of_an_attempt_corrects_the_earlier(caliper):
    assert caliper.of("corrected.json", "row", "score") == [(1, 0.5)]
