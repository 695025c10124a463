"""Windows as flat arrays: each event scored once, whatever the students are called."""

import numpy as np
import pandas as pd
import pytest

from deepkt_irt.knowledge_tracing.sequences import batch_of, batches, windows_in_order, windows_of

LENGTH, CONTEXT = 6, 4
SIZES = (1, 6, 7, 13)
SPLITS = ("train", "validation", "test", "train")


def window(student, items, correct, *, index=0, context=0, split="train", skills=None):
    return {
        "student_key": student,
        "window_index": index,
        "context_length": context,
        "split": split,
        "item_indexes": list(items),
        "skill_indexes": skills or [[1]] * len(items),
        "correct": list(correct),
    }


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


def test_scored_steps_of_all_windows_hold_every_event_once(frame):
    windows = windows_of(frame)
    everyone = np.arange(len(windows))

    scored = windows.item[windows.scored_steps(everyone)]

    assert sorted(scored) == list(range(1, sum(SIZES) + 1))
    assert len(windows.item) > len(scored)  # some stand in two windows


def test_scored_steps_follow_the_order_of_the_windows_asked(frame):
    windows = windows_of(frame)
    pair = np.array([3, 1])

    apart = [windows.scored_steps(pair[:1]), windows.scored_steps(pair[1:])]

    assert windows.scored_steps(pair).tolist() == np.concatenate(apart).tolist()
    assert len(windows.scored_steps(np.zeros(0, dtype=np.int64))) == 0


def test_of_split_holds_all_windows_of_its_students_and_no_others(frame):
    windows = windows_of(frame)

    found = {
        split: sorted(windows.item[windows.scored_steps(windows.of_split(split))])
        for split in ("train", "validation", "test")
    }

    assert found["validation"] == list(range(2, 8))
    assert found["test"] == list(range(8, 15))
    assert len(found["train"]) == 1 + 13


def test_windows_of_students_windows_follow_one_another_in_time(frame):
    windows = windows_of(frame.sample(frac=1, random_state=4))

    assert windows.student.tolist() == sorted(windows.student)
    for student in range(len(SIZES)):
        own = np.flatnonzero(windows.student == student)
        items = windows.item[windows.scored_steps(own)]
        assert items.tolist() == list(range(items[0], items[0] + len(items)))


def test_windows_of_other_pseudonyms_give_the_same_arrays(frame):
    plain, other = windows_of(frame), windows_of(renamed(frame, ["z", "b", "m", "a"]))

    assert other.digest == plain.digest
    assert other.student.tolist() == plain.student.tolist()
    assert other.split.tolist() == plain.split.tolist()


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
def test_windows_of_students_who_begin_alike_stay_in_order_under_other_pseudonyms(rows):
    frame = pd.DataFrame(rows)

    assert windows_of(renamed(frame, ["b", "a"])).digest == windows_of(frame).digest


@pytest.mark.parametrize(
    "change",
    [
        {"item_indexes": [1, 9]},
        {"correct": [1, 1]},
        {"skill_indexes": [[1], [2]]},
        {"split": "test"},
        {"context_length": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_digest_names_the_content(change):
    row = window("a", [1, 2], [1, 0])

    assert windows_of(pd.DataFrame([row | change])).digest != windows_of(pd.DataFrame([row])).digest


def test_windows_in_order_keeps_the_order_of_the_rows():
    rows = [window("b", [5], [1]), window("b", [6], [0], index=1), window("a", [4], [1])]

    windows = windows_in_order(pd.DataFrame(rows))

    assert windows.item.tolist() == [5, 6, 4]
    assert windows.student.tolist() == [0, 0, 1]


def test_windows_of_steps_with_fewer_skills_are_filled_with_zero():
    windows = windows_of(
        pd.DataFrame([window("a", [1, 2, 3], [1, 0, 1], skills=[[2, 3], [], [1]])])
    )

    assert windows.skills.tolist() == [[2, 3], [0, 0], [1, 0]]


def test_windows_of_student_without_a_history_is_an_empty_window():
    windows = windows_of(pd.DataFrame([window("a", [], [])]))

    assert windows.lengths.tolist() == [0]
    assert windows.skills.shape == (0, 1)


def test_batch_of_pads_short_windows_with_nothing_to_score(frame):
    windows = windows_of(frame)
    short, long = int(windows.lengths.argmin()), int(windows.lengths.argmax())

    batch = batch_of(windows, np.array([short, long]))

    n = windows.lengths[short]
    assert batch.item.shape == (2, windows.lengths[long])
    assert batch.valid.sum(dim=1).tolist() == windows.lengths[[short, long]].tolist()
    for part in (batch.item, batch.skills, batch.correct, batch.scored):
        assert not part[0, n:].any()


def test_batch_of_holds_each_windows_own_steps_and_scores_no_context(frame):
    windows = windows_of(frame)
    everyone = np.arange(len(windows))

    batch = batch_of(windows, everyone)

    assert batch.item[batch.valid].tolist() == windows.item.tolist()
    assert batch.correct[batch.valid].tolist() == windows.correct.tolist()
    scored = windows.scored_steps(everyone)
    assert batch.item[batch.scored].tolist() == windows.item[scored].tolist()


def test_batches_hold_every_window_once_and_the_shortest_together(frame):
    windows = windows_of(frame)
    chosen = np.flatnonzero(windows.split != "test")

    groups = batches(windows, chosen, size=2)

    together = np.concatenate(groups)
    assert sorted(together) == chosen.tolist()
    assert [len(group) for group in groups[:-1]] == [2] * (len(groups) - 1)
    assert (np.diff(windows.lengths[together]) >= 0).all()
