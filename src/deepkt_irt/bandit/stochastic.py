"""Choosing by chance with known propensities, so that other policies can be judged by the log.

Every propensity mixes in a floor, (1 - floor) p + floor / K over the K rows that are open, so none
is 0. Where the skill is chosen by other scores than the item, p is the chance of the skill by those
times that of the row within it. What is drawn rests on uniform numbers given from outside: a rerun
draws the same. A decision without an open row chooses nothing: row -1, propensity NaN.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.bandit.linear_state import FloatArray, IntArray
from deepkt_irt.settings import BanditSettings

BoolArray = NDArray[np.bool_]

_NO_SPREAD = 1e-12  # rounding of scores that are all the same
_NO_SKILL = -2  # differs from the -1 of rows without a skill, which are not alike
_CHUNK = 131_072  # rows whose item vectors are gathered at a time


@dataclass(frozen=True)
class Eligible:
    """Rows that may be chosen, decision after decision.

    Attributes:
        offsets: Where each decision's rows begin, and the end, (decisions + 1,).
        item: Item of each row, a number from 0; each once in a decision, (rows,).
        skill: Skill that the row would practise; -1 for none, (rows,).

    Raises:
        ValueError: The offsets do not cut the rows, or a number is too small.
    """

    offsets: IntArray
    item: IntArray
    skill: IntArray

    def __post_init__(self) -> None:
        if not len(self.offsets) or self.offsets[0] != 0 or self.offsets[-1] != len(self.item):
            raise ValueError(f"offsets must go from 0 to {len(self.item)} rows")
        if (np.diff(self.offsets) < 0).any():
            raise ValueError("offsets must not fall")
        if np.shape(self.skill) != np.shape(self.item):
            raise ValueError(f"{len(self.item)} items but {len(self.skill)} skills")
        if len(self.item) and (self.item.min() < 0 or self.skill.min() < -1):
            raise ValueError("items count from 0, skills from -1")

    @property
    def n_decisions(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def filled(self) -> IntArray:
        """Decisions that have rows, (filled,); reduceat cannot do without any."""
        return np.flatnonzero(np.diff(self.offsets))

    @cached_property
    def place(self) -> IntArray:
        """Place of each row's decision among the filled ones, (rows,)."""
        return np.repeat(np.arange(len(self.filled)), np.diff(self.offsets)[self.filled])

    @cached_property
    def by_skill(self) -> tuple[IntArray, "Eligible"]:
        """The rows with each pair of a decision and a skill as a decision of its own.

        Returns:
            The order in which the rows of a pair follow each other, and the rows in it.
        """
        decision = np.repeat(np.arange(self.n_decisions), np.diff(self.offsets))
        order = np.lexsort((self.skill, decision))
        pair = decision[order], self.skill[order]
        starts = np.any([np.diff(each, prepend=_NO_SKILL) != 0 for each in pair], axis=0)
        offsets = np.append(np.flatnonzero(starts), len(order))
        return order, Eligible(offsets, self.item[order], pair[1])

    def only(self, decisions: BoolArray) -> "Eligible":
        """Some of the decisions with their rows."""
        sizes = np.diff(self.offsets)
        rows = np.repeat(decisions, sizes)
        offsets = np.concatenate([[0], np.cumsum(sizes[decisions])])
        return Eligible(offsets, self.item[rows], self.skill[rows])

    def net_of_skill(self, values: NDArray[np.floating[Any]]) -> FloatArray:
        """Values less their mean over the decision's rows of the same skill, (rows, ...)."""
        order, pairs = self.by_skill
        n = np.reshape(np.diff(pairs.offsets), (-1, *(1,) * (values.ndim - 1)))
        net = np.empty(values.shape)
        net[order] = values[order] - (pairs.totals(values[order]) / n)[pairs.place]
        return net

    def totals(self, values: NDArray[np.generic]) -> FloatArray:
        """Sums over the rows of each filled decision, (filled, ...)."""
        sums: FloatArray = np.add.reduceat(
            values, self.offsets[self.filled], axis=0, dtype=np.float64
        )
        return sums

    def largest(self, values: FloatArray) -> FloatArray:
        """Largest value among the rows of each filled decision, (filled, ...)."""
        tops: FloatArray = np.maximum.reduceat(values, self.offsets[self.filled], axis=0)
        return tops


@dataclass(frozen=True)
class Chosen:
    """What was drawn; (decisions,) for one choice each, (decisions, slots) for slates.

    Attributes:
        row: Row of what was chosen, -1 for nothing.
        propensity: Its chance in (0, 1], in a slate given the slots before; NaN for nothing.
        n_open: Rows it was chosen from.
        usual: Mean features under the chances of the open rows of the same skill, (decisions,
            slots, features); without features at hand none, of shape (decisions, slots, 0).
    """

    row: IntArray
    propensity: FloatArray
    n_open: IntArray
    usual: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0)))


@dataclass(frozen=True)
class Limited:
    """Rows of which no decision may take many, as hard items.

    Attributes:
        row: Whether a row is one of them, (rows,).
        most: How many of them each decision may take, (decisions,).
    """

    row: BoolArray
    most: IntArray


def softmax_propensities(
    scores: FloatArray,
    eligible: Eligible,
    *,
    temperature: float,
    floor: float,
    open_rows: BoolArray | None = None,
) -> FloatArray:
    """Chances in proportion to exp(score / temperature), within each decision, (rows,).

    Args:
        scores: By row, (rows,).
        eligible: Which rows belong to which decision.
        temperature: Above 0, in units of the scores; towards 0 the best row takes all.
        floor: Share that is spread evenly, in (0, 1].
        open_rows: Rows that may be chosen now, (rows,); all unless given. Others get 0.

    Raises:
        ValueError: A score is not finite, or a number is out of its range.
    """
    is_open = _checked(scores, eligible, floor, open_rows, ndim=1)
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be above 0")
    return _with_floor(_odds(scores, eligible, is_open, temperature), eligible, is_open, floor)


def thompson_propensities(
    draws: FloatArray, eligible: Eligible, *, floor: float, open_rows: BoolArray | None = None
) -> FloatArray:
    """Shares of posterior draws in which a row is the best of its decision, (rows,).

    They are estimates of the chances of Thompson sampling, with a standard error of at most
    1 / (2 sqrt(draws)); rows equal in a draw share it. A choice drawn from these shares has exactly
    these propensities, given the draws: the estimation costs likeness to Thompson sampling, not
    the validity of the log.

    Args:
        draws: Expected rewards under draws of the weights, (rows, draws).
        eligible: Which rows belong to which decision.
        floor: Share that is spread evenly, in (0, 1].
        open_rows: Rows that may be chosen now, (rows,); all unless given. Others get 0.

    Raises:
        ValueError: A draw is not finite, or a number is out of its range.
    """
    is_open = _checked(draws, eligible, floor, open_rows, ndim=2)
    return _with_floor(_wins(draws, eligible, is_open), eligible, is_open, floor)


def choose(propensity: FloatArray, eligible: Eligible, uniform: FloatArray) -> Chosen:
    """Draw one row per decision by its inverse distribution function.

    Args:
        propensity: Chances, 0 for closed rows, (rows,).
        eligible: Which rows belong to which decision.
        uniform: One number per decision in [0, 1); the same number draws the same row.

    Raises:
        ValueError: Lengths differ or a uniform number lies outside [0, 1).
    """
    if np.shape(propensity) != np.shape(eligible.item):
        raise ValueError(f"{len(eligible.item)} rows but {np.shape(propensity)} propensities")
    if np.shape(uniform) != (eligible.n_decisions,):
        raise ValueError(f"{eligible.n_decisions} decisions but {np.shape(uniform)} numbers")
    if not ((uniform >= 0) & (uniform < 1)).all():
        raise ValueError("uniform numbers must lie in [0, 1)")
    filled, starts = eligible.filled, eligible.offsets[eligible.filled]
    running = np.r_[0.0, np.cumsum(propensity)]
    below = running[1:] - running[starts][eligible.place]
    total = running[eligible.offsets[filled + 1]] - running[starts]
    # below the total, so that the row is always one of the decision, and one with a chance
    target = np.minimum(uniform[filled] * total, np.nextafter(total, 0))
    passed = eligible.totals(below <= target[eligible.place]).astype(np.int64)
    some = total > 0
    row = np.full(eligible.n_decisions, -1)
    row[filled[some]] = (starts + passed)[some]
    chance = np.full(eligible.n_decisions, np.nan)
    chance[filled[some]] = propensity[row[filled[some]]]
    n_open = np.zeros(eligible.n_decisions, dtype=np.int64)
    n_open[filled] = eligible.totals(propensity > 0)
    return Chosen(row, chance, n_open)


def draw_slates(  # noqa: PLR0913 - a slate is decided by all of them
    scores: FloatArray,
    eligible: Eligible,
    uniform: FloatArray,
    *,
    settings: BanditSettings,
    max_per_skill: int,
    between: FloatArray | None = None,
    vectors: FloatArray | None = None,
    limited: Limited | None = None,
    features: FloatArray | None = None,
) -> Chosen:
    """Fill slates slot by slot, each slot from a distribution of its own.

    In each slot a row's score is lowered by `diversity` times its largest similarity to what the
    slate holds already (maximal marginal relevance). No item comes twice, no skill more than
    `max_per_skill` times, and limited rows no more often than a decision may hold them. So the
    chance of a slate is the product of its propensities. Decisions do not touch each other: some
    100,000 rows at a time use the processor best.

    Args:
        scores: For the softmax (rows,), as mean + alpha width; for Thompson (rows, draws).
        eligible: Which rows belong to which decision.
        uniform: A number in [0, 1) per decision and slot, (decisions, slots).
        settings: Temperature, floor and diversity.
        max_per_skill: At least 1; rows without a skill are not counted.
        between: Scores (rows,) by which the skill is chosen, if not by `scores`.
        vectors: Items by number (items, features), whose cosine, if above 0, is the similarity.
            Without them it is 1 within a skill, else 0.
        limited: Rows of which a decision takes only so many; none if not given.
        features: Of each row, of which the usual ones are told, (rows, features).

    Raises:
        ValueError: Shapes do not fit, a value is not finite or out of its range.

    Reference:
        Carbonell and Goldstein (1998), The use of MMR, diversity-based reranking.
    """
    if np.ndim(uniform) != 2 or max_per_skill < 1:
        raise ValueError(
            f"uniform has shape {np.shape(uniform)}, expected (decisions, slots); "
            f"max_per_skill={max_per_skill} must be at least 1"
        )
    item, skill = eligible.item, eligible.skill
    scores = in_spreads(scores, eligible)
    between = None if between is None else in_spreads(between, eligible)
    unit = None if vectors is None else _unit(vectors, eligible)
    is_open, of_skill = np.ones(len(item), dtype=np.bool_), np.zeros(len(item), dtype=np.int64)
    nearest = np.zeros(len(item))
    left = None if limited is None else limited.most[eligible.filled]
    slots, usual = [], np.zeros((*np.shape(uniform), 0 if features is None else features.shape[1]))
    for place, numbers in enumerate(np.transpose(uniform)):
        if limited is not None and left is not None:
            is_open &= ~limited.row | (left > 0)[eligible.place]
        less = settings.diversity * nearest
        chances = _propensities(
            scores - np.reshape(less, (-1, *(1,) * (scores.ndim - 1))),
            eligible,
            settings,
            is_open,
            between=None if between is None else between - less,
        )
        slot = choose(chances, eligible, numbers)
        slots.append(slot)
        chosen = slot.row[eligible.filled]
        # a decision that chose nothing has no open row left, so what its -1 finds is idle
        taken = item[chosen][eligible.place]
        practised = np.where(skill[chosen] < 0, _NO_SKILL, skill[chosen])[eligible.place]
        alike = skill == practised
        if features is not None:
            usual[eligible.filled, place] = _mean(features, chances * alike, eligible)
        of_skill += alike
        is_open &= item != taken
        is_open &= of_skill < max_per_skill
        if limited is not None and left is not None:
            left = left - (limited.row[chosen] & (chosen >= 0))
        near = alike if unit is None else _cosine(unit, item, taken)
        nearest = np.maximum(nearest, near)
    shape = np.shape(uniform)
    return Chosen(
        np.reshape([each.row for each in slots], shape[::-1]).T.astype(np.int64),
        np.reshape([each.propensity for each in slots], shape[::-1]).T.astype(np.float64),
        np.reshape([each.n_open for each in slots], shape[::-1]).T.astype(np.int64),
        usual,
    )


def _mean(features: FloatArray, weight: FloatArray, eligible: Eligible) -> FloatArray:
    """Weighted means over the rows of each filled decision; NaN without weight."""
    total = eligible.totals(weight)[:, None]
    sums = eligible.totals(features * weight[:, None])
    mean: FloatArray = np.divide(sums, total, out=np.full(sums.shape, np.nan), where=total > 0)
    return mean


def propensities(
    scores: FloatArray,
    eligible: Eligible,
    settings: BanditSettings,
    *,
    between: FloatArray | None = None,
) -> FloatArray:
    """Chances of rows by softmax of scores (rows,), or by shares of draws (rows, draws).

    Args:
        scores: As of `draw_slates`.
        eligible: Which rows belong to which decision.
        settings: Temperature and floor.
        between: As of `draw_slates`.

    Raises:
        ValueError: As of `softmax_propensities`.
    """
    every = np.ones(len(eligible.item), dtype=np.bool_)
    skill = None if between is None else in_spreads(between, eligible)
    return _propensities(in_spreads(scores, eligible), eligible, settings, every, between=skill)


def in_spreads(scores: FloatArray, eligible: Eligible) -> FloatArray:
    """Scores in SDs of those of their decision, so that no policy's own units matter.

    Args:
        scores: (rows,), or of draws, whose mean counts for the spread, (rows, draws).
        eligible: Which rows belong to which decision.
    """
    if not len(eligible.item):
        return scores
    one = scores if scores.ndim == 1 else scores.mean(axis=1)
    n = eligible.totals(np.ones(len(one)))
    centre = (eligible.totals(one) / n)[eligible.place]
    spread = np.sqrt(eligible.totals((one - centre) ** 2) / n)
    unit = np.where(spread > _NO_SPREAD, spread, 1.0)[eligible.place]
    scaled: FloatArray = scores / np.reshape(unit, (-1, *(1,) * (scores.ndim - 1)))
    return scaled


def _propensities(
    scores: FloatArray,
    eligible: Eligible,
    settings: BanditSettings,
    open_rows: BoolArray,
    *,
    between: FloatArray | None,
) -> FloatArray:
    is_open = _checked(scores, eligible, settings.floor, open_rows, ndim=np.ndim(scores))
    if between is None:
        chance = _shares(scores, eligible, is_open, settings)
    else:
        _checked(between, eligible, settings.floor, open_rows, ndim=1)
        order, pairs = eligible.by_skill
        of_skill = pairs.totals(_shares(between, eligible, is_open, settings)[order])
        inside = _shares(scores[order], pairs, is_open[order], settings)
        chance = np.empty(len(order))
        chance[order] = inside * of_skill[pairs.place]
    return _with_floor(chance, eligible, is_open, settings.floor)


def _shares(
    scores: FloatArray, eligible: Eligible, is_open: BoolArray, settings: BanditSettings
) -> FloatArray:
    """Chances without any floor, (rows,)."""
    if scores.ndim == 2:
        odds = _wins(scores, eligible, is_open)
    else:
        odds = _odds(scores, eligible, is_open, settings.temperature)
    return _with_floor(odds, eligible, is_open, 0.0)


def _odds(
    scores: FloatArray, eligible: Eligible, is_open: BoolArray, temperature: float
) -> FloatArray:
    values = np.where(is_open, scores, -np.inf)
    top = eligible.largest(values)
    top[np.isneginf(top)] = 0  # no open row
    values -= top[eligible.place]
    odds: FloatArray = np.exp(values / temperature)
    return odds


def _wins(draws: FloatArray, eligible: Eligible, is_open: BoolArray) -> FloatArray:
    values = np.where(is_open[:, None], draws, -np.inf)
    wins = (values == eligible.largest(values)[eligible.place]) & is_open[:, None]
    shared_by = np.maximum(eligible.totals(wins), 1)
    total: FloatArray = (wins / shared_by[eligible.place]).sum(axis=1)
    return total


def _with_floor(
    odds: FloatArray, eligible: Eligible, is_open: BoolArray, floor: float
) -> FloatArray:
    """Shares of the odds within each decision, mixed with an even share of what is open."""
    total, n_open = eligible.totals(odds), eligible.totals(is_open)
    none = n_open == 0
    total[none], n_open[none] = 1, 1
    mixed = odds * ((1 - floor) / total)[eligible.place]
    mixed += (floor / n_open)[eligible.place]
    np.minimum(mixed, 1, out=mixed)
    mixed[~is_open] = 0
    return mixed


def _checked(
    scores: FloatArray, eligible: Eligible, floor: float, open_rows: BoolArray | None, *, ndim: int
) -> BoolArray:
    """Refuse what is no score by row; returns which rows are open."""
    if np.ndim(scores) != ndim or len(scores) != len(eligible.item) or 0 in np.shape(scores)[1:]:
        expected = "(rows,)" if ndim == 1 else "(rows, draws)"
        raise ValueError(
            f"scores have shape {np.shape(scores)}, expected {expected} "
            f"with {len(eligible.item)} rows"
        )
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    if not 0 < floor <= 1:
        raise ValueError(f"floor={floor} must lie in (0, 1]")
    if open_rows is None:
        return np.ones(len(eligible.item), dtype=np.bool_)
    if np.shape(open_rows) != np.shape(eligible.item):
        raise ValueError(f"{len(eligible.item)} rows but {np.shape(open_rows)} marks of open ones")
    return open_rows


def _unit(vectors: FloatArray, eligible: Eligible) -> FloatArray:
    """Vectors of length 1; one of length 0 stays so and resembles nothing."""
    if np.ndim(vectors) != 2 or not np.isfinite(vectors).all():
        raise ValueError("item vectors must be a finite table")
    if len(eligible.item) and eligible.item.max() >= len(vectors):
        raise ValueError(f"item {eligible.item.max()} has none of the {len(vectors)} vectors")
    length = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    return vectors / np.where(length > 0, length, 1)


def _cosine(unit: FloatArray, one: IntArray, other: IntArray) -> FloatArray:
    found = np.empty(len(one))
    for start in range(0, len(one), _CHUNK):  # all vectors by row would not fit
        rows = slice(start, start + _CHUNK)
        found[rows] = np.einsum("rd,rd->r", unit[one[rows]], unit[other[rows]])
    return found
