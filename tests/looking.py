"""What tests that only look share: tables in memory, views over them, types of expressions."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException

from conftest import AS_OF, MakeFrame
from deepkt_irt.jobs.reading import Read, look
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.registry import views

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_OF_TYPE = {
    "string": "x",
    "int": 1,
    "bigint": 1,
    "double": 0.5,
    "timestamp": AS_OF,
    "boolean": False,
}


def filled(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with something in each column that must not be null."""
    must = {c.name: _OF_TYPE.get(c.type) for c in table.columns if not c.nullable}
    empty = {c.name: {} if c.type.startswith("map") else [] for c in table.columns}
    return {name: empty[name] if value is None else value for name, value in must.items()} | row


def tables_of(frame: MakeFrame, rows: Mapping[Table, list[dict[str, Any]]]) -> Read:
    """Reads made-up rows; a table without any is empty."""
    made = {
        table.qualified_name: frame(table, [filled(table, row) for row in given])
        for table, given in rows.items()
    }

    def read(table: Table) -> "DataFrame":
        return made.get(table.qualified_name, frame(table, []))

    return read


class InMemory:
    """Tables for what only reads: writing them to a disk would be most of such a test's time."""

    def __init__(self, frame: MakeFrame) -> None:
        self._frame, self._rows = frame, dict[str, "DataFrame"]()

    def overwrite(self, table: Table, rows: "DataFrame") -> None:
        """Replace all rows of a table."""
        self._rows[table.qualified_name] = rows

    def read(self, table: Table) -> "DataFrame":
        """Its rows; a table not yet written is empty."""
        found = self._rows.get(table.qualified_name)
        return self._frame(table, []) if found is None else found


def marts_of(read: Read, settings: Settings | None = None) -> "dict[str, DataFrame]":
    """Every view over some tables."""
    return {view.name: look(view, read) for view in views(settings or Settings())}


def type_in(marts: "Mapping[str, DataFrame]") -> Callable[[str, str], str]:
    """Says what type an expression over a dataset has, as Spark sees it."""
    spark = next(iter(marts.values())).sparkSession
    for name, mart in marts.items():
        mart.createOrReplaceTempView(name)

    def type_of(query: str, expression: str) -> str:
        try:
            found = spark.sql(f"SELECT {expression} AS field FROM ({query})")  # noqa: S608
        except PySparkException as error:
            raise ValueError(str(error).splitlines()[0]) from error
        return dict(found.dtypes)["field"]

    return type_of


def counters_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """SQL of each figure of a dashboard, by the name of its measure: what AI/BI makes of it."""
    from deepkt_irt.dashboards.checks import resolved  # needs sqlglot, which tests may lack

    for widget in (item["widget"] for page in document["pages"] for item in page["layout"]):
        if widget.get("spec", {}).get("widgetType") == "counter":
            query = widget["queries"][0]["query"]
            (field,) = query["fields"]
            rows, expression = resolved(document, query["datasetName"], field["expression"])
            name = widget["name"].removeprefix("counter_")
            yield name, f"SELECT {expression} AS value FROM ({rows})"  # noqa: S608
