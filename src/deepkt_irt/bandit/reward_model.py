"""Predicted rewards of eligible items, from models that never saw the student they predict for.

A model that had seen a student's own rewards would repeat their noise, and the doubly robust
estimator would take that for knowledge. So students are dealt into folds, and each fold's rows are
predicted by a model of the others.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import solve
from scipy.special import expit, logit

from deepkt_irt.bandit.decision_log import DecisionLog, FloatArray, IntArray
from deepkt_irt.errors import NoConvergence, NoData

_MAX_STEPS = 50
_MAX_HALVINGS = 40
_TOLERANCE = 1e-9  # of the loss, that another Newton step would save


@dataclass(frozen=True)
class _Scale:
    """Centre and spread of features, so that one penalty fits all of them."""

    mean: FloatArray
    spread: FloatArray

    @classmethod
    def of(cls, x: FloatArray) -> "_Scale":
        spread = x.std(axis=0)
        return cls(x.mean(axis=0), np.where(spread > 0, spread, 1.0))

    def __call__(self, x: FloatArray) -> FloatArray:
        result: FloatArray = (x - self.mean) / self.spread
        return result


def cross_fitted_rewards(
    log: DecisionLog,
    features: FloatArray,
    *,
    link: Literal["identity", "logit"] = "identity",
    penalty: float = 1.0,
    n_folds: int = 5,
    seed: int = 0,
) -> FloatArray:
    """Predict the reward of every eligible row, by folds of students.

    Fitted are the chosen rows whose reward is known; pending ones are predicted, too. Features
    are standardised by the rows a model is fitted on; the mean reward is not penalised.

    Args:
        log: Decisions.
        features: Of each eligible row, finite, without a constant, (rows, features).
        link: identity: ridge regression, any reward. logit: logistic regression, rewards in
            [0, 1], predictions, too.
        penalty: Of squared coefficients of standardised features, above 0, in responses.
        n_folds: Folds of students, 2 or more.
        seed: Deals students into folds.

    Returns:
        Predicted rewards, (rows,).

    Raises:
        NoData: If there are fewer students than folds, or a fold holds all known rewards.
        NoConvergence: If the logistic fit does not converge.
        ValueError: If a value is outside its range or lengths differ.

    Reference:
        Dudik, Langford and Li (2011), Doubly robust policy evaluation and learning; cross-fitting:
        Chernozhukov et al. (2018), Econometrics Journal 21(1).
    """
    if penalty <= 0 or n_folds < 2:
        raise ValueError(f"penalty={penalty} must be above 0 and n_folds={n_folds} at least 2")
    x = _checked(log, features, link)
    fold = _folds(log.student, n_folds, seed)
    fold_of_row = np.repeat(fold, log.sizes)
    predicted = np.empty(len(x))
    for k in range(n_folds):
        seen = log.has_reward & (fold != k)
        if not seen.any():
            raise NoData(f"no known reward outside fold {k + 1} of {n_folds} to fit a model on")
        train, reward = x[log.chosen[seen]], log.reward[seen]
        scale = _Scale.of(train)
        fit = _logistic if link == "logit" else _ridge
        start, slope = fit(scale(train), reward, penalty)
        line = start + scale(x[fold_of_row == k]) @ slope
        predicted[fold_of_row == k] = expit(line) if link == "logit" else line
    return predicted


def _checked(log: DecisionLog, features: FloatArray, link: str) -> FloatArray:
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or len(x) != len(log.item):
        raise ValueError(f"features must be ({len(log.item)}, features), not {x.shape}")
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(f"features: row {row}, column {column} is not finite")
    outside = log.has_reward & ((log.reward < 0) | (log.reward > 1))
    if link == "logit" and outside.any():
        first = int(np.argmax(outside))
        raise ValueError(f"decision {first}: reward {log.reward[first]} is outside [0, 1]")
    return x


def _folds(student: IntArray, n_folds: int, seed: int) -> IntArray:
    """The fold of each decision's student; sizes differ by at most one student."""
    names, code = np.unique(student, return_inverse=True)
    if len(names) < n_folds:
        raise NoData(f"{n_folds} folds of students, but there are {len(names)} students")
    dealt = np.random.default_rng(seed).permutation(len(names)) % n_folds
    folds: IntArray = dealt[code]
    return folds


def _ridge(z: FloatArray, reward: FloatArray, penalty: float) -> tuple[float, FloatArray]:
    """Intercept and coefficients; the columns of z have mean 0."""
    mean = float(reward.mean())
    gram = z.T @ z + penalty * np.eye(z.shape[1])
    return mean, np.asarray(solve(gram, z.T @ (reward - mean), assume_a="pos"))


def _logistic(z: FloatArray, reward: FloatArray, penalty: float) -> tuple[float, FloatArray]:
    """Intercept and coefficients by Newton's method, halving steps that do not help.

    The intercept is a share of the rewards plus a penalised correction, so that rewards that are
    all 0 or all 1 still have a finite fit.
    """
    start = float(logit((reward.sum() + 0.5) / (len(reward) + 1)))
    wide = np.column_stack([np.ones(len(z)), z])
    beta = np.zeros(wide.shape[1])
    loss = _log_loss(beta, wide, reward, start, penalty)
    for _ in range(_MAX_STEPS):
        p = expit(start + wide @ beta)
        slope = wide.T @ (p - reward) + penalty * beta
        curve = (wide * (p * (1 - p))[:, None]).T @ wide + penalty * np.eye(len(beta))
        step = np.asarray(solve(curve, slope, assume_a="pos"))
        if slope @ step <= _TOLERANCE * (1 + loss):
            beta = beta - step
            return start + float(beta[0]), beta[1:]
        for _ in range(_MAX_HALVINGS):
            new = _log_loss(beta - step, wide, reward, start, penalty)
            if new < loss:
                break
            step = step / 2
        beta, loss = beta - step, new
    raise NoConvergence(f"the logistic reward model did not converge in {_MAX_STEPS} steps")


def _log_loss(
    beta: FloatArray, wide: FloatArray, reward: FloatArray, start: float, penalty: float
) -> float:
    line = start + wide @ beta
    return float(np.sum(np.logaddexp(0, line) - reward * line) + penalty / 2 * beta @ beta)
