"""EDM Cup logs to canonical events, one rule a test."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from conftest import rows
from deepkt_irt.settings import SimulatorSettings
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.simulator import simulate
from deepkt_irt.tables import bronze

pytestmark = pytest.mark.spark

START = 1_600_000_000


@pytest.fixture
def raw(frame):
    """Bronze frames of the source from rows without provenance; row numbers count from 1."""

    def build(**tables):
        found = {}
        for table in bronze.TABLES:
            records = tables.get(table.name.removeprefix("raw_"), [])
            provenance = {"_source": "edm_cup", "_file": f"{table.name}.csv", "_batch_id": 3}
            found[table.qualified_name] = frame(
                table,
                [
                    {
                        **provenance,
                        "_row": number,
                        "_ingested_at": datetime(2026, 3, 1, tzinfo=UTC),
                        **record,
                    }
                    for number, record in enumerate(records, start=1)
                ],
            )
        return found

    return build


@pytest.fixture
def canonical(raw):
    def build(**tables):
        tables.setdefault("assignment_details", [details("log1", "ann")])
        return source_named("edm_cup").canonical(raw(**tables))

    return build


def details(log, student, **more):
    return {"assignment_log_id": log, "student_id": student, "class_id": "c1", **more}


def action(name, at, problem="p1", log="log1", **more):
    return {
        "assignment_log_id": log,
        "timestamp": str(START + at),
        "problem_id": problem,
        "action": name,
        **more,
    }


@pytest.mark.connect
def test_canonical_first_graded_response_decides_whatever_the_order_of_rows(canonical):
    found = canonical(
        action_logs=[
            action("correct_response", 40),
            action("wrong_response", 30.5),
            action("problem_started", 10),
            action("assignment_started", 0, problem=None),
        ]
    )

    columns = ("student_id", "class_id", "assignment_id", "item_id", "correct", "score")
    assert rows(found.responses, *columns) == [("ann", "c1", "log1", "p1", False, 0.0)]
    event = found.responses.first()
    assert event["answered_at"].timestamp() == START + 30.5
    assert event["latency_ms"] == 20_500
    assert event["attempt_count"] == 2
    assert event["first_action"] == "attempt"
    assert event["event_kind"] == "practice"
    assert event["practice_assignment_ids"] is None
    assert (event["file"], event["row"], event["batch_id"]) == ("raw_action_logs.csv", 2, 3)


def test_canonical_same_instant_goes_by_row(canonical):
    found = canonical(action_logs=[action("wrong_response", 30), action("correct_response", 30)])

    assert rows(found.responses, "correct", "row") == [(False, 1)]


def test_canonical_latency_runs_from_the_last_start_before_the_response(canonical):
    found = canonical(
        action_logs=[
            action("problem_started", 10),
            action("problem_started", 25),
            action("wrong_response", 30),
            action("problem_started", 31),
        ]
    )

    assert found.responses.first()["latency_ms"] == 5_000


@pytest.mark.parametrize("start_at", [None, 30, 31])
def test_canonical_latency_without_an_earlier_start_is_unknown(canonical, start_at):
    started = [] if start_at is None else [action("problem_started", start_at)]

    found = canonical(action_logs=[*started, action("wrong_response", 30)])

    assert found.responses.first()["latency_ms"] is None


def test_canonical_only_help_before_the_first_response_counts(canonical):
    found = canonical(
        action_logs=[
            action("hint_requested", 11),
            action("hint_requested", 12),
            action("wrong_response", 20),
            action("hint_requested", 21),
            action("answer_requested", 22),
            action("explanation_requested", 23),
            action("correct_response", 30),
            action("explanation_requested", 5, problem="p2"),
            action("answer_requested", 6, problem="p2"),
            action("correct_response", 7, problem="p2"),
        ]
    )

    columns = (
        *("item_id", "first_action", "hint_count"),
        *("answer_requested", "explanation_requested", "attempt_count"),
        "answer_requested_later",
    )
    assert rows(found.responses, *columns) == [
        ("p1", "hint", 2, False, False, 2, True),
        ("p2", "explanation", 0, True, True, 1, False),
    ]


def test_canonical_never_graded_problem_is_an_ungraded_event_not_a_wrong_one(canonical):
    found = canonical(
        action_logs=[
            action("open_response", 20, problem="open"),
            action("problem_started", 21, problem="asked"),
            action("answer_requested", 22, problem="asked"),
            action("problem_started", 23, problem="opened only"),
            action("continue_selected", 24, problem="opened only"),
        ]
    )

    columns = ("item_id", "first_action", "answer_requested", "attempt_count", "row")
    assert rows(found.responses.filter("correct IS NULL AND score IS NULL"), *columns) == [
        ("asked", "answer", True, 0, 3),
        ("open", "attempt", False, 0, 1),
    ]
    assert found.responses.count() == 2
    assert found.responses.filter("latency_ms IS NOT NULL").count() == 0


def test_canonical_the_same_problem_in_another_assignment_is_another_event(canonical):
    found = canonical(
        assignment_details=[details("log1", "ann"), details("log2", "bob")],
        action_logs=[
            action("wrong_response", 20),
            action("correct_response", 10, log="log2"),
        ],
    )

    assert rows(found.responses, "student_id", "correct") == [("ann", False), ("bob", True)]


def test_canonical_log_without_assignment_details_is_rejected_once_an_event(canonical):
    found = canonical(
        action_logs=[
            action("problem_started", 1, log="ghost"),
            action("wrong_response", 2, log="ghost"),
            action("correct_response", 3, log="ghost"),
            action("correct_response", 4),
        ]
    )

    assert rows(found.responses, "assignment_id") == [("log1",)]
    (rejected,) = found.rejected.collect()
    assert rejected["table_name"] == "bronze.raw_action_logs"
    assert (rejected["row"], rejected["column"]) == (2, "assignment_log_id")
    assert "ghost is not in assignment_details" in rejected["reason"]
    assert '"item_id":"p1"' in rejected["received"]


def test_canonical_repeated_assignment_details_add_no_event(canonical):
    found = canonical(
        assignment_details=[details("log1", "ann"), details("log1", "ann")],
        action_logs=[action("wrong_response", 20)],
    )

    assert found.responses.count() == 1


def test_canonical_unit_test_scores_are_assessments_with_their_practice(canonical):
    found = canonical(
        assignment_details=[
            details("t1", "ann", assignment_start_time="100", assignment_end_time="900.5"),
            details("t2", "bob", assignment_start_time="200"),
        ],
        unit_test_scores=[
            {"assignment_log_id": "t1", "problem_id": "p1", "score": "1"},
            {"assignment_log_id": "t1", "problem_id": "p2", "score": "0.5"},
            {"assignment_log_id": "t2", "problem_id": "p1", "score": None},
            {"assignment_log_id": "ghost", "problem_id": "p1", "score": "0"},
        ],
        assignment_relationships=[
            {"unit_test_assignment_log_id": "t1", "in_unit_assignment_log_id": "b"},
            {"unit_test_assignment_log_id": "t1", "in_unit_assignment_log_id": "a"},
            {"unit_test_assignment_log_id": "t1", "in_unit_assignment_log_id": "b"},
        ],
    )

    events = {(e["student_id"], e["item_id"]): e for e in found.responses.collect()}
    assert {key: (e["correct"], e["score"]) for key, e in events.items()} == {
        ("ann", "p1"): (True, 1.0),
        ("ann", "p2"): (None, 0.5),
        ("bob", "p1"): (None, None),
    }
    assert {e["event_kind"] for e in events.values()} == {"assessment"}
    assert events["ann", "p1"]["practice_assignment_ids"] == ["a", "b"]
    assert events["bob", "p1"]["practice_assignment_ids"] == []
    assert events["ann", "p1"]["answered_at"].timestamp() == 900.5
    assert events["bob", "p1"]["answered_at"].timestamp() == 200
    assert events["ann", "p1"]["latency_ms"] is None
    assert rows(found.rejected, "table_name", "row") == [("bronze.raw_unit_test_scores", 4)]


def test_canonical_items_and_skills_come_from_problem_details(canonical):
    found = canonical(
        problem_details=[
            {"problem_id": "p1", "problem_type": "Multiple Choice (select 1)",
             "problem_skill_code": "6.NS.A", "problem_skill_description": "fractions"},
            {"problem_id": "p2", "problem_type": "Exact Match (case sensitive)"},
            {"problem_id": "p3", "problem_skill_code": "6.EE.B"},
        ],
        content=[
            {"kind": "skill_relation",
             "body": '{"skill_code": "6.EE.B", "prerequisite_skill_code": "6.NS.A"}'},
        ],
        action_logs=[
            action("wrong_response", 1),
            action("wrong_response", 2, problem="p2"),
            action("wrong_response", 3, problem="unknown"),
        ],
    )  # fmt: skip

    assert rows(found.items, "item_id", "is_guessable", "skill_ids") == [
        ("p1", True, ["6.NS.A"]),
        ("p2", False, []),
        ("p3", None, ["6.EE.B"]),
    ]
    assert rows(found.skills.na.fill(""), "skill_id", "name", "prerequisite_ids") == [
        ("6.EE.B", "", ["6.NS.A"]),
        ("6.NS.A", "fractions", []),
    ]
    # a problem absent from problem_details keeps its event
    assert rows(found.responses, "item_id", "skill_ids") == [
        ("p1", ["6.NS.A"]),
        ("p2", []),
        ("unknown", []),
    ]


def test_canonical_simulated_district_finds_the_responses_the_simulator_drew(canonical, tmp_path):
    district = simulate(SimulatorSettings(n_students=40, n_items=40, seed=5))
    frames = {
        "raw_action_logs": [district.action_logs],
        "raw_assignment_details": [district.assignment_details],
        "raw_problem_details": [district.problem_details],
        "raw_assignment_relationships": [district.assignment_relationships],
        "raw_unit_test_scores": [
            district.training_unit_test_scores,
            district.evaluation_unit_test_scores,
        ],
    }
    tables = {}
    for name, parts in frames.items():
        path = tmp_path / f"{name}.csv"
        pd.concat(parts).to_csv(path, index=False)
        received = pd.read_csv(path, dtype=str, keep_default_na=False).replace("", None)
        tables[name.removeprefix("raw_")] = received.to_dict("records")

    found = canonical(**tables)

    truth = district.truth_responses
    expected = truth[["assignment_log_id", "problem_id", "event_kind", "correct"]]
    graded = found.responses.filter("correct IS NOT NULL")
    assert rows(graded, "assignment_id", "item_id", "event_kind", "correct") == sorted(
        (*each[:3], bool(each[3])) for each in expected.itertuples(index=False)
    )
    assert found.rejected.count() == 0
