"""Leave-one-out predictions against plain integration, and what the model says of residuals."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from deepkt_irt.irt import predictive
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.predictive import leave_one_out

NAN = np.nan
# 1PL, 2PL, 3PL, graded, without a curve
ITEMS = ItemParameters(
    thresholds=np.array([[-0.5, NAN], [0.3, NAN], [0.8, NAN], [-0.2, 1.1], [NAN, NAN]]),
    slope=np.array([1.0, 1.8, 1.2, 1.4, 1.0]),
    guessing=np.array([0.0, 0.0, 0.25, 0.0, 0.0]),
)
FIELDS = ("expected", "variance", "third", "fourth", "covariance", "ability", "ability_sd")
MEAN, SD = np.array([0.2, -0.5, 1.0, 0.0]), np.array([1.0, 0.6, 1.3, 1.0])


@pytest.fixture
def answers():
    """Three students with several responses, one with a single one."""
    student = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3])
    item = np.array([0, 1, 2, 3, 4, 1, 3, 4, 2, 3, 0])
    score = np.array([1, 0, 1, 0.5, 1, 1, 0, 0, 0, 1, 1.0])
    return student, item, score


def predict(answers, items=ITEMS, mean=MEAN, sd=SD, **more):
    return leave_one_out(
        *answers, n_students=4, items=items, population_mean=mean, population_sd=sd, **more
    )


def level_chances(item, theta):
    """Chances of an item's levels, from the definition of the graded response model."""
    steps = ITEMS.thresholds[item][np.isfinite(ITEMS.thresholds[item])]
    c = ITEMS.guessing[item]
    above = c + (1 - c) * expit(ITEMS.slope[item] * (theta - steps[:, None]))
    edges = np.vstack([np.ones_like(theta), above, np.zeros_like(theta)])
    return edges[:-1] - edges[1:]  # levels, nodes


def integrated(answers, at):
    """Moments of the score of one response over a fine grid, response by response."""
    student, item, score = answers
    who = student[at]
    theta = np.linspace(MEAN[who] - 7 * SD[who], MEAN[who] + 7 * SD[who], 4001)
    mass = np.exp(-0.5 * ((theta - MEAN[who]) / SD[who]) ** 2)
    for other in np.flatnonzero((student == who) & (np.arange(len(item)) != at) & (item != 4)):
        chances = level_chances(item[other], theta)
        mass = mass * chances[round(score[other] * (len(chances) - 1))]
    mass = mass / mass.sum()
    ability = mass @ theta
    sd = np.sqrt(mass @ (theta - ability) ** 2)
    if item[at] == 4:
        return (NAN,) * 5 + (ability, sd)
    chances = level_chances(item[at], theta)
    share = np.linspace(0, 1, len(chances))
    chance = chances @ mass
    mean = chance @ share
    covariance = mass @ ((theta - ability) * (share @ chances))
    central = (chance @ (share - mean) ** power for power in (2, 3, 4))
    return (mean, *central, covariance, ability, sd)


def test_leave_one_out_equals_plain_integration(answers):
    found = predict(answers)

    for at in range(len(answers[0])):
        expected = integrated(answers, at)
        actual = [getattr(found, name)[at] for name in FIELDS]
        np.testing.assert_allclose(actual, expected, atol=2e-5)
    assert found.n_others.tolist() == [3, 3, 3, 3, 4, 1, 1, 2, 1, 1, 0]


def test_leave_one_out_of_the_only_response_is_the_population(answers):
    found = predict(answers)

    assert found.ability[-1] == pytest.approx(MEAN[3], abs=1e-5)
    assert found.ability_sd[-1] == pytest.approx(SD[3], abs=1e-4)
    assert found.student_sd[3] < SD[3]


def test_leave_one_out_knows_nothing_of_the_response_itself(answers):
    student, item, score = answers
    changed = score.copy()
    changed[1] = 1 - changed[1]

    before, after = predict(answers), predict((student, item, changed))

    for name in FIELDS:
        old, new = getattr(before, name), getattr(after, name)
        assert new[1] == pytest.approx(old[1], abs=1e-12)
    assert (after.ability[[0, 2, 3, 4]] > before.ability[[0, 2, 3, 4]] + 0.05).all()
    assert after.ability[5:] == pytest.approx(before.ability[5:], abs=0)  # other students


def test_leave_one_out_does_not_depend_on_the_order_of_rows(answers):
    order = np.random.default_rng(3).permutation(len(answers[0]))

    plain, mixed = predict(answers), predict(tuple(column[order] for column in answers))

    for name in FIELDS:
        np.testing.assert_array_equal(getattr(mixed, name), getattr(plain, name)[order])
    np.testing.assert_array_equal(mixed.curves.residual, plain.curves.residual)


def test_leave_one_out_in_small_chunks_gives_the_same(answers, monkeypatch):
    whole = predict(answers)
    monkeypatch.setattr(predictive, "_CELLS", 1)
    monkeypatch.setattr(predictive, "_ITEMS", 2)
    parts = predict(answers)

    for name in (*FIELDS, "student_sd"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-12)
    np.testing.assert_allclose(parts.curves.residual, whole.curves.residual, atol=1e-12)


def test_leave_one_out_without_evidence_equals_leaving_the_item_away(answers):
    student, item, score = answers
    counts = item != 1

    found = predict(answers, is_evidence=counts)
    without = predict((student[counts], item[counts], score[counts]))

    for name in FIELDS:
        np.testing.assert_allclose(getattr(found, name)[counts], getattr(without, name))
    assert np.isfinite(found.expected[~counts]).all()  # yet it is predicted itself
    np.testing.assert_allclose(found.student_sd, without.student_sd)
    assert found.n_others[:2].tolist() == [2, 3]


def every_pattern():
    """All answers one student may give to four items, and how likely each pattern is."""
    patterns = np.array(list(product([0, 1], [0, 1], [0, 1], [0, 1, 2])))
    theta = np.linspace(-7, 7, 2001)
    weights = np.exp(-0.5 * theta**2)
    likelihood = np.stack(
        [
            np.prod([level_chances(i, theta)[level] for i, level in enumerate(pattern)], axis=0)
            for pattern in patterns
        ]
    )
    return patterns / [1, 1, 1, 2], likelihood @ (weights / weights.sum())


def test_residuals_under_the_model_have_mean_0_and_mean_square_1():
    """No average over samples: every pattern of answers weighted by its chance."""
    scores, chance = every_pattern()
    n = len(scores)
    columns = np.repeat(np.arange(n), 4), np.tile(np.arange(4), n), scores.ravel()
    found = leave_one_out(*columns, n_students=n, items=ITEMS, population_mean=0, population_sd=1)
    residual = (columns[2] - found.expected).reshape(n, 4)
    variance, fourth = found.variance.reshape(n, 4), found.fourth.reshape(n, 4)

    assert chance.sum() == pytest.approx(1)
    np.testing.assert_allclose(chance @ residual, 0, atol=1e-5)
    np.testing.assert_allclose(chance @ (residual**2 / variance), 1, atol=1e-4)
    np.testing.assert_allclose(
        chance @ (residual**2 - variance) ** 2, chance @ (fourth - variance**2), atol=1e-5
    )


def test_curve_residuals_add_up_to_all_residuals(answers):
    _, item, score = answers
    found = predict(answers)
    known = item != 4

    totals = np.bincount(item[known], weights=(score - found.expected)[known], minlength=5)
    np.testing.assert_allclose(found.curves.residual.sum(axis=1), totals, atol=1e-12)
    np.testing.assert_allclose(found.curves.mass.sum(axis=1), [2, 2, 2, 3, 0])
    assert (np.diff(found.curves.theta) > 0).all()


def test_curve_residuals_variance_is_their_mean_square_over_all_patterns():
    scores, chance = every_pattern()
    square, variance = 0.0, 0.0
    for pattern, weight in zip(scores, chance, strict=True):
        found = leave_one_out(
            np.zeros(4, dtype=int),
            np.arange(4),
            pattern,
            n_students=1,
            items=ITEMS,
            population_mean=0,
            population_sd=1,
        )
        square = square + weight * found.curves.residual**2
        variance = variance + weight * found.curves.variance

    np.testing.assert_allclose(square, variance, atol=1e-6)


def test_leave_one_out_of_many_responses_keeps_a_narrow_posterior():
    rng = np.random.default_rng(2)
    b = rng.normal(size=600)
    score = (rng.random(600) < expit(1.0 - b)).astype(float)
    found = leave_one_out(
        np.zeros(600, dtype=int),
        np.arange(600),
        score,
        n_students=1,
        items=ItemParameters.dichotomous(b),
        population_mean=0,
        population_sd=1,
    )
    p = expit(1.0 - b)

    assert found.student_sd[0] == pytest.approx(1 / np.sqrt(1 + (p * (1 - p)).sum()), rel=0.05)
    assert np.abs(found.ability - 1.0).max() < 0.35


def test_leave_one_out_without_responses_is_empty():
    none = np.array([], dtype=int)

    found = predict((none, none, np.array([])))

    assert len(found.expected) == 0
    assert found.student_sd == pytest.approx(SD)
    assert found.curves.mass.sum() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"student": [0, 4]}, "student index outside 0 to 3"),
        ({"item": [-1, 1]}, "item index outside 0 to 4"),
        ({"score": [0, 1.5]}, "from 0 to 1"),
        ({"score": [0, NAN]}, "from 0 to 1"),
        ({"score": [0, 0.3]}, "none of the 2 levels of item 1"),
        ({"item": [1, 1]}, "several responses to one item"),
        ({"score": [1.0]}, "differ in length"),
        ({"sd": 0.0}, "above 0"),
        ({"mean": NAN}, "finite"),
        ({"mean": np.zeros(3)}, "one number or one a student"),
    ],
)
def test_leave_one_out_refuses(change, message):
    given = {"student": [0, 0], "item": [0, 1], "score": [0, 1.0], "mean": 0.0, "sd": 1.0}
    given |= change
    columns = tuple(np.array(given[name]) for name in ("student", "item", "score"))

    with pytest.raises(ValueError, match=message):
        predict(columns, mean=given["mean"], sd=given["sd"])


@settings(max_examples=40, deadline=None)
@given(
    b=st.lists(st.floats(-6, 6), min_size=1, max_size=6),
    a=st.floats(0.1, 5),
    c=st.floats(0, 0.5),
    right=st.integers(0, 63),
)
def test_leave_one_out_moments_are_those_of_a_score_between_0_and_1(b, a, c, right):
    n = len(b)
    score = np.array([(right >> i) & 1 for i in range(n)], dtype=float)
    found = leave_one_out(
        np.zeros(n, dtype=int),
        np.arange(n),
        score,
        n_students=1,
        items=ItemParameters.dichotomous(b, a, c),
        population_mean=0,
        population_sd=1,
    )
    p = found.expected

    assert ((p >= c - 1e-12) & (p <= 1)).all()
    np.testing.assert_allclose(found.variance, p * (1 - p), atol=1e-12)
    np.testing.assert_allclose(found.third, p * (1 - p) * (1 - 2 * p), atol=1e-12)
    np.testing.assert_allclose(found.fourth, p * (1 - p) * (1 - 3 * p * (1 - p)), atol=1e-12)
    assert (found.covariance > -1e-12).all()
