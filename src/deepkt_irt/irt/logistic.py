"""Many small logistic regressions at once, one for each run of rows."""

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NEWTON_STEPS = 40
_CONVERGED = 1e-6  # gain in log-likelihood still to be had
_RIDGE = 1e-9  # keeps steps finite where a predictor tells right from wrong without error


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
    best, kept = np.full(len(starts), -np.inf), begin
    at, step = begin, np.zeros_like(begin)
    for _ in range(_NEWTON_STEPS):
        fit, gradient, hessian = _derivatives(predictors, y, starts, np.repeat(at, length, axis=0))
        newton = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        better = fit >= best
        kept, best = np.where(better[:, None], at, kept), np.maximum(fit, best)
        if better.all() and ((gradient * newton).sum(axis=1) < _CONVERGED).all():
            break
        step = np.where(better[:, None], newton, step / 2)
        at = kept + step
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
    columns = [None, *predictors]
    for i, column in enumerate(columns):
        gradient[:, i] = np.add.reduceat(_times(residual, column), starts)
    for i, j in combinations_with_replacement(range(k), 2):
        product = _times(_times(weight, columns[i]), columns[j])
        hessian[:, i, j] = hessian[:, j, i] = np.add.reduceat(product, starts)
    return fit, gradient, hessian + _RIDGE * np.eye(k)


def _times(values: FloatArray, column: FloatArray | None) -> FloatArray:
    return values if column is None else values * column
