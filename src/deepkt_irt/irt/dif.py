"""Differential item functioning: is an item harder for one group than for others as able?

Takers are matched by what their other answers, and their group's distribution of ability, say they
would do on the item. Matching by an ability shrunk to one mean for all, or by a raw score, leaves
a difference between the groups inside each match, and with it DIF that is not there.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, logit, xlog1py, xlogy

from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.logistic import maximise
from deepkt_irt.irt.multiple_testing import benjamini_hochberg
from deepkt_irt.irt.populations import GroupPopulations, group_populations
from deepkt_irt.irt.predictive import LeaveOneOut, leave_one_out
from deepkt_irt.settings import DifSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_DELTA = -2.35  # ETS delta units per logit
_SIGNIFICANT = 0.05  # two-sided, of class B; C is that far above B's cut one-sided
_ONE_SIDED = 1.645
_CERTAIN = 1e-6  # predicted chances this far from 0 and 1 at most
_ROWS = 100_000  # responses whose logistic regressions are fitted at a time


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

    def columns(self) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
        """Item, group, right and matching."""
        return self.item, self.group, self.right, self.matching

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
    n_items: int,
) -> MatchedTakers:
    """Responses on calibrated items by students of known group who answered another item.

    Args:
        student: Index of the student, (responses,).
        item: Index of the item, (responses,).
        score: Share of credit, (responses,).
        group: Index of each student's group from 0; -1 where unknown, (students,).
        predicted: Predictions of these responses, each group with its own population.
        n_items: Number of items.
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
        n_items=n_items,
        n_groups=int(group.max(initial=-1)) + 1,
    )


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
class LogisticDif:
    """Each group against all others, arrays of shape (groups, items); NaN where not tested.

    Attributes:
        n: Responses of the group.
        log_odds: Of a right answer, group against others matched, logits; below 0: harder for it.
        chi2_uniform: Likelihood ratio test of that, 1 degree of freedom.
        p_uniform: Its chance under no DIF.
        chi2_nonuniform: Test of a difference that changes with ability, 1 degree of freedom.
        p_nonuniform: Its chance.
        r2_uniform: Nagelkerke R2 that the group adds.
        r2_change: That the group and its interaction with ability add.
        p: Of both tests together, 2 degrees of freedom.
        q: p after Benjamini-Hochberg over all groups and items tested.
    """

    n: IntArray
    log_odds: FloatArray
    chi2_uniform: FloatArray
    p_uniform: FloatArray
    chi2_nonuniform: FloatArray
    p_nonuniform: FloatArray
    r2_uniform: FloatArray
    r2_change: FloatArray
    p: FloatArray
    q: FloatArray


def logistic_dif(takers: MatchedTakers, *, settings: DifSettings) -> LogisticDif:
    """Logistic regressions of the answer on match, group, and their product.

    logit P = b0 + b1 m + b2 g + b3 m g, where m matches takers and g is 1 for the group; b2 is
    tested against b0 + b1 m alone, b3 against the model with b2.

    Args:
        takers: Who is compared.
        settings: Least responses of group and others.

    Reference:
        Swaminathan and Rogers (1990), Journal of Educational Measurement 27, 361-370; Zumbo
        (1999), A Handbook on the Theory and Methods of Differential Item Functioning; R2:
        Nagelkerke (1991), Biometrika 78, 691-692.
    """
    n, n_others = takers.sizes()
    enough = np.minimum(n, n_others) >= settings.min_group
    fits = np.full((5, *n.shape), np.nan)  # log-likelihoods of 4 models, log odds
    for rows in _blocks(takers.item, enough.any(axis=0)):
        fits[..., np.unique(takers.item[rows])] = _nested_fits(takers, rows)
    fits[:, ~enough] = np.nan
    total = n + n_others
    none, alone, uniform, both, log_odds = fits
    chi2_uniform, chi2_nonuniform = 2 * (uniform - alone), 2 * (both - uniform)
    p = chdtrc(2, np.maximum(chi2_uniform + chi2_nonuniform, 0))

    def r2(fit: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            result: FloatArray = np.expm1(2 * (none - fit) / total) / np.expm1(2 * none / total)
        return result

    return LogisticDif(
        n=n,
        log_odds=log_odds,
        chi2_uniform=chi2_uniform,
        p_uniform=chdtrc(1, np.maximum(chi2_uniform, 0)),
        chi2_nonuniform=chi2_nonuniform,
        p_nonuniform=chdtrc(1, np.maximum(chi2_nonuniform, 0)),
        r2_uniform=r2(uniform) - r2(alone),
        r2_change=r2(both) - r2(alone),
        p=p,
        q=benjamini_hochberg(p),
    )


def _blocks(item: IntArray, enough: NDArray[np.bool_]) -> Iterator[IntArray]:
    """Rows of whole items that have enough responses, some at a time."""
    n = np.where(enough, np.bincount(item, minlength=len(enough)), 0)
    block = np.where(enough, np.cumsum(n) // _ROWS, -1)[item]
    for number in np.unique(block[block >= 0]):
        yield np.flatnonzero(block == number)


def _nested_fits(takers: MatchedTakers, rows: IntArray) -> FloatArray:
    """Log-likelihoods of no, match, + group, + product, then log odds; (5, groups, items)."""
    item, group, y, m = (x[rows] for x in takers.columns())
    starts = np.flatnonzero(np.diff(item, prepend=-1))
    n = np.diff(starts, append=len(item))
    m = m - np.repeat(np.add.reduceat(m, starts) / n, n)
    share = np.add.reduceat(y, starts) / n
    varies = (share > 0) & (share < 1)  # else there is nothing to explain
    found = np.full((5, takers.n_groups, len(starts)), np.nan)
    none = n * (xlogy(share, share) + xlog1py(1 - share, -share))
    alone, line = maximise([m], y, starts, np.zeros((len(starts), 2)))
    for code in range(takers.n_groups):
        g = group == code
        with_group = np.pad(line, ((0, 0), (0, 1)))
        uniform, coefficients = maximise([m, g.astype(np.float64)], y, starts, with_group)
        both = _apart(item, g, m, y, line)
        found[:, code] = none, alone, uniform, both, coefficients[:, 2]
    return np.where(varies, found, np.nan)


def _apart(
    item: IntArray, g: NDArray[np.bool_], m: FloatArray, y: FloatArray, line: FloatArray
) -> FloatArray:
    """Log-likelihood with group and product: a regression of its own on either side, (items,)."""
    order = np.lexsort((g, item))
    side = (2 * item + g)[order]
    starts = np.flatnonzero(np.diff(side, prepend=-1))
    of = np.cumsum(np.diff(side[starts] // 2, prepend=-1) != 0) - 1
    fit, _ = maximise([m[order]], y[order], starts, line[of])
    return np.bincount(of, weights=fit)


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
    Items found to differ (class B or C, q below the false discovery rate) then match nobody and
    the comparison is repeated, unless they are most of the items.

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
        takers = match_takers(
            student, item, score, group=group, predicted=predicted, n_items=len(items)
        )
        found = mantel_haenszel(takers, settings=settings)
        differs = np.isin(found.ets_class, ("B", "C")) & (found.q < settings.false_discovery_rate)
        anchor = items.is_calibrated & ~differs.any(axis=0)
        too_few = 2 * anchor.sum() < items.is_calibrated.sum()
        if left == 1 or too_few or (anchor == is_anchor).all():
            break
        is_anchor = anchor
    logistic = logistic_dif(takers, settings=settings)
    return GroupComparison(found, logistic, populations, is_anchor)
