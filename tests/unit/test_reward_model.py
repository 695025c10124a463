"""Predicted rewards: what they are fitted on, and what they must never see."""

from dataclasses import replace

import numpy as np
import pytest

from deepkt_irt.bandit import reward_model
from deepkt_irt.bandit.reward_model import cross_fitted_rewards
from deepkt_irt.errors import NoConvergence, NoData
from made_up_decisions import part, world

LINKS = ("identity", "logit")


@pytest.fixture(scope="module")
def made():
    return world(n_students=40, seed=1)


@pytest.mark.parametrize("link", LINKS)
def test_prediction_never_sees_the_students_own_rewards(made, link):
    log = made.log
    turned = np.where(log.student == 3, 1 - log.reward, log.reward)

    before, after = (
        cross_fitted_rewards(replace(log, reward=reward), made.features, link=link)
        for reward in (log.reward, turned)
    )

    own = log.student[made.decision] == 3
    assert np.array_equal(before[own], after[own])
    assert not np.allclose(before[~own], after[~own], atol=1e-4)


def test_identity_prediction_is_ridge_regression_of_the_other_folds(made):
    log, x = made.log, made.features
    names = np.unique(log.student)
    fold = (np.random.default_rng(4).permutation(len(names)) % 3)[
        np.searchsorted(names, log.student)
    ]
    seen = x[log.chosen[fold != 1]]
    z = (seen - seen.mean(axis=0)) / seen.std(axis=0)
    # a penalty of 7 is as much as two more responses of 0 with features of sqrt(7)
    rows = np.vstack([np.column_stack([np.ones(len(z)), z]), [[0, 7**0.5, 0], [0, 0, 7**0.5]]])
    aims = np.concatenate([log.reward[fold != 1], [0, 0]])
    beta = np.linalg.lstsq(rows, aims)[0]

    found = cross_fitted_rewards(log, x, penalty=7.0, n_folds=3, seed=4)

    mine = fold[made.decision] == 1
    expected = beta[0] + (x[mine] - seen.mean(axis=0)) / seen.std(axis=0) @ beta[1:]
    assert found[mine] == pytest.approx(expected)


def test_logit_fit_is_where_the_penalised_likelihood_is_flat(made):
    rng = np.random.default_rng(2)
    z, reward = rng.normal(size=(200, 3)), (rng.random(200) < 0.2).astype(float)

    start, slope = reward_model._logistic(z, reward, 2.0)

    p = 1 / (1 + np.exp(-(start + z @ slope)))
    assert z.T @ (reward - p) == pytest.approx(2.0 * slope, abs=1e-5)
    assert p.mean() == pytest.approx(reward.mean(), abs=0.001)


@pytest.mark.parametrize("link", LINKS)
def test_prediction_of_many_rewards_is_near_the_truth(link):
    made = world(n_students=800, seed=3)
    flat = replace(made.log, reward=made.truth[made.log.chosen])

    found = cross_fitted_rewards(flat, made.features, link=link)

    # what is left is the students' own level, which the features do not tell
    assert np.corrcoef(found, made.features @ [0.8, 0.5])[0, 1] > 0.99
    assert found.mean() == pytest.approx(made.truth.mean(), abs=0.02)


@pytest.mark.parametrize("link", LINKS)
def test_pending_reward_is_not_fitted_but_predicted(made, link):
    log, pending = made.log, np.arange(made.log.n_decisions) % 3 == 0
    pending[np.unique(log.student, return_index=True)[1]] = False  # each student has one known
    waiting = replace(log, reward=np.where(pending, np.nan, log.reward))

    found = cross_fitted_rewards(waiting, made.features, link=link)
    known, rows = part(log, np.flatnonzero(~pending))
    alone = cross_fitted_rewards(known, made.features[rows], link=link)

    assert np.isfinite(found).all()
    assert found[rows] == pytest.approx(alone)


def test_logit_of_rewards_that_are_all_alike_or_told_apart_is_finite(made):
    log, x = made.log, made.features
    parted = (x[log.chosen, 0] > 0).astype(float)

    for reward in (np.ones(log.n_decisions), np.zeros(log.n_decisions), parted):
        found = cross_fitted_rewards(replace(log, reward=reward), x, link="logit", penalty=0.01)
        assert ((found >= 0) & (found <= 1)).all()
        assert abs(found[log.chosen] - reward).mean() < 0.05


@pytest.mark.parametrize("link", LINKS)
def test_constant_feature_changes_nothing(made, link):
    wide = np.column_stack([made.features, np.full(len(made.features), 5.0)])

    plain, more = (cross_fitted_rewards(made.log, x, link=link) for x in (made.features, wide))

    assert more == pytest.approx(plain)


def test_logit_that_does_not_converge_says_so(made, monkeypatch):
    monkeypatch.setattr(reward_model, "_MAX_STEPS", 1)

    with pytest.raises(NoConvergence, match="1 steps"):
        cross_fitted_rewards(made.log, made.features, link="logit")


def test_impossible_input_is_refused(made):
    log, x = made.log, made.features
    holed = np.where(np.arange(len(x))[:, None] == 5, np.nan, x)
    for wrong, options, message in [
        (x[1:], {}, "features must be"),
        (holed, {}, "row 5, column 0 is not finite"),
        (x, {"penalty": 0.0}, "penalty=0.0"),
        (x, {"n_folds": 1}, "n_folds=1"),
    ]:
        with pytest.raises(ValueError, match=message):
            cross_fitted_rewards(log, wrong, **options)
    high = np.where(np.arange(log.n_decisions) == 0, 1.5, log.reward)
    with pytest.raises(ValueError, match=r"decision 0: reward 1\.5 is outside"):
        cross_fitted_rewards(replace(log, reward=high), x, link="logit")
    with pytest.raises(NoData, match="41 folds of students, but there are 40"):
        cross_fitted_rewards(log, x, n_folds=41)
    one = np.where(log.student == 0, log.reward, np.nan)
    with pytest.raises(NoData, match="no known reward outside fold"):
        cross_fitted_rewards(replace(log, reward=one), x)
