"""Asks the figures that are shown in several places, and which alerts fire."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from deepkt_irt.dashboards.alerts import alerts
from deepkt_irt.dashboards.measures import MEASURES
from deepkt_irt.jobs.reading import Read, look
from deepkt_irt.reporting.status import Status
from deepkt_irt.settings import Settings
from deepkt_irt.tables.registry import views


def read_status(read: Read, settings: Settings, *, now: datetime) -> Status:
    """All figures and alerts.

    Args:
        read: Reads a table.
        settings: Rules and what alerts bear.
        now: Moment of asking, timezone-aware; hours and days are counted from it.
    """
    told = now.astimezone(UTC)
    looked_at, moment = alerts(settings.alerts), f"TIMESTAMP '{told:%Y-%m-%d %H:%M:%S.%f}'"
    figures = [(each.mart, "true", each.name, each.expression) for each in MEASURES]
    asked = [(each, *each.asked(moment)) for each in looked_at]
    signs = [(each.mart, where, f"alert {each.name}", value) for each, value, where in asked]
    values = _values(read, settings, [*figures, *signs])
    return Status(
        at=f"{told:%Y-%m-%d %H:%M} UTC",
        figures=tuple((each, values[each.name]) for each in MEASURES),
        alerts=tuple((each, values[f"alert {each.name}"]) for each in looked_at),
    )


def _values(
    read: Read, settings: Settings, asked: Iterable[tuple[str, str, str, str]]
) -> dict[str, float | None]:
    """What aggregates give, all in one query that looks at the same rows once.

    Args:
        read: Reads a table.
        settings: Rules.
        asked: View, condition of its rows, name of the value, SQL aggregate.
    """
    marts: dict[str, Any] = {view.name: look(view, read) for view in views(settings)}
    grouped: dict[tuple[str, str], list[str]] = {}
    for mart, where, name, value in asked:
        grouped.setdefault((mart, where), []).append(f"'{name}', CAST({value} AS double)")
    each = (
        f"SELECT map({', '.join(values)}) AS told FROM {{{mart}}} WHERE {where}"  # noqa: S608
        for (mart, where), values in grouped.items()
    )
    session = next(iter(marts.values())).sparkSession
    rows = session.sql(" UNION ALL ".join(each), **marts).collect()
    return {name: value for row in rows for name, value in row["told"].items()}
