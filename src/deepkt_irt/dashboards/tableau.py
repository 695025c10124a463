"""Tableau's side: a data source per mart, with the shared figures as calculated fields.

A data source is live: it asks the view when somebody looks, signed in as that person.
"""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from deepkt_irt.dashboards.connecting import CATALOG, HOST, HTTP_PATH, SCHEMA, marts
from deepkt_irt.dashboards.formulas import FORMULAS
from deepkt_irt.dashboards.measures import MEASURES, Measure, Unit
from deepkt_irt.dashboards.semantic_model import SHARES, is_hidden
from deepkt_irt.tables.contract import Column, View

FOLDER = "dashboards/tableau"
CONNECTION = "databricks.deepkt"
TYPES = {
    "string": "string",
    "boolean": "boolean",
    "int": "integer",
    "bigint": "integer",
    "double": "real",
    "date": "date",
    "timestamp": "datetime",
}
# what ODBC calls them; Tableau renews it when it connects
_REMOTE = {
    "string": "130", "boolean": "11", "integer": "20", "real": "5", "date": "133",
    "datetime": "135",
}  # fmt: skip
_FORMATS = {
    Unit.COUNT: "n#,##0;-#,##0",
    Unit.SHARE: "p0.0%",
    Unit.FIGURE: "n#,##0.000;-#,##0.000",
    Unit.USD: 'c"$"#,##0.00;-"$"#,##0.00',
    Unit.HOURS: "n#,##0.0;-#,##0.0",
}
_WHOLE = {Unit.COUNT}
_SHOWN = {"item_id"}  # items are counted by it


def files() -> dict[str, str]:
    """The text of each data source's file, by its path in the repository."""
    return {f"{FOLDER}/{view.name}.tds": as_text(_file(view)) for view in marts()}


def as_text(root: Element) -> str:
    """An XML document as a file has it."""
    indent(root, "  ")
    return f"<?xml version='1.0' encoding='utf-8' ?>\n{tostring(root, 'unicode')}\n"


def _file(view: View) -> Element:
    root = datasource(view)
    root.attrib = {"formatted-name": name_of(view), "source-platform": "win", **root.attrib}
    return root


def name_of(view: View) -> str:
    """What other parts of a workbook call the data source."""
    return f"federated.{view.name}"


def datasource(view: View) -> Element:
    """A mart as Tableau knows it: connection, columns, figures."""
    root = Element("datasource", {
        "caption": title(view.name), "inline": "true", "version": "18.1",
    })  # fmt: skip
    connection = SubElement(root, "connection", {"class": "federated"})
    named = SubElement(connection, "named-connections")
    outer = SubElement(named, "named-connection", {"caption": "Databricks", "name": CONNECTION})
    SubElement(outer, "connection", {
        "authentication": "oauth", "class": "databricks", "dbname": CATALOG, "schema": SCHEMA,
        "server": HOST, "v-http-path": HTTP_PATH,
    })  # fmt: skip
    SubElement(connection, "relation", {
        "connection": CONNECTION, "name": view.name,
        "table": f"[{CATALOG}].[{SCHEMA}].[{view.name}]", "type": "table",
    })  # fmt: skip
    records = SubElement(connection, "metadata-records")
    for place, column in enumerate(view.columns):
        records.append(_record(view, column, place))
    SubElement(root, "aliases", {"enabled": "yes"})
    root.extend(fields(view).values())
    return root


def fields(view: View) -> dict[str, Element]:
    """What the data source of a mart declares: its columns, and figures as calculated fields."""
    figures = {figure(each): _figure(each) for each in MEASURES if each.mart == view.name}
    return {column.name: _column(column) for column in view.columns} | figures


def title(name: str) -> str:
    """A name for people."""
    return name.replace("_", " ").capitalize()


def figure(measure: Measure) -> str:
    """What formulas and sheets call a shared figure; no column is called so."""
    return f"figure_{measure.name}"


def _record(view: View, column: Column, place: int) -> Element:
    record = Element("metadata-record", {"class": "column"})
    local = TYPES[column.type]
    told = {
        "remote-name": column.name,
        "remote-type": _REMOTE[local],
        "local-name": f"[{column.name}]",
        "parent-name": f"[{view.name}]",
        "remote-alias": column.name,
        "ordinal": str(place),
        "local-type": local,
        "aggregation": _aggregation(column),
        "contains-null": str(column.nullable).lower(),
    }
    for name, value in told.items():
        SubElement(record, name).text = value
    return record


def is_measured(column: Column) -> bool:
    """Whether it is a number that sheets add up or average."""
    return column.type in ("int", "bigint", "double") and not is_hidden(column)


def _aggregation(column: Column) -> str:
    if not is_measured(column):
        return "Year" if column.type in ("date", "timestamp") else "Count"
    return "Avg" if column.type == "double" and column.unit != "US dollar" else "Sum"


def _column(column: Column) -> Element:
    local = TYPES[column.type]
    shown = {
        "aggregation": _aggregation(column),
        "caption": title(column.name),
        "datatype": local,
        "name": f"[{column.name}]",
        "role": "measure" if is_measured(column) else "dimension",
        "type": _scale(column),
    }
    if is_measured(column) and column.name in SHARES:
        shown["default-format"] = _FORMATS[Unit.SHARE]
    if is_hidden(column) and column.name not in _SHOWN:
        shown["hidden"] = "true"
    element = Element("column", dict(sorted(shown.items())))
    _describe(element, column.full_comment)
    return element


def _scale(column: Column) -> str:
    if is_measured(column):
        return "quantitative"
    return "ordinal" if column.type in ("date", "timestamp") else "nominal"


def _figure(measure: Measure) -> Element:
    element = Element("column", {
        "caption": measure.title,
        "datatype": "integer" if measure.unit in _WHOLE else "real",
        "default-format": _FORMATS[measure.unit],
        "name": f"[{figure(measure)}]",
        "role": "measure",
        "type": "quantitative",
    })  # fmt: skip
    formula = FORMULAS[measure.name].tableau
    SubElement(element, "calculation", {"class": "tableau", "formula": formula})
    _describe(element, f"In SQL: {measure.expression}")
    return element


def _describe(element: Element, text: str) -> None:
    formatted = SubElement(SubElement(element, "desc"), "formatted-text")
    SubElement(formatted, "run").text = text
