"""Bayesian knowledge tracing: each skill is known or not, and learned at some response."""

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Self

import numpy as np

from deepkt_irt.knowledge_tracing.baselines import fitted, looked_up, training_responses
from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, IntArray, Split
from deepkt_irt.knowledge_tracing.past_counts import Occurrences, visible_range

_LARGEST_ERROR = 0.499  # of slip and guess: beyond one half, "known" would mean its opposite
_SMALLEST = 1e-4  # of any probability, or no evidence could move it
_PRIOR_COUNT = 10.0  # students or responses of the pooled skill that each skill is given


@dataclass(frozen=True)
class Parameters:
    """Probabilities of each skill, (skills,) each.

    Attributes:
        init: Known before the first response.
        learn: Unknown becomes known after a response.
        slip: Wrong though known, below 0.5.
        guess: Right though unknown, below 0.5.
    """

    init: FloatArray
    learn: FloatArray
    slip: FloatArray
    guess: FloatArray

    def at(self, skill: IntArray) -> Self:
        """The parameters of one skill after another, (len(skill),) each."""
        return type(self)(*(getattr(self, each.name)[skill] for each in fields(self)))

    def distance(self, other: Self) -> float:
        """Largest difference of a parameter."""
        return max(
            float(np.abs(getattr(self, each.name) - getattr(other, each.name)).max(initial=0.0))
            for each in fields(self)
        )


@dataclass(frozen=True)
class _Panel:
    """Runs of responses on one skill side by side, longest first, so that step t is one slice.

    Attributes:
        skill: Place of each run's skill among the parameters, (runs,).
        order: Occurrence of each cell, step after step, (cells,).
        bounds: Step t owns cells bounds[t] to bounds[t + 1], of the first runs, (steps + 1,).
        run: Run of each cell, (cells,).
        followed: Whether the run goes on after each cell, (cells,).
    """

    skill: IntArray
    order: IntArray
    bounds: IntArray
    run: IntArray
    followed: BoolArray

    @classmethod
    def of(cls, place: IntArray, skill: IntArray) -> Self:
        """From the place of each occurrence in its run, and its skill, (occurrences,) each."""
        starts = np.flatnonzero(place == 0)
        lengths = np.diff(np.append(starts, len(place)))
        longest_first = np.argsort(-lengths, kind="stable")
        rank = np.empty(len(starts), dtype=np.int64)
        rank[longest_first] = np.arange(len(starts))
        run = np.repeat(rank, lengths)
        order = np.lexsort((run, place))
        bounds = np.concatenate([[0], np.cumsum(np.bincount(place))]).astype(np.int64)
        followed = np.append(place[1:] > 0, False)[order]
        return cls(skill[starts[longest_first]], order, bounds, run[order], followed)

    @property
    def steps(self) -> list[slice]:
        """The cells of each step."""
        return [slice(start, stop) for start, stop in pairwise(self.bounds.tolist())]


@dataclass(frozen=True)
class _Likelihood:
    """Of each cell's answer if the skill is known or unknown; 1 where unobserved, (cells,)."""

    known: FloatArray
    unknown: FloatArray

    @classmethod
    def of(cls, right: FloatArray, at: Parameters) -> Self:
        """From answers, NaN unobserved, and the parameters of each cell."""
        observed = ~np.isnan(right)
        known = np.where(right == 1, 1 - at.slip, at.slip)
        unknown = np.where(right == 1, at.guess, 1 - at.guess)
        return cls(np.where(observed, known, 1.0), np.where(observed, unknown, 1.0))


@dataclass(frozen=True)
class _Forward:
    """Filtered chance that the skill is known.

    Attributes:
        after: After the answer, before learning from it, (cells,).
        ready: After learning from it: before the next answer, (cells,).
    """

    after: FloatArray
    ready: FloatArray


class BKT:
    """Bayesian knowledge tracing with the parameters of each skill found by EM.

    A skill once known stays known. The prediction rests on the filtered chance that the skill is
    known after its occurrences among the visible responses:
    P = known (1 - slip) + (1 - known) guess. A response on several skills gets the mean over
    those that training met; without any, the overall share right.

    Training students' own history before a training response counts as observed; responses of
    validation and test are steps without an answer.

    Args:
        max_iterations: Passes of EM at most.
        tolerance: Largest change of a parameter at which EM stops.

    Reference:
        Corbett and Anderson (1995), User Modeling and User-Adapted Interaction 4, 253-278; EM as
        in Rabiner (1989), Proceedings of the IEEE 77(2), 257-286.
    """

    def __init__(self, *, max_iterations: int = 100, tolerance: float = 1e-3) -> None:
        self._max_iterations, self._tolerance = max_iterations, tolerance
        self._state: tuple[Parameters, float] | None = None

    def fit(self, histories: Histories, split: Split) -> None:
        """Fit all skills as if they were one, then each, drawn towards that one.

        Skills that training never met stay NaN.
        """
        train = training_responses(histories, split)
        right = _observed(histories, train)
        kept = np.where(_in_training(histories, train)[:, None], histories.skills, 0)
        met = Occurrences.of(histories, kept)
        trained = np.zeros(histories.n_skills + 1, dtype=bool)
        trained[histories.skills[train]] = True
        pooled = self._em(met, right, np.zeros_like(met.key), _typical(1), prior_count=0.0)
        start = pooled.at(np.zeros(histories.n_skills + 1, dtype=np.int64))
        found = self._em(met, right, met.key, start, prior_count=_PRIOR_COUNT)
        trained[0] = False
        by_skill = (np.where(trained, getattr(found, f.name), np.nan) for f in fields(found))
        self._state = Parameters(*by_skill), float(histories.correct[train].mean())

    def predict(self, histories: Histories, chosen: BoolArray) -> FloatArray:
        """Probability of a right answer, (chosen,)."""
        parameters, overall = fitted(self._state, "bkt")
        skills = _met_in_training(histories.skills[chosen], parameters)
        known, at = _known_before(histories, chosen, skills, parameters), parameters.at(skills)
        right = known * (1 - at.slip) + (1 - known) * at.guess
        n = (skills > 0).sum(axis=1)
        total = np.where(skills > 0, right, 0.0).sum(axis=1)
        return np.where(n > 0, total / np.maximum(n, 1), overall)

    @property
    def parameters(self) -> Parameters:
        """By skill index; NaN where training never met the skill, (skills + 1,) each."""
        return fitted(self._state, "bkt")[0]

    def _em(
        self,
        met: Occurrences,
        right: FloatArray,
        skill: IntArray,
        start: Parameters,
        *,
        prior_count: float,
    ) -> Parameters:
        if not len(met.key):
            return start
        panel = _Panel.of(met.place, skill)
        answers = right[met.response][panel.order]
        now = start
        for _ in range(self._max_iterations):
            before, now = now, _em_step(panel, answers, now, start, prior_count)
            if now.distance(before) < self._tolerance:
                break
        return now


def _met_in_training(skills: IntArray, parameters: Parameters) -> IntArray:
    """The skills, 0 for those that training never met, in their shape."""
    return np.where(np.isnan(looked_up(parameters.init, skills)), 0, skills)


def _typical(n: int) -> Parameters:
    return Parameters(*(np.full(n, value) for value in (0.5, 0.1, 0.15, 0.25)))


def _in_training(histories: Histories, train: BoolArray) -> BoolArray:
    """Responses up to the last training response of their segment."""
    index = np.arange(len(histories))
    last = np.full(histories.n_segments, -1)
    np.maximum.at(last, histories.segment[train], index[train])
    return index <= last[histories.segment]


def _observed(histories: Histories, train: BoolArray) -> FloatArray:
    """Answers that parameters may rest on, else NaN: of training, and of context."""
    return np.where(train | ~histories.asked, histories.correct, np.nan)


def _forward(panel: _Panel, likelihood: _Likelihood, at: Parameters) -> _Forward:
    after, ready = np.empty(len(panel.order)), np.empty(len(panel.order))
    state = at.init
    for step in panel.steps:
        state = state[: step.stop - step.start]
        known = state * likelihood.known[step]
        after[step] = known / (known + (1 - state) * likelihood.unknown[step])
        state = after[step] + (1 - after[step]) * at.learn[: len(state)]
        ready[step] = state
    return _Forward(after, ready)


def _backward(
    panel: _Panel, likelihood: _Likelihood, at: Parameters, forward: _Forward
) -> tuple[FloatArray, FloatArray]:
    """Chance given all answers that the skill is known at a cell, and that it is learned there.

    Returns:
        Known; unknown at this cell and known at the next, 0 at the last of a run, (cells,) each.
    """
    known, learned = forward.after.copy(), np.zeros(len(panel.order))
    steps = panel.steps
    # of the answers from the next step on, if known or unknown then; up to a factor
    later_known, later_unknown = np.ones(0), np.ones(0)
    for step in reversed(steps):
        n, more = step.stop - step.start, len(later_known)
        now = slice(step.start, step.start + more)
        learn, after = at.learn[:more], forward.after[now]
        unknown_path = learn * later_known + (1 - learn) * later_unknown
        total = after * later_known + (1 - after) * unknown_path
        known[now] = after * later_known / total
        learned[now] = (1 - after) * learn * later_known / total
        if_known, if_unknown = np.ones(n), np.ones(n)
        if_known[:more], if_unknown[:more] = later_known, unknown_path
        later_known = likelihood.known[step] * if_known
        later_unknown = likelihood.unknown[step] * if_unknown
        scale = later_known + later_unknown  # or long runs would underflow
        later_known, later_unknown = later_known / scale, later_unknown / scale
    return known, learned


def _em_step(
    panel: _Panel, right: FloatArray, now: Parameters, prior: Parameters, prior_count: float
) -> Parameters:
    """Expected counts under the parameters of now, and the parameters that fit them best."""
    at, n_skills = now.at(panel.skill), len(now.init)
    likelihood = _Likelihood.of(right, at.at(panel.run))
    known, learned = _backward(panel, likelihood, at, _forward(panel, likelihood, at))
    skill, first = panel.skill[panel.run], panel.steps[0]
    observed = ~np.isnan(right)

    def share(hits: FloatArray, of: FloatArray, where: IntArray, prior: FloatArray) -> FloatArray:
        """Expected hits out of expected chances of each skill, the prior's included."""
        hit = np.bincount(where, weights=hits, minlength=n_skills) + prior_count * prior
        n = np.bincount(where, weights=of, minlength=n_skills) + prior_count
        return np.divide(hit, n, out=prior.copy(), where=n > 0)

    is_right, is_wrong = right == 1, right == 0
    known_seen, unknown_seen = observed * known, observed * (1 - known)
    return Parameters(
        init=_kept(share(known[first], np.ones(first.stop), skill[first], prior.init)),
        learn=_kept(share(learned, panel.followed * (1 - known), skill, prior.learn)),
        slip=_kept(share(known * is_wrong, known_seen, skill, prior.slip), _LARGEST_ERROR),
        guess=_kept(
            share((1 - known) * is_right, unknown_seen, skill, prior.guess), _LARGEST_ERROR
        ),
    )


def _kept(probability: FloatArray, largest: float = 1 - _SMALLEST) -> FloatArray:
    """Within the bounds: as each parameter has its own concave term, the best one within them."""
    return probability.clip(_SMALLEST, largest)


def _known_before(
    histories: Histories, chosen: BoolArray, skills: IntArray, parameters: Parameters
) -> FloatArray:
    """Filtered chance that each skill is known given the visible past, (chosen, most skills)."""
    met = Occurrences.of(histories, _met_in_training(histories.skills, parameters))
    start, stop = met.spans(skills, *visible_range(histories, chosen))
    init = parameters.init[skills]
    if not len(met.key):
        return init
    panel = _Panel.of(met.place, met.key)
    at = parameters.at(panel.skill)
    answers = histories.correct[met.response][panel.order].astype(np.float64)
    forward = _forward(panel, _Likelihood.of(answers, at.at(panel.run)), at)
    ready = np.empty(len(met.key))
    ready[panel.order] = forward.ready
    return np.where(stop > start, ready[np.maximum(stop - 1, 0)], init)
