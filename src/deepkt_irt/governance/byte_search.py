"""Looks for texts in files of any kind: in names, in bytes, and in what compressed files hold."""

import gzip
import json
import mmap
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deepkt_irt.governance.redaction import whole

if TYPE_CHECKING:
    import pyarrow as pa

_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Hit:
    """A text stands in a file; `inside` says where: name, bytes or values."""

    path: Path
    label: str
    inside: str


@dataclass
class Searched:
    """What a search looked at and found."""

    n_files: int = 0
    n_bytes: int = 0
    hits: list[Hit] = field(default_factory=list)


def byte_search(
    folders: Iterable[Path], texts: Mapping[str, str], *, besides: Iterable[Path] = ()
) -> Searched:
    """Search every file below some folders for texts, each as a whole word.

    Looked at are names, bytes as they lie there, gzip and zip files unpacked, and the decoded
    values of Parquet files and SQLite databases.

    Args:
        folders: What is not there is passed over.
        texts: The text by a label that may be shown.
        besides: Folders left out.
    """
    patterns = {label: _pattern(text) for label, text in texts.items()}
    left_out, found = tuple(besides), Searched()
    for path in sorted({path for folder in folders for path in folder.rglob("*")}):
        if not path.is_file() or any(path.is_relative_to(folder) for folder in left_out):
            continue
        found.n_files += 1
        found.n_bytes += path.stat().st_size
        for label, pattern in patterns.items():
            inside = _where(path, pattern)
            if inside:
                found.hits.append(Hit(path, label, inside))
    return found


def _pattern(text: str) -> re.Pattern[bytes]:
    """The text as UTF-8, or as JSON writes it in ASCII."""
    forms = {text, json.dumps(text)[1:-1]}
    return re.compile("|".join(map(whole, sorted(forms))).encode())


def _where(path: Path, pattern: re.Pattern[bytes]) -> str:
    if pattern.search(path.name.encode("utf-8", "surrogateescape")):
        return "name"
    if path.stat().st_size == 0:
        return ""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if pattern.search(content):
            return "bytes"
        start = content[: len(_SQLITE)]
    return "values" if any(pattern.search(each) for each in _values(path, start)) else ""


def _values(path: Path, start: bytes) -> Iterator[bytes]:
    """What a file holds in another form than its bytes."""
    if start.startswith(b"PAR1"):
        yield from _of_parquet(path)
    elif start.startswith(b"\x1f\x8b"):
        try:
            yield gzip.decompress(path.read_bytes())
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return  # cut off: its bytes were searched
    elif start.startswith(_SQLITE):
        yield from _of_sqlite(path)
    elif start.startswith(b"PK") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            yield from (packed.read(name) for name in packed.namelist())


def _of_sqlite(path: Path) -> Iterator[bytes]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        database.text_factory = bytes
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            quoted = name.decode().replace('"', '""')
            for row in database.execute(f'SELECT * FROM "{quoted}"'):  # noqa: S608 - its own names
                yield from (value for value in row if isinstance(value, bytes))


def _of_parquet(path: Path) -> Iterator[bytes]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            for column in batch.columns:
                yield from _texts(column)


def _texts(column: "pa.Array") -> Iterator[bytes]:
    """The texts of a column, each different one once, however deep they lie."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    kind = column.type
    if pa.types.is_dictionary(kind):
        yield from _texts(column.dictionary)
    elif pa.types.is_map(kind):
        yield from _texts(column.keys)
        yield from _texts(column.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _texts(column.flatten())
    elif pa.types.is_struct(kind):
        for part in column.flatten():
            yield from _texts(part)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield "\n".join(filter(None, column.unique().to_pylist())).encode()
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        yield from filter(None, column.unique().to_pylist())
