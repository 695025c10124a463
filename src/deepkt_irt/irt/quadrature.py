"""Even grids over ability, on which posteriors are summed instead of integrated."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def nodes(count: int, reach: float) -> FloatArray:
    """Evenly spaced nodes in standard deviations of ability, shape (count,)."""
    return np.linspace(-reach, reach, count)


def prior_weights(z: FloatArray, mean: ArrayLike = 0.0, sd: ArrayLike = 1.0) -> FloatArray:
    """Normal weights of the nodes, summing to 1; one row for each mean and SD given."""
    mean, sd = np.asarray(mean, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    # from the nearest node, so that no row is all zeros however far off its mean lies
    exponent = -0.5 * ((z - mean[..., None]) / sd[..., None]) ** 2
    density: FloatArray = np.exp(exponent - exponent.max(axis=-1, keepdims=True))
    return density / density.sum(axis=-1, keepdims=True)
