"""Rows of gold tables as histories: each event once, whatever the students are called."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from deepkt_irt.knowledge_tracing.histories import FIRST_ACTIONS
from deepkt_irt.knowledge_tracing.sequences import histories_in_order, histories_of, units_of

LENGTH, CONTEXT = 6, 4
SIZES = (1, 6, 7, 13)
SPLITS = ("train", "validation", "test", "train")
START = pd.Timestamp("2026-01-05 08:00:00")


def window(student, items, correct, *, index=0, context=0, split="train", skills=None, **columns):
    n = len(items)
    plain = {
        "student_key": student,
        "window_index": index,
        "context_length": context,
        "split": split,
        "item_indexes": list(items),
        "skill_indexes": skills or [[1]] * n,
        "correct": list(correct),
        "latency_ms": [1000.0 * item for item in items],
        "hint_counts": [0] * n,
        "attempt_counts": [1] * n,
        "first_actions": ["attempt"] * n,
        "answered_at": [START + timedelta(minutes=item) for item in items],
    }
    return plain | columns


def history(student, items, correct, *, split="train"):
    """A student's windows, as gold.sakt_sequences cuts them."""
    starts = range(0, max(1, len(items) - CONTEXT), LENGTH - CONTEXT)
    return [
        window(
            student,
            items[start : start + LENGTH],
            correct[start : start + LENGTH],
            index=index,
            context=CONTEXT if index else 0,
            split=split,
        )
        for index, start in enumerate(starts)
    ]


@pytest.fixture
def frame():
    """Students of several lengths; every event has an item of its own."""
    rows, first = [], 1
    for number, (size, split) in enumerate(zip(SIZES, SPLITS, strict=True)):
        items = list(range(first, first + size))
        rows += history(f"student {number}", items, [item % 2 for item in items], split=split)
        first += size
    return pd.DataFrame(rows)


def renamed(frame, names):
    """The same students under other pseudonyms, their rows in another order."""
    keys = dict(zip(frame["student_key"].unique(), names, strict=True))
    return frame.assign(student_key=frame["student_key"].map(keys)).sort_values("student_key")


def test_histories_of_hold_every_event_once_in_order(frame):
    histories, _ = histories_of(frame.sample(frac=1, random_state=4))

    assert len(frame) > len(SIZES)  # there are events that stand in two windows
    assert sorted(histories.item) == list(range(1, sum(SIZES) + 1))
    assert sorted(histories.lengths) == sorted(SIZES)
    for begin, end in zip(histories.offsets[:-1], histories.offsets[1:], strict=True):
        assert (np.diff(histories.item[begin:end]) == 1).all()
    assert (histories.correct == histories.item % 2).all()
    assert (histories.visible == histories.position).all()


def test_histories_of_splits_are_those_of_the_students(frame):
    histories, splits = histories_of(frame)

    by_length = dict(zip(SIZES, SPLITS, strict=True))
    assert splits.tolist() == [by_length[n] for n in histories.lengths]
    assert histories.names.tolist() == [f"student {SIZES.index(n)}" for n in histories.lengths]


def test_histories_of_other_pseudonyms_give_the_same_arrays(frame):
    plain, splits = histories_of(frame)
    other, other_splits = histories_of(renamed(frame, ["z", "b", "m", "a"]))

    assert other.digest == plain.digest
    assert other_splits.tolist() == splits.tolist()
    assert other.names.tolist() != plain.names.tolist()


@pytest.mark.parametrize(
    "rows",
    [
        [window("a", [3], [1], split="train"), window("b", [3], [1], split="test")],
        [*history("a", [1] * 7, [1] * 7), *history("b", [1] * 7, [1] * 6 + [0])],
        [*history("a", [1] * 6, [1] * 6), *history("b", [1] * 7, [1] * 7)],
        [window("a", [3], [1], skills=[[1]]), window("b", [3], [1], skills=[[2]])],
    ],
    ids=["other split", "other end", "one longer", "other skills"],
)
def test_histories_of_students_who_begin_alike_stay_in_order_under_other_pseudonyms(rows):
    frame = pd.DataFrame(rows)

    (plain, splits), (other, other_splits) = (
        histories_of(frame),
        histories_of(renamed(frame, ["b", "a"])),
    )

    assert other.digest == plain.digest
    assert other_splits.tolist() == splits.tolist()


def test_histories_in_order_keeps_the_order_of_the_rows():
    rows = [
        window("b", [5, 6], [1, 0]),
        window("b", [6, 7], [0, 1], index=1, context=1),
        window("a", [4], [1], split="test"),
    ]

    histories, splits = histories_in_order(pd.DataFrame(rows))

    assert histories.item.tolist() == [5, 6, 7, 4]
    assert histories.correct.tolist() == [1, 0, 1, 1]
    assert histories.offsets.tolist() == [0, 3, 4]
    assert histories.names.tolist() == ["b", "a"]
    assert splits.tolist() == ["train", "test"]


def test_histories_in_order_what_is_unknown_is_nan():
    row = window(
        "a",
        [1, 2, 3],
        [1, 0, 1],
        latency_ms=[2000, None, np.nan],
        hint_counts=[None, 2, 0],
        attempt_counts=np.array([1, 3, np.nan]),
        first_actions=["hint", None, "something new"],
        answered_at=[START, None, pd.NaT],
    )

    histories, _ = histories_in_order(pd.DataFrame([row]))

    np.testing.assert_array_equal(histories.latency_ms, [2000, np.nan, np.nan])
    np.testing.assert_array_equal(histories.hint_count, [np.nan, 2, 0])
    np.testing.assert_array_equal(histories.attempt_count, [1, 3, np.nan])
    np.testing.assert_array_equal(histories.first_action, [2, 0, 0])
    np.testing.assert_array_equal(histories.answered_at, [START.timestamp(), np.nan, np.nan])


@pytest.mark.parametrize(
    "instants",
    [
        [pd.Timestamp("1970-01-01 00:01:40"), pd.Timestamp("2026-03-01 12:00:00.5")],
        [pd.Timestamp("1970-01-01 01:01:40+01:00"), pd.Timestamp("2026-03-01 13:00:00.5+01:00")],
        np.array(["1970-01-01T00:01:40", "2026-03-01T12:00:00.5"], dtype="datetime64[ns]"),
        np.array(["1970-01-01T00:01:40", "2026-03-01T12:00:00.5"], dtype="datetime64[us]"),
    ],
    ids=["naive", "with a zone", "nanoseconds", "microseconds"],
)
def test_histories_in_order_timestamps_are_seconds_since_1970(instants):
    row = window("a", [1, 2], [1, 0], answered_at=instants)

    histories, _ = histories_in_order(pd.DataFrame([row]))

    assert histories.answered_at.tolist() == [100.0, 1772366400.5]


def test_histories_in_order_first_actions_have_the_codes_of_their_places():
    n = len(FIRST_ACTIONS)
    row = window("a", range(1, n + 1), [1] * n, first_actions=list(FIRST_ACTIONS))

    histories, _ = histories_in_order(pd.DataFrame([row]))

    assert histories.first_action.tolist() == list(range(1, n + 1))


def test_histories_in_order_steps_with_fewer_skills_are_filled_with_zero():
    row = window("a", [1, 2, 3], [1, 0, 1], skills=[[2, 3], [], [1]])

    histories, _ = histories_in_order(pd.DataFrame([row]))

    assert histories.skills.tolist() == [[2, 3], [0, 0], [1, 0]]


def test_histories_in_order_student_without_a_history_is_an_empty_segment():
    rows = [window("a", [], []), window("b", [4], [1])]

    histories, splits = histories_in_order(pd.DataFrame(rows))

    assert histories.lengths.tolist() == [0, 1]
    assert histories.skills.shape == (1, 1)
    assert len(splits) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"item_indexes": [1, 9]},
        {"correct": [1, 1]},
        {"skill_indexes": [[1], [2]]},
        {"latency_ms": [1000.0, 1.0]},
        {"hint_counts": [0, 1]},
        {"attempt_counts": [1, 2]},
        {"first_actions": ["attempt", "hint"]},
        {"answered_at": [START, START]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_histories_of_digest_names_the_content(change):
    row = window("a", [1, 2], [1, 0])

    changed, _ = histories_of(pd.DataFrame([row | change]))

    assert changed.digest != histories_of(pd.DataFrame([row]))[0].digest


def unit(student, unit_id, items, visible, *, split="train"):
    row = window(student, items, [item % 2 for item in items], split=split)
    del row["window_index"], row["context_length"]
    return row | {"unit_id": unit_id, "visible": visible}


def test_units_of_each_unit_is_a_segment_of_its_student():
    frame = pd.DataFrame(
        [
            unit("b", "u1", [1, 2, 3], [-1, -1, 2], split="test"),
            unit("a", "u2", [4, 5], [-1, 1]),
            unit("a", "u1", [6, 7, 8, 9], [-1, -1, 2, 2]),
        ]
    )

    histories, splits = units_of(frame)

    assert histories.n_segments == 3
    assert len(splits) == len(histories.names) == 2
    segments = {
        (histories.names[histories.student[at]], tuple(histories.item[begin:end])): tuple(
            histories.visible[begin:end]
        )
        for at, (begin, end) in enumerate(
            zip(histories.offsets[:-1], histories.offsets[1:], strict=True)
        )
    }
    assert segments == {
        ("b", (1, 2, 3)): (-1, -1, 2),
        ("a", (4, 5)): (-1, 1),
        ("a", (6, 7, 8, 9)): (-1, -1, 2, 2),
    }
    assert dict(zip(histories.names, splits, strict=True)) == {"a": "train", "b": "test"}


def test_units_of_other_pseudonyms_give_the_same_arrays():
    frame = pd.DataFrame(
        [
            unit("b", "u1", [1, 2], [-1, 1]),
            unit("a", "u2", [4, 5], [-1, 1]),
            unit("a", "u1", [6, 7], [-1, 1], split="train"),
        ]
    )

    plain, _ = units_of(frame)
    other, _ = units_of(renamed(frame, ["c", "x"]))

    assert other.digest == plain.digest


def test_units_of_a_response_that_would_see_itself_is_refused():
    with pytest.raises(ValueError, match="itself"):
        units_of(pd.DataFrame([unit("a", "u1", [1, 2], [-1, 2])]))
