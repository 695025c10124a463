"""Links: who is an anchor, what is refused, what a link does, and how calibrations compare."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.linking import Estimates, Link, link
from deepkt_irt.irt.multiple_testing import benjamini_hochberg
from deepkt_irt.irt.stability import stability
from deepkt_irt.irt.transformation import linked_items
from deepkt_irt.settings import LinkingSettings

SLOPE, INTERCEPT = 1.3, -0.6


def estimates(items, *, difficulty_se=0.1, slope_se=0.1, covariance=None):
    n = len(items)
    return Estimates(
        items,
        np.broadcast_to(np.float64(difficulty_se), n).copy(),
        np.broadcast_to(np.float64(slope_se), n).copy(),
        None if covariance is None else np.broadcast_to(np.float64(covariance), n).copy(),
    )


def two_pl(n_items=30, *, seed=1):
    rng = np.random.default_rng(seed)
    return ItemParameters.dichotomous(rng.normal(size=n_items), rng.lognormal(0, 0.3, n_items))


def one_pl(difficulty):
    return estimates(ItemParameters.dichotomous(difficulty), slope_se=np.nan)


def as_new(items):
    """The items on the scale of a new calibration."""
    return linked_items(items, slope=1 / SLOPE, intercept=-INTERCEPT / SLOPE)


def moved(items, by):
    return replace(items, thresholds=items.thresholds + np.asarray(by)[:, None])


def linked(old, new, settings=None):
    return link(
        old,
        new,
        settings=settings or LinkingSettings(),
        population_mean=0.0,
        population_sd=1.0,
    )


# the link


@pytest.mark.parametrize("method", ["stocking_lord", "mean_sigma"])
def test_link_finds_the_scale_by_the_method_asked_for(method):
    old = estimates(two_pl())

    found = linked(old, estimates(as_new(old.items)), LinkingSettings(method=method))

    assert found.method == method
    assert found.slope == pytest.approx(SLOPE, abs=1e-6)
    assert found.intercept == pytest.approx(INTERCEPT, abs=1e-6)
    assert found.anchors.all()
    assert not found.screened.any()
    assert found.correlation == pytest.approx(1)
    assert found.sd_ratio == pytest.approx(1)
    assert found.refusal is None


def test_link_of_1pl_items_shifts_and_keeps_their_slope():
    """Whatever the difficulties scatter by, a slope of 1 stays 1."""
    rng = np.random.default_rng(2)
    b = rng.normal(size=30)

    found = linked(one_pl(b), one_pl(0.9 * b - 0.4 + 0.05 * rng.normal(size=30)))

    assert found.method == "mean_mean"
    assert found.slope == 1.0
    assert found.slope_se == 0.0
    assert found.intercept_se > 0
    assert found.sd_ratio == pytest.approx(0.9, abs=0.05)


def test_link_of_1pl_items_to_a_scale_of_another_unit_keeps_that_unit():
    """Old 1PL items whose slope is 2 there since their own calibration was linked with A = 0.5."""
    b = np.linspace(-2, 2, 20)
    old = estimates(ItemParameters.dichotomous(b / 2, 2.0), slope_se=np.nan)

    found = linked(old, one_pl(b))

    assert found.slope == pytest.approx(0.5)


def test_link_anchors_are_certain_items_with_curves_of_one_kind():
    items = two_pl()
    old = estimates(items)
    thresholds = np.column_stack([as_new(items).thresholds, np.full(30, np.nan)])
    thresholds[0] = np.nan  # not calibrated
    thresholds[1, 1] = thresholds[1, 0] + 0.5  # graded
    guessing = np.where(np.arange(30) == 2, 0.2, 0.0)
    new = estimates(ItemParameters(thresholds, as_new(items).slope, guessing))
    new.slope_se[3] = np.nan  # 1PL
    new.difficulty_se[4] = 0.36
    old.difficulty_se[5] = np.nan
    new.difficulty_se[6] = 0.35

    found = linked(old, new)

    assert np.flatnonzero(~found.anchors).tolist() == [0, 1, 2, 3, 4, 5]
    assert not found.screened.any()
    assert found.slope == pytest.approx(SLOPE, abs=1e-6)


@pytest.mark.parametrize("method", ["stocking_lord", "mean_sigma"])
def test_link_leaves_out_anchors_that_moved_and_is_not_harmed_by_them(method):
    old = estimates(two_pl())
    drift = np.zeros(30)
    drift[[3, 8, 20, 21]] = [1.2, 0.9, 1.5, 0.8]

    found = linked(old, estimates(as_new(moved(old.items, drift))), LinkingSettings(method=method))

    assert np.flatnonzero(found.screened).tolist() == [3, 8, 20, 21]
    assert (found.anchors == ~found.screened).all()
    assert found.slope == pytest.approx(SLOPE, abs=1e-6)
    assert found.intercept == pytest.approx(INTERCEPT, abs=1e-6)


def test_link_screens_at_the_cut_of_the_settings():
    old = estimates(two_pl())
    drift = np.where(np.arange(30) == 7, 0.3, 0.0)  # about two standard errors
    new = estimates(as_new(moved(old.items, drift)))

    assert not linked(old, new).screened.any()
    strict = linked(old, new, LinkingSettings(screen_z=1.645))
    assert np.flatnonzero(strict.screened).tolist() == [7]


def test_link_of_graded_items_goes_by_their_expected_scores():
    rng = np.random.default_rng(4)
    first = rng.normal(size=25)
    thresholds = np.stack([first, first + rng.uniform(0.2, 1.5, 25)], axis=1)
    old = estimates(ItemParameters(thresholds, rng.lognormal(0, 0.3, 25), np.zeros(25)))

    found = linked(old, estimates(as_new(old.items)))

    assert found.slope == pytest.approx(SLOPE, abs=1e-6)
    assert found.intercept == pytest.approx(INTERCEPT, abs=1e-6)


def test_link_to_what_was_linked_changes_nothing():
    old = estimates(two_pl())
    new = estimates(as_new(old.items))

    again = linked(old, linked(old, new).apply_to_estimates(new))

    assert again.slope == pytest.approx(1, abs=1e-6)
    assert again.intercept == pytest.approx(0, abs=1e-6)


# no link


def assert_own_scale(found):
    assert found.method == "none"
    assert (found.slope, found.intercept) == (1.0, 0.0)
    assert np.isnan([found.slope_se, found.intercept_se]).all()
    assert not found.anchors.any()


def test_link_with_too_few_anchors_is_refused_with_the_number():
    old = estimates(two_pl(9))

    found = linked(old, estimates(as_new(old.items)))

    assert_own_scale(found)
    assert found.refusal == "9 anchors are left of the items of both; 10 are needed"


def test_link_with_too_few_anchors_after_screening_is_refused():
    old = estimates(two_pl(11))
    drift = np.where(np.arange(11) < 2, 2.0, 0.0)

    found = linked(old, estimates(as_new(moved(old.items, drift))))

    assert_own_scale(found)
    assert np.flatnonzero(found.screened).tolist() == [0, 1]
    assert found.refusal is not None


def test_link_of_difficulties_that_hardly_agree_is_refused():
    old = estimates(two_pl(40), difficulty_se=0.1)
    noise = 0.5 * np.random.default_rng(5).normal(size=40)

    found = linked(old, estimates(as_new(moved(old.items, noise)), difficulty_se=0.1))

    assert_own_scale(found)
    assert 0.5 < found.correlation < 0.95
    assert f"correlate by {found.correlation:.3f} with errors" in found.refusal


def test_link_of_difficulties_that_differ_by_no_more_than_their_errors_is_found():
    old = estimates(two_pl(40), difficulty_se=0.3)
    noise = 0.42 * np.random.default_rng(5).normal(size=40)

    found = linked(old, estimates(as_new(moved(old.items, noise)), difficulty_se=0.3))

    assert found.correlation < 0.95
    assert found.refusal is None


def test_link_of_anchors_that_differ_by_no_more_than_their_errors_is_refused():
    """Any correlation above 0 would pass once divided by a reliability of next to nothing."""
    rng = np.random.default_rng(6)
    error = 0.3

    def noise():
        items = ItemParameters.dichotomous(error * rng.normal(size=12))
        return estimates(items, difficulty_se=error, slope_se=np.nan)

    found = [linked(noise(), noise()) for _ in range(200)]

    assert sum(each.method != "none" for each in found) <= 10
    assert any("differ too little for their errors" in (each.refusal or "") for each in found)


def test_link_of_anchors_of_one_difficulty_is_refused():
    found = linked(one_pl(np.full(12, 0.3)), one_pl(np.linspace(-1, 1, 12)))

    assert_own_scale(found)
    assert found.refusal == "the anchors are all of one difficulty"
    assert np.isnan(found.correlation)


def test_link_that_is_not_wanted_keeps_the_scale_without_a_refusal():
    found = linked(estimates(two_pl()), estimates(two_pl()), LinkingSettings(method="none"))

    assert_own_scale(found)
    assert found.refusal is None
    assert len(found.anchors) == 30


def test_link_by_fixed_items_is_refused_with_a_hint():
    with pytest.raises(ValueError, match="calibration itself"):
        linked(estimates(two_pl()), estimates(two_pl()), LinkingSettings(method="fixed"))


def test_link_of_other_items_or_without_a_population_is_refused():
    with pytest.raises(ValueError, match="30 old items but 29"):
        linked(estimates(two_pl(30)), estimates(two_pl(29)))
    with pytest.raises(ValueError, match="population_sd"):
        link(
            estimates(two_pl()),
            estimates(two_pl()),
            settings=LinkingSettings(),
            population_mean=0.0,
            population_sd=0.0,
        )


@pytest.mark.parametrize(
    ("difficulty_se", "slope_se", "covariance", "message"),
    [
        (np.ones(2), np.ones(3), None, "length"),
        (np.ones(3), np.ones(2), None, "length"),
        (np.ones(3), np.ones(3), np.ones(2), "length"),
        (np.array([0.1, -0.1, 0.1]), np.ones(3), None, "below 0"),
        (np.ones(3), np.array([0.1, -0.1, 0.1]), None, "below 0"),
    ],
)
def test_estimates_with_impossible_errors_are_refused(difficulty_se, slope_se, covariance, message):
    with pytest.raises(ValueError, match=message):
        Estimates(two_pl(3), difficulty_se, slope_se, covariance)


# what a link does


def test_link_leaves_every_chance_as_it_was():
    found = replace(Link.none(5), slope=SLOPE, intercept=INTERCEPT)
    items, ability = two_pl(5), np.array([-1.0, 0.2, 2.0])

    theta, sd = found.apply_to_abilities(ability, np.full(3, 0.4))

    np.testing.assert_allclose(
        found.apply_to_items(items).expected_score(theta), items.expected_score(ability)
    )
    np.testing.assert_allclose(sd, 0.4 * SLOPE)


def test_link_leaves_unknown_items_and_abilities_unknown():
    found = replace(Link.none(2), slope=SLOPE, intercept=INTERCEPT)
    items = ItemParameters.dichotomous([0.0, np.nan])

    assert np.isnan(found.apply_to_items(items).difficulty).tolist() == [False, True]
    assert np.isnan(found.apply_to_abilities([np.nan], [np.nan])).all()


def test_no_link_gives_back_what_it_is_given():
    new = estimates(two_pl(4), covariance=-0.002)

    same = Link.none(4).apply_to_estimates(new)

    np.testing.assert_allclose(same.items.difficulty, new.items.difficulty)
    np.testing.assert_allclose(same.difficulty_se, new.difficulty_se)
    np.testing.assert_allclose(same.slope_se, new.slope_se)
    np.testing.assert_allclose(same.covariance, new.covariance)


def test_linked_errors_are_those_of_uncertain_items_under_an_uncertain_link():
    rng = np.random.default_rng(6)
    items = ItemParameters.dichotomous([1.5, -0.8], [0.7, 1.6])
    of_item = np.array([[0.03**2, -0.0003], [-0.0003, 0.02**2]])  # of b and a
    of_link = np.array([[0.02**2, 0.0002], [0.0002, 0.04**2]])
    found = replace(
        Link.none(2),
        slope=SLOPE,
        intercept=INTERCEPT,
        slope_se=0.02,
        intercept_se=0.04,
        covariance=0.0002,
    )

    whole = found.apply_to_estimates(
        estimates(items, difficulty_se=0.03, slope_se=0.02, covariance=-0.0003)
    )

    lines = rng.multivariate_normal([SLOPE, INTERCEPT], of_link, size=100_000)
    for item in range(2):
        centre = [items.difficulty[item], items.slope[item]]
        b, a = rng.multivariate_normal(centre, of_item, size=100_000).T
        drawn = np.cov(lines[:, 0] * b + lines[:, 1], a / lines[:, 0])
        assert whole.difficulty_se[item] == pytest.approx(np.sqrt(drawn[0, 0]), rel=0.02)
        assert whole.slope_se[item] == pytest.approx(np.sqrt(drawn[1, 1]), rel=0.02)
        assert whole.covariance[item] == pytest.approx(drawn[0, 1], rel=0.05)


def test_linked_1pl_items_get_the_slope_of_1pl_and_still_none_of_their_own():
    found = replace(Link.none(2), slope=SLOPE, slope_se=0.02, intercept_se=0.04, covariance=0.0)

    whole = found.apply_to_estimates(one_pl([0.0, 1.0]))

    np.testing.assert_allclose(whole.items.slope, 1 / SLOPE)
    assert not whole.has_slope.any()


# stability


def test_stability_of_equal_calibrations_is_perfect():
    old = estimates(two_pl())

    found = stability(old, old)

    assert found.n_items == 30
    assert found.correlation == pytest.approx(1)
    assert (found.mean_difference, found.rmsd) == (0, 0)
    np.testing.assert_allclose(found.p, 1)
    np.testing.assert_allclose(found.q, 1)


def test_stability_sums_up_the_differences():
    old = one_pl([-1.0, 0.0, 1.0])
    new = one_pl([-1.0, 0.3, 1.6])

    found = stability(old, new)

    np.testing.assert_allclose(found.change, [0.0, 0.3, 0.6], atol=1e-12)
    assert found.mean_difference == pytest.approx(0.3)
    assert found.rmsd == pytest.approx(np.sqrt((0.09 + 0.36) / 3))
    assert found.rmsd_of_error == pytest.approx(0.1 * np.sqrt(2))
    assert found.correlation == pytest.approx(np.corrcoef([-1, 0, 1], [-1, 0.3, 1.6])[0, 1])


def test_stability_compares_difficulties_alone_where_that_is_all_there_is():
    old, new = one_pl([0.0, 0.0]), one_pl([0.0, 0.5])

    found = stability(old, new)

    assert found.n_parameters.tolist() == [1, 1]
    np.testing.assert_allclose(found.wald, [0.0, 0.25 / 0.02])
    np.testing.assert_allclose(found.p, chi2.sf(found.wald, 1))
    np.testing.assert_allclose(found.q, benjamini_hochberg(found.p))


def test_stability_compares_slopes_too_where_all_errors_are_known():
    first = ItemParameters.dichotomous([0.5, -1.0], [1.2, 0.9])
    second = ItemParameters.dichotomous([0.8, -1.0], [0.9, 0.9])
    old = estimates(first, difficulty_se=0.12, slope_se=0.09, covariance=-0.004)
    new = estimates(second, difficulty_se=0.10, slope_se=0.11, covariance=0.002)
    total = np.array([[0.12**2 + 0.10**2, -0.002], [-0.002, 0.09**2 + 0.11**2]])

    found = stability(old, new)

    difference = np.array([0.3, -0.3])
    assert found.n_parameters.tolist() == [2, 2]
    assert found.wald[0] == pytest.approx(difference @ np.linalg.inv(total) @ difference)
    assert found.wald[1] == pytest.approx(0)
    np.testing.assert_allclose(found.p, chi2.sf(found.wald, 2))


def test_stability_without_covariances_compares_difficulties_of_2pl_items():
    found = stability(estimates(two_pl(4)), estimates(two_pl(4), covariance=0.0))

    assert found.n_parameters.tolist() == [1, 1, 1, 1]
    partly = estimates(two_pl(4), covariance=[0.0, np.nan, 0.0, np.nan])
    assert stability(partly, partly).n_parameters.tolist() == [2, 1, 2, 1]


def test_stability_leaves_out_what_cannot_be_compared():
    old = one_pl([0.0, np.nan, 0.4, 1.0])
    new = one_pl([0.1, 0.0, 0.5, 1.0])
    new.slope_se[2] = 0.1  # now a 2PL

    found = stability(old, new)

    assert found.n_items == 2
    for values in (found.change, found.change_se, found.wald, found.p, found.q):
        assert np.isfinite(values).tolist() == [True, False, False, True]
    assert found.n_parameters.tolist() == [1, 0, 0, 1]
    assert found.mean_difference == pytest.approx(0.05)


def test_stability_of_items_that_were_given_in_both_tests_nothing():
    fixed = estimates(two_pl(3), difficulty_se=0.0, slope_se=0.0, covariance=0.0)

    found = stability(fixed, fixed)

    assert found.n_items == 3
    assert found.rmsd == 0
    assert np.isnan(found.p).all()
    assert np.isnan(found.rmsd_of_error)


def test_stability_of_nothing_in_common_is_unknown():
    found = stability(one_pl([0.0, np.nan]), one_pl([np.nan, 0.0]))

    assert found.n_items == 0
    summary = [found.correlation, found.mean_difference, found.rmsd, found.rmsd_of_error]
    assert np.isnan(summary).all()


def test_stability_of_other_items_is_refused():
    with pytest.raises(ValueError, match="3 old items but 2"):
        stability(estimates(two_pl(3)), estimates(two_pl(2)))
