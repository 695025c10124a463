"""What must hold of a Power BI project's report, as far as can be told without Power BI."""

import json
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from deepkt_irt.dashboards import pbir
from deepkt_irt.dashboards.model_checks import Model, model
from deepkt_irt.dashboards.power_bi import NAME, SCHEMAS
from deepkt_irt.dashboards.semantic_model import CALENDAR

_DEFINITION = f"{NAME}.Report/definition/"


def problems(files: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the report and with how the project hangs together.

    Args:
        files: Text of all files of the project, by path below its folder.
    """
    documents, unread = dict[str, dict[str, Any]](), list[str]()
    for path, text in files.items():
        if not path.endswith(".tmdl"):
            try:
                documents[path] = json.loads(text)
            except json.JSONDecodeError as error:
                unread.append(f"{path}: {error}")
    yield from unread
    if unread:
        return
    yield from _of_project(documents, files)
    yield from _of_pages(documents)
    found, _ = model(files)
    for path, document in documents.items():
        if path.endswith("/visual.json"):
            yield from _of_visual(path, document, found)


def _of_project(documents: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[str]:
    """Files point at each other, and say by which schema they are written."""
    folders = {path.partition("/")[0] for path in files if "/" in path}
    for artifact in documents.get(f"{NAME}.pbip", {}).get("artifacts", []):
        if artifact["report"]["path"] not in folders:
            yield f"{NAME}.pbip: there is no {artifact['report']['path']}"
    bound = documents.get(f"{NAME}.Report/definition.pbir", {}).get("datasetReference", {})
    if bound.get("byPath", {}).get("path", "").removeprefix("../") not in folders:
        yield f"definition.pbir: there is no model at {bound}"
    for path, document in documents.items():
        if (wanted := _schema(path)) and document.get("$schema") != wanted:
            yield f"{path}: its schema is not {wanted}"
    for connection in documents.get(f"{NAME}.pbids", {}).get("connections", []):
        if connection.get("details", {}).get("protocol") != "databricks-sql":
            yield f"{NAME}.pbids: Databricks is asked by databricks-sql"
        if connection.get("mode") != "DirectQuery":
            yield f"{NAME}.pbids: rows depend on who looks, so they are not copied"


def _schema(path: str) -> str | None:
    name = path.rpartition("/")[2]
    by_name = {
        "version.json": "version", "report.json": "report", "pages.json": "pages",
        "page.json": "page", "visual.json": "visual",
    }  # fmt: skip
    if name in by_name:
        return pbir.SCHEMAS[by_name[name]]
    return SCHEMAS.get(name.rpartition(".")[2])


def _of_pages(documents: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    pages = {
        path.split("/")[-2]: document
        for path, document in documents.items() if path.endswith("/page.json")
    }  # fmt: skip
    listed = documents.get(f"{_DEFINITION}pages/pages.json", {})
    if sorted(listed.get("pageOrder", [])) != sorted(pages):
        yield f"pages.json: it lists {listed.get('pageOrder')}, and there are {sorted(pages)}"
    if listed.get("activePageName") not in pages:
        yield f"pages.json: there is no page {listed.get('activePageName')} to open on"
    names = set[str]()
    for folder, page in pages.items():
        if page["name"] != folder:
            yield f"page {folder}: its name is {page['name']}"
        visuals = {
            path.split("/")[-2]: document
            for path, document in documents.items()
            if path.startswith(f"{_DEFINITION}pages/{folder}/visuals/")
        }
        for name, visual in visuals.items():
            if visual["name"] != name:
                yield f"visual {name}: its name is {visual['name']}"
            if name in names:
                yield f"visual {name}: there are several of that name"
        names |= visuals.keys()
        yield from _of_places(page, visuals)


def _of_places(page: Mapping[str, Any], visuals: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    for name, visual in visuals.items():
        at = visual["position"]
        inside = at["x"] >= 0 and at["y"] >= 0 and at["width"] > 0 and at["height"] > 0
        inside &= at["x"] + at["width"] <= page["width"]
        if not inside or at["y"] + at["height"] > page["height"]:
            yield f"visual {name}: it leaves the page"
    for (name, one), (other, two) in combinations(visuals.items(), 2):
        a, b = one["position"], two["position"]
        beside = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
        above = a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]
        if not beside and not above:
            yield f"visual {name}: it lies on {other}"


def _of_visual(path: str, document: Mapping[str, Any], found: Model) -> Iterator[str]:
    where = f"visual {path.split('/')[-2]}"
    visual = document["visual"]
    kind = visual["visualType"]
    state = visual.get("query", {}).get("queryState", {})
    if kind != pbir.TEXT and kind not in pbir.ROLES:
        yield f"{where}: {kind} is no kind of visual that is known here"
    for role in pbir.ROLES.get(kind, ()):
        if not state.get(role, {}).get("projections"):
            yield f"{where}: a {kind} needs {role}"
    if not visual.get("visualContainerObjects", {}).get("general"):
        yield f"{where}: it says nothing to who does not see it"
    yield from _of_query(where, visual.get("query", {}))
    yield from _of_calendar(where, state, found)
    for table, field, is_measure in _fields(document, {}):
        known = found.measures(table) if is_measure else found.columns(table)
        if field not in known:
            what = "measure" if is_measure else "column"
            yield f"{where}: the model has no {what} {table}[{field}]"


def _of_calendar(where: str, state: Mapping[str, Any], found: Model) -> Iterator[str]:
    """By day, a measure is blank where nothing happened: else each day to come has a 0."""
    axis = {table for table, _, _ in _fields(state.get("Category", {}), {})}
    if CALENDAR not in axis:
        return
    for table, name, is_measure in _fields(state.get("Y", {}), {}):
        node = found.measures(table).get(name) if is_measure else None
        if node and "COALESCE" in node.expression:
            yield f"{where}: {name} is 0 on days without rows, those to come, too"


def _of_query(where: str, query: Mapping[str, Any]) -> Iterator[str]:
    """Fields are called what they refer to, and rows are sorted by what is shown."""
    state = query.get("queryState", {})
    shown = [each for role in state.values() for each in role["projections"]]
    for projection in shown:
        (field,) = projection["field"].values()
        table = field["Expression"]["SourceRef"].get("Entity")
        if projection["queryRef"] != f"{table}.{field['Property']}":
            yield f"{where}: {projection['queryRef']} is not what it refers to"
    for sort in query.get("sortDefinition", {}).get("sort", []):
        if sort["field"] not in [each["field"] for each in shown]:
            yield f"{where}: it is sorted by what it does not show"


def _fields(part: Any, sources: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:  # noqa: ANN401
    """Every field that a document names: its table, its name, whether it is a measure."""
    if isinstance(part, list):
        for each in part:
            yield from _fields(each, sources)
    if not isinstance(part, dict):
        return
    sources = {**sources, **{each["Name"]: each["Entity"] for each in part.get("From", [])}}
    for kind, inner in part.items():
        if kind in ("Column", "Measure"):
            source = inner["Expression"]["SourceRef"]
            table = source.get("Entity") or sources.get(source.get("Source"), "")
            yield table, inner["Property"], kind == "Measure"
        else:
            yield from _fields(inner, sources)
