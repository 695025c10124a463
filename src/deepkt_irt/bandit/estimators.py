"""The estimators of a policy's value as sums over decisions: replay, ips, snips, dm, dr, sndr.

Each is a sum of ratios of two sums, so that a bootstrap can redo it from sums by student. With w
the weight of the logged item, r its reward, q its predicted reward and v the candidate's expected
prediction over the eligible items: replay is the mean r of the decisions where a deterministic
candidate agrees with the log; ips mean(w r); snips sum(w r) / sum(w); dm mean(v);
dr mean(v + w (r - q)); sndr mean(v) + sum(w (r - q)) / sum(w). Nothing is checked here.

Reference:
    Replay: Li, Chu, Langford and Wang (2011), WSDM. ips: Horvitz and Thompson (1952); clipped
    weights: Ionides (2008). snips: Swaminathan and Joachims (2015), NeurIPS. dm, dr: Dudik,
    Langford and Li (2011), ICML. Effective sample size: Kong (1992).
"""

from dataclasses import dataclass

import numpy as np

from deepkt_irt.bandit.decision_log import BoolArray, DecisionLog, FloatArray, IntArray
from deepkt_irt.bandit.student_bootstrap import Ratios

WEIGHTED = ("replay", "ips", "snips")
DIRECT = ("dm",)
DOUBLY_ROBUST = ("dr", "sndr")
_SURE = 1 - 1e-9  # a probability that is 1 but for rounding


@dataclass(frozen=True)
class Decisions:
    """The decisions that count, with what one policy would have done in each; all (decisions,).

    Attributes:
        student: Numbered from 0 without gaps.
        reward: Of the logged item.
        raw_weight: Candidate's probability of the logged item over its propensity; NaN where
            that was not logged.
        weight: The same, clipped to the largest allowed.
        agreement: 1 where a deterministic candidate takes the logged item, else 0; 0 throughout
            for a candidate that leaves a decision to chance.
        predicted: Predicted reward of the logged item, NaN without a model.
        expected: Candidate's expected prediction, NaN without a model.
    """

    student: IntArray
    reward: FloatArray
    raw_weight: FloatArray
    weight: FloatArray
    agreement: FloatArray
    predicted: FloatArray
    expected: FloatArray

    @classmethod
    def of_policy(
        cls,
        log: DecisionLog,
        counts: BoolArray,
        policy: FloatArray,
        *,
        predicted: FloatArray | None,
        max_weight: float | None,
    ) -> "Decisions":
        """What a policy would have done.

        Args:
            log: Decisions.
            counts: Which of them count, (decisions of the log,).
            policy: Probability of each eligible row, (rows,).
            predicted: Predicted reward of each eligible row, (rows,).
            max_weight: Larger weights are clipped to it; None: none is.
        """
        chance = policy[log.chosen][counts]
        raw = chance / log.propensity[counts]
        agrees = (chance >= _SURE) & is_deterministic(log, counts, policy)
        q = np.full(len(log.item), np.nan) if predicted is None else predicted
        return cls(
            student=_numbered(log.student[counts]),
            reward=log.reward[counts],
            raw_weight=raw,
            weight=raw if max_weight is None else np.minimum(raw, max_weight),
            agreement=agrees.astype(np.float64),
            predicted=q[log.chosen][counts],
            expected=log.per_decision(policy * q)[counts],
        )

    @classmethod
    def of_log(cls, log: DecisionLog, counts: BoolArray) -> "Decisions":
        """What the logging policy did: every estimator gives the mean of its rewards."""
        reward = log.reward[counts]
        one = np.ones_like(reward)
        return cls(_numbered(log.student[counts]), reward, one, one, one, reward, reward)

    @property
    def n_students(self) -> int:
        """Students of these decisions."""
        return int(self.student.max()) + 1

    def weights_of(self, estimator: str) -> FloatArray:
        """What the estimator multiplies each reward by, before any division, (decisions,)."""
        return self.agreement if estimator == "replay" else self.weight

    def n_carrying(self, estimator: str) -> int:
        """Students that the estimator rests on: those with a weight above 0, all of them for dm."""
        if estimator in DIRECT:
            return self.n_students
        return len(np.unique(self.student[self.weights_of(estimator) > 0]))

    def figure(self, estimator: str) -> Ratios:
        """The estimate as sums by student."""
        terms = self._terms(estimator)
        tops = np.stack([self.by_student(top) for top, _ in terms])
        bottoms = np.stack([self.by_student(bottom) for _, bottom in terms])
        return Ratios(tops, bottoms, np.ones(len(terms)))

    def by_student(self, values: FloatArray) -> FloatArray:
        """Sums of values over the decisions of each student, (students,)."""
        return np.bincount(self.student, weights=values, minlength=self.n_students)

    def _terms(self, estimator: str) -> list[tuple[FloatArray, FloatArray]]:
        """Pairs of what is summed above and below each line."""
        one, w, r = np.ones_like(self.reward), self.weight, self.reward
        correction = w * (r - self.predicted)
        terms = {
            "replay": [(self.agreement * r, self.agreement)],
            "ips": [(w * r, one)],
            "snips": [(w * r, w)],
            "dm": [(self.expected, one)],
            "dr": [(self.expected + correction, one)],
            "sndr": [(self.expected, one), (correction, w)],
        }
        return terms[estimator]


def is_deterministic(log: DecisionLog, counts: BoolArray, policy: FloatArray) -> bool:
    """Whether a policy is sure of one item in every decision that counts.

    Args:
        log: Decisions.
        counts: Which of them count, (decisions of the log,).
        policy: Probability of each eligible row, (rows,).
    """
    n_sure = log.per_decision((policy >= _SURE).astype(np.float64))[counts]
    return bool(np.all(n_sure == 1))


def effective_sample_size(weight: FloatArray) -> float:
    """(sum w)^2 / sum w^2: as many equally weighted decisions would tell as much; 0 without weight.

    Args:
        weight: At least 0, (decisions,).
    """
    squares = float(np.sum(weight**2))
    return float(np.sum(weight)) ** 2 / squares if squares > 0 else 0.0


def _numbered(student: IntArray) -> IntArray:
    codes: IntArray = np.unique(student, return_inverse=True)[1]
    return codes
