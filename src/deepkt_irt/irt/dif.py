"""Differential item functioning: is an item harder for one group than for others as able?

Here are the Mantel-Haenszel test, and a comparison of all groups on all items by both methods.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from deepkt_irt.irt.groups import GroupPopulations, MatchedTakers, group_populations, match_takers
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.logistic_dif import LogisticDif, logistic_dif
from deepkt_irt.irt.multiple_testing import benjamini_hochberg
from deepkt_irt.irt.predictive import leave_one_out
from deepkt_irt.settings import DifSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_DELTA = -2.35  # ETS delta units per logit
_SIGNIFICANT = 0.05  # two-sided, of class B; C is that far above B's cut one-sided
_ONE_SIDED = 1.645
_TRIVIAL = 0.5  # of class B's cut; an item that differs less still matches takers


@dataclass(frozen=True)
class MantelHaenszel:
    """Each group against all others, arrays of shape (groups, items); NaN where not tested.

    Attributes:
        n: Responses of the group.
        delta: -2.35 ln of the odds ratio, ETS delta units; below 0: harder for the group.
        delta_se: Its standard error.
        chi2: Test of no DIF with correction for continuity, 1 degree of freedom.
        p: Its chance under no DIF.
        q: p after Benjamini-Hochberg over all groups and items tested.
        ets_class: A negligible, B moderate, C large; empty where not tested.
    """

    n: IntArray
    delta: FloatArray
    delta_se: FloatArray
    chi2: FloatArray
    p: FloatArray
    q: FloatArray
    ets_class: NDArray[np.str_]


def mantel_haenszel(takers: MatchedTakers, *, settings: DifSettings) -> MantelHaenszel:
    """Compare each group with all others within bands of takers matched.

    Bands hold equally many of an item's takers; equal matches share a band.

    Args:
        takers: Who is compared.
        settings: Bands, least responses of group and others, and cuts of the classes.

    Reference:
        Holland and Thayer (1988), in Wainer and Braun, Test Validity, 129-145; the standard error:
        Robins, Breslow and Greenland (1986), Biometrics 42, 311-323, and Phillips and Holland
        (1987), Biometrics 43, 425-431; the classes: Zwick (2012), ETS RR-12-08.
    """
    n, n_others = takers.sizes()
    log_odds, error, chi2 = (np.full(n.shape, np.nan) for _ in range(3))
    right, wrong = _counts_by_band(takers, settings.n_strata)
    for group in range(takers.n_groups):
        focal = np.stack([right[group], wrong[group]])
        others = np.stack([right.sum(axis=0), wrong.sum(axis=0)]) - focal
        log_odds[group], error[group], chi2[group] = _common_odds(others, focal)
    tested = (np.minimum(n, n_others) >= settings.min_group) & np.isfinite(error)
    log_odds, error, chi2 = (np.where(tested, x, np.nan) for x in (log_odds, error, chi2))
    delta, delta_se = _DELTA * log_odds, abs(_DELTA) * error
    p = chdtrc(1, chi2)
    return MantelHaenszel(
        n=n,
        delta=delta,
        delta_se=delta_se,
        chi2=chi2,
        p=p,
        q=benjamini_hochberg(p),
        ets_class=_ets_class(delta, delta_se, p, settings),
    )


def _counts_by_band(takers: MatchedTakers, n_bands: int) -> tuple[FloatArray, FloatArray]:
    """Right and wrong answers, (groups, items, bands)."""
    shape = (takers.n_groups, takers.n_items, n_bands)
    cell = (takers.group * takers.n_items + takers.item) * n_bands + _bands(takers, n_bands)
    size = int(np.prod(shape))
    n = np.bincount(cell, minlength=size).reshape(shape)
    right = np.bincount(cell, weights=takers.right, minlength=size).reshape(shape)
    return right, n - right


def _bands(takers: MatchedTakers, n_bands: int) -> IntArray:
    """Band of each response by its mid-rank among the item's takers."""
    matching = np.round(takers.matching, 9)  # equal answers may differ in the last bits
    order = np.lexsort((matching, takers.item))
    item, ordered = takers.item[order], matching[order]
    n = np.bincount(item, minlength=takers.n_items)
    rank = np.arange(len(item)) - (np.cumsum(n) - n)[item]
    starts = (np.diff(item, prepend=-1) != 0) | (np.diff(ordered, prepend=np.nan) != 0)
    run = np.cumsum(starts) - 1
    middle = rank[starts] + (np.bincount(run) - 1) / 2
    band = np.empty(len(item), dtype=np.int64)
    band[order] = (middle[run] * n_bands / n[item]).astype(np.int64)
    return band


def _common_odds(
    others: FloatArray, focal: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log of the common odds ratio, its standard error and chi-square; arrays (items,).

    Args:
        others: Right and wrong answers of all others, (2, items, bands).
        focal: Of the group.
    """
    (a, b), (c, d) = others, focal
    t = np.maximum(a + b + c + d, 1)
    r, s, p, q = a * d / t, b * c / t, (a + d) / t, (b + c) / t
    r_sum, s_sum = r.sum(axis=-1), s.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_odds = np.log(r_sum) - np.log(s_sum)
        variance = (
            (p * r).sum(axis=-1) / r_sum**2
            + (p * s + q * r).sum(axis=-1) / (r_sum * s_sum)
            + (q * s).sum(axis=-1) / s_sum**2
        ) / 2
        away = np.abs((a - (a + b) * (a + c) / t).sum(axis=-1))
        spread = (a + b) * (c + d) * (a + c) * (b + d) / (t**2 * np.maximum(t - 1, 1))
        chi2 = np.maximum(away - 0.5, 0) ** 2 / spread.sum(axis=-1)
    return log_odds, np.sqrt(variance), chi2


def _ets_class(
    delta: FloatArray, delta_se: FloatArray, p: FloatArray, settings: DifSettings
) -> NDArray[np.str_]:
    size = np.abs(delta)
    large = (size >= settings.ets_c) & (size - settings.ets_b > _ONE_SIDED * delta_se)
    negligible = (size < settings.ets_b) | (p >= _SIGNIFICANT)
    return np.select([np.isnan(delta), negligible, large], ["", "A", "C"], "B")


@dataclass(frozen=True)
class GroupComparison:
    """Fairness of all items towards all groups.

    Attributes:
        mantel_haenszel: Within bands of takers matched.
        logistic: By logistic regression.
        populations: Distribution of ability in each group.
        is_anchor: Items that takers were matched by, (items,); the others differ between groups.
    """

    mantel_haenszel: MantelHaenszel
    logistic: LogisticDif
    populations: GroupPopulations
    is_anchor: NDArray[np.bool_]


def compare_groups(  # noqa: PLR0913 - the columns of the responses, and the model
    student: IntArray,
    item: IntArray,
    score: FloatArray,
    *,
    group: IntArray,
    items: ItemParameters,
    population_mean: float,
    population_sd: float,
    settings: DifSettings,
    max_rounds: int = 5,
) -> GroupComparison:
    """Compare each group with all others on every item.

    Each group gets its own distribution of ability, and takers are matched by their other answers.
    Items found to differ (q below the false discovery rate, delta at least half way to class B)
    then match nobody and the comparison is repeated, unless they are most of the items.

    Args:
        student: Index of the student, (responses,).
        item: Index of the item, (responses,); a student answers an item once.
        score: Share of credit, one of the item's levels, (responses,).
        group: Index of each student's group from 0; -1 where unknown, (students,).
        items: Their curves.
        population_mean: Of the ability of all, in logits.
        population_sd: Its standard deviation, above 0.
        settings: Bands, least responses, cuts, false discovery rate.
        max_rounds: Comparisons at most, 1 or more.

    Raises:
        ValueError: If max_rounds is below 1, an index or a score out of range, or a student has
            two responses to an item.

    Reference:
        Holland and Thayer (1988), in Wainer and Braun, Test Validity, 129-145 (matching on items
        without DIF); groups' own populations: Shealy and Stout (1993), Psychometrika 58, 159-194.
    """
    if max_rounds < 1:
        raise ValueError(f"max_rounds={max_rounds} must be at least 1")
    is_anchor = items.is_calibrated
    for left in range(max_rounds, 0, -1):
        evidence = is_anchor[item]
        populations = group_populations(
            student,
            item,
            score,
            group=group,
            items=items,
            population_mean=population_mean,
            population_sd=population_sd,
            is_evidence=evidence,
        )
        predicted = leave_one_out(
            student,
            item,
            score,
            n_students=len(group),
            items=items,
            population_mean=populations.mean[group],
            population_sd=populations.sd[group],
            is_evidence=evidence,
        )
        takers = match_takers(student, item, score, group=group, predicted=predicted)
        found = mantel_haenszel(takers, settings=settings)
        differs = found.q < settings.false_discovery_rate
        differs &= np.abs(found.delta) >= _TRIVIAL * settings.ets_b
        anchor = items.is_calibrated & ~differs.any(axis=0)
        too_few = 2 * anchor.sum() < items.is_calibrated.sum()
        if left == 1 or too_few or (anchor == is_anchor).all():
            break
        is_anchor = anchor
    logistic = logistic_dif(takers, settings=settings)
    return GroupComparison(found, logistic, populations, is_anchor)
