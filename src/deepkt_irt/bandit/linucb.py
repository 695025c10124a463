"""Hybrid LinUCB: expected reward and its uncertainty, for rows of features and reward by reward.

One ridge regression on shared features z and a block of own features x per item, solved by
eliminating the blocks. With A_a, B_a, b_a the sums of item a and G_a = A_a^-1 B_a:

    A0 = Z'WZ + prior - sum_a B_a' G_a,  beta = A0^-1 (Z'Wr - sum_a G_a' b_a)
    c = z - G_a' x,  mean = c'beta + x' A_a^-1 b_a,  width^2 = c' A0^-1 c + x' A_a^-1 x

An item with fewer than `min_item_updates` rewards has no block: its rewards teach beta alone, its
mean is z'beta. As theta is then guessed to be 0, the error of the guess has the prior's variance:
width^2 = z' A0^-1 z + x'x / item_prior_precision, so that such items are explored.

Reference:
    Li, Chu, Langford and Schapire (2010), A contextual-bandit approach to personalized news
    article recommendation, Algorithm 2. Without shared features: its Algorithm 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from deepkt_irt.bandit.linear_state import FloatArray, IntArray, LinearState, check_rows

_BLOCK = 8_192  # rows at a time: their items' projections stay near the processor


@dataclass(frozen=True)
class Scores:
    """What is expected of choices, and how little is known of it; any shape, the same for both.

    Attributes:
        mean: Expected reward.
        width: Posterior SD of that mean, in units of the SD of a reward, at least 0.
    """

    mean: NDArray[np.floating[Any]]
    width: NDArray[np.floating[Any]]

    def upper(self, alpha: float) -> NDArray[np.floating[Any]]:
        """Upper confidence bound, mean + alpha width."""
        return self.mean + alpha * self.width


@dataclass(frozen=True)
class Posterior:
    """A state solved: what scoring needs.

    Attributes:
        beta: Shared weights, (shared,).
        root: root root' = A0^-1, the covariance of beta, (shared, shared).
        projection: G_a; 0 for items with too few rewards, (items, own, shared).
        own_mean: A_a^-1 b_a; 0 for items with too few rewards, (items, own).
        own_covariance: A_a^-1; the prior for items with too few rewards, (items, own, own).
    """

    beta: FloatArray
    root: FloatArray
    projection: FloatArray
    own_mean: FloatArray
    own_covariance: FloatArray

    @classmethod
    def of(cls, state: LinearState) -> Self:
        """Solve a state by one Cholesky factor of A0 and one per item."""
        used = state.n_rewards >= state.settings.min_item_updates
        projection, own_mean = np.zeros_like(state.own_cross), np.zeros_like(state.own_target)
        prior = np.eye(len(state.own_names)) / state.settings.item_prior_precision
        own_covariance = np.tile(prior, (len(used), 1, 1))
        root = np.linalg.inv(np.linalg.cholesky(state.own_precision[used]))
        inverse = np.swapaxes(root, 1, 2) @ root
        own_covariance[used] = inverse
        projection[used] = inverse @ state.own_cross[used]
        own_mean[used] = (inverse @ state.own_target[used][:, :, None])[:, :, 0]
        # rows of items without a block are 0 in both, so they take nothing away
        cross = state.own_cross.reshape(own_mean.size, len(state.shared_names))
        precision = state.shared_precision - cross.T @ projection.reshape(cross.shape)
        target = state.shared_target - cross.T @ own_mean.ravel()
        shared_root = _inverse_root(precision)
        beta = shared_root @ (shared_root.T @ target)
        return cls(beta, shared_root, projection, own_mean, own_covariance)

    @property
    def theta(self) -> FloatArray:
        """Own weights of each item, A_a^-1 (b_a - B_a beta), (items, own)."""
        return self.own_mean - self.projection @ self.beta

    def scores(self, shared: FloatArray, own: FloatArray, item: IntArray) -> Scores:
        """Mean and width of rows.

        Args:
            shared: Features z, (rows, shared).
            own: Features x, (rows, own).
            item: Positions of the items in the state, (rows,).

        Raises:
            ValueError: Rows do not fit the state, or a feature is not finite.
        """
        check_rows(shared, own, item, self.projection.shape)
        mean, variance = np.empty(len(item)), np.empty(len(item))
        for rows in blocks(len(item), _BLOCK):
            x, at = own[rows], item[rows]
            left = shared[rows] - np.einsum("rm,rmk->rk", x, self.projection[at])
            mean[rows] = left @ self.beta + np.einsum("rm,rm->r", x, self.own_mean[at])
            own_part = np.einsum("rm,rmn,rn->r", x, self.own_covariance[at], x)
            variance[rows] = np.square(left @ self.root).sum(axis=1) + own_part
        return Scores(mean, np.sqrt(variance))

    def draws(
        self,
        shared: FloatArray,
        own: FloatArray,
        item: IntArray,
        *,
        rng: np.random.Generator,
        n_draws: int,
        scale: float,
    ) -> FloatArray:
        """Means of rows under joint draws of all weights, (rows, draws).

        A draw is one beta and one theta per item, so rows are correlated as in the posterior; its
        covariance is scale^2 times that of the ridge regression.

        Raises:
            ValueError: Rows do not fit the state, a feature is not finite, or there is no draw.

        Reference:
            Agrawal and Goyal (2013), Thompson sampling for contextual bandits with linear payoffs.
        """
        check_rows(shared, own, item, self.projection.shape)
        if n_draws < 1 or not scale >= 0:
            raise ValueError(f"n_draws={n_draws} must be at least 1 and scale={scale} at least 0")
        items, place = np.unique(item, return_inverse=True)
        beta = self.beta[:, None] + scale * self.root @ rng.normal(size=(len(self.beta), n_draws))
        roots = np.linalg.cholesky(self.own_covariance[items])
        noise = scale * roots @ rng.normal(size=(len(items), own.shape[1], n_draws))
        # theta = A_a^-1 b_a - G_a beta + noise, for a given beta
        theta = self.own_mean[items][:, :, None] - self.projection[items] @ beta + noise
        drawn = shared @ beta
        for column in range(own.shape[1]):  # few: a table of all thetas by row would not fit
            drawn += own[:, column, None] * theta[place, column]
        return drawn


class OnlinePosterior:
    """A posterior that takes rewards one by one, at O(shared^2) each instead of a new solution.

    The root of A0^-1 is updated, not the inverse, so that no rounding makes a variance negative:
    with f = root'c / sqrt(q), root <- root (I - f f' / (s (1 + s))), s = sqrt(1 + f'f).

    Args:
        state: Where to start; it is left as it is.
        refactor_every: Rewards after which the sums are solved anew, so that rounding errors do
            not add up.

    Raises:
        ValueError: `refactor_every` is below 1.

    Reference:
        Potter (1963), in Bierman (1977), Factorization Methods for Discrete Sequential Estimation.
    """

    def __init__(self, state: LinearState, *, refactor_every: int = 10_000) -> None:
        if refactor_every < 1:
            raise ValueError(f"refactor_every={refactor_every} must be at least 1")
        self._sums = state.copy()
        self._refactor_every = refactor_every
        self._refactor()

    @property
    def posterior(self) -> Posterior:
        """As of the last reward; the next one changes it in place."""
        return self._posterior

    def state(self) -> LinearState:
        """The sums as of now, to be saved."""
        return self._sums.copy()

    def update(
        self, shared: FloatArray, own: FloatArray, item: int, reward: float, *, weight: float = 1.0
    ) -> None:
        """Take one reward.

        Args:
            shared: Features z, (shared,).
            own: Features x, (own,).
            item: Position of the item in the state.
            reward: Mostly 0 to 1.
            weight: What it counts for; with 0 nothing changes.

        Raises:
            ValueError: A value is not finite, `weight` is negative, or the item is not there.
        """
        if (*own.shape, *shared.shape) != self._sums.own_cross.shape[1:]:
            raise ValueError(f"features have shapes {shared.shape} and {own.shape}")
        if not 0 <= item < len(self._sums.item_ids):
            raise ValueError(f"item={item} must lie in 0 to {len(self._sums.item_ids) - 1}")
        if weight < 0 or not isfinite(reward + weight + float(shared.sum() + own.sum())):
            raise ValueError("features, reward and weight must be finite, the weight at least 0")
        if weight == 0:
            return
        used = self._sums.n_rewards[item] >= self._sums.settings.min_item_updates
        self._add(shared, own, item, reward, weight)
        self._since += 1
        if self._since == self._refactor_every:
            self._refactor()
            return
        spread, left, surprise = 1 / weight, shared, reward
        if used:
            spread, left, surprise = self._learn_own(shared, own, item, reward, weight)
        self._learn_shared(left / sqrt(spread), surprise / sqrt(spread))
        if not used and self._sums.n_rewards[item] >= self._sums.settings.min_item_updates:
            self._admit(item)

    def _add(
        self, shared: FloatArray, own: FloatArray, item: int, reward: float, weight: float
    ) -> None:
        sums, pull = self._sums, weight * own
        sums.n_rewards[item] += 1
        sums.shared_precision[...] += (weight * shared)[:, None] * shared
        sums.shared_target[...] += weight * reward * shared
        sums.own_precision[item] += pull[:, None] * own
        sums.own_cross[item] += pull[:, None] * shared
        sums.own_target[item] += pull * reward

    def _learn_own(
        self, shared: FloatArray, own: FloatArray, item: int, reward: float, weight: float
    ) -> tuple[float, FloatArray, float]:
        """Update an item's part; returns q, c and what is left of the reward for beta."""
        now = self._posterior
        pull = now.own_covariance[item] @ own
        spread = 1 / weight + float(own @ pull)
        left = shared - own @ now.projection[item]
        surprise = reward - float(own @ now.own_mean[item])
        now.own_covariance[item] -= pull[:, None] * pull / spread
        now.projection[item] += (pull / spread)[:, None] * left
        now.own_mean[item] += pull * (surprise / spread)
        return spread, left, surprise

    def _learn_shared(self, features: FloatArray, reward: float) -> None:
        now = self._posterior
        seen = now.root.T @ features
        gain = now.root @ seen
        square = 1 + float(seen @ seen)
        now.beta[...] += gain * ((reward - float(features @ now.beta)) / square)
        shrink = 1 / (sqrt(square) * (1 + sqrt(square)))
        now.root[...] -= (shrink * gain)[:, None] * seen

    def _admit(self, item: int) -> None:
        """Give an item that now has enough rewards its block: A0 loses what the block explains."""
        now, sums = self._posterior, self._sums
        covariance = np.linalg.inv(sums.own_precision[item])
        now.own_covariance[item] = covariance
        now.projection[item] = covariance @ sums.own_cross[item]
        now.own_mean[item] = covariance @ sums.own_target[item]
        back = np.linalg.inv(now.root)
        precision = back.T @ back
        target = precision @ now.beta - sums.own_cross[item].T @ now.own_mean[item]
        precision -= sums.own_cross[item].T @ now.projection[item]
        now.root[...] = _inverse_root(precision)
        now.beta[...] = now.root @ (now.root.T @ target)

    def _refactor(self) -> None:
        self._posterior = Posterior.of(self._sums)
        self._since = 0


def _inverse_root(precision: FloatArray) -> FloatArray:
    """R with R R' = precision^-1."""
    lower = np.linalg.cholesky((precision + precision.T) / 2)
    root: FloatArray = solve_triangular(lower, np.eye(len(lower)), lower=True).T.copy()
    return root


def blocks(n: int, size: int) -> Iterator[slice]:
    """Cut 0 to n into slices of at most `size`."""
    if size < 1:
        raise ValueError(f"block={size} must be at least 1")
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
