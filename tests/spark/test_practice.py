"""How often skills were practised, now and some time ago, as counted from events."""

from datetime import timedelta

import pytest

from conftest import AS_OF
from deepkt_irt.gold.practice import practised
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS

pytestmark = pytest.mark.spark


def events(student, *answers):
    """Rows from answers: skills, right or not (None: ungraded), days ago (None: no time)."""
    of_type = {"string": "x", "int": 1, "bigint": 1, "double": 0.5, "boolean": False}
    must = {
        column.name: of_type.get(column.type, [])
        for column in CANONICAL_LEARNING_EVENTS.columns
        if not column.nullable
    }
    return [
        must
        | {
            "event_id": f"{student}{number}",
            "student_key": student,
            "sequence_number": number,
            "skill_ids": skills.split(),
            "correct": correct,
            "answered_at": None if ago is None else AS_OF - timedelta(days=ago),
        }
        for number, (skills, correct, ago) in enumerate(answers, start=1)
    ]


@pytest.fixture
def counted(frame):
    def count(*students):
        rows = [row for rows in students for row in rows]
        made = frame(CANONICAL_LEARNING_EVENTS, rows)
        found = practised(made, trend_days=7, trend_responses=2).collect()
        return {(row["student_key"], row["skill_id"]): row for row in found}

    return count


def test_responses_are_counted_per_skill_with_wrong_ones_since_the_last_right(counted):
    found = counted(
        events(
            "ann",
            ("halves", True, 20),
            ("halves ratios", False, 19),
            ("halves", None, 18),
            ("halves", False, 17),
        )
    )

    halves, ratios = found["ann", "halves"], found["ann", "ratios"]
    assert (halves["n_responses"], halves["n_correct"], halves["wrong_in_a_row"]) == (3, 1, 2)
    assert (ratios["n_responses"], ratios["n_correct"], ratios["wrong_in_a_row"]) == (1, 0, 1)
    assert halves["last_sequence_number"] == 4


def test_some_time_ago_is_counted_back_from_the_newest_event_of_all(counted):
    found = counted(
        events("ann", ("halves", True, 30), ("halves", False, 20), ("halves", True, 12)),
        events("bob", ("halves", True, 11), ("halves", True, 10)),
    )

    # the newest event is 10 days old, so what counts as earlier is more than 17 days old
    assert (found["ann", "halves"]["n_earlier"], found["ann", "halves"]["earlier_until"]) == (2, 2)
    assert (found["bob", "halves"]["n_earlier"], found["bob", "halves"]["earlier_until"]) == (
        0,
        None,
    )


def test_where_no_time_is_known_some_time_ago_is_by_order(counted):
    found = counted(
        events("ann", *[("halves", True, None)] * 3, ("ratios", True, None)),
        events("bob", ("halves", True, 3)),
    )

    assert (found["ann", "halves"]["n_earlier"], found["ann", "ratios"]["n_earlier"]) == (2, 0)
    assert found["ann", "halves"]["earlier_until"] == 2
