"""A window of a table through Spark's JDBC reader, part by part, to landing files.

A part is a predicate on the watermark's column, which the server evaluates, and becomes one file.
Products differ here in their address, their properties and in what they call a time.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import pyarrow as pa

from deepkt_irt.errors import BackendUnavailable, BadFile
from deepkt_irt.java import jdbc_driver
from deepkt_irt.pulling.connection import LOOPBACK, Database, TimeColumn
from deepkt_irt.pulling.landed_csv import partial_of, written
from deepkt_irt.pulling.secrets import secret
from deepkt_irt.pulling.windows import Window
from deepkt_irt.session import on_databricks
from deepkt_irt.sources.responses_csv import COPIED_COLUMNS, copied_layout

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


_WRITTEN = "part int, n_rows bigint, partial string"


@dataclass(frozen=True)
class Product:
    """What a database product has of its own.

    Attributes:
        url: JDBC address, with host, port and database to fill in.
        port: Where it listens.
        driver: Class of its driver.
        time: Its type of a time without zone.
        checked: Properties of a connection that is encrypted, to a server with a sound certificate.
        nearby: Properties of a connection within this machine.
        session: Statement that begins a session.
    """

    url: str
    port: int
    driver: str
    time: str
    checked: dict[str, str]
    nearby: dict[str, str]
    session: str = ""


PRODUCTS = {
    "sql_server": Product(
        url="jdbc:sqlserver://{host}:{port};databaseName={{{database}}}",
        port=1433,
        driver="com.microsoft.sqlserver.jdbc.SQLServerDriver",
        time="datetime2",
        checked={"encrypt": "true", "trustServerCertificate": "false"},
        nearby={"encrypt": "true", "trustServerCertificate": "true"},
    ),
    "postgresql": Product(
        url="jdbc:postgresql://{host}:{port}/{database}",
        port=5432,
        driver="org.postgresql.Driver",
        time="timestamp",
        checked={
            "sslmode": "verify-full",
            "sslfactory": "org.postgresql.ssl.DefaultJavaSSLFactory",
        },
        nearby={"sslmode": "prefer"},
        session="SET TIME ZONE 'UTC'",
    ),
}


@dataclass(frozen=True)
class Found[M: datetime | int]:
    """What a table has in a window.

    Attributes:
        n_rows: Rows, at least 1.
        low: Least value of the watermark's column.
        high: Greatest one.
    """

    n_rows: int
    low: M
    high: M


@dataclass(frozen=True)
class Part[M: datetime | int]:
    """A part that was written aside."""

    window: Window[M]
    n_rows: int
    partial: Path


@dataclass(frozen=True)
class Table:
    """A table or view behind a connection, open for questions.

    Attributes:
        spark: Reads through JDBC.
        connection: Which table, as whom.
    """

    spark: "SparkSession"
    connection: Database

    @classmethod
    def open(cls, spark: "SparkSession", connection: Database) -> "Table":
        """The table, with a driver to reach it; Databricks brings its own.

        Raises:
            BackendUnavailable: If no driver can be had.
        """
        if not on_databricks():
            jar = connection.driver_jar or jdbc_driver(connection.product)
            with _asking(connection):
                spark.sql(f"ADD JAR {jar.resolve().as_uri()}")
        return cls(spark, connection)

    def highest(self, since: int) -> int | None:
        """Greatest number from `since` on; None if there is none.

        Raises:
            BackendUnavailable: If the database cannot be asked.
        """
        (highest,) = self._asked(self._from(since), self._figure("MAX"))
        return None if highest is None else int(highest)

    def found[M: datetime | int](self, window: Window[M]) -> Found[M] | None:
        """How much there is in a window, and from where to where; None if nothing is.

        Raises:
            BackendUnavailable: If the database cannot be asked.
        """
        count = "CAST(SUM(CAST(1 AS bigint)) AS bigint)"  # as COUNT is an int in SQL Server
        figures = (count, self._figure("MIN"), self._figure("MAX"))
        n_rows, low, high = self._asked(self._within(window), *figures)
        if n_rows is None or low is None or high is None:
            return None
        read = int if isinstance(window.since, int) else datetime.fromisoformat
        return Found(int(n_rows), cast("M", read(low)), cast("M", read(high)))

    def write_aside[M: datetime | int](
        self, windows: list[Window[M]], folder: Path
    ) -> list[Part[M]]:
        """Read windows side by side; each with rows becomes a file under a hidden name.

        Raises:
            BackendUnavailable: If the database or the folder fails; nothing has landed then.
            BadFile: If the table lacks a column.
        """
        from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

        files = [folder / each.file_name(self.connection.name) for each in windows]
        predicates = [self._within(each) for each in windows]
        options = self._options()

        def write(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return _write_part(files, batches)

        with _asking(self.connection):
            rows = self.spark.read.jdbc(
                options.pop("url"),
                _quoted(self.connection.table),
                predicates=predicates,
                properties=options,
            )
            frame = rows.select(F.spark_partition_id().alias("part"), *self._columns(rows))
            done = frame.mapInArrow(write, _WRITTEN)
            row = done.agg(F.collect_list(F.struct("*"))).first()
        told = sorted(row[0]) if row else []
        return [Part(windows[number], n_rows, Path(partial)) for number, n_rows, partial in told]

    def _asked(self, where: str, *figures: str) -> list[str | None]:
        """Figures of the rows that meet a condition, as text."""
        listed = ", ".join(f"{each} AS figure_{n}" for n, each in enumerate(figures))
        # what a person wrote stands in it as quoted names only
        query = f"SELECT {listed} FROM {_quoted(self.connection.table)} WHERE {where}"  # noqa: S608
        with _asking(self.connection):
            options = {**self._options(), "query": query}
            answer = self.spark.read.format("jdbc").options(**options).load()
            row = answer.select(*(_as_text(answer, name) for name in answer.columns)).first()
        return list(row) if row else [None for _ in figures]

    def _options(self) -> dict[str, str]:
        """Options of Spark's JDBC reader; what is not its own goes to the driver."""
        connection, product = self.connection, PRODUCTS[self.connection.product]
        port = connection.port or product.port
        options = {
            "url": product.url.format(
                host=connection.host, port=port, database=connection.database
            ),
            "driver": product.driver,
            "user": connection.user,
            "password": secret(connection.password),
            "fetchsize": str(connection.rows_per_fetch),
            "queryTimeout": str(connection.timeout_seconds),
            "preferTimestampNTZ": "true",  # else the JVM's zone moves times without one
            **(product.nearby if connection.host in LOOPBACK else product.checked),
        }
        return options | ({"sessionInitStatement": product.session} if product.session else {})

    @property
    def _column(self) -> str:
        return _quoted(self.connection.watermark.column)

    def _figure(self, function: str) -> str:
        figure = f"{function}({self._column})"
        is_time = isinstance(self.connection.watermark, TimeColumn)
        return figure if is_time else f"CAST({figure} AS bigint)"

    def _within[M: datetime | int](self, window: Window[M]) -> str:
        until = self._literal(window.until)
        return f"{self._from(window.since)} AND {self._column} < {until}"

    def _from(self, since: datetime | int) -> str:
        return f"{self._column} >= {self._literal(since)}"

    def _literal(self, mark: datetime | int) -> str:
        if isinstance(mark, int):
            return str(mark)
        plain = mark.replace(tzinfo=None).isoformat(timespec="microseconds")
        return f"CAST('{plain}' AS {PRODUCTS[self.connection.product].time})"

    def _columns(self, rows: "DataFrame") -> "list[Column]":
        """The layout's columns as text; null where the table has none.

        Raises:
            BadFile: If a column that is named, or needed, is not there.
        """
        from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

        named = self.connection.columns
        needed = {each.column for each in copied_layout().fields if each.filled} | named.keys()
        places = {name: named.get(name, name) for name in COPIED_COLUMNS}
        absent = [places[name] for name in sorted(needed) if places[name] not in rows.columns]
        if absent:
            raise BadFile(
                self.connection.name,
                f"{self.connection.table} has no column {', '.join(absent)} among "
                f"{', '.join(rows.columns)}",
                "name it under columns in the connection",
            )
        return [
            (_as_text(rows, place) if place in rows.columns else F.lit(None).cast("string")).alias(
                name
            )
            for name, place in places.items()
        ]


def _write_part(
    files: Sequence[Path], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Write the rows of a part to a file, where the executors are.

    Args:
        files: By number of the part, its landing file.
        batches: Its rows; the number stands in front of the layout's columns.

    Returns:
        One row that says what was written; none if the part is empty.
    """
    filled = (batch for batch in batches if batch.num_rows)
    first = next(filled, None)
    if first is None:
        return
    number = first.column(0)[0].as_py()
    # an attempt that is repeated elsewhere writes a file of its own
    partial = partial_of(files[number], attempt=f".{uuid4().hex[:8]}")
    with written(partial) as out:
        for batch in (first, *filled):
            columns = [column.to_pylist() for column in batch.columns[1:]]
            out.add(zip(*columns, strict=True))
    told = [pa.array([number], pa.int32()), pa.array([out.n]), pa.array([str(partial)])]
    yield pa.RecordBatch.from_arrays(told, ["part", "n_rows", "partial"])


def _quoted(name: str) -> str:
    """A name, or names with dots between, as identifiers; the connection let no quote in."""
    return ".".join(f'"{part}"' for part in name.split("."))


def _as_text(frame: "DataFrame", name: str) -> "Column":
    """A value as the layout has it: times in ISO 8601 with zone, several skills joined."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark
    from pyspark.sql import types as T  # noqa: PLC0415

    value, kind = F.col(f"`{name}`"), frame.schema[name].dataType
    if isinstance(kind, T.TimestampType):
        return F.date_format(value, "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX")
    if isinstance(kind, T.TimestampNTZType):
        return F.concat(F.translate(value.cast("string"), " ", "T"), F.lit("Z"))
    if isinstance(kind, T.ArrayType):
        return F.array_join(value.cast("array<string>"), ";")
    return value.cast("string")


@contextmanager
def _asking(connection: Database) -> Iterator[None]:
    """What Spark and the driver raise as ours, in one line."""
    from py4j.protocol import Py4JJavaError  # noqa: PLC0415 - start without Spark
    from pyspark.errors import PySparkException  # noqa: PLC0415

    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        where = f"{connection.name}: {connection.product} at {connection.host}"
        raise BackendUnavailable(f"{where}: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    """The innermost of what a stack of causes says."""
    lines = str(error).splitlines() or [type(error).__name__]
    causes = [line for line in lines if line.startswith(("Caused by: ", ": "))]
    line = (causes or lines)[-1 if causes else 0]
    return line.removeprefix("Caused by: ").removeprefix(": ")[:300]
