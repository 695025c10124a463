"""The report's charts as inline SVG: no script, no network, readable when printed."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from deepkt_irt.reporting import svg
from deepkt_irt.reporting.item_data import Item
from deepkt_irt.reporting.student_data import SkillMastery
from deepkt_irt.reporting.svg import Scale

_SHADES = ("#eef4fb", "#d3e3f3", "#aacbe7", "#74abd6", "#3276b1", "#195592", "#123f73")

_TRENDS = {"rising": " ▲", "falling": " ▼", "steady": "", None: ""}


def shade(value: float) -> tuple[str, str]:
    """Background and text colour of a share from 0 to 1, told apart also without colour sight."""
    # mastery lies mostly between these; the number stands in the cell, the shade only helps
    low, high = 0.35, 0.9
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    place = min(int(share * len(_SHADES)), len(_SHADES) - 1)
    return _SHADES[place], "#ffffff" if place >= 4 else svg.INK


def wright_map(
    abilities: Sequence[tuple[float, int]], band: float, items: Sequence[Item]
) -> Markup:
    """Students' abilities above the axis, items' difficulties below, on one scale."""
    bands: dict[float, int] = {}
    for item in items:
        bands[math.floor(item.b / band) * band] = bands.get(math.floor(item.b / band) * band, 0) + 1
    lows = [low for low, _ in abilities] + list(bands)
    x = Scale(min([-3.0, *lows]), max([3.0, *(low + band for low in lows)]), 60, 880)
    up = Scale(0, max([1, *(n for _, n in abilities)]), 150, 24)
    down = Scale(0, max([1, *bands.values()]), 190, 316)
    parts = [
        svg.text(60, 16, "Students by ability", size=13),
        svg.text(60, 336, "Items by difficulty", size=13),
        svg.text(18, 175, "logit"),
    ]
    parts += [
        svg.bar(x(low), up(n), x(low + band), 150, svg.ACCENT, f"{n} students from {low:.2f}")
        for low, n in abilities
    ]
    parts += [
        svg.bar(x(low), 190, x(low + band), down(n), svg.WARM, f"{n} items from {low:.2f}")
        for low, n in sorted(bands.items())
    ]
    parts += [svg.text(x(tick), 175, svg.signed(tick), anchor="middle") for tick in x.ticks(1)]
    for scale, top in ((up, up.high), (down, down.high)):
        parts.append(svg.text(52, scale(top) + 4, f"{top:.0f}", anchor="end", color=svg.SOFT))
    title = "Abilities of students and difficulties of items on one scale"
    return svg.drawing(900, 346, title, parts)


def forest(items: Sequence[Item]) -> Markup:
    """Difficulty of each item with its 95% interval, easiest first."""
    row, top = 20, 26
    ends = [end for item in items for end in (item.b - 1.96 * item.se, item.b + 1.96 * item.se)]
    x = Scale(min([-3.0, *ends]), max([3.0, *ends]), 330, 800)
    height = top + row * len(items) + 10
    parts = []
    for tick in x.ticks(1):
        parts.append(
            svg.line(x(tick), top - 6, x(tick), height - 8, svg.GRID if tick else svg.AXIS)
        )
        parts.append(svg.text(x(tick), 14, svg.signed(tick), anchor="middle"))
    for place, item in enumerate(items):
        y = top + row * place + 8
        low, high = item.b - 1.96 * item.se, item.b + 1.96 * item.se
        parts.append(svg.text(8, y + 4, svg.short(item.label, 22)))
        parts.append(svg.text(170, y + 4, svg.short(item.skill, 24), color=svg.SOFT))
        parts.append(svg.line(x(low), y, x(high), y, svg.ACCENT, width=2))
        about = f"{item.label}: {item.b:.2f} ({low:.2f} to {high:.2f}), {item.n} first attempts"
        parts.append(svg.circle(x(item.b), y, 4, svg.ACCENT, about))
        parts.append(
            svg.text(892, y + 4, f"{item.b:+.2f}  n {item.n}", anchor="end", color=svg.SOFT)
        )
    return svg.drawing(900, height, "Item difficulties with 95% intervals, in logits", parts)


def reliability(bins: Sequence[tuple[float, float, int]]) -> Markup:
    """Predicted chance against the share right; the diagonal is perfect calibration."""
    x, y = Scale(0, 1, 46, 330), Scale(0, 1, 300, 14)
    parts = svg.frame(x, y, [0, 0.25, 0.5, 0.75, 1])
    parts.append(svg.line(x(0), y(0), x(1), y(1), svg.AXIS, dash="4 4"))
    largest = max([1, *(n for _, _, n in bins)])
    for predicted, observed, n in bins:
        radius = 3 + 7 * math.sqrt(n / largest)
        about = f"predicted {predicted:.2f}, observed {observed:.2f}, {n} responses"
        parts.append(
            svg.circle(x(predicted), y(observed), round(radius, 1), svg.ACCENT, about, 0.75)
        )
    parts.append(svg.text(185, 338, "predicted chance", anchor="middle"))
    return svg.drawing(340, 346, "Calibration of predictions: predicted against observed", parts)


def mastery_bars(mastery: Sequence[SkillMastery]) -> Markup:
    """Mastery per skill with its 95% interval, what it was, and the answers it rests on."""
    row = 24
    x = Scale(0, 1, 190, 420)
    height = 24 + row * len(mastery)
    parts = []
    for tick in (0.0, 0.5, 1.0):
        parts.append(svg.line(x(tick), 18, x(tick), height - 4, svg.GRID))
        parts.append(svg.text(x(tick), 12, f"{tick:.0%}", anchor="middle", color=svg.SOFT))
    for place, each in enumerate(mastery):
        y = 24 + row * place + 8
        parts.append(svg.text(4, y + 4, svg.short(each.skill, 27)))
        parts.append(svg.bar(x(0), y - 5, x(each.value), y + 5, "#aacbe7", ""))
        parts.append(svg.line(x(each.low), y, x(each.high), y, svg.INK, width=1.5))
        about = f"{each.skill}: {each.value:.0%} ({each.low:.0%} to {each.high:.0%})"
        if each.before is not None:
            then = x(each.before)
            parts.append(svg.line(then, y - 7, then, y + 7, svg.SOFT, width=2))
            about += f", {each.trend} (was {each.before:.0%})"
        parts.append(svg.circle(x(each.value), y, 4, svg.ACCENT, about))
        mark = _TRENDS[each.trend]
        parts.append(svg.text(428, y + 4, f"{each.value:.0%}{mark}  n {each.n}", color=svg.SOFT))
    return svg.drawing(500, height, "Mastery per skill with 95% intervals", parts)
