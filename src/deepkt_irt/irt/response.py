"""Item response functions: chances of each score level.

All arguments broadcast; abilities and difficulties are in logits, without the factor 1.7.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

FloatArray = NDArray[np.float64]


def probability_3pl(theta: ArrayLike, a: ArrayLike, b: ArrayLike, c: ArrayLike = 0.0) -> FloatArray:
    """Chance of a right answer under the three-parameter logistic model.

    P(theta) = c + (1 - c) / (1 + exp(-a (theta - b))); a = 1 and c = 0 give the 1PL.

    Args:
        theta: Ability, mostly -4 to 4.
        a: Discrimination, above 0, mostly 0.3 to 3.
        b: Difficulty, on the scale of theta.
        c: Lower asymptote (guessing), in [0, 1).

    Returns:
        Probability in [c, 1].

    Reference:
        Birnbaum (1968), in Lord and Novick, Statistical Theories of Mental Test Scores.
    """
    theta, a, b, c = (np.asarray(x, dtype=np.float64) for x in (theta, a, b, c))
    result: FloatArray = c + (1.0 - c) * expit(a * (theta - b))
    return result


def level_probabilities(
    theta: ArrayLike, a: ArrayLike, thresholds: ArrayLike, c: ArrayLike = 0.0
) -> FloatArray:
    """Chance of each score level under the graded response model, which holds the 1PL to 3PL.

    P(level >= k) = 1 / (1 + exp(-a (theta - b_k))) with b_1 < b_2 < …; an item with one step is
    right or wrong, and only such an item may have guessing.

    Args:
        theta: Ability, any shape S that broadcasts with those of a and c.
        a: Discrimination, above 0.
        thresholds: b_1 … b_K on a last axis of their own, S + (K,); NaN beyond an item's steps.
        c: Lower asymptote of an item with one step, in [0, 1).

    Returns:
        Chances of the levels 0 … K, S + (K + 1,), summing to 1; 0 for levels an item does not
        have, NaN for an item without any threshold.

    Reference:
        Samejima (1969), Psychometrika Monograph 17.
    """
    theta, a, b, c = (np.asarray(x, dtype=np.float64) for x in (theta, a, thresholds, c))
    eta = a[..., None] * (theta[..., None] - b)
    missing = np.isnan(eta)
    above = np.where(missing, 0.0, expit(eta))  # (…, K), P(level >= k)
    below = np.where(missing, 1.0, expit(-eta))[..., 0] * (1.0 - c)  # exact where P is near 1
    above[..., 0] += c * (1.0 - above[..., 0])
    between = np.maximum(above[..., :-1] - above[..., 1:], 0.0)
    result = np.concatenate([below[..., None], between, above[..., -1:]], axis=-1)
    return np.where(missing[..., :1], np.nan, result)
