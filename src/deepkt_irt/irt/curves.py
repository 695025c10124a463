"""Curves under estimation: chances of score levels on standardised ability, and their slopes.

P(level >= k) = sigmoid(slope z + intercept_k) with intercepts falling in k; items with one step
may have a lower asymptote. Slopes are per standard deviation of ability.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class ItemCurves:
    """Parameters of all items.

    Attributes:
        slope: (items,), above 0.
        intercept: One for each step, falling, (items, steps); NaN beyond an item's steps.
        guess_logit: Logit of c, (items,); -inf without guessing.
    """

    slope: FloatArray
    intercept: FloatArray
    guess_logit: FloatArray

    @property
    def n_levels(self) -> int:
        """Score levels of the item with the most."""
        return int(self.intercept.shape[1]) + 1

    @property
    def has_guessing(self) -> BoolArray:
        """Which items have a lower asymptote, (items,)."""
        return np.isfinite(self.guess_logit)

    def chances(self, z: FloatArray) -> FloatArray:
        """Chance of each level at each node, (items, levels, nodes); tiny where there is none."""
        return self._chances(*self._above(z))

    def chances_and_scores(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Chances, and the derivative of each log chance by slope, intercepts and logit c.

        Returns:
            Chances as `chances` gives them, and (parameters, items, levels, nodes); parameters are
            the slope, the intercepts and, if any item guesses, the logit of c. 0 for parameters
            an item does not have.
        """
        above, below = self._above(z)
        chances = self._chances(above, below)
        c = expit(self.guess_logit)[:, None, None]
        rise = above * below * np.where(np.isnan(self.intercept), 0.0, 1.0)[:, :, None] * (1 - c)
        n_items, n_steps, n_nodes = rise.shape
        by_step = np.zeros((n_steps, n_items, n_steps + 1, n_nodes))
        for step in range(n_steps):
            by_step[step, :, step + 1] = rise[:, step]
            by_step[step, :, step] = -rise[:, step]
        parts = [by_step.sum(axis=0)[None] * z, by_step]
        if self.has_guessing.any():
            by_guess = np.zeros((1, n_items, n_steps + 1, n_nodes))
            by_guess[0, :, 1] = (c * (1 - c))[:, 0] * below[:, 0]
            by_guess[0, :, 0] = -by_guess[0, :, 1]
            parts.append(by_guess)
        found: FloatArray = np.concatenate(parts) / chances
        return chances, found

    def _chances(self, above: FloatArray, below: FloatArray) -> FloatArray:
        c = expit(self.guess_logit)[:, None]
        edges = np.concatenate([above, np.zeros((len(above), 1, above.shape[2]))], axis=1)
        edges[:, 0] += c * below[:, 0]
        lowest = below[:, :1] * (1 - c)[:, :, None]
        found: FloatArray = np.concatenate([lowest, edges[:, :-1] - edges[:, 1:]], axis=1)
        return np.maximum(found, _TINY, out=found)

    def _above(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """P(level >= k) and its complement, both without guessing, (items, steps, nodes)."""
        eta = self.slope[:, None, None] * z + self.intercept[:, :, None]
        missing = np.isnan(eta)
        above = np.where(missing, 0.0, expit(eta))
        return above, np.where(missing, 1.0, expit(-eta))
