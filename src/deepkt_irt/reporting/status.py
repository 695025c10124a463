"""How the lake is: figures that are shown everywhere alike, and what needs a look."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deepkt_irt.dashboards.alerts import Alert
from deepkt_irt.dashboards.measures import Measure, written

PAGE = "docs/operations.md"


@dataclass(frozen=True)
class Status:
    """Everything asked at one moment.

    Attributes:
        at: That moment, as text.
        figures: Each measure with its value; None if it is not known.
        alerts: Each alert with its value; None if it is not known.
    """

    at: str
    figures: tuple[tuple[Measure, float | None], ...]
    alerts: tuple[tuple[Alert, float | None], ...]

    @property
    def firing(self) -> tuple[tuple[Alert, float | None], ...]:
        """Those that fire."""
        return tuple((alert, value) for alert, value in self.alerts if alert.fires(value))


def as_json(status: Status) -> dict[str, Any]:
    """The status as plain values; what is not known is null."""
    return {
        "at": status.at,
        "ok": not status.firing,
        "figures": {measure.name: value for measure, value in status.figures},
        "alerts": [
            {
                "name": alert.name,
                "fires": alert.fires(value),
                "value": value,
                "threshold": alert.threshold,
            }
            for alert, value in status.alerts
        ],
    }


def render_text(status: Status) -> str:
    """The status as lines of text, what needs a look first."""
    ordered = sorted(status.alerts, key=lambda each: not each[0].fires(each[1]))
    firing = len(status.firing)
    head = {0: "Nothing needs a look.", 1: "One thing needs a look:"}
    lines = [
        f"At {status.at}. {head.get(firing, f'{firing} things need a look:')}",
        *_aligned([_alert(alert, value) for alert, value in ordered]),
        "",
        *_aligned([(m.title, written(value, m.unit)) for m, value in status.figures]),
    ]
    return "\n".join([*lines, *([f"What to do: {PAGE}."] if firing else [])])


def _alert(alert: Alert, value: float | None) -> tuple[str, str]:
    mark = "!" if alert.fires(value) else "?" if value is None else "·"
    bears = f"{alert.says}; more than {written(alert.threshold, alert.unit)} is too much"
    return f"{mark} {alert.title}", f"{written(value, alert.unit)} ({bears})"


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {told}" for name, told in rows]
