"""One item as text or JSON: what it is, how it behaves, what is amiss, and what to do."""

import dataclasses
import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from deepkt_irt.reporting.item_data import DriftWindow, ItemDossier, ItemVersion
from deepkt_irt.reporting.item_figures import (
    Figures,
    about_item,
    dif_line,
    fit_figures,
    option_line,
    parameter_figures,
    use_figures,
)

_LOW, _HIGH = -4.0, 4.0  # abilities of the curve, logits
_FAIRNESS = "Fairness (delta below 0: harder for the group than for others of equal ability)"
_LABEL = 30  # characters
_HALF = 10  # characters of the timeline, for a logit
_MARKS = {"act": "#", "watch": "!", "stable": "o"}


def render_text(dossier: ItemDossier) -> str:
    """The dossier as lines of text for a terminal."""
    lines = [
        f"Item {dossier.item_id} ({dossier.source}): {dossier.label}",
        f"  {about_item(dossier)}",
        *_verdict(dossier),
        *_parameters(dossier),
        *_curve(dossier),
    ]
    if dossier.facts is not None:
        facts = dossier.facts
        lines += ["", "Fit", *_aligned(fit_figures(facts))]
        lines += ["", "Use", *_aligned(use_figures(facts))]
        lines += _section(
            _FAIRNESS,
            map(dif_line, facts.dif),
            "no group is known, or none is large enough to tell",
        )
        none = "the source does not tell which answers were given"
        lines += _section("Answers given", map(option_line, facts.options), none)
    return "\n".join([*lines, *_drift(dossier)])


def as_json(dossier: ItemDossier) -> dict[str, Any]:
    """The dossier for machines: times in ISO 8601, null where not known, and the curve.

    The curve has the expected share of credit and the information by ability in logits.
    """
    found: dict[str, Any] = _plain(dataclasses.asdict(dossier))
    found["curve"] = None
    if (item := dossier.item) is not None:
        points = item.curve(_LOW, _HIGH)
        bits = item.parameters.information([theta for theta, _ in points])[:, 0]
        found["curve"] = [
            {"ability": theta, "expected": share, "information": float(bit)}
            for (theta, share), bit in zip(points, bits, strict=True)
        ]
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401 - anything a dataclass holds
    """Values that JSON has."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _verdict(dossier: ItemDossier) -> list[str]:
    if dossier.status is None:
        return ["  status: its health has not been checked"]
    checked = f", checked {dossier.checked_at}" if dossier.checked_at else ""
    found = [f"  - {reason}" for reason in dossier.reasons] or ["  - nothing is amiss"]
    action = [f"  do next: {dossier.action}"] if dossier.action else []
    return [f"  status: {dossier.status.replace('_', ' ')}{checked}", *found, *action]


def _parameters(dossier: ItemDossier) -> list[str]:
    if not dossier.versions:
        return ["", "Parameters", "  not calibrated: too few first attempts, or none yet"]
    latest, *earlier = dossier.versions
    lines = ["", f"Parameters (calibration {latest.version})"]
    lines += _aligned(parameter_figures(latest.item))
    if earlier:
        lines += ["", "Earlier calibrations", *map(_version, earlier)]
    return lines


def _version(each: ItemVersion) -> str:
    scale = f"on the scale of {each.reference} ({each.link})" if each.reference else "own scale"
    a = f", discrimination {each.item.a:.2f}" if each.item.a is not None else ""
    return (
        f"  {each.version}  {each.item.model}  difficulty {each.item.b:+.2f} "
        f"± {1.96 * each.item.se:.2f}{a}, n {each.item.n:,}, {scale}"
    )


def _curve(dossier: ItemDossier) -> list[str]:
    item = dossier.item
    if item is None:
        return []
    what = "Expected share of credit" if item.is_graded else "Chance of a right answer"
    chances = "  ".join(f"{theta:+d}: {item.expected(theta):.0%}" for theta in range(-3, 4))
    observed = [
        f"  ability {dot.ability:+.2f}: {dot.share:.0%} of {dot.n} students "
        f"(95%: {dot.low:.0%} to {dot.high:.0%}), expected {item.expected(dot.ability):.0%}"
        for dot in dossier.dots
    ]
    none = "  observed: too few students in any band of ability"
    return ["", f"{what} by ability", f"  {chances}", *(observed or [none])]


def _drift(dossier: ItemDossier) -> list[str]:
    head = ["", "Drift, window by window (change of difficulty in logits; harder is to the right)"]
    if not dossier.windows:
        return [*head, "  no window has been checked"]
    lines = [_window(each) for each in dossier.windows]
    if not dossier.drift_is_known:
        lines.append("  no window has enough responses")
    return [*head, f"  {'':38}-1{'0':>{_HALF}}{'+1':>{_HALF}}", *lines]


def _window(each: DriftWindow) -> str:
    begin = f"  {each.start:%Y-%m-%d}  n {each.n:<6,}"
    if each.delta is None:
        return f"{begin} too few responses"
    margin = f" ± {1.96 * each.delta_se:.2f}" if each.delta_se is not None else ""
    about = ", ".join(part for part in (each.status, each.direction, each.likely_cause) if part)
    return f"{begin} {f'{each.delta:+.2f}{margin}':<16} {_timeline(each)}  {about}"


def _timeline(each: DriftWindow) -> str:
    """A change within a logit of none, as a mark on a line."""
    cells = ["."] * (2 * _HALF + 1)
    cells[_HALF] = "|"
    place = round(max(-1.0, min(1.0, each.delta or 0.0)) * _HALF) + _HALF
    cells[place] = _MARKS.get(each.status, "?")
    return "".join(cells)


def _aligned(figures: Figures) -> list[str]:
    return [f"  {label:<{_LABEL}} {value}" for label, value in figures]


def _section(title: str, lines: Iterable[str], none: str) -> list[str]:
    return ["", title, *([f"  {each}" for each in lines] or [f"  {none}"])]
