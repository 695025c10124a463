"""Calibration finds the parameters the simulation hid, and its errors are honest."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit

from deepkt_irt.irt.calibration import Calibration, calibrate
from deepkt_irt.irt.responses import Responses
from deepkt_irt.settings import CalibrationSettings

SEEDS = range(12)


@dataclass(frozen=True)
class Recovery:
    fitted: Calibration
    a: np.ndarray
    b: np.ndarray
    theta: np.ndarray

    @property
    def error(self):
        return (self.fitted.difficulty - self.b)[np.isfinite(self.fitted.difficulty)]

    @property
    def rmse(self):
        return np.sqrt((self.error**2).mean())

    @property
    def b_inside(self):
        se = self.fitted.difficulty_se[np.isfinite(self.fitted.difficulty)]
        return np.mean(np.abs(self.error) < 1.96 * se)

    @property
    def a_inside(self):
        error = np.abs(self.fitted.discrimination - self.a)
        return np.mean((error < 1.96 * self.fitted.discrimination_se)[(self.fitted.model == "2PL")])

    @property
    def theta_inside(self):
        error = np.abs(self.fitted.students.ability - self.theta)
        return np.mean(
            (error < 1.96 * self.fitted.students.ability_sd)[
                np.isfinite(self.fitted.students.ability)
            ]
        )


def recovered(seed, *, n_students, n_items, per_student, slope_sd=0.0, mean_b=0.0):
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=n_students), rng.normal(mean_b, 1, size=n_items)
    a = rng.lognormal(0, slope_sd, n_items)
    seen = rng.random((n_students, n_items)) < per_student / n_items
    student, item = np.nonzero(seen)
    right = rng.random(len(student)) < expit(a[item] * (theta[student] - b[item]))
    fitted = calibrate(
        Responses(student, item, right.astype(np.int64), n_students, n_items),
        settings=CalibrationSettings(),
    )
    return Recovery(fitted, a, b, theta)


@pytest.mark.parametrize("mean_b", [0.0, -1.0])
def test_calibrate_1pl_recovers_difficulties_with_honest_intervals(mean_b):
    runs = [
        recovered(seed, n_students=400, n_items=120, per_student=80, mean_b=mean_b)
        for seed in SEEDS
    ]

    for run in runs:
        assert run.rmse < 0.25
        assert np.corrcoef(run.fitted.difficulty, run.b)[0, 1] > 0.98
        assert np.corrcoef(run.fitted.students.ability, run.theta)[0, 1] > 0.95
    assert 0.925 < np.mean([run.b_inside for run in runs]) < 0.975
    assert 0.92 < np.mean([run.theta_inside for run in runs]) < 0.975


def test_calibrate_1pl_few_items_answered_by_all_share_an_honest_error():
    """Where the mean ability of the few students is the larger doubt, intervals must know it."""
    runs = [recovered(seed, n_students=100, n_items=40, per_student=40) for seed in range(40)]

    assert 0.92 < np.mean([run.b_inside for run in runs]) < 0.98


def test_calibrate_1pl_thin_items_far_from_the_mean_ability_have_honest_intervals():
    runs = [
        recovered(seed, n_students=300, n_items=2_000, per_student=60, mean_b=-1) for seed in SEEDS
    ]

    assert max(abs(run.error.mean()) for run in runs) < 0.2
    assert 0.92 < np.mean([run.b_inside for run in runs]) < 0.985
    assert 0.90 < np.mean([run.theta_inside for run in runs]) < 0.975


@pytest.mark.parametrize("mean_b", [0.0, -1.5])
def test_calibrate_2pl_recovers_slopes_and_difficulties(mean_b):
    runs = [
        recovered(seed, n_students=2_500, n_items=60, per_student=30, slope_sd=0.3, mean_b=mean_b)
        for seed in SEEDS
    ]

    for run in runs:
        assert (run.fitted.model == "2PL").all()
        assert np.corrcoef(run.fitted.discrimination, run.a)[0, 1] > 0.85
    assert np.mean([run.rmse for run in runs]) < 0.25
    assert 0.92 < np.mean([run.b_inside for run in runs]) < 0.98
    assert 0.92 < np.mean([run.a_inside for run in runs]) < 0.98


def test_calibrate_mixed_models_share_one_scale():
    """Thin 1PL items and well-answered 2PL items of one test lie on the same axis."""
    often = np.arange(80) < 40
    inside, gaps = [], []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        theta, b = 1.6 * rng.normal(size=2_000), rng.normal(size=80)
        a = np.where(often, rng.lognormal(0, 0.3, 80), 1.0)
        student, item = np.nonzero(rng.random((2_000, 80)) < np.where(often, 0.5, 0.15))
        right = rng.random(len(student)) < expit(a[item] * (theta[student] - b[item]))

        fitted = calibrate(
            Responses(student, item, right.astype(np.int64), 2_000, 80),
            settings=CalibrationSettings(),
        )

        assert ((fitted.model == "2PL") == often).all()
        assert fitted.population_sd == pytest.approx(1.6, abs=0.15)
        error = fitted.difficulty - b
        gaps.append(error[often].mean() - error[~often].mean())
        inside.append(np.abs(fitted.discrimination - a) < 1.96 * fitted.discrimination_se)
    assert abs(np.mean(gaps)) < 0.03
    assert 0.90 < np.mean([each[often] for each in inside]) < 0.975


def test_calibrate_1pl_beside_2pl_knows_that_slopes_differ():
    """Thin items have slopes like those of the others, though nobody knows which."""
    thin = np.arange(60) < 30
    inside = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        theta, b = rng.normal(size=2_000), rng.normal(size=60)
        a = rng.lognormal(0, 0.3, 60)
        student, item = np.nonzero(rng.random((2_000, 60)) < np.where(thin, 0.1, 0.5))
        right = rng.random(len(student)) < expit(a[item] * (theta[student] - b[item]))

        fitted = calibrate(
            Responses(student, item, right.astype(np.int64), 2_000, 60),
            settings=CalibrationSettings(),
        )

        assert np.isnan(fitted.discrimination).tolist() == thin.tolist()
        error = fitted.difficulty / fitted.scale - b
        inside.append(np.abs(error) < 1.96 * fitted.difficulty_se / fitted.scale)
    assert 0.92 < np.mean([each[thin] for each in inside]) < 0.985
    assert 0.92 < np.mean([each[~thin] for each in inside]) < 0.98
