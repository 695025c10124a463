"""Links between calibrations: a new one is put on the scale of an old one by the items of both.

theta_linked = A theta + B, so b becomes A b + B, a becomes a / A, and c stays. An item without a
slope of its own (1PL) has slope 1 in the calibration it comes from and 1 / A on the linked scale;
whoever stores such an item without a slope must remember A. Where all anchors are 1PL, A is the
ratio of their slopes without an error: 1, or the A by which the old calibration was linked itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepkt_irt.irt.items import ItemParameters
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

_MIN_RELIABILITY = 0.2  # below it, the correction for errors makes .95 of what chance can give


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
        slope_se: Standard error of A; 0 where all anchors are 1PL, NaN without a link.
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
    candidates = alike(old, new) & (se <= settings.max_anchor_se)

    def fit(anchors: BoolArray) -> tuple[str, Transformation]:
        pair = old.items.take(anchors), new.items.take(anchors)
        if not new.has_slope[anchors].any():
            return "mean_mean", mean_mean(*pair)
        if settings.method == "mean_sigma":
            return "mean_sigma", mean_sigma(*pair)
        line = stocking_lord(*pair, population_mean=population_mean, population_sd=population_sd)
        return "stocking_lord", line

    return _screened_link(old, new, candidates, fit, settings)


def alike(old: Estimates, new: Estimates) -> BoolArray:
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
    correlation = correlation_of(b_old[anchors], b_new[anchors])
    refusal = refusal or _disagreement(old, new, anchors, settings)
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


def _disagreement(
    old: Estimates, new: Estimates, anchors: BoolArray, settings: LinkingSettings
) -> str | None:
    """Why the difficulties of these anchors are too unlike, their errors taken off.

    Anchors that hardly differ by more than their errors cannot tell: divided by next to nothing,
    any correlation above 0 would do.
    """
    found = correlation_of(old.items.difficulty[anchors], new.items.difficulty[anchors])
    first, second = _reliability(old, anchors), _reliability(new, anchors)
    if min(first, second) < _MIN_RELIABILITY:
        return (
            "the anchors' difficulties differ too little for their errors to show agreement: "
            f"reliability {first:.2f} and {second:.2f}; {_MIN_RELIABILITY} is needed"
        )
    without = found / np.sqrt(first * second)
    if without >= settings.min_correlation:
        return None
    return (
        f"the anchors' difficulties correlate by {found:.3f} with errors, {without:.3f} without; "
        f"{settings.min_correlation} is needed"
    )


def _unfit(
    anchors: BoolArray, b_old: FloatArray, b_new: FloatArray, settings: LinkingSettings
) -> str | None:
    """Why these anchors cannot carry a link."""
    n = int(anchors.sum())
    if n < settings.min_anchors:
        return f"{n} anchors are left of the items of both; {settings.min_anchors} are needed"
    if np.isnan(correlation_of(b_old[anchors], b_new[anchors])):
        return "the anchors are all of one difficulty"
    return None


def _reliability(estimates: Estimates, anchors: BoolArray) -> float:
    """Share of the variance of the anchors' difficulties that is no error, at most 1.

    Below 0 where they differ by less than their errors would make them.

    Reference:
        Spearman (1904), American Journal of Psychology 15, 72-101 (correction for attenuation).
    """
    spread = float(estimates.items.difficulty[anchors].var())
    error = float((estimates.difficulty_se[anchors] ** 2).mean())
    return 1 - error / spread


def correlation_of(first: FloatArray, second: FloatArray) -> float:
    """Of two arrays; NaN where one of them does not vary."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
