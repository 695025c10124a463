"""What must hold of Tableau's files, as far as can be told without Tableau."""

import re
from collections.abc import Iterable, Iterator, Mapping
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element, ParseError

from deepkt_irt.dashboards import tableau
from deepkt_irt.dashboards.connecting import CATALOG, SCHEMA
from deepkt_irt.dashboards.formulas import FORMULAS
from deepkt_irt.dashboards.measures import MEASURES
from deepkt_irt.dashboards.workbook_checks import of_sheets
from deepkt_irt.tables.contract import Column, View

_NAMED = re.compile(r"\[(\w+)\]")
_SECRETS = ("password", "username", "token")


def problems(files: Mapping[str, str], views: Iterable[View]) -> Iterator[str]:
    """What is wrong with the files; nothing if all is well.

    Args:
        files: Text by path.
        views: What data sources must give.
    """
    roots = dict[str, Element]()
    for path, text in files.items():
        try:
            roots[path] = ET.fromstring(text)  # noqa: S314 - files of this repository
        except ParseError as error:
            yield f"{path}: no XML: {error}"
    by_name = {view.name: view for view in views}
    for view in by_name.values():
        path = f"{view.name}.tds"
        if path not in files:
            yield f"{path}: there is no data source for the view"
        elif path in roots:
            yield from _of_source(view, roots[path])
    for root in (root for path, root in roots.items() if path.endswith(".twb")):
        for source in root.findall("./datasources/datasource"):
            name = source.get("name", "").partition(".")[2]
            if name not in by_name:
                yield f"data source {name}: there is no view for it"
            else:
                yield from _of_source(by_name[name], source)
        yield from of_sheets(root)


def _of_source(view: View, root: Element) -> Iterator[str]:
    yield from _of_connection(view, root)
    declared = {column.get("name", "").strip("[]"): column for column in root.findall("column")}
    for column in view.columns:
        if column.name not in declared:
            yield f"column {view.name}.{column.name}: the data source does not have it"
        else:
            yield from _of_column(f"column {view.name}.{column.name}", column,
                                  declared[column.name])  # fmt: skip
    told = {
        record.findtext("remote-name"): record.findtext("local-type")
        for record in root.iter("metadata-record")
    }
    if told != {column.name: tableau.TYPES[column.type] for column in view.columns}:
        yield f"data source {view.name}: what it says of the view's columns is not the contract's"
    yield from _of_figures(view, declared)


def _of_connection(view: View, root: Element) -> Iterator[str]:
    where = f"data source {view.name}"
    inner = root.find("./connection/named-connections/named-connection/connection")
    has = {} if inner is None else inner.attrib
    if has.get("class") != "databricks":
        yield f"{where}: it connects by {has.get('class')}, not by databricks"
    if has.get("authentication") != "oauth" or any(name in has for name in _SECRETS):
        yield f"{where}: each person signs in alone, by OAuth; nothing is stored"
    for name in ("server", "v-http-path", "dbname", "schema"):
        if not has.get(name):
            yield f"{where}: its connection lacks {name}"
    asked = {str(relation.get("table")) for relation in root.iter("relation")}
    if asked != {f"[{CATALOG}].[{SCHEMA}].[{view.name}]"}:
        yield f"{where}: it asks {', '.join(sorted(asked))}"


def _of_column(where: str, column: Column, has: Element) -> Iterator[str]:
    if (kind := has.get("datatype")) != tableau.TYPES[column.type]:
        yield f"{where}: {column.type} is {tableau.TYPES[column.type]}, not {kind}"
    role = "measure" if tableau.is_measured(column) else "dimension"
    if has.get("role") != role:
        yield f"{where}: it is a {role}"
    if (has.get("type") == "quantitative") != (role == "measure"):
        yield f"{where}: {has.get('type')} is no scale of a {role}"
    if "".join(has.itertext()).strip() != column.full_comment:
        yield f"{where}: its description is not the contract's"


def _of_figures(view: View, declared: Mapping[str, Element]) -> Iterator[str]:
    for measure in MEASURES:
        if measure.mart != view.name:
            continue
        where = f"figure {measure.title}"
        column = declared.get(tableau.figure(measure))
        if column is None:
            yield f"{where}: {view.name} does not have it"
            continue
        calculation = column.find("calculation")
        formula = "" if calculation is None else calculation.get("formula", "")
        if column.get("caption") != measure.title:
            yield f"{where}: it is called {column.get('caption')}"
        for name in _NAMED.findall(formula):
            if name not in declared:
                yield f"{where}: there is no column [{name}]"
        if formula != FORMULAS[measure.name].tableau:
            yield f"{where}: its formula is not the one that says what its SQL says"
