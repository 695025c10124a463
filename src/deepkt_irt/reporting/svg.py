"""Pieces of inline SVG that charts are made of: scales, lines, marks, text, all escaped."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

INK, SOFT, GRID, AXIS = "#1f2933", "#616e7c", "#e4e7eb", "#9aa5b1"
ACCENT, WARM = "#1d5fa6", "#b4532a"
AMBER, ALARM = "#a66300", "#9b1c31"


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


def frame(x: Scale, y: Scale, ticks: Sequence[float]) -> list[str]:
    """Grid, tick labels and a percentage axis."""
    parts = []
    for share in (0.0, 0.5, 1.0):
        parts.append(line(x.start, y(share), x.end, y(share), GRID))
        parts.append(text(x.start - 6, y(share) + 4, f"{share:.0%}", anchor="end", color=SOFT))
    below = y.start + 18
    labels = (text(x(tick), below, f"{tick:g}", anchor="middle", color=SOFT) for tick in ticks)
    return [*parts, *labels]


def drawing(width: float, height: float, title: str, parts: Sequence[str]) -> Markup:
    """A whole picture, as wide as there is room for, at most its width in pixels.

    A group, as a screen reader says of an image its title only, and not what its marks say.
    """
    body = "".join(parts)
    # all text in the parts was escaped where it was put in
    return Markup(  # noqa: S704
        f'<svg viewBox="0 0 {width:g} {height:g}" role="group" style="max-width:{width:g}px">'
        f"<title>{escape(title)}</title>{body}</svg>"
    )


def text(
    x: float, y: float, content: str, *, anchor: str = "start", color: str = INK, size: int = 12
) -> str:
    """A line of text; y is its baseline."""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{color}" '
        f'font-size="{size}">{escape(content)}</text>'
    )


def line(  # noqa: PLR0913 - two ends and a look
    x1: float, y1: float, x2: float, y2: float, color: str, *, width: float = 1, dash: str = ""
) -> str:
    """A straight line; dash as in stroke-dasharray."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{color}" '
        f'stroke-width="{width:g}"{dashed}/>'
    )


def path(
    points: Sequence[tuple[float, float]], color: str, *, width: float = 2, dash: str = ""
) -> str:
    """A line through points."""
    through = " ".join(f"{x:g},{y:g}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<polyline points="{through}" fill="none" stroke="{color}" '
        f'stroke-width="{width:g}"{dashed}/>'
    )


def bar(x1: float, y1: float, x2: float, y2: float, color: str, about: str) -> str:
    """A bar that leaves a pixel free to the next."""
    return area(x1, y1, max(x2 - 1, x1), y2, color, about)


def area(x1: float, y1: float, x2: float, y2: float, color: str, about: str) -> str:
    """A filled rectangle."""
    top, height = min(y1, y2), abs(y2 - y1)
    title = f"<title>{escape(about)}</title>" if about else ""
    return (
        f'<rect x="{x1:g}" y="{top:g}" width="{x2 - x1:g}" height="{height:g}" '
        f'fill="{color}">{title}</rect>'
    )


def circle(x: float, y: float, radius: float, color: str, about: str, opacity: float = 1.0) -> str:
    """A dot that says what it is when pointed at."""
    return (
        f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{color}" fill-opacity="{opacity:g}">'
        f"<title>{escape(about)}</title></circle>"
    )


def status_mark(status: str, x: float, y: float, about: str) -> str:
    """A status as a shape of its own, so that it does not hang on colour."""
    if status == "act":
        shape = f'<path d="M{x - 5:g} {y - 5:g}h10v10h-10z" fill="{ALARM}">'
    elif status == "watch":
        shape = f'<path d="M{x:g} {y - 6:g}l6 11h-12z" fill="{AMBER}">'
    elif status == "insufficient_data":
        strokes = f"M{x - 4:g} {y - 4:g}l8 8M{x + 4:g} {y - 4:g}l-8 8"
        shape = f'<path d="{strokes}" stroke="{SOFT}" stroke-width="1.5" fill="none">'
    else:
        return circle(x, y, 4.5, ACCENT, about)
    return f"{shape}<title>{escape(about)}</title></path>"


def signed(tick: float) -> str:
    """A whole number with its sign, as a tick label."""
    return f"{tick:+.0f}" if tick else "0"


def short(content: str, length: int) -> str:
    """Text cut to a number of characters."""
    return content if len(content) <= length else content[: length - 1].rstrip() + "…"
