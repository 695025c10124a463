"""Lines from one scale of ability to another, found from items that have curves on both.

theta_linked = A theta + B; under it b becomes A b + B, a becomes a / A, and c stays. Standard
errors come from how the items scatter around the line, so they also hold what makes items differ
between calibrations beyond sampling, and need no standard errors of the items.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import norm

from deepkt_irt.errors import NoConvergence
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.quadrature import nodes, prior_weights

FloatArray = NDArray[np.float64]

_NODES = 41
_REACH = 4.0  # standard deviations of ability
_IQR_TO_SD = 0.74  # of a normal distribution
_LEAST_ERROR = 1e-6  # logits; what is closer together than this differs by rounding only


@dataclass(frozen=True)
class Transformation:
    """theta_linked = slope theta + intercept.

    Attributes:
        slope: A, above 0.
        intercept: B in logits.
        covariance: Of the errors of A and B, (2, 2).
    """

    slope: float
    intercept: float
    covariance: FloatArray


def linked_items(items: ItemParameters, *, slope: float, intercept: float) -> ItemParameters:
    """Curves under theta_linked = slope theta + intercept."""
    return ItemParameters(slope * items.thresholds + intercept, items.slope / slope, items.guessing)


def mean_mean(old: ItemParameters, new: ItemParameters) -> Transformation:
    """A from the mean slopes of the anchors, B from their mean difficulties.

    Anchors of equal slope, as in a 1PL, give A exactly.

    Args:
        old: Anchors on the wanted scale; at least 2.
        new: The same anchors on their own scale.

    Reference:
        Loyd and Hoover (1980), Journal of Educational Measurement 17, 179-193.
    """
    b_old, b_new = _difficulties(old, new)
    slope = float(new.slope.mean() / old.slope.mean())
    intercept = float(b_old.mean() - slope * b_new.mean())
    on_slope = (new.slope - slope * old.slope) / old.slope.mean()
    off = b_old - slope * b_new - intercept
    return _from_influences(slope, intercept, on_slope, off - b_new.mean() * on_slope)


def mean_sigma(old: ItemParameters, new: ItemParameters) -> Transformation:
    """A from the spread of the anchors' difficulties, B from their means.

    Args:
        old: Anchors on the wanted scale; at least 2, of different difficulty.
        new: The same anchors on their own scale.

    Raises:
        ValueError: If the anchors of one scale are all of one difficulty.

    Reference:
        Marco (1977), Journal of Educational Measurement 14, 139-160.
    """
    b_old, b_new = _difficulties(old, new)
    if not (np.ptp(b_old) > 0 and np.ptp(b_new) > 0):
        raise ValueError("anchors of one difficulty say nothing of the unit of the scale")
    slope = float(b_old.std() / b_new.std())
    intercept = float(b_old.mean() - slope * b_new.mean())
    away = (b_old - b_old.mean() + slope * (b_new - b_new.mean())) / 2
    # an item of extreme difficulty draws the line to itself, so it looks closer than it is
    leverage = np.minimum((1 + (away / b_old.std()) ** 2) / len(away), 0.9)
    off = (b_old - slope * b_new - intercept) / (1 - leverage)
    on_slope = slope * off * away / b_old.var()
    return _from_influences(slope, intercept, on_slope, off - b_new.mean() * on_slope)


def stocking_lord(
    old: ItemParameters, new: ItemParameters, *, population_mean: float, population_sd: float
) -> Transformation:
    """A and B under which the anchors' mean expected scores agree best over the population.

    Minimises sum_q g_q (sum_i E_i(theta_q; old) - E_i(theta_q; new linked))^2 with normal weights
    g on an even grid; E is the expected share of credit, P of items that are right or wrong. The
    errors are those of an M-estimator whose terms are the anchors.

    Args:
        old: Anchors on the wanted scale; at least 2.
        new: The same anchors on their own scale.
        population_mean: Where the curves must agree, logits of the wanted scale.
        population_sd: Likewise, above 0.

    Raises:
        ValueError: As mean_sigma, which gives the start.
        NoConvergence: If the curves cannot be brought together.

    Reference:
        Stocking and Lord (1983), Applied Psychological Measurement 7, 201-210.
    """
    z = nodes(_NODES, _REACH)
    theta, weight = population_mean + population_sd * z, np.sqrt(prior_weights(z))
    wanted = old.expected_score(theta)

    def apart(at: FloatArray) -> FloatArray:
        """Weighted difference of each anchor's curves, (nodes, anchors)."""
        log_slope, intercept = at
        linked = linked_items(new, slope=float(np.exp(log_slope)), intercept=float(intercept))
        return weight[:, None] * (linked.expected_score(theta) - wanted)

    def on_average(at: FloatArray) -> FloatArray:
        mean: FloatArray = apart(at).mean(axis=1)
        return mean

    start = mean_sigma(old, new)
    found = least_squares(
        on_average,
        np.array([np.log(start.slope), start.intercept]),
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
    )
    if not found.success:
        raise NoConvergence(f"the anchors' curves cannot be brought together: {found.message}")
    slope = float(np.exp(found.x[0]))
    on_log_slope, on_intercept = -np.linalg.pinv(np.asarray(found.jac)) @ apart(found.x)
    return _from_influences(slope, float(found.x[1]), slope * on_log_slope, on_intercept)


def robust_z(difference: FloatArray, error: FloatArray) -> FloatArray:
    """How far items are off the median difference, in robust standard deviations, (items,).

    z = u / max(0.74 IQR u, 1) with u = (d - median d) / error. With equal errors and more scatter
    than they explain, this is the customary (d - median d) / (0.74 IQR d). Errors come in so that
    an item that is merely uncertain does not look as one that moved, nor an item of a few that
    happen to lie close together.

    Args:
        difference: d, NaN where an item does not count, (items,).
        error: Standard error of d, (items,).

    Returns:
        z, NaN where d is.

    Reference:
        Huynh and Meyer (2010), Practical Assessment, Research and Evaluation 15, 2.
    """
    if not np.isfinite(difference).any():
        return np.full(len(difference), np.nan)
    off = (difference - np.nanmedian(difference)) / np.maximum(error, _LEAST_ERROR)
    low, high = np.nanquantile(off, [0.25, 0.75])
    z: FloatArray = off / max(_IQR_TO_SD * (high - low), 1.0)
    return z


def error_after_screening(cut: float) -> float:
    """How much more a line errs than the items left by `robust_z` show, 1 or more.

    Cutting normal errors at c standard deviations leaves them with too little spread, while which
    of them are cut is itself chance: the error is 1 / (1 - 2 c phi(c) / (2 Phi(c) - 1)) times that
    of items taken as given.

    Reference:
        Huber and Ronchetti (2009), Robust Statistics, section 3.2: the variance of an M-estimator,
        here of the mean of what lies within c.
    """
    return float(1 / (1 - 2 * cut * norm.pdf(cut) / (2 * norm.cdf(cut) - 1)))


def _from_influences(
    slope: float, intercept: float, on_slope: FloatArray, on_intercept: FloatArray
) -> Transformation:
    """A line whose errors follow from what each item moves it by, times the items; (items,)."""
    influence = np.stack([on_slope, on_intercept])
    n = influence.shape[1]
    # two parameters were fitted to the n items
    return Transformation(slope, intercept, influence @ influence.T / (n * max(n - 2, 1)))


def _difficulties(old: ItemParameters, new: ItemParameters) -> tuple[FloatArray, FloatArray]:
    if len(old) != len(new) or len(old) < 2:
        raise ValueError(f"{len(old)} old and {len(new)} new anchors: give both, 2 or more")
    if not (old.is_calibrated & new.is_calibrated).all():
        raise ValueError("an anchor has no curve on one of the scales")
    return old.difficulty, new.difficulty
