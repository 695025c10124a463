"""What the ability network reads of each past response, and the training tables behind it.

Nothing here looks at what is predicted: a response's features are of use once it lies in the past.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import (
    FIRST_ACTIONS,
    BoolArray,
    FloatArray,
    Histories,
    IntArray,
)

Float32Array = NDArray[np.float32]

_DECILES = np.arange(1, 10) / 10
_MISSING_LATENCY = len(_DECILES) + 2  # a code of its own, after the ten deciles


@dataclass(frozen=True)
class StepTables:
    """What the training responses say of items and skills, by index; row 0 is unknown.

    Attributes:
        item_share: Share right, drawn towards the item's skills; NaN where never trained on,
            (items + 1,).
        skill_share: Share right, drawn towards all; that of all where never trained on,
            (skills + 1,).
        latency_cuts: Nine deciles of log milliseconds, of the item where it has enough latencies,
            else of all; NaN if there is no latency at all, (items + 1, 9).
    """

    item_share: FloatArray
    skill_share: FloatArray
    latency_cuts: FloatArray

    def arrays(self) -> dict[str, FloatArray]:
        """By name, as they are stored."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def step_tables(
    histories: Histories, train: BoolArray, *, prior_responses: float, min_latency_responses: int
) -> StepTables:
    """Tables of the training responses.

    Args:
        histories: All responses; they give the number of items and skills.
        train: Which of them may be learned from, whether predicted or not, (responses,).
        prior_responses: Responses that draw a share right to what is expected beforehand.
        min_latency_responses: With fewer latencies an item has no deciles of its own.

    Raises:
        NoData: If no response is trained on.
    """
    if not train.any():
        raise NoData("no training responses to learn from; bring more students")
    item, skills = histories.item[train], histories.skills[train]
    correct = histories.correct[train].astype(np.float64)
    overall = np.full(histories.n_skills + 1, correct.mean())
    each = np.repeat(correct, skills.shape[1])
    skill_share = _drawn(skills.ravel(), each, overall, prior_responses)
    skill_share[0] = correct.mean()
    expected = shares_by_skills(skill_share, skills)
    n = np.bincount(item, minlength=histories.n_items + 1)
    base = np.bincount(item, weights=expected, minlength=len(n)) / np.maximum(n, 1)
    item_share = np.where(n > 0, _drawn(item, correct, base, prior_responses), np.nan)
    item_share[0] = np.nan
    cuts = _latency_cuts(item, _log_latency(histories)[train], len(n), min_latency_responses)
    return StepTables(item_share, skill_share, cuts)


def shares_by_skills(skill_share: FloatArray, skills: IntArray) -> FloatArray:
    """Mean of a figure over each response's known skills; row 0 where it has none.

    Args:
        skill_share: Figure by skill index, (skills + 1,).
        skills: Skill indexes, 0 where fewer, (responses, most).
    """
    known = np.where(skills < len(skill_share), skills, 0)
    n = (known > 0).sum(axis=1)
    total = np.where(known > 0, skill_share[known], 0.0).sum(axis=1)
    mean: FloatArray = np.where(n > 0, total / np.maximum(n, 1), skill_share[0])
    return mean


def step_features(
    histories: Histories,
    tables: StepTables,
    *,
    text: FloatArray | None = None,
) -> Float32Array:
    """Features of every response as a past one.

    Right or wrong, and less the share right of its item; that share as a logit; whether the item
    was never trained on; the first action; hints and attempts as logs; the decile of the latency;
    text of the item where it is given. What is missing has flags of its own.

    Args:
        histories: Responses.
        tables: From the training responses.
        text: A vector by item index, NaN unknown, (items + 1, dimension).

    Returns:
        (responses, features).
    """
    correct = histories.correct.astype(np.float64)
    own = _by_item(tables.item_share, histories.item)
    share = np.where(np.isnan(own), shares_by_skills(tables.skill_share, histories.skills), own)
    columns = [
        correct[:, None],
        (correct - share)[:, None],
        np.log(share / (1 - share))[:, None],
        np.isnan(own)[:, None],
        np.eye(len(FIRST_ACTIONS) + 1)[histories.first_action],
        _with_flag(np.log1p(histories.hint_count)[:, None]),
        _with_flag(np.log1p(histories.attempt_count)[:, None]),
        np.eye(_MISSING_LATENCY)[_latency_deciles(histories, tables.latency_cuts) - 1],
    ]
    if text is not None:
        columns.append(_with_flag(_by_item(text, histories.item)))
    return np.concatenate([column.astype(np.float32) for column in columns], axis=1)


def _by_item(table: FloatArray, item: IntArray) -> FloatArray:
    """Rows of a table by item index; NaN for the unknown item and those beyond the table."""
    inside = (item > 0) & (item < len(table))
    rows: FloatArray = table[np.where(inside, item, 0)].copy()
    rows[~inside] = np.nan
    return rows


def _with_flag(values: FloatArray) -> FloatArray:
    """Missing values as 0 beside a flag that says so, (responses, columns + 1)."""
    missing = np.isnan(values)
    return np.concatenate(
        [np.where(missing, 0.0, values), missing.any(axis=1, keepdims=True)], axis=1
    )


def _drawn(
    index: IntArray, correct: FloatArray, base: FloatArray, prior_responses: float
) -> FloatArray:
    """Share right by index, drawn towards `base`, strictly between 0 and 1 where that is."""
    n = np.bincount(index, minlength=len(base))
    right = np.bincount(index, weights=correct, minlength=len(base))
    share: FloatArray = (right + prior_responses * base) / (n + prior_responses)
    return share


def _log_latency(histories: Histories) -> FloatArray:
    """Of positive latencies; zero and below are missing as well."""
    positive = histories.latency_ms > 0
    logs: FloatArray = np.log(np.where(positive, histories.latency_ms, np.nan))
    return logs


def _latency_cuts(item: IntArray, log_ms: FloatArray, n_items: int, at_least: int) -> FloatArray:
    """Deciles by item, (n_items, 9)."""
    timed = np.isfinite(log_ms)
    if not timed.any():
        return np.full((n_items, len(_DECILES)), np.nan)
    item, log_ms = item[timed], log_ms[timed]
    cuts = np.tile(np.quantile(log_ms, _DECILES), (n_items, 1))
    ordered = log_ms[np.lexsort((log_ms, item))]
    n = np.bincount(item, minlength=n_items)
    start = np.cumsum(n) - n
    enough = np.flatnonzero(n >= at_least)
    enough = enough[enough > 0]
    place = start[enough, None] + (n[enough, None] - 1) * _DECILES
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, len(ordered) - 1)
    cuts[enough] = ordered[low] + (place - low) * (ordered[high] - ordered[low])
    return cuts


def _latency_deciles(histories: Histories, cuts: FloatArray) -> IntArray:
    """1 to 10, and 11 where the latency is missing, (responses,)."""
    log_ms = _log_latency(histories)
    of_item = cuts[np.where(histories.item < len(cuts), histories.item, 0)]
    decile = 1 + (log_ms[:, None] > of_item).sum(axis=1)
    missing = np.isnan(log_ms) | np.isnan(of_item[:, 0])
    return np.where(missing, _MISSING_LATENCY, decile).astype(np.int64)
