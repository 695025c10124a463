"""Reads CSV files row by row: every record is either kept or refused with its reason.

Plain Python on purpose: the csv module gives exact record numbers, survives every kind of
broken row, and runs the same on a laptop and in a Spark worker.
"""

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deepkt_irt.errors import BadFile
from deepkt_irt.sources.layout import Layout

_WHOLE_FIELD = 2**31 - 1  # the csv module must pass on what we then judge
_SNIFFED_BYTES = 65_536


@dataclass(frozen=True)
class FileFacts:
    """What a whole pass over a file found.

    Attributes:
        content_hash: SHA-256 of the bytes as they lie there.
        n_bytes: Their number.
        n_records: Records after the header.
        header: Column names.
    """

    content_hash: str
    n_bytes: int
    n_records: int
    header: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file.

    Attributes:
        row: 1 for the first record after the header.
        kept: Bronze values by column; None if refused.
        column: Column at fault; None if the whole row is.
        reason: What is wrong; empty if kept.
        received: The row as received, only if refused.
    """

    row: int
    kept: dict[str, str | None] | None
    column: str | None = None
    reason: str = ""
    received: str = ""


def inspect(path: Path, layout: Layout) -> FileFacts:
    """Read a whole file once: its hash, its records, and whether it is what it should be.

    Raises:
        BadFile: If it is missing, empty, cut off, binary, not UTF-8 in its header, or lacks a
            required column.
    """
    header = read_header(path)
    missing = [f.header for f in layout.fields if f.required and f.header not in header]
    if missing:
        raise BadFile(
            path.name,
            f"column {', '.join(missing)} missing; it has {', '.join(header)}",
            "check that it is a file of this source, or give another --source",
        )
    with _rows(path) as rows:
        n_records = sum(1 for row in rows if row) - 1
    return FileFacts(content_hash(path), path.stat().st_size, n_records, tuple(header))


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_header(path: Path) -> list[str]:
    """Column names of a CSV file.

    Raises:
        BadFile: If the file cannot be read as CSV text.
    """
    if not path.is_file():
        raise BadFile(str(path), "there is no such file", "check the path given with --data")
    with _rows(path, sniff=True) as rows:
        header = next(rows, None)
    if not header:
        raise BadFile(path.name, "the file is empty", "land a file with a header and rows")
    if any("\udc80" <= char <= "\udcff" for name in header for char in name):
        raise BadFile(path.name, "the header is not UTF-8 text", "save the file as UTF-8")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise BadFile(path.name, f"column {', '.join(twice)} stands twice", "name columns apart")
    return header


def read_rows(path: Path) -> Iterator[list[str]]:
    """The rows after the header, as they are.

    Raises:
        BadFile: If the file turns out to be damaged.
    """
    with _rows(path) as rows:
        next(rows, None)
        yield from rows


def records(path: Path, layout: Layout, *, max_field_characters: int) -> Iterator[Record]:
    """The records of a file in order, each kept or refused.

    Args:
        path: File that `inspect` has passed.
        layout: Its layout.
        max_field_characters: Rows with a longer field are refused.

    Raises:
        BadFile: If the file turns out to be cut off.
    """
    with _rows(path) as rows:
        header = next(rows)
        judge = _Judge(header, layout, max_field_characters)
        for number, row in enumerate((row for row in rows if row), start=1):
            yield judge.record(number, row)


class _Judge:
    """Turns rows of one file into records."""

    def __init__(self, header: list[str], layout: Layout, max_field_characters: int) -> None:
        place = {name: index for index, name in enumerate(header)}
        self._header, self._layout, self._max = header, layout, max_field_characters
        self._fields = [(field, place.get(field.header)) for field in layout.fields]
        used = {field.header for field in layout.fields}
        self._rest = [(n, i) for n, i in place.items() if n not in used] if layout.rest else []

    def record(self, number: int, row: list[str]) -> Record:
        """Judge one row."""
        column, reason = self._fault(row)
        if reason:
            return Record(number, None, column, reason, received=_as_received(row))
        values: dict[str, str | None] = {
            field.column: (row[at] or None) if at is not None else None
            for field, at in self._fields
        }
        values.update(self._layout.constants)
        if self._layout.row_number:
            values[self._layout.row_number] = str(number)
        if self._layout.rest:
            rest = {name: row[at] for name, at in self._rest if row[at]}
            values[self._layout.rest] = json.dumps(rest, ensure_ascii=False) if rest else None
        return Record(number, values)

    def _fault(self, row: list[str]) -> tuple[str | None, str]:
        if len(row) != len(self._header):
            few = "few" if len(row) < len(self._header) else "many"
            return None, f"too {few} fields: {len(row)} instead of {len(self._header)}"
        for name, value in zip(self._header, row, strict=True):
            if len(value) > self._max:
                return name, f"{len(value):,} characters, more than the {self._max:,} allowed"
            if not value.isascii() and any("\udc80" <= char <= "\udcff" for char in value):
                return name, "not UTF-8 text"
        for field, at in self._fields:
            value = row[at] if at is not None else ""
            if value and field.rule:
                wrong = field.rule(value)
                if wrong:
                    return field.header, f"{field.header} is {value[:80]!r}: {wrong}"
            elif field.filled and not value.strip():
                return field.header, f"{field.header} is empty"
        return None, ""


def _as_received(row: list[str]) -> str:
    """The row as one line of CSV; bytes that are no UTF-8 are escaped in hexadecimal."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(row)
    return line.getvalue().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@contextmanager
def _rows(path: Path, *, sniff: bool = False) -> Iterator[Iterator[list[str]]]:
    """CSV rows of a plain or gzip file; damage becomes a BadFile."""
    csv.field_size_limit(_WHOLE_FIELD)
    try:
        with _opened(path) as file:
            if sniff:
                _refuse_binary(path, file)
            text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
            yield csv.reader(text)
    except (EOFError, zlib.error) as error:
        raise BadFile(path.name, "the gz file is cut off or damaged", "land it again") from error
    except gzip.BadGzipFile as error:
        raise BadFile(path.name, "it is named .gz but is no gz file", "rename it") from error
    except OSError as error:
        problem = error.strerror or str(error)
        raise BadFile(path.name, f"it cannot be read ({problem})", "check its rights") from error


def _opened(path: Path) -> io.BufferedReader | gzip.GzipFile:
    return gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb")


def _refuse_binary(path: Path, file: io.BufferedReader | gzip.GzipFile) -> None:
    start = file.read(_SNIFFED_BYTES)
    if b"\0" in start:
        raise BadFile(path.name, "it is a binary file, not CSV text", "export it as CSV")
    file.seek(0)
