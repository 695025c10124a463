"""Abilities of students from responses to items whose parameters are given.

What is said of a response before it is seen comes from the student's earlier responses alone.
Nothing here estimates an item.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.posterior import Abilities, mode_of
from deepkt_irt.irt.quadrature import prior_weights
from deepkt_irt.irt.student_chunks import (
    NODES,
    ScoreArray,
    Start,
    StudentChunk,
    sorted_by_student,
    student_chunks,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_FEW_NODES = 61  # fine enough for students with a handful of responses
_REACH = 5.0  # standard deviations of the population
_WIDE_REACH = 8.0  # the search for a population may have to walk far from where it starts
_EM_STEPS = 200
_EM_TOLERANCE = 1e-3
_EM_STUDENTS = 5_000  # tell a mean to 0.02 SD; more would only cost memory
_MIN_FACTOR = 0.1  # below, no spread can be told from none
_TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Predictions:
    """What was known of each response before it, arrays of shape (responses,).

    The first three are NaN for an item without a curve.

    Attributes:
        expected: Share of credit expected, 0 to 1; the chance of a right answer.
        variance: Of the share of credit, doubt about the ability included.
        expected_slope: Change of `expected` per logit that the item becomes harder; 0 or less.
        ability: Posterior mean of theta from the earlier responses, logits.
        ability_sd: Posterior standard deviation, logits.
        n_before: Earlier responses of the student on calibrated items.
    """

    expected: FloatArray
    variance: FloatArray
    expected_slope: FloatArray
    ability: FloatArray
    ability_sd: FloatArray
    n_before: IntArray


def predict_sequentially(
    offsets: IntArray,
    item: IntArray,
    score: ScoreArray,
    *,
    items: ItemParameters,
    population_mean: ArrayLike = 0.0,
    population_sd: ArrayLike = 1.0,
) -> Predictions:
    """Expectation of each response, from the student's earlier responses only.

    The posterior of theta starts at the population and is updated after each prediction. Items
    without a curve move no ability. A student is taken to answer an item once.

    Args:
        offsets: Student s owns responses offsets[s] to offsets[s + 1], in order; (students + 1,).
        item: Index of the item, (responses,).
        score: Share of credit, one of the item's levels: 0 or 1 for right or wrong items.
        items: Their curves.
        population_mean: Where abilities start, logits; one for all or one a student.
        population_sd: How sure that is, above 0; likewise.

    Returns:
        Predictions in the order of the responses.

    Raises:
        ValueError: If a score is none of its item's levels, or offsets, indexes or the
            population do not fit.
    """
    start = Start.of(population_mean, population_sd, max(len(offsets) - 1, 0))
    return _follow(offsets, item, score, items=items, start=start, unknown=np.nan)


def sequential_probabilities(
    offsets: IntArray,
    item: IntArray,
    score: ScoreArray,
    *,
    items: ItemParameters,
    population_mean: ArrayLike = 0.0,
    population_sd: ArrayLike = 1.0,
) -> FloatArray:
    """Expected share of credit of every response, also on items without a curve, (responses,).

    As `predict_sequentially`, except that an item without a curve is predicted as a right or
    wrong item of mean difficulty; it still moves no ability.
    """
    known = items.is_calibrated
    average = float(items.difficulty[known].mean()) if known.any() else 0.0
    start = Start.of(population_mean, population_sd, max(len(offsets) - 1, 0))
    return _follow(offsets, item, score, items=items, start=start, unknown=average).expected


def estimate_abilities(  # noqa: PLR0913 - the columns of the responses, and the model
    student: IntArray,
    item: IntArray,
    score: ScoreArray,
    *,
    n_students: int,
    items: ItemParameters,
    population_mean: ArrayLike = 0.0,
    population_sd: ArrayLike = 1.0,
) -> Abilities:
    """Abilities of students, new ones too, from all their responses to given items.

    Args:
        student: Index of the student, 0 to n_students - 1, (responses,).
        item: Index of the item, (responses,).
        score: Share of credit, one of the item's levels.
        n_students: Number of students.
        items: Their curves; those without one do not count.
        population_mean: Of the prior in logits; one for all or one a student.
        population_sd: Of the prior, above 0; likewise.

    Returns:
        EAP, posterior standard deviation and MAP; NaN for a student without a response that
        counts, since a prior is no measurement.

    Raises:
        ValueError: If a score is none of its item's levels, or an index lies outside.

    Reference:
        Bock and Mislevy (1982), Applied Psychological Measurement 6, 431-444.
    """
    population = Start.of(population_mean, population_sd, n_students)
    theta = population.grid(_REACH)
    order, offsets = sorted_by_student(student, n_students)
    n = np.zeros(n_students, dtype=np.int64)
    found = np.empty((3, n_students))
    for chunk in student_chunks(offsets, item[order], score[order], items=items, theta=theta):
        who = np.arange(n_students)[chunk.students]
        z = (theta - population.mean[who, None]) / population.sd[who, None]
        mass = _normalised(chunk.log_likelihood() - 0.5 * z**2)
        mean = mass @ theta
        sd = np.sqrt(np.maximum(mass @ theta**2 - mean**2, 0.0))
        found[:, who] = mean, sd, mode_of(mass, theta)
        n[who] = chunk.n_counted
    ability, ability_sd, mode = np.where(n > 0, found, np.nan)
    return Abilities(ability, ability_sd, mode, n)


def estimate_population(  # noqa: PLR0913 - the columns of the responses, and the model
    student: IntArray,
    item: IntArray,
    score: ScoreArray,
    *,
    n_students: int,
    items: ItemParameters,
    population_mean: ArrayLike = 0.0,
    population_sd: ArrayLike = 1.0,
) -> tuple[float, float]:
    """How the population behind the responses differs from the one given.

    theta ~ N(mean + move, (factor sd)^2), with each student's own mean and SD if they differ: the
    factor is 1 if no student has two responses, which tell nothing of spread. At most 5,000
    students are used, evenly spaced. Arguments as those of `estimate_abilities`.

    Returns:
        move in logits and factor; 0 and 1 if nobody has a response that counts.

    Reference:
        Mislevy (1984), Psychometrika 49, 359-381, for given items and a normal population.
    """
    population = Start.of(population_mean, population_sd, n_students)
    counts = np.bincount(student[items.is_calibrated[item]], minlength=n_students)
    present = np.flatnonzero(counts)
    if not len(present):
        return 0.0, 1.0
    present = present[:: -(-len(present) // _EM_STUDENTS)]
    place = np.full(n_students, -1)
    place[present] = np.arange(len(present))
    used = place[student] >= 0
    order, offsets = sorted_by_student(place[student[used]], len(present))
    item, score = item[used][order], score[used][order]
    chosen = Start(population.mean[present], population.sd[present])
    theta = chosen.grid(_WIDE_REACH)
    logs = [
        chunk.log_likelihood()
        for chunk in student_chunks(offsets, item, score, items=items, theta=theta)
    ]
    return _move_and_factor(
        _normalised(np.concatenate(logs)), theta, chosen, spread_is_free=bool(counts.max() > 1)
    )


def _follow(
    offsets: IntArray,
    item: IntArray,
    score: ScoreArray,
    *,
    items: ItemParameters,
    start: Start,
    unknown: float,
) -> Predictions:
    """Predictions; items without a curve are shown as 1PL ones of the difficulty `unknown`."""
    longest = int(np.diff(offsets).max(initial=0))
    # a posterior as narrow as so many responses make it spans several nodes
    n_nodes = int(np.clip(4 * _REACH * np.sqrt(1 + longest / 2), _FEW_NODES, NODES))
    theta = start.grid(_REACH, n_nodes)
    found = np.empty((5, len(item)))
    for chunk in student_chunks(offsets, item, score, items=items, theta=theta):
        prior = prior_weights(theta, start.mean[chunk.students], start.sd[chunk.students])
        some = items.take(chunk.distinct)
        moments = _moments(some, chunk.chances)
        moments[~some.is_calibrated] = expit(theta - unknown)
        found[:, chunk.rows] = _walk(chunk, theta=theta, moments=moments, mass=prior)
    counted = np.concatenate([[0], np.cumsum(items.is_calibrated[item])])
    n_before = counted[:-1] - np.repeat(counted[offsets[:-1]], np.diff(offsets))
    expected, variance, slope, ability, sd = found
    return Predictions(expected, variance, slope, ability, sd, n_before)


def _walk(
    chunk: StudentChunk, *, theta: FloatArray, moments: FloatArray, mass: FloatArray
) -> FloatArray:
    """Predictions of some students, position by position, (5, responses)."""
    lengths = np.diff(chunk.offsets)
    longest_first = np.argsort(-lengths, kind="stable")
    sorted_lengths = -lengths[longest_first]
    mass = mass[longest_first]
    powers = np.stack([theta, theta**2], axis=1)
    chances, cell = chunk.chances.reshape(-1, len(theta)), chunk.cell
    found = np.empty((5, len(chunk.place)))
    for step in range(int(lengths.max(initial=0))):
        active = int(np.searchsorted(sorted_lengths, -step, side="left"))
        at = chunk.offsets[longest_first[:active]] + step
        now = mass[:active]
        expected, square, slope = np.einsum(
            "rkq,rq->kr", moments.take(chunk.place[at], axis=0), now
        )
        ability, second = (now @ powers).T
        sd = np.sqrt(np.maximum(second - ability**2, 0.0))
        found[:, at] = expected, square - expected**2, slope, ability, sd
        now *= chances.take(cell[at], axis=0)
        now /= now.sum(axis=1, keepdims=True)
    return found


def _moments(items: ItemParameters, chances: FloatArray) -> FloatArray:
    """Expected share of credit, its mean square, and its change with b; (items, 3, nodes).

    chances: of each level, (items, levels, nodes).
    """
    a, c, steps = (x[:, None, None] for x in (items.slope, items.guessing, items.n_steps))
    level = np.arange(1, chances.shape[1])[:, None]
    share = np.where(level <= steps, level / np.maximum(steps, 1), 0.0)
    p = chances[:, 1:]
    reached = p[:, ::-1].cumsum(axis=1)[:, ::-1]  # this level or a higher one
    rise = a * (reached - c) * (1 - reached) / (1 - c)
    slope = -(rise * (level <= steps)).sum(axis=1) / np.maximum(steps[:, 0], 1)
    moments = [(p * share).sum(axis=1), (p * share**2).sum(axis=1), slope]
    return np.ascontiguousarray(np.stack(moments, axis=1))  # else every `take` would copy all


def _move_and_factor(
    likelihood: FloatArray, theta: FloatArray, population: Start, *, spread_is_free: bool
) -> tuple[float, float]:
    """EM for what `estimate_population` says; likelihood is (students, nodes)."""
    move, factor = 0.0, 1.0
    weight = population.sd**-2 / (population.sd**-2).sum()
    for _ in range(_EM_STEPS):
        z = (theta - population.mean[:, None] - move) / (factor * population.sd[:, None])
        mass = likelihood * np.exp(-0.5 * z**2)
        mass /= np.maximum(mass.sum(axis=1, keepdims=True), _TINY)
        away = mass @ theta - population.mean
        spread = mass @ theta**2 - (mass @ theta) ** 2
        before = move, factor
        move = float(weight @ away)
        if spread_is_free:
            around = (spread + (away - move) ** 2) / population.sd**2
            factor = max(float(np.sqrt(around.mean())), _MIN_FACTOR)
        if max(abs(move - before[0]), abs(factor - before[1])) < _EM_TOLERANCE:
            break
    return move, factor


def _normalised(logs: FloatArray) -> FloatArray:
    """Masses proportional to exp(logs), rows summing to 1."""
    mass: FloatArray = np.exp(logs - logs.max(axis=1, keepdims=True))
    return mass / mass.sum(axis=1, keepdims=True)
