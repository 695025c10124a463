"""Fit statistics stay quiet under the model and find the misfit a simulation hid."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit

from deepkt_irt.irt.fit import ItemFit, item_fit
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.local_dependence import LocalDependence, q3
from deepkt_irt.irt.predictive import LeaveOneOut, leave_one_out
from deepkt_irt.settings import HealthSettings

CUTS = HealthSettings()
SEEDS = range(8)


@dataclass(frozen=True)
class Run:
    predicted: LeaveOneOut
    fit: ItemFit
    pairs: LocalDependence
    residual: np.ndarray


def answered(chance, seed, *, per_student):
    """Responses of students who meet some of the items; chance is (students, items)."""
    rng = np.random.default_rng(seed + 1000)
    met = rng.random(chance.shape).argsort(axis=1) < per_student
    student, item = np.nonzero(met)
    score = (rng.random(len(item)) < chance[student, item]).astype(float)
    return student, item, score


def judged(columns, items, n_students):
    predicted = leave_one_out(
        *columns, n_students=n_students, items=items, population_mean=0, population_sd=1
    )
    _, item, score = columns
    return Run(
        predicted=predicted,
        fit=item_fit(item, score, predicted=predicted, difficulty_estimated=False),
        pairs=q3(*columns, predicted=predicted, min_pair=CUTS.min_pair),
        residual=score - predicted.expected,
    )


def clean(seed, *, n_students, n_items, per_student):
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=n_students), rng.normal(size=n_items)
    a, c = rng.lognormal(0, 0.3, n_items), np.where(np.arange(n_items) % 3 == 0, 0.2, 0.0)
    chance = c + (1 - c) * expit(a * (theta[:, None] - b))
    columns = answered(chance, seed, per_student=per_student)
    return judged(columns, ItemParameters.dichotomous(b, a, c), n_students)


@pytest.fixture(scope="module", params=[(400, 40, 10), (400, 60, 40)], ids=["few", "many"])
def quiet(request):
    """Runs under the model, of students with few and with many responses."""
    n_students, n_items, per_student = request.param
    return [
        clean(seed, n_students=n_students, n_items=n_items, per_student=per_student)
        for seed in SEEDS
    ]


def test_mean_squares_under_the_model_are_standard_normal(quiet):
    for name in ("infit", "outfit"):
        z = np.concatenate([getattr(run.fit, f"{name}_z") for run in quiet])
        square = np.concatenate([getattr(run.fit, name) for run in quiet])
        assert abs(z.mean()) < 0.15
        assert 0.88 < z.std() < 1.12
        assert (np.abs(z) > CUTS.fit_z).mean() < 0.075
        assert square.mean() == pytest.approx(1, abs=0.02)


def test_mean_squares_are_standard_normal_where_difficulties_were_estimated_too():
    z = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        truth = np.linspace(-2, 2, 40)
        columns = answered(expit(rng.normal(size=(600, 1)) - truth), seed, per_student=20)
        _, item, score = columns
        b = truth.copy()
        for _ in range(6):  # until the residuals of each item add up to 0
            run = judged(columns, ItemParameters.dichotomous(b), 600)
            b -= np.bincount(item, run.residual) / np.bincount(item, run.predicted.variance)
        known = run.fit
        told = item_fit(item, score, predicted=run.predicted, difficulty_estimated=True)
        z.append([known.infit_z, told.infit_z, known.outfit_z, told.outfit_z])

    spread = np.concatenate(z, axis=1).std(axis=1)
    assert (spread[[0, 2]] < 0.88).all()
    np.testing.assert_allclose(spread[[1, 3]], 1, atol=0.12)


def test_rmsd_under_the_model_stays_below_its_cut(quiet):
    rmsd = np.concatenate([run.fit.rmsd for run in quiet])

    assert rmsd.mean() < 0.03
    assert (rmsd > CUTS.max_rmsd).mean() < 0.02


def test_q3_under_the_model_rarely_points_at_a_pair(quiet):
    pairs = [run.pairs for run in quiet]

    p = np.concatenate([x.p for x in pairs])
    value = np.concatenate([x.q3 for x in pairs])
    assert np.nanmean(p < 0.05) < 0.10
    assert np.nanmean((p < 0.05) & (np.abs(value) > CUTS.max_q3)) < 0.10


@pytest.mark.parametrize(("n_items", "bias"), [(5, 0.07), (15, 0.035)])
def test_q3_is_freed_of_the_bias_that_residuals_of_a_short_test_have(n_items, bias):
    """Plain residual correlations lie below 0 by about 1 over the number of items."""
    plain, corrected = [], []
    for seed in range(4):
        run = clean(seed, n_students=1500, n_items=n_items, per_student=n_items)
        off = ~np.eye(n_items, dtype=bool)
        plain.append(np.corrcoef(run.residual.reshape(-1, n_items).T)[off].mean())
        corrected.append(run.pairs.q3.mean())

    assert np.mean(plain) < -bias
    assert abs(np.mean(corrected)) < 0.02


def planted(seed, n_students=1000):
    """Forty 1PL items as the model has them, but for a random, a steep one and a pair."""
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=n_students), np.linspace(-1.5, 1.5, 40)
    chance = expit(theta[:, None] - b)
    chance[:, 20] = 0.5
    chance[:, 10] = expit(2.5 * (theta - b[10]))
    shared = 1.7 * rng.normal(size=(n_students, 1))
    chance[:, 30:32] = expit(theta[:, None] + shared - b[30:32])
    columns = answered(chance, seed, per_student=20)
    return judged(columns, ItemParameters.dichotomous(b), n_students)


@pytest.fixture(scope="module")
def spoilt():
    return [planted(seed) for seed in SEEDS]


def test_random_answers_are_found(spoilt):
    for run in spoilt:
        assert run.fit.outfit[20] > 1.2
        assert run.fit.outfit_z[20] > 5
        assert run.fit.rmsd[20] > CUTS.max_rmsd
        assert abs(run.fit.item_theta_correlation[20]) < CUTS.correlation_weak


def test_a_slope_too_steep_is_found(spoilt):
    for run in spoilt:
        assert run.fit.infit[10] < 0.85
        assert run.fit.infit_z[10] < -CUTS.fit_z
        assert run.fit.item_theta_correlation[10] > 0.45


def test_a_dependent_pair_is_found(spoilt):
    found = [(run.pairs.partner[30], run.pairs.partner[31]) for run in spoilt]
    value = np.array([run.pairs.q3[30] for run in spoilt])

    assert found.count((31, 30)) == len(found)
    assert value.mean() > CUTS.max_q3


def test_items_beside_misfits_stay_quiet(spoilt):
    good = ~np.isin(np.arange(40), [10, 20, 30, 31])

    rmsd = np.stack([run.fit.rmsd[good] for run in spoilt])
    z = np.stack([run.fit.infit_z[good] for run in spoilt])
    assert (rmsd > CUTS.max_rmsd).mean() < 0.01
    assert (np.abs(z) > CUTS.fit_z).mean() < 0.10
