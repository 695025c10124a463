"""Links find the scale the simulation hid, say honestly how far they may be off, and see drift."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit

from deepkt_irt.irt.calibration import calibrate
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.linking import Estimates, Link, link
from deepkt_irt.irt.responses import Responses
from deepkt_irt.irt.stability import Stability, stability
from deepkt_irt.irt.transformation import mean_mean, mean_sigma
from deepkt_irt.settings import CalibrationSettings, LinkingSettings

SLOPE, INTERCEPT = 1.3, 0.5
THETA = np.linspace(-4, 4, 41)
DENSITY = np.exp(-0.5 * THETA**2) / np.exp(-0.5 * THETA**2).sum()


def estimated(rng, a, b, n_students, *, is_2pl):
    """Items with the errors that maximum likelihood has when N(0, 1) students answer."""
    p = expit(a * (THETA[:, None] - b))
    weight = n_students * DENSITY[:, None] * p * (1 - p)  # (nodes, items)
    away = THETA[:, None] - b
    of_b, of_a = a**2 * weight.sum(axis=0), (weight * away**2).sum(axis=0)
    both = -a * (weight * away).sum(axis=0) if is_2pl else np.zeros(len(b))
    covariance = np.linalg.inv(np.moveaxis(np.array([[of_b, both], [both, of_a]]), -1, 0))
    error = (np.linalg.cholesky(covariance) @ rng.normal(size=(len(b), 2, 1)))[..., 0]
    se = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    if not is_2pl:
        items = ItemParameters.dichotomous(b + error[:, 0], a)
        return Estimates(items, se[:, 0], np.full(len(b), np.nan))
    items = ItemParameters.dichotomous(b + error[:, 0], np.maximum(a + error[:, 1], 0.1))
    return Estimates(items, se[:, 0], se[:, 1], covariance[:, 0, 1])


@dataclass(frozen=True)
class Run:
    old: Estimates
    new: Estimates
    link: Link
    stability: Stability
    drifted: np.ndarray

    def missed(self):
        """Errors of A and B in their standard errors."""
        errors = np.array([self.link.slope - SLOPE, self.link.intercept - INTERCEPT])
        return errors / np.array([self.link.slope_se, self.link.intercept_se])


def simulated(seed, *, n_items, n_students, method="stocking_lord", is_2pl=True, drift=0.0):
    """Two calibrations of the same items; a fifth of them moved by `drift` logits."""
    rng = np.random.default_rng(seed)
    b = rng.normal(size=n_items)
    a = rng.lognormal(0, 0.3, n_items) if is_2pl else np.ones(n_items)
    slope = SLOPE if is_2pl else 1.0
    drifted = np.arange(n_items) < (n_items // 5 if drift else 0)
    old = estimated(rng, a, b, n_students, is_2pl=is_2pl)
    b_new = (b + drift * drifted - INTERCEPT) / slope
    new = estimated(rng, a * slope, b_new, n_students, is_2pl=is_2pl)
    settings = LinkingSettings(method=method, min_anchors=8, min_correlation=0.8)
    found = link(old, new, settings=settings, population_mean=0.0, population_sd=1.0)
    return Run(old, new, found, stability(old, found.apply_to_estimates(new)), drifted)


@pytest.mark.parametrize("n_items", [12, 40])
@pytest.mark.parametrize("method", ["stocking_lord", "mean_sigma"])
def test_link_finds_the_planted_scale_with_honest_errors(n_items, method):
    runs = [simulated(seed, n_items=n_items, n_students=800, method=method) for seed in range(100)]

    misses = np.array([run.missed() for run in runs])
    assert (np.abs(misses.mean(axis=0)) < 0.35).all()  # no bias to speak of
    assert 0.90 < (np.abs(misses) < 1.96).mean() < 0.985


@pytest.mark.parametrize("n_items", [12, 40])
def test_link_of_1pl_items_finds_the_planted_shift_with_honest_errors(n_items):
    runs = [simulated(seed, n_items=n_items, n_students=200, is_2pl=False) for seed in range(200)]

    misses = np.array([(run.link.intercept - INTERCEPT) / run.link.intercept_se for run in runs])
    assert all(run.link.slope == 1 for run in runs)
    assert abs(misses.mean()) < 0.25
    assert 0.90 < (np.abs(misses) < 1.96).mean() < 0.985


def test_link_screens_out_a_fifth_of_drifted_anchors_and_is_not_harmed():
    runs = [simulated(seed, n_items=40, n_students=1000, drift=0.8) for seed in range(40)]
    plain = [mean_sigma(run.old.items, run.new.items) for run in runs]

    error = np.array([run.link.intercept - INTERCEPT for run in runs])
    harmed = np.array([line.intercept - INTERCEPT for line in plain])
    assert np.mean([run.link.screened[run.drifted].mean() for run in runs]) > 0.85
    assert np.mean([run.link.screened[~run.drifted].mean() for run in runs]) < 0.02
    assert abs(error.mean()) < 0.025
    assert abs(harmed.mean()) > 0.12
    assert np.mean([np.abs(run.missed()) < 1.96 for run in runs]) > 0.88


def test_link_of_1pl_items_screens_out_a_fifth_of_drifted_anchors_too():
    runs = [
        simulated(seed, n_items=60, n_students=800, is_2pl=False, drift=0.8) for seed in range(60)
    ]

    error = np.array([run.link.intercept - INTERCEPT for run in runs])
    plain = [mean_mean(run.old.items, run.new.items).intercept - INTERCEPT for run in runs]
    assert abs(error.mean()) < 0.01
    assert abs(np.mean(plain)) > 0.12
    assert np.mean(np.abs(error) < 1.96 * np.array([run.link.intercept_se for run in runs])) > 0.9


@pytest.mark.parametrize("is_2pl", [True, False])
def test_stability_points_out_the_drifted_items_and_hardly_any_other(is_2pl):
    runs = [
        simulated(seed, n_items=60, n_students=1000, is_2pl=is_2pl, drift=0.8) for seed in range(20)
    ]

    still = np.concatenate([run.stability.p[~run.drifted] for run in runs])
    assert 0.02 < (still < 0.05).mean() < 0.065
    flagged = np.array([run.stability.q < 0.05 for run in runs])
    drifted = runs[0].drifted
    assert flagged[:, drifted].mean() > 0.9
    assert np.mean(flagged[:, ~drifted].sum(axis=1) / flagged.sum(axis=1)) < 0.06


def cohort(rng, a, b, theta, *, seen=1.0):
    """Calibration of what some students answered."""
    student, item = np.nonzero(rng.random((len(theta), len(b))) < seen)
    right = rng.random(len(item)) < expit(a[item] * (theta[student] - b[item]))
    found = calibrate(
        Responses(student, item, right.astype(np.int64), len(theta), len(b)),
        settings=CalibrationSettings(),
    )
    return found, Estimates(found.items, found.difficulty_se, found.discrimination_se)


def test_link_of_two_cohorts_calibrated_apart_brings_out_how_they_differ():
    rng = np.random.default_rng(11)
    a, b = rng.lognormal(0, 0.3, 40), rng.normal(size=40)
    first, old = cohort(rng, a, b, rng.normal(size=2000))
    second, new = cohort(rng, a, b, rng.normal(0.5, 1.3, size=2000))

    found = link(
        old,
        new,
        settings=LinkingSettings(),
        population_mean=first.population_mean,
        population_sd=first.population_sd,
    )

    mean, sd = found.apply_to_abilities(second.population_mean, second.population_sd)
    assert mean == pytest.approx(0.5, abs=0.1)
    assert sd == pytest.approx(1.3, abs=0.1)
    assert second.population_mean == pytest.approx(0, abs=0.05)
    assert stability(old, found.apply_to_estimates(new)).correlation > 0.99


def test_links_over_different_anchors_agree_within_their_errors():
    misses, loose = [], LinkingSettings(min_correlation=0.8)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        b = rng.normal(size=160)
        _, old = cohort(rng, np.ones(160), b, rng.normal(size=500), seen=0.4)
        _, new = cohort(rng, np.ones(160), b, rng.normal(0.5, 1.0, size=500), seen=0.4)
        links = []
        for part in range(8):
            anchors = np.arange(160) % 8 == part
            only = Estimates(old.items, np.where(anchors, old.difficulty_se, np.nan), old.slope_se)
            links.append(link(only, new, settings=loose, population_mean=0, population_sd=1))
        intercepts = np.array([found.intercept for found in links])
        errors = np.array([found.intercept_se for found in links])
        misses += list((intercepts - intercepts.mean()) / errors / np.sqrt(7 / 8))

    assert 0.75 < np.std(misses) < 1.2
    assert 0.88 < np.mean(np.abs(misses) < 1.96) <= 1.0
