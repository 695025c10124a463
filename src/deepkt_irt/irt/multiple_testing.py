"""Many tests at once: how large a share of what is pointed out may be false."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def benjamini_hochberg(p: FloatArray) -> FloatArray:
    """Smallest false discovery rate at which each test would be pointed out.

    q of the k-th smallest of m chances = min over j >= k of p_j m / j, so `q < 0.05` keeps the
    expected share of false ones among all pointed out below 5% where tests are independent or
    positively dependent.

    Args:
        p: Chances under the null, each in [0, 1], any shape; NaN where nothing was tested.

    Returns:
        q in [p, 1], same shape; NaN where p is, which counts as no test.

    Raises:
        ValueError: If a p lies outside 0 to 1.

    Reference:
        Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57, 289-300.
    """
    p = np.asarray(p, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    given = p[tested]
    if ((given < 0) | (given > 1)).any():
        raise ValueError("p must lie between 0 and 1")
    order = np.argsort(-given, kind="stable")
    rank = np.arange(len(given), 0, -1)
    adjusted = np.minimum.accumulate(given[order] * (len(given) / rank))
    found = np.empty_like(given)
    found[order] = np.maximum(adjusted, given[order])  # p * m / m may round to just below p
    q[tested] = found
    return q
