"""The report's charts as inline SVG: no script, no network, readable when printed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from deepkt_irt.reporting.report_data import Curve, Item, SkillMastery

_INK, _SOFT, _GRID = "#1f2933", "#616e7c", "#e4e7eb"
_ACCENT, _WARM = "#1d5fa6", "#b4532a"
_SHADES = ("#eef4fb", "#d3e3f3", "#aacbe7", "#74abd6", "#3f86c0", "#1d5fa6", "#123f73")


@dataclass(frozen=True)
class Scale:
    """Maps values of a range to pixels.

    Attributes:
        low: Value at `start`.
        high: Value at `end`.
        start: Pixel of the lower value.
        end: Pixel of the higher value.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Pixel of a value; beyond the range it stays at the edge."""
        span = (self.high - self.low) or 1.0
        share = min(max((value - self.low) / span, 0.0), 1.0)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, step: float) -> list[float]:
        """Multiples of a step inside the range."""
        first = math.ceil(self.low / step)
        return [step * k for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def shade(value: float) -> tuple[str, str]:
    """Background and text colour of a share from 0 to 1, told apart also without colour sight."""
    # mastery lies mostly between these; the number stands in the cell, the shade only helps
    low, high = 0.35, 0.9
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    place = min(int(share * len(_SHADES)), len(_SHADES) - 1)
    return _SHADES[place], "#ffffff" if place >= 4 else _INK


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
        _text(60, 16, "Students by ability", size=13),
        _text(60, 336, "Items by difficulty", size=13),
        _text(18, 175, "logit"),
    ]
    parts += [
        _bar(x(low), up(n), x(low + band), 150, _ACCENT, f"{n} students from {low:.2f}")
        for low, n in abilities
    ]
    parts += [
        _bar(x(low), 190, x(low + band), down(n), _WARM, f"{n} items from {low:.2f}")
        for low, n in sorted(bands.items())
    ]
    parts += [_text(x(tick), 175, _signed(tick), anchor="middle") for tick in x.ticks(1)]
    for scale, top in ((up, up.high), (down, down.high)):
        parts.append(_text(52, scale(top) + 4, f"{top:.0f}", anchor="end", color=_SOFT))
    title = "Abilities of students and difficulties of items on one scale"
    return _svg(900, 346, title, parts)


def forest(items: Sequence[Item]) -> Markup:
    """Difficulty of each item with its 95 % interval, easiest first."""
    row, top = 20, 26
    ends = [end for item in items for end in (item.b - 1.96 * item.se, item.b + 1.96 * item.se)]
    x = Scale(min([-3.0, *ends]), max([3.0, *ends]), 330, 800)
    height = top + row * len(items) + 10
    parts = []
    for tick in x.ticks(1):
        parts.append(_line(x(tick), top - 6, x(tick), height - 8, _GRID if tick else "#9aa5b1"))
        parts.append(_text(x(tick), 14, _signed(tick), anchor="middle"))
    for place, item in enumerate(items):
        y = top + row * place + 8
        low, high = item.b - 1.96 * item.se, item.b + 1.96 * item.se
        parts.append(_text(8, y + 4, _short(item.label, 22)))
        parts.append(_text(170, y + 4, _short(item.skill, 24), color=_SOFT))
        parts.append(_line(x(low), y, x(high), y, _ACCENT, width=2))
        about = f"{item.label}: {item.b:.2f} ({low:.2f} to {high:.2f}), {item.n} first attempts"
        parts.append(_circle(x(item.b), y, 4, _ACCENT, about))
        parts.append(_text(892, y + 4, f"{item.b:+.2f}  n {item.n}", anchor="end", color=_SOFT))
    return _svg(900, height, "Item difficulties with 95 % intervals, in logits", parts)


def item_curve(curve: Curve) -> Markup:
    """An item's characteristic curve and the observed shares with their intervals."""
    item = curve.item
    x, y = Scale(-3, 3, 44, 290), Scale(0, 1, 190, 14)
    parts = _frame(x, y, [-3, -2, -1, 0, 1, 2, 3])
    slope = item.a if item.a is not None else 1.0
    steps = [-3 + 0.1 * k for k in range(61)]
    points = [(x(t), y(1 / (1 + math.exp(-slope * (t - item.b))))) for t in steps]
    path = " ".join(f"{px},{py}" for px, py in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{_ACCENT}" stroke-width="2"/>')
    for dot in curve.dots:
        about = f"ability {dot.ability:+.1f}: {dot.share:.0%} of {dot.n} right"
        parts.append(_line(x(dot.ability), y(dot.low), x(dot.ability), y(dot.high), _WARM))
        parts.append(_circle(x(dot.ability), y(dot.share), 3.5, _WARM, about))
    return _svg(300, 212, f"Characteristic curve of {item.label}", parts)


def reliability(bins: Sequence[tuple[float, float, int]]) -> Markup:
    """Predicted chance against the share right; the diagonal is perfect calibration."""
    x, y = Scale(0, 1, 46, 330), Scale(0, 1, 300, 14)
    parts = _frame(x, y, [0, 0.25, 0.5, 0.75, 1])
    parts.append(_line(x(0), y(0), x(1), y(1), "#9aa5b1", dash="4 4"))
    largest = max([1, *(n for _, _, n in bins)])
    for predicted, observed, n in bins:
        radius = 3 + 7 * math.sqrt(n / largest)
        about = f"predicted {predicted:.2f}, observed {observed:.2f}, {n} responses"
        parts.append(_circle(x(predicted), y(observed), round(radius, 1), _ACCENT, about, 0.75))
    parts.append(_text(185, 338, "predicted chance", anchor="middle"))
    return _svg(340, 346, "Calibration of predictions: predicted against observed", parts)


def mastery_bars(mastery: Sequence[SkillMastery]) -> Markup:
    """Mastery per skill with its 95 % interval and the answers it rests on."""
    row = 24
    x = Scale(0, 1, 190, 420)
    height = 24 + row * len(mastery)
    parts = []
    for tick in (0.0, 0.5, 1.0):
        parts.append(_line(x(tick), 18, x(tick), height - 4, _GRID))
        parts.append(_text(x(tick), 12, f"{tick:.0%}", anchor="middle", color=_SOFT))
    for place, each in enumerate(mastery):
        y = 24 + row * place + 8
        parts.append(_text(4, y + 4, _short(each.skill, 27)))
        parts.append(_bar(x(0), y - 5, x(each.value), y + 5, "#aacbe7", ""))
        parts.append(_line(x(each.low), y, x(each.high), y, _INK, width=1.5))
        about = f"{each.skill}: {each.value:.2f} ({each.low:.2f} to {each.high:.2f})"
        parts.append(_circle(x(each.value), y, 4, _ACCENT, about))
        parts.append(_text(428, y + 4, f"{each.value:.0%}  n {each.n}", color=_SOFT))
    return _svg(500, height, "Mastery per skill with 95 % intervals", parts)


def _frame(x: Scale, y: Scale, ticks: Sequence[float]) -> list[str]:
    """Grid, tick labels and a percentage axis."""
    parts = []
    for share in (0.0, 0.5, 1.0):
        parts.append(_line(x.start, y(share), x.end, y(share), _GRID))
        parts.append(_text(x.start - 6, y(share) + 4, f"{share:.0%}", anchor="end", color=_SOFT))
    below = y.start + 18
    labels = (_text(x(tick), below, f"{tick:g}", anchor="middle", color=_SOFT) for tick in ticks)
    return [*parts, *labels]


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> Markup:
    body = "".join(parts)
    # all text in the parts was escaped where it was put in
    return Markup(  # noqa: S704
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" style="max-width:{width:g}px">'
        f"<title>{escape(title)}</title>{body}</svg>"
    )


def _text(
    x: float, y: float, content: str, *, anchor: str = "start", color: str = _INK, size: int = 12
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{color}" '
        f'font-size="{size}">{escape(content)}</text>'
    )


def _line(  # noqa: PLR0913 - two ends and a look
    x1: float, y1: float, x2: float, y2: float, color: str, *, width: float = 1, dash: str = ""
) -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{color}" '
        f'stroke-width="{width:g}"{dashed}/>'
    )


def _bar(x1: float, y1: float, x2: float, y2: float, color: str, about: str) -> str:
    top, height = min(y1, y2), abs(y2 - y1)
    return (
        f'<rect x="{x1:g}" y="{top:g}" width="{max(x2 - x1 - 1, 0):g}" height="{height:g}" '
        f'fill="{color}"><title>{escape(about)}</title></rect>'
    )


def _circle(x: float, y: float, radius: float, color: str, about: str, opacity: float = 1.0) -> str:
    return (
        f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{color}" fill-opacity="{opacity:g}">'
        f"<title>{escape(about)}</title></circle>"
    )


def _signed(tick: float) -> str:
    return f"{tick:+.0f}" if tick else "0"


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
