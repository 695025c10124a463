"""The only file that creates, reads and writes tables, and the only one that knows their paths.

Every write is one Delta transaction. A frame that differs from its contract is refused.
"""

import shutil
import uuid
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from deepkt_irt.errors import AnotherRun, SchemaMismatch, UsageError
from deepkt_irt.tables.commit_log import last_change, last_commit, remove_unbegun
from deepkt_irt.tables.contract import Layer, Table
from deepkt_irt.tables.ddl import quoted, schema_of, table_ddl
from deepkt_irt.tables.quality import GONE, conformed, differing, matching
from deepkt_irt.tables.refusals import meaning_of
from deepkt_irt.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd
    from pyspark.sql import DataFrame, Row, SparkSession

_REPEATS = 3  # of a write that gives the same whatever another run wrote in between
_CHANGE_FEED = "delta.enableChangeDataFeed"
_KEEP = "delta.deletedFileRetentionDuration"


class TableStore:
    """Tables of one lake folder or one Unity Catalog catalog.

    Args:
        spark: Session the tables are reached through.
        lake: Folder of a local lake; None where a catalog manages the storage.
        catalog: Unity Catalog catalog; None for a local lake.
        schemas: Schema of each layer where it is not the layer's name; a bundle in development
            mode puts the developer's name in front.
    """

    def __init__(
        self,
        spark: "SparkSession",
        *,
        lake: Path | None = None,
        catalog: str | None = None,
        schemas: "Mapping[Layer, str] | None" = None,
    ) -> None:
        self._spark, self._catalog = spark, catalog
        self._root = lake / "tables" if lake else None
        self._schemas = {layer: layer.value for layer in Layer} | dict(schemas or {})
        if catalog:
            spark.sql(f"USE CATALOG `{catalog}`")
            for schema in self._schemas.values():
                spark.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self._known = {table.qualified_name for table in TABLES if self._is_there(table)}
        self._lock = Lock()
        self._current: set[str] = set()  # of them, those known to have the contract's columns

    def _is_there(self, table: Table) -> bool:
        path = self.folder(table)
        if path is None:
            return self._spark.catalog.tableExists(self.sql_name(table))
        return any((path / "_delta_log").glob("*.json"))

    def folder(self, table: Table) -> Path | None:
        """Where a table lies in a lake; None where a catalog manages the storage."""
        return self._root / self._schemas[table.layer] / table.name if self._root else None

    def sql_name(self, table: Table) -> str:
        """What SQL calls the table: in a lake its path, so that two lakes do not mix."""
        path = self.folder(table)
        if path is None:
            return f"{self._schemas[table.layer]}.{table.name}"
        escaped = str(path).replace("`", "``")
        return f"delta.`{escaped}`"

    def full_name(self, table: Table) -> str:
        """`catalog.schema.table`, as services beside Spark call it.

        Raises:
            UsageError: In a lake folder, which none of them reaches.
        """
        if self._catalog is None:
            raise UsageError(
                f"{table.qualified_name} lies in a lake folder, which no service reaches: give "
                "--catalog, or keep content.index=local"
            )
        return f"{self._catalog}.{self.sql_name(table)}"

    def drop_schemas(self) -> None:
        """Drop the schemas with every table in them; in a lake, their folders."""
        for schema in self._schemas.values():
            if self._root is None:
                self._spark.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            elif (self._root / schema).exists():
                shutil.rmtree(self._root / schema)
        self._known.clear()
        self._current.clear()

    def exists(self, table: Table) -> bool:
        """Whether the table has been created."""
        return table.qualified_name in self._known

    def create(self, table: Table) -> bool:
        """Create the table from its contract if it does not exist; returns whether it did not."""
        if self.exists(table):
            self._bring_up_to_date(table)
            return False
        in_lake = self._root is not None
        if path := self.folder(table):
            remove_unbegun(path / "_delta_log")
        ddl = table_ddl(table, self.sql_name(table), with_checks=in_lake)
        self._run(table, lambda: self._spark.sql(ddl))
        if not in_lake:
            for check in table.checks:
                self._spark.sql(
                    f"ALTER TABLE {self.sql_name(table)} ADD CONSTRAINT {check.name} "
                    f"CHECK ({check.sql})"
                )
        self._known.add(table.qualified_name)
        self._current.add(table.qualified_name)
        return True

    def read(self, table: Table) -> "DataFrame":
        """The table's rows; a table not yet written reads as empty, and is not created by it."""
        if not self.exists(table):
            return self._no_rows(table)
        self._bring_up_to_date(table)
        return self._spark.table(self.sql_name(table))

    def _no_rows(self, table: Table) -> "DataFrame":
        """No rows, in a way that Spark sees, so that joins with them cost nothing."""
        columns = (f"CAST(NULL AS {column.type}) AS `{column.name}`" for column in table.columns)
        return self._spark.sql(f"SELECT {', '.join(columns)} WHERE false")

    def _bring_up_to_date(self, table: Table) -> None:
        """Add columns that a table made by an earlier version lacks, if they may be null.

        Raises:
            SchemaMismatch: If it lacks others, or has some that are no longer declared.
        """
        with self._lock:  # a task may read a table twice at once
            if table.qualified_name not in self._current:
                self._add_columns(table)

    def _add_columns(self, table: Table) -> None:
        there = set(self._spark.table(self.sql_name(table)).columns)
        lacking = [column for column in table.columns if column.name not in there]
        needed = [f"without {column.name}" for column in lacking if not column.nullable]
        surplus = [f"with {name}" for name in sorted(there - set(table.column_names))]
        if needed or surplus:
            mend = "make the lake anew, or drop this table, which is then worked out again"
            problem = f"an earlier version made it, {', '.join(needed + surplus)}: {mend}"
            raise SchemaMismatch(table.qualified_name, [problem])
        if lacking:
            columns = ", ".join(
                f"{column.name} {column.type} COMMENT {quoted(column.full_comment)}"
                for column in lacking
            )
            self._spark.sql(f"ALTER TABLE {self.sql_name(table)} ADD COLUMNS ({columns})")
        self._current.add(table.qualified_name)

    def overwrite(self, table: Table, frame: "DataFrame") -> None:
        """Replace all rows in one transaction."""
        self.replace(table, frame, where="true")

    def empty(self, table: Table) -> None:
        """Take all rows out of a table; one that is missing stays missing."""
        if self.exists(table):
            self.overwrite(table, self._no_rows(table))

    def replace(self, table: Table, frame: "DataFrame", *, where: str) -> None:
        """Replace the rows that match a SQL condition in one transaction.

        Raises:
            SchemaMismatch: If the frame differs from the contract.
            QualityViolation: If a row breaks a declared check.
        """
        from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

        is_new = self.create(table)
        writer = conformed(table, frame).writeTo(self.sql_name(table))
        # to replace rows, Delta reads what is there, if only to find nothing
        self._run(table, writer.append if is_new else lambda: writer.overwrite(F.expr(where)))

    def refresh(
        self, table: Table, frame: "DataFrame", *, within: "Sequence[DataFrame] | None"
    ) -> None:
        """Make the rows in a scope those of a frame in one transaction, writing what differs.

        Args:
            table: Where to.
            frame: All rows the scope shall have; rows outside of it are passed over.
            within: Frames whose columns are some of the table's; a row that equals a row of one
                of them is in the scope. None: all rows are, and are written anew.

        Raises:
            SchemaMismatch: If the frame differs from the contract.
            QualityViolation: If a row breaks a declared check.
        """
        if within is None:
            self.overwrite(table, frame)
            return
        self.create(table)
        now = matching(conformed(table, frame), within)
        before = matching(self._spark.table(self.sql_name(table)), within)
        then = (
            f"MATCHED AND new.{GONE} THEN DELETE WHEN MATCHED THEN UPDATE SET * "
            f"WHEN NOT MATCHED AND NOT new.{GONE} THEN INSERT *"
        )
        self._merge(table, differing(table, before, now), on=table.key, then=then)

    def append(self, table: Table, frame: "DataFrame", *, app_id: str, version: int) -> None:
        """Add rows once: the same application id and version again adds nothing.

        Raises:
            SchemaMismatch: If the frame differs from the contract.
            QualityViolation: If a row breaks a declared check.
        """
        self.create(table)
        writer = conformed(table, frame).writeTo(self.sql_name(table))
        writer = writer.option("txnAppId", app_id).option("txnVersion", str(version))
        self._run(table, writer.append, repeats=_REPEATS)

    def stream(self, table: Table, frame: "DataFrame", *, checkpoint: Path) -> None:
        """Add what a streaming frame has to give now, and wait for it.

        Args:
            table: Where to.
            frame: A frame from `readStream`.
            checkpoint: Folder that says what it gave before; with it, nothing is added twice.

        Raises:
            SchemaMismatch: If the frame differs from the contract.
            QualityViolation: If a row breaks a declared check.
        """
        self.create(table)
        writer = conformed(table, frame).writeStream.format("delta").trigger(availableNow=True)
        writer = writer.option("checkpointLocation", str(checkpoint))
        path = self.folder(table)  # a stream takes no path for a table's name

        def write() -> None:
            query = writer.start(str(path)) if path else writer.toTable(self.sql_name(table))
            query.awaitTermination()

        self._run(table, write)

    def insert_new(self, table: Table, frame: "DataFrame") -> None:
        """Insert the rows whose key is absent; existing rows stay as they are.

        Raises:
            SchemaMismatch: If the frame differs from the contract.
            QualityViolation: If a row breaks a declared check.
        """
        if self.create(table):
            self._run(table, conformed(table, frame).writeTo(self.sql_name(table)).append)
            return
        then = "NOT MATCHED THEN INSERT *"
        self._merge(table, conformed(table, frame), on=table.key, then=then, repeats=_REPEATS)

    def upsert(self, table: Table, frame: "DataFrame") -> None:
        """Insert the rows whose key is absent, and replace those whose key is there.

        Raises:
            SchemaMismatch: If the frame differs from the contract.
            QualityViolation: If a row breaks a declared check.
        """
        self.create(table)
        both = "MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        self._merge(table, conformed(table, frame), on=table.key, then=both)

    def _merge(
        self,
        table: Table,
        frame: "DataFrame",
        *,
        on: "Iterable[str]",
        then: str,
        repeats: int = 0,
    ) -> None:
        view = f"new_{table.name}_{uuid.uuid4().hex}"  # unique: Connect binds views late
        frame.createOrReplaceTempView(view)
        matched = " AND ".join(f"old.{name} <=> new.{name}" for name in on)
        statement = (
            f"MERGE INTO {self.sql_name(table)} AS old USING {view} AS new ON {matched} WHEN {then}"
        )
        self._run(table, lambda: self._spark.sql(statement), repeats=repeats)
        self._spark.catalog.dropTempView(view)

    def delete_matching(self, table: Table, rows: "DataFrame") -> None:
        """Delete what equals one of some rows in all columns these have; a missing table has none.

        By MERGE with a view: the condition of a DELETE would stay readable in the table's log.
        """
        if self.exists(table):
            then = "MATCHED THEN DELETE"
            self._merge(table, rows.distinct(), on=rows.columns, then=then, repeats=_REPEATS)

    def update_matching(self, table: Table, frame: "DataFrame") -> None:
        """Replace the rows whose key a frame has by those of the frame; others stay.

        Raises:
            SchemaMismatch: If the frame differs from the contract.
            QualityViolation: If a row breaks a declared check.
        """
        self.create(table)
        self._merge(table, conformed(table, frame), on=table.key, then="MATCHED THEN UPDATE SET *")

    def purge(self, table: Table) -> None:
        """Remove from storage every row that the table no longer has, with all older versions.

        Nobody else may write the table meanwhile: files not committed yet go, too. Time travel
        and the change feed start anew.
        """
        if not self.exists(table):
            return
        name = self.sql_name(table)
        if self._property(table, "delta.enableDeletionVectors"):
            self._spark.sql(f"REORG TABLE {name} APPLY (PURGE)")
        # a property, because serverless takes no session setting that allows RETAIN 0 HOURS
        self._spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('{_KEEP}' = 'interval 0 hours')")
        self._spark.sql(f"VACUUM {name}")
        self._spark.sql(f"ALTER TABLE {name} UNSET TBLPROPERTIES ('{_KEEP}')")

    def detail(self, table: Table) -> "Row":
        """What Delta says of an existing table: files, bytes, properties, features."""
        (row,) = self._spark.sql(f"DESCRIBE DETAIL {self.sql_name(table)}").toLocalIterator()
        return row

    def keep_removed_files(self, table: Table, *, days: int) -> None:
        """Say how long a vacuum leaves files that the table no longer has; Delta's default is 7."""
        name, wanted = self.sql_name(table), f"interval {days} days"
        if (self.detail(table)["properties"] or {}).get(_KEEP, "interval 7 days") != wanted:
            self.upkeep(table, f"ALTER TABLE {name} SET TBLPROPERTIES ('{_KEEP}' = '{wanted}')")

    def upkeep(self, table: Table, statement: str) -> None:
        """Run a statement that changes none of a table's rows.

        Raises:
            AnotherRun: If another run wrote the table meanwhile.
        """
        self._run(table, lambda: self._spark.sql(statement))

    def _property(self, table: Table, name: str) -> bool:
        """Whether a Delta property of a table is true."""
        shown = self._spark.sql(f"SHOW TBLPROPERTIES {self.sql_name(table)} ('{name}')")
        return "true" in {row["value"] for row in shown.toLocalIterator()}

    def _set_property(self, table: Table, name: str) -> None:
        self._spark.sql(f"ALTER TABLE {self.sql_name(table)} SET TBLPROPERTIES ('{name}' = 'true')")

    def frame(self, table: Table, rows: "pd.DataFrame") -> "DataFrame":
        """A Spark frame with the contract's schema from a pandas frame."""
        missing = [name for name in table.column_names if name not in rows.columns]
        if missing:
            raise KeyError(f"{table.qualified_name}: {missing} not in the pandas frame")
        return self._spark.createDataFrame(rows[list(table.column_names)], schema_of(table))

    def tables_named(self, names: set[str]) -> list[Table]:
        """The contracts of some existing tables, in the registry's order."""
        return [table for table in TABLES if table.qualified_name in names & self._known]

    def changes(self, table: Table, *, after: int) -> "DataFrame | None":
        """Rows that came, went or changed after a version, as they are and as they were.

        Returns:
            The contract's columns; None if the table keeps no record of changes, which from now
            on it does.
        """
        if (version := self.version(table)) == after:
            return self._no_rows(table)
        if version is None or version < after:  # made anew since
            return None
        if not self._property(table, _CHANGE_FEED):
            self._set_property(table, _CHANGE_FEED)
            return None
        reader = self._spark.read.format("delta").option("readChangeFeed", "true")
        reader = reader.option("startingVersion", str(after + 1))
        path = self.folder(table)
        found = reader.load(str(path)) if path else reader.table(self.sql_name(table))
        return found.select(*table.column_names)

    def version(self, table: Table) -> int | None:
        """Latest Delta version of the table; None if it does not exist."""
        last = self._last_commit(table)
        return int(last[0]) if last else None

    def data_version(self, table: Table) -> int | None:
        """Version of the last commit that changed rows; None if the table is not there.

        In a catalog, of the last commit: its log is not at hand.
        """
        path = self.folder(table)
        if path is None or not self.exists(table):
            return self.version(table)
        return last_change(path / "_delta_log")

    def rows_written(self, table: Table) -> int | None:
        """Rows the last commit wrote, as Delta reports it; None if it does not say."""
        last = self._last_commit(table)
        metrics = last[1] if last else {}
        if "numTargetRowsInserted" in metrics:  # of a merge
            updated = int(metrics.get("numTargetRowsUpdated", 0))
            return int(metrics["numTargetRowsInserted"]) + updated
        written = metrics.get("numOutputRows")
        return int(written) if written is not None else None

    def _last_commit(self, table: Table) -> tuple[int, dict[str, str]] | None:
        if not self.exists(table):
            return None
        path = self.folder(table)
        if path is not None:
            return last_commit(path / "_delta_log")
        history = self._spark.sql(f"DESCRIBE HISTORY {self.sql_name(table)} LIMIT 1")
        row = history.select("version", "operationMetrics").first()
        return (int(row[0]), row[1] or {}) if row else None

    def _run(self, table: Table, write: "Callable[[], object]", *, repeats: int = 0) -> None:
        """Write; where another run's commit came in between, once more as often as is safe.

        Raises:
            AnotherRun: If another run's commit clashes with it.
            BackendUnavailable: If the disk is full or cannot be written.
            QualityViolation: If a row breaks a declared check.
        """
        try:
            write()
        except Exception as error:
            meant = meaning_of(table, error)
            if repeats and isinstance(meant, AnotherRun):
                self._run(table, write, repeats=repeats - 1)
            elif meant:
                raise meant from error
            else:
                raise
