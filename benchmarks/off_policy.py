"""Off-policy estimates on simulated logs whose truth is known, and obp's on the same logs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from deepkt_irt.bandit.decision_log import DecisionLog
from deepkt_irt.bandit.off_policy import evaluate
from deepkt_irt.bandit.reward_model import cross_fitted_rewards
from deepkt_irt.bandit.student_bootstrap import Bootstrap
from page import table
from peer import ONE_THREAD, require_peer, run_peer

FloatArray = NDArray[np.float64]

_SEED = 20_260_109
_ITEMS = 30
_EACH = 8.0  # decisions of a student besides the first one, on average
_EFFECT = np.array([0.8, 0.5])
_AT_RANDOM = 4  # eligible items of each decision of a log that chose at random
_MAX_WEIGHT = 2.0
_FAR_STUDENTS = 40_000
_DRAWN = ("ips", "snips", "dm", "dr", "sndr")
_CLIPPED = ("ips, clipped", "dr, clipped")
_THEIRS = {
    "replay": "ReplayMethod",
    "ips": "InverseProbabilityWeighting",
    "snips": "SelfNormalizedInverseProbabilityWeighting",
    "dm": "DirectMethod",
    "dr": "DoublyRobust",
    "sndr": "SelfNormalizedDoublyRobust",
    "ips, clipped": f"InverseProbabilityWeighting(lambda_={_MAX_WEIGHT:g})",
    "dr, clipped": f"DoublyRobust(lambda_={_MAX_WEIGHT:g})",
}


@dataclass(frozen=True)
class Simulated:
    """One log and the policy in question.

    Attributes:
        log: Decisions.
        features: Of each eligible row, of which a reward model sees the first, (rows, 2).
        candidate: Probability of each row, (rows,).
        predicted: Reward of each row by a cross-fitted model, (rows,).
    """

    log: DecisionLog
    features: FloatArray
    candidate: FloatArray
    predicted: FloatArray


@dataclass(frozen=True)
class Found:
    """Estimates of logs with the ends of their 95% intervals, each (logs,).

    Attributes:
        value: Estimates.
        low: Lower ends, NaN where there is none.
        high: Upper ends.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray

    def coverage(self, truth: float) -> float:
        """Share of the logs whose interval holds the truth; none at all does not."""
        return float(np.mean((self.low <= truth) & (truth <= self.high)))

    def width(self) -> float:
        """Mean width of the intervals."""
        return float(np.nanmean(self.high - self.low))


@dataclass(frozen=True)
class Part:
    """Logs of one size, and both tools' estimates of them by name.

    Attributes:
        n_students: Of each log.
        truth: Value of the candidate by estimator's name, as replay has one of its own.
        ours: Estimates.
        obp: Estimates.
    """

    n_students: int
    truth: dict[str, float]
    ours: dict[str, Found]
    obp: dict[str, Found]

    def difference(self, name: str) -> float:
        """Largest difference of the two tools' estimates."""
        return float(np.max(np.abs(self.ours[name].value - self.obp[name].value)))


def section(
    *, students: Sequence[int] = (40, 100, 400), logs: int = 200, resamples: int = 1_000
) -> str:
    """The section of the page.

    Args:
        students: Of a log, one size after the other.
        logs: Of each size.
        resamples: Of each interval, by both tools.

    Raises:
        CannotRunError: If obp is absent.
    """
    require_peer("obp")
    os.environ.update(ONE_THREAD)
    (drawn, error), (at_random, _) = (_truth(at_random=each) for each in (False, True))
    truth = dict.fromkeys((*_DRAWN, *_CLIPPED), drawn) | {"replay": at_random}
    parts = [_part(n, truth, logs, resamples) for n in students]
    chance = np.sqrt(0.95 * 0.05 / logs)
    return f"""## Off-policy estimates, beside obp

Data: {logs} simulated logs of each size; a student has {1 + _EACH:g} decisions on average, some
far more than others, each among 2 to 8 of {_ITEMS} items. A reward is right or wrong; its
logit is {_EFFECT[0]} and {_EFFECT[1]} times two features of the decision and item, plus the
student's own level, N(0, 1), so that a student's decisions hang together. The log was made by a
softmax over the first feature, the candidate prefers the same more strongly and dislikes the
second. The reward model is a ridge regression on the first feature alone, cross-fitted by student,
so that it misses half of what counts. Replay has logs of its own, which chose at random among
{_AT_RANDOM} items, and a candidate that takes the one with the highest first feature. The truth is
the candidate's mean reward per decision over all students: {drawn:.4f} (standard error of the
simulation {error:.4f}), for replay {at_random:.4f}; seed {_SEED}.

Peer: obp 0.5.7, in an environment of its own, on the same logs with the same predictions. Both
tools draw {resamples:,} bootstrap resamples for a 95% interval: this package of students,
studentised; obp of decisions, percentiles, with the divisor of replay, snips and sndr held fixed.

{_accuracy(parts)}

The bias has its standard error behind it; estimators of one size share their logs, so that their
errors go together. With {logs} logs an interval that is right covers 95%
give or take {chance:.1%} (one standard error). The lowest coverage of this package, dm left out, is
{_lowest(parts):.1%}. What dm is off by is the error of its model, which no interval around it can
know: it comes with a warning, and nothing rests on it.

The same estimator gives the same estimate; weights are clipped at {_MAX_WEIGHT:g} where it says so.
obp clips no weight of snips and sndr, so these are held against each other unclipped alone.

{_agreement(parts, logs)}
"""


def _part(n_students: int, truth: dict[str, float], logs: int, resamples: int) -> Part:
    rng = np.random.default_rng([_SEED, n_students])
    bootstrap = Bootstrap(n_resamples=resamples, seed=1)
    ours: dict[str, Found] = {}
    obp: dict[str, Found] = {}
    for names, at_random in (((*_DRAWN, *_CLIPPED), False), (("replay",), True)):
        made = [_simulated(rng, n_students, at_random=at_random) for _ in range(logs)]
        ours |= _estimated(made, names, bootstrap)
        obp |= _estimated_by_obp(made, names, resamples)
    return Part(n_students, truth, ours, obp)


def _simulated(rng: np.random.Generator, n_students: int, *, at_random: bool) -> Simulated:
    student = np.repeat(
        np.arange(n_students), 1 + rng.poisson(rng.gamma(1.5, _EACH / 1.5, n_students))
    )
    n = len(student)
    size = np.full(n, _AT_RANDOM) if at_random else rng.integers(2, 9, n)
    order = np.argsort(rng.random((n, _ITEMS)), axis=1)
    item = order[np.arange(_ITEMS) < size[:, None]]
    offsets = np.concatenate([[0], np.cumsum(size)])
    decision = np.repeat(np.arange(n), size)
    features = rng.normal(size=(len(item), 2))
    logging = _softmax(features[:, 0] * (0.0 if at_random else 0.5), offsets, decision)
    drawn = np.searchsorted(np.cumsum(logging), np.arange(n) + rng.random(n))
    chosen = np.clip(drawn, offsets[:-1], offsets[1:] - 1)
    level = rng.normal(size=n_students)[student]
    reward = (rng.random(n) < expit(_line(features[chosen]) + level)).astype(np.float64)
    log = DecisionLog(student, offsets, item, chosen, logging[chosen], reward)
    if at_random:
        best = np.maximum.reduceat(features[:, 0], offsets[:-1])
        candidate = (features[:, 0] == best[decision]).astype(np.float64)
    else:
        candidate = _softmax(features @ [1.5, -0.3], offsets, decision)
    return Simulated(log, features, candidate, cross_fitted_rewards(log, features[:, :1]))


def _softmax(
    preference: FloatArray, offsets: NDArray[np.int64], decision: NDArray[np.int64]
) -> FloatArray:
    best = np.maximum.reduceat(preference, offsets[:-1])
    odds = np.exp(preference - best[decision])
    share: FloatArray = odds / np.add.reduceat(odds, offsets[:-1])[decision]
    return share


def _line(features: FloatArray) -> FloatArray:
    logit: FloatArray = features @ _EFFECT - 0.3
    return logit


def _truth(*, at_random: bool) -> tuple[float, float]:
    """The candidate's value over students of all levels, and its standard error."""
    far = _simulated(np.random.default_rng(_SEED), _FAR_STUDENTS, at_random=at_random)
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    grid = np.linspace(-10, 10, 2_001)
    chance = expit(grid[:, None] + nodes) @ (weights / weights.sum())
    value = far.log.per_decision(far.candidate * np.interp(_line(far.features), grid, chance))
    return float(value.mean()), float(value.std() / np.sqrt(len(value)))


def _estimated(
    made: Sequence[Simulated], names: Sequence[str], bootstrap: Bootstrap
) -> dict[str, Found]:
    value_alone = Bootstrap(n_resamples=1)
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    for each in made:
        given = each.log, each.candidate
        free = evaluate(*given, predicted=each.predicted, bootstrap=bootstrap)
        clipped = evaluate(
            *given, predicted=each.predicted, max_weight=_MAX_WEIGHT, bootstrap=value_alone
        )
        for name in names:
            estimate = (clipped if name in _CLIPPED else free)[name.split(",")[0]]
            found[name].append((estimate.value, estimate.low, estimate.high))
    return {name: Found(*np.array(each).T) for name, each in found.items()}


def _estimated_by_obp(
    made: Sequence[Simulated], names: Sequence[str], resamples: int
) -> dict[str, Found]:
    logs = [each.log for each in made]
    arrays = {
        "decisions": np.array([log.n_decisions for log in logs]),
        "size": np.concatenate([log.sizes for log in logs]),
        "chosen": np.concatenate([log.chosen - log.offsets[:-1] for log in logs]),
        "propensity": np.concatenate([log.propensity for log in logs]),
        "reward": np.concatenate([log.reward for log in logs]),
        "item": np.concatenate([log.item for log in logs]),
        "candidate": np.concatenate([each.candidate for each in made]),
        "predicted": np.concatenate([each.predicted for each in made]),
    }
    settings = {
        "estimators": names,
        "intervals": [name for name in names if name not in _CLIPPED],
        "max_weight": _MAX_WEIGHT,
        "resamples": resamples,
        "items": _ITEMS,
    }
    found = run_peer("obp_estimates.py", arrays, settings)
    return {
        name: Found(*(found[end][:, k] for end in ("value", "low", "high")))
        for k, name in enumerate(names)
    }


def _accuracy(parts: Sequence[Part]) -> str:
    rows = []
    for part in parts:
        for name in (*_DRAWN, "replay"):
            ours, obp, truth = part.ours[name], part.obp[name], part.truth[name]
            error = ours.value - truth
            rows.append(
                (
                    part.n_students,
                    name,
                    f"{error.mean():+.4f} ({error.std(ddof=1) / np.sqrt(len(error)):.4f})",
                    f"{np.sqrt(np.mean(error**2)):.4f}",
                    f"{ours.coverage(truth):.1%}",
                    f"{ours.width():.3f}",
                    f"{obp.coverage(truth):.1%}",
                    f"{obp.width():.3f}",
                )
            )
    header = ("students", "estimator", "bias", "RMSE", "coverage", "width")
    return table((*header, "obp's coverage", "obp's width"), rows)


def _lowest(parts: Sequence[Part]) -> float:
    return min(
        part.ours[name].coverage(part.truth[name])
        for part in parts
        for name in (*_DRAWN, "replay")
        if name != "dm"
    )


def _agreement(parts: Sequence[Part], logs: int) -> str:
    rows = [
        (
            name,
            f"`{theirs}`",
            f"{logs * len(parts):,}",
            f"{max(part.difference(name) for part in parts):.0e}",
        )
        for name, theirs in _THEIRS.items()
    ]
    return table(("estimator", "obp's", "logs", "largest difference"), rows)


if __name__ == "__main__":
    print(section())
