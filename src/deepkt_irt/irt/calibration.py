"""Marginal maximum likelihood calibration of items on sparse responses.

Scale: theta ~ N(0, sigma^2) with sigma estimated, and 1PL items have slope 1 by definition, so
1PL and 2PL items share one scale in logits and a slope is reported only where it was estimated.
Where every item is 2PL, sigma is 1, since the slopes then carry the scale.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit, log_expit

from deepkt_irt.errors import NoConvergence, NoData
from deepkt_irt.settings import CalibrationSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Model = Literal["1PL", "2PL"]

_CHUNK = 200_000  # responses whose posteriors are held at a time
_NEWTON_STEPS = 3
_SLOPE_RANGE = (0.1, 5.0)
_CHANCE = 0.02  # starting proportions stay this far from 0 and 1


@dataclass(frozen=True)
class Responses:
    """First attempts in long form, all arrays of shape (responses,).

    Attributes:
        student: Index of the student, 0 to n_students - 1.
        item: Index of the item, 0 to n_items - 1.
        correct: 1 right, 0 wrong.
        n_students: Number of students.
        n_items: Number of items.
    """

    student: IntArray
    item: IntArray
    correct: IntArray
    n_students: int
    n_items: int

    def __post_init__(self) -> None:
        if not len(self.student) == len(self.item) == len(self.correct):
            raise ValueError("student, item and correct differ in length")
        if not len(self.correct):
            raise NoData("no graded first attempts to calibrate items on")
        if self.student.min() < 0 or self.student.max() >= self.n_students:
            raise ValueError(f"student index outside 0 to {self.n_students - 1}")
        if self.item.min() < 0 or self.item.max() >= self.n_items:
            raise ValueError(f"item index outside 0 to {self.n_items - 1}")
        if not np.isin(self.correct, (0, 1)).all():
            raise ValueError("correct must be 0 or 1")


@dataclass(frozen=True)
class Calibration:
    """What was estimated; item arrays have shape (items,), student arrays (students,).

    Attributes:
        difficulty: b in logits; NaN for an item with too few responses.
        difficulty_se: Its standard error.
        discrimination: a; NaN unless estimated for the item (2PL).
        discrimination_se: Its standard error.
        is_2pl: Whether the item has a slope of its own.
        n_responses: First attempts on the item.
        p_value: Share of them right; NaN without any.
        ability: EAP of theta in logits; NaN for a student without responses on calibrated items.
        ability_sd: Posterior standard deviation.
        student_n: Responses of the student that count.
        population_sd: sigma.
        log_likelihood: Marginal, of the data under the estimates.
        n_iterations: EM iterations.
        reliability: Empirical reliability of the abilities, 0 to 1.
    """

    difficulty: FloatArray
    difficulty_se: FloatArray
    discrimination: FloatArray
    discrimination_se: FloatArray
    is_2pl: NDArray[np.bool_]
    n_responses: IntArray
    p_value: FloatArray
    ability: FloatArray
    ability_sd: FloatArray
    student_n: IntArray
    population_sd: float
    log_likelihood: float
    n_iterations: int
    reliability: float


@dataclass
class _State:
    """Slopes a and intercepts d of the items kept, and sigma: P = sigmoid(a theta + d)."""

    a: FloatArray
    d: FloatArray
    sigma: float

    def vector(self) -> FloatArray:
        return np.concatenate([self.a, self.d, [self.sigma]])


def calibrate(responses: Responses, *, settings: CalibrationSettings) -> Calibration:
    """Estimate item parameters and abilities by an EM algorithm.

    Args:
        responses: First attempts.
        settings: Quadrature, priors, and how many responses a model needs.

    Returns:
        The calibration.

    Raises:
        NoData: If no item has enough responses.
        NoConvergence: If the parameters still move after the allowed iterations.

    Reference:
        Bock and Aitkin (1981), Psychometrika 46, 443-459; standard errors after Louis (1982),
        Journal of the Royal Statistical Society B 44, 226-233.
    """
    n = np.bincount(responses.item, minlength=responses.n_items)
    n_right = np.bincount(responses.item, weights=responses.correct, minlength=responses.n_items)
    kept = np.flatnonzero(n >= settings.min_responses)
    if not len(kept):
        raise NoData(f"no item has {settings.min_responses} first attempts")
    both = (n_right > 0) & (n_right < n)
    is_2pl = ((n >= settings.min_responses_2pl) & both)[kept]
    em = _Em(_restricted(responses, kept), is_2pl, settings)
    state, iterations = em.run()
    return _assemble(responses, kept, em, state, iterations)


def _restricted(responses: Responses, kept: IntArray) -> Responses:
    """The responses on kept items, renumbered."""
    place = np.full(responses.n_items, -1)
    place[kept] = np.arange(len(kept))
    item = place[responses.item]
    inside = item >= 0
    return Responses(
        student=responses.student[inside],
        item=item[inside],
        correct=responses.correct[inside],
        n_students=responses.n_students,
        n_items=len(kept),
    )


class _Em:
    """EM over the responses on kept items."""

    def __init__(
        self, responses: Responses, is_2pl: NDArray[np.bool_], settings: CalibrationSettings
    ) -> None:
        self.responses, self.is_2pl, self.settings = responses, is_2pl, settings
        self.theta = np.linspace(-settings.theta_max, settings.theta_max, settings.n_nodes)
        shape = (responses.n_students, responses.n_items)
        where = (responses.student, responses.item)
        right = responses.correct.astype(np.float64)
        self.right = csr_array((right, where), shape=shape)
        self.wrong = csr_array((1.0 - right, where), shape=shape)

    def start(self) -> _State:
        n = np.bincount(self.responses.item, minlength=self.responses.n_items)
        right: FloatArray = self.right.sum(axis=0)
        p = np.clip(right / n, _CHANCE, 1 - _CHANCE)
        return _State(a=np.ones(len(n)), d=np.log(p / (1 - p)), sigma=1.0)

    def run(self) -> tuple[_State, int]:
        """Iterate until no parameter moves more than the tolerance.

        Raises:
            NoConvergence: If the allowed iterations do not suffice.
        """
        state, change = self.start(), np.inf
        for iteration in range(1, self.settings.max_iterations + 1):
            before = state.vector()
            posterior, _ = self.posterior(state)
            state = self.maximised(state, posterior)
            change = float(np.abs(state.vector() - before).max())
            if change < self.settings.tolerance:
                return state, iteration
        raise NoConvergence(
            f"calibration moved by {change:.2g} in iteration {self.settings.max_iterations}; raise "
            "calibration.max_iterations or calibration.tolerance"
        )

    def weights(self, sigma: float) -> FloatArray:
        """Prior weights of the nodes, shape (nodes,)."""
        density = np.exp(-0.5 * (self.theta / sigma) ** 2)
        normalised: FloatArray = density / density.sum()
        return normalised

    def posterior(self, state: _State) -> tuple[FloatArray, FloatArray]:
        """Posterior over nodes (students, nodes) and log likelihood (students,)."""
        eta = state.a[:, None] * self.theta + state.d[:, None]  # (items, nodes)
        logs = self.right @ log_expit(eta) + self.wrong @ log_expit(-eta)
        logs += np.log(np.maximum(self.weights(state.sigma), np.finfo(float).tiny))
        top = logs.max(axis=1, keepdims=True)
        mass = np.exp(logs - top)
        total = mass.sum(axis=1, keepdims=True)
        return mass / total, (top + np.log(total))[:, 0]

    def maximised(self, state: _State, posterior: FloatArray) -> _State:
        """M-step: Newton on every item at once, then the spread of the abilities."""
        r = self.right.T @ posterior  # expected right answers, (items, nodes)
        n = r + self.wrong.T @ posterior
        a, d = state.a.copy(), state.d.copy()
        for _ in range(_NEWTON_STEPS):
            step_a, step_d = self.newton(a, d, n, r)
            a = np.clip(a + np.clip(step_a, -0.5, 0.5), *_SLOPE_RANGE)
            d = d + np.clip(step_d, -1.0, 1.0)
        sigma = state.sigma
        if not self.is_2pl.all():
            answered = np.diff(self.right.indptr) > 0
            second = posterior[answered] @ self.theta**2
            sigma = float(np.sqrt(second.mean()))
        return _State(a=a, d=d, sigma=sigma)

    def newton(
        self, a: FloatArray, d: FloatArray, n: FloatArray, r: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Newton steps of slopes and intercepts; a slope that is not free does not move."""
        p = expit(a[:, None] * self.theta + d[:, None])
        residual, w = r - n * p, n * p * (1 - p)
        prior_a, prior_d = self.prior_precision(a)
        slope = 1 / self.settings.prior_sd_log_slope**2
        g_d = residual.sum(axis=1) - prior_d * d
        g_a = residual @ self.theta - slope * np.log(a) / a
        h_dd = w.sum(axis=1) + prior_d
        h_aa, h_ad = w @ self.theta**2 + prior_a, w @ self.theta
        det = h_aa * h_dd - h_ad**2
        step_a = np.where(self.is_2pl, (h_dd * g_a - h_ad * g_d) / det, 0.0)
        step_d = np.where(self.is_2pl, (h_aa * g_d - h_ad * g_a) / det, g_d / h_dd)
        return step_a, step_d

    def prior_precision(self, a: FloatArray) -> tuple[FloatArray, float]:
        """Curvature that the priors add for slopes and intercepts."""
        by_slope = 1 / (self.settings.prior_sd_log_slope * a) ** 2
        return by_slope, 1 / self.settings.prior_sd_difficulty**2

    def covariance(
        self, state: _State, posterior: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Variances of a and d and their covariance, per item, after Louis.

        Observed information = expected complete information - information that is missing
        because theta is not seen; each item's own block.
        """
        n_items = self.responses.n_items
        info = np.zeros((3, n_items))  # aa, ad, dd
        for begin in range(0, len(self.responses.item), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            item, y = self.responses.item[part], self.responses.correct[part, None]
            mass = posterior[self.responses.student[part]]
            p = expit(state.a[item, None] * self.theta + state.d[item, None])
            score = y - p
            mean, mean_theta = (mass * score).sum(1), (mass * score) @ self.theta
            # complete information minus variance of the score, both under the posterior
            each = mass * (p * (1 - p) - score**2)
            blocks = (
                each @ self.theta**2 + mean_theta**2,
                each @ self.theta + mean * mean_theta,
                each.sum(1) + mean**2,
            )
            for row, values in enumerate(blocks):
                info[row] += np.bincount(item, weights=values, minlength=n_items)
        prior_a, prior_d = self.prior_precision(state.a)
        aa, ad, dd = info[0] + prior_a, info[1], np.maximum(info[2] + prior_d, prior_d)
        det = np.maximum(aa * dd - ad**2, np.finfo(float).eps)
        var_a = np.where(self.is_2pl, dd / det, np.nan)
        var_d = np.where(self.is_2pl, aa / det, 1 / dd)
        return var_a, var_d, np.where(self.is_2pl, -ad / det, 0.0)


def _assemble(
    responses: Responses, kept: IntArray, em: _Em, state: _State, iterations: int
) -> Calibration:
    posterior, log_likelihood = em.posterior(state)
    var_a, var_d, cov = em.covariance(state, posterior)
    b = -state.d / state.a
    # delta method: b = -d / a
    var_b = (var_d + 2 * b * cov + b**2 * np.nan_to_num(var_a)) / state.a**2
    ability = posterior @ em.theta
    sd = np.sqrt(np.maximum(posterior @ em.theta**2 - ability**2, np.finfo(float).tiny))
    student_n = np.bincount(em.responses.student, minlength=responses.n_students)
    seen = student_n > 0
    spread, error = float(ability[seen].var()), float((sd[seen] ** 2).mean())
    n = np.bincount(responses.item, minlength=responses.n_items)
    right = np.bincount(responses.item, weights=responses.correct, minlength=responses.n_items)

    def all_items(values: FloatArray) -> FloatArray:
        whole = np.full(responses.n_items, np.nan)
        whole[kept] = values
        return whole

    return Calibration(
        difficulty=all_items(b),
        difficulty_se=all_items(np.sqrt(var_b)),
        discrimination=all_items(np.where(em.is_2pl, state.a, np.nan)),
        discrimination_se=all_items(np.sqrt(var_a)),
        is_2pl=np.isin(np.arange(responses.n_items), kept[em.is_2pl]),
        n_responses=n,
        p_value=np.divide(right, n, out=np.full(len(n), np.nan), where=n > 0),
        ability=np.where(seen, ability, np.nan),
        ability_sd=np.where(seen, sd, np.nan),
        student_n=student_n,
        population_sd=state.sigma,
        log_likelihood=float(log_likelihood[seen].sum()),
        n_iterations=iterations,
        reliability=spread / (spread + error),
    )
