"""Expectation-maximisation over a sparse response matrix: items' slopes and intercepts.

P(right) = sigmoid(slope z + intercept) with z ~ N(0, 1), so slopes are per standard deviation of
ability. Items without a slope of their own share one, which is the spread of ability in logits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit, log_expit

from deepkt_irt.errors import NoConvergence
from deepkt_irt.settings import CalibrationSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
IndexArray = NDArray[np.integer[Any]]

_CHUNK = 200_000  # responses whose posteriors are held at a time
_NEWTON_STEPS = 3
_LONGEST_STEPS = (0.5, 1.0)  # of slopes and of intercepts
_SPREAD_RANGE = (0.05, 10.0)  # logits; below, no spread can be told from none
_SLOPE_RANGE = (0.1, 5.0)  # times the shared slope
_CHANCE = 0.02  # starting proportions stay this far from 0 and 1


def nodes(count: int, reach: float) -> FloatArray:
    """Evenly spaced nodes in standard deviations of ability, shape (count,)."""
    return np.linspace(-reach, reach, count)


def prior_weights(z: FloatArray) -> FloatArray:
    """Standard normal weights of the nodes, summing to 1."""
    density: FloatArray = np.exp(-0.5 * z**2)
    return density / density.sum()


@dataclass(frozen=True)
class ItemCurves:
    """Slope and intercept of each item on standardised ability, arrays of shape (items,)."""

    slope: FloatArray
    intercept: FloatArray


@dataclass(frozen=True)
class Posterior:
    """What the responses say of each student.

    Attributes:
        mass: Over the nodes, (students, nodes); rows sum to 1.
        log_likelihood: Marginal, of the student's responses, (students,).
    """

    mass: FloatArray
    log_likelihood: FloatArray


class ResponseMatrix:
    """Right and wrong answers, students by items, stored where there is a response.

    Args:
        student: Index of the student, (responses,).
        item: Index of the item, (responses,); a student answers an item once.
        correct: 1 right, 0 wrong, (responses,).
        shape: Numbers of students and items.
    """

    def __init__(
        self, student: IntArray, item: IntArray, correct: IntArray, *, shape: tuple[int, int]
    ) -> None:
        # wrong answers are stored zeros; rows come sorted, so sums do not depend on the order given
        self.right = csr_array((correct.astype(np.float64), (student, item)), shape=shape)
        pattern = (np.ones(self.right.nnz), self.right.indices, self.right.indptr)
        self.seen = csr_array(pattern, shape=shape)
        self._seen_by_item = self.seen.T.tocsr()
        self.n_by_student: IntArray = np.diff(self.right.indptr).astype(np.int64)
        self.n_by_item: IntArray = np.diff(self._seen_by_item.indptr).astype(np.int64)
        self.right_by_item: FloatArray = self.right.sum(axis=0)

    def posterior(self, curves: ItemCurves, z: FloatArray) -> Posterior:
        """Posterior of every student's ability over the nodes z."""
        eta = curves.slope[:, None] * z + curves.intercept[:, None]  # (items, nodes)
        # log P of a right answer exceeds that of a wrong one by eta, which is linear in z
        logs: FloatArray = self.seen @ log_expit(-eta)
        logs += (self.right @ curves.slope)[:, None] * z
        logs += (self.right @ curves.intercept)[:, None] + np.log(prior_weights(z))
        top = logs.max(axis=1, keepdims=True)
        mass = np.exp(logs - top)
        total = mass.sum(axis=1, keepdims=True)
        return Posterior(mass / total, (top + np.log(total))[:, 0])

    def expected(self, mass: FloatArray) -> FloatArray:
        """Expected responses to each item from students at each node, (items, nodes)."""
        counts: FloatArray = self._seen_by_item @ mass
        return counts

    def chunks(self) -> Iterator[tuple[IndexArray, IndexArray, FloatArray]]:
        """Student, item and answer of the responses, some at a time."""
        student = np.repeat(np.arange(self.right.shape[0]), self.n_by_student)
        for begin in range(0, self.right.nnz, _CHUNK):
            part = slice(begin, begin + _CHUNK)
            yield student[part], self.right.indices[part], self.right.data[part]


@dataclass(frozen=True)
class SamplingError:
    """Sampling variances on standardised ability, arrays of shape (items,).

    Attributes:
        slope: Variance of the slope.
        intercept: Variance of the intercept.
        covariance: Covariance of both; 0 where the slope is shared.
        location: Variance, common to all items, from not knowing where the mean ability lies.
    """

    slope: FloatArray
    intercept: FloatArray
    covariance: FloatArray
    location: float


class ItemEm:
    """Penalised marginal maximum likelihood of the items' curves.

    Log slopes are N(log shared slope, prior_sd_log_slope^2). Intercepts are N(their mean,
    prior_sd_difficulty^2): a fixed mean would drag thousands of thin items, and all abilities
    with them, towards it. The mean itself weighs as one more item at 0. The log of the shared slope
    is N(0, prior_sd_log_spread^2), which matters only where hardly any spread can be seen.

    Args:
        responses: Every item with a response.
        has_slope: Whether an item gets a slope of its own, (items,).
        settings: Quadrature, priors and when to stop.
    """

    def __init__(
        self, responses: ResponseMatrix, has_slope: NDArray[np.bool_], settings: CalibrationSettings
    ) -> None:
        self._responses, self._has_slope, self._settings = responses, has_slope, settings
        self._z = nodes(settings.n_nodes, settings.theta_max)
        self._slope_precision = 1 / settings.prior_sd_log_slope**2
        self._intercept_precision = 1 / settings.prior_sd_difficulty**2
        self._spread_precision = 1 / settings.prior_sd_log_spread**2
        # one response a student tells nothing of how students differ: the spread stays at 1
        self._spread_is_free = bool((responses.n_by_student > 1).any())

    def shared_slope(self, curves: ItemCurves) -> float:
        """Slope of the items without their own; 1 if there are none."""
        return 1.0 if self._has_slope.all() else float(curves.slope[~self._has_slope][0])

    def fit(self) -> tuple[ItemCurves, int]:
        """Curves that maximise the penalised likelihood, and the EM steps it took.

        Raises:
            NoConvergence: If they still move after the allowed steps.

        Reference:
            Bock and Aitkin (1981), Psychometrika 46, 443-459; steps lengthened after Varadhan and
            Roland (2008), Scandinavian Journal of Statistics 35, 335-353 (SQUAREM, scheme S3).
        """
        at, change = self._start(), np.inf
        for step in range(2, self._settings.max_iterations + 1, 2):
            once = self._improved(at)
            change = float(np.abs(self._vector(once) - self._vector(at)).max())
            if change < self._settings.tolerance:
                return once, step
            at = self._leap(at, once, self._improved(once))
        raise NoConvergence(
            f"calibration moved by {change:.2g} in iteration {self._settings.max_iterations}; "
            "raise calibration.max_iterations or calibration.tolerance"
        )

    def sampling_error(self, curves: ItemCurves) -> SamplingError:
        """Variances from the observed information of each item, and of the common location.

        Observed information = expected complete information - the part that is missing because
        abilities are not seen.

        Reference:
            Louis (1982), Journal of the Royal Statistical Society B 44, 226-233.
        """
        mass = self._responses.posterior(curves, self._z).mass
        ss, sd, dd = self._observed_information(curves, mass)
        location = self._location_variance(curves, dd, mass)
        dd = dd + self._intercept_precision
        ratio = np.log(curves.slope / self.shared_slope(curves))
        ss = ss + self._slope_precision * (1 - ratio) / curves.slope**2
        det = np.maximum(ss * dd - sd**2, np.finfo(float).eps)
        own = self._has_slope
        return SamplingError(
            slope=np.where(own, dd / det, np.nan),
            intercept=np.where(own, ss / det, 1 / dd),
            covariance=np.where(own, -sd / det, 0.0),
            location=location,
        )

    def _start(self) -> ItemCurves:
        share = self._responses.right_by_item / self._responses.n_by_item
        p = np.clip(share, _CHANCE, 1 - _CHANCE)
        return ItemCurves(slope=np.ones(len(p)), intercept=np.log(p / (1 - p)))

    def _vector(self, curves: ItemCurves) -> FloatArray:
        return np.concatenate([np.log(curves.slope), curves.intercept])

    def _leap(self, at: ItemCurves, once: ItemCurves, twice: ItemCurves) -> ItemCurves:
        """Extrapolates two EM steps; no shorter than they are."""
        start, first, second = (self._vector(curves) for curves in (at, once, twice))
        step = first - start
        bend = second - first - step
        length = max(1.0, np.linalg.norm(step) / max(np.linalg.norm(bend), np.finfo(float).tiny))
        log_slope, intercept = np.split(start + 2 * length * step + length**2 * bend, 2)
        return self._bounded(np.exp(np.clip(log_slope, -10, 10)), intercept)

    def _bounded(self, slope: FloatArray, intercept: FloatArray) -> ItemCurves:
        own = self._has_slope
        shared = 1.0 if own.all() else float(np.clip(slope[~own][0], *_SPREAD_RANGE))
        low, high = _SLOPE_RANGE
        slope = np.where(own, np.clip(slope, low * shared, high * shared), shared)
        return ItemCurves(slope, intercept)

    def _mean_intercept(self, intercept: FloatArray) -> float:
        return float(intercept.sum() / (len(intercept) + 1))

    def _improved(self, curves: ItemCurves) -> ItemCurves:
        """One EM step."""
        mass = self._responses.posterior(curves, self._z).mass
        n = self._responses.expected(mass)
        right_z: FloatArray = self._responses.right.T @ (mass @ self._z)
        for _ in range(_NEWTON_STEPS):
            curves = self._newton(curves, n, right_z)
        return curves

    def _newton(self, curves: ItemCurves, n: FloatArray, right_z: FloatArray) -> ItemCurves:
        """A Newton step for all curves at once; the shared slope with its intercepts profiled out.

        Sufficient statistics: n, expected responses (items, nodes), and right_z, the sum of
        expected abilities over the right answers (items,).
        """
        slope, own, shared = curves.slope, self._has_slope, self.shared_slope(curves)
        p = expit(slope[:, None] * self._z + curves.intercept[:, None])
        expected, w = n * p, n * p * (1 - p)
        away = curves.intercept - self._mean_intercept(curves.intercept)
        right = self._responses.right_by_item
        g_d = right - expected.sum(axis=1) - self._intercept_precision * away
        pull = self._slope_precision * np.log(slope / shared)
        g_s = right_z - expected @ self._z - pull / slope
        h_dd, h_sd = w.sum(axis=1) + self._intercept_precision, w @ self._z
        h_ss = w @ self._z**2 + np.where(own, self._slope_precision / slope**2, 0.0)
        top, bottom = g_s - h_sd * g_d / h_dd, h_ss - h_sd**2 / h_dd
        step = top / np.maximum(bottom, np.finfo(float).tiny)  # 0 where every p is 0 or 1
        if not own.all():
            to_own = (pull.sum() - self._spread_precision * np.log(shared)) / shared
            prior = (self._slope_precision * own.sum() + self._spread_precision) / shared**2
            step_shared = (top[~own].sum() + to_own) / (bottom[~own].sum() + prior)
            step = np.where(own, step, step_shared if self._spread_is_free else 0.0)
        step = np.clip(step, -_LONGEST_STEPS[0], _LONGEST_STEPS[0])
        step_d = np.clip((g_d - h_sd * step) / h_dd, -_LONGEST_STEPS[1], _LONGEST_STEPS[1])
        return self._bounded(slope + step, curves.intercept + step_d)

    def _observed_information(
        self, curves: ItemCurves, mass: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Each item's block of the information: slope, slope by intercept, intercept; (items,)."""
        z, responses = self._z, self._responses
        p = expit(curves.slope[:, None] * z + curves.intercept[:, None])
        n, r = responses.expected(mass), responses.right.T @ mass
        # complete information minus the second moment of the score, under the posterior
        each = n * p * (1 - p) - r * (1 - 2 * p) - n * p**2
        ss, sd, dd = each @ z**2, each @ z, each.sum(axis=1)
        ability, pz = mass @ z, p * z
        for student, item, y in responses.chunks():
            score = y - np.einsum("rq,rq->r", mass[student], p[item])
            score_z = y * ability[student] - np.einsum("rq,rq->r", mass[student], pz[item])
            ss += np.bincount(item, weights=score_z**2, minlength=len(ss))
            sd += np.bincount(item, weights=score * score_z, minlength=len(ss))
            dd += np.bincount(item, weights=score**2, minlength=len(ss))
        return ss, sd, dd

    def _location_variance(self, curves: ItemCurves, dd: FloatArray, mass: FloatArray) -> float:
        """Variance that all difficulties share, beyond what the items' own blocks hold.

        The students' information about their mean ability is the sum of 1 - posterior variance.
        The blocks take it to be the sum of the items' own, which overstates it where a student
        answers many items.
        """
        spread = mass @ self._z**2 - (mass @ self._z) ** 2
        jointly = float((1 - spread)[self._responses.n_by_student > 0].sum())
        apart = float(curves.slope**2 @ dd)
        return max(0.0, 1 / jointly - 1 / apart) if 0 < jointly < apart else 0.0
