"""Many small logistic regressions at once, one for each run of rows."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NEWTON_STEPS = 30
_CONVERGED = 1e-6  # change of log-likelihood
_RIDGE = 1e-9  # keeps steps finite where a predictor tells right from wrong without error


def maximise(
    x: FloatArray, y: FloatArray, starts: IntArray, of: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Fit each regression by Newton steps, halved where they overshoot.

    Where a predictor separates the answers, coefficients grow without end, but the likelihood
    reaches its limit.

    Args:
        x: Predictors, (rows, coefficients), in runs of one regression each.
        y: Answers, 0 to 1, (rows,).
        starts: First row of each run, (runs,).
        of: Run of each row, (rows,).

    Returns:
        Largest log-likelihoods (runs,), and coefficients (runs, coefficients).

    Reference:
        McCullagh and Nelder (1989), Generalized Linear Models, chapter 4.
    """
    k = x.shape[1]
    best, kept = np.full(len(starts), -np.inf), np.zeros((len(starts), k))
    at, step = kept, kept
    upper = np.triu_indices(k)
    curvature = x[:, upper[0]] * x[:, upper[1]]
    for _ in range(_NEWTON_STEPS):
        eta = (x * at[of]).sum(axis=1)
        p = expit(eta)
        fit = np.add.reduceat(y * eta + log_expit(-eta), starts)
        gradient = np.add.reduceat(x * (y - p)[:, None], starts)
        sums = np.add.reduceat(curvature * (p * (1 - p))[:, None], starts)
        hessian = np.empty((len(starts), k, k))
        hessian[:, upper[0], upper[1]] = hessian[:, upper[1], upper[0]] = sums
        hessian += _RIDGE * np.eye(k)
        newton = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        better = fit >= best
        kept = np.where(better[:, None], at, kept)
        best = np.maximum(fit, best)
        step = np.where(better[:, None], newton, step / 2)
        if ((gradient * newton).sum(axis=1) < _CONVERGED)[better].all() and better.all():
            break
        at = kept + step
    return best, kept
