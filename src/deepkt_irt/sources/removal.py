"""Writes a CSV file again without some of its records; every other byte stays as it was."""

import gzip
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deepkt_irt.sources.reader import as_received, raw_rows, read_header


@dataclass(frozen=True)
class Removed:
    """What became of a file.

    Attributes:
        n_left: Records that stay.
        received: The removed records, as quarantine keeps a refused row.
    """

    n_left: int
    received: tuple[str, ...]


def without(path: Path, target: Path, unwanted: Mapping[str, Set[str]]) -> Removed:
    """Write a file again without the records that hold an unwanted value in a named column.

    A record with too few or too many fields goes if any field holds one: which column that is,
    cannot be told.

    Args:
        path: CSV file, plain or gzip.
        target: Where to; the same file and values give the same bytes.
        unwanted: Values by header, without the blanks around them.

    Raises:
        BadFile: If the file is damaged.
    """
    header = read_header(path)
    at = {header.index(name): values for name, values in unwanted.items() if name in header}
    anywhere: Set[str] = frozenset().union(*at.values())
    received, n_left, in_records = [], 0, False
    with _written(target, packed=path.name.endswith(".gz")) as out:
        for raw, row in raw_rows(path):
            if in_records and row:
                if len(row) == len(header):
                    is_unwanted = any(
                        row[place].strip(" ") in values for place, values in at.items()
                    )
                else:
                    is_unwanted = not anywhere.isdisjoint(each.strip(" ") for each in row)
                if is_unwanted:
                    received.append(as_received(row))
                    continue
                n_left += 1
            out.write(raw)
            in_records = in_records or bool(row)
    return Removed(n_left, tuple(received))


@contextmanager
def _written(target: Path, *, packed: bool) -> Iterator[IO[bytes]]:
    """A file to write; a packed one has no time and no name in it, so that it can be repeated."""
    with target.open("wb") as plain:
        if not packed:
            yield plain
            return
        with gzip.GzipFile("", "wb", fileobj=plain, mtime=0) as out:
            yield out  # type: ignore[misc]  # a file in all that is used of it
