"""What the files of a table need: measured, decided, and said in words.

Merging small files and writing files without deleted rows changes no row; removing files that no
version in reach has takes nothing from readers. So all of it may be repeated.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pyarrow.parquet as pq

from deepkt_irt.governance.erasure import holds_persons
from deepkt_irt.reporting.operations import TableFiles
from deepkt_irt.settings import MaintenanceSettings
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.ddl import safe_columns
from deepkt_irt.tables.store import TableStore

if TYPE_CHECKING:
    from pyspark.sql import Row

_LOG = "_delta_log"


class Step(StrEnum):
    """One kind of upkeep, in the order in which they are done."""

    OPTIMIZE = "optimize"  # merges small files and clusters
    PURGE = "purge"  # writes files without the rows that deletion vectors leave out
    VACUUM = "vacuum"  # removes files that only versions out of reach have
    ANALYZE = "analyze"  # statistics for the planner


def measured(store: TableStore, table: Table, *, small_file_bytes: int) -> TableFiles:
    """Look at a table's files."""
    detail = store.detail(table)
    found = store.read(table).groupBy("_metadata.file_path", "_metadata.file_size").count()
    files: list[tuple[str, int, int]] = [tuple(row) for row in found.collect()]
    n_rows = sum(count for _, _, count in files)
    n_files = int(detail["numFiles"])
    # a file without a row is not found by its rows
    n_small = sum(size < small_file_bytes for _, size, _ in files) + n_files - len(files)
    folder = store.folder(table)
    return TableFiles(
        n_rows=n_rows,
        n_files=n_files,
        n_small=n_small,
        n_bytes=int(detail["sizeInBytes"]),
        stored_bytes=_stored(folder) if folder else None,
        deleted_share=_deleted_share(detail, [path for path, _, _ in files], n_rows, folder),
    )


def _deleted_share(
    detail: "Row", paths: list[str], n_rows: int, folder: Path | None
) -> float | None:
    """Share of rows that deletion vectors leave out: as the platform counts, or from the files."""
    if "deletionVectors" not in (detail["tableFeatures"] or ()):
        return 0.0
    if folder is not None:
        places = (unquote(urlsplit(path).path) for path in paths)
        in_files = sum(int(pq.read_metadata(place).num_rows) for place in places)
        return 1 - n_rows / in_files if in_files else 0.0
    told: dict[str, Any] = detail.asDict().get("statistics") or {}
    deleted = told.get("numRowsDeletedByDeletionVectors")
    return None if deleted is None else int(deleted) / max(int(deleted) + n_rows, 1)


def _stored(folder: Path) -> int:
    """Size of all data files, without the log and the checksums that hidden files hold."""
    files = (path for path in folder.rglob("*") if path.is_file() and _LOG not in path.parts)
    return sum(path.stat().st_size for path in files if not path.name.startswith("."))


def steps_for(table: Table, files: TableFiles, settings: MaintenanceSettings) -> list[Step]:
    """What a table needs.

    Deleted rows of persons are written out of the files at once: only then does the next vacuum
    after `keep_days` take them from storage.
    """
    managed, in_catalog = settings.predictive_optimization, files.stored_bytes is None
    unclustered = bool(table.cluster_by) and files.n_files > 1
    allowed = 0.0 if holds_persons(table) else settings.deleted_share
    share, stored = files.deleted_share, files.stored_bytes
    needs = {
        Step.OPTIMIZE: not managed and (unclustered or files.n_small >= settings.many_small_files),
        Step.PURGE: share is None or share > allowed,
        Step.VACUUM: not managed and (stored is None or stored > files.n_bytes),
        Step.ANALYZE: not managed and in_catalog and bool(safe_columns(table)),
    }
    return [step for step in Step if needs[step]]


def statement(step: Step, table: Table, name: str) -> str:
    """The SQL of a step. Statistics leave out what tells of a person: they outlive its rows."""
    match step:
        case Step.OPTIMIZE:
            return f"OPTIMIZE {name}"
        case Step.PURGE:
            return f"REORG TABLE {name} APPLY (PURGE)"
        case Step.VACUUM:
            return f"VACUUM {name}"
        case Step.ANALYZE:
            columns = ", ".join(safe_columns(table))
            return f"ANALYZE TABLE {name} COMPUTE STATISTICS FOR COLUMNS {columns}"


def left_out(files: TableFiles, settings: MaintenanceSettings) -> str | None:
    """What is not done for a table whatever its state, and why."""
    if settings.predictive_optimization:
        return "optimize, vacuum, analyze: Unity Catalog does it (predictive optimization)"
    if files.stored_bytes is not None:
        return "analyze: open-source Delta keeps no statistics of a table in its catalog"
    return None


def care(files: TableFiles, settings: MaintenanceSettings) -> list[str]:
    """What a table still needs, most costly first; empty if nothing."""
    said = []
    if files.n_small >= settings.many_small_files:
        said.append(f"{files.n_small:,} small files of {files.n_files:,}")
    share = files.deleted_share
    if share is not None and share > settings.deleted_share:
        said.append(f"{100 * share:.0f}% of the rows in its files are deleted ones")
    return said
