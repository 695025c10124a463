"""Asks the figures that are shown in several places, and which alerts fire."""

from datetime import UTC, datetime

from deepkt_irt.dashboards.alerts import alerts
from deepkt_irt.dashboards.measures import MEASURES, Measure
from deepkt_irt.jobs.reading import Read, look
from deepkt_irt.reporting.status import Status
from deepkt_irt.settings import Settings
from deepkt_irt.tables.registry import views

READS = tuple(dict.fromkeys(table for view in views(Settings()) for table in view.reads))


def read_status(read: Read, settings: Settings, *, now: datetime) -> Status:
    """All figures and alerts.

    Args:
        read: Reads a table.
        settings: Rules and what alerts bear.
        now: Moment of asking, timezone-aware; hours and days are counted from it.
    """
    looked_at, told = alerts(settings.alerts), now.astimezone(UTC)
    moment = f"TIMESTAMP '{told:%Y-%m-%d %H:%M:%S.%f}'"
    asked = {f"alert {each.name}": each.query(now=moment) for each in looked_at}
    values = _values(read, settings, {**_queries(MEASURES), **asked})
    return Status(
        at=f"{told:%Y-%m-%d %H:%M} UTC",
        figures=tuple((each, values.get(each.name)) for each in MEASURES),
        alerts=tuple((each, values.get(f"alert {each.name}")) for each in looked_at),
    )


def read_figures(read: Read, settings: Settings) -> tuple[tuple[Measure, float | None], ...]:
    """The figures alone."""
    values = _values(read, settings, _queries(MEASURES))
    return tuple((each, values.get(each.name)) for each in MEASURES)


def _queries(measures: tuple[Measure, ...]) -> dict[str, str]:
    return {each.name: each.query for each in measures}


def _values(read: Read, settings: Settings, queries: dict[str, str]) -> dict[str, float | None]:
    """What some queries give, all asked as one."""
    marts = {view.name: look(view, read) for view in views(settings)}
    each = (
        f"SELECT '{name}' AS name, CAST(value AS double) AS value FROM ({query})"  # noqa: S608
        for name, query in queries.items()
    )
    session = next(iter(marts.values())).sparkSession
    rows = session.sql(" UNION ALL ".join(each), **marts).collect()
    return {row["name"]: row["value"] for row in rows}
