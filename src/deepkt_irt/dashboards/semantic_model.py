"""The semantic model of Power BI: tables from the contracts of views, measures, relationships.

Tables are asked when somebody looks (DirectQuery): a view shows each teacher the own classes by
asking who looks, and a copy would hold what one person saw, for all. Only the calendar is
imported; it says nothing of anybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from deepkt_irt.dashboards.connecting import (
    CATALOG,
    HOST,
    HTTP_PATH,
    SCHEMA,
    SHARED,
    guid,
    marts,
)
from deepkt_irt.dashboards.formulas import model_measures
from deepkt_irt.dashboards.measures import Unit
from deepkt_irt.dashboards.tmdl import Node, written
from deepkt_irt.tables.contract import Column, View

TYPES = {
    "string": "string",
    "boolean": "boolean",
    "int": "int64",
    "bigint": "int64",
    "double": "double",
    "date": "dateTime",
    "timestamp": "dateTime",
}
FORMATS = {
    Unit.COUNT: "#,0",
    Unit.SHARE: "0.0%",
    Unit.FIGURE: "0.000",
    Unit.USD: r"\$#,0.00",
    Unit.HOURS: "#,0.0",
}
SHARES = frozenset({
    "mastery", "mastery_low", "mastery_high", "mean_mastery", "mean_margin", "next_p_correct",
    "exposure", "p_value", "mean_p_correct", "ece", "accuracy",
})  # fmt: skip
# what Power BI asks of who opens the project: the default, and what it is
PARAMETERS = {
    "ServerHostname": (HOST, "Host of the workspace, as the warehouse's connection details say."),
    "HttpPath": (HTTP_PATH, "Path of the SQL warehouse."),
    "Catalog": (CATALOG, "Catalog of the target: deepkt, deepkt_staging or deepkt_dev."),
    "Schema": (SCHEMA, "Schema of the views; a developer's own deployment has a prefix."),
}
CALENDAR = "Day"
FIRST_DAY = "FirstDay"


@dataclass(frozen=True)
class Derived:
    """A column that Power BI derives from others of its row."""

    name: str
    type: str
    description: str
    dax: str


def _day(table: str, instant: str) -> str:
    column = f"'{table}'[{instant}]"
    return f"DATE(YEAR({column}), MONTH({column}), DAY({column}))"


_DIFFICULTY = "'item_watchlist'[difficulty]"
DERIVED: Mapping[str, tuple[Derived, ...]] = {
    "operations": (
        Derived("started_on", "dateTime", "day of started_at", _day("operations", "started_at")),
    ),
    "model_quality": (
        Derived("evaluated_on", "dateTime", "day of evaluated_at",
                _day("model_quality", "evaluated_at")),
    ),
    "policy_quality": (
        Derived("decided_on", "dateTime", "day of decided_at",
                _day("policy_quality", "decided_at")),
    ),
    "item_watchlist": (
        Derived("band", "string", "difficulty in words; its number keeps the order",
                f'SWITCH(TRUE(), ISBLANK({_DIFFICULTY}), "5 not calibrated", '
                f'{_DIFFICULTY} < -1, "1 easy", {_DIFFICULTY} < 0, "2 rather easy", '
                f'{_DIFFICULTY} < 1, "3 rather hard", "4 hard")'),
    ),
}  # fmt: skip
# by table: name of the hierarchy and its levels from the top
HIERARCHIES: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "student_today": (("Class and student", ("class", "student")),),
    "item_watchlist": (("Skill and item", ("skill", "item")),),
    "operations": (("Task and run", ("task", "run_id")),),
    "model_quality": (("Model and version", ("model_name", "model_version")),),
    "llm_usage": (("Model and task", ("model", "task")),),
    CALENDAR: (("Calendar", ("year", "month", "date")),),
}
# many of the first, one of the second
RELATIONSHIPS = (
    *((f"{mart}.{columns[0]}", f"{table}.{columns[0]}")
      for table, (columns, names) in SHARED.items() for mart in names),
    ("operations.started_on", f"{CALENDAR}.date"),
    ("model_quality.evaluated_on", f"{CALENDAR}.date"),
    ("policy_quality.decided_on", f"{CALENDAR}.date"),
    ("explanation_quality.day", f"{CALENDAR}.date"),
    ("llm_usage.day", f"{CALENDAR}.date"),
)  # fmt: skip

_CONNECT = """\
Server = Databricks.Catalogs(ServerHostname, HttpPath, [Catalog = Catalog, Database = Schema, \
EnableAutomaticProxyDiscovery = null]),
InCatalog = Server{[Name = Catalog, Kind = "Database"]}[Data],
InSchema = InCatalog{[Name = Schema, Kind = "Schema"]}[Data],"""
_CALENDAR = """\
let
    Last = Date.EndOfYear(Date.AddYears(Date.From(DateTime.LocalNow()), 1)),
    Count = Duration.Days(Last - FirstDay) + 1,
    Days = List.Dates(FirstDay, Count, #duration(1, 0, 0, 0)),
    Listed = Table.FromList(Days, Splitter.SplitByNothing(), {"date"}),
    Typed = Table.TransformColumnTypes(Listed, {{"date", type date}}),
    WithYear = Table.AddColumn(Typed, "year", each Date.Year([date]), Int64.Type),
    WithMonth = Table.AddColumn(WithYear, "month", each Date.ToText([date], "yyyy-MM"), type text)
in
    WithMonth"""


def files() -> dict[str, str]:
    """The text of each file, by its path below the folder `definition`."""
    tables = _tables()
    return {
        "database.tmdl": written([Node("database", properties={"compatibilityLevel": "1600"})]),
        "model.tmdl": written(_model(tables)),
        "expressions.tmdl": written(_parameters()),
        "relationships.tmdl": written(_relationships()),
        **{f"tables/{table.name}.tmdl": written([table]) for table in tables},
    }


def _model(tables: tuple[Node, ...]) -> tuple[Node, ...]:
    properties = {
        "culture": "en-US",
        "defaultPowerBIDataSourceVersion": "powerBI_V3",
        "discourageImplicitMeasures": "",  # each figure is a measure, so that it has one meaning
        "sourceQueryCulture": "en-US",
    }
    return (
        Node("model", "Model", properties=properties,
             description="Marts of deepkt-irt: who needs help, which items, what runs."),
        Node("annotation", "__PBI_TimeIntelligenceEnabled", "0"),
        *(Node("ref table", table.name) for table in tables),
    )  # fmt: skip


def _parameters() -> tuple[Node, ...]:
    asked = 'meta [IsParameterQuery = true, Type = "{}", IsParameterQueryRequired = true]'
    texts = tuple(
        Node("expression", name, f'"{value}" {asked.format("Text")}',
             {"lineageTag": guid("expression", name)}, description=says)
        for name, (value, says) in PARAMETERS.items()
    )  # fmt: skip
    first = Node(
        "expression", FIRST_DAY, f"#date(2025, 1, 1) {asked.format('Date')}",
        {"lineageTag": guid("expression", FIRST_DAY)},
        description="First day of the calendar; what is older stands on no day.",
    )  # fmt: skip
    return (*texts, first)


def _relationships() -> tuple[Node, ...]:
    return tuple(
        Node("relationship", guid("relationship", many, one),
             properties={"fromColumn": many, "toColumn": one})
        for many, one in RELATIONSHIPS
    )  # fmt: skip


def _tables() -> tuple[Node, ...]:
    views = {view.name: view for view in marts()}
    return (
        *(_mart(view) for view in views.values()),
        *(_shared(table, columns, views[names[0]]) for table, (columns, names) in SHARED.items()),
        _calendar(),
    )


def _mart(view: View) -> Node:
    source = _let(f"Wanted = {_selected(_view(view.name), view.column_names)}")
    columns = tuple(_column(view.name, column) for column in view.columns)
    return _table(view.name, view.comment, columns, _partition(view.name, source))


def _shared(table: str, names: tuple[str, ...], view: View) -> Node:
    """What several marts have in common, each once."""
    parts = [
        f"Of{number} = {_selected(_view(mart), names)},"
        for number, mart in enumerate(SHARED[table][1], 1)
    ]
    listed = ", ".join(f"Of{number}" for number in range(1, len(parts) + 1))
    source = _let(
        *parts,
        f"All = Table.Combine({{{listed}}}),",
        f"Known = Table.SelectRows(All, each [{names[0]}] <> null),",
        "Once = Table.Distinct(Known)",
    )
    columns = tuple(_column(table, view.column(name), is_key=name == names[0]) for name in names)
    comment = f"Every {table.lower()} that the marts speak of."
    return _table(table, comment, columns, _partition(table, source))


def _calendar() -> Node:
    columns = (
        Column("date", "date", "day, UTC"),
        Column("year", "int", "its year", unit="year"),
        Column("month", "string", "its year and month"),
    )
    shown = tuple(_column(CALENDAR, each, is_key=each.name == "date") for each in columns)
    comment = "Days from FirstDay to the end of next year."
    partition = _partition(CALENDAR, _CALENDAR, mode="import")
    return _table(CALENDAR, comment, shown, partition, {"dataCategory": "Time"})


def _table(
    name: str,
    comment: str,
    columns: tuple[Node, ...],
    partition: Node,
    properties: Mapping[str, str] | None = None,
) -> Node:
    measures = (
        Node("measure", each.title, each.dax,
             {"formatString": FORMATS[each.unit], "lineageTag": guid("measure", each.title)},
             description=each.description)
        for each in model_measures() if each.mart == name
    )  # fmt: skip
    hierarchies = (_hierarchy(name, *each) for each in HIERARCHIES.get(name, ()))
    derived = (_derived(name, each) for each in DERIVED.get(name, ()))
    children = (*measures, *columns, *derived, *hierarchies, partition)
    tagged = {"lineageTag": guid("table", name), **(properties or {})}
    return Node("table", name, properties=tagged, children=children, description=comment)


def is_hidden(column: Column) -> bool:
    """Whether it serves to tell rows apart and join them, and says nothing to people."""
    return column.name.endswith(("_key", "_id"))


def _column(table: str, column: Column, *, is_key: bool = False) -> Node:
    properties = {"dataType": TYPES[column.type]}
    properties |= {"isHidden": ""} if is_hidden(column) else {}
    properties |= {"isKey": ""} if is_key else {}
    properties |= {"formatString": shown} if (shown := _format(column)) else {}
    properties |= {
        "lineageTag": guid("column", table, column.name),
        "summarizeBy": "none",
        "sourceColumn": column.name,
    }
    return Node("column", column.name, properties=properties, description=column.full_comment)


_BY_TYPE = {
    "date": "yyyy-mm-dd",
    "timestamp": "yyyy-mm-dd hh:nn",
    "int": FORMATS[Unit.COUNT],
    "bigint": FORMATS[Unit.COUNT],
    "double": FORMATS[Unit.FIGURE],
}
_BY_UNIT = {
    "US dollar": FORMATS[Unit.USD],
    "ms": FORMATS[Unit.HOURS],
    "s": FORMATS[Unit.HOURS],
    "year": "0",
}


def _format(column: Column) -> str:
    """How values are written; empty: as they are."""
    if column.name in SHARES:
        return FORMATS[Unit.SHARE]
    return _BY_UNIT.get(column.unit) or _BY_TYPE.get(column.type, "")


def _derived(table: str, derived: Derived) -> Node:
    properties = {"dataType": derived.type}
    properties |= {"formatString": "yyyy-mm-dd"} if derived.type == "dateTime" else {}
    properties |= {"lineageTag": guid("column", table, derived.name), "summarizeBy": "none"}
    return Node("column", derived.name, derived.dax, properties, description=derived.description)


def _hierarchy(table: str, name: str, levels: tuple[str, ...]) -> Node:
    children = tuple(
        Node("level", level.replace("_", " ").capitalize(),
             properties={"lineageTag": guid("level", table, name, level), "column": level})
        for level in levels
    )  # fmt: skip
    return Node("hierarchy", name, properties={"lineageTag": guid("hierarchy", table, name)},
                children=children)  # fmt: skip


def _partition(table: str, source: str, *, mode: str = "directQuery") -> Node:
    return Node("partition", table, "m", {"mode": mode, "source": source})


def _view(name: str) -> str:
    return f'InSchema{{[Name = "{name}", Kind = "View"]}}[Data]'


def _selected(table: str, columns: tuple[str, ...]) -> str:
    listed = ", ".join(f'"{name}"' for name in columns)
    return f"Table.SelectColumns({table}, {{{listed}}})"


def _let(*steps: str) -> str:
    """An expression that connects, goes on by these steps and gives the last one's value."""
    lines = [*_CONNECT.splitlines(), *steps]
    body = "\n".join(f"    {line}" for line in lines)
    return f"let\n{body}\nin\n    {steps[-1].partition(' ')[0]}"
