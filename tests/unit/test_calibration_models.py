"""3PL, graded, grouped and fixed calibrations against a general optimiser and their own laws."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from deepkt_irt.errors import NoData
from deepkt_irt.irt.calibration import FixedItems, calibrate
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.responses import Responses
from deepkt_irt.settings import CalibrationSettings

Z = np.linspace(-5, 5, 41)
SETTINGS = CalibrationSettings(
    min_responses=2,
    min_responses_2pl=50,
    min_responses_3pl=100,
    min_level_responses=5,
    tolerance=1e-7,
    max_iterations=5000,
)


def answered(seed, items, *, n_students, mean=0.0, sd=1.0):
    """Levels that students from N(mean, sd^2) reach on all items, (students, items)."""
    rng = np.random.default_rng(seed)
    p = items.probabilities(rng.normal(mean, sd, n_students))
    draw = rng.random(p.shape[:2])
    return (draw[..., None] > p.cumsum(axis=-1)[..., :-1]).sum(axis=-1)


def long(levels, **more):
    student, item = (x.ravel() for x in np.indices(levels.shape))
    return Responses(student, item, levels.ravel(), *levels.shape, **more)


def normal(mean, sd):
    weights = np.exp(-0.5 * ((Z - mean) / sd) ** 2)
    return weights / weights.sum()


def log_likelihood(levels, chances, weights):
    """Marginal, of complete data; chances are (items, levels, nodes)."""
    item = np.arange(levels.shape[1])
    joint = chances[item, levels].prod(axis=1)  # (students, nodes)
    return np.log(joint @ weights).sum()


def slope_penalty(log_a):
    """Of the normal prior around the mean, which itself weighs as one more item at 0."""
    mean = log_a.sum() / (len(log_a) + 1)
    return (((log_a - mean) ** 2).sum() + mean**2) / (2 * 0.5**2)


def test_calibrate_3pl_equals_a_general_optimiser():
    truth = ItemParameters.dichotomous([-0.5, 0.2, 1.0], [1.2, 1.6, 1.0], [0.25, 0.2, 0.15])
    levels = answered(1, truth, n_students=900)

    def objective(x):
        d, log_a, guess = np.split(x, 3)
        c = expit(guess)[:, None]
        p = c + (1 - c) * expit(np.exp(log_a)[:, None] * Z + d[:, None])
        mean = d.sum() / 4
        penalty = (((d - mean) ** 2).sum() + mean**2) / (2 * 2.0**2) + slope_penalty(log_a)
        penalty -= (5 * np.log(c) + 17 * np.log(1 - c)).sum()
        chances = np.stack([1 - p, p], axis=1)
        return penalty - log_likelihood(levels, chances, normal(0, 1))

    found = minimize(objective, np.array([0, 0, 0, 0, 0, 0, -1.4, -1.4, -1.4]), tol=1e-10).x
    d, log_a, guess = np.split(found, 3)

    fitted = calibrate(long(levels, guessable=np.ones(3, dtype=bool)), settings=SETTINGS)

    assert fitted.model.tolist() == ["3PL"] * 3
    np.testing.assert_allclose(fitted.discrimination, np.exp(log_a), atol=1e-3)
    np.testing.assert_allclose(fitted.difficulty, -d / np.exp(log_a), atol=1e-3)
    np.testing.assert_allclose(fitted.guessing, expit(guess), atol=1e-3)
    assert (fitted.guessing_se > 0).all()


def test_calibrate_graded_equals_a_general_optimiser():
    thresholds = np.array([[-1.0, 0.5, np.nan], [-0.5, 0.3, 1.2], [0.2, np.nan, np.nan]])
    truth = ItemParameters(thresholds, np.array([1.0, 1.5, 0.8]), np.zeros(3))
    levels = answered(2, truth, n_students=700)
    steps = np.array([2, 3, 1])

    def objective(x):
        log_a, rest = x[:3], x[3:]
        d = np.split(rest, np.cumsum(steps)[:-1])
        if any((np.diff(each) >= 0).any() for each in d):
            return np.inf
        chances = np.full((3, 4, len(Z)), 1.0)
        for item in range(3):
            above = expit(np.exp(log_a[item]) * Z + d[item][:, None])
            edges = np.vstack([np.ones_like(Z), above, np.zeros_like(Z)])
            chances[item, : steps[item] + 1] = edges[:-1] - edges[1:]
        mean = sum(each.mean() for each in d) / 4
        penalty = (((rest - mean) ** 2).sum()) / (2 * 2.0**2) + slope_penalty(log_a)
        return penalty - log_likelihood(levels, chances, normal(0, 1))

    # the prior's mean is not free in the estimator's Newton steps; at this width it hardly matters
    start = np.concatenate([np.zeros(3), [1, -0.5, 0.6, -0.4, -1.5, -0.1]])
    found = minimize(
        objective,
        start,
        method="Nelder-Mead",
        options={
            "maxiter": 40_000,
            "maxfev": 40_000,
            "xatol": 1e-7,
            "fatol": 1e-9,
            "adaptive": True,
        },
    ).x
    a = np.exp(found[:3])
    b = [
        -each / slope
        for each, slope in zip(np.split(found[3:], np.cumsum(steps)[:-1]), a, strict=True)
    ]

    fitted = calibrate(long(levels, n_steps=steps), settings=SETTINGS)

    assert fitted.model.tolist() == ["GRM", "GRM", "2PL"]
    np.testing.assert_allclose(fitted.discrimination, a, atol=5e-3)
    for item in range(3):
        np.testing.assert_allclose(fitted.items.thresholds[item, : steps[item]], b[item], atol=5e-3)
        assert fitted.difficulty[item] == pytest.approx(b[item].mean(), abs=5e-3)
    assert (np.isfinite(fitted.thresholds_se).sum(axis=1) == steps).all()


def test_calibrate_rare_score_levels_make_an_item_right_or_wrong():
    levels = np.tile(np.array([[0, 0], [2, 1], [2, 0], [0, 1]]), (30, 1))
    levels[:3, 0] = 1  # partial credit, but hardly ever

    fitted = calibrate(long(levels), settings=SETTINGS)

    assert fitted.model.tolist() == ["2PL", "2PL"]
    assert fitted.items.n_steps.tolist() == [1, 1]
    assert fitted.p_value[0] == pytest.approx(levels[:, 0].mean() / 2)


def test_calibrate_item_nobody_got_full_credit_on_is_right_or_wrong():
    levels = np.tile(np.array([[0, 0], [1, 1], [1, 0], [0, 1]]), (30, 1))

    fitted = calibrate(long(levels, n_steps=np.array([2, 1])), settings=SETTINGS)

    assert fitted.model.tolist() == ["1PL", "2PL"]
    assert fitted.items.n_steps.tolist() == [1, 1]
    assert fitted.p_value.tolist() == [0.25, 0.5]


def test_calibrate_graded_item_with_few_responses_reports_no_slope():
    thresholds = np.array([[-0.5, 0.7]] * 4)
    truth = ItemParameters(thresholds, np.ones(4), np.zeros(4))

    fitted = calibrate(
        long(answered(3, truth, n_students=150)),
        settings=CalibrationSettings(min_responses_2pl=500),
    )

    assert fitted.model.tolist() == ["GRM"] * 4
    assert np.isnan(fitted.discrimination).all()
    np.testing.assert_array_equal(fitted.items.slope, np.ones(4))


def test_calibrate_guessing_only_for_guessable_items_with_enough_responses():
    truth = ItemParameters.dichotomous(np.linspace(-1, 1, 6), 1.0, 0.2)
    data = long(
        answered(4, truth, n_students=400),
        guessable=np.array([True, True, True, False, False, False]),
    )
    few = CalibrationSettings(min_responses_2pl=100, min_responses_3pl=500)

    enough = calibrate(data, settings=few.model_copy(update={"min_responses_3pl": 300}))

    assert enough.model.tolist() == ["3PL"] * 3 + ["2PL"] * 3
    assert np.isfinite(enough.guessing).tolist() == [True] * 3 + [False] * 3
    assert calibrate(data, settings=few).model.tolist() == ["2PL"] * 6


def test_calibrate_thin_guessable_items_are_not_taken_for_easy():
    truth = ItemParameters.dichotomous(np.linspace(-1, 1.5, 12), 1.0, np.tile([0.2, 0.0], 6))
    data = long(answered(10, truth, n_students=450), guessable=truth.guessing > 0)
    plain = CalibrationSettings(assume_guessing=False)

    fitted, without = calibrate(data), calibrate(data, settings=plain)

    error = fitted.difficulty - truth.difficulty
    assert (np.abs(error) < 3.5 * fitted.difficulty_se).all()
    assert abs(error[truth.guessing > 0].mean()) < 0.15
    assert (without.difficulty - truth.difficulty)[truth.guessing > 0].mean() < -0.3
    assert np.isnan(fitted.guessing).all()  # assumed, not estimated
    np.testing.assert_allclose(fitted.items.guessing, truth.guessing)
    assert fitted.model.tolist() == ["1PL"] * 12


def test_calibrate_groups_find_their_own_abilities():
    truth = ItemParameters.dichotomous(np.linspace(-2, 2, 30))
    low = answered(5, truth, n_students=1500)
    high = answered(6, truth, n_students=1500, mean=0.8, sd=1.4)
    data = long(np.vstack([low, high]), group=np.repeat([0, 1], 1500))

    fitted = calibrate(data, settings=CalibrationSettings(min_responses_2pl=10_000))

    np.testing.assert_allclose(fitted.group_mean, [0, 0.8], atol=0.1)
    np.testing.assert_allclose(fitted.group_sd, [1, 1.4], atol=0.1)
    np.testing.assert_allclose(fitted.difficulty, truth.difficulty, atol=0.25)
    together = calibrate(
        long(np.vstack([low, high])), settings=CalibrationSettings(min_responses_2pl=10_000)
    )
    # one normal for both puts the items off by the half of their distance
    assert (fitted.difficulty - together.difficulty).mean() == pytest.approx(0.4, abs=0.1)


def test_calibrate_fixed_items_keep_their_scale_and_new_ones_join_it():
    truth = ItemParameters.dichotomous(np.linspace(-2, 2, 24), np.tile([0.8, 1.0, 1.3], 8))
    levels = answered(7, truth, n_students=3000, mean=0.7, sd=0.8)
    known = truth.thresholds.copy()
    known[::4] = np.nan  # new items

    fitted = calibrate(
        long(levels), fixed=FixedItems(ItemParameters(known, truth.slope, truth.guessing), 1.0)
    )

    kept = np.arange(24) % 4 != 0
    np.testing.assert_allclose(fitted.difficulty[kept], truth.difficulty[kept], rtol=1e-12)
    np.testing.assert_allclose(fitted.items.slope[kept], truth.slope[kept], rtol=1e-12)
    off = np.abs(fitted.difficulty - truth.difficulty)[~kept]
    assert (off < 3 * fitted.difficulty_se[~kept]).all()
    assert fitted.difficulty_se[~kept].max() < 0.25
    assert fitted.population_mean == pytest.approx(0.7, abs=0.07)
    assert fitted.population_sd == pytest.approx(0.8, abs=0.07)
    assert np.isnan(fitted.discrimination[kept]).all()  # given, not estimated here
    assert (fitted.difficulty_se[kept] == 0).all()


def test_calibrate_fixed_items_nobody_answered_are_refused():
    unknown = FixedItems(ItemParameters.dichotomous([np.nan] * 3), 1.0)
    levels = answered(8, ItemParameters.dichotomous(np.zeros(3)), n_students=60)

    with pytest.raises(NoData, match="fixed items"):
        calibrate(long(levels), fixed=unknown)


def test_calibrate_map_is_the_mode_of_the_posterior():
    truth = ItemParameters.dichotomous([-1.0, 0.0, 1.0], 1.5)
    levels = answered(9, truth, n_students=400)

    fitted = calibrate(long(levels), settings=SETTINGS)

    student = 0
    fine = np.linspace(-4, 4, 80_001)
    p = fitted.items.probabilities(fine)
    log_posterior = -0.5 * (fine / fitted.population_sd) ** 2
    log_posterior += sum(np.log(p[:, i, levels[student, i]]) for i in range(3))
    assert fitted.students.ability_map[student] == pytest.approx(
        fine[log_posterior.argmax()], abs=2e-3
    )


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"group": np.zeros(3, dtype=int)}, "group has 3"),
        ({"guessable": np.zeros(3, dtype=bool)}, "guessable has 3"),
        ({"n_steps": np.ones(5, dtype=int)}, "n_steps has 5"),
        ({"n_steps": np.array([1, 1])}, "above the item's steps"),
    ],
)
def test_responses_whose_parts_do_not_fit_are_refused(more, problem):
    with pytest.raises(ValueError, match=problem):
        long(np.array([[2, 0], [1, 1]]), **more)
