"""What must hold of a semantic model's files, as far as can be told without Power BI.

Read from the files as they stand, so that a change by hand is judged, too.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from deepkt_irt.dashboards.formulas import model_measures
from deepkt_irt.dashboards.semantic_model import TYPES, is_hidden
from deepkt_irt.dashboards.tmdl import Node, TmdlError, read
from deepkt_irt.tables.contract import View

_QUALIFIED = re.compile(r"'((?:[^']|'')+)'(?:\[([^\]]+)\])?")
_ALONE = re.compile(r"(?<!['\w])\[([^\]]+)\]")
_TEXTS = re.compile(r'"(?:[^"]|"")*"')
_END = re.compile(r"^('[^']+'|\w+)\.('[^']+'|\w+)$")
_PARAMETERS = ("ServerHostname", "HttpPath", "Catalog", "Schema")


@dataclass(frozen=True)
class Model:
    """A semantic model as read: its tables by name, and all other objects by kind and name."""

    tables: Mapping[str, Node]
    others: Mapping[tuple[str, str], Node]

    def columns(self, table: str) -> dict[str, Node]:
        """Columns of a table; none if there is no such table."""
        return self.tables[table].of("column") if table in self.tables else {}

    def measures(self, table: str) -> dict[str, Node]:
        """Measures of a table; none if there is no such table."""
        return self.tables[table].of("measure") if table in self.tables else {}


def model(files: Mapping[str, str]) -> tuple[Model, list[str]]:
    """The model that TMDL files hold, and what could not be read of them.

    Args:
        files: Text by path.
    """
    nodes, wrong = list[Node](), list[str]()
    for path, text in sorted(files.items()):
        if path.endswith(".tmdl"):
            try:
                nodes += read(text)
            except TmdlError as error:
                wrong.append(f"{path.rpartition('/')[2]}, {error}")
    tables = {node.name: node for node in nodes if node.kind == "table"}
    others = {(node.kind, node.name): node for node in nodes if node.kind != "table"}
    return Model(tables, others), wrong


def problems(files: Mapping[str, str], views: Iterable[View]) -> Iterator[str]:
    """What is wrong with the model; nothing if all is well.

    Args:
        files: Text by path.
        views: What its tables must give.
    """
    found, wrong = model(files)
    yield from wrong
    yield from _of_references(found)
    for view in views:
        yield from _of_mart(view, found)
    yield from _of_relationships(found)
    for table in found.tables.values():
        yield from _of_table(table)
        yield from _of_fields(table, found)
    yield from _of_measures(found)
    yield from _of_tags(found)


def _of_references(found: Model) -> Iterator[str]:
    named = {name for kind, name in found.others if kind == "ref table"}
    for name in sorted(named ^ found.tables.keys()):
        yield f"table {name}: the model must name it, and it must have a file"
    for name in _PARAMETERS:
        parameter = found.others.get(("expression", name))
        if not parameter or "IsParameterQuery = true" not in parameter.expression:
            yield f"parameter {name}: there is none"


def _of_mart(view: View, found: Model) -> Iterator[str]:
    if not (table := found.tables.get(view.name)):
        yield f"table {view.name}: there is none for the view"
        return
    columns = found.columns(view.name)
    for column in view.columns:
        where = f"column {view.name}.{column.name}"
        if not (has := columns.get(column.name)):
            yield f"{where}: the table does not have it"
            continue
        if has.properties.get("sourceColumn") != column.name:
            yield f"{where}: its sourceColumn is {has.properties.get('sourceColumn')}"
        if (kind := has.properties.get("dataType")) != TYPES[column.type]:
            yield f"{where}: {column.type} is {TYPES[column.type]}, not {kind}"
        if has.description != column.full_comment:
            yield f"{where}: its description is not the contract's"
        if is_hidden(column) != ("isHidden" in has.properties):
            yield f"{where}: keys are hidden, and nothing else is"
    for name in sorted(n for n, c in columns.items() if not c.expression):
        if name not in view.column_names:
            yield f"column {view.name}.{name}: the view does not give it"
    yield from _of_query(view, table)


def _of_query(view: View, table: Node) -> Iterator[str]:
    """A mart is asked when somebody looks, through the parameters, for the contract's columns."""
    partitions = list(table.of("partition").values())
    if len(partitions) != 1:
        yield f"table {view.name}: it has {len(partitions)} partitions, not one"
        return
    source = partitions[0].properties.get("source", "")
    if partitions[0].properties.get("mode") != "directQuery":
        yield f"table {view.name}: a mart is not copied, since rows depend on who looks"
    if f'[Name = "{view.name}", Kind = "View"]' not in source:
        yield f"table {view.name}: its query does not ask the view"
    for name in _PARAMETERS:
        if not re.search(rf"[(,=] ?{name}\b", _TEXTS.sub("", source)):
            yield f"table {view.name}: its query does not use the parameter {name}"
    selected = re.search(r"Table\.SelectColumns\(.+?\[Data\], \{([^}]*)\}\)", source)
    if not selected or re.findall(r'"(\w+)"', selected[1]) != list(view.column_names):
        yield f"table {view.name}: its query does not select the view's columns"


def _of_relationships(found: Model) -> Iterator[str]:
    for (kind, name), node in found.others.items():
        if kind != "relationship":
            continue
        ends = [node.properties.get(end, "") for end in ("fromColumn", "toColumn")]
        where = f"relationship {' to '.join(ends)}"
        types = []
        for end in ends:
            match = _END.match(end)
            table, column = (part.strip("'") for part in match.groups()) if match else (end, "")
            if column not in found.columns(table):
                yield f"{where}: there is no column {end}"
            else:
                types.append(found.columns(table)[column].properties.get("dataType"))
        if len(types) == 2 and types[0] != types[1]:
            yield f"{where}: {types[0]} does not join {types[1]}"
        if not _is_guid(name):
            yield f"{where}: its name is no identifier"


def _is_guid(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text))


def _of_table(table: Node) -> Iterator[str]:
    """Hierarchies and the key of a calendar stand on its columns."""
    for hierarchy in table.of("hierarchy").values():
        for level in hierarchy.of("level").values():
            if level.properties.get("column") not in table.of("column"):
                yield (
                    f"hierarchy {table.name}.{hierarchy.name}: there is no column "
                    f"{level.properties.get('column')}"
                )
    if table.properties.get("dataCategory") == "Time":
        keys = [c for c in table.of("column").values() if "isKey" in c.properties]
        if [key.properties.get("dataType") for key in keys] != ["dateTime"]:
            yield f"table {table.name}: a calendar has one key, and that is a day"
    names = Counter(
        node.name.casefold() for node in table.children if node.kind in ("column", "measure")
    )
    for name in sorted(name for name, count in names.items() if count > 1):
        yield f"table {table.name}: {name} stands there twice"


def _of_fields(table: Node, found: Model) -> Iterator[str]:
    """Columns and measures say what they are, and formulas name what is there."""
    for node in table.children:
        if node.kind in ("column", "measure"):
            where = f"{node.kind} {table.name}.{node.name}"
            if not node.description:
                yield f"{where}: it has no description"
            if node.expression:
                yield from _of_formula(where, node, found)


def _of_formula(where: str, node: Node, found: Model) -> Iterator[str]:
    """Every table, column and measure that DAX names must be there, and brackets must close."""
    formula = _TEXTS.sub('""', node.expression)
    for opens, closes in ("()", "[]", "{}"):
        if formula.count(opens) != formula.count(closes):
            yield f"{where}: {opens} and {closes} do not match"
    if node.expression.count('"') % 2:
        yield f"{where}: a text is not closed"
    for table, column in _QUALIFIED.findall(formula):
        if table not in found.tables:
            yield f"{where}: there is no table {table}"
        elif column and column not in found.columns(table):
            yield f"{where}: there is no column {table}[{column}]"
    measures = {name for table in found.tables for name in found.measures(table)}
    for name in _ALONE.findall(_QUALIFIED.sub("", formula)):
        if name not in measures:
            yield f"{where}: there is no measure [{name}]"


def _of_measures(found: Model) -> Iterator[str]:
    """Shared figures are there, with their formula; each name is there once in the model."""
    counted = Counter(name for table in found.tables for name in found.measures(table))
    for name in sorted(name for name, count in counted.items() if count > 1):
        yield f"measure {name}: several tables have one of that name"
    for each in model_measures():
        has = found.measures(each.mart).get(each.title)
        if not has:
            yield f"measure {each.title}: {each.mart} does not have it"
        elif has.expression != each.dax:
            yield f"measure {each.title}: its formula is not the one that says what its SQL says"
    for table in found.tables:
        for name, has in found.measures(table).items():
            if "formatString" not in has.properties:
                yield f"measure {name}: it has no formatString"


def _of_tags(found: Model) -> Iterator[str]:
    """Lineage tags tell objects apart over time, so no two objects share one."""
    tags = Counter(tag for node in _all(found.tables.values())
                   if (tag := node.properties.get("lineageTag")))  # fmt: skip
    for tag in sorted(tag for tag, count in tags.items() if count > 1):
        yield f"lineageTag {tag}: several objects have it"


def _all(nodes: Iterable[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _all(node.children)
