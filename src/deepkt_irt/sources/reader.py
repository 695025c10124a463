"""Reads files record by record: every record is either kept or refused with its reason.

A record is a row of CSV or, where the layout says so, a JSON object made flat; the same rules judge
both.

Plain Python on purpose: the csv module gives exact record numbers, survives every kind of
broken row, and runs the same on a laptop and in a Spark worker.
"""

import codecs
import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from deepkt_irt.errors import BadFile
from deepkt_irt.sources.blocks import WHOLE, Piece, counted, csv_text
from deepkt_irt.sources.documents import members
from deepkt_irt.sources.files import escaped, opened, refuse_binary
from deepkt_irt.sources.layout import Document, Field, Layout

_LONGEST_NAME = 1_000  # characters of a column's name: each row in the rest repeats it


@dataclass(frozen=True)
class FileFacts:
    """What a whole pass over a file found.

    Attributes:
        content_hash: SHA-256 of the bytes as they lie there.
        n_bytes: Their number.
        n_records: Records after the header.
        header: Column names.
        pieces: Stretches in which several processes can read it.
    """

    content_hash: str
    n_bytes: int
    n_records: int
    header: tuple[str, ...]
    pieces: tuple[Piece, ...] = (WHOLE,)


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
    if layout.document:
        n_records = sum(1 for _ in members(path, layout.document))
        return FileFacts(content_hash(path), path.stat().st_size, n_records, ())
    header = read_header(path)
    required = (*(f.header for f in layout.fields if f.required), *layout.needed)
    missing = [name for name in required if name not in header]
    if missing:
        raise BadFile(
            path.name,
            f"column {', '.join(missing)} missing; it has {', '.join(header)}",
            "check that it is a file of this source, or give another --source",
            missing,
        )
    n_records, pieces = counted(path)
    return FileFacts(content_hash(path), path.stat().st_size, n_records, tuple(header), pieces)


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
        header = _header(rows)
    if not any(header):
        raise BadFile(path.name, "the file is empty", "land a file with a header and rows")
    if any(_is_not_utf8(name) for name in header):
        raise BadFile(path.name, "the header is not UTF-8 text", "save the file as UTF-8")
    longest = max(map(len, header))
    if longest > _LONGEST_NAME:
        problem = f"a column's name has {longest:,} characters, more than {_LONGEST_NAME:,}"
        raise BadFile(path.name, problem, "close the quotes in its header, or export it again")
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
        _header(rows)
        yield from (row for row in rows if row)


def raw_rows(path: Path) -> Iterator[tuple[bytes, list[str]]]:
    """All rows with the bytes each stands in, header and blank lines included.

    Raises:
        BadFile: If the file turns out to be damaged.
    """
    lines: list[str] = []
    with opened(path) as file:
        mark = codecs.BOM_UTF8 if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else b""
    with _rows(path, lines=lines) as rows:
        for row in rows:
            yield mark + "".join(lines).encode("utf-8", "surrogateescape"), row
            mark = b""
            lines.clear()


def unread_columns(layout: Layout, header: Sequence[str]) -> list[str]:
    """Columns of a file that its layout neither names nor keeps as a rest."""
    used = {field.header for field in layout.fields}
    return [] if layout.rest else [name for name in header if name and name not in used]


def rest_of(layout: Layout, header: Sequence[str]) -> list[tuple[str, int]]:
    """Name and place of each column that goes to a layout's rest."""
    used = {field.header for field in layout.fields}
    # a column without a name goes by its number, so that none hides another
    named = ((name or f"column {at + 1}", at) for at, name in enumerate(header))
    return [(name, at) for name, at in named if name not in used] if layout.rest else []


def records(path: Path, layout: Layout, *, max_field_characters: int) -> Iterator[Record]:
    """The records of a file in order, each kept or refused.

    Blank lines are no records. Bytes that are no UTF-8 refuse a row only where they stand in a
    column the layout reads; in its free text and in the rest they are kept as escapes.

    Args:
        path: File that `inspect` has passed.
        layout: Its layout.
        max_field_characters: Rows with a longer field are refused.

    Raises:
        BadFile: If the file turns out to be cut off.
    """
    if layout.document:
        yield from _objects(path, layout, layout.document, max_field_characters)
        return
    with _rows(path) as rows:
        judge = Judge(_header(rows), layout, max_field_characters)
        for number, row in enumerate((row for row in rows if row), start=1):
            yield judge.record(number, row)


def _objects(path: Path, layout: Layout, document: Document, limit: int) -> Iterator[Record]:
    """The objects of a JSON file, made flat and judged as rows."""
    header = [field.header for field in layout.fields]
    judge = Judge(header, layout, limit)
    for number, each in enumerate(members(path, document), start=1):
        if each.fault:
            yield Record(number, None, None, each.fault, each.received)
            continue
        record = judge.record(number, [each.flat.get(name, "") for name in header])
        yield record if record.kept else replace(record, received=each.received)


class Judge:
    """Turns rows of one file into records."""

    def __init__(self, header: list[str], layout: Layout, max_field_characters: int) -> None:
        place = {name: index for index, name in enumerate(header)}
        self._header, self._layout, self._max = header, layout, max_field_characters
        self._fields = [(f, place[f.header]) for f in layout.fields if f.header in place]
        self._absent = {f.column: None for f in layout.fields if f.header not in place}
        self._rest = rest_of(layout, header)
        if layout.rest:
            self._absent[layout.rest] = None

    def record(self, number: int, row: list[str]) -> Record:
        """Judge one row."""
        column, reason = self._fault(row)
        if reason:
            return Record(number, None, column, reason, received=as_received(row))
        layout = self._layout
        values: dict[str, str | None] = {
            f.column: None
            if row[at].strip(" ") in f.absent
            else (escaped(row[at]) if f.free_text else row[at]) or None
            for f, at in self._fields
        }
        values.update(self._absent)
        values.update(layout.constants)
        if layout.row_number:
            values[layout.row_number] = str(number)
        if self._rest:
            rest = {name: escaped(row[at]) for name, at in self._rest if row[at]}
            values[layout.rest] = json.dumps(rest, ensure_ascii=False) if rest else None
        return Record(number, values)

    def _fault(self, row: list[str]) -> tuple[str | None, str]:
        """Column at fault and reason; no reason if the row is sound."""
        if len(row) != len(self._header):
            few = "few" if len(row) < len(self._header) else "many"
            return None, f"too {few} fields: {len(row)} instead of {len(self._header)}"
        whole = "".join(row)  # one look at the row spares a look at each field
        if len(whole) > self._max or "\0" in whole:
            for name, value in zip(self._header, row, strict=True):
                if len(value) > self._max:
                    return name, f"{len(value):,} characters, more than the {self._max:,} allowed"
                if "\0" in value:
                    return name, "a NUL byte, so no text"
        text = whole.isascii()
        for field, at in self._fields:
            is_text = text or field.free_text or not _is_not_utf8(row[at])
            reason = wrong(field, row[at], is_text=is_text)
            if reason:
                return field.header, reason
        return None, ""


def wrong(field: Field, value: str, *, is_text: bool) -> str:
    """What speaks against a value of a field; empty if nothing does."""
    if not is_text:
        return "not UTF-8 text"
    if value.strip(" ") in field.absent:
        return f"{field.header} is {value!r}, so missing" if field.filled else ""
    if value and field.rule:
        broken = field.rule(value)
        return f"{field.header} is {value[:80]!r}, {broken}" if broken else ""
    return f"{field.header} is empty" if field.filled and not value.strip() else ""


def _is_not_utf8(text: str) -> bool:
    return not text.isascii() and any("\udc80" <= char <= "\udcff" for char in text)


def as_received(row: Sequence[str]) -> str:
    """A row as one line of CSV; what is no UTF-8 as escapes. So quarantine keeps it."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(row)
    return escaped(line.getvalue())


def _header(rows: Iterator[list[str]]) -> list[str]:
    """The first row that is not blank; empty if there is none."""
    return [name.strip() for name in next((row for row in rows if row), [])]


@contextmanager
def _rows(
    path: Path, *, sniff: bool = False, lines: list[str] | None = None
) -> Iterator[Iterator[list[str]]]:
    """CSV rows of a plain or gzip file; damage becomes a BadFile. Lines read go to `lines`."""
    with csv_text(path), opened(path) as file:
        if sniff:
            refuse_binary(path, file, wanted="CSV")
        text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        yield csv.reader(text if lines is None else _noted(text, lines))


def _noted(text: Iterable[str], lines: list[str]) -> Iterator[str]:
    for line in text:
        lines.append(line)
        yield line
