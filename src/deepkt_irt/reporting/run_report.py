"""Renders the report page: one self-contained HTML file."""

from importlib import resources

from jinja2 import BaseLoader, Environment, StrictUndefined
from markupsafe import Markup

from deepkt_irt.reporting import charts
from deepkt_irt.reporting.report_data import SMALL_GROUP, Item, ReportData

_FOREST_ITEMS = 40


def render(data: ReportData) -> str:
    """The page as HTML; the same data gives the same bytes."""
    folder = resources.files("deepkt_irt.reporting").joinpath("html")
    environment = Environment(
        loader=BaseLoader(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["whole"] = lambda value: f"{value:,.0f}"
    template = environment.from_string(folder.joinpath("report.html.j2").read_text("utf-8"))
    models = data.evaluations.models if data.evaluations else ()
    shown = spread(data.items, _FOREST_ITEMS)
    style = folder.joinpath("style.css").read_text("utf-8")
    return template.render(
        data=data,
        charts=charts,
        shown_items=shown,
        small_group=SMALL_GROUP,
        style=Markup(style),  # noqa: S704 - our own file
        champion=next((each for each in models if each.bins and each.run_id), None),
    )


def spread(items: tuple[Item, ...], n: int) -> tuple[Item, ...]:
    """At most n items spread evenly over the range of difficulty, easiest first."""
    ordered = sorted(items, key=lambda item: (item.b, item.label))
    if len(ordered) <= n:
        return tuple(ordered)
    step = (len(ordered) - 1) / (n - 1)
    return tuple(ordered[round(k * step)] for k in range(n))
