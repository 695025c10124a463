"""Item response functions: chance of a right answer and information, for one to three parameters.

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


def information_3pl(theta: ArrayLike, a: ArrayLike, b: ArrayLike, c: ArrayLike = 0.0) -> FloatArray:
    """Fisher information of one response about the ability.

    I(theta) = a^2 (1 - P) / P * ((P - c) / (1 - c))^2; for c = 0 it peaks at theta = b with a^2/4.

    Args:
        theta: Ability.
        a: Discrimination, above 0.
        b: Difficulty.
        c: Lower asymptote, in [0, 1).

    Returns:
        Information per squared logit, 0 or more.

    Reference:
        Lord (1980), Applications of Item Response Theory, equation 5-9.
    """
    p = probability_3pl(theta, a, b, c)
    a, c = np.asarray(a, dtype=np.float64), np.asarray(c, dtype=np.float64)
    ratio = (p - c) / (1.0 - c)
    result: FloatArray = a**2 * (1.0 - p) / np.maximum(p, np.finfo(float).tiny) * ratio**2
    return result
