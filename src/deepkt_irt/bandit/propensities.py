"""From scores to chances that are never 0, so that other policies can be judged by the log.

Every propensity mixes in a floor, (1 - floor) p + floor / K over the K rows that are open. Where
the skill is chosen by other scores than the item, p is the chance of the skill by those times that
of the row within it.
"""

import numpy as np

from deepkt_irt.bandit.linear_state import FloatArray
from deepkt_irt.bandit.offers import BoolArray, Eligible
from deepkt_irt.settings import BanditSettings

_NO_SPREAD = 1e-12  # rounding of scores that are all the same


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
        ValueError: A score is not finite, or there is not one for each row.
    """
    every = np.ones(len(eligible.item), dtype=np.bool_)
    skill = None if between is None else in_spreads(between, eligible)
    scaled = in_spreads(scores, eligible)
    return propensities_in_spreads(scaled, eligible, settings, every, between=skill)


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


def propensities_in_spreads(
    scores: FloatArray,
    eligible: Eligible,
    settings: BanditSettings,
    open_rows: BoolArray,
    *,
    between: FloatArray | None,
) -> FloatArray:
    """The same of scores that are in SDs already (`in_spreads`), among the rows that are open."""
    _check(scores, eligible)
    if between is None:
        chance = _shares(scores, eligible, open_rows, settings)
    else:
        _check(between, eligible)
        order, pairs = eligible.by_skill
        of_skill = pairs.totals(_shares(between, eligible, open_rows, settings)[order])
        inside = _shares(scores[order], pairs, open_rows[order], settings)
        chance = np.empty(len(order))
        chance[order] = inside * of_skill[pairs.place]
    return _with_floor(chance, eligible, open_rows, settings.floor)


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
    """Draws in which a row is the best, ties shared: estimates of Thompson sampling's chances.

    A choice by them has exactly these propensities, given the draws, so the log stays valid.
    """
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


def _check(scores: FloatArray, eligible: Eligible) -> None:
    """Refuse what is no score by row."""
    if len(scores) != len(eligible.item) or 0 in np.shape(scores)[1:]:
        raise ValueError(
            f"scores have shape {np.shape(scores)}, expected (rows,) or (rows, draws) "
            f"with {len(eligible.item)} rows"
        )
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
