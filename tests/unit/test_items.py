"""Calibrated items: what follows from their curves, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.response import probability_3pl

PROPERTY = settings(deadline=None, derandomize=True)
THETA = np.linspace(-4, 4, 33)
RISING = st.lists(st.floats(-4, 4), min_size=1, max_size=4, unique_by=lambda b: round(b, 1)).map(
    sorted
)


@pytest.fixture
def bank():
    """A 1PL, a 3PL, an item that was not calibrated, and one with three score levels."""
    return ItemParameters(
        thresholds=np.array([[0.5, np.nan], [-1.0, np.nan], [np.nan, np.nan], [-0.4, 1.2]]),
        slope=np.array([1.0, 1.7, 1.0, 0.8]),
        guessing=np.array([0.0, 0.2, 0.0, 0.0]),
    )


def test_dichotomous_missing_slope_is_one_and_missing_guessing_none():
    items = ItemParameters.dichotomous([0.5, -1.0], [np.nan, 1.7], [0.1, np.nan])

    assert items.slope.tolist() == [1.0, 1.7]
    assert items.guessing.tolist() == [0.1, 0.0]
    assert items.thresholds.tolist() == [[0.5], [-1.0]]


def test_dichotomous_one_item_needs_no_array():
    assert len(ItemParameters.dichotomous(0.3)) == 1


def test_steps_difficulty_and_calibration_follow_from_the_thresholds(bank):
    assert len(bank) == 4
    assert bank.n_steps.tolist() == [1, 1, 0, 2]
    assert bank.is_calibrated.tolist() == [True, True, False, True]
    np.testing.assert_allclose(bank.difficulty, [0.5, -1.0, np.nan, 0.4])


def test_expected_score_of_right_or_wrong_items_is_the_3pl(bank):
    found = bank.expected_score(THETA)

    assert found.shape == (33, 4)
    np.testing.assert_allclose(found[:, 0], probability_3pl(THETA, 1.0, 0.5))
    np.testing.assert_allclose(found[:, 1], probability_3pl(THETA, 1.7, -1.0, 0.2))


def test_expected_score_of_a_graded_item_is_the_mean_of_its_step_curves(bank):
    steps = probability_3pl(THETA, 0.8, -0.4) + probability_3pl(THETA, 0.8, 1.2)

    np.testing.assert_allclose(bank.expected_score(THETA)[:, 3], steps / 2)


def test_information_of_right_or_wrong_items_is_that_of_the_3pl(bank):
    found = bank.information(THETA)

    p = probability_3pl(THETA, 1.0, 0.5)
    np.testing.assert_allclose(found[:, 0], p * (1 - p))
    p = probability_3pl(THETA, 1.7, -1.0, 0.2)
    expected = 1.7**2 * (1 - p) / p * ((p - 0.2) / 0.8) ** 2  # Lord (1980), equation 5-9
    np.testing.assert_allclose(found[:, 1], expected, rtol=1e-9)


@PROPERTY
@given(thresholds=RISING, slope=st.floats(0.3, 2.5), theta=st.floats(-5, 5))
def test_information_is_the_sum_of_squared_changes_over_the_chances(thresholds, slope, theta):
    items = ItemParameters(np.array([thresholds]), np.array([slope]), np.zeros(1))
    h = 1e-5
    change = (items.probabilities(theta + h) - items.probabilities(theta - h)) / (2 * h)
    p = items.probabilities(theta)

    expected = (change**2 / p).sum()
    np.testing.assert_allclose(items.information(theta), expected, rtol=1e-4, atol=1e-9)


def test_information_grows_with_every_score_level_told_apart():
    coarse = ItemParameters(np.array([[0.0]]), np.array([1.2]), np.zeros(1))
    fine = ItemParameters(np.array([[-1.0, 0.0, 1.0]]), np.array([1.2]), np.zeros(1))

    assert (fine.information(THETA) > coarse.information(THETA)).all()


def test_an_item_that_was_not_calibrated_stays_unknown_in_everything(bank):
    for found in (
        bank.probabilities(THETA)[:, 2],
        bank.expected_score(THETA)[:, 2],
        bank.information(THETA)[:, 2],
    ):
        assert np.isnan(found).all()
    assert np.isfinite(bank.information(THETA)[:, [0, 1, 3]]).all()


def test_levels_an_item_does_not_have_are_impossible(bank):
    p = bank.probabilities(THETA)

    assert (p[:, :2, 2] == 0).all()
    np.testing.assert_allclose(p[:, [0, 1, 3]].sum(axis=-1), 1)


def test_take_keeps_the_order_asked_for_and_repeats(bank):
    taken = bank.take(np.array([3, 0, 0]))

    assert taken.slope.tolist() == [0.8, 1.0, 1.0]
    np.testing.assert_allclose(taken.difficulty, [0.4, 0.5, 0.5])
    np.testing.assert_allclose(taken.information(0.2), bank.information(0.2)[[3, 0, 0]])


def test_take_by_mask_leaves_items_out(bank):
    assert bank.take(bank.is_calibrated).guessing.tolist() == [0.0, 0.2, 0.0]


@pytest.mark.parametrize(
    ("thresholds", "slope", "guessing", "message"),
    [
        ([0.0, 1.0], [1.0, 1.0], [0.0, 0.0], "shape"),
        (np.empty((2, 0)), [1.0, 1.0], [0.0, 0.0], "shape"),
        ([[0.0], [1.0]], [1.0], [0.0, 0.0], "length"),
        ([[0.0], [1.0]], [1.0, 1.0], [0.0], "length"),
        ([[0.0]], [0.0], [0.0], "above 0"),
        ([[0.0]], [-1.0], [0.0], "above 0"),
        ([[0.0]], [1.0], [-0.1], "guessing"),
        ([[0.0]], [1.0], [1.0], "guessing"),
    ],
)
def test_impossible_parameters_are_refused(thresholds, slope, guessing, message):
    with pytest.raises(ValueError, match=message):
        ItemParameters(np.array(thresholds), np.array(slope), np.array(guessing))


def test_placed_items_have_another_order_and_none_where_there_is_none():
    items = ItemParameters.dichotomous([0.5, -1.0], [2.0, np.nan], [np.nan, 0.2])

    found = items.placed(np.array([1, -1, 0, 1]))

    assert found.difficulty.tolist()[::2] == [-1.0, 0.5]
    assert found.is_calibrated.tolist() == [True, False, True, True]
    assert found.guessing.tolist() == [0.2, 0.0, 0.0, 0.2]
    assert not ItemParameters.dichotomous([]).placed(np.array([-1, -1])).is_calibrated.any()


def test_paired_is_the_diagonal_of_all_abilities_by_all_items():
    items = ItemParameters.dichotomous([0.5, -1.0, 0.0], [2.0, 1.0, 0.7], [0.2, np.nan, np.nan])
    theta = np.array([0.3, -0.4, 1.5])

    score, information = items.paired(theta)

    assert score == pytest.approx(np.diag(items.expected_score(theta)))
    assert information == pytest.approx(np.diag(items.information(theta)))
