"""Histories refuse what cannot be, and know what they hold."""

from dataclasses import replace

import numpy as np
import pytest

from deepkt_irt.knowledge_tracing.histories import Histories, Split
from made_up_histories import made_up

NONE = np.zeros(3, dtype=bool)


def two_segments(**columns):
    plain = {
        "offsets": np.array([0, 3, 5]),
        "item": np.array([1, 2, 1, 4, 4]),
        "skills": np.array([[1, 0], [1, 2], [1, 0], [3, 0], [3, 0]]),
        "correct": np.array([1, 0, 1, 0, 1]),
    }
    return Histories.of(**(plain | columns))


def test_of_what_is_not_said_is_unknown_and_each_response_sees_all_before_it():
    histories = two_segments()

    assert histories.visible.tolist() == [0, 1, 2, 0, 1]
    for name in ("latency_ms", "hint_count", "attempt_count", "answered_at"):
        assert np.isnan(getattr(histories, name)).all()
    assert not histories.first_action.any()
    assert histories.student.tolist() == [0, 1]
    assert histories.names.tolist() == ["0", "1"]


def test_properties_of_each_response_and_segment():
    histories = two_segments(visible=np.array([-1, 1, 0, 0, -1]), student=np.array([1, 1]))

    assert len(histories) == 5
    assert histories.n_segments == 2
    assert histories.lengths.tolist() == [3, 2]
    assert histories.segment.tolist() == [0, 0, 0, 1, 1]
    assert histories.position.tolist() == [0, 1, 2, 0, 1]
    assert histories.asked.tolist() == [False, True, True, True, False]
    assert histories.student_of_response.tolist() == [1] * 5
    assert len(histories.names) == 2
    assert (histories.n_items, histories.n_skills) == (4, 3)


@pytest.mark.parametrize(
    "visible", [[1, 1, 2, 0, 1], [0, 1, 3, 0, 1], [0, 1, 2, 1, 1]], ids=["itself", "next", "other"]
)
def test_of_response_that_would_see_itself_or_more_is_refused(visible):
    with pytest.raises(ValueError, match="itself"):
        two_segments(visible=np.array(visible))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("correct", np.array([1, 0])),
        ("skills", np.zeros((4, 1), dtype=np.int64)),
        ("latency_ms", np.zeros(6)),
        ("hint_count", np.zeros(4)),
        ("attempt_count", np.zeros(1)),
        ("first_action", np.zeros(2, dtype=np.int64)),
        ("answered_at", np.zeros(7)),
    ],
)
def test_of_column_of_another_length_is_refused_by_name(name, values):
    with pytest.raises(ValueError, match=f"5 items but {len(values)} values of {name}"):
        two_segments(**{name: values})


def test_of_nobody_is_empty():
    nothing = np.zeros(0, dtype=np.int64)

    histories = Histories.of(
        offsets=np.zeros(1, dtype=np.int64), item=nothing, skills=nothing[:, None], correct=nothing
    )

    assert (len(histories), histories.n_segments, histories.n_items) == (0, 0, 0)
    assert len(histories.names) == 0


def test_segments_are_the_chosen_ones_with_all_their_columns():
    histories = made_up((4, 0, 3, 5))

    found = histories.segments(np.array([True, True, False, True]))

    kept = np.r_[0:4, 7:12]
    assert found.offsets.tolist() == [0, 4, 4, 9]
    assert found.student.tolist() == [0, 1, 3]
    assert found.names.tolist() == histories.names.tolist()
    for name in ("item", "skills", "correct", "visible", "latency_ms", "first_action"):
        np.testing.assert_array_equal(getattr(found, name), getattr(histories, name)[kept])


def test_segments_none_chosen_leaves_nothing():
    found = made_up((4, 2)).segments(np.array([False, False]))

    assert (len(found), found.n_segments) == (0, 0)


@pytest.mark.parametrize(
    "name", ["item", "skills", "correct", "visible", "latency_ms", "hint_count", "answered_at"]
)
def test_digest_changes_with_one_value_of_any_column(name):
    histories = made_up((4, 6))
    values = getattr(histories, name).copy()
    values[3] = 0 if name == "visible" else 7

    assert replace(histories, **{name: values}).digest != histories.digest


def test_digest_does_not_depend_on_what_students_are_called():
    histories = made_up((4, 6))

    renamed = replace(histories, names=np.array(["z", "a"]))

    assert renamed.digest == made_up((4, 6)).digest
    assert replace(histories, student=np.array([0, 0])).digest != histories.digest


@pytest.mark.parametrize(
    ("train", "validation", "test", "problem"),
    [
        ([1, 0, 0], [1, 0, 0], [0, 0, 0], "trained and validated"),
        ([1, 0, 0], [0, 1, 0], [1, 0, 0], "test response"),
        ([1, 0, 0], [0, 1, 0], [0, 1, 1], "test response"),
    ],
)
def test_split_with_a_response_on_two_sides_is_refused(train, validation, test, problem):
    with pytest.raises(ValueError, match=problem):
        Split(*(np.array(each, dtype=bool) for each in (train, validation, test)))


def test_split_without_a_test_part_is_one():
    split = Split(np.array([True, False, False]), np.array([False, True, False]))

    assert len(split.test) == 0
    assert not Split(NONE, NONE, NONE).test.any()
