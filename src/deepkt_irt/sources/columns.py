"""Judges plain blocks of CSV all at once: columns of kept records, if every one of them is sound.

What is certain is told by regular expressions over whole columns; each value that is not is judged
as a row's would be. A block with a record that is refused is halved until the halves without one
are large and the rest is few.
"""

import codecs
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from deepkt_irt.sources.blocks import Block, rows_of
from deepkt_irt.sources.layout import Field, Layout, certain
from deepkt_irt.sources.reader import rest_of, wrong

_FEW_BYTES = 16_384  # from here down, records are judged one by one
_TINY_BYTES = 4_096  # from here down, doing so takes less than making ready to judge all at once


@dataclass(frozen=True, slots=True)
class Sound:
    """Consecutive records that are all kept.

    Attributes:
        first_row: Number of the first of them.
        n_rows: How many they are.
        columns: Bronze values by column, (n_rows,); one that lacks is null.
    """

    first_row: int
    n_rows: int
    columns: dict[str, pa.Array]


class ColumnJudge:
    """Judges blocks of one file.

    Args:
        header: Column names of the file.
        layout: Its layout.
        max_field_characters: Records with a longer field are refused.
    """

    def __init__(self, header: Sequence[str], layout: Layout, max_field_characters: int) -> None:
        place = {name: index for index, name in enumerate(header)}
        self._layout, self._max = layout, max_field_characters
        self._fields = [(f, place[f.header]) for f in layout.fields if f.header in place]
        self._rest = rest_of(layout, header)
        self._names = [str(index) for index in range(len(header))]
        self._convert = pa.csv.ConvertOptions(
            check_utf8=False,  # the block is known to be
            column_types=dict.fromkeys(self._names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        )

    def parts(self, block: Block) -> Iterator[Sound | Block]:
        """The block in parts, in order: sound ones, and blocks of rows that need a closer look."""
        # Arrow takes a mark in front for none of the text, wherever in the file a half begins
        is_many = len(block.text) > _TINY_BYTES and not block.text.startswith(codecs.BOM_UTF8)
        sound = self._sound(block) if is_many else None
        if sound is not None:
            yield sound
        elif halves := _halves(block):
            for half in halves:
                yield from self.parts(half)
        else:
            rows = block.rows or rows_of(block.text)
            yield Block(block.first_row, block.n_rows, rows=rows)

    def _sound(self, block: Block) -> Sound | None:
        table = self._split(block.text)
        if table is None or len(table[0]) != block.n_rows:
            return None
        columns = {f.column: _present(f, table[at]) for f, at in self._fields}
        if not self._is_sound(table, columns):
            return None
        for name, value in self._layout.constants.items():
            columns[name] = pa.repeat(value, block.n_rows)
        if self._layout.row_number:
            numbers = pa.array(np.arange(block.first_row, block.first_row + block.n_rows))
            columns[self._layout.row_number] = numbers.cast(pa.string())
        if self._rest:
            columns[self._layout.rest] = self._as_json(table)
        return Sound(block.first_row, block.n_rows, columns)

    def _split(self, text: bytes) -> list[pa.Array] | None:
        """The columns as text, an empty one as null; None if a line has too few or too many."""
        read = pa.csv.ReadOptions(
            column_names=self._names, use_threads=False, block_size=len(text) + 1
        )
        parse = pa.csv.ParseOptions(quote_char=False)
        try:
            table = pa.csv.read_csv(pa.BufferReader(text), read, parse, self._convert)
        except pa.ArrowInvalid:
            return None
        return [column.combine_chunks() for column in table.columns]

    def _is_sound(self, table: list[pa.Array], columns: dict[str, pa.Array]) -> bool:
        longest = (pc.max(pc.utf8_length(column)).as_py() or 0 for column in table)
        if any(length > self._max for length in longest):
            return False
        return all(_all_right(field, columns[field.column]) for field, _ in self._fields)

    def _as_json(self, table: list[pa.Array]) -> pa.Array:
        """What is left of each record, as JSON; null where nothing is."""
        names = [name for name, _ in self._rest]
        found = []
        for values in zip(*(table[at].to_pylist() for _, at in self._rest), strict=True):
            rest = {n: v for n, v in zip(names, values, strict=True) if v}
            found.append(json.dumps(rest, ensure_ascii=False) if rest else None)
        return pa.array(found, pa.string())


def _present(field: Field, values: pa.Array) -> pa.Array:
    """The values of a field, null where a text stands for none."""
    if not field.absent:
        return values
    is_absent = pc.is_in(pc.utf8_trim(values, " "), pa.array(sorted(field.absent)))
    return pc.if_else(is_absent, pa.scalar(None, pa.string()), values)


def _all_right(field: Field, values: pa.Array) -> bool:
    """Whether nothing speaks against any value of a field."""
    if not field.filled and field.rule is None:
        return True
    if field.filled and values.null_count:
        return False
    found = pc.unique(values.drop_null())
    pattern = certain(field)
    if pattern is not None:
        found = found.filter(pc.invert(pc.match_substring_regex(found, pattern)))
    return not any(wrong(field, value, is_text=True) for value in found.to_pylist())


def _halves(block: Block) -> list[Block]:
    """Two blocks of whole lines; none if there is little to cut."""
    if len(block.text) <= _FEW_BYTES:
        return []
    text, middle = block.text, len(block.text) // 2
    cut = text.rfind(b"\n", 0, middle) + 1 or text.find(b"\n", middle) + 1
    if cut in (0, len(text)):
        return []
    n_rows = text.count(b"\n", 0, cut)
    return [
        Block(block.first_row, n_rows, text=text[:cut]),
        Block(block.first_row + n_rows, block.n_rows - n_rows, text=text[cut:]),
    ]
