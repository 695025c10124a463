"""Calibration finds the parameters the simulation hid, and its errors are honest."""

import numpy as np
from scipy.special import expit

from deepkt_irt.irt.calibration import Responses, calibrate
from deepkt_irt.settings import CalibrationSettings

SEEDS = range(6)


def simulated(seed, *, n_students, n_items, per_student, slope_sd):
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=n_students), rng.normal(size=n_items)
    a = rng.lognormal(0, slope_sd, n_items)
    seen = rng.random((n_students, n_items)) < per_student / n_items
    student, item = np.nonzero(seen)
    right = rng.random(len(student)) < expit(a[item] * (theta[student] - b[item]))
    fitted = calibrate(
        Responses(student, item, right.astype(np.int64), n_students, n_items),
        settings=CalibrationSettings(),
    )
    return fitted, a, b, theta


def test_calibrate_1pl_recovers_difficulties_with_honest_intervals():
    coverage = []
    for seed in SEEDS:
        fitted, _, b, theta = simulated(
            seed, n_students=400, n_items=120, per_student=80, slope_sd=0
        )
        error = fitted.difficulty - b
        assert np.sqrt((error**2).mean()) < 0.22
        assert np.corrcoef(fitted.difficulty, b)[0, 1] > 0.98
        assert np.corrcoef(fitted.ability, theta)[0, 1] > 0.95
        coverage.append(np.mean(np.abs(error) < 1.96 * fitted.difficulty_se))
    assert 0.90 < np.mean(coverage) < 0.99


def test_calibrate_2pl_recovers_slopes_and_difficulties():
    coverage = []
    for seed in SEEDS:
        fitted, a, b, _ = simulated(
            seed, n_students=2_500, n_items=60, per_student=30, slope_sd=0.3
        )
        assert fitted.is_2pl.all()
        assert np.corrcoef(fitted.discrimination, a)[0, 1] > 0.9
        assert np.sqrt(((fitted.difficulty - b) ** 2).mean()) < 0.2
        coverage.append(np.mean(np.abs(fitted.difficulty - b) < 1.96 * fitted.difficulty_se))
        coverage.append(
            np.mean(np.abs(fitted.discrimination - a) < 1.96 * fitted.discrimination_se)
        )
    assert 0.90 < np.mean(coverage) < 0.99
