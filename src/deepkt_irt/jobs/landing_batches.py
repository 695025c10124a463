"""What lies in landing and was not taken in yet: looked at first, then found in batches.

A stream with a checkpoint finds the files (Auto Loader on Databricks) and ops.landed_files keeps
which were found together. Which files make a batch never changes, so that writing a batch again
is recognised.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepkt_irt.errors import BadFile
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.sources.catalogue import SOURCES, source_named
from deepkt_irt.sources.files import refuse_bomb
from deepkt_irt.sources.landing import layout_of_landed
from deepkt_irt.sources.layout import Layout
from deepkt_irt.sources.reader import FileFacts, content_hash, inspect, unread_columns
from deepkt_irt.sources.zip_files import is_zip, unpack_landed, zip_named
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.ops import INGEST_AUDIT, LANDED_FILES

_BINARY_FILE = "path string, modificationTime timestamp, length bigint, content binary"
_ANY_AGE = "36500d"  # by default a stream passes over files a week older than the newest

_DATE = r"\d{4}-\d\d-\d\d"  # Data Factory lands what it copied on a day in a folder of that day
_ZIP = r"[^/]+\.(?i:zip)"  # what a zip file held is in a folder of its name
_FOLDER = re.compile(f"{_DATE}(/{_ZIP})?|{_ZIP}")

STAGE = "ingest_bronze"
Key = tuple[str, str]  # source and file, as answers.csv or 2026-03-01/answers.csv


@dataclass(frozen=True)
class Landed:
    """A landing file not read before; `file` is its path below its source's folder."""

    source: str
    file: str
    path: Path
    layout: Layout
    facts: FileFacts

    @property
    def key(self) -> Key:
        return self.source, self.file

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


def landing_files(ctx: JobContext) -> dict[Key, Path]:
    """Files of a run's landing folder, as `files_below` finds them."""
    return files_below(ctx.landing)


def files_below(landing: Path) -> dict[Key, Path]:
    """Files as `landing/<source>/[<date>/][<zip>/]<file>`; hidden ones are passed over.

    Hidden are names with `_` or `.` in front. A zip file is none before it is taken apart.

    Raises:
        BadFile: If something lies where no file of a source can lie.
    """
    found = {}
    for path in sorted(
        path for depth in range(1, 5) for path in landing.glob("/".join("*" * depth))
    ):
        source, *inside = path.relative_to(landing).parts
        if any(part.startswith(("_", ".")) for part in (source, *inside)):
            continue
        is_folder = not inside or _FOLDER.fullmatch("/".join(inside)) is not None
        if path.is_dir() != is_folder and not (inside and is_zip(path)):
            problem = "in no source's folder" if is_folder else "a folder where a file should be"
            fix = "files lie in landing/<source>/, or there in a folder like 2026-03-01; move it"
            raise BadFile("/".join((source, *inside)), problem, fix)
        if not is_folder:
            found[source, "/".join(inside)] = path
    return found


def new_files(ctx: JobContext) -> list[Landed]:
    """Landing files not read yet, each looked at from end to end.

    Raises:
        BadFile: If one is damaged, or changed under a name already read.
    """
    audit = ctx.read(INGEST_AUDIT).select("source", "file", "content_hash").collect()
    known = {(row[0], row[1]): row[2] for row in audit}
    _take_apart(ctx)
    new = []
    for key, path in landing_files(ctx).items():
        if key not in known:
            new.append(_looked_at(ctx, key))
        elif content_hash(path) != known[key]:
            raise BadFile(
                "/".join(key),
                "its content changed after it was read",
                "restore it, and land the new content under a new name",
            )
    return new


def _take_apart(ctx: JobContext) -> None:
    """Put folders in place of zip files that landed as they are, as Data Factory copies them."""
    for folder in sorted(ctx.landing.glob("*")):
        if folder.name in SOURCES:
            source = SOURCES[folder.name]
            unpack_landed(ctx.landing, source, ctx.settings.ingest, ctx.progress)


def _looked_at(ctx: JobContext, key: Key) -> Landed:
    source, file = key
    path = ctx.landing / source / file
    with zip_named(path):
        refuse_bomb(path, ctx.settings.ingest)
        layout = layout_of_landed(source_named(source), path)
        if layout is None:
            raise BadFile(f"{source}/{file}", f"no file of source {source}", "take it out")
        facts = inspect(path, layout)
    unread = unread_columns(layout, facts.header)
    if unread:
        ctx.progress(f"{source}/{file}: columns not read: {', '.join(unread)}")
    return Landed(source, file, path, layout, facts)


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
    # from its end, the path is a file, [a zip's name], [a date], a source, and where landing is
    seen = (
        paths.selectExpr("reverse(split(path, '/')) AS part")
        .selectExpr("part", f"IF(get(part, 1) RLIKE r'^{_ZIP}$', 2, 1) AS n")
        .selectExpr("part", f"IF(get(part, n) RLIKE r'^{_DATE}$', n + 1, n) AS n")
        .selectExpr("get(part, n) AS source", "reverse(slice(part, 1, n)) AS inside")
        # Spark passes over such names by itself; that Auto Loader does is not promised
        .filter("source NOT RLIKE r'^[_.]' AND NOT exists(inside, part -> part RLIKE r'^[_.]')")
        .filter(f"element_at(inside, -1) NOT RLIKE r'^{_ZIP}$'")  # not taken apart yet
        .select(
            "source",
            F.array_join("inside", "/").alias("file"),
            F.lit(_next_batch(ctx)).cast("bigint").alias("batch_id"),
            F.lit(ctx.as_of).alias("found_at"),
        )
    )
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
            expected.get(key) or _looked_at(ctx, key)
            for key in keys
            if key not in done and (ctx.landing / key[0] / key[1]).exists()
        ]
        done.update(keys)
        if files:
            digest = hashlib.sha256(content.encode()).hexdigest()
            yield Batch(number, f"{STAGE}/{digest}", files)
