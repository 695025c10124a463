"""Rewards are for what was learnt; pending is not zero."""

import numpy as np
import pytest

from deepkt_irt.bandit.rewards import (
    NEUTRAL,
    learning_gain,
    less_gaming,
    target_success,
)
from deepkt_irt.settings import RewardSettings


def test_learning_gain_is_half_where_answers_were_as_expected_and_pending_without_probes():
    found = learning_gain(
        np.array([0.0, 0.2, -0.3, 0.9, 0.3]), np.array([3.0, 3.0, 3.0, 5.0, 2.0]), min_probes=3
    )

    assert found == pytest.approx([NEUTRAL, 0.7, 0.2, 1.0, np.nan], nan_ok=True)


def test_target_success_is_best_near_the_target_with_information():
    chance = np.linspace(0, 1, 101)

    found = target_success(chance, target=0.7)

    assert 0.5 < chance[np.argmax(found)] <= 0.7
    assert ((found >= 0) & (found <= 1)).all()
    assert np.isnan(target_success(np.array([np.nan]), target=0.7)).all()


def test_less_gaming_takes_off_only_where_it_was_seen_and_never_below_zero():
    settings = RewardSettings(gaming_penalty=0.25)
    reward = np.array([0.6, 0.6, 0.1, np.nan])

    found = less_gaming(reward, np.array([False, True, True, True]), settings)

    assert found == pytest.approx([0.6, 0.35, 0.0, np.nan], nan_ok=True)
