"""Whether a policy goes live: it must be better, beyond chance, on decisions of others.

A policy is judged on students that it did not learn from: students are dealt into folds, and what
it prefers for the students of one is learnt from the rewards of the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.bandit.any_time import widening
from deepkt_irt.bandit.decision_log import DecisionLog, FloatArray, IntArray
from deepkt_irt.bandit.linear_state import Rewards
from deepkt_irt.bandit.off_policy import Comparison, Estimate, compare
from deepkt_irt.bandit.offers import Eligible
from deepkt_irt.bandit.policies import (
    LINUCB,
    RULE,
    LinUcbPolicy,
    Policy,
    RulePolicy,
    fresh_state,
)
from deepkt_irt.bandit.propensities import propensities
from deepkt_irt.bandit.reward_model import cross_fitted_rewards
from deepkt_irt.bandit.student_bootstrap import Bootstrap
from deepkt_irt.settings import BanditSettings, OffPolicySettings

RUNNING = "running"


@dataclass(frozen=True)
class Evidence:
    """Logged decisions with what every policy may know of the alternatives.

    Attributes:
        log: First choices, with the eligible items of each.
        shared: Features of each eligible row, (rows, shared).
        skill: Number of the skill that each would practise, (rows,).
        usual: Of each decision, those of what would usually have been chosen for its skill,
            (decisions, shared).
        item_ids: Of the items by number.
        learnt: Rewards to learn from, of all ranks.
        learnt_student: Student of each of them, numbered as in the log, (rewards,).
    """

    log: DecisionLog
    shared: FloatArray
    skill: IntArray
    usual: FloatArray
    item_ids: NDArray[np.str_]
    learnt: Rewards
    learnt_student: IntArray

    @cached_property
    def eligible(self) -> Eligible:
        """What each first choice was made from."""
        return Eligible(self.log.offsets, self.log.item, self.skill)


@dataclass(frozen=True)
class Verdict:
    """Which policy runs from now on, and why.

    Attributes:
        policy: Its name.
        reason: One sentence.
        comparisons: By what LinUCB was held against, then by estimator; empty if not judged.
    """

    policy: str
    reason: str
    comparisons: Mapping[str, Mapping[str, Comparison]]


def judge(
    evidence: Evidence, running: str, *, bandit: BanditSettings, settings: OffPolicySettings
) -> Verdict:
    """Hold LinUCB against the policies that made the log, and against the rule.

    Rewards are taken less what is usual for the skill and the student: an ability that was taken
    for too low would otherwise speak for any policy that chooses that skill.

    LinUCB goes live if the lower ends of both differences are above 0 at any time
    (`low_at_any_time`), since it is asked daily. Once live it stays, unless the rule is better
    beyond chance; there one question too many costs no more than a return to the rule.

    Args:
        evidence: Decisions and rewards.
        running: Name of the policy that decides now.
        bandit: How LinUCB learns, and how preferences become chances.
        settings: Of the estimation.

    Raises:
        NoData: If there are fewer students than folds, or no reward is known.
    """
    evidence = replace(evidence, log=_net_of_what_is_usual(evidence, settings))
    policies = _candidate(evidence, bandit, settings), _chances(evidence, RulePolicy(), bandit)
    predicted = cross_fitted_rewards(
        evidence.log,
        evidence.shared[:, 1:],  # without the constant
        penalty=settings.reward_penalty,
        n_folds=settings.folds,
        seed=settings.seed,
    )
    draws = Bootstrap(settings.n_resamples, settings.gate_confidence, settings.seed)
    found = {
        against: compare(
            evidence.log,
            policies[0],
            other=other,
            predicted=predicted,
            max_weight=settings.max_weight,
            bootstrap=draws,
        )
        for against, other in ((RUNNING, None), (RULE, policies[1]))
    }
    return _verdict(found, running, settings)


def low_at_any_time(difference: Estimate, settings: OffPolicySettings) -> float:
    """Lower end of a difference that holds at all questions asked of a growing log at once.

    Over a log that forgets what is older than `window_days`, it holds once each window.
    """
    wider = widening(
        difference.n_decisions,
        confidence=settings.gate_confidence,
        tightest_at=settings.gate_tightest_at,
    )
    return difference.value - wider * (difference.value - difference.low)


def _net_of_what_is_usual(evidence: Evidence, settings: OffPolicySettings) -> DecisionLog:
    """The log with rewards less those that the usual features foretell, by folds of students."""
    log, n = evidence.log, evidence.log.n_decisions
    alone = DecisionLog(
        student=log.student,
        offsets=np.arange(n + 1),
        item=log.item[log.chosen],
        chosen=np.arange(n),
        propensity=np.ones(n),
        reward=log.reward,
    )
    usual = cross_fitted_rewards(
        alone,
        evidence.usual[:, 1:],
        penalty=settings.reward_penalty,
        n_folds=settings.folds,
        seed=settings.seed,
    )
    return replace(log, reward=log.reward - usual)


def _verdict(
    found: Mapping[str, Mapping[str, Comparison]], running: str, settings: OffPolicySettings
) -> Verdict:
    against = {name: each[settings.estimator].difference for name, each in found.items()}
    rule = against[RULE]
    told = f"LinUCB less the rule {rule.value:+.4f}"
    if running == LINUCB:
        told = f"{told} ({rule.low:+.4f} to {rule.high:+.4f}, {settings.estimator})"
        if rule.high < 0:
            better = f"the rule goes live again, being better beyond chance: {told}"
            return Verdict(RULE, better, found)
        return Verdict(LINUCB, f"LinUCB stays live; nothing says it is worse: {told}", found)
    lows = {name: low_at_any_time(each, settings) for name, each in against.items()}
    told = f"{told}, at any time {lows[RULE]:+.4f} or more ({settings.estimator})"
    if all(low > 0 for low in lows.values()):
        return Verdict(LINUCB, f"LinUCB goes live, being better beyond chance: {told}", found)
    return Verdict(RULE, f"the rule stays live; LinUCB is not better beyond chance: {told}", found)


def _candidate(
    evidence: Evidence, bandit: BanditSettings, settings: OffPolicySettings
) -> FloatArray:
    """Chances of each eligible row by LinUCB, learnt from students of the other folds, (rows,)."""
    students = np.unique(np.concatenate([evidence.log.student, evidence.learnt_student]))
    dealt = np.random.default_rng(settings.seed).permutation(len(students)) % settings.folds
    fold_of_log = dealt[np.searchsorted(students, evidence.log.student)]
    fold_of_reward = dealt[np.searchsorted(students, evidence.learnt_student)]
    fold_of_row = np.repeat(fold_of_log, evidence.log.sizes)
    preferred: dict[int, FloatArray] = {}
    for fold in range(settings.folds):
        state = fresh_state(evidence.item_ids, bandit).updated(
            _taken(evidence.learnt, fold_of_reward != fold)
        )
        policy = LinUcbPolicy.of(state, evidence.item_ids, seed=settings.seed)
        own = evidence.eligible.only(fold_of_log == fold)
        preferred[fold] = policy.preferences(evidence.shared[fold_of_row == fold], own)
    every = np.empty((len(fold_of_row), *preferred[0].shape[1:]))
    for fold, found in preferred.items():
        every[fold_of_row == fold] = found
    between = policy.between_skills(evidence.shared)
    return propensities(every, evidence.eligible, bandit, between=between)


def _chances(evidence: Evidence, policy: Policy, bandit: BanditSettings) -> FloatArray:
    preferred = policy.preferences(evidence.shared, evidence.eligible)
    between = policy.between_skills(evidence.shared)
    return propensities(preferred, evidence.eligible, bandit, between=between)


def _taken(rewards: Rewards, chosen: NDArray[np.bool_]) -> Rewards:
    """Some of the rewards."""
    return Rewards(
        rewards.shared[chosen],
        rewards.own[chosen],
        rewards.item[chosen],
        rewards.reward[chosen],
        rewards.weight[chosen],
    )
