"""Cuts CSV files into blocks of whole records, so that most of them can be judged all at once.

A block is plain where splitting its lines at the commas gives what the csv module gives: no
quotes, no blank lines, no line ends but LF or CRLF, no bytes that are no UTF-8. Such a block stays
bytes; any other comes as rows of the csv module. A long file that is not packed also gets marks, at
which another process can begin to read it.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from deepkt_irt.errors import BadFile
from deepkt_irt.sources.files import Binary, opened

_BLOCK_BYTES = 2**20
_PIECE_BYTES = 16 * 2**20  # small enough for some pieces a core, large enough to be worth a task
_ROWS = 10_000  # of the csv module in a block, unless they are long
_CHARACTERS = 16 * 2**20  # from which on a block is handed on
_WHOLE_FIELD = 64 * 2**20  # the csv module must pass on what others then judge; memory has an end


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a file from one record to another.

    Attributes:
        first_row: Number of its first record; 1 for the first one after the header.
        start: Byte it begins at; 0: the beginning, with the header.
        end: Byte it ends before; None: the end of the file.
    """

    first_row: int = 1
    start: int = 0
    end: int | None = None


WHOLE = Piece()


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive records; either `text` or `rows` is filled.

    Attributes:
        first_row: Number of the first of them.
        n_rows: How many they are.
        text: Whole lines of a plain block.
        rows: Rows as the csv module gives them, blank ones left out.
    """

    first_row: int
    n_rows: int
    text: bytes = b""
    rows: tuple[list[str], ...] = ()


def blocks(path: Path, piece: Piece = WHOLE) -> Iterator[Block]:
    """The records of a piece of a CSV file, in order.

    Raises:
        BadFile: If the file turns out to be damaged.
    """
    with _lines_of(path, piece) as lines:
        yield from _cut(lines, piece.first_row)


def counted(path: Path) -> tuple[int, tuple[Piece, ...]]:
    """How many records a CSV file has, and the pieces it can be read in.

    Raises:
        BadFile: If the file turns out to be damaged.
    """
    n_rows, pieces = 0, [WHOLE]
    with _lines_of(path, WHOLE) as lines:
        for block in _cut(lines, 1):
            n_rows += block.n_rows
            last = pieces[-1]
            is_far = lines.position - last.start >= _PIECE_BYTES
            if is_far and lines.is_at_end and not path.name.endswith(".gz"):
                pieces[-1] = replace(last, end=lines.position)
                pieces.append(Piece(n_rows + 1, lines.position))
    return n_rows, tuple(pieces)


def in_chunks[T](found: Iterable[T], n_characters: Callable[[T], int]) -> Iterator[list[T]]:
    """What is found in lists that fit into memory, however long each of it is."""
    chunk, n = [], 0
    for each in found:
        chunk.append(each)
        n += n_characters(each)
        if len(chunk) >= _ROWS or n >= _CHARACTERS:
            yield chunk
            chunk, n = [], 0
    if chunk:
        yield chunk


@contextmanager
def csv_text(path: Path) -> Iterator[None]:
    """Reading CSV within limits; what the csv module refuses becomes a BadFile."""
    csv.field_size_limit(_WHOLE_FIELD)
    try:
        yield
    except csv.Error as error:
        fix = "close the quote that is open there, or export it again"
        raise BadFile(path.name, f"it is not CSV text ({error})", fix) from error


def is_plain(text: bytes) -> bool:
    """Whether splitting whole lines at the commas gives what the csv module gives."""
    if b'"' in text or b"\0" in text or b"\n\n" in text or len(text) > _WHOLE_FIELD:
        return False
    if text.startswith((b"\n", b"\r", codecs.BOM_UTF8)):  # a mark that is no first byte is a value
        return False
    if b"\r" in text and (b"\n\r" in text or text.count(b"\r") != text.count(b"\r\n")):
        return False
    return text.isascii() or _is_utf8(text)


def rows_of(text: bytes) -> tuple[list[str], ...]:
    """The rows of a plain block, as the csv module gives them."""
    return tuple(csv.reader(io.StringIO(text.decode(), newline="")))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Lines:
    """Whole lines of a file from a byte on, a block at a time.

    Attributes:
        position: Byte behind the lines taken so far.
        is_at_end: Whether the last of them was passed on, if any was asked for.
    """

    def __init__(self, file: Binary, start: int, end: int | None) -> None:
        self._file, self._end, self._rest = file, end, b""
        self.position, self.is_at_end = start, True
        file.seek(start)

    def take(self) -> bytes:
        """About a block of whole lines; the last may lack its end. Nothing at the end."""
        parts = [self._rest]
        self._rest = b""
        while chunk := self._file.read(_BLOCK_BYTES):
            end = chunk.rfind(b"\n") + 1 or chunk.rfind(b"\r") + 1
            parts.append(chunk[:end] if end else chunk)
            if end:
                self._rest = chunk[end:]
                break
        text = b"".join(parts)
        if self._end is not None:
            text = text[: self._end - self.position]
        self.position += len(text)
        self.is_at_end = True
        return text

    def texts(self, taken: bytes) -> Iterator[str]:
        """Single lines, of what was taken and as far beyond it as they are asked for."""
        while taken:
            lines = taken.splitlines(keepends=True)
            for number, line in enumerate(lines, start=1):
                self.is_at_end = number == len(lines)
                yield line.decode("utf-8", "surrogateescape")
            taken = self.take()


@contextmanager
def _lines_of(path: Path, piece: Piece) -> Iterator[_Lines]:
    """Lines of a plain or gzip file behind its header; damage becomes a BadFile."""
    with csv_text(path), opened(path) as file:
        yield _Lines(file, piece.start or _behind_header(file), piece.end)


def _behind_header(file: Binary) -> int:
    """Byte behind the first row that is not blank."""
    behind = 0

    def lines() -> Iterator[str]:
        nonlocal behind
        for raw in file:
            for line in raw.splitlines(keepends=True):
                text = line if behind else line.removeprefix(codecs.BOM_UTF8)
                behind += len(line)
                yield text.decode("utf-8", "surrogateescape")

    next((row for row in csv.reader(lines()) if row), None)
    return behind


def _cut(lines: _Lines, row: int) -> Iterator[Block]:
    while text := lines.take():
        if is_plain(text):
            n_rows = text.count(b"\n") + (not text.endswith(b"\n"))
            yield Block(row, n_rows, text=text)
            row += n_rows
            continue
        for rows in in_chunks(_parsed(lines, text), lambda each: sum(map(len, each))):
            yield Block(row, len(rows), rows=tuple(rows))
            row += len(rows)


def _parsed(lines: _Lines, text: bytes) -> Iterator[list[str]]:
    """Rows of lines that are not plain, up to where a row ends with what was taken."""
    for row in csv.reader(lines.texts(text)):
        if row:
            yield row
        if lines.is_at_end:
            return
