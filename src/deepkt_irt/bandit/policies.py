"""Policies as preferences: what each thinks of the eligible items of a student.

A policy sees the features of a row and its item, live or from the log, and nothing else. All choose
by chance in the same way (`propensities`), so that every decision has a known propensity and each
policy can be judged by the log of another.
"""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.bandit.context import (
    LEARNT,
    OWN,
    SHARED,
    choice_features,
    learnt_features,
    off_target,
    own_features,
)
from deepkt_irt.bandit.linear_state import LinearState, Rewards
from deepkt_irt.bandit.linucb import Posterior, Scores
from deepkt_irt.bandit.offers import Eligible
from deepkt_irt.bandit.rewards import NEUTRAL
from deepkt_irt.bandit.situation import FloatArray, IntArray
from deepkt_irt.settings import BanditSettings

RULE, LINUCB, RANDOM = "target_success_rule", "linucb", "random_eligible"

_INFORMATION = 0.02  # of a chance: what the most informative item may be farther off the target


class Policy(Protocol):
    """Prefers rows by their features."""

    @property
    def name(self) -> str:
        """What a log calls it."""
        ...

    def scores(self, shared: FloatArray, eligible: Eligible) -> Scores:
        """What is expected of rows, and how little is known of it; larger is preferred.

        Args:
            shared: Features in the order of `context.SHARED`, (rows, shared).
            eligible: Decisions, items and skills of the rows.
        """
        ...

    def preferences(self, shared: FloatArray, eligible: Eligible) -> FloatArray:
        """What rows are chosen by, (rows,) or one column per draw, (rows, draws)."""
        ...

    def between_skills(self, shared: FloatArray) -> FloatArray | None:
        """What the skill is chosen by, (rows,); None: by the preferences."""
        ...


@dataclass(frozen=True)
class RulePolicy:
    """The transparent baseline: success near the target first, then information."""

    name: str = RULE

    def scores(self, shared: FloatArray, eligible: Eligible) -> Scores:  # noqa: ARG002 - as a Policy
        """Minus the distance from the target, with a little for information."""
        mean = preferred_by_rule(shared)
        return Scores(mean, np.zeros(len(mean)))

    def preferences(self, shared: FloatArray, eligible: Eligible) -> FloatArray:  # noqa: ARG002
        """The scores."""
        return preferred_by_rule(shared)

    def between_skills(self, shared: FloatArray) -> None:
        """By the preferences."""


@dataclass(frozen=True)
class RandomPolicy:
    """Any eligible item, all alike."""

    name: str = RANDOM

    def scores(self, shared: FloatArray, eligible: Eligible) -> Scores:  # noqa: ARG002 - as a Policy
        """Zeros."""
        none = np.zeros(len(shared))
        return Scores(none, none)

    def preferences(self, shared: FloatArray, eligible: Eligible) -> FloatArray:
        """The scores."""
        return np.asarray(self.scores(shared, eligible).mean)

    def between_skills(self, shared: FloatArray) -> None:
        """By the preferences."""


@dataclass(frozen=True)
class LinUcbPolicy:
    """Expected reward by context and item: the rule's expectation, and what was learnt beyond it.

    Rewards tell which item of a skill taught more, not which skill would have (`context`): so the
    rule chooses the skill, and what was learnt the item.

    Attributes:
        state: What was learnt, of all items that may be asked about.
        posterior: The same, solved.
        place: Of the items by number in the state, (items,).
        seed: Of the draws, where choices are made by Thompson sampling.
    """

    state: LinearState
    posterior: Posterior
    place: IntArray
    seed: int = 0
    name: str = LINUCB

    @classmethod
    def of(cls, state: LinearState, item_ids: NDArray[np.str_], *, seed: int = 0) -> Self:
        """Solve a state for items by number; one it does not know has the prior.

        Raises:
            ValueError: The state was learnt on other features.
        """
        if (state.shared_names, state.own_names) != (LEARNT, OWN):
            raise ValueError("the state was learnt on other features, or in another order")
        known = state.with_items(item_ids)
        return cls(known, Posterior.of(known), known.positions(item_ids), seed)

    def scores(self, shared: FloatArray, eligible: Eligible) -> Scores:
        """Posterior mean and width of the reward; what was learnt, net of the skill's mean."""
        asked = choice_features(shared), own_features(shared), self.place[eligible.item]
        found = self.posterior.scores(*asked)
        expected = expected_by_rule(shared, self.state.settings)
        return Scores(eligible.net_of_skill(found.mean) + expected, found.width)

    def preferences(self, shared: FloatArray, eligible: Eligible) -> FloatArray:
        """Upper confidence bounds, or means under draws of all weights for Thompson sampling."""
        settings = self.state.settings
        if settings.exploration == "softmax":
            return np.asarray(self.scores(shared, eligible).upper(settings.alpha))
        drawn = self.posterior.draws(
            choice_features(shared),
            own_features(shared),
            self.place[eligible.item],
            rng=np.random.default_rng(self.seed),
            n_draws=settings.n_draws,
            scale=settings.alpha,
        )
        return eligible.net_of_skill(drawn) + expected_by_rule(shared, settings)[:, None]

    def between_skills(self, shared: FloatArray) -> FloatArray:
        """What the rule prefers by."""
        return preferred_by_rule(shared)


def expected_by_rule(shared: FloatArray, settings: BanditSettings) -> FloatArray:
    """Reward that is expected before any was seen: less the farther from the target, (rows,)."""
    return NEUTRAL + settings.rule_weight * preferred_by_rule(shared)


def preferred_by_rule(shared: FloatArray) -> FloatArray:
    """Minus the distance from the target, with a little for information, (rows,)."""
    told = np.minimum(shared[:, SHARED.index("information")], 1.0)
    preferred: FloatArray = _INFORMATION * told - off_target(shared)
    return preferred


def rewards_of(
    shared: FloatArray,
    usual: FloatArray,
    item: IntArray,
    reward: FloatArray,
    settings: BanditSettings,
) -> Rewards:
    """Rewards as LinUCB learns from them: what they are beyond the rule's expectation.

    Args:
        shared: Features of the items chosen, in the order of `context.SHARED`, (rewards, shared).
        usual: Of what would usually have been chosen for the skill, (rewards, shared).
        item: Positions of the items in the state, (rewards,).
        reward: In [0, 1], (rewards,).
        settings: Of the bandit.
    """
    beyond = reward - expected_by_rule(shared, settings)
    learnt = learnt_features(shared, usual)
    return Rewards(learnt, own_features(shared), item, beyond, np.ones(len(reward)))


def fresh_state(item_ids: NDArray[np.str_], settings: BanditSettings) -> LinearState:
    """What a bandit knows before any reward."""
    return LinearState.fresh(
        shared_names=LEARNT, own_names=OWN, item_ids=item_ids.tolist(), settings=settings
    )
