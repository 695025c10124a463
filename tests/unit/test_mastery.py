"""Reference items, and how sure a mastery is."""

import numpy as np
import pandas as pd
import pytest

from deepkt_irt.gold.mastery import mastery_interval, reference_items, spread_items

ITEMS = pd.DataFrame(
    {
        "skill_index": [1] * 5 + [2],
        "item_index": [1, 2, 3, 4, 5, 6],
        "difficulty": [-2.0, -1.0, 0.0, 1.5, np.nan, np.nan],
    }
)


def test_reference_items_lie_nearest_the_skills_median_and_prefer_calibrated_ones():
    assert reference_items(ITEMS, per_skill=2) == {1: [2, 3], 2: [6]}


def test_spread_items_cover_the_range_of_difficulty():
    assert spread_items(ITEMS.dropna(), per_skill=2) == {1: [1, 4]}


def test_mastery_interval_narrows_with_responses_and_holds_the_mastery():
    mastery = np.array([0.7, 0.7, 0.999, 0.0])
    low, high = mastery_interval(mastery, np.array([2.0, 50.0, 1.0, 1.0]))

    assert (low <= mastery).all()
    assert (mastery <= high).all()
    assert high[1] - low[1] < high[0] - low[0]
    assert (low >= 0).all()
    assert (high <= 1).all()


def test_mastery_interval_of_few_answers_is_never_sure_at_the_ends():
    low, high = mastery_interval(np.array([0.0, 1.0, 0.001]), np.array([5.0, 5.0, 3.0]))

    # a uniform prior and five answers, all wrong: 1 - 0.025 ** (1 / 6)
    assert high[0] == pytest.approx(0.4593, abs=1e-4)
    assert low[1] == pytest.approx(1 - 0.4593, abs=1e-4)
    assert high[2] > 0.5


def test_mastery_interval_with_nothing_seen_rules_nothing_out():
    low, high = mastery_interval(np.array([0.5]), np.array([0.0]))

    assert (low[0], high[0]) == pytest.approx((0.025, 0.975))
