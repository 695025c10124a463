"""What Wide & Deep IRT learns from: unit tests after their practice, or whole histories."""

import pytest

from conftest import AS_OF
from deepkt_irt.gold.sequences import indexed
from deepkt_irt.gold.units import units
from deepkt_irt.tables.gold import ITEM_VOCABULARY, SKILL_VOCABULARY, WDIRT_FEATURES
from deepkt_irt.tables.quality import schema_differences
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, USER_SPLITS

pytestmark = pytest.mark.spark


def practice(number, assignment, **values):
    return {"sequence_number": number, "assignment_id": assignment, **values}


def exam(number, assignment, *after, **values):
    return {
        "sequence_number": number,
        "assignment_id": assignment,
        "event_kind": "assessment",
        "practice_assignment_ids": list(after),
        **values,
    }


@pytest.fixture
def made(frame):
    """Rows by student and unit, of events; items i1 … i9 have indexes 1 … 9."""

    def build(*given):
        base = {
            "source": "s",
            "student_key": "ann",
            "item_id": "i1",
            "skill_ids": [],
            "correct": True,
            "event_kind": "practice",
            "batch_id": 0,
        }
        events = [
            {"event_id": f"{each.get('student_key', 'ann')}{each['sequence_number']}"} | base | each
            for each in given
        ]
        items = [{"item_index": n, "item_id": f"i{n}", "added_at": AS_OF} for n in range(1, 10)]
        splits = [
            {"student_key": key, "split": "test", "fold": 0, "bucket": 42}
            for key in {row["student_key"] for row in events}
        ]
        frames = frame(CANONICAL_LEARNING_EVENTS, events), frame(USER_SPLITS, splits)
        steps = indexed(frames[0], frame(ITEM_VOCABULARY, items), frame(SKILL_VOCABULARY, []))
        return units(steps, *frames)

    return build


def by_unit(made):
    return {(row.student_key, row.unit_id): (row.event_ids, row.visible) for row in made.collect()}


def test_units_have_the_declared_columns(made):
    found = made(practice(1, "p"))

    assert schema_differences(WDIRT_FEATURES, dict(found.dtypes)) == []


def test_units_test_answers_see_the_practice_the_test_names_and_no_answer_of_the_test(made):
    found = made(
        practice(1, "p1"), practice(2, "other"), practice(3, "p2"),
        exam(4, "t", "p1", "p2"), exam(5, "t", "p1", "p2"),
    )  # fmt: skip

    assert by_unit(found) == {("ann", "t"): (["ann1", "ann3", "ann4", "ann5"], [-1, -1, 2, 2])}


def test_units_practice_after_the_test_began_is_left_out(made):
    found = made(practice(1, "p"), exam(2, "t", "p"), practice(3, "p"), exam(4, "t", "p"))

    assert by_unit(found) == {("ann", "t"): (["ann1", "ann2", "ann4"], [-1, 1, 1])}


def test_units_practice_of_two_tests_stands_in_both(made):
    found = made(practice(1, "p"), exam(2, "t", "p"), exam(3, "u", "p"))

    assert by_unit(found) == {
        ("ann", "t"): (["ann1", "ann2"], [-1, 1]),
        ("ann", "u"): (["ann1", "ann3"], [-1, 1]),
    }


def test_units_ungraded_answers_are_neither_practice_nor_asked(made):
    found = made(practice(1, "p", correct=None), practice(2, "p"), exam(3, "t", "p"))

    assert by_unit(found) == {("ann", "t"): (["ann2", "ann3"], [-1, 1])}


def test_units_student_without_tests_is_one_whole_history(made):
    found = made(
        practice(1, "p"), practice(2, "q"), exam(3, "t"),
        practice(1, "p", student_key="ben"), exam(2, "t", "p", student_key="ben"),
    )  # fmt: skip

    assert by_unit(found) == {
        ("ann", ""): (["ann1", "ann2", "ann3"], [0, 1, 2]),
        ("ben", "t"): (["ben1", "ben2"], [-1, 1]),
    }
