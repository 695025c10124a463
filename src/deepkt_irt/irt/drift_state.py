"""Evidence of drift that adds up from window to window, item by item."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.settings import DriftSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_WALK_SD = 0.1  # logits a window that a difficulty may wander, as the running level sees it


@dataclass(frozen=True)
class DriftState:
    """What the windows so far say of each item, arrays of shape (items,).

    Attributes:
        cusum_harder: Running sum of evidence for harder, standard errors; 0 or more.
        cusum_easier: Running sum of evidence for easier; 0 or more.
        offset: Error of the calibrated difficulty as far as the windows have shown it, logits.
        offset_se: Its standard error; starts at that of the calibration.
        level: Present difficulty less the calibrated one, logits.
        level_se: Its standard error.
        jump: Largest surprise of a single window, standard errors, above 0 if harder.
    """

    cusum_harder: FloatArray
    cusum_easier: FloatArray
    offset: FloatArray
    offset_se: FloatArray
    level: FloatArray
    level_se: FloatArray
    jump: FloatArray

    @classmethod
    def start(cls, difficulty_se: FloatArray) -> Self:
        """Before the first window after a calibration with these errors of difficulty, (items,).

        Items without a curve may have NaN.
        """
        zero, error = np.zeros(len(difficulty_se)), np.nan_to_num(difficulty_se)
        return cls(zero, zero, zero, error, zero, error, zero)

    @property
    def change(self) -> FloatArray:
        """Accumulated change, the calibration's own error taken off as far as known, (items,)."""
        return self.level - self.offset

    def updated(
        self, item: IntArray, delta: FloatArray, variance: FloatArray, *, settings: DriftSettings
    ) -> Self:
        """The state after a window in which some items were judged.

        The sums run over u = (delta - offset) / SE. Without drift u is standard normal and
        independent from window to window, although every delta holds the same error of the
        calibration: that error is learned from the windows themselves, so a thin calibration does
        not add up to drift. It is no longer learned while a sum is over its limit, lest drift be
        learned away. With a difficulty known exactly, u is delta / SE.

        Args:
            item: Items judged, each once, (judged,).
            delta: Their change of difficulty in the window, logits.
            variance: Its variance, without the calibration's error.
            settings: Allowance k and limit h of the sums.

        Reference:
            Page (1954), Biometrika 41, 100-115 (CUSUM); Hawkins (1987), The Statistician 36,
            299-316 (self-starting); Veerkamp and Glas (2000), Journal of Educational and
            Behavioral Statistics 25, 373-389 (of items).
        """
        k, h = settings.cusum_allowance, settings.cusum_limit
        offset, offset_se = self.offset[item], self.offset_se[item]
        u = (delta - offset) / np.sqrt(variance + offset_se**2)
        harder = np.maximum(self.cusum_harder[item] + u - k, 0.0)
        easier = np.maximum(self.cusum_easier[item] - u - k, 0.0)
        quiet = np.maximum(harder, easier) <= h
        learned, learned_se = _learned(offset, offset_se**2, delta, variance)
        level, level_se = self.level[item], self.level_se[item]
        surprise = (delta - level) / np.sqrt(variance + level_se**2)
        jump = np.where(np.abs(surprise) > np.abs(self.jump[item]), surprise, self.jump[item])
        level, level_se = _learned(level, level_se**2 + _WALK_SD**2, delta, variance)
        return type(self)(
            cusum_harder=_put(self.cusum_harder, item, harder),
            cusum_easier=_put(self.cusum_easier, item, easier),
            offset=_put(self.offset, item, np.where(quiet, learned, offset)),
            offset_se=_put(self.offset_se, item, np.where(quiet, learned_se, offset_se)),
            level=_put(self.level, item, level),
            level_se=_put(self.level_se, item, level_se),
            jump=_put(self.jump, item, jump),
        )


def state_of_history(
    item: IntArray,
    window: IntArray,
    delta: FloatArray,
    delta_se: FloatArray,
    *,
    difficulty_se: FloatArray,
    settings: DriftSettings,
) -> DriftState:
    """The state after windows judged before, from what was kept of them.

    Args:
        item: Index of the item of each earlier cell that was judged, (cells,): its status was
            not insufficient_data.
        window: Its window, (cells,).
        delta: Change of difficulty found, logits; cells with NaN are passed over.
        delta_se: Its standard error, the calibration's error included.
        difficulty_se: That error, (items,); zeros if the difficulties were taken as exact.
        settings: Those of the earlier windows.

    Raises:
        ValueError: If a standard error is not above that of the calibration, which it contains.
    """
    state = DriftState.start(difficulty_se)
    judged = np.isfinite(delta)
    variance = delta_se**2 - np.nan_to_num(difficulty_se)[item] ** 2
    if not (variance[judged] > 0).all():
        raise ValueError("delta_se is not above difficulty_se: of another calibration")
    for each in np.unique(window):
        now = judged & (window == each)
        state = state.updated(item[now], delta[now], variance[now], settings=settings)
    return state


def _learned(
    mean: FloatArray, variance: FloatArray, value: FloatArray, value_variance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Normal mean and standard error after one more value."""
    gain = variance / (variance + value_variance)
    return mean + gain * (value - mean), np.sqrt((1 - gain) * variance)


def _put(values: FloatArray, item: IntArray, new: FloatArray) -> FloatArray:
    changed = values.copy()
    changed[item] = new
    return changed
