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
