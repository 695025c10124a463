"""Which items a skill is judged by, and how sure a mastery is."""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta

FloatArray = NDArray[np.float64]
Trend = Literal["rising", "falling", "steady"]
_PRIOR_RESPONSES = 2.0  # the weight of having seen nothing: a uniform prior's two pseudo-answers
_Z = 1.96  # 95 %


def spread_items(items: pd.DataFrame, *, per_skill: int) -> dict[int, list[int]]:
    """Items of each skill, spread evenly over difficulty.

    Args:
        items: Columns skill_index, item_index, difficulty (NaN if not calibrated).
        per_skill: At most so many of each skill.

    Returns:
        Item indexes by skill index; calibrated items come before others.
    """
    ordered = items.sort_values(["skill_index", "difficulty", "item_index"], na_position="last")
    chosen = {}
    for skill, group in ordered.groupby("skill_index"):
        place = np.linspace(0, len(group) - 1, min(per_skill, len(group))).round().astype(int)
        chosen[int(str(skill))] = group["item_index"].to_numpy()[place].tolist()
    return chosen


def reference_items(items: pd.DataFrame, *, per_skill: int) -> dict[int, list[int]]:
    """The items a skill is judged by: those nearest its median difficulty.

    Args:
        items: Columns skill_index, item_index, difficulty (NaN if not calibrated).
        per_skill: At most so many of each skill.

    Returns:
        Item indexes by skill index; uncalibrated items only where there are no others.
    """
    median = items.groupby("skill_index")["difficulty"].transform("median")
    away = items.assign(away=(items["difficulty"] - median).abs())
    ordered = away.sort_values(["skill_index", "away", "item_index"], na_position="last")
    nearest = ordered.groupby("skill_index").head(per_skill)
    chosen = {}
    for skill, group in nearest.groupby("skill_index"):
        calibrated = group[group["difficulty"].notna()]
        used = calibrated if len(calibrated) else group
        chosen[int(str(skill))] = sorted(used["item_index"].tolist())
    return chosen


def mastery_interval(mastery: FloatArray, n_responses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """95 % interval of a mastery, from how many responses it rests on.

    A Beta distribution with the mastery as its mean and n + 2 as its weight. This is an
    approximation: the model's own uncertainty is not known, and responses on other skills,
    which it also uses, do not count.

    Args:
        mastery: Probabilities, (students,).
        n_responses: Responses on the skill, (students,).

    Returns:
        Lower and upper ends, with the mastery between them.
    """
    weight = n_responses + _PRIOR_RESPONSES
    inside = np.clip(mastery, 1e-6, 1 - 1e-6)
    low = beta.ppf(0.025, inside * weight, (1 - inside) * weight)
    high = beta.ppf(0.975, inside * weight, (1 - inside) * weight)
    return np.minimum(low, mastery), np.maximum(high, mastery)


def trends(
    mastery: FloatArray, n_responses: FloatArray, before: FloatArray, n_before: FloatArray
) -> list[Trend | None]:
    """Which way each mastery has moved, if further than both figures are unsure.

    The variances are those of the distributions that `mastery_interval` takes. The two rest on
    the same answers in part and differ less by chance than two that share none: the test errs
    towards steady.

    Args:
        mastery: Probabilities now, (n,).
        n_responses: Responses on the skill now, (n,).
        before: By the same model some time before, (n,); NaN if not known.
        n_before: Responses on the skill then, (n,).

    Returns:
        (n,); None where the mastery before is not known.
    """
    unsure = _Z * np.sqrt(_variance(mastery, n_responses) + _variance(before, n_before))
    moved = mastery - before
    return [
        None if np.isnan(by) else "rising" if by > least else "falling" if by < -least else "steady"
        for by, least in zip(moved, unsure, strict=True)
    ]


def _variance(mastery: FloatArray, n_responses: FloatArray) -> FloatArray:
    found: FloatArray = mastery * (1 - mastery) / (n_responses + _PRIOR_RESPONSES + 1)
    return found
