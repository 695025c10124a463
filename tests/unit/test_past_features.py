"""Features of the past against a double loop over responses, and what they must not hold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.knowledge_tracing.past_features import (
    DECAYS_OVERALL,
    DECAYS_SAME,
    N_FEATURES,
    PRIOR_ALL,
    PRIOR_RECENT,
    past_features,
)
from made_up_histories import ITEM_SKILLS, edited, made_up


def drawn(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 14, 5)
    position = np.concatenate([np.arange(n) for n in lengths])
    item = rng.integers(0, 6, len(position))
    visible = rng.integers(-1, position + 1)
    histories = made_up(lengths, seed=seed, item=item, skills=ITEM_SKILLS[item], visible=visible)
    return histories, rng.uniform(0.05, 0.95, len(position))


def on_key(histories, chance, at, key_of, decays):
    """Features of one response on one key, and of how long ago it was met."""
    start = histories.offsets[histories.segment[at]]
    end = start + histories.visible[at]
    met = [past for past in range(start, end) if key_of(past)]
    right = sum(int(histories.correct[past]) for past in met)
    surprise = [histories.correct[past] - chance[past] for past in met]
    information = [chance[past] * (1 - chance[past]) for past in met]
    features = [
        np.log(1 + right),
        np.log(1 + len(met) - right),
        sum(surprise) / (sum(information) + PRIOR_ALL),
    ]
    for decay in decays:
        weights = [decay ** (len(met) - 1 - place) for place in range(len(met))]
        recent = sum(w * s for w, s in zip(weights, surprise, strict=True))
        weight = sum(w * i for w, i in zip(weights, information, strict=True))
        features.append(recent / (weight + PRIOR_RECENT))
    lag = end - met[-1] if met else 0
    return features, [1 / lag if met else 0.0, np.log(1 + lag) / 4]


def by_loop(histories, chance, at):
    overall, _ = on_key(histories, chance, at, lambda past: True, DECAYS_OVERALL)
    same_skill = np.zeros(5 + len(DECAYS_SAME))
    own = [skill for skill in histories.skills[at] if skill > 0]
    for skill in own:
        parts = on_key(
            histories, chance, at, lambda past, s=skill: s in histories.skills[past], DECAYS_SAME
        )
        same_skill += np.concatenate(parts) / len(own)
    item = histories.item[at]
    same_item = np.zeros(5 + len(DECAYS_SAME))
    if item > 0:
        parts = on_key(
            histories, chance, at, lambda past: histories.item[past] == item, DECAYS_SAME
        )
        same_item = np.concatenate(parts)
    return np.concatenate([overall, same_skill, same_item])


@settings(deadline=None, derandomize=True, max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_past_features_equal_a_double_loop(seed):
    histories, chance = drawn(seed)

    found = past_features(histories, histories.asked, chance)

    asked = np.flatnonzero(histories.asked)
    assert found.shape == (len(asked), N_FEATURES)
    for row, at in enumerate(asked):
        np.testing.assert_allclose(found[row], by_loop(histories, chance, at), atol=2e-5)


def test_past_features_of_some_are_those_of_all():
    histories, chance = drawn(4)
    some = histories.asked & (np.arange(len(histories)) % 3 == 0)

    found = past_features(histories, some, chance)

    everyone = past_features(histories, histories.asked, chance)
    np.testing.assert_array_equal(found, everyone[some[histories.asked]])


@pytest.mark.parametrize("visible", [0, 3, 8])
def test_past_features_see_none_of_what_is_not_visible(visible):
    histories = made_up((15,), visible=np.array([-1] * 10 + [visible] * 5))
    chance = np.full(15, 0.4)
    chosen = np.arange(15) == 12
    hidden = np.setdiff1d(np.arange(visible, 15), [12])
    other = edited(histories, hidden)
    other.correct[12] = 1 - histories.correct[12]
    other_chance = chance.copy()
    other_chance[np.append(hidden, 12)] = 0.9

    found = past_features(other, chosen, other_chance)

    np.testing.assert_array_equal(found, past_features(histories, chosen, chance))
    assert visible == 0 or found.any()


def test_past_features_do_not_see_other_segments_of_the_same_student():
    histories = made_up((8, 8), student=np.array([0, 0]))
    chance = np.full(16, 0.4)
    second = np.arange(16) >= 8

    found = past_features(edited(histories, np.arange(8)), second, chance)

    np.testing.assert_array_equal(found, past_features(histories, second, chance))
    assert not found[0].any()


def test_past_features_move_with_a_visible_answer():
    histories = made_up((6,))
    chance = np.full(6, 0.4)
    last = np.arange(6) == 5
    correct = histories.correct.copy()
    correct[2] = 1 - correct[2]

    moved = past_features(replace(histories, correct=correct), last, chance)

    assert np.abs(moved - past_features(histories, last, chance)).max() > 0.1


def test_past_features_of_context_are_refused():
    histories = made_up((3,), visible=np.array([-1, 1, 2]))

    with pytest.raises(ValueError, match="context"):
        past_features(histories, np.ones(3, dtype=bool), np.full(3, 0.5))


def test_past_features_with_a_mask_of_another_length_are_refused():
    with pytest.raises(ValueError, match="3 responses"):
        past_features(made_up((3,)), np.ones(2, dtype=bool), np.full(3, 0.5))
