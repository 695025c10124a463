"""Records of landing files as Arrow batches, the form in which Spark workers hand them on.

Plain Python and Arrow: it runs in a worker, far from the session.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from deepkt_irt.sources.layout import Layout
from deepkt_irt.sources.reader import Record, records

REFUSED = ("source", "table_name", "file", "row", "column", "reason", "received")
_RECORDS = 10_000  # in a batch, unless they are long
_CHARACTERS = 16 * 2**20  # from which on a batch is handed on
_NUMBERS = ("row", "_row")


@dataclass(frozen=True)
class Parsing:
    """One landing file to parse; `file` is what bronze calls it."""

    source: str
    file: str
    path: Path
    layout: Layout
    max_field_characters: int


def kept_columns(parsing: Parsing) -> tuple[str, ...]:
    """Columns of the batches of kept records: the bronze values and where they came from."""
    names = parsing.layout.table.column_names
    return ("_source", "_file", "_row", *(name for name in names if not name.startswith("_")))


def kept_batches(parsing: Parsing) -> Iterator[pa.RecordBatch]:
    """The kept records of a file, in order."""
    source, file = parsing.source, parsing.file
    columns = kept_columns(parsing)
    values = columns[3:]
    return _arrow(
        columns,
        (
            (source, file, record.row, *map(record.kept.get, values))
            for record in _records(parsing)
            if record.kept is not None
        ),
    )


def refused_batches(parsing: Parsing) -> Iterator[pa.RecordBatch]:
    """The refused records of a file, in order, with their reasons."""
    source, table, file = parsing.source, parsing.layout.table.qualified_name, parsing.file
    return _arrow(
        REFUSED,
        (
            (source, table, file, record.row, record.column, record.reason, record.received)
            for record in _records(parsing)
            if record.kept is None
        ),
    )


def sql_schema(columns: Sequence[str]) -> str:
    """The batches' columns as Spark's schema text."""
    return ", ".join(f"{name} {'bigint' if name in _NUMBERS else 'string'}" for name in columns)


def _records(parsing: Parsing) -> Iterator[Record]:
    return records(parsing.path, parsing.layout, max_field_characters=parsing.max_field_characters)


def _arrow(columns: Sequence[str], rows: Iterator[tuple[object, ...]]) -> Iterator[pa.RecordBatch]:
    types = [pa.int64() if name in _NUMBERS else pa.string() for name in columns]
    for chunk in _chunks(rows):
        values = zip(*chunk, strict=True)
        arrays = [pa.array(each, kind) for each, kind in zip(values, types, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _chunks(rows: Iterator[tuple[object, ...]]) -> Iterator[list[tuple[object, ...]]]:
    """Rows in lists that fit into memory, however long a row is."""
    chunk: list[tuple[object, ...]] = []
    n_characters = 0
    for row in rows:
        chunk.append(row)
        n_characters += sum(len(value) for value in row if isinstance(value, str))
        if len(chunk) >= _RECORDS or n_characters >= _CHARACTERS:
            yield chunk
            chunk, n_characters = [], 0
    if chunk:
        yield chunk
