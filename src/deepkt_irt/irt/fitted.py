"""Estimates in logits and for all items, with standard errors by the delta method."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from deepkt_irt.irt.em import ItemEm, State
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.responses import Selection
from deepkt_irt.irt.standard_errors import SamplingError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_MIN_SLOPES = 10


@dataclass(frozen=True)
class FittedItems:
    """What was estimated of items and groups; item arrays have shape (items,).

    Attributes:
        items: Their curves, in logits; NaN thresholds for an item with too few responses.
        model: 1PL, 2PL, 3PL or GRM; empty if not calibrated.
        difficulty_se: Standard error of the difficulty (of the mean threshold). Where no slope was
            estimated but others were, it holds how much slopes differ.
        discrimination: a; NaN unless estimated for the item.
        discrimination_se: Its standard error.
        guessing: c; NaN unless estimated for the item.
        guessing_se: Its standard error.
        thresholds_se: Standard error of each threshold, (items, steps).
        covariance: Of the errors of b and a, (items,); NaN where a was not estimated.
        n_responses: First attempts on the item.
        p_value: Mean share of credit; NaN without any.
        group_mean: Mean ability of each group, logits, (groups,).
        group_sd: Its standard deviation, (groups,).
        population_mean: Mean ability of all students, logits.
        population_sd: Spread of ability of all students, logits.
        log_likelihood: Marginal, of the data under the estimates.
        n_iterations: EM steps.
        scale: Logits per standard deviation of group 0, or of the fixed items' population.
    """

    items: ItemParameters
    model: NDArray[np.str_]
    difficulty_se: FloatArray
    discrimination: FloatArray
    discrimination_se: FloatArray
    guessing: FloatArray
    guessing_se: FloatArray
    thresholds_se: FloatArray
    covariance: FloatArray
    n_responses: IntArray
    p_value: FloatArray
    group_mean: FloatArray
    group_sd: FloatArray
    population_mean: float
    population_sd: float
    log_likelihood: float
    n_iterations: int
    scale: float

    @property
    def difficulty(self) -> FloatArray:
        """Of right-or-wrong items b, of graded ones the mean threshold; NaN if there is none."""
        return self.items.difficulty


@dataclass(frozen=True)
class Estimate:
    """A maximum on standardised ability, its error, and how many students each group has."""

    em: ItemEm
    state: State
    error: SamplingError
    group_sizes: IntArray


def in_logits(
    estimate: Estimate, selection: Selection, iterations: int, log_likelihood: float
) -> FittedItems:
    """Everything in logits and for all items, with errors by the delta method."""
    em, state = estimate.em, estimate.state
    curves, design, scale = state.curves, em.design, em.scale(state.curves)
    thresholds = -scale * curves.intercept / curves.slope[:, None]
    c = expit(curves.guess_logit)
    pooled = state.pooled(estimate.group_sizes)
    by_mean, by_step, by_slope, by_guess, across = _errors(estimate, thresholds / scale)
    doubt = _doubt_about_slopes(curves.slope, by_slope, design.has_slope)
    of_slope = np.where(design.shares_slope, doubt, 0.0)
    by_mean = np.hypot(by_mean, of_slope * _mean(thresholds / scale))
    by_step = np.hypot(by_step, of_slope[:, None] * thresholds / scale)
    n_items = len(selection.n_responses)

    def whole(values: FloatArray, missing: float = np.nan) -> FloatArray:
        filled = np.full((n_items, *values.shape[1:]), missing)
        filled[selection.kept] = values
        return filled

    model = np.full(n_items, "", dtype="U3")
    slope_name = np.where(selection.has_guessing, "3PL", "2PL")
    name = np.where(selection.has_slope, slope_name, "1PL")
    model[selection.kept] = np.where(selection.n_steps > 1, "GRM", name)
    return FittedItems(
        items=ItemParameters(whole(thresholds), whole(curves.slope / scale, 1.0), whole(c, 0.0)),
        model=model,
        difficulty_se=whole(scale * by_mean),
        discrimination=whole(np.where(design.has_slope, curves.slope / scale, np.nan)),
        discrimination_se=whole(np.where(design.has_slope, by_slope / scale, np.nan)),
        guessing=whole(np.where(selection.has_guessing, c, np.nan)),
        guessing_se=whole(np.where(selection.has_guessing, c * (1 - c) * by_guess, np.nan)),
        thresholds_se=whole(scale * by_step),
        covariance=whole(np.where(design.has_slope, across, np.nan)),
        n_responses=selection.n_responses,
        p_value=selection.p_value,
        group_mean=scale * state.mean,
        group_sd=scale * state.sd,
        population_mean=scale * float(pooled.mean[0]),
        population_sd=scale * float(pooled.sd[0]),
        log_likelihood=log_likelihood,
        n_iterations=iterations,
        scale=scale,
    )


def _mean(thresholds: FloatArray) -> FloatArray:
    """Of each item's thresholds, (items,)."""
    mean: FloatArray = np.nanmean(thresholds, axis=1)
    return mean


def _errors(
    estimate: Estimate, b: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Standard errors of mean threshold, thresholds, slope and logit c, on standardised ability.

    Last comes the covariance of mean threshold and slope.

    b = -intercept / slope, so db = -(b dslope + dintercept) / slope.
    """
    curves, covariance = estimate.state.curves, estimate.error.covariance
    n_steps = curves.intercept.shape[1]
    has_step = np.isfinite(curves.intercept)
    variance_of = covariance[:, np.arange(1 + n_steps), np.arange(1 + n_steps)]
    slope2 = curves.slope**2
    across = covariance[:, 0, 1 : 1 + n_steps]
    own = b**2 * variance_of[:, :1] + 2 * b * across + variance_of[:, 1:]
    by_step = np.sqrt(own / slope2[:, None] + estimate.error.location)
    weight = has_step / has_step.sum(axis=1, keepdims=True)
    gradient = np.concatenate(
        [(np.nan_to_num(b) * weight).sum(axis=1, keepdims=True), weight], axis=1
    )
    block = covariance[:, : 1 + n_steps, : 1 + n_steps]
    mean = np.einsum("ip,ipq,iq->i", gradient, block, gradient)
    by_mean = np.sqrt(mean / slope2 + estimate.error.location)
    by_slope = np.sqrt(variance_of[:, 0])
    by_guess = np.sqrt(covariance[:, -1, -1])
    with_slope = -np.einsum("ip,ip->i", gradient, block[:, :, 0]) / curves.slope
    return by_mean, by_step, by_slope, by_guess, with_slope


def _doubt_about_slopes(slope: FloatArray, slope_se: FloatArray, own: BoolArray) -> float:
    """Standard deviation of the log slopes that were estimated, their errors taken off.

    An item without a slope of its own has one like theirs, and b is off by as much in proportion.
    0 where too few were estimated to tell.
    """
    if own.sum() < _MIN_SLOPES:
        return 0.0
    relative = slope_se[own] / slope[own]
    return float(np.sqrt(max(np.log(slope[own]).var() - (relative**2).mean(), 0.0)))
