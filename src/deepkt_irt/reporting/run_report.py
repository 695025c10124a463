"""Renders the report page: one self-contained HTML file."""

from collections.abc import Iterable, Sequence
from importlib import resources
from importlib.resources.abc import Traversable

from jinja2 import Environment, FunctionLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from deepkt_irt.reporting import charts, item_charts, item_figures, operations, svg
from deepkt_irt.reporting.explanation import worded_how
from deepkt_irt.reporting.item_data import STATUSES, Attention, Item
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
FACETS = ("class", "skill", "student", "item")  # by which rows and pages are filtered


def render(data: ReportData) -> str:
    """The page as HTML; the same data gives the same bytes."""
    folder = resources.files("deepkt_irt.reporting").joinpath("html")
    return (
        _environment(folder)
        .get_template("report.html.j2")
        .render(
            data=data,
            item_ids=_numbered("item", (each.item_id for each in data.item_pages)),
            student_ids=_numbered("student", (each.label for each in data.students)),
            class_ids=_numbered("help", (each.label for each in data.help_today or ())),
            n_flagged=_n_flagged(data.attention),
            shown_items=spread(data.items, _FOREST_ITEMS),
            help=data.help_settings,
            style=_own(folder, "style.css"),
            script=_own(folder, "report.js"),
        )
    )


def _environment(folder: Traversable) -> Environment:
    """Templates of the page, and what they call."""
    environment = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["whole"] = lambda value: f"{value:,.0f}"
    environment.filters["signed"] = svg.signed
    environment.globals.update(
        {
            "charts": charts,
            "item_charts": item_charts,
            "figures": item_figures,
            "storage": operations,
            "facets": facets,
            "status_label": _STATUS_LABELS.__getitem__,
            "status_rank": STATUSES.index,
            "small_group": SMALL_GROUP,
            "worded_how": worded_how,
        }
    )
    return environment


def facets(**about: str | Sequence[str]) -> Markup:
    """An attribute that says what an element is about, for the filters of the page.

    A filter leaves an element alone that says nothing of its facet, and hides one that names
    other values or none.

    Args:
        **about: By facet, one value or several; an empty text is none.
    """
    unknown = about.keys() - set(FACETS)
    if unknown:
        raise ValueError(f"no filter is called {', '.join(sorted(unknown))}")
    named = {
        facet: [each for each in ([values] if isinstance(values, str) else values) if each]
        for facet, values in about.items()
    }
    # quotes, angle brackets and ampersands are escaped in it, so it stands between single quotes
    written = htmlsafe_json_dumps(named, ensure_ascii=False, separators=(",", ":"))
    return Markup("data-filter='{}'").format(written)


def _own(folder: Traversable, name: str) -> Markup:
    return Markup(folder.joinpath(name).read_text("utf-8"))  # noqa: S704 - our own file


def _numbered(kind: str, names: Iterable[str]) -> dict[str, str]:
    """Ids of places of the page, by what is to be found there; of two alike the first."""
    ids = [(name, f"{kind}-{n}") for n, name in enumerate(names, start=1)]
    return dict(reversed(ids))


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
