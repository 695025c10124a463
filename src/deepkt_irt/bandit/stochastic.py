"""Choosing by chance with known propensities, one row or a slate of them.

What is drawn rests on uniform numbers given from outside: a rerun draws the same. A decision
without an open row chooses nothing: row -1, propensity NaN.
"""

from dataclasses import dataclass, field

import numpy as np

from deepkt_irt.bandit.linear_state import FloatArray, IntArray
from deepkt_irt.bandit.offers import NO_SKILL, BoolArray, Eligible
from deepkt_irt.bandit.propensities import in_spreads, propensities_in_spreads
from deepkt_irt.settings import BanditSettings

_CHUNK = 131_072  # rows whose item vectors are gathered at a time


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
        chances = propensities_in_spreads(
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
        practised = np.where(skill[chosen] < 0, NO_SKILL, skill[chosen])[eligible.place]
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
