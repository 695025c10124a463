"""The parts of an AI/BI dashboard, and how they are written in a `.lvdash.json` file.

The file has no published schema. What is written here follows dashboards that Databricks
publishes as examples: a page is a grid of twelve columns, a widget asks one dataset for fields,
and its encodings name these fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

COLUMNS = 12
QUERY = "main_query"
# of the specification that each kind of widget is written in
VERSIONS = {
    "counter": 2,
    "table": 2,
    "filter-multi-select": 2,
    "filter-single-select": 2,
    "bar": 3,
    "line": 3,
    "scatter": 3,
    "heatmap": 3,
}
FILTER, FILTER_BY_ONE = "filter-multi-select", "filter-single-select"
_FILTERS = (FILTER, FILTER_BY_ONE)
# how numbers are written: what AI/BI calls it, and how many decimals at most
FORMATS = {
    "percent": ("number-percent", 1),
    "currency": ("number-currency", 2),
    "figure": ("number-plain", 3),
    "span": ("number-plain", 1),  # hours and seconds
}


class Scale(StrEnum):
    """What kind of values a field has."""

    CATEGORICAL = "categorical"
    QUANTITATIVE = "quantitative"
    TEMPORAL = "temporal"


class Order(StrEnum):
    """How the categories of a chart stand, by the value that each has."""

    AS_NAMED = ""
    LARGEST_FIRST = "largest first"
    SMALLEST_FIRST = "smallest first"


# what AI/BI calls it, of the axis that has the values
_BY = {Order.LARGEST_FIRST: "{}-reversed", Order.SMALLEST_FIRST: "{}"}


@dataclass(frozen=True)
class Dataset:
    """One query; views stand in it as their names in braces.

    Attributes:
        name: What widgets call it.
        title: For people.
        query: SQL.
        measures: Aggregates over its rows by what `MEASURE` calls them, as filters leave the rows.
    """

    name: str
    title: str
    query: str
    measures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Field:
    """A value that a widget shows.

    Attributes:
        title: For people.
        expression: SQL over the columns of the dataset.
        scale: What kind of values it has.
        format: Of a number: a name of FORMATS; empty: as it is.
        order: Of categories on an axis: how they stand, from the top or from the left.
    """

    title: str
    expression: str
    scale: Scale = Scale.CATEGORICAL
    format: str = ""
    order: Order = Order.AS_NAMED

    @property
    def name(self) -> str:
        """What the query calls it and encodings name."""
        return self.expression.replace("`", "")


@dataclass(frozen=True)
class Widget:
    """A chart, a figure, a table, a filter or, without a kind, a text.

    Attributes:
        name: Unique on its dashboard.
        kind: Of VERSIONS; empty: a text.
        title: What it shows; of a text, the text.
        dataset: Name of what it asks; of a filter each dataset that it narrows has its own field.
        fields: By role: value; x, y, color; or, of tables and filters, in order.
        aggregated: Whether expressions count over rows.
        description: What to do about it.
    """

    name: str
    kind: str
    title: str
    dataset: str = ""
    fields: tuple[tuple[str, Field], ...] = ()
    aggregated: bool = False
    description: str = ""
    narrows: tuple[str, ...] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """Names of the datasets it asks."""
        return self.narrows or ((self.dataset,) if self.dataset else ())


@dataclass(frozen=True)
class Row:
    """Widgets side by side, each with its width in columns."""

    height: int
    widgets: tuple[tuple[int, Widget], ...]


@dataclass(frozen=True)
class Page:
    """A page: rows from the top."""

    name: str
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Dashboard:
    """A whole dashboard.

    Attributes:
        name: Of its file.
        title: For people.
        decides: Who decides what by it.
    """

    name: str
    title: str
    decides: str
    datasets: tuple[Dataset, ...]
    pages: tuple[Page, ...]

    @property
    def widgets(self) -> tuple[Widget, ...]:
        """Of all pages."""
        return tuple(w for page in self.pages for row in page.rows for _, w in row.widgets)


def as_json(dashboard: Dashboard, names: Mapping[str, str]) -> dict[str, Any]:
    """What the file holds.

    Args:
        dashboard: What is shown.
        names: What SQL calls each view.
    """
    return {
        "datasets": [_dataset(each, names) for each in dashboard.datasets],
        "pages": [_page(page) for page in dashboard.pages],
        "uiSettings": {"theme": {"widgetHeaderAlignment": "ALIGNMENT_UNSPECIFIED"}},
    }


def _dataset(dataset: Dataset, names: Mapping[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": dataset.name,
        "displayName": dataset.title,
        "queryLines": dataset.query.format(**names).strip().splitlines(keepends=True),
    }
    if dataset.measures:
        made["columns"] = [
            {"displayName": title, "expression": expression}
            for title, expression in dataset.measures
        ]
    return made


def _page(page: Page) -> dict[str, Any]:
    layout, y = [], 0
    for row in page.rows:
        x = 0
        for width, widget in row.widgets:
            position = {"x": x, "y": y, "width": width, "height": row.height}
            layout.append({"widget": _widget(widget), "position": position})
            x += width
        y += row.height
    return {
        "name": page.name,
        "displayName": page.title,
        "pageType": "PAGE_TYPE_CANVAS",
        "layoutVersion": "GRID_V1",
        "layout": layout,
    }


def _widget(widget: Widget) -> dict[str, Any]:
    if not widget.kind:
        return {"name": widget.name, "multilineTextboxSpec": {"lines": [widget.title]}}
    frame = {"showTitle": True, "title": widget.title}
    if widget.description:
        frame |= {"showDescription": True, "description": widget.description}
    return {
        "name": widget.name,
        "queries": [_query(widget, dataset, n) for n, dataset in enumerate(widget.asked)],
        "spec": {
            "version": VERSIONS[widget.kind],
            "widgetType": widget.kind,
            "encodings": _encodings(widget),
            "frame": frame,
        },
    }


def query_name(widget: Widget, place: int) -> str:
    """What a widget calls its query of a dataset, by its place among those asked."""
    return f"{widget.name}_{place}" if widget.kind in _FILTERS else QUERY


def _query(widget: Widget, dataset: str, place: int) -> dict[str, Any]:
    fields = [{"name": field.name, "expression": field.expression} for _, field in widget.fields]
    query = {
        "datasetName": dataset,
        "fields": fields,
        "disaggregated": not widget.aggregated and widget.kind not in _FILTERS,
    }
    return {"name": query_name(widget, place), "query": query}


def _encodings(widget: Widget) -> dict[str, Any]:
    match widget.kind:
        case "table":
            columns = [_shown(field) for _, field in widget.fields]
            return {"columns": columns}
        case kind if kind in _FILTERS:
            (_, field), *_ = widget.fields
            return {
                "fields": [
                    {**_named(field), "queryName": query_name(widget, place)}
                    for place, _ in enumerate(widget.asked)
                ]
            }
        case "counter":
            return {role: _shown(field) for role, field in widget.fields}
    return {role: {**_shown(field), "scale": _scale(role, field)} for role, field in widget.fields}


def _scale(role: str, field: Field) -> dict[str, Any]:
    """What kind of values a field of a chart has; categories of an axis are sorted by the other."""
    scale: dict[str, Any] = {"type": field.scale.value}
    if field.order:
        scale["sort"] = {"by": _BY[field.order].format({"x": "y", "y": "x"}[role])}
    return scale


def _named(field: Field) -> dict[str, Any]:
    return {"fieldName": field.name, "displayName": field.title}


def _shown(field: Field) -> dict[str, Any]:
    if not field.format:
        return _named(field)
    kind, places = FORMATS[field.format]
    shown = {"type": kind, "decimalPlaces": {"type": "max", "places": places}}
    if field.format == "currency":
        shown["currencyCode"] = "USD"
    return {**_named(field), "format": shown}
