"""Task ingest_bronze: landing files to bronze, row by row, with an account of every file."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

import pandas as pd

from deepkt_irt.errors import BadFile, QualityViolation
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import layout_of_landed
from deepkt_irt.sources.layout import Layout
from deepkt_irt.sources.reader import FileFacts, Record, content_hash, inspect, records
from deepkt_irt.tables import bronze
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.ops import INGEST_AUDIT, QUARANTINE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

_STAGE = "ingest_bronze"
_CHUNK = 20_000  # records handed to Spark at a time
_BINARY_FILE = "path string, modificationTime timestamp, length bigint, content binary"
_REFUSAL = "row bigint, column string, reason string, received string"


@dataclass(frozen=True)
class _Landed:
    """A landing file not read before."""

    source: str
    path: Path
    layout: Layout
    facts: FileFacts

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
    the message names the file. ops.ingest_audit shows per file read = kept + quarantined.
    """
    new = _new_files(ctx)
    if new:
        _stream(ctx, new)
        _refuse_useless(ctx, new)
    accounts = [row for row in ctx.read(INGEST_AUDIT).collect() if _named(row) in _keys(new)]
    rows_read = sum(row["rows_read"] for row in accounts)
    ctx.count_rows(rows_in=rows_read)
    return {
        "files_new": len(new),
        "rows_read": rows_read,
        "rows_kept": sum(row["rows_kept"] for row in accounts),
        "rows_quarantined": sum(row["rows_quarantined"] for row in accounts),
    }


def _named(account: "Row") -> tuple[str, str]:
    return account["source"], account["file"]


def _keys(landed: list[_Landed]) -> set[tuple[str, str]]:
    return {(each.source, each.path.name) for each in landed}


def _new_files(ctx: JobContext) -> list[_Landed]:
    """Landing files not read yet, each looked at from end to end.

    Raises:
        BadFile: If one is damaged, or changed under a name already read.
    """
    audit = ctx.read(INGEST_AUDIT).select("source", "file", "content_hash").collect()
    known = {(row[0], row[1]): row[2] for row in audit}
    new = []
    for path in sorted(ctx.landing.glob("*/*")):
        if path.name.startswith(("_", ".")) or not path.is_file():
            continue
        source = path.parent.name
        if (source, path.name) not in known:
            new.append(_looked_at(source, path))
        elif content_hash(path) != known[source, path.name]:
            raise BadFile(
                f"{source}/{path.name}",
                "its content changed after it was read",
                "restore it, and land the new content under a new name",
            )
    return new


def _looked_at(source: str, path: Path) -> _Landed:
    layout = layout_of_landed(source_named(source), path)
    if layout is None:
        raise BadFile(f"{source}/{path.name}", f"no file of source {source}", "take it out")
    return _Landed(source, path, layout, inspect(path, layout))


def _stream(ctx: JobContext, new: list[_Landed]) -> None:
    """Let a stream with a checkpoint find the new files, and take them in batch by batch."""
    from pyspark.errors import StreamingQueryException  # noqa: PLC0415 - start without Spark

    reader = ctx.spark.readStream
    if ctx.on_databricks:
        reader = reader.format("cloudFiles").option("cloudFiles.format", "binaryFile")
    else:
        reader = reader.format("binaryFile")
    # the content is never asked for, so Spark reads names only
    reader = reader.schema(_BINARY_FILE).option("recursiveFileLookup", "true")
    paths = reader.load(str(ctx.landing)).select("path")
    expected = {(each.source, each.path.name): each for each in new}

    def take_in(batch: "DataFrame", batch_id: int) -> None:
        found = (_key(row[0]) for row in batch.collect())
        _take_in(ctx, [expected[key] for key in sorted(found) if key in expected], batch_id)

    query = (
        paths.writeStream.foreachBatch(take_in)
        .option("checkpointLocation", str(ctx.checkpoints / _STAGE))
        .trigger(availableNow=True)
        .start()
    )
    try:
        query.awaitTermination()
    except StreamingQueryException as error:
        raise QualityViolation(_STAGE, str(error).splitlines()[0]) from error


def _key(uri: str) -> tuple[str, str]:
    path = Path(unquote(urlparse(uri).path))
    return path.parent.name, path.name


def _take_in(ctx: JobContext, landed: list[_Landed], batch_id: int) -> None:
    """Write one batch: kept rows, refused rows, then the account that marks the files as read."""
    if not landed:
        return
    content = "".join(
        f"{each.source}/{each.path.name}/{each.facts.content_hash}" for each in landed
    )
    app_id = f"{_STAGE}/{hashlib.sha256(content.encode()).hexdigest()}"
    for table in dict.fromkeys(each.table for each in landed):
        frames = [_kept(ctx, each, batch_id) for each in landed if each.table == table]
        ctx.append(table, _union(frames), app_id=app_id, version=1)
    refused = _union([_refused(ctx, each, batch_id) for each in landed])
    ctx.append(QUARANTINE, refused, app_id=app_id, version=1)
    ctx.append(INGEST_AUDIT, _account(ctx, landed, batch_id), app_id=app_id, version=1)


def _union(frames: list["DataFrame"]) -> "DataFrame":
    whole = frames[0]
    for frame in frames[1:]:
        whole = whole.unionByName(frame)
    return whole


def _records(landed: _Landed, limit: int) -> Iterator[Record]:
    return records(landed.path, landed.layout, max_field_characters=limit)


def _kept(ctx: JobContext, landed: _Landed, batch_id: int) -> "DataFrame":
    """The kept rows of a file as its bronze table wants them."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    columns = [name for name in landed.table.column_names if not name.startswith("_")]
    limit = ctx.settings.ingest.max_field_characters

    def parse(_: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        rows: list[list[object]] = []
        for record in _records(landed, limit):
            if record.kept is not None:
                rows.append([record.row, *(record.kept.get(name) for name in columns)])
            if len(rows) >= _CHUNK:
                yield pd.DataFrame(rows, columns=["_row", *columns], dtype=object)
                rows = []
        yield pd.DataFrame(rows, columns=["_row", *columns], dtype=object)

    schema = ", ".join(("_row bigint", *(f"{name} string" for name in columns)))
    one = ctx.spark.range(0, 1, 1, 1).mapInPandas(parse, schema)
    return one.withColumns(
        {
            "_source": F.lit(landed.source),
            "_file": F.lit(landed.path.name),
            "_batch_id": F.lit(batch_id).cast("bigint"),
            "_ingested_at": F.lit(ctx.as_of),
        }
    )


def _refused(ctx: JobContext, landed: _Landed, batch_id: int) -> "DataFrame":
    """The refused rows of a file with their reasons."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    limit = ctx.settings.ingest.max_field_characters

    def parse(_: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        refused = (record for record in _records(landed, limit) if record.kept is None)
        rows = [[each.row, each.column, each.reason, each.received] for each in refused]
        yield pd.DataFrame(rows, columns=["row", "column", "reason", "received"], dtype=object)

    return (
        ctx.spark.range(0, 1, 1, 1)
        .mapInPandas(parse, _REFUSAL)
        .withColumns(
            {
                "stage": F.lit(_STAGE),
                "source": F.lit(landed.source),
                "table_name": F.lit(landed.table.qualified_name),
                "file": F.lit(landed.path.name),
                "batch_id": F.lit(batch_id).cast("bigint"),
                "quarantined_at": F.lit(ctx.as_of),
            }
        )
    )


def _account(ctx: JobContext, landed: list[_Landed], batch_id: int) -> "DataFrame":
    """Rows counted in the files beside rows found in the tables."""
    kept: dict[tuple[str, str], int] = {}
    for table in dict.fromkeys(each.table for each in landed):
        counts = ctx.read(table).groupBy("_source", "_file").count().collect()
        kept |= {(row[0], row[1]): row[2] for row in counts}
    at_ingest = ctx.read(QUARANTINE).filter(f"stage = '{_STAGE}'")
    counts = at_ingest.groupBy("source", "file").count().collect()
    refused = {(row[0], row[1]): row[2] for row in counts}
    rows = [
        {
            "source": each.source,
            "file": each.path.name,
            "table_name": each.table.qualified_name,
            "content_hash": each.facts.content_hash,
            "n_bytes": each.facts.n_bytes,
            "rows_read": each.facts.n_records,
            "rows_kept": kept.get((each.source, each.path.name), 0),
            "rows_quarantined": refused.get((each.source, each.path.name), 0),
            "batch_id": batch_id,
            "ingested_at": ctx.as_of,
        }
        for each in landed
    ]
    return ctx.frame(INGEST_AUDIT, pd.DataFrame(rows))


def _refuse_useless(ctx: JobContext, new: list[_Landed]) -> None:
    """Stop if nothing of a file could be used: then it is the wrong file, not a bad row."""
    useless = ctx.read(INGEST_AUDIT).filter("rows_kept = 0 AND rows_read > 0")
    lost = {_named(row) for row in useless.collect()}
    for each in new:
        if (each.source, each.path.name) in lost:
            refused = (r for r in _records(each, ctx.settings.ingest.max_field_characters))
            first = next(record for record in refused if record.kept is None)
            raise QualityViolation(
                f"{each.source}/{each.path.name}",
                f"all {each.facts.n_records:,} rows were refused; the first: {first.reason}",
            )
