"""Benjamini-Hochberg: worked example, laws, and the rate it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepkt_irt.irt.multiple_testing import benjamini_hochberg

CHANCES = arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1))


def test_benjamini_hochberg_worked_by_hand():
    p = np.array([0.01, 0.04, 0.03, 0.005])

    # sorted .005 .01 .03 .04 times 4/1 4/2 4/3 4/4, then the smallest from the right
    assert benjamini_hochberg(p) == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_benjamini_hochberg_untested_stay_nan_and_count_as_no_test():
    p = np.array([[0.02, np.nan], [0.5, 0.03]])

    q = benjamini_hochberg(p)

    assert q.shape == p.shape
    assert np.isnan(q[0, 1])
    assert q[~np.isnan(p)] == pytest.approx([0.045, 0.5, 0.045])


@pytest.mark.parametrize("p", [np.array([]), np.full(3, np.nan)])
def test_benjamini_hochberg_nothing_tested_gives_nothing(p):
    assert np.isnan(benjamini_hochberg(p)).all()


@pytest.mark.parametrize("bad", [-0.1, 1.1, np.inf])
def test_benjamini_hochberg_refuses_what_is_no_chance(bad):
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg(np.array([0.2, bad]))


@given(CHANCES)
def test_benjamini_hochberg_keeps_the_order_and_lies_between_p_and_one(p):
    q = benjamini_hochberg(p)

    assert (np.diff(q[np.argsort(p)]) >= 0).all()
    assert (q >= p).all()
    assert (q <= 1).all()


@given(CHANCES, st.floats(0.01, 0.5))
def test_benjamini_hochberg_points_out_what_the_step_up_rule_does(p, rate):
    """The rule as published: all up to the largest k with p_(k) <= k rate / m."""
    ordered = np.sort(p)
    below = np.flatnonzero(ordered <= rate * np.arange(1, len(p) + 1) / len(p))
    cut = ordered[below.max()] if len(below) else -1.0

    q = benjamini_hochberg(p)

    clear = np.abs(q - rate) > 1e-12  # a tie may round to either side
    assert ((q <= rate) == (p <= cut))[clear].all()


def test_benjamini_hochberg_share_of_false_ones_stays_below_the_rate():
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(300):
        real = np.arange(100) < 20
        p = np.where(real, rng.random(100) ** 6, rng.random(100))
        found = benjamini_hochberg(p) < 0.2
        shares.append((found & ~real).sum() / max(found.sum(), 1))

    assert 0.05 < np.mean(shares) < 0.2
