"""Task ingest_bronze: landing files to bronze, row by row, with an account of every file."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial, reduce
from typing import TYPE_CHECKING

import pandas as pd

from deepkt_irt.errors import BadFile, QualityViolation
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.landing_batches import (
    STAGE,
    Accounts,
    Batch,
    Key,
    Landed,
    accounts_by_file,
    checkpoint_of,
    find_batches,
    landing_files,
    new_files,
    pending_batches,
)
from deepkt_irt.jobs.source_columns import keep_columns
from deepkt_irt.jobs.source_stops import Stops, keep_stops
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.jobs.together import together
from deepkt_irt.sources.batches import (
    REFUSED,
    Parsing,
    kept_batches,
    kept_columns,
    refused_batches,
    sql_schema,
)
from deepkt_irt.sources.evolution import Status, columns_of
from deepkt_irt.tables import bronze
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.ops import (
    INGEST_AUDIT,
    LANDED_FILES,
    QUARANTINE,
    SOURCE_COLUMNS,
    STOPPED_SOURCES,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


_TABLES = (
    *bronze.TABLES,
    LANDED_FILES,
    QUARANTINE,
    INGEST_AUDIT,
    SOURCE_COLUMNS,
    STOPPED_SOURCES,
)


_TOLD = 5  # files named in progress lines; of more, the number


@task(reads=_TABLES, writes=_TABLES)
def ingest_bronze(ctx: JobContext) -> Metrics:
    """Read new landing files into bronze; refused rows go to ops.quarantine.

    Safe to run again: a file is read once, and a run that was cut off is completed. A source stops
    by itself, before anything more of it is read, if a file of it is damaged, lacks a column or
    changed under a name already read, and after writing the quarantine if all rows of a file were
    refused. The others go on; ops.stopped_sources names the file and what to do, and verify_sources
    fails at the end. With no source left to go on, this task fails. ops.ingest_audit shows per file
    read = kept + quarantined, ops.source_columns which columns came, went or changed.
    """
    stops = Stops()
    there, accounts = landing_files(ctx, stops), accounts_by_file(ctx)
    _stop_useless(ctx, there, accounts, stops)
    new = new_files(ctx, there, accounts, stops)
    n_known = _tell_of_known_content(ctx, new, accounts)
    if new:
        find_batches(ctx)
        for batch in pending_batches(ctx, new, accounts, stops):
            _take_in(ctx, batch, stops)
        accounts = accounts_by_file(ctx)
        _stop_skipped(ctx, new, accounts, stops)
    changed = keep_columns(ctx, accounts.values(), stops, keep_stops(ctx, stops))
    stops.raise_if_all({source for source, _ in (*accounts, *there)})
    taken = [accounts[each.key] for each in new if each.key in accounts]
    rows_read = sum(each["rows_read"] for each in taken)
    ctx.count_rows(rows_in=rows_read)
    return {
        "files_new": len(taken),
        "files_of_known_content": n_known,
        "rows_read": rows_read,
        "rows_kept": sum(each["rows_kept"] for each in taken),
        "rows_quarantined": sum(each["rows_quarantined"] for each in taken),
        "columns_added": changed[Status.ADDED],
        "columns_missing": changed[Status.MISSING_OPTIONAL] + changed[Status.MISSING_REQUIRED],
        "columns_of_another_type": changed[Status.TYPE_CHANGED],
        "sources_stopped": len(stops),
    }


def _tell_of_known_content(ctx: JobContext, new: list[Landed], accounts: Accounts) -> int:
    """Say which new files have the content of another; nothing is lost, silver tells repeats."""
    first = {(source, row["content_hash"]): file for (source, file), row in accounts.items()}
    found = []
    for each in new:
        known = first.setdefault((each.source, each.facts.content_hash), each.file)
        if known != each.file:
            found.append(f"{'/'.join(each.key)} has the content of {known}")
    for line in found[:_TOLD]:
        ctx.progress(f"{line}: its rows are taken in, and silver refuses events that repeat")
    if len(found) > _TOLD:
        ctx.progress(f"so do {len(found) - _TOLD:,} more files")
    return len(found)


def _take_in(ctx: JobContext, batch: Batch, stops: Stops) -> None:
    """Write one batch: kept rows, refused rows, then the account that marks the files as read.

    Each append carries the batch's name, so that repeating it adds nothing.
    """
    tables = dict.fromkeys(each.table for each in batch.files)
    together(*(partial(_take_in_kept, ctx, batch, table) for table in tables))
    kept = _rows_kept(ctx, batch)
    short = [each for each in batch.files if kept.get(each.key, 0) != each.facts.n_records]
    if short:
        refused = _refused(ctx, short, batch.number)
        ctx.append(QUARANTINE, refused, app_id=batch.app_id, version=1)
    refused_rows = _refused_by_column(ctx, batch) if short else {}
    audit = _audit(ctx, batch, kept, refused_rows)
    ctx.append(INGEST_AUDIT, audit, app_id=batch.app_id, version=1)
    useless = [each for each in batch.files if each.facts.n_records and not kept.get(each.key)]
    for each in useless:
        _stop_for(ctx, each.key, each.facts.n_records, stops)
    for each in [each for each in short if each not in useless][:_TOLD]:
        ctx.progress(
            _told_of_refused(each.key, each.facts.n_records, refused_rows.get(each.key, {}))
        )


def _told_of_refused(key: Key, n_rows: int, by_column: Mapping[str | None, int]) -> str:
    """One line on the rows of a file that were refused.

    Args:
        key: Source and file.
        n_rows: Its rows.
        by_column: Refused ones by the column at fault; None: the whole row.
    """
    n_refused = sum(by_column.values())
    columns = ", ".join(f"{n:,} for {column or 'the row'}" for column, n in by_column.items())
    return (
        f"{'/'.join(key)}: {n_refused:,} of {n_rows:,} rows refused ({columns}), see ops.quarantine"
    )


def _take_in_kept(ctx: JobContext, batch: Batch, table: Table) -> None:
    files = [each for each in batch.files if each.table == table]
    rows = _kept(ctx, table, files, batch.number)
    ctx.append(table, rows, app_id=batch.app_id, version=1)


def _kept(ctx: JobContext, table: Table, landed: list[Landed], batch_id: int) -> "DataFrame":
    """The kept rows of some files of one table, parsed where the executors are."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    parsings = _parsings(ctx, landed)

    def parse(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from kept_batches(parsings[number])

    files = ctx.spark.range(len(parsings)).mapInArrow(parse, sql_schema(kept_columns(parsings[0])))
    return files.withColumns(
        {"_batch_id": F.lit(batch_id).cast("bigint"), "_ingested_at": F.lit(ctx.as_of)}
    ).select(*table.column_names)


def _refused(ctx: JobContext, landed: list[Landed], batch_id: int) -> "DataFrame":
    """The refused rows of some files with their reasons."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    parsings = _parsings(ctx, landed)

    def parse(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from refused_batches(parsings[number])

    files = ctx.spark.range(len(parsings)).mapInArrow(parse, sql_schema(REFUSED))
    return files.withColumns(
        {
            "stage": F.lit(STAGE),
            "batch_id": F.lit(batch_id).cast("bigint"),
            "quarantined_at": F.lit(ctx.as_of),
            "owner": F.lit(None).cast("string"),
        }
    )


def _parsings(ctx: JobContext, landed: list[Landed]) -> list[Parsing]:
    """What a worker needs to know of each piece of some files: no session, no context."""
    limit = ctx.settings.ingest.max_field_characters
    return [
        Parsing(each.source, each.file, each.path, each.layout, limit, piece)
        for each in landed
        for piece in each.facts.pieces
    ]


def _rows_kept(ctx: JobContext, batch: Batch) -> dict[Key, int]:
    """Rows of a batch's files found in their bronze tables, counted in one query.

    Rows are told by the batch's number, since a condition that names thousands of files takes
    longer to plan than all else.
    """
    (source,) = {each.source for each in batch.files}
    mine = f"_batch_id = {batch.number} AND _source = '{source}'"
    tables = dict.fromkeys(each.table for each in batch.files)
    found = [ctx.read(table).filter(mine).select("_file") for table in tables]
    counted = reduce(lambda a, b: a.unionByName(b), found).groupBy("_file").count().collect()
    return {(source, row[0]): row[1] for row in counted}


def _refused_by_column(ctx: JobContext, batch: Batch) -> dict[Key, dict[str | None, int]]:
    """Rows of a batch in the quarantine by the column at fault, in order; None: the whole row."""
    rows = ctx.read(QUARANTINE).filter(f"stage = '{STAGE}' AND batch_id = {batch.number}")
    counted = rows.groupBy("source", "file", "column").count().collect()
    found: dict[Key, dict[str | None, int]] = {}
    for source, file, column, n in sorted(counted, key=lambda row: row["column"] or ""):
        found.setdefault((source, file), {})[column] = n
    return found


def _audit(
    ctx: JobContext,
    batch: Batch,
    kept: dict[Key, int],
    by_column: Mapping[Key, Mapping[str | None, int]],
) -> "DataFrame":
    """Records counted in the files beside rows found in the tables."""
    rows = [
        {
            "source": each.source,
            "file": each.file,
            "table_name": each.table.qualified_name,
            "content_hash": each.facts.content_hash,
            "n_bytes": each.facts.n_bytes,
            "modified_ns": each.modified_ns,
            "rows_read": each.facts.n_records,
            "rows_kept": kept.get(each.key, 0),
            "rows_quarantined": sum(by_column.get(each.key, {}).values()),
            "batch_id": batch.number,
            "ingested_at": ctx.as_of,
            "layout": each.layout.label,
            "columns": columns_of(each.layout, each.facts.header),
            "refused_share": {
                column: n / each.facts.n_records
                for column, n in by_column.get(each.key, {}).items()
                if column is not None
            },
        }
        for each in batch.files
    ]
    return ctx.frame(INGEST_AUDIT, pd.DataFrame(rows))


def _stop_skipped(ctx: JobContext, new: list[Landed], accounts: Accounts, stops: Stops) -> None:
    """Stop a source if a file has no account: the checkpoint takes it for read, no table does."""
    for each in new:
        with stops.met(*each.key):
            if each.key not in accounts and each.source not in stops:
                raise BadFile(
                    "/".join(each.key),
                    "the stream passed over it, as its checkpoint is newer than the tables",
                    f"delete {checkpoint_of(ctx)} and run again, no file is read twice",
                )


def _stop_useless(ctx: JobContext, there: Iterable[Key], accounts: Accounts, stops: Stops) -> None:
    """Stop a source while a file lies there of which nothing could be used."""
    for key in there:
        account = accounts.get(key)
        if account and account["rows_read"] and not account["rows_kept"]:
            _stop_for(ctx, key, account["rows_read"], stops)


def _stop_for(ctx: JobContext, key: Key, n_rows: int, stops: Stops) -> None:
    """Stop the source of a file without a usable row: it is the wrong file, not a bad row."""
    with stops.met(*key):
        raise QualityViolation(
            "/".join(key),
            f"all {n_rows:,} rows were refused, {_first_reason(ctx, key)}; take the "
            "file out of the landing folder, and land it under a new name once it is right",
        )


def _first_reason(ctx: JobContext, key: Key) -> str:
    rows = ctx.read(QUARANTINE).filter(f"stage = '{STAGE}'")
    of_file = rows.filter((rows["source"] == key[0]) & (rows["file"] == key[1]))
    first = of_file.orderBy("row").select("row", "reason").first()
    return f"row {first[0]} because {first[1]}" if first else "for reasons no longer on record"
