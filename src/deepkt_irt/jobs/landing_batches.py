"""What lies in landing and was not taken in yet: looked at first, then found in batches.

A stream with a checkpoint finds the files (Auto Loader on Databricks) and ops.landed_files keeps
which were found together. Which files make a batch never changes, so that writing a batch again
is recognised.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepkt_irt.errors import BadFile, DamagedCheckpoint
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.source_stops import Stops
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.files import refuse_bomb
from deepkt_irt.sources.landing import layout_of_landed
from deepkt_irt.sources.layout import Layout
from deepkt_irt.sources.reader import FileFacts, content_hash, inspect, unread_columns
from deepkt_irt.sources.zip_files import complete, is_zip, take_apart, zip_named, zips_in
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.ops import INGEST_AUDIT, LANDED_FILES
from deepkt_irt.tables.stream_checkpoint import damaged_part

_BINARY_FILE = "path string, modificationTime timestamp, length bigint, content binary"
_ANY_AGE = "36500d"  # by default a stream passes over files a week older than the newest

_DATE = r"\d{4}-\d\d-\d\d"  # Data Factory lands what it copied on a day in a folder of that day
_ZIP = r"[^/]+\.(?i:zip)"  # what a zip file held is in a folder of its name
_FOLDER = re.compile(f"{_DATE}(/{_ZIP})?|{_ZIP}")

STAGE = "ingest_bronze"
Key = tuple[str, str]  # source and file, as answers.csv or 2026-03-01/answers.csv
Accounts = Mapping[Key, Mapping[str, Any]]
"""Rows of ops.ingest_audit by file."""


@dataclass(frozen=True)
class Landed:
    """A landing file not read before; `file` is its path below its source's folder."""

    source: str
    file: str
    path: Path
    layout: Layout
    facts: FileFacts
    modified_ns: int

    @property
    def key(self) -> Key:
        return self.source, self.file

    @property
    def table(self) -> Table:
        return self.layout.table


@dataclass(frozen=True)
class Batch:
    """Files of a source found together; which those are never changes, so repeating is recognised.

    Of one source, so that one that is stopped is taken in later and the others are not again.
    """

    number: int
    app_id: str
    files: list[Landed]


def accounts_by_file(ctx: JobContext) -> Accounts:
    """The row of ops.ingest_audit of every file read so far."""
    rows = (row.asDict() for row in ctx.read(INGEST_AUDIT).collect())
    return {(row["source"], row["file"]): row for row in rows}


def landing_files(ctx: JobContext, stops: Stops) -> dict[Key, Path]:
    """Files of a run's landing folder, zip files taken apart.

    A source that has something out of place, or a zip file that is refused, is stopped.
    """
    _take_apart(ctx, stops)
    found = {}
    for source, file, path in _below(ctx.landing):
        with stops.met(source, file):
            if _is_file(source, file, path):
                found[source, file] = path
    return found


def _take_apart(ctx: JobContext, stops: Stops) -> None:
    """Put folders in place of zip files that landed as they are, as Data Factory copies them."""
    for folder in ctx.landing.glob("[!_.]*"):
        complete(folder)
    for (source, file), path in zips_below(ctx.landing).items():
        with stops.met(source, file):
            passed_over = take_apart(path, source_named(source), ctx.settings.ingest)
            if passed_over:
                ctx.progress(f"{source}/{file}: not taken out: {', '.join(passed_over)}")


def files_below(landing: Path) -> dict[Key, Path]:
    """Files as `landing/<source>/[<date>/][<zip>/]<file>`; hidden ones are passed over.

    Hidden are names with `_` or `.` in front. A zip file is none before it is taken apart.

    Raises:
        BadFile: If something lies where no file of a source can lie.
    """
    return {each[:2]: each[2] for each in _below(landing) if _is_file(*each)}


def zips_below(landing: Path) -> dict[Key, Path]:
    """Zip files that the next run takes apart, as `landing/<source>/[<date>/]<zip>`."""
    return {
        (folder.name, path.relative_to(folder).as_posix()): path
        for folder in sorted(landing.glob("[!_.]*"))
        for path in zips_in(folder)
    }


def state_of(landing: Path) -> frozenset[tuple[Path, int]]:
    """All files in landing with the time each was changed, in ns; hidden ones are passed over.

    Also zip files and what is out of place: as long as this is the same, an ingest finds the same.
    """
    found = set()
    for path in _visible(landing):
        with suppress(FileNotFoundError):  # taken away meanwhile
            if path.is_file():
                found.add((path, path.stat().st_mtime_ns))
    return frozenset(found)


def _below(landing: Path) -> Iterator[tuple[str, str, Path]]:
    """Source, file and path of all that lies in landing, but for what is passed over."""
    for path in _visible(landing):
        source, *inside = path.relative_to(landing).parts
        if not (inside and is_zip(path)):
            yield source, "/".join(inside), path


def _visible(landing: Path) -> list[Path]:
    """What lies in landing without a hidden name, sorted."""
    levels = ("/".join("*" * depth) for depth in range(1, 5))
    return sorted(
        path
        for level in levels
        for path in landing.glob(level)
        if not any(part.startswith(("_", ".")) for part in path.relative_to(landing).parts)
    )


def _is_file(source: str, file: str, path: Path) -> bool:
    """Whether something in landing is a file, and not the folder of a source, day or zip."""
    is_folder = not file or _FOLDER.fullmatch(file) is not None
    if path.is_dir() != is_folder:
        problem = "in no source's folder" if is_folder else "a folder where a file should be"
        fix = "files lie in landing/<source>/, or there in a folder like 2026-03-01; move it"
        raise BadFile("/".join(filter(None, (source, file))), problem, fix)
    return not is_folder


def new_files(
    ctx: JobContext, there: Mapping[Key, Path], accounts: Accounts, stops: Stops
) -> list[Landed]:
    """Landing files not read yet, each looked at from end to end.

    A source is stopped if a file of it is damaged, or changed under a name already read.
    """
    new = []
    for key, path in there.items():
        if key[0] in stops:
            continue
        with stops.met(*key):
            if key not in accounts:
                new.append(_looked_at(ctx, key))
            elif _is_changed(path, accounts[key]):
                raise BadFile(
                    "/".join(key),
                    "its content changed after it was read",
                    "restore it, and land the new content under a new name",
                )
    return [each for each in new if each.source not in stops]


def _is_changed(path: Path, account: Mapping[str, Any]) -> bool:
    """Whether a file is another than was read; read again only if size or time differ."""
    found = path.stat()
    if (found.st_size, found.st_mtime_ns) == (account["n_bytes"], account["modified_ns"]):
        return False
    return content_hash(path) != str(account["content_hash"])


def _looked_at(ctx: JobContext, key: Key) -> Landed:
    source, file = key
    path = ctx.landing / source / file
    modified_ns = path.stat().st_mtime_ns  # of before: a change while it is read shows
    with zip_named(path):
        refuse_bomb(path, ctx.settings.ingest)
        layout = layout_of_landed(source_named(source), path)
        if layout is None:
            raise BadFile(f"{source}/{file}", f"no file of source {source}", "take it out")
        facts = inspect(path, layout)
    unread = unread_columns(layout, facts.header)
    if unread:
        ctx.progress(f"{source}/{file}: columns not read: {', '.join(unread)}")
    return Landed(source, file, path, layout, facts, modified_ns)


def find_batches(ctx: JobContext) -> None:
    """Let a stream with a checkpoint find the new files, and keep their names as one batch.

    The stream only finds: what follows is done by the task itself, where its session is, because
    a function handed to the stream would run in another process on serverless and over Connect.

    Raises:
        DamagedCheckpoint: If the stream cannot go on because of it.
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
    checkpoint = _ready_checkpoint(ctx)
    try:
        ctx.stream(LANDED_FILES, seen, checkpoint=checkpoint)
    except Exception as error:
        if damaged := damaged_part(checkpoint):
            raise DamagedCheckpoint(checkpoint, damaged) from error
        raise


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


def pending_batches(
    ctx: JobContext, looked: list[Landed], accounts: Accounts, stops: Stops
) -> Iterator[Batch]:
    """Batches not taken in yet, oldest first, but for those of sources that are stopped.

    A file that landed after the others were looked at is looked at now.
    """
    expected, done = {each.key: each for each in looked}, set(accounts)
    found = ctx.read(LANDED_FILES).select("batch_id", "source", "file").distinct().collect()
    together: dict[tuple[int, str], list[Key]] = {}
    for number, source, file in sorted(map(tuple, found)):
        together.setdefault((number, source), []).append((source, file))
    for (number, source), keys in together.items():
        files = [] if source in stops else _to_take(ctx, keys, expected, done, stops)
        done.update(keys)
        if files and source not in stops:
            content = f"{number}/" + "/".join(name for key in keys for name in key)
            digest = hashlib.sha256(content.encode()).hexdigest()
            yield Batch(number, f"{STAGE}/{digest}", files)


def _to_take(
    ctx: JobContext, keys: list[Key], expected: dict[Key, Landed], done: set[Key], stops: Stops
) -> list[Landed]:
    """The files of a batch that are there and were not taken in yet."""
    files = []
    for key in keys:
        if key not in done and (ctx.landing / key[0] / key[1]).exists():
            with stops.met(*key):
                files.append(expected.get(key) or _looked_at(ctx, key))
    return files
