"""Blocks hold each target once, with all of the past that it may see, and batches hold blocks."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.knowledge_tracing.blocks import batch_of, batches_of, blocks_of, packed
from made_up_histories import made_up

sizes = {
    "lengths": st.lists(st.integers(0, 25), min_size=1, max_size=8),
    "targets": st.integers(1, 12),
    "context": st.integers(0, 12),
    "seed": st.integers(0, 1000),
}


def drawn(lengths, seed):
    """Histories in which responses see any part of what precedes them, and some chosen ones."""
    rng = np.random.default_rng(seed)
    position = np.concatenate([np.zeros(0, dtype=np.int64), *(np.arange(n) for n in lengths)])
    histories = made_up(lengths, visible=rng.integers(-1, position + 1))
    return histories, histories.asked & (rng.random(len(histories)) < 0.7)


def practice_and_test(practice, test):
    """One unit: practice sees what precedes it, and all of the test sees the practice."""
    visible = np.concatenate([np.arange(practice), np.full(test, practice)])
    return made_up((practice + test,), visible=visible)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(**sizes)
def test_blocks_of_every_chosen_response_is_in_one_block_of_its_own_segment(
    lengths, targets, context, seed
):
    histories, chosen = drawn(lengths, seed)

    blocks = blocks_of(histories, chosen, targets=targets, context=context)

    n_blocks = np.zeros(len(histories), dtype=np.int64)
    for first, end in zip(blocks.first, blocks.end, strict=True):
        assert 0 < end - first <= targets
        assert chosen[first:end].any()
        assert len(set(histories.segment[first:end])) == 1
        n_blocks[first:end] += 1
    assert (n_blocks[chosen] == 1).all()
    assert (n_blocks <= 1).all()


@settings(deadline=None, derandomize=True, max_examples=60)
@given(**sizes)
def test_blocks_of_past_reaches_from_the_context_of_each_target_to_what_it_may_see(
    lengths, targets, context, seed
):
    histories, chosen = drawn(lengths, seed)

    blocks = blocks_of(histories, chosen, targets=targets, context=context)

    for block in range(len(blocks)):
        inside = np.flatnonzero(chosen[blocks.first[block] : blocks.end[block]])
        for target in blocks.first[block] + inside:
            start = histories.offsets[histories.segment[target]]
            sees_until = start + histories.visible[target]
            assert start <= blocks.past[block] <= max(start, sees_until - context)
            assert sees_until <= blocks.past_end[block] <= target + targets


@settings(deadline=None, derandomize=True, max_examples=60)
@given(**sizes, tokens=st.integers(1, 80), mixed=st.booleans())
def test_batches_of_hold_each_chosen_response_once_within_the_budget(
    lengths, targets, context, seed, tokens, mixed
):
    histories, chosen = drawn(lengths, seed)
    blocks = blocks_of(histories, chosen, targets=targets, context=context)
    order = np.random.default_rng(seed) if mixed else None

    batches = list(batches_of(histories, chosen, blocks, tokens=tokens, order=order))

    asked = [batch.target[batch.chosen].tolist() for batch in batches]
    assert sorted(chain.from_iterable(asked)) == np.flatnonzero(chosen).tolist()
    for batch in batches:
        rows, longest = len(batch.target), max(batch.target.shape[1], batch.past.shape[1])
        assert rows == 1 or rows * longest <= tokens


@settings(deadline=None, derandomize=True, max_examples=60)
@given(**sizes)
def test_batch_of_visible_steps_are_the_last_ones_that_the_target_may_see(
    lengths, targets, context, seed
):
    histories, chosen = drawn(lengths, seed)
    blocks = blocks_of(histories, chosen, targets=targets, context=context)
    if not len(blocks):
        return

    batch = batch_of(histories, chosen, blocks, np.arange(len(blocks)))

    for row, column in np.argwhere(batch.chosen.numpy()):
        target, n = int(batch.target[row, column]), int(batch.visible[row, column])
        start = histories.offsets[histories.segment[target]]
        end = start + histories.visible[target]
        seen = batch.past[row, :n].tolist()
        assert seen == list(range(end - n, end))
        assert n >= min(context, histories.visible[target])
    assert not batch.visible[~batch.chosen].any()


def test_blocks_of_practice_and_test_the_whole_test_sees_the_same_steps():
    histories = practice_and_test(12, 7)
    chosen = np.arange(19) >= 12

    blocks = blocks_of(histories, chosen, targets=4, context=5)
    batch = batch_of(histories, chosen, blocks, np.arange(len(blocks)))

    assert batch.target[batch.chosen].tolist() == list(range(12, 19))
    assert blocks.past.tolist() == [7] * len(blocks)
    assert blocks.past_end.tolist() == [12] * len(blocks)
    assert set(batch.visible[batch.chosen].tolist()) == {5}


def test_blocks_of_context_alone_is_asked_of_nobody():
    histories = made_up((6, 3), visible=np.array([-1] * 6 + [0, 1, 2]))

    blocks = blocks_of(histories, histories.asked, targets=2, context=4)

    assert blocks.first.tolist() == [6, 8]
    assert blocks.end.tolist() == [8, 9]


def test_blocks_of_nothing_chosen_is_no_block_and_no_batch():
    histories = made_up((6, 3))
    nothing = np.zeros(9, dtype=bool)

    blocks = blocks_of(histories, nothing, targets=2, context=4)

    assert len(blocks) == 0
    assert list(batches_of(histories, nothing, blocks, tokens=10)) == []


def test_batch_of_shorter_rows_are_padded_and_not_chosen():
    histories = made_up((2, 5))
    blocks = blocks_of(histories, histories.asked, targets=9, context=9)

    batch = batch_of(histories, histories.asked, blocks, np.array([0, 1]))

    assert batch.target.shape == (2, 5)
    assert batch.past.shape == (2, 4)
    assert batch.chosen.sum(dim=1).tolist() == [2, 5]
    assert batch.visible[0].tolist() == [0, 1, 0, 0, 0]
    assert int(batch.past.max()) < len(histories)


def test_packed_without_an_order_goes_from_short_to_long():
    histories = made_up((9, 2, 6, 4, 2, 8))
    blocks = blocks_of(histories, histories.asked, targets=10, context=10)

    batches = packed(blocks, tokens=13)

    assert (np.diff(blocks.cost[np.concatenate(batches)]) >= 0).all()
    assert [len(batch) for batch in batches] == [3, 1, 1, 1]  # 2, 2, 4; 6; 8; 9


def test_packed_in_order_mixes_anew_each_time_and_repeats_with_the_seed():
    histories = made_up([5, 6, 7, 8] * 10)
    blocks = blocks_of(histories, histories.asked, targets=4, context=4)
    order = np.random.default_rng(3)

    first, second = (np.concatenate(packed(blocks, tokens=30, order=order)) for _ in range(2))

    again = np.concatenate(packed(blocks, tokens=30, order=np.random.default_rng(3)))
    assert sorted(first) == sorted(second) == list(range(len(blocks)))
    assert first.tolist() == again.tolist()
    assert first.tolist() != second.tolist()


def test_packed_a_block_beyond_the_budget_is_a_batch_of_its_own():
    histories = made_up((20, 1))
    blocks = blocks_of(histories, histories.asked, targets=20, context=5)

    assert [batch.tolist() for batch in packed(blocks, tokens=3)] == [[1], [0]]


@pytest.mark.parametrize("which", [[1], [2, 0]])
def test_batch_of_some_blocks_holds_their_targets_alone(which):
    histories = made_up((3, 4, 5))
    blocks = blocks_of(histories, histories.asked, targets=9, context=9)

    batch = batch_of(histories, histories.asked, blocks, np.array(which))

    expected = [list(range(*histories.offsets[[at, at + 1]])) for at in which]
    assert [row[kept].tolist() for row, kept in zip(batch.target, batch.chosen, strict=True)] == (
        expected
    )
