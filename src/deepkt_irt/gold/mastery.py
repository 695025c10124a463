"""Which items a skill is judged by, and how sure a mastery is."""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta

FloatArray = NDArray[np.float64]
Trend = Literal["rising", "falling", "steady"]
_PRIOR = 1.0  # right and wrong answer each that a uniform prior stands for
_Z = 1.96  # 95%


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
    """95% interval of a mastery, from how many responses it rests on.

    The posterior of a uniform prior and n responses of which this share was right, so that a
    mastery of 0 from five responses may still be 46%. This is an approximation: the model's own
    uncertainty is not known, and responses on other skills, which it also uses, do not count.

    Args:
        mastery: Probabilities, (students,).
        n_responses: Responses on the skill, (students,).

    Returns:
        Lower and upper ends, with the mastery between them.
    """
    right, wrong = _counts(mastery, n_responses)
    low, high = (beta.ppf(end, right, wrong) for end in (0.025, 0.975))
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
    right, wrong = _counts(mastery, n_responses)
    n = right + wrong
    found: FloatArray = right * wrong / (n**2 * (n + 1))
    return found


def _counts(mastery: FloatArray, n_responses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Parameters of the Beta distribution."""
    return mastery * n_responses + _PRIOR, (1 - mastery) * n_responses + _PRIOR
