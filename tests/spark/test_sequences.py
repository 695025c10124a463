"""Windows over whole histories: every graded event is scored once, in order, with its past."""

import pytest

from conftest import AS_OF, rows
from deepkt_irt.gold.sequences import indexed, windows
from deepkt_irt.settings import SequenceSettings
from deepkt_irt.tables.gold import ITEM_VOCABULARY, SAKT_SEQUENCES, SKILL_VOCABULARY
from deepkt_irt.tables.quality import schema_differences
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, USER_SPLITS

pytestmark = pytest.mark.spark

SMALL = SequenceSettings(length=6, context=4)


@pytest.fixture
def made(frame):
    """The windows of some events; items and skills i1 … i9, k1 … k9 have indexes 1 … 9."""

    def build(*given, settings=SMALL):
        base = {
            "source": "s",
            "student_key": "ann",
            "item_id": "i1",
            "skill_ids": [],
            "correct": True,
            "event_kind": "practice",
            "batch_id": 0,
        }
        counted = [{"sequence_number": number} | values for number, values in enumerate(given, 1)]
        events = [
            {"event_id": f"e{values['sequence_number']}"} | base | values for values in counted
        ]
        known = range(1, 10)
        items = [{"item_index": n, "item_id": f"i{n}", "added_at": AS_OF} for n in known]
        skills = [{"skill_index": n, "skill_id": f"k{n}", "added_at": AS_OF} for n in known]
        students = {row["student_key"] for row in events} | {"ann"}
        splits = [
            {"student_key": key, "split": "test", "fold": 0, "bucket": 42} for key in students
        ]
        steps = indexed(
            frame(CANONICAL_LEARNING_EVENTS, events),
            frame(ITEM_VOCABULARY, items),
            frame(SKILL_VOCABULARY, skills),
        )
        return windows(steps, frame(USER_SPLITS, splits), settings)

    return build


def scored(window):
    return list(window.sequence_numbers[window.context_length :])


def by_index(made):
    return made.orderBy("student_key", "window_index").collect()


def test_windows_have_the_declared_columns_and_the_students_split(made):
    result = made({})

    assert schema_differences(SAKT_SEQUENCES, dict(result.dtypes)) == []
    assert rows(result, "split", "bucket") == [("test", 42)]


def test_windows_arrays_stand_side_by_side_in_sequence_order(made):
    (window,) = by_index(
        made(
            {"sequence_number": 3, "item_id": "i1", "correct": False, "hint_count": 2},
            {"sequence_number": 1, "item_id": "i9", "latency_ms": 5000},
            {"sequence_number": 2, "item_id": "i2", "skill_ids": ["k3", "k1"]},
        )
    )

    assert window.sequence_numbers == [1, 2, 3]
    assert window.event_ids == ["e1", "e2", "e3"]
    assert window.item_indexes == [9, 2, 1]
    assert window.skill_indexes == [[], [1, 3], []]
    assert window.correct == [1, 1, 0]
    assert window.latency_ms == [5000, None, None]
    assert window.hint_counts == [None, None, 2]


def test_windows_ungraded_events_are_left_out_and_assessments_stay(made):
    (window,) = by_index(made({"correct": None}, {"event_kind": "assessment"}, {"correct": False}))

    assert window.sequence_numbers == [2, 3]


def test_windows_later_ones_step_by_what_they_score_behind_their_context(made):
    result = by_index(made(*[{}] * 11))

    assert [(w.window_index, w.context_length, w.sequence_numbers) for w in result] == [
        (0, 0, [1, 2, 3, 4, 5, 6]),
        (1, 4, [3, 4, 5, 6, 7, 8]),
        (2, 4, [5, 6, 7, 8, 9, 10]),
        (3, 4, [7, 8, 9, 10, 11]),
    ]


@pytest.mark.parametrize("settings", [SMALL, SequenceSettings(length=4, context=0)], ids=str)
def test_windows_every_event_is_scored_in_exactly_one(made, settings):
    sizes = (1, 4, 5, 6, 7, 8, 9, 23)
    given = [
        {"student_key": f"has {size}", "sequence_number": number, "event_id": f"{size}/{number}"}
        for size in sizes
        for number in range(1, size + 1)
    ]
    result = by_index(made(*given, settings=settings))

    for size in sizes:
        own = [window for window in result if window.student_key == f"has {size}"]
        assert [n for window in own for n in scored(window)] == list(range(1, size + 1))
        assert all(scored(window) for window in own)
        assert all(len(window.event_ids) <= settings.length for window in own)
        assert [w.context_length for w in own] == [0] + [settings.context] * (len(own) - 1)


def test_windows_of_the_default_size_cut_nothing_from_a_long_history(made):
    result = by_index(made(*[{}] * 1001, settings=SequenceSettings()))

    assert [number for window in result for number in scored(window)] == list(range(1, 1002))
    assert len(result[-1].event_ids) == 101


def test_windows_students_are_apart(made):
    result = made({}, {"student_key": "bob"}, {}, {"student_key": "bob"})

    assert rows(result, "student_key", "sequence_numbers") == [("ann", [1, 3]), ("bob", [2, 4])]


def test_windows_a_later_event_changes_no_earlier_position(made):
    given = [{"item_id": f"i{n}"} for n in range(1, 8)]
    before, after = by_index(made(*given)), by_index(made(*given, {}, {}))

    assert len(after) == len(before) + 1
    for window, longer in zip(before, after, strict=False):
        for name in ("sequence_numbers", "event_ids", "item_indexes", "correct"):
            assert window[name] == longer[name][: len(window[name])]
        assert window.context_length == longer.context_length


def test_windows_an_item_without_index_stays_as_unknown(made):
    (window,) = by_index(made({"item_id": "never indexed", "skill_ids": ["nor this", "k2"]}, {}))

    assert window.item_indexes == [0, 1]
    assert window.skill_indexes == [[2], []]


def test_windows_again_are_the_same(made):
    given = [{"item_id": f"i{1 + n % 9}", "skill_ids": ["k2", "k1"]} for n in range(9)]

    assert by_index(made(*given)) == by_index(made(*given))
