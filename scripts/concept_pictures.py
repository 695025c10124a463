"""Draws the pictures of docs/concepts.md: `python scripts/concept_pictures.py FOLDER`.

Curves, information and chances are worked out by the package itself, so that the pictures stay as
true as it is.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deepkt_irt.bandit.offers import Eligible
from deepkt_irt.bandit.propensities import propensities
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.reporting.svg import (
    ACCENT,
    AXIS,
    GRID,
    INK,
    SOFT,
    WARM,
    Scale,
    area,
    line,
    path,
    signed,
    text,
)
from deepkt_irt.settings import BanditSettings

PALE, PALE_WARM, PALE_GREY = "#e8f0f9", "#fbece5", "#f1f3f5"
_HEAD = 5  # of an arrow, pixels
_LETTER = 4  # half of a line's height that brings text to the middle


def picture(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """A whole file: white behind it, so that it can be read on any page."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" font-family="sans-serif">'
        f"<title>{title}</title>"
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def box(
    x: float, y: float, width: float, lines: Sequence[str], *, fill: str = PALE, height: float = 56
) -> list[str]:
    """A box around lines of text, of which the first is the larger one."""
    frame = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"'
    parts = [f'<rect {frame} fill="{fill}" stroke="{AXIS}"/>']
    top = y + height / 2 + _LETTER - 7.5 * (len(lines) - 1)
    for number, words in enumerate(lines):
        size, color = (13, INK) if number == 0 else (11, SOFT)
        at = top + 15 * number
        parts.append(text(x + width / 2, at, words, anchor="middle", color=color, size=size))
    return parts


def arrow(
    x1: float, y1: float, x2: float, y2: float, *, color: str = SOFT, dash: str = ""
) -> list[str]:
    """A straight line with a head at its second end."""
    length = float(np.hypot(x2 - x1, y2 - y1))
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    base = x2 - 1.6 * _HEAD * ux, y2 - 1.6 * _HEAD * uy
    left = base[0] - _HEAD * uy, base[1] + _HEAD * ux
    right = base[0] + _HEAD * uy, base[1] - _HEAD * ux
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in ((x2, y2), left, right))
    shaft = line(x1, y1, round(base[0], 1), round(base[1], 1), color, width=1.5, dash=dash)
    return [shaft, f'<polygon points="{corners}" fill="{color}"/>']


_STEPS = (
    ("landing", "files as received", "CSV, JSON, zip"),
    ("bronze", "every row as text", "or in quarantine"),
    ("silver", "events, one shape", "pseudonyms"),
    ("gold", "whole histories,", "vocabularies"),
    ("models", "items, SAKT, W&D;", "MLflow registry"),
    ("what follows", "mastery, next items", "with reasons"),
    ("report", "one page, trace,", "views"),
)
_KEPT = (  # by the place of its step
    (1, "ops.ingest_audit", "read = kept + refused"),
    (2, "restricted", "student keys, erasures"),
    (4, "gold.calibrations", "links and their errors"),
    (5, "bandit_decisions", "chances, later rewards"),
)


def flow() -> str:
    """From landing files to the report, and what is kept on the way."""
    width, gap, top = 122, 24, 40
    parts: list[str] = []
    for number, lines in enumerate(_STEPS):
        x = 16 + number * (width + gap)
        parts += box(x, top, width, lines, height=66)
        if number:
            parts += arrow(x - gap, top + 33, x, top + 33)
    middle = [16 + number * (width + gap) + width / 2 for number in range(len(_STEPS))]
    for number, name, about in _KEPT:
        parts += arrow(middle[number], top + 66, middle[number], 150, dash="3 3")
        parts += box(middle[number] - 68, 150, 136, (name, about), fill=PALE_GREY, height=48)
    parts.append(line(middle[5], 198, middle[5], 226, SOFT, width=1.5, dash="3 3"))
    parts.append(line(middle[4], 226, middle[5], 226, SOFT, width=1.5, dash="3 3"))
    parts += arrow(middle[4], 226, middle[4], 200, dash="3 3")
    told = "rewards teach the next day's choices"
    parts.append(text((middle[4] + middle[5]) / 2, 242, told, anchor="middle", color=SOFT, size=11))
    return picture(1040, 256, "From landing files to the report", parts)


def item_curves() -> str:
    """Chances of a right answer by ability for three items, and what an answer tells of it."""
    items = ItemParameters.dichotomous([-1.0, 0.5, 0.5], [np.nan, 2.0, 2.0], [np.nan, np.nan, 0.2])
    theta = np.linspace(-4, 4, 81)
    looks = ((ACCENT, "", "1PL: b = -1"), (WARM, "", "2PL: a = 2, b = 0.5"))
    looks += ((WARM, "5 4", "3PL: the same, c = 0.2"),)
    x = Scale(-4, 4, 50, 350)
    chance = _panel(x, Scale(0, 1, 210, 30), theta, items.expected_score(theta), looks)
    right = Scale(-4, 4, 440, 740)
    told = _panel(right, Scale(0, 1, 210, 30), theta, items.information(theta), looks)
    parts = [*chance, *told]
    for b, color in ((-1.0, ACCENT), (0.5, WARM)):
        parts.append(line(x(b), 210, x(b), 120, color, dash="2 3"))
    parts.append(text(50, 18, "chance of a right answer", size=13))
    parts.append(text(440, 18, "information about the ability", size=13))
    for number, (color, dash, name) in enumerate(looks):
        at = 268 + 18 * number
        parts.append(line(60, at, 96, at, color, width=2, dash=dash))
        parts.append(text(104, at + _LETTER, name))
    about = "Where a curve is half way up lies b; how steep it is there is a; where it starts is c."
    parts.append(text(300, 268 + _LETTER, about, color=SOFT))
    where = (
        "An answer tells most where the curve is steep: near b, and less where it can be guessed."
    )
    parts.append(text(300, 286 + _LETTER, where, color=SOFT))
    return picture(800, 324, "Item characteristic curves and their information", parts)


def _panel(
    x: Scale, y: Scale, theta: np.ndarray, curves: np.ndarray, looks: Sequence[tuple[str, str, str]]
) -> list[str]:
    parts = []
    for share in (0.0, 0.5, 1.0):
        parts.append(line(x.start, y(share), x.end, y(share), GRID))
        parts.append(text(x.start - 6, y(share) + 4, f"{share:g}", anchor="end", color=SOFT))
    parts += [text(x(tick), y.start + 18, signed(tick), anchor="middle") for tick in x.ticks(2)]
    parts.append(
        text((x.start + x.end) / 2, y.start + 36, "ability, logits", anchor="middle", color=SOFT)
    )
    for (color, dash, _), curve in zip(looks, curves.T, strict=True):
        points = [(x(at), y(float(value))) for at, value in zip(theta, curve, strict=True)]
        parts.append(path(points, color, dash=dash))
    return parts


def past_only() -> str:
    """What a prediction of the next answer may see."""
    width, gap, top = 104, 18, 40
    past = ["item A", "item B", "item C", "item A"]
    marks = ["right", "wrong", "right", "right"]
    ages = ["4 ago", "3 ago", "2 ago", "the last"]
    parts = [text(20, 22, "one student's answers, in the order they were given", color=SOFT)]
    asked = 20 + 4 * (width + gap) + width / 2
    for number, (name, mark, age) in enumerate(zip(past, marks, ages, strict=True)):
        x = 20 + number * (width + gap)
        parts += box(x, top, width, (name, mark, age))
        parts += arrow(x + width / 2, top + 56, asked - 62 + 14 * number, 158, color=ACCENT)
    x = 20 + 4 * (width + gap)
    parts += box(x, top, width, ("item D", "asked now", "answer hidden"), fill=PALE_WARM)
    parts += arrow(asked, top + 56, asked, 158, color=WARM)
    for number, name in enumerate(("item E", "item F")):
        at = 20 + (5 + number) * (width + gap)
        parts += box(at, top, width, (name, "later"), fill=PALE_GREY)
        parts.append(line(at + 8, top + 48, at + width - 8, top + 8, SOFT, width=1.5))
    parts += box(asked - 100, 158, 200, ("chance that D is right", "query D, keys of the past"))
    for number, words in enumerate(("never seen: the answer itself,", "and all that comes later")):
        parts.append(text(20 + 5 * (width + gap), 120 + 16 * number, words, color=SOFT))
    weights = "weights say how much each past answer is asked"
    parts.append(text(20, 176, weights, color=ACCENT, size=11))
    checks = "the leakage guard changes what is crossed out: nothing may move"
    parts.append(text(20, 194, checks, color=SOFT, size=11))
    return picture(880, 232, "A prediction rests on earlier answers only", parts)


def bandit() -> str:
    """How an item is chosen: rules, preferences, chances, a draw, and a reward later."""
    names = ["item A", "item B", "item C", "item D", "item E"]
    excluded = {"item B": "too hard", "item E": "seen lately"}
    left = [name for name in names if name not in excluded]
    scores = {"item A": 0.42, "item C": 0.58, "item D": 0.50}
    chances = _chances(list(scores.values()))
    parts = [text(x, 22, words, size=13) for x, words in _HEADINGS]
    for number, name in enumerate(names):
        y = 36 + 34 * number
        fill = PALE_GREY if name in excluded else PALE
        parts += box(16, y, 90, (name,), fill=fill, height=26)
        if name in excluded:
            parts.append(text(122, y + 17, excluded[name], color=WARM))
            continue
        parts += _score_row(y, scores[name], float(chances[left.index(name)]))
    parts += box(622, 66, 150, ("item C is drawn", "its chance is logged"), fill=PALE_WARM)
    parts += arrow(697, 122, 697, 152)
    parts += box(622, 152, 150, ("reward, days later", "what was learnt since"))
    parts += arrow(622, 180, 250, 214, dash="3 3")
    told = "what was learnt moves the next scores"
    parts.append(text(420, 222, told, anchor="middle", color=SOFT, size=11))
    return picture(800, 236, "How a recommendation is decided", parts)


_HEADINGS = (
    (16, "candidates"),
    (122, "rules"),
    (216, "score: expected + doubt"),
    (424, "chance, never 0"),
    (622, "drawn and judged"),
)


def _score_row(y: float, score: float, chance: float) -> list[str]:
    """An allowed item: its score with what is unknown, and its chance."""
    scored, drawn = Scale(0, 0.8, 216, 380), Scale(0, 1, 424, 590)
    doubt = scored(score) - 24
    return [
        text(122, y + 17, "allowed", color=SOFT),
        area(216, y + 6, doubt, y + 20, ACCENT, "expected reward"),
        area(doubt, y + 6, scored(score), y + 20, "#9fc0e6", "doubt"),
        area(424, y + 6, drawn(chance), y + 20, WARM, "chance"),
        text(drawn(chance) + 6, y + 17, f"{chance:.0%}", color=SOFT),
    ]


def _chances(scores: Sequence[float]) -> np.ndarray:
    """Chances of the items of one decision, as they would be drawn."""
    n = len(scores)
    decision = Eligible(np.array([0, n]), np.arange(n), np.zeros(n, dtype=np.int64))
    return propensities(np.array(scores), decision, BanditSettings())


PICTURES = {
    "flow.svg": flow,
    "item_curves.svg": item_curves,
    "past_only.svg": past_only,
    "bandit.svg": bandit,
}


def main() -> None:
    """Write all pictures into the folder that is named."""
    folder = Path(sys.argv[1])
    for name, draw in PICTURES.items():
        (folder / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
