"""Rows of bronze.raw_responses to canonical responses, items and skills."""

from datetime import UTC, datetime

import pytest

from conftest import rows
from deepkt_irt.jobs.ingest_bronze import ingest_bronze
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.tables.bronze import RAW_RESPONSES

pytestmark = pytest.mark.spark


@pytest.fixture
def canonical(frame):
    """Canonical frames of rows without provenance; row numbers count from 1."""

    def build(*records, source="responses_csv"):
        provenance = {"_source": source, "_file": "a.csv", "_batch_id": 0}
        provenance["_ingested_at"] = datetime(2026, 3, 1, tzinfo=UTC)
        table = frame(
            RAW_RESPONSES,
            [
                {**provenance, "_row": number, **response(), **record}
                for number, record in enumerate(records, start=1)
            ],
        )
        return source_named(source).canonical({RAW_RESPONSES.qualified_name: table})

    return build


def response():
    return {"student_id": "s", "item_id": "i", "correct": "1", "response_order": "1"}


def reasons(found):
    return rows(found.rejected, "row", "column", "reason")


@pytest.mark.connect
def test_canonical_values_become_what_they_are(canonical):
    found = canonical(
        {
            "student_id": " s ",
            "correct": " 1 ",
            "latency_ms": "1500.0",
            "attempt_count": "2",
            "hint_count": "1.0",
            "first_action": "1.0",
            "assignment_id": "a",
            "class_id": "c",
            "answer": " B, or so ",
            "student_group": " ELL ",
        }
    )

    event = found.responses.first()
    assert (event["student_id"], event["item_id"], event["correct"]) == ("s", "i", True)
    assert (event["score"], event["latency_ms"]) == (1.0, 1_500)
    assert (event["attempt_count"], event["hint_count"], event["first_action"]) == (2, 1, "hint")
    assert (event["assignment_id"], event["class_id"]) == ("a", "c")
    assert (event["answer"], event["student_group"]) == ("B, or so", "ELL")
    assert (event["answered_at"], event["response_order"]) == (None, 1.0)
    assert (event["file"], event["row"], event["event_kind"]) == ("a.csv", 1, "practice")
    assert event["practice_assignment_ids"] is None
    assert event["answer_requested"] is event["answer_requested_later"] is None


@pytest.mark.parametrize(
    ("received", "seconds"),
    [
        ("1630610155", 1_630_610_155),
        ("1630610155.5", 1_630_610_155.5),
        ("1630610155519", 1_630_610_155.519),
        ("22776254", 22_776_254),
        ("2021-09-02T19:15:55Z", 1_630_610_155),
        ("2021-09-02 21:15:55+02:00", 1_630_610_155),
        ("2021-09-02", 1_630_540_800),
    ],
)
def test_canonical_time_is_read_from_epochs_and_iso_8601(canonical, received, seconds):
    found = canonical({"answered_at": received, "response_order": None})

    answered_at = found.responses.first()["answered_at"]
    assert answered_at.timestamp() == pytest.approx(seconds)


def test_canonical_numbers_beyond_their_type_are_missing_and_break_nothing(canonical):
    found = canonical(
        {"latency_ms": "1e300", "attempt_count": "99999999999", "hint_count": "1e999"}
    )

    event = found.responses.first()
    assert (event["latency_ms"], event["attempt_count"], event["hint_count"]) == (None, None, None)


def test_canonical_latency_not_above_zero_is_missing_and_listed_the_response_kept(canonical):
    found = canonical(
        {"latency_ms": "-5"},
        {"latency_ms": "0", "response_order": "2"},
        {"latency_ms": "7", "response_order": "3"},
    )

    assert rows(found.responses.na.fill(-99, ["latency_ms"]), "row", "latency_ms") == [
        (1, -99),
        (2, -99),
        (3, 7),
    ]
    kept = "is not above 0: the response is kept, the latency is missing"
    assert reasons(found) == [
        (1, "latency_ms", f"latency -5 {kept}"),
        (2, "latency_ms", f"latency 0 {kept}"),
    ]
    assert '"latency_ms":"-5"' in found.rejected.orderBy("row").first()["received"]


def test_canonical_blank_or_missing_answer_and_group_are_unknown(canonical):
    found = canonical({"answer": "  ", "student_group": " "}, {"response_order": "2"})

    assert found.responses.filter("answer IS NULL AND student_group IS NULL").count() == 2


def test_canonical_answer_and_group_of_a_response_are_those_of_its_first_row(canonical):
    found = canonical(
        {"skill_ids": "1", "answer": "A", "student_group": "x"},
        {"skill_ids": "2", "answer": "B", "student_group": "y"},
        {"skill_ids": "2", "answer": "C"},
    )

    assert rows(found.responses, "skill_ids", "answer", "student_group") == [(["1", "2"], "A", "x")]
    assert reasons(found) == [(3, "skill_ids", "repeats row 1 without a new skill")]
    assert '"answer":"C"' in found.rejected.first()["received"]


def test_canonical_rows_repeating_a_response_per_skill_become_one_event(canonical):
    found = canonical(
        {"skill_ids": "12.0", "latency_ms": "9"},
        {"skill_ids": "3.0", "latency_ms": "9"},
        {"skill_ids": "3.0", "response_order": "2"},
    )

    assert rows(found.responses, "row", "skill_ids") == [(1, ["12", "3"]), (3, ["3"])]
    assert reasons(found) == []


def test_canonical_row_with_another_result_for_the_same_response_is_rejected(canonical):
    found = canonical(
        {"skill_ids": "1"},
        {"skill_ids": "2", "correct": "0"},
        {"skill_ids": "3"},
    )

    assert rows(found.responses, "correct", "skill_ids") == [(True, ["1", "3"])]
    assert reasons(found) == [(2, "correct", "contradicts row 1: one response with two results")]


def test_canonical_exact_repetition_is_rejected_not_merged_in_silence(canonical):
    found = canonical({"skill_ids": "1"}, {"skill_ids": "1"}, {"skill_ids": None})

    assert found.responses.count() == 1
    assert reasons(found) == [
        (2, "skill_ids", "repeats row 1 without a new skill"),
        (3, "skill_ids", "repeats row 1 without a new skill"),
    ]


def test_canonical_every_row_is_an_event_a_skill_of_one_or_rejected(canonical):
    records = [
        {"student_id": s, "item_id": i, "correct": c, "skill_ids": k, "response_order": o}
        for s in "ab"
        for i in "ij"
        for c in "01"
        for k in ("1", "2", None)
        for o in ("1", None)
    ]

    found = canonical(*records)

    merged = found.responses.selectExpr("sum(size(skill_ids) - 1)").first()[0]
    assert found.responses.count() + merged + found.rejected.count() == len(records)


def test_canonical_row_without_time_and_order_is_rejected(canonical):
    found = canonical({"response_order": None}, {"answered_at": "5", "response_order": None})

    assert rows(found.responses, "row") == [(2,)]
    assert [each[:2] for each in reasons(found)] == [(1, "response_order")]


def test_canonical_partial_score_has_no_result(canonical):
    found = canonical(
        {"correct": None, "score": "0.5"},
        {"correct": None, "score": "1.0", "response_order": "2"},
    )

    assert rows(found.responses, "score") == [(0.5,), (1.0,)]
    assert [row["correct"] for row in found.responses.orderBy("row").collect()] == [None, True]


@pytest.mark.parametrize(
    ("ids", "names", "separator", "expected"),
    [
        ("2_37_70", "Circle Graph;;Percent Of", "_", {"2": "Circle Graph", "37": None,
                                                      "70": "Percent Of"}),
        ("2_2", "Mean;Mean", "_", {"2": "Mean"}),
        ("5", "Area, and more", None, {"5": "Area, and more"}),
        ("a|b", "A|B", "|", {"a": "A", "b": "B"}),
        ("1;2", "only one", ";", {"1": None, "2": None}),
        ("7.0", None, "_", {"7": None}),
        (None, None, None, {}),
    ],
)  # fmt: skip
def test_canonical_skills_are_split_and_named_by_place(canonical, ids, names, separator, expected):
    found = canonical({"skill_ids": ids, "skill_names": names, "skill_separator": separator})

    assert {row["skill_id"]: row["name"] for row in found.skills.collect()} == expected
    assert found.responses.first()["skill_ids"] == sorted(expected)
    assert found.items.first()["skill_ids"] == sorted(expected)


@pytest.mark.nightly
@pytest.mark.data
@pytest.mark.slow
def test_canonical_research_file_keeps_every_response(assist2009):
    found = assist2009

    assert found.responses.count() == 282_609
    assert rows(found.rejected.groupBy("column").count(), "column", "count") == [
        ("latency_ms", 315)
    ]
    assert found.items.count() == 17_737
    assert found.skills.count() == 123
    assert found.skills.filter("name IS NULL").count() == 19


@pytest.fixture
def assist2009(context, store, shared_data, many_rows):
    source = source_named("responses_csv")
    ctx = context(TASKS["ingest_bronze"])
    land(source, shared_data / "assist2009/interactions.csv.gz", ctx.landing, mapping=None)
    ingest_bronze(ctx)
    return source.canonical({RAW_RESPONSES.qualified_name: store.read(RAW_RESPONSES)})
