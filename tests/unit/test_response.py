"""Laws of the item response functions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from deepkt_irt.irt.response import level_probabilities, probability_3pl

PROPERTY = settings(deadline=None, derandomize=True)
ABILITIES = st.floats(-30, 30)
SLOPES = st.floats(0.05, 5)
GUESSING = st.floats(0, 0.9)
RISING = st.lists(st.floats(-8, 8), min_size=1, max_size=5, unique=True).map(sorted)


@pytest.mark.parametrize("c", [0.0, 0.2])
def test_probability_at_the_difficulty_lies_halfway(c):
    assert probability_3pl(0.7, 1.3, 0.7, c) == pytest.approx((1 + c) / 2)


def test_probability_rises_with_ability_and_stays_between_guessing_and_one():
    p = probability_3pl(np.linspace(-8, 8, 50), 1.2, 0.0, 0.25)

    assert (np.diff(p) > 0).all()
    assert p.min() > 0.25
    assert p.max() < 1


@PROPERTY
@given(theta=ABILITIES, a=SLOPES, thresholds=RISING)
def test_level_probabilities_sum_to_one_and_none_is_negative(theta, a, thresholds):
    p = level_probabilities(theta, a, thresholds)

    assert p.shape == (len(thresholds) + 1,)
    assert (p >= 0).all()
    assert p.sum() == pytest.approx(1, abs=1e-12)


@PROPERTY
@given(theta=ABILITIES, a=SLOPES, b=st.floats(-8, 8), c=GUESSING)
def test_level_probabilities_of_one_step_are_those_of_the_3pl(theta, a, b, c):
    wrong, right = level_probabilities(theta, a, [b], c)

    assert right == pytest.approx(float(probability_3pl(theta, a, b, c)), abs=1e-12)
    assert wrong + right == pytest.approx(1, abs=1e-12)


@PROPERTY
@given(theta=ABILITIES, a=SLOPES, thresholds=RISING)
def test_level_probabilities_add_up_to_the_curve_of_each_step(theta, a, thresholds):
    p = level_probabilities(theta, a, thresholds)

    reached = p[::-1].cumsum()[::-1][1:]  # P(level >= k)
    np.testing.assert_allclose(reached, expit(a * (theta - np.array(thresholds))), atol=1e-12)
    assert (np.diff(reached) <= 1e-12).all()  # a higher step is harder


@PROPERTY
@given(a=st.floats(0.2, 3), thresholds=RISING, low=st.floats(-6, 6), gain=st.floats(0.01, 3))
def test_level_probabilities_a_better_student_scores_higher(a, thresholds, low, gain):
    worse, better = level_probabilities([low, low + gain], a, thresholds)

    # every level is reached with at least the same chance
    assert (better[::-1].cumsum() >= worse[::-1].cumsum() - 1e-12).all()


@PROPERTY
@given(theta=ABILITIES, a=SLOPES, thresholds=RISING, beyond=st.integers(1, 3))
def test_level_probabilities_beyond_the_steps_of_an_item_are_zero(theta, a, thresholds, beyond):
    padded = level_probabilities(theta, a, [*thresholds, *[np.nan] * beyond])

    expected = level_probabilities(theta, a, thresholds)
    np.testing.assert_allclose(padded[: len(expected)], expected, atol=1e-12)
    assert (padded[len(expected) :] == 0).all()


def test_level_probabilities_without_a_threshold_are_unknown():
    p = level_probabilities([0.0, 0.0], [1.0, 1.0], [[np.nan, np.nan], [0.0, np.nan]])

    assert np.isnan(p[0]).all()
    np.testing.assert_allclose(p[1], [0.5, 0.5, 0.0])


def test_level_probabilities_broadcast_over_abilities_and_items():
    theta = np.array([[-1.0], [0.0], [2.0]])
    a, b = np.array([0.8, 1.5]), np.array([[-1.0, 0.5], [0.0, 1.0]])

    p = level_probabilities(theta, a, b)

    assert p.shape == (3, 2, 3)
    np.testing.assert_allclose(p[2, 1], level_probabilities(2.0, 1.5, [0.0, 1.0]))


@pytest.mark.parametrize("theta", [-800.0, 800.0])
def test_level_probabilities_far_off_are_certain_without_overflow(theta):
    p = level_probabilities(theta, 3.0, [-1.0, 1.0])

    assert p.tolist() == ([1, 0, 0] if theta < 0 else [0, 0, 1])


def test_level_probabilities_keep_the_small_chance_of_a_wrong_answer():
    """1 - P would be 0 at this distance."""
    wrong, right = level_probabilities(50.0, 1.0, [0.0])

    assert right == 1
    assert wrong == pytest.approx(np.exp(-50.0))
