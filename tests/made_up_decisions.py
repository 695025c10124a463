"""Logged decisions of a made-up policy, whose every chance and expected reward is known."""

from dataclasses import dataclass, replace

import numpy as np

from deepkt_irt.bandit.decision_log import DecisionLog

N_ITEMS = 30


@dataclass(frozen=True)
class World:
    """A log with what no real one has: logging chances and true chances of a reward, by row."""

    log: DecisionLog
    logging: np.ndarray
    truth: np.ndarray
    features: np.ndarray

    @property
    def decision(self):
        return np.repeat(np.arange(self.log.n_decisions), self.log.sizes)

    def softmax(self, preference):
        """A policy that prefers rows with a high value, (rows,)."""
        weight = np.exp(preference)
        return weight / self.log.per_decision(weight)[self.decision]

    def greedy(self, preference):
        """The policy that takes the row with the highest value, (rows,)."""
        best = np.maximum.reduceat(preference, self.log.offsets[:-1])
        return (preference == best[self.decision]).astype(float)

    def value(self, policy):
        """True mean reward per decision on these very decisions."""
        return self.log.per_decision(policy * self.truth).mean()


def world(n_students=60, each=8.0, seed=0, exploit=0.5, sizes=(2, 8)):
    """Students who differ in how often they earn a reward, and in how many decisions they have.

    `exploit` is how much the logging policy prefers what is good; `sizes` least and most items.
    """
    rng = np.random.default_rng(seed)
    per_student = 1 + rng.poisson(rng.gamma(1.5, each / 1.5, n_students))
    student = np.repeat(np.arange(n_students), per_student)
    n = len(student)
    size = rng.integers(sizes[0], sizes[1] + 1, n)
    offsets = np.concatenate([[0], np.cumsum(size)])
    decision = np.repeat(np.arange(n), size)
    features = rng.normal(size=(len(decision), 2))
    effect = rng.normal(size=n_students)[student][decision]
    truth = 1 / (1 + np.exp(0.3 - features @ [0.8, 0.5] - effect))
    empty = DecisionLog(
        student,
        offsets,
        rng.integers(0, N_ITEMS, len(decision)),
        offsets[:-1],
        np.ones(n),
        np.zeros(n),
    )
    made = World(empty, truth, truth, features)
    logging = made.softmax(exploit * features[:, 0])
    drawn = np.searchsorted(np.cumsum(logging), np.arange(n) + rng.random(n))
    chosen = np.clip(drawn, offsets[:-1], offsets[1:] - 1)
    reward = (rng.random(n) < truth[chosen]).astype(float)
    log = replace(empty, chosen=chosen, propensity=logging[chosen], reward=reward)
    return World(log, logging, truth, features)


def part(log, which):
    """Decisions of a log by their index, in that order, and the rows that they keep."""
    which = np.asarray(which)
    size = log.sizes[which]
    offsets = np.concatenate([[0], np.cumsum(size)])
    rows = np.repeat(log.offsets[which] - offsets[:-1], size) + np.arange(offsets[-1])
    picked = DecisionLog(
        log.student[which],
        offsets,
        log.item[rows],
        log.chosen[which] - log.offsets[which] + offsets[:-1],
        log.propensity[which],
        log.reward[which],
    )
    return picked, rows
