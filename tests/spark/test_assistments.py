"""ASSISTments skill-builder files: help used, not help on offer, and no invented time."""

import pytest

from conftest import AS_OF, rows
from deepkt_irt.jobs.ingest_bronze import ingest_bronze
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.sources.reader import records
from deepkt_irt.tables.bronze import RAW_RESPONSES

pytestmark = pytest.mark.spark

SOURCE = source_named("assistments")
PROVENANCE = {
    "_source": "assistments",
    "_file": "skill_builder.csv",
    "_batch_id": 0,
    "_ingested_at": AS_OF,
}
COLUMNS = (
    *("order_id", "assignment_id", "user_id", "assistment_id", "problem_id", "original"),
    *("correct", "attempt_count", "ms_first_response", "tutor_mode", "answer_type"),
    *("sequence_id", "student_class_id", "position", "type", "base_sequence_id", "skill_id"),
    *("skill_name", "teacher_id", "school_id", "hint_count", "hint_total", "overlap_time"),
    *("template_id", "answer_id", "answer_text", "first_action", "bottom_hint", "opportunity"),
    "opportunity_original",
)


def line(**values):
    row = dict.fromkeys(COLUMNS, "")
    row |= {
        "user_id": "u1",
        "problem_id": "p1",
        "order_id": "10",
        "correct": "1",
        "attempt_count": "1",
        "ms_first_response": "5000",
        "answer_type": "algebra",
        "hint_count": "0",
        "hint_total": "3",
        "first_action": "0",
    }
    return row | {name: str(value) for name, value in values.items()}


@pytest.fixture
def canonical(frame, tmp_path):
    def build(*lines, index=False):
        text = ",".join((*([""] if index else []), *COLUMNS)) + "\n"
        for number, each in enumerate(lines):
            values = (*([str(number)] if index else []), *each.values())
            text += ",".join(values) + "\n"
        (tmp_path / "skill_builder.csv").write_text(text)
        read = records(
            tmp_path / "skill_builder.csv",
            SOURCE.layout_of("skill_builder.csv"),
            max_field_characters=99,
        )
        made = [{**PROVENANCE, "_row": each.row, **each.kept} for each in read]
        return SOURCE.canonical({RAW_RESPONSES.qualified_name: frame(RAW_RESPONSES, made)})

    return build


def test_canonical_skill_builder_rows_become_events_with_help_used(canonical):
    found = canonical(
        line(skill_id="3.0", skill_name="Mean"),
        line(skill_id="12.0", skill_name="Area"),
        line(order_id=11, correct=0, hint_count=3, bottom_hint="1.0", first_action=1),
        line(order_id=12, correct=0, hint_count=3, bottom_hint="1.0", first_action=0),
        line(order_id=13, correct=0, hint_count=1, bottom_hint="0.0", first_action=1),
        line(order_id=14, first_action=2, answer_type="choose_1", problem_id="p2"),
    )

    columns = (
        *("response_order", "hint_count", "answer_requested", "answer_requested_later"),
        *("first_action", "skill_ids"),
    )
    assert rows(found.responses, *columns) == [
        (10.0, 0, False, False, "attempt", ["12", "3"]),
        (11.0, 3, True, False, "hint", []),
        (12.0, 3, False, True, "attempt", []),  # the answer came after the attempt
        (13.0, 1, False, False, "hint", []),
        (14.0, 0, False, False, "scaffold", []),
    ]
    assert found.responses.filter("answered_at IS NOT NULL").count() == 0
    assert found.rejected.count() == 0
    assert rows(found.items, "item_id", "item_type", "is_guessable") == [
        ("p1", "algebra", False),
        ("p2", "choose_1", True),
    ]
    assert rows(found.skills, "skill_id", "name") == [("12", "Area"), ("3", "Mean")]


def test_canonical_answer_is_the_text_of_the_first_response(canonical):
    found = canonical(
        line(answer_text="26 cm"),
        line(order_id=11, correct=0, first_action=1, hint_count=1),
        line(order_id=12, answer_id=7),
    )

    answers = found.responses.orderBy("response_order").select("answer", "student_group")
    assert [tuple(row) for row in answers.collect()] == [
        ("26 cm", None),
        (None, None),
        (None, None),
    ]


def test_canonical_leading_index_column_changes_nothing(canonical):
    found = canonical(line(), line(order_id=11), index=True)

    assert rows(found.responses, "student_id", "response_order") == [("u1", 10.0), ("u1", 11.0)]


@pytest.mark.nightly
@pytest.mark.data
@pytest.mark.usefixtures("many_rows")
def test_canonical_research_slice_is_kept_whole(context, store, shared_data):
    ctx = context(TASKS["ingest_bronze"])
    slice_ = shared_data / "assist2009/skill_builder_slice_10791.csv.gz"
    land(SOURCE, slice_, ctx.landing, mapping=None)
    ingest_bronze(ctx)

    found = SOURCE.canonical({RAW_RESPONSES.qualified_name: store.read(RAW_RESPONSES)})

    assert found.responses.count() == 10_791
    assert found.responses.select("student_id").distinct().count() == 902
    # hint_total > 0 would say 42 %
    assert found.responses.filter("hint_count > 0").count() == 702
    assert rows(found.skills, "name") == [("Box and Whisker",), ("Table",)]
