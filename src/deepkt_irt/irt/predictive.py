"""What each response should have been, judged by the student's answers to all other items.

Leaving out the response that is judged makes residuals that know nothing of it: under the model
their mean is exactly 0 and their square has exactly the predictive variance, whatever the number
of responses. Statistics of fit need no correction for short or sparse tests, and an item that is
studied for fairness does not take part in matching its own takers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from deepkt_irt.irt.items import ItemParameters

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NODES = 81  # over the reach of the narrowest population
_REACH = 5.0  # standard deviations
_CELLS = 1_500_000  # responses times nodes that are held at a time
_ITEMS = 500  # items whose curves are worked out at a time
_PER_BAND = 4  # nodes whose residuals are summed together
_LEAST = 1e-100  # no chance is smaller, so that logarithms stay finite
_LEVEL = 1e-6  # a score this close to one of its item's levels is that level


@dataclass(frozen=True)
class CurveResiduals:
    """Residuals by band of ability, summed over an item's takers.

    w is the chance, by a taker's other responses, that the ability lies in the band.

    Attributes:
        theta: Middle of each band in logits, (bands,).
        mass: Sum of w: takers of the item in each band, (items, bands).
        residual: Sum of w (score - expected), (items, bands).
        variance: Variance of that sum under the model, (items, bands).
    """

    theta: FloatArray
    mass: FloatArray
    residual: FloatArray
    variance: FloatArray


@dataclass(frozen=True)
class LeaveOneOut:
    """Predictions of responses from the student's other responses.

    Arrays have the shape (responses,) and the order of the responses given, unless noted. The
    first five are NaN on an item without a curve.

    Attributes:
        expected: Mean share of credit, 0 to 1.
        variance: Of the share, doubt about the ability included.
        third: Third central moment of the share.
        fourth: Fourth central moment.
        covariance: Of the share with the ability; above 0.
        ability: Posterior mean in logits; the population's where no other item says anything.
        ability_sd: Posterior standard deviation.
        n_others: Other responses of the student that count.
        student_sd: Posterior standard deviation given all responses, (students,).
        curves: Sums by item and ability.
    """

    expected: FloatArray
    variance: FloatArray
    third: FloatArray
    fourth: FloatArray
    covariance: FloatArray
    ability: FloatArray
    ability_sd: FloatArray
    n_others: IntArray
    student_sd: FloatArray
    curves: CurveResiduals

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.curves.mass)


def leave_one_out(  # noqa: PLR0913 - the columns of the responses, and the model
    student: IntArray,
    item: IntArray,
    score: FloatArray,
    *,
    n_students: int,
    items: ItemParameters,
    population_mean: ArrayLike,
    population_sd: ArrayLike,
    is_evidence: NDArray[np.bool_] | None = None,
) -> LeaveOneOut:
    """Predict every response from the student's other responses.

    The posterior over evenly spaced nodes is divided by the likelihood of the response itself.
    Items without a curve move no ability.

    Args:
        student: Index of the student, 0 to n_students - 1, (responses,).
        item: Index of the item, (responses,); a student answers an item once.
        score: Share of credit, one of the item's levels: 0 or 1 for right or wrong items.
        n_students: Number of students.
        items: Their curves.
        population_mean: Of ability in logits; one for all or (students,), as where groups differ.
        population_sd: Of ability, above 0; likewise.
        is_evidence: Whether a response may move the ability others are predicted from,
            (responses,); all do if not given.

    Returns:
        The predictions.

    Raises:
        ValueError: If an index, a score or a standard deviation is out of range, or a student has
            two responses to an item.

    Reference:
        Stone (1974), Journal of the Royal Statistical Society B 36, 111-147 (cross-validatory
        residuals); Bock and Mislevy (1982), Applied Psychological Measurement 6, 431-444 (EAP).
    """
    check_responses(student, item, score, n_students=n_students, n_items=len(items))
    population = Population.of(population_mean, population_sd, n_students)
    curves = LevelCurves(items, population.nodes())
    level = curves.levels(item, score)
    counts = items.is_calibrated[item]
    if is_evidence is not None:
        counts = counts & is_evidence
    found = {name: np.full(len(score), np.nan) for name in _BY_RESPONSE}
    student_sd = np.array(population.sd)
    bands = _Bands(len(items), curves.theta)
    order = _by_student(student, item, len(items))
    for rows in _chunks(order, student, _CELLS // len(curves.theta)):
        who, place = np.unique(student[rows], return_inverse=True)
        prior = population.log_prior(curves.theta, who)
        mass = curves.posterior(place, item[rows], level[rows], counts[rows], prior)
        student_sd[who] = _mean_and_sd(mass, curves.theta)[1]
        others = mass[place] / curves.likelihood(item[rows], level[rows], counts[rows])
        others /= others.sum(axis=1, keepdims=True)
        part = curves.predicted(others, item[rows])
        for name, values in part.items():
            found[name][rows] = values
        bands.add(item[rows], others, score[rows] - part["expected"], part["variance"])
    n_others = np.bincount(student[counts], minlength=n_students)[student] - counts
    return LeaveOneOut(**found, n_others=n_others, student_sd=student_sd, curves=bands.sums())


_MOMENTS = {"variance": 2, "third": 3, "fourth": 4}  # central
_BY_RESPONSE = ("expected", *_MOMENTS, "covariance", "ability", "ability_sd")


@dataclass(frozen=True)
class Population:
    """Normal distribution that each student's ability is drawn from; arrays (students,)."""

    mean: FloatArray
    sd: FloatArray

    @classmethod
    def of(cls, mean: ArrayLike, sd: ArrayLike, n_students: int) -> "Population":
        """One mean and SD for all, or one each."""
        given = [np.asarray(x, dtype=np.float64) for x in (mean, sd)]
        if not all(x.shape in {(), (n_students,)} for x in given):
            raise ValueError("population_mean and population_sd are one number or one a student")
        means, sds = (np.broadcast_to(x, (n_students,)) for x in given)
        if not (np.isfinite(means).all() and np.isfinite(sds).all() and (sds > 0).all()):
            raise ValueError("population_mean must be finite, population_sd above 0")
        return cls(means, sds)

    def nodes(self) -> FloatArray:
        """Evenly spaced abilities that cover all students, fine enough for the narrowest."""
        if not len(self.sd):
            return np.linspace(-_REACH, _REACH, _NODES)
        low = float((self.mean - _REACH * self.sd).min())
        high = float((self.mean + _REACH * self.sd).max())
        step = 2 * _REACH * float(self.sd.min()) / (_NODES - 1)
        return np.linspace(low, high, round((high - low) / step) + 1)

    def log_prior(self, theta: FloatArray, who: IntArray) -> FloatArray:
        """Log weights of the nodes for some students, up to a constant, (who, nodes)."""
        z = (theta - self.mean[who, None]) / self.sd[who, None]
        log_weights: FloatArray = -0.5 * z**2
        return log_weights


class LevelCurves:
    """Chances of all items' score levels over the nodes, one row a level.

    Args:
        items: The items.
        theta: Abilities of the nodes, (nodes,).
    """

    def __init__(self, items: ItemParameters, theta: FloatArray) -> None:
        self.theta = theta
        self._n_steps = items.n_steps
        self._first = np.concatenate([[0], np.cumsum(self._n_steps + 1)])
        self._chance = np.ones((self._first[-1], len(theta)))  # no curve: any answer is certain
        for begin in range(0, len(items), _ITEMS):
            some = np.arange(begin, min(begin + _ITEMS, len(items)))
            steps = self._n_steps[some]
            levels = np.arange(items.thresholds.shape[1] + 1)
            has = (levels <= steps[:, None]) & (steps > 0)[:, None]
            p = np.moveaxis(items.take(some).probabilities(theta), 0, -1)  # items, levels, nodes
            rows = self._first[some][:, None] + levels
            self._chance[rows[has]] = np.maximum(p[has], _LEAST)
        self._log_chance = np.log(self._chance)

    def levels(self, item: IntArray, score: FloatArray) -> IntArray:
        """Level of each score, 0 to the item's steps.

        Raises:
            ValueError: If a score lies between the levels of a calibrated item.
        """
        steps = self._n_steps[item]
        level = np.rint(score * steps)
        between = np.abs(score * steps - level) > _LEVEL * np.maximum(steps, 1)
        if between.any():
            at = int(np.flatnonzero(between)[0])
            raise ValueError(
                f"score {score[at]} is none of the {steps[at] + 1} levels of item {item[at]}"
            )
        return level.astype(np.int64)

    def likelihood(self, item: IntArray, level: IntArray, counts: NDArray[np.bool_]) -> FloatArray:
        """Chance of a response at each node, 1 where it does not count, (responses, nodes)."""
        chance = self._chance[self._first[item] + level]
        chance[~counts] = 1.0
        return chance

    def posterior(
        self,
        place: IntArray,
        item: IntArray,
        level: IntArray,
        counts: NDArray[np.bool_],
        log_prior: FloatArray,
    ) -> FloatArray:
        """Posterior of some students from the responses that count, (students, nodes).

        Args:
            place: Row of each response's student, (responses,).
            item: Its item.
            level: Its score level.
            counts: Whether it counts.
            log_prior: Log weights of the nodes up to a constant, (students, nodes).
        """
        cells, column = np.unique(self._first[item] + level, return_inverse=True)
        shape = (len(log_prior), len(cells))
        given = csr_array((counts.astype(np.float64), (place, column)), shape=shape)
        logs: FloatArray = given @ self._log_chance[cells] + log_prior
        mass = np.exp(logs - logs.max(axis=1, keepdims=True))
        return mass / mass.sum(axis=1, keepdims=True)

    def predicted(self, mass: FloatArray, item: IntArray) -> dict[str, FloatArray]:
        """Moments of the score of each response under a distribution of its student's ability."""
        mean, sd = _mean_and_sd(mass, self.theta)
        steps = self._n_steps[item]
        chance = np.zeros((len(item), steps.max(initial=0) + 1))
        with_theta = np.zeros(len(item))
        for level in range(1, chance.shape[1]):
            has = np.flatnonzero(steps >= level)
            rows = slice(None) if len(has) == len(item) else has
            weighted = mass[rows] * self._chance[self._first[item[rows]] + level]
            chance[rows, level] = weighted.sum(axis=1)
            with_theta[rows] += weighted @ (self.theta * level)
        share = np.arange(chance.shape[1]) / np.maximum(steps, 1)[:, None]
        chance[:, 0] = np.maximum(1 - chance.sum(axis=1), 0)
        expected = (chance * share).sum(axis=1)
        away = share - expected[:, None]
        moments = {name: (chance * away**k).sum(axis=1) for name, k in _MOMENTS.items()}
        moments["expected"] = expected
        moments["covariance"] = with_theta / np.maximum(steps, 1) - mean * expected
        known = steps > 0
        moments = {name: np.where(known, values, np.nan) for name, values in moments.items()}
        return {**moments, "ability": mean, "ability_sd": sd}


def check_responses(
    student: IntArray, item: IntArray, score: FloatArray, *, n_students: int, n_items: int
) -> None:
    """Refuse columns of responses that do not fit each other, the students or the items.

    Raises:
        ValueError: If lengths differ, or an index or a score is out of range.
    """
    if not len(student) == len(item) == len(score):
        raise ValueError("student, item and score differ in length")
    for name, index, n in (("student", student, n_students), ("item", item, n_items)):
        if len(index) and (index.min() < 0 or index.max() >= n):
            raise ValueError(f"{name} index outside 0 to {n - 1}")
    if not ((score >= 0) & (score <= 1)).all():
        raise ValueError("score must be a share of credit from 0 to 1")


def _by_student(student: IntArray, item: IntArray, n_items: int) -> IntArray:
    """Order by student and item, so that results do not depend on the order given."""
    key = student.astype(np.int64) * n_items + item
    order = np.argsort(key, kind="stable")
    if (np.diff(key[order]) == 0).any():
        raise ValueError("a student has several responses to one item; keep the first")
    return order


def _chunks(order: IntArray, student: IntArray, most: int) -> Iterator[IntArray]:
    """Rows of whole students, some at a time; more than `most` only where one student has."""
    starts = np.flatnonzero(np.diff(student[order], prepend=-1))
    ends = np.append(starts[1:], len(order))
    begin = 0
    while begin < len(order):
        fits = int(np.searchsorted(ends, begin + most, side="right")) - 1
        end = int(ends[max(fits, int(np.searchsorted(ends, begin, side="right")))])
        yield order[begin:end]
        begin = end


def _mean_and_sd(mass: FloatArray, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    mean: FloatArray = mass @ theta
    variance = mass @ theta**2 - mean**2
    return mean, np.sqrt(np.maximum(variance, np.finfo(float).tiny))


class _Bands:
    """Sums of residuals by item and band of ability; an item without a curve adds nothing."""

    def __init__(self, n_items: int, theta: FloatArray) -> None:
        band = np.arange(len(theta)) // _PER_BAND
        self._belongs = (band[:, None] == np.unique(band)).astype(np.float64)  # nodes, bands
        self._theta = theta @ self._belongs / self._belongs.sum(axis=0)
        self._sums = np.zeros((3, n_items, self._belongs.shape[1]))

    def add(
        self, item: IntArray, mass: FloatArray, residual: FloatArray, variance: FloatArray
    ) -> None:
        """Add a chunk of responses with the distributions of their students' ability."""
        known = np.flatnonzero(np.isfinite(residual))
        met, place = np.unique(item[known], return_inverse=True)
        w = (mass @ self._belongs)[known]
        shape = (len(met), len(known))
        weights = (np.ones(len(known)), residual[known], variance[known])
        for total, weight, powers in zip(self._sums, weights, (w, w, w**2), strict=True):
            total[met] += csr_array((weight, (place, np.arange(len(known)))), shape=shape) @ powers

    def sums(self) -> CurveResiduals:
        """What was added."""
        return CurveResiduals(self._theta, *self._sums)
