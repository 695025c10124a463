"""Records of landing files as Arrow batches, the form in which Spark workers hand them on.

Plain Python and Arrow: it runs in a worker, far from the session.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from deepkt_irt.sources.blocks import WHOLE, Piece, blocks, in_chunks
from deepkt_irt.sources.columns import ColumnJudge, Sound
from deepkt_irt.sources.layout import Layout
from deepkt_irt.sources.reader import Judge, Record, read_header, records

REFUSED = ("source", "table_name", "file", "row", "column", "reason", "received")
_NUMBERS = ("row", "_row")


@dataclass(frozen=True)
class Parsing:
    """One landing file to parse, or a piece of it; `file` is what bronze calls it."""

    source: str
    file: str
    path: Path
    layout: Layout
    max_field_characters: int
    piece: Piece = WHOLE


def kept_columns(parsing: Parsing) -> tuple[str, ...]:
    """Columns of the batches of kept records: the bronze values and where they came from."""
    names = parsing.layout.table.column_names
    return ("_source", "_file", "_row", *(name for name in names if not name.startswith("_")))


def kept_batches(parsing: Parsing) -> Iterator[pa.RecordBatch]:
    """The kept records of a file, in order."""
    names = kept_columns(parsing)
    for part in _parts(parsing):
        if isinstance(part, Sound):
            yield _of_columns(parsing, names, part)
        else:
            rows = [
                (parsing.source, parsing.file, record.row, *map(record.kept.get, names[3:]))
                for record in part
                if record.kept is not None
            ]
            yield from _of_rows(names, rows)


def refused_batches(parsing: Parsing) -> Iterator[pa.RecordBatch]:
    """The refused records of a file, in order, with their reasons."""
    source, table, file = parsing.source, parsing.layout.table.qualified_name, parsing.file
    for part in _parts(parsing):
        if not isinstance(part, Sound):
            rows = [
                (source, table, file, record.row, record.column, record.reason, record.received)
                for record in part
                if record.kept is None
            ]
            yield from _of_rows(REFUSED, rows)


def sql_schema(columns: Sequence[str]) -> str:
    """The batches' columns as Spark's schema text."""
    return ", ".join(f"{name} {'bigint' if name in _NUMBERS else 'string'}" for name in columns)


def _parts(parsing: Parsing) -> Iterator[Sound | list[Record]]:
    """The records in order: sound ones as columns where that can be, others one by one."""
    layout, limit = parsing.layout, parsing.max_field_characters
    if layout.document:
        yield from _few(records(parsing.path, layout, max_field_characters=limit))
        return
    header = read_header(parsing.path)
    at_once, one_by_one = ColumnJudge(header, layout, limit), Judge(header, layout, limit)
    for block in blocks(parsing.path, parsing.piece):
        for part in at_once.parts(block):
            if isinstance(part, Sound):
                yield part
            else:
                numbered = enumerate(part.rows, start=part.first_row)
                yield [one_by_one.record(number, row) for number, row in numbered]


def _few(found: Iterator[Record]) -> Iterator[list[Record]]:
    """Records in lists that fit into memory, however long they are."""
    return in_chunks(
        found,
        lambda each: sum(map(len, filter(None, (each.kept or {}).values())), len(each.received)),
    )


def _of_columns(parsing: Parsing, names: Sequence[str], sound: Sound) -> pa.RecordBatch:
    n_rows, first = sound.n_rows, sound.first_row
    where = [
        pa.repeat(parsing.source, n_rows),
        pa.repeat(parsing.file, n_rows),
        pa.array(np.arange(first, first + n_rows)),
    ]
    none = pa.nulls(n_rows, pa.string())
    values = (sound.columns.get(name, none) for name in names[len(where) :])
    return pa.RecordBatch.from_arrays([*where, *values], names=list(names))


def _of_rows(names: Sequence[str], rows: Sequence[tuple[object, ...]]) -> Iterator[pa.RecordBatch]:
    if rows:
        types = [pa.int64() if name in _NUMBERS else pa.string() for name in names]
        columns = zip(*rows, strict=True)
        arrays = [pa.array(each, kind) for each, kind in zip(columns, types, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, names=list(names))
