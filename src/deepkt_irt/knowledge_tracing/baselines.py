"""What every model must beat: predictions that know the item and nothing of the student."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def item_means(
    item: IntArray, correct: IntArray, *, n_items: int, prior_responses: float = 5.0
) -> FloatArray:
    """Share right per item among training students, drawn towards the overall share.

    Args:
        item: Item index of each training response, (responses,).
        correct: 1 right, 0 wrong, (responses,).
        n_items: Number of item indexes, 0 included.
        prior_responses: Responses of overall share right that each item is given beforehand.

    Returns:
        Probability per item, (n_items,); an item never answered gets the overall share.
    """
    n = np.bincount(item, minlength=n_items)
    right = np.bincount(item, weights=correct, minlength=n_items)
    overall = float(correct.mean())
    means: FloatArray = (right + prior_responses * overall) / (n + prior_responses)
    return means
