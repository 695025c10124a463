"""Charts of one item: its characteristic curve, and how its difficulty went over time."""

import math
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from deepkt_irt.reporting import svg
from deepkt_irt.reporting.item_data import Dot, DriftWindow, Item
from deepkt_irt.reporting.svg import Scale

_ACT_BAND, _WATCH_BAND, _STABLE_BAND = "#f9e4e7", "#fdf3dd", "#ffffff"
_MOST_DELTA = 2.5  # logits; intervals beyond are cut at the edge
_DATES = 6  # labels along the time axis
_LEGEND = (
    ("stable", "stable"),
    ("watch", "watch"),
    ("act", "act"),
    ("insufficient_data", "too few responses"),
)


def item_curve(item: Item, dots: Sequence[Dot]) -> Markup:
    """An item's characteristic curve and the observed shares with their intervals."""
    ends = [item.b, *(dot.ability for dot in dots)]
    low, high = min(-3, math.floor(min(ends))), max(3, math.ceil(max(ends)))
    x, y = Scale(low, high, 44, 290), Scale(0, 1, 190, 14)
    parts = svg.frame(x, y, range(low, high + 1, max(1, (high - low) // 6)))
    if item.asymptote:
        at = y(item.asymptote)
        what = "assumed guessing" if item.c is None else "guessing"
        parts.append(svg.line(x(low), at, x(high), at, svg.SOFT, dash="3 3"))
        parts.append(svg.text(290, at - 4, f"{what} {item.asymptote:.2f}", anchor="end", size=11))
    for number, threshold in enumerate(item.thresholds, start=1):
        about = f"step {number} of the score" if item.is_graded else "difficulty"
        parts.append(svg.area(x(threshold) - 1, 184, x(threshold) + 1, 190, svg.INK, about))
    curve = [(x(theta), y(share)) for theta, share in item.curve(low, high)]
    parts.append(svg.path(curve, svg.ACCENT))
    what = "mean credit" if item.is_graded else "right"
    for dot in dots:
        about = f"ability {dot.ability:+.1f}: {dot.share:.0%} {what} of {dot.n} students"
        at = x(dot.ability)
        parts.append(svg.line(at, y(dot.low), at, y(dot.high), svg.WARM))
        parts.append(svg.circle(at, y(dot.share), 3.5, svg.WARM, about))
    shown = "Expected share of credit on" if item.is_graded else "Chance of a right answer on"
    return svg.drawing(300, 212, f"{shown} {item.label} by ability, and observed shares", parts)


def drift_timeline(windows: Sequence[DriftWindow], cuts: tuple[float, float]) -> Markup:
    """Change of an item's difficulty by window, with intervals, cuts, and the anchors' shift.

    Args:
        windows: Oldest first, at least one.
        cuts: Changes from which an item is watched, and acted on, logits.
    """
    reach = _reach(windows, cuts)
    x = Scale(windows[0].start.timestamp(), windows[-1].end.timestamp(), 52, 560)
    y = Scale(-reach, reach, 206, 34)
    parts = [*_bands(x, y, cuts), *_axes(windows, x, y), *_new_versions(windows, x, y)]
    shifts = [(_middle(each, x), y(each.shift)) for each in windows if each.shift is not None]
    if shifts:
        parts.append(svg.path(shifts, svg.SOFT, width=1, dash="2 3"))
    for window in windows:
        if (ends := window.interval) is not None:
            at = _middle(window, x)
            parts.append(svg.line(at, y(ends[0]), at, y(ends[1]), svg.INK, width=1.5))
    parts += [
        svg.status_mark(each.status, _middle(each, x), _height(each, y), _about(each))
        for each in windows
    ]
    flagged = [each for each in windows if each.status in {"watch", "act"}]
    title = f"Change of difficulty by window: {len(flagged)} of {len(windows)} windows flagged"
    return svg.drawing(640, 244, title, [*parts, *_legend(has_shift=bool(shifts))])


def _reach(windows: Sequence[DriftWindow], cuts: tuple[float, float]) -> float:
    """Largest change shown, logits."""
    ends = [abs(end) for each in windows for end in each.interval or ()]
    shifts = [abs(each.shift) for each in windows if each.shift is not None]
    return min(max([1.0, 1.2 * cuts[1], *ends, *shifts]), max(_MOST_DELTA, 1.2 * cuts[1]))


def _bands(x: Scale, y: Scale, cuts: tuple[float, float]) -> list[str]:
    """Where an item is watched, and where it is acted on; what is inside both is stable."""
    watch, act = cuts
    parts = []
    for bound, color, name in (
        (y.high, _ACT_BAND, f"act: beyond {act:g} logits"),
        (act, _WATCH_BAND, f"watch: beyond {watch:g} logits"),
        (watch, _STABLE_BAND, "stable"),
    ):
        parts.append(svg.area(x.start, y(-bound), x.end, y(bound), color, name))
    # one label on each side, since the cuts may lie close together
    for cut, name, side in ((watch, "watch", -1), (act, "act", 1)):
        label = svg.text(x.end + 6, y(side * cut) + 4, f"{name} ±{cut:g}", color=svg.SOFT, size=11)
        lines = [svg.line(x.start, at, x.end, at, svg.AXIS, dash="1 3") for at in (y(cut), y(-cut))]
        parts += [label, *lines]
    return parts


def _axes(windows: Sequence[DriftWindow], x: Scale, y: Scale) -> list[str]:
    parts = [svg.line(x.start, y(0), x.end, y(0), svg.AXIS)]
    step = 0.5 if y.high <= 1.5 else 1.0
    parts += [
        svg.text(46, y(tick) + 4, f"{tick:+g}" if tick else "0", anchor="end")
        for tick in y.ticks(step)
    ]
    parts.append(svg.text(x.end + 6, y.end + 4, "harder", color=svg.SOFT, size=11))
    parts.append(svg.text(x.end + 6, y.start, "easier", color=svg.SOFT, size=11))
    every = max(1, math.ceil(len(windows) / _DATES))
    parts += [
        svg.text(x(each.start.timestamp()), 224, f"{each.start:%Y-%m-%d}", color=svg.SOFT, size=11)
        for each in windows[::every]
    ]
    return parts


def _new_versions(windows: Sequence[DriftWindow], x: Scale, y: Scale) -> list[str]:
    """A line where the item began to be held against another calibration."""
    parts = []
    for before, after in pairwise(windows):
        if before.calibration_version != after.calibration_version:
            at = x(after.start.timestamp())
            parts.append(svg.line(at, y.start, at, y.end, svg.AXIS, dash="6 3"))
            parts.append(svg.text(at + 3, y.end + 10, "calibrated anew", color=svg.SOFT, size=11))
    return parts


def _legend(*, has_shift: bool) -> list[str]:
    parts, at = [], 58.0
    for status, label in _LEGEND:
        parts.append(svg.status_mark(status, at, 12, label))
        parts.append(svg.text(at + 11, 16, label, size=11))
        at += 30 + 7 * len(label)
    if has_shift:
        parts.append(svg.line(at, 12, at + 24, 12, svg.SOFT, dash="2 3"))
        parts.append(svg.text(at + 30, 16, "what all anchors share", size=11))
    return parts


def _middle(window: DriftWindow, x: Scale) -> float:
    return x((window.start.timestamp() + window.end.timestamp()) / 2)


def _height(window: DriftWindow, y: Scale) -> float:
    """At its change; at the lower edge where that is not known."""
    return y(window.delta) if window.delta is not None else y.start - 7


def _about(window: DriftWindow) -> str:
    when = f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}"
    if window.delta is None:
        return f"{when}: {window.n} responses, too few"
    ends = window.interval
    interval = f" (95%: {ends[0]:+.2f} to {ends[1]:+.2f})" if ends else ""
    cause = f", {window.likely_cause}" if window.likely_cause else ""
    found = f"{window.delta:+.2f} logits{interval}, {window.n} responses, {window.status}{cause}"
    return f"{when}: {found}"
