"""Links between calibrations: a new one is put on the scale of an old one by the items of both.

theta_linked = A theta + B, so b becomes A b + B, a becomes a / A, and c stays. An item without a
slope of its own (1PL) has slope 1 in the calibration it comes from and 1 / A on the linked scale;
whoever stores such an item without a slope must remember A. Where all anchors are 1PL, A is 1 by
definition and only B is estimated, so a 1PL calibration stays one, link after link.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.multiple_testing import benjamini_hochberg
from deepkt_irt.irt.transformation import (
    Transformation,
    error_after_screening,
    linked_items,
    mean_mean,
    mean_sigma,
    robust_z,
    stocking_lord,
)
from deepkt_irt.settings import LinkingSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Estimates:
    """Curves of one calibration with their errors, arrays over items; NaN where there is none.

    Attributes:
        items: The curves; b in logits.
        difficulty_se: Standard error of b, of a graded item that of the mean threshold, (items,).
        slope_se: Standard error of a; NaN for an item without a slope of its own (1PL), (items,).
        covariance: Of the errors of b and a, NaN where unknown, (items,); None: all unknown.
    """

    items: ItemParameters
    difficulty_se: FloatArray
    slope_se: FloatArray
    covariance: FloatArray | None = None

    def __post_init__(self) -> None:
        if not len(self.items) == len(self.difficulty_se) == len(self.slope_se):
            raise ValueError("items and standard errors differ in length")
        if self.covariance is not None and len(self.covariance) != len(self.items):
            raise ValueError("items and covariances differ in length")
        if (self.difficulty_se < 0).any() or (self.slope_se < 0).any():
            raise ValueError("standard errors must not be below 0")

    @property
    def has_slope(self) -> BoolArray:
        """Whether an item's slope was estimated."""
        estimated: BoolArray = np.isfinite(self.slope_se)
        return estimated


@dataclass(frozen=True)
class Link:
    """How a new calibration came to the scale of an old one; without a link, A is 1 and B is 0.

    Attributes:
        method: stocking_lord, mean_sigma, mean_mean (all anchors 1PL), fixed or none.
        anchors: Items that carry the link, (items,).
        screened: Items left out as having moved, (items,).
        slope: A.
        intercept: B in logits.
        slope_se: Standard error of A; 0 where it is 1 by definition, NaN without a link.
        intercept_se: Standard error of B; NaN without a link.
        covariance: Of the errors of A and B; NaN without a link.
        correlation: Of the anchors' difficulties, their errors included; NaN if there are too few.
        sd_ratio: SD of the anchors' linked difficulties over that of their old; mostly 0.9 to 1.1.
        refusal: Why there is no link though one was asked for.
    """

    method: str
    anchors: BoolArray
    screened: BoolArray
    slope: float = 1.0
    intercept: float = 0.0
    slope_se: float = np.nan
    intercept_se: float = np.nan
    covariance: float = np.nan
    correlation: float = np.nan
    sd_ratio: float = np.nan
    refusal: str | None = None

    @classmethod
    def none(cls, n_items: int = 0) -> "Link":
        """No link: the new calibration keeps its own scale."""
        return cls("none", np.zeros(n_items, dtype=bool), np.zeros(n_items, dtype=bool))

    @property
    def slope_of_1pl(self) -> float:
        """Slope, on the linked scale, of new items without a slope of their own."""
        return 1.0 / self.slope

    def apply_to_items(self, items: ItemParameters) -> ItemParameters:
        """Curves of the new calibration on the linked scale."""
        return linked_items(items, slope=self.slope, intercept=self.intercept)

    def apply_to_estimates(self, new: Estimates) -> Estimates:
        """Curves on the linked scale; their errors hold the doubt about the link (delta method)."""
        a_a, b_b, a_b = np.nan_to_num(
            [self.slope_se**2, self.intercept_se**2, self.covariance]
        )  # a given link adds no doubt
        b, slope = new.items.difficulty, new.items.slope / self.slope
        of_b = (self.slope * new.difficulty_se) ** 2 + b**2 * a_a + 2 * b * a_b + b_b
        of_slope = (new.slope_se**2 + slope**2 * a_a) / self.slope**2
        both = None
        if new.covariance is not None:
            both = new.covariance - slope / self.slope * (b * a_a + a_b)
        linked = self.apply_to_items(new.items)
        return Estimates(linked, np.sqrt(of_b), np.sqrt(of_slope), both)

    def apply_to_abilities(
        self, ability: ArrayLike, ability_sd: ArrayLike
    ) -> tuple[FloatArray, FloatArray]:
        """Abilities and their SDs on the linked scale; a population's mean and SD likewise."""
        mean = self.slope * np.asarray(ability, dtype=np.float64) + self.intercept
        return mean, self.slope * np.asarray(ability_sd, dtype=np.float64)


def link(
    old: Estimates,
    new: Estimates,
    *,
    settings: LinkingSettings,
    population_mean: float,
    population_sd: float,
) -> Link:
    """Find the scale of the old calibration in the new one.

    Anchors are items of both whose b is certain enough and which have curves of one kind: as many
    steps, slope and guessing estimated in both or in neither. Anchors whose b moved against the
    others are screened out, again and again until none is left that did. The errors of A and B say
    how far the link may be off between these two calibrations, not how far the calibrations are.

    Args:
        old: Calibration that has the wanted scale.
        new: Calibration of the same items in the same order.
        settings: Method, and what an anchor and a link must satisfy.
        population_mean: Of the old calibration, logits; where the curves must agree.
        population_sd: Likewise, above 0.

    Returns:
        The link, or one of method none with the reason if it is refused.

    Raises:
        ValueError: If the items differ in number, the spread is not above 0, or the method is
            fixed, which leaves nothing to link.
        NoConvergence: If the curves cannot be brought together.

    Reference:
        Kolen and Brennan (2014), Test Equating, Scaling, and Linking, chapter 6.
    """
    if len(old.items) != len(new.items):
        raise ValueError(f"{len(old.items)} old items but {len(new.items)} new ones")
    if not population_sd > 0:
        raise ValueError(f"population_sd={population_sd} must be above 0")
    if settings.method == "fixed":
        raise ValueError(
            "linking.method=fixed: the calibration itself keeps the anchors' parameters, "
            "so its result is on the old scale already"
        )
    if settings.method == "none":
        return Link.none(len(new.items))
    se = np.maximum(old.difficulty_se, new.difficulty_se)
    candidates = _alike(old, new) & (se <= settings.max_anchor_se)

    def fit(anchors: BoolArray) -> tuple[str, Transformation]:
        pair = old.items.take(anchors), new.items.take(anchors)
        if not new.has_slope[anchors].any():
            return "mean_mean", mean_mean(*pair)
        if settings.method == "mean_sigma":
            return "mean_sigma", mean_sigma(*pair)
        line = stocking_lord(*pair, population_mean=population_mean, population_sd=population_sd)
        return "stocking_lord", line

    return _screened_link(old, new, candidates, fit, settings)


@dataclass(frozen=True)
class Stability:
    """How two calibrations on one scale agree; arrays over items, NaN where not compared.

    Attributes:
        n_items: Items compared: calibrated in both, with curves of one kind.
        correlation: Of old and new difficulties.
        mean_difference: New less old difficulty, logits.
        rmsd: Root mean square of the differences, logits.
        rmsd_of_error: What the standard errors alone would make of it, logits.
        change: New less old difficulty, above 0: harder, (items,).
        change_se: Its standard error, (items,).
        wald: Lord's statistic of equal parameters, (items,).
        n_parameters: 2 where b and a were compared, 1 for b alone, 0 for none, (items,).
        p: Chance of such a statistic without drift, (items,).
        q: p after Benjamini-Hochberg over the items compared, (items,).
    """

    n_items: int
    correlation: float
    mean_difference: float
    rmsd: float
    rmsd_of_error: float
    change: FloatArray
    change_se: FloatArray
    wald: FloatArray
    n_parameters: IntArray
    p: FloatArray
    q: FloatArray


def stability(old: Estimates, linked: Estimates) -> Stability:
    """Compare two calibrations of the same items on one scale, as a whole and item by item.

    Items with curves of different kinds are not compared: b of a 1PL and of a 2PL differ
    without any drift. Slopes are compared where both were estimated and the errors' covariance is
    known in both. A guessing parameter is not compared; its doubt must be in the error of b.

    Args:
        old: The earlier calibration.
        linked: The later one on the same scale, from `Link.apply_to_estimates`.

    Raises:
        ValueError: If the items differ in number.

    Reference:
        Lord (1980), Applications of Item Response Theory, section 14.4.
    """
    if len(old.items) != len(linked.items):
        raise ValueError(f"{len(old.items)} old items but {len(linked.items)} linked ones")
    known = np.isfinite(old.difficulty_se) & np.isfinite(linked.difficulty_se)
    compared = _alike(old, linked) & known
    change = np.where(compared, linked.items.difficulty - old.items.difficulty, np.nan)
    variance = np.where(compared, old.difficulty_se**2 + linked.difficulty_se**2, np.nan)
    variance[variance == 0] = np.nan  # parameters that were both given, not estimated
    wald, n_parameters = _wald(old, linked, change, variance)
    p = np.full(len(change), np.nan)
    tested = n_parameters > 0
    p[tested] = chi2.sf(wald[tested], n_parameters[tested])
    d = change[compared]
    return Stability(
        n_items=int(compared.sum()),
        correlation=_correlation(old.items.difficulty[compared], linked.items.difficulty[compared]),
        mean_difference=float(d.mean()) if len(d) else np.nan,
        rmsd=float(np.sqrt((d**2).mean())) if len(d) else np.nan,
        rmsd_of_error=float(np.sqrt(np.nanmean(variance))) if tested.any() else np.nan,
        change=change,
        change_se=np.sqrt(variance),
        wald=wald,
        n_parameters=n_parameters,
        p=p,
        q=benjamini_hochberg(p),
    )


def _wald(
    old: Estimates, new: Estimates, change: FloatArray, variance: FloatArray
) -> tuple[FloatArray, IntArray]:
    """Lord's statistic and its degrees of freedom, both (items,)."""
    wald = change**2 / variance
    n_parameters = np.isfinite(wald).astype(np.int64)
    if old.covariance is None or new.covariance is None:
        return wald, n_parameters
    of_slope = old.slope_se**2 + new.slope_se**2
    both = old.covariance + new.covariance
    determinant = variance * of_slope - both**2
    d = new.items.slope - old.items.slope
    top = change**2 * of_slope - 2 * change * d * both + d**2 * variance
    two = np.divide(top, determinant, out=np.full(len(d), np.nan), where=determinant > 0)
    use = np.isfinite(two)
    return np.where(use, two, wald), np.where(use, 2, n_parameters)


def _alike(old: Estimates, new: Estimates) -> BoolArray:
    """Items with curves of one kind in both calibrations."""
    first, second = old.items, new.items
    steps_alike = first.is_calibrated & (first.n_steps == second.n_steps)
    guessing_alike = (first.guessing > 0) == (second.guessing > 0)
    alike: BoolArray = steps_alike & (old.has_slope == new.has_slope) & guessing_alike
    return alike


def _screened_link(
    old: Estimates,
    new: Estimates,
    candidates: BoolArray,
    fit: Callable[[BoolArray], tuple[str, Transformation]],
    settings: LinkingSettings,
) -> Link:
    """The link over the candidates that did not move against the others."""
    b_old, b_new = old.items.difficulty, new.items.difficulty
    anchors, refusal = candidates, _unfit(candidates, b_old, b_new, settings)
    while refusal is None:
        name, line = fit(anchors)
        off = np.where(anchors, line.slope * b_new + line.intercept - b_old, np.nan)
        error = np.hypot(old.difficulty_se, line.slope * new.difficulty_se)
        unusual = np.abs(robust_z(off, error)) > settings.screen_z
        if not unusual.any():
            break
        anchors = anchors & ~unusual
        refusal = _unfit(anchors, b_old, b_new, settings)
    screened = candidates & ~anchors
    correlation = _correlation(b_old[anchors], b_new[anchors])
    reliable = _reliability(old, anchors) * _reliability(new, anchors)
    if refusal is None and correlation < settings.min_correlation * np.sqrt(reliable):
        refusal = (
            f"the anchors' difficulties correlate by {correlation:.3f} with errors, "
            f"{correlation / np.sqrt(reliable):.3f} without; {settings.min_correlation} is needed"
        )
    if refusal is not None:
        nobody = np.zeros_like(anchors)
        return Link("none", nobody, screened, correlation=correlation, refusal=refusal)
    covariance = error_after_screening(settings.screen_z) ** 2 * line.covariance
    return Link(
        method=name,
        anchors=anchors,
        screened=screened,
        slope=line.slope,
        intercept=line.intercept,
        slope_se=float(np.sqrt(covariance[0, 0])),
        intercept_se=float(np.sqrt(covariance[1, 1])),
        covariance=float(covariance[0, 1]),
        correlation=correlation,
        sd_ratio=float(line.slope * b_new[anchors].std() / b_old[anchors].std()),
    )


def _unfit(
    anchors: BoolArray, b_old: FloatArray, b_new: FloatArray, settings: LinkingSettings
) -> str | None:
    """Why these anchors cannot carry a link."""
    n = int(anchors.sum())
    if n < settings.min_anchors:
        return f"{n} anchors are left of the items of both; {settings.min_anchors} are needed"
    if np.isnan(_correlation(b_old[anchors], b_new[anchors])):
        return "the anchors are all of one difficulty"
    return None


def _reliability(estimates: Estimates, anchors: BoolArray) -> float:
    """Share of the variance of the anchors' difficulties that is no error, above 0.

    Reference:
        Spearman (1904), American Journal of Psychology 15, 72-101 (correction for attenuation).
    """
    spread = float(estimates.items.difficulty[anchors].var())
    error = float((estimates.difficulty_se[anchors] ** 2).mean())
    return max(1 - error / spread, np.finfo(float).eps)


def _correlation(first: FloatArray, second: FloatArray) -> float:
    """Of two arrays; NaN where one of them does not vary."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
