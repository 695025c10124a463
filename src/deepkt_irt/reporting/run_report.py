"""Renders the report page: one self-contained HTML file."""

from importlib import resources

from jinja2 import BaseLoader, Environment, StrictUndefined
from markupsafe import Markup

from deepkt_irt.reporting import charts, item_charts, item_figures, operations, svg
from deepkt_irt.reporting.explanation import worded_how
from deepkt_irt.reporting.item_data import Attention, Item
from deepkt_irt.reporting.report_data import ReportData
from deepkt_irt.tables.marts_teaching import SMALL_GROUP

_FOREST_ITEMS = 40
_STATUS_LABELS = {
    "act": "■ act",
    "watch": "▲ watch",
    "good": "● good",
    "insufficient_data": "○ too little data",
    None: "not checked",
}


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
    environment.filters["signed"] = svg.signed
    template = environment.from_string(folder.joinpath("report.html.j2").read_text("utf-8"))
    shown = spread(data.items, _FOREST_ITEMS)
    style = folder.joinpath("style.css").read_text("utf-8")
    return template.render(
        data=data,
        charts=charts,
        item_charts=item_charts,
        figures=item_figures,
        storage=operations,
        status_label=_STATUS_LABELS.__getitem__,
        n_flagged=_n_flagged(data.attention),
        page_numbers={page.item_id: n for n, page in enumerate(data.item_pages, start=1)},
        shown_items=shown,
        small_group=SMALL_GROUP,
        worded_how=worded_how,
        help=data.help_settings,
        style=Markup(style),  # noqa: S704 - our own file
    )


def _n_flagged(attention: Attention | None) -> int:
    counts = dict(attention.counts) if attention else {}
    return counts.get("act", 0) + counts.get("watch", 0)


def spread(items: tuple[Item, ...], n: int) -> tuple[Item, ...]:
    """At most n items spread evenly over the range of difficulty, easiest first."""
    ordered = sorted(items, key=lambda item: (item.b, item.label))
    if len(ordered) <= n:
        return tuple(ordered)
    step = (len(ordered) - 1) / (n - 1)
    return tuple(ordered[round(k * step)] for k in range(n))
