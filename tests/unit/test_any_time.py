"""A bound that holds at all questions: how often walks without any drift get past it."""

import numpy as np
import pytest
from scipy.stats import norm

from deepkt_irt.bandit.any_time import widening

CONFIDENCE = 0.9


def lower_ends(n_walks, days, *, a_day, drift=0.0, seed=3):
    """Means so far of walks and their standard errors, asked once a day, (walks, days)."""
    steps = np.random.default_rng(seed).normal(drift * a_day, np.sqrt(a_day), size=(n_walks, days))
    n = a_day * np.arange(1, days + 1)
    mean, error = np.cumsum(steps, axis=1) / n, 1 / np.sqrt(n)
    z = norm.ppf((1 + CONFIDENCE) / 2)
    wider = np.array([widening(int(k), confidence=CONFIDENCE, tightest_at=5_000) for k in n])
    return mean - z * error, mean - z * wider * error


def test_daily_questions_about_nothing_are_answered_yes_as_seldom_as_promised():
    once, at_any_time = lower_ends(4_000, 365, a_day=100)

    promised = (1 - CONFIDENCE) / 2
    assert (once > 0).any(axis=1).mean() > 4 * promised
    assert (at_any_time > 0).any(axis=1).mean() <= promised


def test_log_that_forgets_is_answered_yes_about_once_a_window_as_seldom_as_promised():
    """Eight windows of 56 days, each day asked of the last 56."""
    window, a_day = 56, 100
    steps = np.random.default_rng(5).normal(size=(4_000, 9 * window))
    total = np.cumsum(steps, axis=1)
    z = (total[:, window:] - total[:, :-window]) / np.sqrt(window)
    errors = norm.ppf((1 + CONFIDENCE) / 2) * widening(
        window * a_day, confidence=CONFIDENCE, tightest_at=window * a_day
    )

    passed = (z > errors).any(axis=1).mean()

    assert passed <= 8 * (1 - CONFIDENCE) / 2


def test_what_is_truly_there_is_found():
    _, at_any_time = lower_ends(200, 100, a_day=100, drift=0.05)

    assert (at_any_time[:, -1] > 0).mean() > 0.9


def test_widening_is_least_where_it_is_tuned_for():
    at = {n: widening(n, confidence=0.99, tightest_at=10_000) for n in (500, 9_000, 10_000, 11_000)}

    assert min(at, key=at.get) == 10_000
    assert 1 < at[10_000] < at[500] < 2.1


@pytest.mark.parametrize(
    "wrong", [{"n": 0}, {"tightest_at": 0}, {"confidence": 0.0}, {"confidence": 1.0}]
)
def test_widening_out_of_range_is_refused(wrong):
    given = {"n": 10, "confidence": 0.99, "tightest_at": 10} | wrong
    with pytest.raises(ValueError, match="must be at least 1"):
        widening(given.pop("n"), **given)
