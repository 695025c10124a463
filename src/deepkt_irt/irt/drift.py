"""Drift: whether items behave as they were calibrated, window by window of time.

Each first attempt is held against what the student's earlier responses to other items let one
expect, so a cohort that is abler or has grown does not look like easier items. What all anchors
share is taken off and reported apart. Nothing here estimates an item anew or compares two
calibrations.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from deepkt_irt.irt.drift_evidence import (
    Reference,
    WindowEvidence,
    WindowResponses,
    window_evidence,
)
from deepkt_irt.irt.drift_state import DriftState
from deepkt_irt.irt.multiple_testing import benjamini_hochberg
from deepkt_irt.settings import DriftSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
TextArray = NDArray[np.object_]

STABLE, WATCH, ACT, INSUFFICIENT = "stable", "watch", "act", "insufficient_data"
HARDER, EASIER = "harder", "easier"

_HUBER = 1.345  # standard errors; 95% efficient under normal errors
_HUBER_STEPS = 30
# logits of difficulty per logit of the takers' ability; what regression to the mean can do
_ROUTING_SD = 0.5
_MAD = 1.4826  # median absolute deviation of normal errors to their SD
_MAD_ERROR = 2 * 1.167  # twice the standard error of that estimate, times the root of n
_SUDDEN = 3.0  # standard errors of a single window
_FASTER = -2.0  # standard errors of a mean response time


@dataclass(frozen=True)
class Shift:
    """What the anchors of a window have in common; NaN with too few.

    Attributes:
        window: Index of the window.
        shift: Weighted median of the anchors' delta_b at `ability`, logits.
        shift_se: Its standard error.
        routing: Change of delta_b per logit of the takers' mean ability: 0 if items are given at
            random, else from items being given for reasons that the students' past hides or
            overstates.
        routing_se: Its standard error.
        ability: Mean ability of the anchors' takers, logits.
        dispersion: How far the anchors scatter, times what is expected and allowing for chance; 1
            or more. All standard errors are stretched by it: where whole classes answer an item
            together, or curves fit badly, items scatter more without any having drifted.
        n_anchors: Items it rests on.
        note: Why there is no shift; None if there is one.
        growth: How far students known before have moved since, logits; NaN if they are few. If
            all items changed at once, it would look the same: this is where to look for it.
        cohort: How far the mean of the other students lies from the reference's; likewise.
    """

    window: int
    shift: float
    shift_se: float
    routing: float
    routing_se: float
    ability: float
    dispersion: float
    n_anchors: int
    note: str | None
    growth: float
    cohort: float

    def at(self, ability: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What is taken off an item whose takers have this mean ability, and its variance."""
        away = ability - self.ability
        return self.shift + self.routing * away, self.shift_se**2 + (self.routing_se * away) ** 2


@dataclass(frozen=True)
class Drift:
    """What was found, one entry for each item and window with a response, (cells,).

    Attributes:
        item: Index of the item.
        window: Index of the window; cells are sorted by window and item.
        n: Responses that count: the student had min_history before, and the item has a curve.
        observed: Mean share of credit of these; NaN without any.
        expected: The same by the parameters.
        z: Standardised difference of observed and expected, shift included.
        delta_b: Change of difficulty, shift included, logits.
        shift: What is taken off.
        delta: Change of difficulty, delta_b - shift; above 0 is harder. Exact for small changes;
            a change of 2 logits is reported as about 1.5.
        delta_se: Its standard error, doubt about abilities, shift and calibration included.
        p: Two-sided chance of such a delta without drift; NaN where not judged.
        q: p after Benjamini and Hochberg over the window's items.
        cusum_harder: Running sum of evidence for harder, after this window.
        cusum_easier: Running sum of evidence for easier.
        change: Accumulated change over the windows, logits.
        time_change: Mean log response time over the usual, less that of all items; NaN unknown.
        is_anchor: Whether the item helped to find the shift.
        status: stable, watch, act or insufficient_data.
        direction: harder or easier of flagged items; None otherwise.
        likely_cause: What to look at first, of flagged items; None otherwise.
        shifts: One for each window.
        state: To be handed to the next windows.
    """

    item: IntArray
    window: IntArray
    n: IntArray
    observed: FloatArray
    expected: FloatArray
    z: FloatArray
    delta_b: FloatArray
    shift: FloatArray
    delta: FloatArray
    delta_se: FloatArray
    p: FloatArray
    q: FloatArray
    cusum_harder: FloatArray
    cusum_easier: FloatArray
    change: FloatArray
    time_change: FloatArray
    is_anchor: BoolArray
    status: TextArray
    direction: TextArray
    likely_cause: TextArray
    shifts: tuple[Shift, ...]
    state: DriftState


def detect_drift(
    responses: WindowResponses,
    reference: Reference,
    *,
    settings: DriftSettings | None = None,
    state: DriftState | None = None,
) -> Drift:
    """Judge each item in each window against its calibration.

    A window stands alone: histories begin anew at the reference's abilities, moved and stretched
    as the window's students ask for. So later windows can be judged by themselves, with the
    state of those before.

    An item is flagged by its window if q is below a false discovery rate, which is stricter for
    `act`, and |delta| reaches `watch` or `act`; as slow drift if a running sum is over its limit
    and the accumulated change reaches them.

    Args:
        responses: First attempts of one or more windows.
        reference: What they are held against.
        settings: Cuts and least numbers.
        state: Of the windows before; None at the first one after the calibration.

    Returns:
        Cells of item and window, shifts of the windows, and the state after the last.

    Raises:
        ValueError: If an index, a score or the state does not fit.
    """
    settings = settings or DriftSettings()
    state = state or DriftState.start(reference.error)
    if len(state.level) != len(reference.items):
        raise ValueError(f"state of {len(state.level)} items for {len(reference.items)} items")
    found: list[dict[str, NDArray[np.generic]]] = []
    shifts = []
    for window in sorted(set(responses.window.tolist())):
        evidence = window_evidence(responses.of_window(window), reference, settings=settings)
        shift = _shift(evidence, window, reference, settings)
        cells, state = _judged(evidence, shift, state, reference=reference, settings=settings)
        found.append(cells)
        shifts.append(shift)
    columns = {name: np.concatenate([cells[name] for cells in found]) for name in found[0]}
    return Drift(**columns, shifts=tuple(shifts), state=state)


def _shift(
    evidence: WindowEvidence, window: int, reference: Reference, settings: DriftSettings
) -> Shift:
    """Robust line through the anchors' delta_b over the ability of their takers.

    Where abler students get harder items for reasons their earlier responses do not show, the
    expectation lies too near the mean of all, and delta_b falls with the takers' ability. The
    slope is drawn to 0, since anchors with like takers do not tell it.

    Reference:
        Huber (1964), Annals of Mathematical Statistics 35, 73-101.
    """
    use = _usable(evidence, settings) & reference.anchors[evidence.item]
    n = int(use.sum())
    if n < settings.min_anchors:
        note = (
            f"only {n} anchors have {settings.min_responses} responses, {settings.min_anchors} "
            "are needed: drift cannot be told from a shift of all items"
        )
        unknown = (np.nan,) * 5
        return Shift(window, *unknown, 1.0, n, note, evidence.growth, evidence.cohort)
    y, x = evidence.delta_b[use], evidence.ability[use]
    precision = 1 / (evidence.variance[use] + reference.error[evidence.item[use]] ** 2)
    slope, slope_se, center = _robust_slope(x, y, precision)
    at_center = y - slope * (x - center)
    shift = _weighted_median(at_center, np.sqrt(precision))
    # of a median weighted by 1 / SE, under normal errors
    shift_se = float(np.sqrt(np.pi / 2 / precision.sum()))
    scatter = _MAD * float(np.median(np.abs(at_center - shift) * np.sqrt(precision)))
    dispersion = max(1.0, scatter / (1 + _MAD_ERROR / np.sqrt(n)))
    return Shift(
        window=window,
        shift=shift,
        shift_se=dispersion * shift_se,
        routing=slope,
        routing_se=dispersion * slope_se,
        ability=center,
        dispersion=dispersion,
        n_anchors=n,
        note=None,
        growth=evidence.growth,
        cohort=evidence.cohort,
    )


def _robust_slope(
    x: FloatArray, y: FloatArray, precision: FloatArray
) -> tuple[float, float, float]:
    """Slope of y on x under a normal prior around 0, its standard error, and the mean of x."""
    slope, slope_se, center, weight = 0.0, _ROUTING_SD, 0.0, precision
    for _ in range(_HUBER_STEPS):
        center = float(np.average(x, weights=weight))
        level = float(np.average(y, weights=weight))
        stiffness = float(weight @ (x - center) ** 2) + 1 / _ROUTING_SD**2
        before, slope = slope, float(weight @ ((x - center) * (y - level))) / stiffness
        slope_se = stiffness**-0.5
        off = np.abs(y - level - slope * (x - center)) * np.sqrt(precision)
        weight = precision * np.minimum(1.0, _HUBER / np.maximum(off, _HUBER))
        if abs(slope - before) < 1e-6:
            break
    return slope, slope_se, center


def _weighted_median(values: FloatArray, weight: FloatArray) -> float:
    order = np.argsort(values)
    below = np.cumsum(weight[order]) - 0.5 * weight[order]
    return float(np.interp(0.5 * weight.sum(), below, values[order]))


def _judged(
    evidence: WindowEvidence,
    shift: Shift,
    state: DriftState,
    *,
    reference: Reference,
    settings: DriftSettings,
) -> tuple[dict[str, NDArray[np.generic]], DriftState]:
    """Cells of one window by name, and the state after it."""
    item, usable = evidence.item, _usable(evidence, settings)
    taken_off, shift_variance = shift.at(evidence.ability)
    delta = evidence.delta_b - taken_off
    of_item = shift.dispersion**2 * (evidence.variance + reference.error[item] ** 2)
    delta_se = np.sqrt(of_item + shift_variance)
    variance = delta_se**2 - reference.error[item] ** 2
    judged = usable & np.isfinite(delta)
    p = np.where(judged, 2 * ndtr(-np.abs(delta / delta_se)), np.nan)
    q = benjamini_hochberg(p)
    after = state.updated(item[judged], delta[judged], variance[judged], settings=settings)
    weak, strong = q < settings.watch_false_discovery_rate, q < settings.false_discovery_rate
    # what is only likely is watched, however large it looks
    most = np.where(strong, np.inf, np.nextafter(settings.act, 0))
    significant = np.where(judged & weak, np.clip(delta, -most, most), 0.0)
    verdict = _verdict(judged, significant, item, after, settings)
    cells = {
        "item": item,
        "window": np.full(len(item), shift.window),
        "n": evidence.n,
        "observed": evidence.observed,
        "expected": evidence.expected,
        "z": evidence.z,
        "delta_b": evidence.delta_b,
        "shift": taken_off,
        "delta": delta,
        "delta_se": delta_se,
        "p": p,
        "q": q,
        "cusum_harder": after.cusum_harder[item],
        "cusum_easier": after.cusum_easier[item],
        "change": after.change[item],
        "time_change": evidence.time_change,
        "is_anchor": usable & reference.anchors[item] & (shift.note is None),
        **verdict.texts(after.jump[item], evidence.time_z),
    }
    return cells, after


@dataclass(frozen=True)
class _Verdict:
    """Arrays over the cells of a window; direction is 1 harder, -1 easier, 0 not flagged."""

    status: TextArray
    direction: IntArray

    def texts(self, jump: FloatArray, time_z: FloatArray) -> dict[str, TextArray]:
        """Status, direction and likely cause in words."""
        return {
            "status": self.status,
            "direction": _worded([(self.direction > 0, HARDER), (self.direction < 0, EASIER)]),
            "likely_cause": _causes(self.direction, jump, time_z),
        }


def _verdict(
    judged: BoolArray,
    significant_delta: FloatArray,
    item: IntArray,
    after: DriftState,
    settings: DriftSettings,
) -> _Verdict:
    """Status and direction from the window's delta, 0 if not significant, and from the sums."""
    harder, easier = after.cusum_harder[item], after.cusum_easier[item]
    slow_sign = np.where(harder >= easier, 1, -1)
    over = judged & (np.maximum(harder, easier) > settings.cusum_limit)
    # a sum may still be over its limit when the change that drove it is gone
    slow = np.where(over, np.maximum(slow_sign * after.change[item], 0.0), 0.0)
    by_window = np.abs(significant_delta)
    size = np.maximum(by_window, slow)
    status = _worded(
        [
            (~judged, INSUFFICIENT),
            (judged & (size < settings.watch), STABLE),
            ((size >= settings.watch) & (size < settings.act), WATCH),
            (size >= settings.act, ACT),
        ]
    )
    sign = np.where(by_window >= settings.watch, np.sign(significant_delta), slow_sign)
    return _Verdict(status, np.where(size >= settings.watch, sign, 0).astype(np.int64))


def _causes(direction: IntArray, jump: FloatArray, time_z: FloatArray) -> TextArray:
    """What to look at first, from direction, speed and response times."""
    harder, easier = direction > 0, direction < 0
    sudden = direction * jump >= _SUDDEN
    faster, unknown = time_z < _FASTER, np.isnan(time_z)
    no_faster = ~faster & ~unknown
    leak = "answers may have leaked or it was over-exposed"
    against = "answers come no faster, which speaks against a leak"
    return _worded(
        [
            (harder & sudden, "content, display or curriculum changed"),
            (harder & ~sudden, "curriculum or teaching may be moving away from it"),
            (easier & faster, f"{leak}: answers also come faster"),
            (easier & sudden & unknown, leak),
            (easier & sudden & no_faster, f"content, display or help changed; {against}"),
            (easier & ~sudden & unknown, "answers may be spreading, or teaching covers it better"),
            (easier & ~sudden & no_faster, f"teaching may cover it better; {against}"),
        ]
    )


def _worded(cases: list[tuple[BoolArray, str]]) -> TextArray:
    """The text of the case that holds; None where none does."""
    words = np.full(len(cases[0][0]), None, dtype=object)
    for holds, text in cases:
        words[holds] = text
    return words


def _usable(evidence: WindowEvidence, settings: DriftSettings) -> BoolArray:
    usable: BoolArray = (evidence.n >= settings.min_responses) & np.isfinite(evidence.delta_b)
    return usable
