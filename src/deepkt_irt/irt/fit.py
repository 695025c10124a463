"""How well items fit their curves, and the classical statistics beside it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.predictive import CurveResiduals, LeaveOneOut

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_Z95 = float(ndtri(0.975))
_CONSTANT = 1e-9  # a standard deviation, or a share of a variance, below is none
_GRID = 401  # abilities that a peak of information is looked for at, twice


def wilson(share: ArrayLike, n: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Ends of the 95% interval of a share.

    Args:
        share: Observed share, 0 to 1.
        n: Observations it was taken over; broadcasts with share.

    Returns:
        Lower and upper end in [0, 1]; NaN where n is 0. For a mean of partial credits, whose
        variance is smaller than that of a share, they are wider than they need be.

    Reference:
        Wilson (1927), Journal of the American Statistical Association 22, 209-212.
    """
    share, n = np.asarray(share, dtype=np.float64), np.asarray(n, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        shrink = 1 / (1 + _Z95**2 / n)
        middle = shrink * (share + _Z95**2 / (2 * n))
        half = shrink * _Z95 * np.sqrt(share * (1 - share) / n + _Z95**2 / (4 * n**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


@dataclass(frozen=True)
class ItemFit:
    """Statistics of items, arrays of shape (items,); NaN where they are not defined.

    Mean squares of an item whose parameters were estimated from the same responses lie slightly
    below 1, by about its number of parameters over n.

    Attributes:
        n: Responses.
        p_value: Mean share of credit.
        p_low: Lower end of its 95% interval (Wilson).
        p_high: Upper end.
        infit: Mean square of residuals, weighted by information; 1 expected.
        infit_z: Its standardised deviation; about N(0, 1) under the model.
        outfit: Unweighted mean of squared standardised residuals; 1 expected.
        outfit_z: Its standardised deviation.
        item_theta_correlation: Of the score and the ability judged by the other items.
        rmsd: Root mean squared distance of the observed and the expected curve, over the abilities
            of the item's takers; corrected for what chance alone adds.
    """

    n: IntArray
    p_value: FloatArray
    p_low: FloatArray
    p_high: FloatArray
    infit: FloatArray
    infit_z: FloatArray
    outfit: FloatArray
    outfit_z: FloatArray
    item_theta_correlation: FloatArray
    rmsd: FloatArray


def item_fit(
    item: IntArray,
    score: FloatArray,
    *,
    predicted: LeaveOneOut,
    difficulty_estimated: bool = True,
) -> ItemFit:
    """Fit and classical statistics of every item.

    Args:
        item: Index of the item, (responses,).
        score: Share of credit, (responses,).
        predicted: The predictions of these responses.
        difficulty_estimated: Whether difficulties were estimated from these responses: residuals
            then add up to about 0, and mean squares vary less. Where the slope was estimated too,
            they vary hardly at all, and a z is smaller than N(0, 1).

    Reference:
        Wright and Masters (1982), Rating Scale Analysis, chapter 5 (infit, outfit and their cube
        root standardisation); Koehler, Robitzsch and Hartig (2020), Journal of Educational and
        Behavioral Statistics 45, 251-273 (RMSD and its bias in small samples).
    """
    n_items = predicted.n_items
    n = np.bincount(item, minlength=n_items).astype(np.int64)
    p_value = _ratio(np.bincount(item, weights=score, minlength=n_items), n)
    p_low, p_high = wilson(p_value, n)
    infit, outfit = (
        _mean_square(item, score, predicted, weighted=weighted, pinned=difficulty_estimated)
        for weighted in (True, False)
    )
    return ItemFit(
        n=n,
        p_value=p_value,
        p_low=p_low,
        p_high=p_high,
        infit=infit[0],
        infit_z=infit[1],
        outfit=outfit[0],
        outfit_z=outfit[1],
        item_theta_correlation=_item_theta(item, score, predicted),
        rmsd=_rmsd(predicted.curves),
    )


def _mean_square(
    item: IntArray, score: FloatArray, predicted: LeaveOneOut, *, weighted: bool, pinned: bool
) -> tuple[FloatArray, FloatArray]:
    """Mean square of residuals and its standardised deviation, (items,) each.

    Args:
        item: Index of the item, (responses,).
        score: Share of credit.
        predicted: Predictions.
        weighted: Whether squares count by the variance expected (infit), or all alike (outfit).
        pinned: Whether the residuals were made to add up to 0. Of the variance of the sum of
            squares, that part is taken off which it shares with the sum of residuals.
    """
    certain = ~(predicted.variance > 0)  # or NaN
    at, variance = item[~certain], predicted.variance[~certain]
    residual = (score - predicted.expected)[~certain]
    weight = np.ones_like(variance) if weighted else 1 / variance

    def total(values: FloatArray) -> FloatArray:
        sums: FloatArray = np.bincount(at, weights=values, minlength=predicted.n_items)
        return sums

    expected = total(weight * variance)
    spread = total(weight**2 * (predicted.fourth[~certain] - variance**2))
    if pinned:
        shared = total(weight * predicted.third[~certain])
        rest = spread - np.nan_to_num(_ratio(shared**2, total(variance)))
        spread = np.where(rest > _CONSTANT * spread, rest, 0)  # 0: the sum tells all
    mean_square = _ratio(total(weight * residual**2), expected)
    return mean_square, _standardised(mean_square, _ratio(spread, expected**2))


def _ratio(top: ArrayLike, bottom: ArrayLike) -> FloatArray:
    top, bottom = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    ratio: FloatArray = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return ratio


def _standardised(mean_square: FloatArray, variance: FloatArray) -> FloatArray:
    """Cube root (Wilson-Hilferty) transformation of a mean square to about N(0, 1)."""
    q = np.sqrt(variance)
    return _ratio(3 * (np.cbrt(mean_square) - 1), q) + q / 3


def _item_theta(item: IntArray, score: FloatArray, predicted: LeaveOneOut) -> FloatArray:
    """Correlation within each item over takers of whom other items say something."""
    n_items = predicted.n_items
    judged = predicted.n_others > 0
    at, y, ability = item[judged], score[judged], predicted.ability[judged]
    scores, abilities = _Sums(at, y, n_items), _Sums(at, ability, n_items)
    away = (y - scores.mean[at]) * (ability - abilities.mean[at])
    covariance = _ratio(np.bincount(at, weights=away, minlength=n_items), scores.n)
    return _ratio(covariance, scores.sd * abilities.sd)


def _rmsd(curves: CurveResiduals) -> FloatArray:
    """From (sum of w residual)^2, whose expectation under the model is its variance.

    w is the leave-one-out posterior: it blurs the observed and the expected curve alike, so that
    they differ by chance alone if the item fits. The posterior given all answers, as more often
    used, is drawn towards the answer that is judged.
    """
    takers = curves.mass.sum(axis=1, keepdims=True)
    excess = curves.residual**2 - curves.variance
    square = np.divide(
        excess, curves.mass * takers, out=np.zeros_like(excess), where=curves.mass > 0
    ).sum(axis=1)
    rmsd: FloatArray = np.where(takers[:, 0] > 0, np.sqrt(np.maximum(square, 0)), np.nan)
    return rmsd


@dataclass(frozen=True)
class OptionStatistics:
    """Answers chosen, arrays of shape (options,), by item and answer.

    Attributes:
        item: Index of the item.
        answer: The answer as given.
        n: Times it was chosen.
        share: Among the item's known answers, 0 to 1.
        mean_ability: Of those who chose it, in logits; NaN if none of them has an ability.
        point_biserial: Correlation of choosing it with ability; NaN if all or none did.
        is_correct: Whether most of these answers counted as right.
    """

    item: IntArray
    answer: NDArray[np.object_]
    n: IntArray
    share: FloatArray
    mean_ability: FloatArray
    point_biserial: FloatArray
    is_correct: NDArray[np.bool_]


def option_statistics(
    answer: ArrayLike, item: IntArray, correct: ArrayLike, ability: FloatArray
) -> OptionStatistics:
    """How often and by whom each answer to each item was chosen.

    Args:
        answer: Answer of each response, text or code; missing where unknown, (responses,).
        item: Index of the item, (responses,).
        correct: Whether, or how far, the response was right, 0 to 1, (responses,).
        ability: Of the student, best judged by other items, in logits; NaN if unknown.

    Raises:
        ValueError: If the columns differ in length.

    Reference:
        Haladyna (2004), Developing and Validating Multiple-Choice Test Items.
    """
    codes, names = pd.factorize(np.asarray(answer, dtype=object), sort=False)
    right = np.asarray(correct, dtype=np.float64)
    if not len(codes) == len(item) == len(right) == len(ability):
        raise ValueError("answer, item, correct and ability differ in length")
    known = codes >= 0
    item, right, ability = item[known], right[known], ability[known]
    option, at = np.unique(item * len(names) + codes[known], return_inverse=True)
    of = option // max(len(names), 1)
    n = np.bincount(at, minlength=len(option))
    judged = np.isfinite(ability)
    chosen = _Sums(at[judged], ability[judged], len(option))
    whole = _Sums(item[judged], ability[judged], int(of.max(initial=-1)) + 1)
    share = _ratio(chosen.n, whole.n[of])
    above = (chosen.mean - whole.mean[of]) * np.sqrt(_ratio(share, 1 - share))
    return OptionStatistics(
        item=of,
        answer=np.asarray(names, dtype=object)[option % max(len(names), 1)],
        n=n,
        share=n / np.bincount(item)[of] if len(n) else np.empty(0),
        mean_ability=chosen.mean,
        point_biserial=_ratio(above, whole.sd[of]),
        is_correct=np.bincount(at, weights=right, minlength=len(option)) > n / 2,
    )


class _Sums:
    """Count, mean and standard deviation of values by group, arrays (groups,)."""

    def __init__(self, of: IntArray, values: FloatArray, n_groups: int = 0) -> None:
        self.n = np.bincount(of, minlength=n_groups)
        self.mean = _ratio(np.bincount(of, weights=values, minlength=n_groups), self.n)
        square = np.bincount(of, weights=(values - self.mean[of]) ** 2, minlength=n_groups)
        self.sd = np.sqrt(_ratio(square, self.n))
        self.sd[self.sd < _CONSTANT] = 0  # equal values whose mean was rounded


@dataclass(frozen=True)
class InformationSummary:
    """Where items tell most about ability, arrays of shape (items,); NaN without a curve.

    Attributes:
        at_target: Fisher information of a response at the target ability, per squared logit.
        peak_at: Ability in logits where it is largest.
        peak: Information there.
    """

    at_target: FloatArray
    peak_at: FloatArray
    peak: FloatArray


def information_summary(items: ItemParameters, *, target: float = 0.0) -> InformationSummary:
    """Information at an ability, and where it peaks.

    Args:
        items: The items.
        target: Ability in logits.

    Reference:
        Birnbaum (1968), in Lord and Novick, Statistical Theories of Mental Test Scores, chapter
        20: right or wrong items peak at b + ln((1 + sqrt(1 + 8 c)) / 2) / a.
    """
    shift = np.log((1 + np.sqrt(1 + 8 * items.guessing)) / 2) / items.slope
    peak_at = items.difficulty + shift
    for graded in np.flatnonzero(items.n_steps > 1):
        peak_at[graded] = _graded_peak(items.take(np.array([graded])))
    each = items.thresholds - peak_at[:, None]  # the peak moved to 0, so that one theta does
    at_peak = ItemParameters(each, items.slope, items.guessing).information(0.0)
    return InformationSummary(items.information(target), peak_at, at_peak)


def _graded_peak(item: ItemParameters) -> float:
    """Highest of the peaks, of which there may be as many as steps."""
    reach = 2 / float(item.slope[0])
    low, high = np.nanmin(item.thresholds) - reach, np.nanmax(item.thresholds) + reach
    for _ in range(2):
        theta = np.linspace(low, high, _GRID)
        best = float(theta[item.information(theta)[:, 0].argmax()])
        low, high = best - (theta[1] - theta[0]), best + (theta[1] - theta[0])
    return best
