"""Differential item functioning by logistic regression, all items and groups at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, xlog1py, xlogy

from deepkt_irt.irt.groups import MatchedTakers
from deepkt_irt.irt.multiple_testing import benjamini_hochberg
from deepkt_irt.settings import DifSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ROWS = 100_000  # responses whose logistic regressions are fitted at a time
_NEWTON_STEPS = 40
_CONVERGED = 1e-5  # gain in log-likelihood still to be had
_RIDGE = 1e-9  # keeps steps finite where a predictor tells right from wrong without error


@dataclass(frozen=True)
class LogisticDif:
    """Each group against all others, arrays of shape (groups, items); NaN where not tested.

    Attributes:
        n: Responses of the group.
        log_odds: Of a right answer, group against others matched, logits; below 0: harder for it.
        chi2_uniform: Likelihood ratio test of that, 1 degree of freedom.
        p_uniform: Its chance under no DIF.
        chi2_nonuniform: Test of a difference that changes with ability, 1 degree of freedom.
        p_nonuniform: Its chance.
        r2_uniform: Nagelkerke R2 that the group adds.
        r2_change: That the group and its interaction with ability add.
        p: Of both tests together, 2 degrees of freedom.
        q: p after Benjamini-Hochberg over all groups and items tested.
    """

    n: IntArray
    log_odds: FloatArray
    chi2_uniform: FloatArray
    p_uniform: FloatArray
    chi2_nonuniform: FloatArray
    p_nonuniform: FloatArray
    r2_uniform: FloatArray
    r2_change: FloatArray
    p: FloatArray
    q: FloatArray


def logistic_dif(takers: MatchedTakers, *, settings: DifSettings) -> LogisticDif:
    """Logistic regressions of the answer on match, group, and their product.

    logit P = b0 + b1 m + b2 g + b3 m g, where m matches takers and g is 1 for the group; b2 is
    tested against b0 + b1 m alone, b3 against the model with b2.

    Args:
        takers: Who is compared.
        settings: Least responses of group and others.

    Reference:
        Swaminathan and Rogers (1990), Journal of Educational Measurement 27, 361-370; Zumbo
        (1999), A Handbook on the Theory and Methods of Differential Item Functioning; R2:
        Nagelkerke (1991), Biometrika 78, 691-692.
    """
    n, n_others = takers.sizes()
    enough = np.minimum(n, n_others) >= settings.min_group
    fits = np.full((5, *n.shape), np.nan)  # log-likelihoods of 4 models, log odds
    for rows in _blocks(takers.item, enough.any(axis=0)):
        fits[..., np.unique(takers.item[rows])] = _nested_fits(takers, rows)
    fits[:, ~enough] = np.nan
    total = n + n_others
    none, alone, uniform, both, log_odds = fits
    chi2_uniform, chi2_nonuniform = 2 * (uniform - alone), 2 * (both - uniform)
    p = chdtrc(2, np.maximum(chi2_uniform + chi2_nonuniform, 0))

    def r2(fit: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            result: FloatArray = np.expm1(2 * (none - fit) / total) / np.expm1(2 * none / total)
        return result

    return LogisticDif(
        n=n,
        log_odds=log_odds,
        chi2_uniform=chi2_uniform,
        p_uniform=chdtrc(1, np.maximum(chi2_uniform, 0)),
        chi2_nonuniform=chi2_nonuniform,
        p_nonuniform=chdtrc(1, np.maximum(chi2_nonuniform, 0)),
        r2_uniform=r2(uniform) - r2(alone),
        r2_change=r2(both) - r2(alone),
        p=p,
        q=benjamini_hochberg(p),
    )


def _blocks(item: IntArray, enough: NDArray[np.bool_]) -> Iterator[IntArray]:
    """Rows of whole items that have enough responses, some at a time."""
    n = np.where(enough, np.bincount(item, minlength=len(enough)), 0)
    block = np.where(enough, np.cumsum(n) // _ROWS, -1)[item]
    for number in np.unique(block[block >= 0]):
        yield np.flatnonzero(block == number)


def _nested_fits(takers: MatchedTakers, rows: IntArray) -> FloatArray:
    """Log-likelihoods of no, match, + group, + product, then log odds; (5, groups, items)."""
    item, group = takers.item[rows], takers.group[rows]
    y, m = takers.right[rows], takers.matching[rows]
    starts = np.flatnonzero(np.diff(item, prepend=-1))
    n = np.diff(starts, append=len(item))
    m = m - np.repeat(np.add.reduceat(m, starts) / n, n)
    share = np.add.reduceat(y, starts) / n
    varies = (share > 0) & (share < 1)  # else there is nothing to explain
    found = np.full((5, takers.n_groups, len(starts)), np.nan)
    none = n * (xlogy(share, share) + xlog1py(1 - share, -share))
    alone, line = maximise([m], y, starts, np.zeros((len(starts), 2)))
    for code in range(takers.n_groups):
        g = group == code
        with_group = np.pad(line, ((0, 0), (0, 1)))
        uniform, coefficients = maximise([m, g.astype(np.float64)], y, starts, with_group)
        both = _apart(item, g, m, y, line)
        found[:, code] = none, alone, uniform, both, coefficients[:, 2]
    return np.where(varies, found, np.nan)


def _apart(
    item: IntArray, g: NDArray[np.bool_], m: FloatArray, y: FloatArray, line: FloatArray
) -> FloatArray:
    """Log-likelihood with group and product: a regression of its own on either side, (items,)."""
    order = np.lexsort((g, item))
    side = (2 * item + g)[order]
    starts = np.flatnonzero(np.diff(side, prepend=-1))
    of = np.cumsum(np.diff(side[starts] // 2, prepend=-1) != 0) - 1
    fit, _ = maximise([m[order]], y[order], starts, line[of])
    return np.bincount(of, weights=fit)


def maximise(
    predictors: list[FloatArray], y: FloatArray, starts: IntArray, begin: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Fit each regression by Newton steps, halved where they overshoot.

    Where a predictor separates the answers, coefficients grow without end, but the likelihood
    reaches its limit.

    Args:
        predictors: Columns besides the constant, (rows,) each.
        y: Answers, 0 to 1, (rows,).
        starts: First row of each run, rising from 0, (runs,).
        begin: Coefficients to begin at, the constant's first, (runs, 1 + predictors).

    Returns:
        Largest log-likelihoods (runs,), and coefficients (runs, 1 + predictors).

    Reference:
        McCullagh and Nelder (1989), Generalized Linear Models, chapter 4.
    """
    length = np.diff(starts, append=len(y))
    best, kept = np.full(len(starts), -np.inf), begin.copy()
    at, step = begin, np.zeros_like(begin)
    left = np.arange(len(starts))  # runs that still move
    for _ in range(_NEWTON_STEPS):
        fit, gradient, hessian = _derivatives(
            predictors, y, starts, np.repeat(at, length[left], axis=0)
        )
        newton = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        better = fit >= best[left]
        kept[left[better]], best[left[better]] = at[better], fit[better]
        step = np.where(better[:, None], newton, step / 2)
        moving = ~better | ((gradient * newton).sum(axis=1) >= _CONVERGED)
        if not moving.any():
            break
        if not moving.all():
            rows = np.repeat(moving, length[left])
            left, step, y = left[moving], step[moving], y[rows]
            predictors = [column[rows] for column in predictors]
            starts = np.cumsum(length[left]) - length[left]
        at = kept[left] + step
    return best, kept


def _derivatives(
    predictors: list[FloatArray], y: FloatArray, starts: IntArray, at: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-likelihood (runs,), gradient (runs, k) and information (runs, k, k) at coefficients."""
    eta = at[:, 0].copy()
    for place, column in enumerate(predictors, start=1):
        eta += at[:, place] * column
    odds = np.exp(-np.abs(eta))  # of the less likely answer
    p = np.where(eta > 0, 1.0, odds) / (1 + odds)
    fit = np.add.reduceat(y * eta - np.maximum(eta, 0) - np.log1p(odds), starts)
    residual, weight = y - p, p * (1 - p)
    k = len(predictors) + 1
    gradient, hessian = np.empty((len(starts), k)), np.empty((len(starts), k, k))
    columns = [np.ones_like(y), *predictors]
    for i in range(k):
        gradient[:, i] = np.add.reduceat(residual * columns[i], starts)
    for i, j in combinations_with_replacement(range(k), 2):
        product = weight * columns[i] * columns[j]
        hessian[:, i, j] = hessian[:, j, i] = np.add.reduceat(product, starts)
    return fit, gradient, hessian + _RIDGE * np.eye(k)
