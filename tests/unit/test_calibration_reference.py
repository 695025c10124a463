"""Calibration against a dense reference: abilities, counts and slopes on little data."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from deepkt_irt.irt.calibration import calibrate
from deepkt_irt.irt.responses import Responses
from deepkt_irt.settings import CalibrationSettings

THETA = np.linspace(-6, 6, 301)
N_STUDENTS = 150
# the last student has answered nothing, the one before only an item that is not calibrated
B = np.array([-1.2, -0.4, 0.1, 0.7, 1.5])
FEW = CalibrationSettings(min_responses=5, tolerance=1e-7, max_iterations=3000)
# a prior of difficulties too wide to matter
SLOPES = CalibrationSettings(
    min_responses_2pl=50, tolerance=1e-6, max_iterations=3000, prior_sd_difficulty=100
)


def answers(seed, *, spread=1.0, slopes=1.0):
    """Responses of some students to five items and, by one of them only, to a sixth."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(0, spread, size=(N_STUDENTS, 1))
    answered = rng.random((N_STUDENTS, len(B))) < 0.8
    answered[:, 0] = True  # everyone answers something
    answered[-2:] = False
    right = rng.random(answered.shape) < expit(slopes * (theta - B))
    student, item = np.nonzero(answered)
    return Responses(
        student=np.append(student, N_STUDENTS - 2),
        item=np.append(item, len(B)),
        level=np.append(right[answered], 1).astype(np.int64),
        n_students=N_STUDENTS,
        n_items=len(B) + 1,
    )


def dense(data, slope, difficulty, sigma):
    """Posterior over the nodes and likelihood of each student, response by response."""
    prior = np.exp(-0.5 * (THETA / sigma) ** 2)
    mass = np.tile(prior / prior.sum(), (data.n_students, 1))
    for student, item, y in zip(data.student, data.item, data.level, strict=True):
        if item < len(B):
            p = expit(slope[item] * (THETA - difficulty[item]))
            mass[student] *= p if y else 1 - p
    likelihood = mass.sum(axis=1)
    return mass / likelihood[:, None], likelihood


@pytest.fixture(scope="module")
def data():
    return answers(1, spread=0.7)


@pytest.fixture(scope="module")
def fitted(data):
    return calibrate(data, settings=FEW)


def test_calibrate_abilities_equal_the_dense_posterior(data, fitted):
    posterior, likelihood = dense(data, np.ones(5), fitted.difficulty, fitted.population_sd)
    mean = posterior @ THETA
    sd = np.sqrt(posterior @ THETA**2 - mean**2)

    np.testing.assert_allclose(fitted.students.ability[:-2], mean[:-2], atol=1e-4)
    np.testing.assert_allclose(fitted.students.ability_sd[:-2], sd[:-2], atol=1e-4)
    assert fitted.log_likelihood == pytest.approx(np.log(likelihood[:-2]).sum(), abs=1e-3)


def test_calibrate_reliability_is_the_share_of_variance_that_is_no_error(fitted):
    ability, sd = fitted.students.ability[:-2], fitted.students.ability_sd[:-2]

    expected = ability.var() / (ability.var() + (sd**2).mean())
    assert fitted.students.reliability == pytest.approx(expected)


def test_calibrate_students_without_a_calibrated_response_have_no_ability(data, fitted):
    assert np.isnan(fitted.students.ability[-2:]).all()
    assert np.isnan(fitted.students.ability_sd[-2:]).all()
    assert np.isfinite(fitted.students.ability[:-2]).all()
    counted = np.bincount(data.student[data.item < len(B)], minlength=N_STUDENTS)
    assert fitted.students.student_n.tolist() == counted.tolist()


def test_calibrate_counts_and_shares_right_cover_all_items(data, fitted):
    for item in range(6):
        given = data.level[data.item == item]
        assert fitted.n_responses[item] == len(given)
        assert fitted.p_value[item] == pytest.approx(given.mean())


def test_calibrate_2pl_equals_the_dense_maximum():
    whole = answers(3, slopes=np.array([0.7, 1.0, 1.6, 1.0, 0.8]))
    inside = whole.item < len(B)
    data = Responses(
        whole.student[inside], whole.item[inside], whole.level[inside], N_STUDENTS, len(B)
    )

    def minus_objective(log_slope_and_intercept):
        log_a, d = np.split(log_slope_and_intercept, 2)
        a = np.exp(log_a)
        fit = np.log(dense(data, a, -d / a, 1.0)[1]).sum()
        mean = log_a.sum() / (len(log_a) + 1)  # of the prior; weighs as one more item at 0
        penalty = ((log_a - mean) ** 2).sum() + mean**2
        return penalty / (2 * SLOPES.prior_sd_log_slope**2) - fit

    reference = minimize(minus_objective, np.zeros(10), method="BFGS", options={"gtol": 1e-3})
    a, d = np.exp(reference.x[:5]), reference.x[5:]

    fitted = calibrate(data, settings=SLOPES)

    assert (fitted.model == "2PL").all()
    assert fitted.population_sd == 1.0
    np.testing.assert_allclose(fitted.discrimination, a, atol=5e-3)
    np.testing.assert_allclose(fitted.difficulty, -d / a, atol=1e-2)
