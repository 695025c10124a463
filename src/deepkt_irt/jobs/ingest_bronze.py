"""Task ingest_bronze: landing files to bronze, row by row, with an account of every file."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from deepkt_irt.errors import BadFile, DeepktError, QualityViolation
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.sources.batches import (
    REFUSED,
    Parsing,
    kept_batches,
    kept_columns,
    refused_batches,
    sql_schema,
)
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import layout_of_landed
from deepkt_irt.sources.layout import Layout
from deepkt_irt.sources.reader import FileFacts, content_hash, inspect, unread_columns
from deepkt_irt.tables import bronze
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.ops import INGEST_AUDIT, QUARANTINE

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyspark.sql import DataFrame

_STAGE = "ingest_bronze"
_BINARY_FILE = "path string, modificationTime timestamp, length bigint, content binary"
_ANY_AGE = "36500d"  # by default a stream passes over files a week older than the newest
_Key = tuple[str, str]  # source and file name


@dataclass(frozen=True)
class _Landed:
    """A landing file not read before."""

    source: str
    path: Path
    layout: Layout
    facts: FileFacts

    @property
    def key(self) -> _Key:
        return self.source, self.path.name

    @property
    def table(self) -> Table:
        return self.layout.table


@task(
    reads=(*bronze.TABLES, QUARANTINE, INGEST_AUDIT),
    writes=(*bronze.TABLES, QUARANTINE, INGEST_AUDIT),
)
def ingest_bronze(ctx: JobContext) -> Metrics:
    """Read new landing files into bronze; refused rows go to ops.quarantine.

    Safe to run again: a file is read once, and a run that was cut off is completed. Stops before
    reading anything if a file is damaged, lacks a column, or changed under a name already read;
    the message names the file. Stops after writing the quarantine if all rows of a file were
    refused. ops.ingest_audit shows per file read = kept + quarantined.
    """
    new = _new_files(ctx)
    if new:
        _stream(ctx, new)
    accounts = _accounts(ctx)
    _refuse_skipped(ctx, new, accounts)
    _refuse_useless(ctx, accounts)
    taken = [accounts[each.key] for each in new]
    rows_read = sum(each["rows_read"] for each in taken)
    ctx.count_rows(rows_in=rows_read)
    return {
        "files_new": len(new),
        "rows_read": rows_read,
        "rows_kept": sum(each["rows_kept"] for each in taken),
        "rows_quarantined": sum(each["rows_quarantined"] for each in taken),
    }


def _accounts(ctx: JobContext) -> dict[_Key, dict[str, int]]:
    """Rows read, kept and quarantined of every file read so far."""
    counts = ("rows_read", "rows_kept", "rows_quarantined")
    rows = ctx.read(INGEST_AUDIT).select("source", "file", *counts).collect()
    return {(row[0], row[1]): {name: row[name] for name in counts} for row in rows}


def _landing_files(ctx: JobContext) -> list[Path]:
    """Files as `landing/<source>/<file>`; names with `_` or `.` in front are passed over.

    Raises:
        BadFile: If something lies where no file of a source can lie.
    """
    found = []
    for path in sorted((*ctx.landing.glob("*"), *ctx.landing.glob("*/*"))):
        name = path.relative_to(ctx.landing)
        if any(part.startswith(("_", ".")) for part in name.parts):
            continue
        is_inside = len(name.parts) == 2
        if path.is_dir() == is_inside:
            problem = "a folder where a file should be" if is_inside else "in no source's folder"
            raise BadFile(str(name), problem, "files lie in landing/<source>/, move it there")
        if is_inside:
            found.append(path)
    return found


def _new_files(ctx: JobContext) -> list[_Landed]:
    """Landing files not read yet, each looked at from end to end.

    Raises:
        BadFile: If one is damaged, or changed under a name already read.
    """
    audit = ctx.read(INGEST_AUDIT).select("source", "file", "content_hash").collect()
    known = {(row[0], row[1]): row[2] for row in audit}
    new = []
    for path in _landing_files(ctx):
        key = path.parent.name, path.name
        if key not in known:
            new.append(_looked_at(ctx, path))
        elif content_hash(path) != known[key]:
            raise BadFile(
                "/".join(key),
                "its content changed after it was read",
                "restore it, and land the new content under a new name",
            )
    return new


def _looked_at(ctx: JobContext, path: Path) -> _Landed:
    source = path.parent.name
    layout = layout_of_landed(source_named(source), path)
    if layout is None:
        raise BadFile(f"{source}/{path.name}", f"no file of source {source}", "take it out")
    facts = inspect(path, layout)
    unread = unread_columns(layout, facts.header)
    if unread:
        ctx.progress(f"{source}/{path.name}: columns not read: {', '.join(unread)}")
    return _Landed(source, path, layout, facts)


def _stream(ctx: JobContext, new: list[_Landed]) -> None:
    """Let a stream with a checkpoint find the new files, and take them in batch by batch."""
    from pyspark.errors import StreamingQueryException  # noqa: PLC0415 - start without Spark

    reader = ctx.spark.readStream.schema(_BINARY_FILE)
    if ctx.on_databricks:
        reader = reader.format("cloudFiles").option("cloudFiles.format", "binaryFile")
    else:
        reader = reader.format("binaryFile").option("maxFileAge", _ANY_AGE)
    # the content is never asked for, so Spark reads names only
    paths = reader.option("recursiveFileLookup", "true").load(str(ctx.landing)).select("path")
    expected = {each.key: each for each in new}
    failures: list[DeepktError] = []

    def take_in(batch: "DataFrame", batch_id: int) -> None:
        try:
            _take_in(ctx, _arrived(ctx, batch, expected), batch_id)
        except DeepktError as error:
            failures.append(error)
            raise

    query = (
        paths.writeStream.foreachBatch(take_in)
        .option("checkpointLocation", str(_checkpoint(ctx)))
        .trigger(availableNow=True)
        .start()
    )
    try:
        query.awaitTermination()
    except StreamingQueryException as error:
        raise (failures[0] if failures else error) from error


def _checkpoint(ctx: JobContext) -> Path:
    """The stream's checkpoint, emptied if a run was cut off before it planned a first batch.

    Such a run can leave a half-written file behind, with which Spark refuses to start for good.
    """
    checkpoint = ctx.checkpoints / _STAGE
    planned = any(path.name.isdigit() for path in checkpoint.glob("offsets/*"))
    if checkpoint.exists() and not planned:
        shutil.rmtree(checkpoint)
    return checkpoint


def _arrived(ctx: JobContext, batch: "DataFrame", expected: dict[_Key, _Landed]) -> list[_Landed]:
    """The files of a batch that were not read before, sorted.

    A batch cut off after its account was written comes again: its files are read already. A
    file that landed after the others were looked at is looked at now.
    """
    source_and_name = (row[0].rsplit("/", 2)[1:] for row in batch.collect())
    keys = sorted((source, name) for source, name in source_and_name)
    late = set(keys) - expected.keys()
    if late:
        late -= _accounts(ctx).keys()
    fresh = {key: _looked_at(ctx, ctx.landing / key[0] / key[1]) for key in sorted(late)}
    return [(expected | fresh)[key] for key in keys if key in expected or key in fresh]


def _take_in(ctx: JobContext, landed: list[_Landed], batch_id: int) -> None:
    """Write one batch: kept rows, refused rows, then the account that marks the files as read.

    Each append is named by the content of the batch, so that repeating it adds nothing.
    """
    if not landed:
        return
    content = "".join(f"{'/'.join(each.key)}/{each.facts.content_hash}/" for each in landed)
    app_id = f"{_STAGE}/{hashlib.sha256(content.encode()).hexdigest()}"
    for table in dict.fromkeys(each.table for each in landed):
        files = [each for each in landed if each.table == table]
        ctx.append(table, _kept(ctx, table, files, batch_id), app_id=app_id, version=1)
    kept = _rows_kept(ctx, landed)
    short = [each for each in landed if kept.get(each.key, 0) != each.facts.n_records]
    if short:
        ctx.append(QUARANTINE, _refused(ctx, short, batch_id), app_id=app_id, version=1)
    ctx.append(INGEST_AUDIT, _audit(ctx, landed, kept, batch_id), app_id=app_id, version=1)


def _kept(ctx: JobContext, table: Table, landed: list[_Landed], batch_id: int) -> "DataFrame":
    """The kept rows of some files of one table, parsed where the executors are."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    parsings = _parsings(ctx, landed)

    def parse(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from kept_batches(parsings[number])

    files = ctx.spark.range(len(landed)).mapInArrow(parse, sql_schema(kept_columns(parsings[0])))
    return files.withColumns(
        {"_batch_id": F.lit(batch_id).cast("bigint"), "_ingested_at": F.lit(ctx.as_of)}
    ).select(*table.column_names)


def _refused(ctx: JobContext, landed: list[_Landed], batch_id: int) -> "DataFrame":
    """The refused rows of some files with their reasons."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    parsings = _parsings(ctx, landed)

    def parse(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from refused_batches(parsings[number])

    tables = {"/".join(each.key): each.table.qualified_name for each in landed}
    table_of = F.create_map(*(F.lit(text) for pair in tables.items() for text in pair))
    files = ctx.spark.range(len(landed)).mapInArrow(parse, sql_schema(REFUSED))
    return files.withColumns(
        {
            "stage": F.lit(_STAGE),
            "table_name": table_of[F.concat_ws("/", "source", "file")],
            "batch_id": F.lit(batch_id).cast("bigint"),
            "quarantined_at": F.lit(ctx.as_of),
        }
    )


def _parsings(ctx: JobContext, landed: list[_Landed]) -> list[Parsing]:
    """What a worker needs to know: no session, no context."""
    limit = ctx.settings.ingest.max_field_characters
    return [Parsing(each.source, each.path, each.layout, limit) for each in landed]


def _rows_kept(ctx: JobContext, landed: list[_Landed]) -> dict[_Key, int]:
    """Rows of some files found in their bronze tables, counted in one query."""
    tables = dict.fromkeys(each.table for each in landed)
    found = [ctx.read(table).select("_source", "_file") for table in tables]
    return _counted(reduce(lambda a, b: a.unionByName(b), found), landed)


def _counted(rows: "DataFrame", landed: list[_Landed]) -> dict[_Key, int]:
    """Rows of some files in a frame whose two columns are source and file."""
    source, file = rows.columns
    names = sorted({each.path.name for each in landed})
    counts = rows.filter(rows[file].isin(names)).groupBy(source, file).count().collect()
    return {(row[0], row[1]): row[2] for row in counts}


def _audit(
    ctx: JobContext, landed: list[_Landed], kept: dict[_Key, int], batch_id: int
) -> "DataFrame":
    """Records counted in the files beside rows found in the tables."""
    at_ingest = ctx.read(QUARANTINE).filter(f"stage = '{_STAGE}'")
    refused = _counted(at_ingest.select("source", "file"), landed)
    rows = [
        {
            "source": each.source,
            "file": each.path.name,
            "table_name": each.table.qualified_name,
            "content_hash": each.facts.content_hash,
            "n_bytes": each.facts.n_bytes,
            "rows_read": each.facts.n_records,
            "rows_kept": kept.get(each.key, 0),
            "rows_quarantined": refused.get(each.key, 0),
            "batch_id": batch_id,
            "ingested_at": ctx.as_of,
        }
        for each in landed
    ]
    return ctx.frame(INGEST_AUDIT, pd.DataFrame(rows))


def _refuse_skipped(
    ctx: JobContext, new: list[_Landed], accounts: dict[_Key, dict[str, int]]
) -> None:
    """Stop if a file has no account: the checkpoint takes it for read, the tables do not."""
    for each in new:
        if each.key not in accounts:
            raise BadFile(
                "/".join(each.key),
                "the stream passed over it, as its checkpoint is newer than the tables",
                f"delete {ctx.checkpoints / _STAGE} and run again, no file is read twice",
            )


def _refuse_useless(ctx: JobContext, accounts: dict[_Key, dict[str, int]]) -> None:
    """Stop if nothing of a file could be used: then it is the wrong file, not a bad row."""
    for path in _landing_files(ctx):
        key = path.parent.name, path.name
        account = accounts.get(key)
        if account is None or account["rows_kept"] or not account["rows_read"]:
            continue
        raise QualityViolation(
            "/".join(key),
            f"all {account['rows_read']:,} rows were refused, {_first_reason(ctx, key)}; take the "
            "file out of the landing folder",
        )


def _first_reason(ctx: JobContext, key: _Key) -> str:
    rows = ctx.read(QUARANTINE).filter(f"stage = '{_STAGE}'")
    of_file = rows.filter((rows["source"] == key[0]) & (rows["file"] == key[1]))
    first = of_file.orderBy("row").select("row", "reason").first()
    return f"row {first[0]} because {first[1]}" if first else "for reasons no longer on record"
