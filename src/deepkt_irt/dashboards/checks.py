"""What must hold of an AI/BI dashboard's file, as far as can be told without a workspace.

Types and results need Spark; a function that says what type an expression has is given for them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlglot
from sqlglot.errors import ParseError

from deepkt_irt.dashboards.widgets import COLUMNS, VERSIONS

# SQL of a dataset, expression over its columns: the type
TypeOf = Callable[[str, str], str]

_OF_SCALE = {
    "quantitative": ("int", "bigint", "double", "float", "decimal"),
    "temporal": ("date", "timestamp"),
    "categorical": ("string", "boolean", "int", "bigint"),
}
_MEASURE = re.compile(r"MEASURE\(`(.+)`\)")
_ORDERED = re.compile(r"\b(first|last|topmost|lowest|highest|worst|best)\b(?! (run|delivery))")
_WORDS = ("title", "description")
_ROLES = {
    "counter": ("value",),
    "bar": ("x", "y"),
    "line": ("x", "y"),
    "scatter": ("x", "y"),
    "heatmap": ("x", "y", "color"),
}


def problems(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the structure: names, grid, versions, SQL, fields; nothing if all is well.

    Args:
        document: The file, parsed.
    """
    datasets = {each["name"]: "".join(each["queryLines"]) for each in document["datasets"]}
    yield from _twice("dataset", [each["name"] for each in document["datasets"]])
    for each in document["datasets"]:
        yield from _unparsable(f"dataset {each['name']}", datasets[each["name"]])
        for measure in each.get("columns", ()):
            where = f"dataset {each['name']}, measure {measure['displayName']}"
            yield from _unparsable(where, f"SELECT {measure['expression']}")
    items = [(page, item) for page in document["pages"] for item in page["layout"]]
    yield from _twice("widget", [item["widget"]["name"] for _, item in items])
    yield from _twice("page", [page["name"] for page in document["pages"]])
    for page in document["pages"]:
        if page.get("pageType") != "PAGE_TYPE_CANVAS" or page.get("layoutVersion") != "GRID_V1":
            yield f"page {page['name']}: a page is a PAGE_TYPE_CANVAS on GRID_V1"
        yield from _off_grid(page)
        yield from _unnarrowed(page)
    asked = set()
    for _, item in items:
        yield from _of_widget(item["widget"], datasets)
        yield from _unmeasured(item["widget"], document)
        asked |= {each["query"]["datasetName"] for each in item["widget"].get("queries", ())}
    for name in sorted(datasets.keys() - asked):
        yield f"dataset {name}: no widget asks it"


def resolved(document: Mapping[str, Any], dataset: str, expression: str) -> tuple[str, str]:
    """SQL of a dataset, and of an expression over it in which measures stand as what they are.

    Raises:
        ValueError: If the dataset has no measure of that name.
    """
    (found,) = (each for each in document["datasets"] if each["name"] == dataset)
    if measure := _MEASURE.fullmatch(expression):
        known = {each["displayName"]: each["expression"] for each in found.get("columns", ())}
        if measure[1] not in known:
            raise ValueError(f"dataset {dataset} has no measure {measure[1]}")
        expression = known[measure[1]]
    return "".join(found["queryLines"]), expression


def _twice(what: str, names: list[str]) -> Iterator[str]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{what} {name}: there are several of that name"


def _unparsable(where: str, query: str) -> Iterator[str]:
    try:
        sqlglot.parse_one(query, dialect="databricks")
    except ParseError as error:
        yield f"{where}: no SQL: {str(error).splitlines()[0]}"


def _off_grid(page: Mapping[str, Any]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for item in page["layout"]:
        name, at = item["widget"]["name"], item["position"]
        if at["x"] < 0 or at["x"] + at["width"] > COLUMNS or at["width"] < 1 or at["height"] < 1:
            yield f"widget {name}: it leaves the {COLUMNS} columns of the grid"
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["width"])
                     for y in range(at["y"], at["y"] + at["height"])):  # fmt: skip
            if (other := taken.setdefault(cell, name)) != name:
                yield f"widget {name}: it lies on {other}"
                break


def _unnarrowed(page: Mapping[str, Any]) -> Iterator[str]:
    """Figures beside a filter that does not narrow them."""
    widgets = [item["widget"] for item in page["layout"] if "spec" in item["widget"]]
    filters = [_asked(each) for each in widgets if "filter" in each["spec"]["widgetType"]]
    for widget in widgets:
        is_figure = widget["spec"]["widgetType"] == "counter"
        if is_figure and not all(_asked(widget) <= each for each in filters):
            yield f"widget {widget['name']}: a filter of its page does not narrow it"


def _asked(widget: Mapping[str, Any]) -> set[str]:
    """Names of the datasets that a widget asks."""
    return {each["query"]["datasetName"] for each in widget["queries"]}


def _of_widget(widget: Mapping[str, Any], datasets: Mapping[str, str]) -> Iterator[str]:
    if "multilineTextboxSpec" in widget:
        return
    where = f"widget {widget['name']}"
    yield from _misshapen(where, widget["spec"])
    yield from _unordered(where, widget, datasets)
    for each in widget["queries"]:
        if (name := each["query"]["datasetName"]) not in datasets:
            yield f"{where}: there is no dataset {name}"
        for field in each["query"]["fields"]:
            what = f"{where}, field {field['name']}"
            yield from _unparsable(what, f"SELECT {field['expression']}")
    yield from _unbound(where, widget)


def _unmeasured(widget: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    """Fields that name a measure which their dataset does not have, or that do not aggregate it."""
    known = {each["name"] for each in document["datasets"]}
    for each in widget.get("queries", ()):
        for field in each["query"]["fields"]:
            if _MEASURE.fullmatch(field["expression"]) and each["query"]["disaggregated"]:
                yield f"widget {widget['name']}: a measure is aggregated over rows"
            if (name := each["query"]["datasetName"]) in known:
                try:
                    resolved(document, name, field["expression"])
                except ValueError as error:
                    yield f"widget {widget['name']}: {error}"


def _unordered(where: str, widget: Mapping[str, Any], datasets: Mapping[str, str]) -> Iterator[str]:
    """A widget whose words speak of order has one: a chart by its values, a table by its query."""
    spec = widget["spec"]
    if not _ORDERED.search(" ".join(spec["frame"].get(part, "") for part in _WORDS)):
        return
    scales = [each.get("scale", {}) for each in _encodings(spec["encodings"])]
    asked = [datasets.get(each["query"]["datasetName"], "") for each in widget["queries"]]
    if spec["widgetType"] == "table":
        if not all("ORDER BY" in query for query in asked):
            yield f"{where}: its words speak of an order, and its query has none"
    elif not any("sort" in scale for scale in scales):
        yield f"{where}: its words speak of an order, and its values are in none"


def _misshapen(where: str, spec: Mapping[str, Any]) -> Iterator[str]:
    kind = spec["widgetType"]
    if VERSIONS.get(kind) != spec["version"]:
        yield f"{where}: {kind} is written in version {VERSIONS.get(kind)}, not {spec['version']}"
    for role in _ROLES.get(kind, ()):
        if role not in spec["encodings"]:
            yield f"{where}: a {kind} needs {role}"


def _unbound(where: str, widget: Mapping[str, Any]) -> Iterator[str]:
    """Encodings that name what no query of the widget gives."""
    known = {field["name"] for each in widget["queries"] for field in each["query"]["fields"]}
    names = {each["name"] for each in widget["queries"]}
    for encoding in _encodings(widget["spec"]["encodings"]):
        if encoding["fieldName"] not in known:
            yield f"{where}: no query gives {encoding['fieldName']}"
        if "queryName" in encoding and encoding["queryName"] not in names:
            yield f"{where}: there is no query {encoding['queryName']}"


def _encodings(encodings: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in encodings.values():
        yield from each if isinstance(each, list) else [each]


def wrong_types(document: Mapping[str, Any], type_of: TypeOf) -> Iterator[str]:
    """Fields whose values are not of the kind that they are shown as.

    Args:
        document: The file, parsed; nothing is wrong with its structure.
        type_of: Says what type an expression over a dataset has; raises ValueError if it has none.
    """
    for page in document["pages"]:
        for item in page["layout"]:
            widget = item["widget"]
            for each in widget.get("queries", ()):
                yield from _wrong_types(widget, each["query"], document, type_of)


def _wrong_types(
    widget: Mapping[str, Any],
    query: Mapping[str, Any],
    document: Mapping[str, Any],
    type_of: TypeOf,
) -> Iterator[str]:
    wanted = {each["fieldName"]: _scale(widget, each)
              for each in _encodings(widget["spec"]["encodings"])}  # fmt: skip
    for field in query["fields"]:
        where = f"widget {widget['name']}, field {field['name']}"
        try:
            found = type_of(*resolved(document, query["datasetName"], field["expression"]))
        except ValueError as error:
            yield f"{where}: {error}"
            continue
        scale = wanted.get(field["name"])
        if scale and found.partition("(")[0] not in _OF_SCALE[scale]:
            yield f"{where}: {found} is not {scale}"


def _scale(widget: Mapping[str, Any], encoding: Mapping[str, Any]) -> str | None:
    """As what a field is shown: by its scale, or as a number if it is formatted as one."""
    if "scale" in encoding:
        return str(encoding["scale"]["type"])
    counts = widget["spec"]["widgetType"] == "counter" or "format" in encoding
    return "quantitative" if counts else None
