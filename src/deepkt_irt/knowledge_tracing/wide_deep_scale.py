"""The scale of a version's abilities, and the line from it to that of a calibration."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import FloatArray

_LEAST_ITEMS = 3  # two parameters, and a rest that shows their errors


@dataclass(frozen=True)
class Scale:
    """From abilities and parameters of the network to those told: (theta - shift) / spread.

    Attributes:
        shift: Mean ability of the training predictions, logits.
        spread: Its standard deviation, above 0.
    """

    shift: float
    spread: float

    @classmethod
    def of(cls, theta: FloatArray) -> Self:
        """The scale on which these abilities have mean 0 and SD 1.

        Raises:
            NoData: If they are all alike: then no past told anything.
        """
        spread = float(theta.std())
        if not spread > 0:
            raise NoData("every student has the same ability; bring histories that tell them apart")
        return cls(float(theta.mean()), spread)

    def told(self, theta: FloatArray) -> FloatArray:
        """Abilities or difficulties on the scale."""
        return (theta - self.shift) / self.spread


@dataclass(frozen=True)
class ScaleLink:
    """theta on the wanted scale = slope theta + intercept; b likewise, a is divided by slope.

    Attributes:
        slope: Above 0.
        intercept: Logits of the wanted scale.
        slope_se: Standard error, from how the items scatter around the line.
        intercept_se: Likewise.
        n_items: Items in common.
    """

    slope: float
    intercept: float
    slope_se: float
    intercept_se: float
    n_items: int


def mean_sigma_link(difficulty: FloatArray, wanted: FloatArray) -> ScaleLink:
    """The line that gives the items of both the wanted mean and spread of difficulty.

    Standard errors by the delta method on the four moments, items taken as drawn at random.

    Args:
        difficulty: b, NaN where an item does not count, (items,).
        wanted: b of the same items on the wanted scale, NaN unknown, (items,).

    Raises:
        NoData: If fewer than 3 items are on both, or those of one scale are all alike.

    Reference:
        Marco (1977), Journal of Educational Measurement 14, 139-160.
    """
    both = np.isfinite(difficulty) & np.isfinite(wanted)
    new, old, n = difficulty[both], wanted[both], int(both.sum())
    if n < _LEAST_ITEMS or not (np.ptp(new) > 0 and np.ptp(old) > 0):
        raise NoData(f"{n} items in common, or all of one difficulty: no link")
    slope = float(old.std() / new.std())
    intercept = float(old.mean() - slope * new.mean())
    z_old, z_new = (old - old.mean()) / old.std(), (new - new.mean()) / new.std()
    on_slope = slope * (z_old**2 - z_new**2) / 2
    on_intercept = old.std() * (z_old - z_new) - new.mean() * on_slope
    slope_se, intercept_se = (
        float(np.sqrt((x**2).sum() / (n * (n - 2)))) for x in (on_slope, on_intercept)
    )
    return ScaleLink(slope, intercept, slope_se, intercept_se, n)
