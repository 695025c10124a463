"""Item parameters of Wide & Deep IRT given abilities: posterior modes and their errors.

P = c + (1 - c) / (1 + exp(-a (theta - b))). Each item has b and, where asked for, log a and
logit c, with normal priors, that of b around what its skills' items have in common. Theta is taken
as given: it is a function of the history, and given the history the response is a draw with P.
What is not known of a student flattens the curve; it adds no error.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, IntArray
from deepkt_irt.settings import WideDeepSettings

_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
_PLACE = np.array([[0, 3, 4], [3, 1, 5], [4, 5, 2]])  # of each pair in the matrix
_ITERATIONS = 30
_TOLERANCE = 1e-4  # logits; a hundredth of the smallest standard errors
_LONGEST_STEP = 1.0
_FLOOR = 1e-12


class Responses(NamedTuple):
    """Graded responses to known items: index, 1 or 0, and ability, (responses,) each."""

    item: IntArray
    correct: FloatArray
    theta: FloatArray


@dataclass(frozen=True)
class Curves:
    """Parameters by item index: rows b, log a and logit c; -inf where c is 0.

    Attributes:
        values: (3, items + 1).
        free: Which of them are estimated, (3, items + 1).
        prior_mean: (3, items + 1); of value only where free.
        prior_sd: (3, items + 1).
    """

    values: FloatArray
    free: BoolArray
    prior_mean: FloatArray
    prior_sd: FloatArray

    @property
    def difficulty(self) -> FloatArray:
        """b, (items + 1,)."""
        b: FloatArray = self.values[0]
        return b

    @property
    def slope(self) -> FloatArray:
        """a, (items + 1,)."""
        a: FloatArray = np.exp(self.values[1])
        return a

    @property
    def guessing(self) -> FloatArray:
        """c, (items + 1,)."""
        c: FloatArray = expit(self.values[2])
        return c


def first_curves(
    n_items: int,
    trained: BoolArray,
    settings: WideDeepSettings,
    *,
    guessable: FloatArray | None = None,
) -> Curves:
    """Curves at the middle of their priors.

    Args:
        n_items: Largest item index.
        trained: Which items have training responses, (items + 1,).
        settings: Priors, and whether a and c are estimated.
        guessable: 1 an item can be guessed, 0 not, NaN unknown: no guessing, by item index.
    """
    guesses = _padded(np.zeros(1) if guessable is None else guessable, n_items) == 1
    mean, sd = np.zeros((3, n_items + 1)), np.ones((3, n_items + 1))
    mean[2] = np.where(guesses, logit(settings.prior_guessing), -np.inf)
    sd[1], sd[2] = settings.prior_sd_log_slope, settings.prior_sd_guess_logit
    free = np.stack(
        [trained, trained & settings.discrimination, trained & guesses & settings.guessing]
    )
    return Curves(mean.copy(), free, mean, sd)


def probability(theta: FloatArray, a: FloatArray, b: FloatArray, c: FloatArray) -> FloatArray:
    """Chance of a right answer, c + (1 - c) / (1 + exp(-a (theta - b))); arguments broadcast.

    Reference:
        Birnbaum (1968), in Lord and Novick, Statistical Theories of Mental Test Scores.
    """
    p: FloatArray = c + (1 - c) * expit(a * (theta - b))
    return p


def fitted_curves(curves: Curves, seen: Responses) -> Curves:
    """Curves at the modes of their posteriors given the abilities.

    Newton steps with the expected information, halved where they would lead down. Parameters of
    items without a response end at the means of their priors.

    Args:
        curves: Where to start, and the priors.
        seen: Training responses, none of an unknown item.
    """
    value = log_posterior(curves, seen)
    damping = np.ones(len(value))
    for _ in range(_ITERATIONS):
        gradient, information, _ = derivatives(curves, seen)
        step = np.linalg.solve(information, gradient[..., None])[..., 0].T
        step = np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        # -inf, of an item without guessing, stays
        tried = replace(curves, values=curves.values + damping * np.where(curves.free, step, 0.0))
        found = log_posterior(tried, seen)
        better = found >= value - 1e-9 * np.abs(value)
        curves = replace(curves, values=np.where(better, tried.values, curves.values))
        value = np.where(better, found, value)
        damping = np.where(better, np.minimum(2 * damping, 1.0), damping / 2)
        if np.abs(step).max(initial=0.0) < _TOLERANCE:
            break
    return curves


def log_posterior(curves: Curves, seen: Responses) -> FloatArray:
    """Log likelihood of each item's responses plus log prior, up to a constant, (items + 1,)."""
    at = seen.item
    p = probability(seen.theta, curves.slope[at], curves.difficulty[at], curves.guessing[at])
    chance = np.maximum(np.where(seen.correct == 1, p, 1 - p), _FLOOR)
    fit = np.bincount(at, weights=np.log(chance), minlength=curves.values.shape[1])
    off = np.where(curves.free, curves.values, 0.0) - np.where(curves.free, curves.prior_mean, 0.0)
    total: FloatArray = fit - ((off / curves.prior_sd) ** 2).sum(axis=0) / 2
    return total


def derivatives(curves: Curves, seen: Responses) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of the log posterior by b, log a and logit c; fixed ones have gradient 0 and a unit row.

    Returns:
        Gradient (items + 1, 3), expected information and observed information, priors included,
        (items + 1, 3, 3) each.
    """
    at, n = seen.item, curves.values.shape[1]
    a, c = curves.slope[at], curves.guessing[at]
    eta = a * (seen.theta - curves.difficulty[at])
    s = expit(eta)
    first = np.stack(
        [-(1 - c) * s * (1 - s) * a, (1 - c) * s * (1 - s) * eta, c * (1 - c) * (1 - s)]
    )
    p = np.clip(c + (1 - c) * s, _FLOOR, 1 - _FLOOR)
    score = (seen.correct - p) / (p * (1 - p))  # its square is minus its derivative by p
    second = _second(eta, s, a, c)
    products = np.stack([first[i] * first[j] for i, j in _PAIRS])
    expected = _sums(at, products / (p * (1 - p)), n)
    observed = _sums(at, products * score**2 - second * score, n)
    off = np.where(curves.free, curves.values - np.where(curves.free, curves.prior_mean, 0.0), 0.0)
    gradient = np.where(curves.free, _sums(at, first * score, n) - off / curves.prior_sd**2, 0.0)
    return gradient.T, _matrices(expected, curves), _matrices(observed, curves)


def standard_errors(curves: Curves, seen: Responses) -> FloatArray:
    """Standard errors of b, log a and logit c, NaN where fixed, (3, items + 1).

    From the observed information of the log posterior, item by item; from the expected one where
    the observed is not positive definite. They hold the doubt that the priors leave.
    """
    _, expected, observed = derivatives(curves, seen)
    definite = np.linalg.eigvalsh(observed)[:, :1, None] > 1e-9
    covariance = np.linalg.inv(np.where(definite, observed, expected))
    errors = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)).T
    found: FloatArray = np.where(curves.free, errors, np.nan)
    return found


def _second(eta: FloatArray, s: FloatArray, a: FloatArray, c: FloatArray) -> FloatArray:
    """Second derivatives of P in the order of `_PAIRS`, (6, responses)."""
    rise = s * (1 - s)
    bend = rise * (1 - 2 * s)
    return np.stack(
        [
            (1 - c) * bend * a**2,
            (1 - c) * (bend * eta**2 + rise * eta),
            c * (1 - c) * (1 - 2 * c) * (1 - s),
            -(1 - c) * a * (bend * eta + rise),
            c * (1 - c) * rise * a,
            -c * (1 - c) * rise * eta,
        ]
    )


def _sums(item: IntArray, rows: FloatArray, n: int) -> FloatArray:
    """Each row summed by item, (rows, n)."""
    return np.stack([np.bincount(item, weights=row, minlength=n) for row in rows])


def _matrices(pairs: FloatArray, curves: Curves) -> FloatArray:
    """Information with priors as matrices, (items + 1, 3, 3)."""
    full = pairs[_PLACE].transpose(2, 0, 1)
    free = curves.free.T
    matrices = np.where(free[:, :, None] & free[:, None, :], full, 0.0)
    diagonal = np.arange(3)
    matrices[:, diagonal, diagonal] += np.where(free, 1 / curves.prior_sd.T**2, 1.0)
    return matrices


def _padded(values: FloatArray, n_items: int) -> FloatArray:
    """Values by item index, NaN beyond those given and for the unknown item, (items + 1,)."""
    if len(values) > n_items + 1:
        raise ValueError(f"{len(values) - 1} items described, but the largest index is {n_items}")
    whole = np.full(n_items + 1, np.nan)
    whole[: len(values)] = values
    whole[0] = np.nan
    return whole
