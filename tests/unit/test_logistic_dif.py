"""Logistic regressions against a general optimiser, and where they have nothing to say."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import chdtrc, expit, log_expit

from deepkt_irt.irt import logistic_dif as module
from deepkt_irt.irt.groups import MatchedTakers
from deepkt_irt.irt.logistic_dif import logistic_dif, maximise
from deepkt_irt.settings import DifSettings

SETTINGS = DifSettings(min_group=30)
N = 240


def takers(shift=0.0, turn=0.0, seed=1):
    """Three groups on four items; the second item shifts, the third turns for group 1."""
    rng = np.random.default_rng(seed)
    item = np.repeat(np.arange(4), N)
    group = np.tile(np.arange(N) % 3, 4)
    m = rng.normal(size=4 * N)
    extra = (group == 1) * (shift * (item == 1) + turn * m * (item == 2))
    right = (rng.random(4 * N) < expit(0.3 + m + extra)).astype(float)
    return MatchedTakers(item, group, right, m, n_items=4, n_groups=3)


def largest(columns, y):
    x = np.stack([np.ones(len(y)), *columns], axis=1)
    fit = minimize(
        lambda b: -(y * (x @ b) + log_expit(-(x @ b))).sum(),
        np.zeros(x.shape[1]),
        jac=lambda b: -x.T @ (y - expit(x @ b)),
        method="BFGS",
    )
    return -fit.fun, fit.x


@pytest.mark.parametrize("item", range(4))
@pytest.mark.parametrize("code", range(3))
def test_logistic_dif_equals_separate_regressions(item, code):
    data = takers(shift=0.8, turn=-0.7)
    own = data.item == item
    y, m, g = data.right[own], data.matching[own], (data.group[own] == code).astype(float)
    none, _ = largest([], y)
    alone, _ = largest([m], y)
    uniform, b = largest([m, g], y)
    both, _ = largest([m, g, m * g], y)

    found = logistic_dif(data, settings=SETTINGS)

    at = (code, item)
    assert found.n[at] == g.sum()
    assert found.log_odds[at] == pytest.approx(b[2], abs=1e-3)
    assert found.chi2_uniform[at] == pytest.approx(2 * (uniform - alone), abs=1e-3)
    assert found.chi2_nonuniform[at] == pytest.approx(2 * (both - uniform), abs=1e-3)
    assert found.p[at] == pytest.approx(chdtrc(2, 2 * (both - alone)), abs=1e-3)
    assert found.p_uniform[at] == pytest.approx(chdtrc(1, 2 * (uniform - alone)), abs=1e-3)
    scale = 1 - np.exp(2 * none / N)
    r2 = [(1 - np.exp(2 * (none - fit) / N)) / scale for fit in (alone, uniform, both)]
    assert found.r2_uniform[at] == pytest.approx(r2[1] - r2[0], abs=1e-4)
    assert found.r2_change[at] == pytest.approx(r2[2] - r2[0], abs=1e-4)


def test_logistic_dif_tells_a_shift_from_a_turn():
    shifted = logistic_dif(takers(shift=-1.5), settings=SETTINGS)
    turned = logistic_dif(takers(turn=-1.6), settings=SETTINGS)

    assert shifted.log_odds[1, 1] < -0.8  # harder for group 1
    assert shifted.p_uniform[1, 1] < 0.001 < shifted.p_nonuniform[1, 1]
    assert turned.p_nonuniform[1, 2] < 0.001 < turned.p_uniform[1, 2]
    assert shifted.q[1, 1] < 0.01
    assert np.nanmin(shifted.q[:, [0, 2, 3]]) > 0.05


def test_logistic_dif_groups_below_the_least_size_are_not_tested():
    found = logistic_dif(takers(), settings=DifSettings(min_group=90))

    assert (found.n == 80).all()
    for name in ("log_odds", "chi2_uniform", "p", "q", "r2_change"):
        assert np.isnan(getattr(found, name)).all()


def test_logistic_dif_item_all_get_right_is_not_tested():
    data = takers()
    data.right[data.item == 3] = 1

    found = logistic_dif(data, settings=SETTINGS)

    assert np.isnan(found.p[:, 3]).all()
    assert np.isfinite(found.p[:, :3]).all()


def test_logistic_dif_group_that_gets_all_right_has_a_finite_test():
    data = takers()
    data.right[(data.item == 0) & (data.group == 2)] = 1

    found = logistic_dif(data, settings=SETTINGS)

    assert found.chi2_uniform[2, 0] > 20
    assert found.p[2, 0] < 1e-4
    assert found.log_odds[2, 0] > 3


def test_logistic_dif_in_small_blocks_gives_the_same(monkeypatch):
    whole = logistic_dif(takers(shift=0.5), settings=SETTINGS)
    monkeypatch.setattr(module, "_ROWS", 100)
    parts = logistic_dif(takers(shift=0.5), settings=SETTINGS)

    np.testing.assert_allclose(parts.chi2_uniform, whole.chi2_uniform, atol=1e-4)
    np.testing.assert_allclose(parts.p, whole.p, atol=1e-4)


def test_logistic_dif_without_takers_is_empty():
    none = np.array([], dtype=int)

    found = logistic_dif(
        MatchedTakers(none, none, np.array([]), np.array([]), n_items=3, n_groups=2),
        settings=SETTINGS,
    )

    assert found.p.shape == (2, 3)
    assert np.isnan(found.p).all()


def test_maximise_from_a_bad_start_arrives_at_the_same_place():
    rng = np.random.default_rng(5)
    x = rng.normal(size=200)
    y = (rng.random(200) < expit(2 * x - 1)).astype(float)
    starts = np.array([0, 80])

    good, at_good = maximise([x], y, starts, np.zeros((2, 2)))
    bad, at_bad = maximise([x], y, starts, np.array([[9.0, -9.0], [0.0, 0.0]]))

    np.testing.assert_allclose(bad, good, atol=1e-4)
    np.testing.assert_allclose(at_bad, at_good, atol=1e-2)
    assert good[0] == pytest.approx(largest([x[:80]], y[:80])[0], abs=1e-4)
