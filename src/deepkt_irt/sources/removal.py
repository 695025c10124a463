"""Writes a file again without some of its records; every other byte stays as it was."""

import gzip
import json
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deepkt_irt.sources.documents import Member, units, without_members
from deepkt_irt.sources.layout import Document
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


def without(
    path: Path,
    target: Path,
    unwanted: Mapping[str, Set[str]],
    document: Document | None = None,
    *,
    lists: Set[str] = frozenset(),
) -> Removed:
    """Write a file again without the records that hold an unwanted value in a named column.

    A record that cannot be read goes if it holds one anywhere, since where cannot be told. A JSON
    array or envelope that loses a member is written again on one line; its other members keep
    their values.

    Args:
        path: File, plain or gzip.
        target: Where to; the same file and values give the same bytes.
        unwanted: Values by header, without the blanks around them.
        document: How a JSON file is read; None: it is CSV.
        lists: Headers of columns that hold several values with commas between.

    Raises:
        BadFile: If the file is damaged.
    """
    with _written(target, packed=path.name.endswith(".gz")) as out:
        if document:
            return _without_members(path, out, unwanted, document)
        return _without_rows(path, out, unwanted, lists)


def _without_members(
    path: Path, out: IO[bytes], unwanted: Mapping[str, Set[str]], document: Document
) -> Removed:
    def goes(member: Member) -> bool:
        if member.fault:
            return any(each in member.received for each in texts)
        return any(
            member.flat.get(name, "").strip(" ") in values for name, values in unwanted.items()
        )

    ids: Set[str] = frozenset().union(*unwanted.values())
    texts = [each for value in ids for each in json_texts(value)]
    received, n_left = [], 0
    for unit in units(path):
        left, removed, n_others = without_members(unit, document, goes)
        out.write(left)
        received += [member.received for member in removed]
        n_left += n_others
    return Removed(n_left, tuple(received))


def json_texts(student_id: str) -> tuple[str, ...]:
    """How an id may stand in JSON; of an account by home page and name, the name does."""
    name = student_id.rpartition("|")[2]
    return tuple({json.dumps(name), json.dumps(name, ensure_ascii=False)})


def _without_rows(
    path: Path, out: IO[bytes], unwanted: Mapping[str, Set[str]], lists: Set[str]
) -> Removed:
    header = read_header(path)
    at = {header.index(name): values for name, values in unwanted.items() if name in header}
    several = {header.index(name) for name in lists if name in header}
    anywhere: Set[str] = frozenset().union(*at.values())
    received, n_left, in_records = [], 0, False
    for raw, row in raw_rows(path):
        if in_records and row:
            if len(row) == len(header):
                is_unwanted = any(
                    each.strip(" ") in values
                    for place, values in at.items()
                    for each in (row[place].split(",") if place in several else [row[place]])
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
