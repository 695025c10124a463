"""Lines between scales: exact on curves without error, least squares, errors, unusual items."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.quadrature import nodes, prior_weights
from deepkt_irt.irt.transformation import (
    error_after_screening,
    linked_items,
    mean_mean,
    mean_sigma,
    robust_z,
    stocking_lord,
)

NAMES = ["mean_mean", "mean_sigma", "stocking_lord"]


def fit(name, old, new):
    if name == "stocking_lord":
        return stocking_lord(old, new, population_mean=0.0, population_sd=1.0)
    return {"mean_mean": mean_mean, "mean_sigma": mean_sigma}[name](old, new)


def mixed_items(n_items=40, seed=1):
    """Items with one or two steps, some with guessing."""
    rng = np.random.default_rng(seed)
    b = rng.normal(size=n_items)
    graded = np.arange(n_items) % 4 == 0
    second = np.where(graded, b + rng.uniform(0.3, 1.5, n_items), np.nan)
    guessing = np.where(np.arange(n_items) % 4 == 1, 0.2, 0.0)
    return ItemParameters(np.stack([b, second], axis=1), rng.lognormal(0, 0.3, n_items), guessing)


def disturbed(items, *, error=0.1, seed=2):
    rng = np.random.default_rng(seed)
    shift = error * rng.normal(size=(len(items), 1))
    slope = items.slope * np.exp(error * rng.normal(size=len(items)))
    return ItemParameters(items.thresholds + shift, slope, items.guessing)


def on_new_scale(items, *, slope, intercept):
    """The items as a calibration would find them whose scale the line maps to theirs."""
    return linked_items(items, slope=1 / slope, intercept=-intercept / slope)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (1.4, -0.7), (0.6, 1.1)])
def test_line_between_curves_without_error_is_found_exactly(name, slope, intercept):
    old = mixed_items()

    line = fit(name, old, on_new_scale(old, slope=slope, intercept=intercept))

    assert line.slope == pytest.approx(slope, abs=1e-6)
    assert line.intercept == pytest.approx(intercept, abs=1e-6)
    np.testing.assert_allclose(line.covariance, 0, atol=1e-9)


@settings(deadline=None, derandomize=True)
@given(theta=st.floats(-5, 5), slope=st.floats(0.3, 3), intercept=st.floats(-3, 3))
def test_linked_items_have_the_same_chances_at_linked_abilities(theta, slope, intercept):
    items = mixed_items(6)

    linked = linked_items(items, slope=slope, intercept=intercept)

    np.testing.assert_allclose(
        linked.probabilities(slope * theta + intercept), items.probabilities(theta), atol=1e-12
    )
    assert (linked.guessing == items.guessing).all()


def test_mean_mean_of_items_of_one_slope_keeps_their_unit_exactly():
    rng = np.random.default_rng(3)
    b = rng.normal(size=20)
    old = ItemParameters.dichotomous(b)
    new = ItemParameters.dichotomous(b - 0.4 + 0.1 * rng.normal(size=20))

    line = mean_mean(old, new)

    assert line.slope == 1.0
    assert line.intercept == pytest.approx((old.difficulty - new.difficulty).mean())
    assert line.covariance[0, 0] == 0


def test_stocking_lord_is_the_least_distance_of_the_test_curves():
    old = mixed_items()
    new = disturbed(on_new_scale(old, slope=1.2, intercept=0.3))
    z = nodes(81, 5.0)
    theta, weight = 0.5 + 1.5 * z, prior_weights(z)
    wanted = old.expected_score(theta).sum(axis=1)

    def distance(slope, intercept):
        linked = linked_items(new, slope=slope, intercept=intercept)
        return weight @ (linked.expected_score(theta).sum(axis=1) - wanted) ** 2

    line = stocking_lord(old, new, population_mean=0.5, population_sd=1.5)

    least = distance(line.slope, line.intercept)
    for step in (0.01, 0.1):
        for turn in np.linspace(0, 2 * np.pi, 16):
            around = distance(
                line.slope + step * np.cos(turn), line.intercept + step * np.sin(turn)
            )
            assert around > least


def test_stocking_lord_depends_on_where_the_students_are():
    old = mixed_items()
    new = disturbed(on_new_scale(old, slope=1.2, intercept=0.3))

    low = stocking_lord(old, new, population_mean=-1.5, population_sd=0.5)
    high = stocking_lord(old, new, population_mean=1.5, population_sd=0.5)

    assert low.intercept != pytest.approx(high.intercept, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_errors_of_a_line_are_those_of_the_jackknife(name):
    old = mixed_items(40)
    new = disturbed(on_new_scale(old, slope=1.3, intercept=0.5), error=0.2)
    without = []
    for item in range(40):
        others = np.arange(40) != item
        line = fit(name, old.take(others), new.take(others))
        without.append((line.slope, line.intercept))
    centred = np.array(without) - np.mean(without, axis=0)
    jackknife = 39 / 40 * centred.T @ centred

    line = fit(name, old, new)

    np.testing.assert_allclose(line.covariance, jackknife, rtol=0.2, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_line_needs_the_same_calibrated_items_on_both_sides(name):
    old = mixed_items(5)
    unknown = ItemParameters.dichotomous([0.0, np.nan])

    with pytest.raises(ValueError, match="5 old and 4 new"):
        fit(name, old, old.take(np.arange(4)))
    with pytest.raises(ValueError, match="2 or more"):
        fit(name, old.take(np.arange(1)), old.take(np.arange(1)))
    with pytest.raises(ValueError, match="no curve"):
        fit(name, unknown, unknown)


@pytest.mark.parametrize("name", ["mean_sigma", "stocking_lord"])
def test_items_of_one_difficulty_give_no_unit(name):
    same = ItemParameters.dichotomous([0.4, 0.4, 0.4], [0.8, 1.0, 1.3])

    with pytest.raises(ValueError, match="one difficulty"):
        fit(name, same, mixed_items(3))


def test_robust_z_of_equal_errors_is_distance_from_the_median_over_the_quartiles():
    difference = np.array([0.0, 1.0, 2.0, 3.0, 14.0, np.nan])  # quartiles 1 and 3

    z = robust_z(difference, np.full(6, 0.1))

    np.testing.assert_allclose(z, np.append((difference[:5] - 2) / (0.74 * 2), np.nan))


def test_robust_z_of_items_within_their_own_errors_is_small_however_close_the_others_are():
    difference = np.array([0.0, 0.001, -0.001, 0.002, 0.3])

    assert abs(robust_z(difference, np.full(5, 0.2))[-1]) == pytest.approx(1.5, abs=0.01)
    assert abs(robust_z(difference, np.full(5, 0.02))[-1]) > 10


def test_robust_z_forgives_an_uncertain_item_what_it_does_not_forgive_a_certain_one():
    difference = np.array([-0.2, -0.1, 0.0, 0.1, 0.2, 1.0, 1.0])

    z = robust_z(difference, np.array([0.1] * 5 + [0.1, 0.8]))

    assert z[5] > 2.7 > z[6]


def test_robust_z_of_nothing_is_nothing():
    assert np.isnan(robust_z(np.full(3, np.nan), np.ones(3))).all()


@pytest.mark.parametrize("cut", [2.0, 2.7])
def test_error_after_screening_is_that_of_the_mean_of_what_is_left(cut):
    draws = np.random.default_rng(5).normal(size=(1500, 300))
    kept = np.abs(draws) < cut
    n = kept.sum(axis=1)
    mean = (draws * kept).sum(axis=1) / n
    for _ in range(12):  # screened about the mean of what is left, until that is stable
        kept = np.abs(draws - mean[:, None]) < cut
        n = kept.sum(axis=1)
        mean = (draws * kept).sum(axis=1) / n
    left = np.where(kept, draws - mean[:, None], 0.0)
    shown = np.sqrt((left**2).sum(axis=1) / n) / np.sqrt(n)

    assert mean.std() / shown.mean() == pytest.approx(error_after_screening(cut), rel=0.08)


def test_error_after_screening_without_a_cut_is_the_error_shown():
    assert error_after_screening(50.0) == pytest.approx(1.0)
