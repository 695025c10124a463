"""Calibration against brute force on little data, and what it refuses."""

import numpy as np
import pytest
from scipy.special import expit

from deepkt_irt.errors import NoConvergence, NoData
from deepkt_irt.irt.calibration import Responses, calibrate
from deepkt_irt.settings import CalibrationSettings

SETTINGS = CalibrationSettings(min_responses=2, tolerance=1e-6)


def rasch(seed, *, n_students, b, seen=1.0, a=1.0):
    """Responses of N(0, 1) students to items of difficulty b, some missing."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(n_students, 1))
    answered = rng.random((n_students, len(b))) < seen
    right = rng.random(answered.shape) < expit(a * (theta - b))
    student, item = np.nonzero(answered)
    return Responses(student, item, right[answered].astype(np.int64), n_students, len(b))


def test_calibrate_maximises_the_penalised_marginal_likelihood():
    data = rasch(1, n_students=60, b=np.array([-1.0, 0.0, 0.8]), seen=0.8)
    fitted = calibrate(data, settings=SETTINGS)
    theta = np.linspace(-5, 5, 41)
    weights = np.exp(-0.5 * (theta / fitted.population_sd) ** 2)
    weights /= weights.sum()

    def objective(b):
        likelihood = np.ones((60, len(theta)))
        for student, item, y in zip(data.student, data.item, data.correct, strict=True):
            p = expit(theta - b[item])
            likelihood[student] *= p if y else 1 - p
        return np.log(likelihood @ weights).sum() - (b**2).sum() / (2 * 2.0**2)

    best = objective(fitted.difficulty)
    assert fitted.log_likelihood == pytest.approx(best + (fitted.difficulty**2).sum() / 8)
    for item in range(3):
        for step in (-0.02, 0.02):
            moved = fitted.difficulty.copy()
            moved[item] += step
            assert objective(moved) < best


def test_calibrate_few_responses_report_no_slope():
    fitted = calibrate(rasch(2, n_students=300, b=np.linspace(-1, 1, 8)), settings=SETTINGS)

    assert np.isnan(fitted.discrimination).all()
    assert not fitted.is_2pl.any()


def test_calibrate_item_below_the_minimum_is_left_out_and_the_others_stay():
    data = rasch(3, n_students=100, b=np.zeros(4))
    thin = (data.item != 2) | (data.student < 3)
    cut = Responses(data.student[thin], data.item[thin], data.correct[thin], 100, 4)

    fitted = calibrate(cut, settings=CalibrationSettings(min_responses=5))

    assert np.isnan(fitted.difficulty).tolist() == [False, False, True, False]


def test_calibrate_item_everyone_gets_right_stays_finite_and_unsure():
    data = rasch(4, n_students=100, b=np.zeros(4))
    correct = np.where(data.item == 0, 1, data.correct)

    fitted = calibrate(Responses(data.student, data.item, correct, 100, 4), settings=SETTINGS)

    assert fitted.difficulty[0] < -3
    assert fitted.difficulty_se[0] > 2 * fitted.difficulty_se[1]


def test_calibrate_out_of_iterations_says_what_to_change():
    impatient = CalibrationSettings(max_iterations=10, tolerance=1e-12)

    with pytest.raises(NoConvergence, match="max_iterations"):
        calibrate(rasch(5, n_students=200, b=np.linspace(-2, 2, 10)), settings=impatient)


@pytest.mark.parametrize(
    ("student", "item", "correct", "problem"),
    [
        ([0], [0], [2], "correct must be"),
        ([0], [5], [1], "item index"),
        ([7], [0], [1], "student index"),
        ([0, 1], [0], [1], "differ in length"),
    ],
)
def test_responses_that_cannot_be_are_refused(student, item, correct, problem):
    arrays = (np.array(x) for x in (student, item, correct))

    with pytest.raises(ValueError, match=problem):
        Responses(*arrays, n_students=2, n_items=2)


def test_responses_none_at_all_are_refused():
    nothing = np.zeros(0, dtype=np.int64)

    with pytest.raises(NoData):
        Responses(nothing, nothing, nothing, 1, 1)
