"""Counts of the visible past against a double loop over responses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.knowledge_tracing.histories import Histories
from deepkt_irt.knowledge_tracing.past_counts import (
    past_counts,
    running_sums,
    share_of_last,
)

DECAY = 0.7


def drawn(seed, *, n_segments=5, longest=12):
    """Histories of few items and skills, some responses context, some seeing less than all."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, longest, n_segments))])
    n = int(offsets[-1])
    position = np.arange(n) - np.repeat(offsets[:-1], np.diff(offsets))
    first, second = rng.integers(0, 4, n), rng.integers(0, 4, n)
    skills = np.sort(np.stack([first, np.where(first == second, 0, second)], axis=1))[:, ::-1]
    return Histories.of(
        offsets=offsets,
        item=rng.integers(0, 4, n),
        skills=skills,
        correct=rng.integers(0, 2, n),
        visible=rng.integers(-1, position + 1),
        student=np.zeros(n_segments, dtype=np.int64),
    )


def by_loop(histories, keys, at, key):
    """Successes, failures and decayed share on a key among the visible responses of one."""
    start = histories.offsets[histories.segment[at]]
    answers = [
        int(histories.correct[past])
        for past in range(start, start + histories.visible[at])
        if key > 0 and key in keys[past]
    ]
    weights = [DECAY**age for age in range(len(answers))][::-1]
    recent = np.average(answers, weights=weights) if answers else np.nan
    return sum(answers), len(answers) - sum(answers), recent


@settings(deadline=None, derandomize=True, max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_past_counts_equal_a_double_loop(seed):
    histories = drawn(seed)
    asked = np.flatnonzero(histories.asked)

    found = past_counts(histories, histories.asked, decay=DECAY)

    everything = np.ones((len(histories), 1))
    for row, at in enumerate(asked):
        cases = [
            (found.overall, (row,), everything, 1),
            (found.item, (row,), histories.item[:, None], histories.item[at]),
            *(
                (found.skill, (row, column), histories.skills, histories.skills[at, column])
                for column in range(2)
            ),
        ]
        for counts, place, keys, key in cases:
            expected = by_loop(histories, keys, at, key)
            got = counts.successes[place], counts.failures[place], counts.recent[place]
            np.testing.assert_allclose(got, expected)


def test_past_counts_decay_reaches_over_long_runs():
    n = 700
    histories = Histories.of(
        offsets=np.array([0, n]),
        item=np.ones(n, dtype=np.int64),
        skills=np.zeros((n, 1), dtype=np.int64),
        correct=(np.arange(n) % 3 == 0).astype(np.int64),
    )

    found = past_counts(histories, histories.asked, decay=0.99).item.recent[-1]

    weights = 0.99 ** np.arange(n - 1)[::-1]
    assert found == pytest.approx(np.average(histories.correct[:-1], weights=weights))


def test_past_counts_unknown_item_and_no_skill_match_nothing():
    histories = Histories.of(
        offsets=np.array([0, 3]),
        item=np.array([0, 0, 0]),
        skills=np.zeros((3, 2), dtype=np.int64),
        correct=np.array([1, 1, 0]),
    )

    found = past_counts(histories, histories.asked)

    assert found.item.total.tolist() == [0, 0, 0]
    assert not found.skill.total.any()
    assert np.isnan(found.item.recent).all()
    assert found.overall.successes.tolist() == [0, 1, 2]


def test_past_counts_of_no_chosen_response_are_empty():
    histories = drawn(1)

    found = past_counts(histories, np.zeros(len(histories), dtype=bool))

    assert found.overall.total.shape == (0,)
    assert found.skill.total.shape == (0, 2)


def test_past_counts_of_context_are_refused():
    histories = drawn(1)

    with pytest.raises(ValueError, match="context"):
        past_counts(histories, np.ones(len(histories), dtype=bool))


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, float("nan")])
def test_past_counts_impossible_decay_is_refused(decay):
    histories = drawn(1)

    with pytest.raises(ValueError, match="decay"):
        past_counts(histories, histories.asked, decay=decay)


def test_past_counts_mask_of_other_responses_is_refused():
    with pytest.raises(ValueError, match="chosen"):
        past_counts(drawn(1), np.ones(2, dtype=bool))


def test_share_of_last_counts_visible_responses_and_leaves_out_unknown_values():
    histories = Histories.of(
        offsets=np.array([0, 1, 6]),
        item=np.ones(6, dtype=np.int64),
        skills=np.zeros((6, 1), dtype=np.int64),
        correct=np.zeros(6, dtype=np.int64),
        visible=np.array([0, 0, 1, 2, 2, 4]),
    )
    values = np.array([9.0, 1.0, np.nan, 4.0, 6.0, 9.0])

    found = share_of_last(histories, histories.asked, values, last=2)

    # the last sees 1, unknown, 4, 6; the one before sees 1, unknown
    np.testing.assert_allclose(found, [np.nan, np.nan, 1.0, 1.0, 1.0, 5.0])


def test_running_sums_of_a_stretch_do_not_depend_on_what_comes_before():
    rng = np.random.default_rng(1)
    stretch = rng.normal(size=50)

    first, second = (
        running_sums(np.concatenate([before, stretch]))
        for before in (rng.normal(size=1000), 1e4 * rng.normal(size=1000))
    )

    np.testing.assert_array_equal(first[1000:] - first[1000], second[1000:] - second[1000])
    np.testing.assert_allclose(first[-1] - first[1000], stretch.sum(), atol=1e-5)
