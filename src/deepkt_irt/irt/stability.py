"""How far two calibrations on one scale agree, as a whole and item by item."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from deepkt_irt.irt.linking import Estimates, alike, correlation_of
from deepkt_irt.irt.multiple_testing import benjamini_hochberg

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


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
    compared = alike(old, linked) & known
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
        correlation=correlation_of(
            old.items.difficulty[compared], linked.items.difficulty[compared]
        ),
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
