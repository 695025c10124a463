"""What a task sees of the world: its declared tables and models, its settings and its instant."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from deepkt_irt.errors import UndeclaredAccess
from deepkt_irt.jobs.names import PLAIN, Names
from deepkt_irt.jobs.replay import Replay
from deepkt_irt.jobs.task import Task
from deepkt_irt.knowledge_tracing.versions import TableRead
from deepkt_irt.session import on_databricks
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Layer, Table
from deepkt_irt.tables.store import TableStore

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

    from deepkt_irt.explanation_traces import TraceStore
    from deepkt_irt.prompt_registry import PromptRegistry
    from deepkt_irt.tracking import ModelStore

log = logging.getLogger(__name__)


# by name, the layer whose schema holds the volume
VOLUMES = {
    "landing": Layer.BRONZE,
    "content": Layer.BRONZE,
    "embedders": Layer.GOLD,
    "checkpoints": Layer.OPS,
    "connections": Layer.OPS,
    "reports": Layer.OPS,
}


@dataclass(frozen=True)
class Place:
    """Where a run's files and models live."""

    landing: Path
    content: Path
    embedders: Path
    checkpoints: Path
    connections: Path
    report_path: Path
    tracking_uri: str
    registry_uri: str
    artifacts: str | None
    names: Names = PLAIN

    @classmethod
    def of_lake(cls, lake: Path, names: Names = PLAIN) -> "Place":
        """A local lake: one folder."""
        store = f"sqlite:///{lake / 'mlflow.db'}"
        return cls(
            landing=lake / "landing",
            content=lake / "content",
            embedders=lake / "embedders",
            checkpoints=lake / "checkpoints",
            connections=lake / "connections",
            report_path=lake / "report.html",
            tracking_uri=store,
            registry_uri=store,
            artifacts=(lake / "mlartifacts").as_uri(),
            names=names,
        )

    @classmethod
    def of_catalog(cls, catalog: str, names: Names) -> "Place":
        """A Unity Catalog catalog: volumes for files, its registry for models."""
        store: dict[str, Any]
        store = {"tracking_uri": "databricks", "registry_uri": "databricks-uc", "artifacts": None}
        return cls(**_volumes(Path("/Volumes") / catalog, names), **store, names=names)

    @classmethod
    def of_folder(cls, folder: Path, names: Names) -> "Place":
        """A folder that stands for a catalog: volumes lie in it as they would in the catalog."""
        return replace(cls.of_lake(folder, names), **_volumes(folder, names))


def _volumes(catalog: Path, names: Names) -> dict[str, Any]:
    of = {name: catalog / names.schema(layer) / name for name, layer in VOLUMES.items()}
    reports = of.pop("reports")
    return {**of, "report_path": reports / "report.html"}


@dataclass
class Access:
    """What a task touched; kept to hold it against its declaration and for the run's record."""

    read: set[str] = field(default_factory=set)
    rows_written: int = 0
    rows_in: int | None = None
    versions: dict[str, int] = field(default_factory=dict)  # of tables written, as it left them


class JobContext:
    """Declared access to tables and models for one task of one run.

    Args:
        store: Tables of the lake or catalog.
        task: The task this context is for; what it did not declare is refused.
        settings: Settings of the run.
        as_of: Instant the run speaks about, timezone-aware UTC.
        run_id: The pipeline run.
        place: Where files and models live.
        since: Version of each table read when the task last succeeded under these settings;
            None: work out everything.
        replay: Whom to work out again beside whom changes concern; None: nobody.
        on_progress: Receives one short line at a time.
    """

    def __init__(  # noqa: PLR0913 - a bundle of what a task may use
        self,
        *,
        store: TableStore,
        task: Task,
        settings: Settings,
        as_of: datetime,
        run_id: str,
        place: Place,
        spark: "SparkSession",
        since: Mapping[str, int] | None = None,
        replay: Replay | None = None,
        on_progress: Callable[[str], None] = log.info,
    ) -> None:
        self._store, self._task, self._place = store, task, place
        self._on_progress, self._since, self.replay = on_progress, since, replay
        self.spark, self.settings, self.as_of, self.run_id = spark, settings, as_of, run_id
        self.access, self._lock = Access(), Lock()

    @property
    def landing(self) -> Path:
        """Folder of the landing files, one folder per source below it."""
        return self._place.landing

    @property
    def content(self) -> Path:
        """Folder of the Markdown and HTML files of teachers."""
        return self._place.content

    @property
    def embedders(self) -> Path:
        """Folder of the embedders fitted on the content."""
        return self._place.embedders

    @property
    def checkpoints(self) -> Path:
        """Folder of the streams' checkpoints."""
        return self._place.checkpoints

    @property
    def report_path(self) -> Path:
        """Where the report is written."""
        return self._place.report_path

    @property
    def on_databricks(self) -> bool:
        """Whether the run is inside Databricks, where Auto Loader is at hand."""
        return on_databricks()

    @cached_property
    def models(self) -> "ModelStore":
        """The model registry, for tasks that declare a model.

        Raises:
            UndeclaredAccess: If the task declares none.
        """
        if not (self._task.uses_models or self._task.trains):
            raise UndeclaredAccess(self._task.name, "uses", "the model registry")
        from deepkt_irt.tracking import ModelStore  # noqa: PLC0415 - lake tasks have no MLflow

        return ModelStore(
            self._place.tracking_uri,
            self._place.artifacts,
            registry_uri=self._place.registry_uri,
            model_names=self._place.names.models,
            experiment_names=self._place.names.experiments,
        )

    @cached_property
    def prompts(self) -> "PromptRegistry":
        """The prompt registry, for tasks that declare a prompt.

        Raises:
            UndeclaredAccess: If the task declares none.
        """
        self._needs_prompts("the prompt registry")
        from deepkt_irt.prompt_registry import PromptRegistry  # noqa: PLC0415 - as above

        place = self._place
        return PromptRegistry(
            place.tracking_uri, place.registry_uri, prompt_names=place.names.prompts
        )

    @cached_property
    def traces(self) -> "TraceStore":
        """Traces of what a model was asked, for tasks that declare a prompt.

        Raises:
            UndeclaredAccess: If the task declares none.
        """
        self._needs_prompts("traces")
        from deepkt_irt.explanation_traces import TraceStore  # noqa: PLC0415 - as above

        (prompt,) = self._task.prompts
        return TraceStore(
            self._place.tracking_uri,
            self._place.artifacts,
            experiment_name=self._place.names.experiments.get(prompt),
        )

    def _needs_prompts(self, what: str) -> None:
        if not self._task.prompts:
            raise UndeclaredAccess(self._task.name, "uses", what)

    def read(self, table: Table) -> "DataFrame":
        """Rows of a declared table; a table not yet written reads as empty.

        Raises:
            UndeclaredAccess: If the task does not declare it.
        """
        if table not in (*self._task.reads, *self._task.remembers):
            raise UndeclaredAccess(self._task.name, "reads", table.qualified_name)
        self.access.read.add(table.qualified_name)
        return self._store.read(table)

    def version(self, table: Table) -> int | None:
        """Delta version of a declared table; None if it was never written."""
        if table not in self._task.reads:
            raise UndeclaredAccess(self._task.name, "reads", table.qualified_name)
        return self._store.version(table)

    def table_read(self, table: Table) -> TableRead:
        """A declared table as it is now, for a training to say what it rests on."""
        version, folder = self.version(table) or 0, self._store.folder(table)
        if folder is None:
            return TableRead(table.qualified_name, version, full_name=self.full_name(table))
        return TableRead(table.qualified_name, version, folder=str(folder))

    def changes(self, table: Table) -> "DataFrame | None":
        """Rows of a declared table that came, went or changed since the task last succeeded.

        Returns:
            The contract's columns, a changed row as it was and as it is; empty if the table is
            as it was. None if that is not known: at the first run, after other settings, another
            version of the package or an erasure, and whenever everything is to be worked out.
        """
        if table not in self._task.reads:
            raise UndeclaredAccess(self._task.name, "reads", table.qualified_name)
        if self._since is None:
            return None
        if not self._store.exists(table):
            return self._store.read(table)
        after = self._since.get(table.qualified_name)
        # a table made since then is new as a whole
        return self._store.read(table) if after is None else self._store.changes(table, after=after)

    def full_name(self, table: Table) -> str:
        """`catalog.schema.table`, as services beside Spark call it.

        Raises:
            UsageError: In a lake folder, which none of them reaches.
        """
        return self._store.full_name(table)

    def frame(self, table: Table, rows: "pd.DataFrame") -> "DataFrame":
        """A Spark frame with the contract's schema from a pandas frame."""
        return self._store.frame(table, rows)

    def overwrite(self, table: Table, frame: "DataFrame") -> None:
        """Replace all rows of a declared table in one transaction."""
        self._written(table, lambda: self._store.overwrite(table, frame))

    def replace(self, table: Table, frame: "DataFrame", *, where: str) -> None:
        """Replace the rows that match a SQL condition in one transaction."""
        self._written(table, lambda: self._store.replace(table, frame, where=where))

    def refresh(
        self, table: Table, frame: "DataFrame", *, within: Sequence["DataFrame"] | None
    ) -> None:
        """Make the rows in a scope those of a frame in one transaction, writing what differs."""
        self._written(table, lambda: self._store.refresh(table, frame, within=within))

    def append(self, table: Table, frame: "DataFrame", *, app_id: str, version: int) -> None:
        """Add rows once: the same application id and version again adds nothing."""
        self._written(
            table, lambda: self._store.append(table, frame, app_id=app_id, version=version)
        )

    def stream(self, table: Table, frame: "DataFrame", *, checkpoint: Path) -> None:
        """Add what a streaming frame has to give now and did not give before."""
        self._written(table, lambda: self._store.stream(table, frame, checkpoint=checkpoint))

    def insert_new(self, table: Table, frame: "DataFrame") -> None:
        """Insert the rows whose key is absent; existing rows stay as they are."""
        self._written(table, lambda: self._store.insert_new(table, frame))

    def upsert(self, table: Table, frame: "DataFrame") -> None:
        """Insert the rows whose key is absent, and replace those whose key is there."""
        self._written(table, lambda: self._store.upsert(table, frame))

    def delete_matching(self, table: Table, rows: "DataFrame") -> None:
        """Delete what equals one of some rows in all columns these have."""
        self._written(table, lambda: self._store.delete_matching(table, rows))

    def _written(self, table: Table, write: Callable[[], None]) -> None:
        if table not in self._task.writes:
            raise UndeclaredAccess(self._task.name, "writes", table.qualified_name)
        before = self._store.version(table)
        write()
        after = self._store.version(table)
        if after is not None and after != before:
            rows = self._store.rows_written(table) or 0
            with self._lock:  # a task may write several tables at once
                self.access.rows_written += rows
                self.access.versions[table.qualified_name] = after
            self.progress(f"{table.qualified_name}: {rows:,} rows")

    def progress(self, line: str) -> None:
        """Say in one short line how far the task is."""
        self._on_progress(line)

    def count_rows(self, *, rows_in: int) -> None:
        """Record how many rows the task took in."""
        self.access.rows_in = rows_in
