"""Groups of students: how ability is distributed in each, and takers of an item matched across.

Takers are matched by what their other answers, and their group's distribution of ability, say they
would do on the item. Matching by an ability shrunk to one mean for all, or by a raw score, leaves
a difference between the groups inside each match, and with it DIF that is not there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.predictive import LeaveOneOut, LevelCurves, Population, check_responses

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_STUDENTS = 10_000  # of a group that its distribution is estimated from, evenly picked
_REACH = 6.0  # of the nodes, standard deviations of the whole population
_PER_SD = 8  # nodes
_WORTH = 5.0  # students that the whole population is worth within a group
_STEPS = 500
_CERTAIN = 1e-6  # predicted chances this far from 0 and 1 at most
_CONVERGED = 1e-5  # change of mean and standard deviation, relative to the population's


@dataclass(frozen=True)
class GroupPopulations:
    """Normal distributions of ability by group, arrays of shape (groups + 1,).

    The last is that of students of unknown group, so that code -1 finds it.

    Attributes:
        mean: In logits.
        sd: Above 0.
    """

    mean: FloatArray
    sd: FloatArray


def group_populations(  # noqa: PLR0913 - the columns of the responses, and the model
    student: IntArray,
    item: IntArray,
    score: FloatArray,
    *,
    group: IntArray,
    items: ItemParameters,
    population_mean: float,
    population_sd: float,
    is_evidence: NDArray[np.bool_] | None = None,
) -> GroupPopulations:
    """Estimate the mean and spread of ability in each group.

    Marginal maximum likelihood; the population of all is worth a handful of students, so that a
    group hardly seen stays near it.

    Args:
        student: Index of the student, (responses,).
        item: Index of the item, (responses,).
        score: Share of credit, one of the item's levels, (responses,).
        group: Index of each student's group from 0; -1 where unknown, (students,).
        items: Their curves.
        population_mean: Of the ability of all, in logits.
        population_sd: Its standard deviation, above 0.
        is_evidence: Whether a response may tell of ability, (responses,); all if not given.

    Returns:
        The distributions.

    Raises:
        ValueError: If an index, a score, a group or population_sd is out of range.

    Reference:
        Mislevy (1984), Psychometrika 49, 359-381.
    """
    check_responses(student, item, score, n_students=len(group), n_items=len(items))
    if group.min(initial=-1) < -1:
        raise ValueError("groups are numbered from 0; -1 where unknown")
    whole = Population.of(population_mean, population_sd, 1)
    reach = np.linspace(-_REACH, _REACH, round(2 * _REACH * _PER_SD) + 1)
    curves = LevelCurves(items, population_mean + population_sd * reach)
    counts = items.is_calibrated[item]
    counts = counts if is_evidence is None else counts & is_evidence
    level = curves.levels(item, score)
    n_groups = int(group.max(initial=-1)) + 1
    known = np.bincount(student[counts], minlength=len(group)) > 0
    found = np.tile([[population_mean], [population_sd]], n_groups + 1)
    for code in range(-1, n_groups):
        who = np.flatnonzero(known & (group == code))
        who = who[:: max(1, -(-len(who) // _STUDENTS))]
        place = np.full(len(group), -1)
        place[who] = np.arange(len(who))
        rows = np.flatnonzero((place[student] >= 0) & counts)
        flat = np.zeros((len(who), len(reach)))
        mass = curves.posterior(place[student[rows]], item[rows], level[rows], counts[rows], flat)
        found[:, code] = _normal(mass, curves.theta, whole)
    return GroupPopulations(*found)


def _normal(likelihood: FloatArray, theta: FloatArray, whole: Population) -> tuple[float, float]:
    """Mean and standard deviation of a group, from its students' likelihoods over the nodes."""
    at = np.array([whole.mean[0], whole.sd[0]])
    mean, sd = at
    for _ in range(_STEPS):
        prior = np.exp(-0.5 * ((theta - mean) / sd) ** 2)
        density = prior * (likelihood.T @ (1 / (likelihood @ prior)))
        n = len(likelihood) + _WORTH
        new = (density @ theta + _WORTH * at[0]) / n
        square = density @ (theta - new) ** 2 + _WORTH * (at[1] ** 2 + (at[0] - new) ** 2)
        change = max(abs(new - mean), abs(np.sqrt(square / n) - sd))
        mean, sd = float(new), float(np.sqrt(square / n))
        if change < _CONVERGED * at[1]:
            break
    return mean, sd


@dataclass(frozen=True)
class MatchedTakers:
    """Responses of takers that are compared, sorted by item, arrays of shape (responses,).

    Attributes:
        item: Index of the item.
        group: Index of the student's group.
        right: 1 for at least half of the credit, else 0. Under the graded response model this is
            an answer to a right or wrong item of the same slope.
        matching: Logit of the predicted share of credit; rises with ability, and bends with the
            item's curve where there is guessing.
        n_items: Number of items.
        n_groups: Number of groups.
    """

    item: IntArray
    group: IntArray
    right: FloatArray
    matching: FloatArray
    n_items: int
    n_groups: int

    def sizes(self) -> tuple[IntArray, IntArray]:
        """Responses of each group on each item, and of all others, (groups, items)."""
        cell = self.group * self.n_items + self.item
        shape = (self.n_groups, self.n_items)
        own = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
        return own, own.sum(axis=0) - own


def match_takers(
    student: IntArray,
    item: IntArray,
    score: FloatArray,
    *,
    group: IntArray,
    predicted: LeaveOneOut,
) -> MatchedTakers:
    """Responses on calibrated items by students of known group who answered another item.

    Args:
        student: Index of the student, (responses,).
        item: Index of the item, (responses,).
        score: Share of credit, (responses,).
        group: Index of each student's group from 0; -1 where unknown, (students,).
        predicted: Predictions of these responses, each group with its own population.
    """
    of = group[student]
    kept = np.flatnonzero((of >= 0) & (predicted.n_others > 0) & np.isfinite(predicted.expected))
    kept = kept[np.argsort(item[kept], kind="stable")]
    chance = np.clip(predicted.expected[kept], _CERTAIN, 1 - _CERTAIN)
    return MatchedTakers(
        item=item[kept],
        group=of[kept],
        right=(score[kept] >= 0.5).astype(np.float64),
        matching=logit(chance),
        n_items=predicted.n_items,
        n_groups=int(group.max(initial=-1)) + 1,
    )
