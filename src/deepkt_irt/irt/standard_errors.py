"""Standard errors of the items' parameters from the information the responses hold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.irt.blocks import Expected, ScoreProducts
from deepkt_irt.irt.curves import ItemCurves
from deepkt_irt.irt.em import ItemEm, State

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_LEAST_INFORMATION = 1e-4  # of a direction; less is as good as none


@dataclass(frozen=True)
class SamplingError:
    """Sampling variances on standardised ability.

    Attributes:
        covariance: Of slope, intercepts and, if any item guesses, logit c: (items, p, p); 0 where
            a parameter was not estimated for the item.
        location: Variance, common to all items, from not knowing where the mean ability lies.
    """

    covariance: FloatArray
    location: float


def sampling_error(
    em: ItemEm, state: State, found: Expected, products: ScoreProducts
) -> SamplingError:
    """Variances from the observed information of each item, and of the common location.

    Observed information = expected complete information - the part that is missing because
    abilities are not seen. The blocks of different items are taken apart; what they share is the
    location.

    Args:
        em: The estimator, for its prior and design.
        state: At the maximum.
        found: Sufficient statistics there.
        products: Products of the students' mean scores there.

    Reference:
        Louis (1982), Journal of the Royal Statistical Society B 44, 226-233.
    """
    observed = _observed_information(em, state.curves, found, products)
    curves, design = state.curves, em.design
    own = np.concatenate(
        [
            design.has_slope[:, None],
            np.isfinite(curves.intercept),
            design.has_guessing[:, None],
        ],
        axis=1,
    )[:, : observed.shape[1]]
    free = own & ~design.is_fixed[:, None]
    at = np.arange(observed.shape[1])
    location = 0.0
    if design.scale is None:
        by_location = (observed[:, 1:, 1:] * free[:, 1:, None] * free[:, None, 1:]).sum(axis=(1, 2))
        location = _location_variance(curves, by_location, products.located)
    observed[:, at, at] += np.where(own, _exact_curvature(em, curves), 0.0)
    return SamplingError(_inverse(observed, free), location)


def _observed_information(
    em: ItemEm, curves: ItemCurves, found: Expected, products: ScoreProducts
) -> FloatArray:
    """Each item's block of the information without its prior, (items, p, p)."""
    chances, scores = curves.chances_and_scores(em.z)
    counts = found.counts.reshape(chances.shape)
    # complete information minus the second moment of the score, under the posterior
    surplus = counts.sum(axis=1, keepdims=True) * chances - counts
    p = len(scores)
    by_level = products.products.reshape(-1, len(counts), curves.n_levels)
    observed = np.empty((len(counts), p, p))
    for place, (row, column) in enumerate(zip(*np.triu_indices(p), strict=True)):
        part = np.einsum("ilq,ilq,ilq->i", surplus, scores[row], scores[column])
        part += by_level[place].sum(axis=1)
        observed[:, row, column] = observed[:, column, row] = part
    return observed


def _exact_curvature(em: ItemEm, curves: ItemCurves) -> FloatArray:
    """Curvature of the log prior; of a slope not as in Newton steps, which need it positive."""
    _, curvature = em.prior(curves)
    curvature[:, 0] *= np.maximum(1 + em.usual_log_slope(curves) - np.log(curves.slope), 0.0)
    return curvature


def _inverse(information: FloatArray, free: BoolArray) -> FloatArray:
    """Covariances of the free parameters; 0 for the others."""
    both = free[:, :, None] & free[:, None, :]
    block = np.where(both, information, 0.0)
    at = np.arange(block.shape[1])
    block[:, at, at] = np.where(free, block[:, at, at], 1.0)
    values, vectors = np.linalg.eigh(block)
    inverse = (
        vectors / np.maximum(values, _LEAST_INFORMATION)[:, None, :] @ vectors.transpose(0, 2, 1)
    )
    return np.where(both, inverse, 0.0)


def _location_variance(curves: ItemCurves, by_location: FloatArray, located: float) -> float:
    """Variance that all difficulties share, beyond what the items' own blocks hold.

    The students' information about their mean ability is the sum of 1 - posterior variance.
    The blocks take it to be the sum of the items' own, which overstates it where a student
    answers many items.
    """
    apart = float(curves.slope**2 @ by_location)
    return max(0.0, 1 / located - 1 / apart) if 0 < located < apart else 0.0
