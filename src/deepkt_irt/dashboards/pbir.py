"""The parts of a Power BI report, and how they are written in the files of PBIR.

Each page and each visual has a file; Microsoft publishes a schema for every kind of file.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SCHEMAS = "https://developer.microsoft.com/json-schemas/fabric/item/report/definition"
SCHEMAS = {
    "version": f"{_SCHEMAS}/versionMetadata/1.0.0/schema.json",
    "report": f"{_SCHEMAS}/report/3.3.0/schema.json",
    "pages": f"{_SCHEMAS}/pagesMetadata/1.1.0/schema.json",
    "page": f"{_SCHEMAS}/page/2.1.0/schema.json",
    "visual": f"{_SCHEMAS}/visualContainer/2.8.0/schema.json",
}
# by kind of visual, the places for fields that it must fill
ROLES = {
    "card": ("Values",),
    "tableEx": ("Values",),
    "slicer": ("Values",),
    "pivotTable": ("Rows", "Columns", "Values"),
    "clusteredBarChart": ("Category", "Y"),
    "clusteredColumnChart": ("Category", "Y"),
    "lineChart": ("Category", "Y"),
}
TEXT = "textbox"
WIDTH, HEIGHT = 1280, 720
_COLUMNS, _GAP = 12, 16


@dataclass(frozen=True)
class Field:
    """A column or a measure of the model, and what a visual calls it."""

    table: str
    name: str
    title: str
    is_measure: bool = False

    @property
    def reference(self) -> str:
        """What a query calls it."""
        return f"{self.table}.{self.name}"


@dataclass(frozen=True)
class Visual:
    """Something on a page.

    Attributes:
        name: Unique in the report.
        kind: Of ROLES, or a text.
        title: What it shows; of a text, the text.
        roles: Fields by the place they have.
        where: Columns and the value that rows must have in them.
        order: Fields it is sorted by, with whether the greatest comes first.
        does: What to do about it; read out to who does not see it.
    """

    name: str
    kind: str
    title: str
    roles: Mapping[str, tuple[Field, ...]]
    where: tuple[tuple[Field, bool], ...] = ()
    order: tuple[tuple[Field, bool], ...] = ()
    does: str = ""


@dataclass(frozen=True)
class Row:
    """Visuals side by side, each with its width in twelfths of the page."""

    height: int
    visuals: tuple[tuple[int, Visual], ...]


@dataclass(frozen=True)
class Page:
    """A page: rows from the top."""

    name: str
    title: str
    rows: tuple[Row, ...]


def files(pages: tuple[Page, ...]) -> dict[str, str]:
    """The text of each file, by its path below the folder `definition`."""
    names = [page.name for page in pages]
    made: dict[str, dict[str, Any]] = {
        "version.json": {"$schema": SCHEMAS["version"], "version": "2.0.0"},
        "report.json": _report(),
        "pages/pages.json": {
            "$schema": SCHEMAS["pages"], "pageOrder": names, "activePageName": names[0],
        },
    }  # fmt: skip
    for page in pages:
        folder = f"pages/{page.name}"
        made[f"{folder}/page.json"] = _page(page)
        for number, (place, visual) in enumerate(_placed(page)):
            made[f"{folder}/visuals/{visual.name}/visual.json"] = _visual(visual, place, number)
    return {path: as_text(document) for path, document in made.items()}


def as_text(document: Mapping[str, Any]) -> str:
    """A JSON document as a file has it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _report() -> dict[str, Any]:
    return {
        "$schema": SCHEMAS["report"],
        "themeCollection": {},
        "settings": {
            "useStylableVisualContainerHeader": True,
            "exportDataMode": "AllowSummarized",
            "useEnhancedTooltips": True,
        },
    }


def _page(page: Page) -> dict[str, Any]:
    return {
        "$schema": SCHEMAS["page"],
        "name": page.name,
        "displayName": page.title,
        "displayOption": "FitToPage",
        "height": HEIGHT,
        "width": WIDTH,
    }


def _placed(page: Page) -> Iterator[tuple[dict[str, int], Visual]]:
    """Each visual of a page with its place on it."""
    unit, y = (WIDTH - _GAP) / _COLUMNS, _GAP
    for row in page.rows:
        at = 0
        for width, visual in row.visuals:
            yield {
                "x": round(_GAP + at * unit), "y": y,
                "width": round(width * unit - _GAP), "height": row.height,
            }, visual  # fmt: skip
            at += width
        y += row.height + _GAP


def _visual(visual: Visual, place: dict[str, int], number: int) -> dict[str, Any]:
    shown: dict[str, Any] = {"visualType": visual.kind}
    if visual.kind == TEXT:
        runs = [{"textRuns": [{"value": visual.title}]}]
        shown["objects"] = {"general": [{"properties": {"paragraphs": runs}}]}
    else:
        shown["query"] = _query(visual)
    if visual.kind == "slicer":
        shown["objects"] = {"data": [{"properties": {"mode": literal("'Dropdown'")}}]}
    shown["visualContainerObjects"] = _container(visual)
    document = {
        "$schema": SCHEMAS["visual"],
        "name": visual.name,
        "position": {**place, "z": number, "tabOrder": number},
        "visual": shown,
    }
    if visual.where:
        filters = [_filter(visual, field, is_true=value) for field, value in visual.where]
        document["filterConfig"] = {"filters": filters}
    return document


def _container(visual: Visual) -> dict[str, Any]:
    """Title and text for who does not see it."""
    says = f"{visual.title}. {visual.does}".removesuffix(". ")
    title = {"show": literal("true"), "text": literal(_text(visual.title))}
    if visual.kind == TEXT:
        title = {"show": literal("false")}
    return {
        "title": [{"properties": title}],
        "general": [{"properties": {"altText": literal(_text(says))}}],
    }


def _query(visual: Visual) -> dict[str, Any]:
    state = {
        role: {"projections": [_projection(each) for each in fields]}
        for role, fields in visual.roles.items()
    }
    if not visual.order:
        return {"queryState": state}
    sort = [
        {"field": _field(field), "direction": "Descending" if down else "Ascending"}
        for field, down in visual.order
    ]
    return {"queryState": state, "sortDefinition": {"sort": sort}}


def _projection(field: Field) -> dict[str, Any]:
    return {
        "field": _field(field),
        "queryRef": field.reference,
        "nativeQueryRef": field.name,
        "displayName": field.title,
    }


def _field(field: Field, source: dict[str, str] | None = None) -> dict[str, Any]:
    kind = "Measure" if field.is_measure else "Column"
    entity = source or {"Entity": field.table}
    return {kind: {"Expression": {"SourceRef": entity}, "Property": field.name}}


def _filter(visual: Visual, field: Field, *, is_true: bool) -> dict[str, Any]:
    value = {"Literal": {"Value": str(is_true).lower()}}
    condition = {"In": {"Expressions": [_field(field, {"Source": "t"})], "Values": [[value]]}}
    return {
        "name": f"{visual.name}_{field.name}",
        "field": _field(field),
        "type": "Categorical",
        "filter": {
            "Version": 2,
            "From": [{"Name": "t", "Entity": field.table, "Type": 0}],
            "Where": [{"Condition": condition}],
        },
    }


def literal(value: str) -> dict[str, Any]:
    """A constant, written as a query would write it."""
    return {"expr": {"Literal": {"Value": value}}}


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
