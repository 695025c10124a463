"""What lies in landing and was not taken in yet: looked at first, then found in batches.

A stream with a checkpoint finds the files (Auto Loader on Databricks) and ops.landed_files keeps
which were found together. Which files make a batch never changes, so that writing a batch again
is recognised.
"""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepkt_irt.errors import BadFile
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import layout_of_landed
from deepkt_irt.sources.layout import Layout
from deepkt_irt.sources.reader import FileFacts, content_hash, inspect, unread_columns
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.ops import INGEST_AUDIT, LANDED_FILES

_BINARY_FILE = "path string, modificationTime timestamp, length bigint, content binary"
_ANY_AGE = "36500d"  # by default a stream passes over files a week older than the newest

STAGE = "ingest_bronze"
Key = tuple[str, str]  # source and file name


@dataclass(frozen=True)
class Landed:
    """A landing file not read before."""

    source: str
    path: Path
    layout: Layout
    facts: FileFacts

    @property
    def key(self) -> Key:
        return self.source, self.path.name

    @property
    def table(self) -> Table:
        return self.layout.table


@dataclass(frozen=True)
class Batch:
    """Files found together; which those are never changes, so repeating is recognised."""

    number: int
    app_id: str
    files: list[Landed]


def accounts_by_file(ctx: JobContext) -> dict[Key, dict[str, int]]:
    """Rows read, kept and quarantined of every file read so far."""
    counts = ("rows_read", "rows_kept", "rows_quarantined")
    rows = ctx.read(INGEST_AUDIT).select("source", "file", *counts).collect()
    return {(row[0], row[1]): {name: row[name] for name in counts} for row in rows}


def landing_files(ctx: JobContext) -> list[Path]:
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


def new_files(ctx: JobContext) -> list[Landed]:
    """Landing files not read yet, each looked at from end to end.

    Raises:
        BadFile: If one is damaged, or changed under a name already read.
    """
    audit = ctx.read(INGEST_AUDIT).select("source", "file", "content_hash").collect()
    known = {(row[0], row[1]): row[2] for row in audit}
    new = []
    for path in landing_files(ctx):
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


def _looked_at(ctx: JobContext, path: Path) -> Landed:
    source = path.parent.name
    layout = layout_of_landed(source_named(source), path)
    if layout is None:
        raise BadFile(f"{source}/{path.name}", f"no file of source {source}", "take it out")
    facts = inspect(path, layout)
    unread = unread_columns(layout, facts.header)
    if unread:
        ctx.progress(f"{source}/{path.name}: columns not read: {', '.join(unread)}")
    return Landed(source, path, layout, facts)


def find_batches(ctx: JobContext) -> None:
    """Let a stream with a checkpoint find the new files, and keep their names as one batch.

    The stream only finds: what follows is done by the task itself, where its session is, because
    a function handed to the stream would run in another process on serverless and over Connect.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    reader = ctx.spark.readStream.schema(_BINARY_FILE)
    if ctx.on_databricks:
        reader = reader.format("cloudFiles").option("cloudFiles.format", "binaryFile")
    else:
        reader = reader.format("binaryFile").option("maxFileAge", _ANY_AGE)
    # the content is never asked for, so Spark reads names only
    paths = reader.option("recursiveFileLookup", "true").load(str(ctx.landing)).select("path")
    folder = F.substring_index(F.substring_index("path", "/", -2), "/", 1)
    found = paths.select(
        folder.alias("source"),
        F.substring_index("path", "/", -1).alias("file"),
        F.lit(_next_batch(ctx)).cast("bigint").alias("batch_id"),
        F.lit(ctx.as_of).alias("found_at"),
    )
    # Spark passes over such names by itself; that Auto Loader does is not promised
    seen = found.filter(~F.substring("file", 1, 1).isin("_", "."))
    ctx.stream(LANDED_FILES, seen, checkpoint=_ready_checkpoint(ctx))


def _next_batch(ctx: JobContext) -> int:
    """A number no batch has."""
    row = ctx.read(LANDED_FILES).groupBy().max("batch_id").first()
    return 0 if row is None or row[0] is None else int(row[0]) + 1


def checkpoint_of(ctx: JobContext) -> Path:
    """Folder of the stream's checkpoint."""
    return ctx.checkpoints / STAGE


def _ready_checkpoint(ctx: JobContext) -> Path:
    """The stream's checkpoint, emptied if a run was cut off before it planned a first batch.

    Such a run can leave a half-written file behind, with which Spark refuses to start for good.
    """
    checkpoint = checkpoint_of(ctx)
    planned = any(path.name.isdigit() for path in checkpoint.glob("offsets/*"))
    if checkpoint.exists() and not planned:
        shutil.rmtree(checkpoint)
    return checkpoint


def pending_batches(ctx: JobContext, looked: list[Landed]) -> Iterator[Batch]:
    """Batches not taken in yet, oldest first.

    A file that landed after the others were looked at is looked at now.
    """
    expected, done = {each.key: each for each in looked}, set(accounts_by_file(ctx))
    found = ctx.read(LANDED_FILES).select("batch_id", "source", "file").distinct().collect()
    for number in sorted({row[0] for row in found}):
        keys = sorted((row[1], row[2]) for row in found if row[0] == number)
        content = f"{number}/" + "/".join(name for key in keys for name in key)
        files = [
            expected.get(key) or _looked_at(ctx, ctx.landing / key[0] / key[1])
            for key in keys
            if key not in done and (ctx.landing / key[0] / key[1]).exists()
        ]
        done.update(keys)
        if files:
            digest = hashlib.sha256(content.encode()).hexdigest()
            yield Batch(number, f"{STAGE}/{digest}", files)
