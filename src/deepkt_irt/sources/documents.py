"""JSON objects in files: one a line, in arrays, or in envelopes that hold a list of them.

A unit is what stands on its own in a file: a line, or the whole of a document that is spread over
lines. Its members are the objects in it; what is no object is a member with a fault, so that
nothing is passed over.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any

from deepkt_irt.errors import BadFile
from deepkt_irt.sources.files import Binary, escaped, opened, refuse_binary
from deepkt_irt.sources.layout import Document

_UNIT_BYTES = 64 * 2**20  # of a unit, which is read whole
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Unit:
    """Bytes of a file as they lie there, and as text; the text is empty for a blank line."""

    raw: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Member:
    """One object of a unit.

    Attributes:
        received: It as JSON on one line, or as it lies there if it is none.
        flat: Its texts by header; empty if there is a fault.
        fault: What is wrong; empty if nothing.
    """

    received: str
    flat: dict[str, str] = field(default_factory=dict)
    fault: str = ""


def members(path: Path, document: Document) -> Iterator[Member]:
    """The objects of a JSON file in order.

    Raises:
        BadFile: If it is missing, empty, damaged, no JSON at all, or has a unit above 64 MiB.
    """
    for unit in units(path):
        yield from members_of(unit, document)


def members_of(unit: Unit, document: Document) -> list[Member]:
    """The objects of a unit: itself, those of an array, or those of an envelope's list."""
    if not unit.text:
        return []
    try:
        value = _parsed(unit.text)
    except (ValueError, RecursionError) as error:
        return [Member(escaped(unit.text), fault=f"no JSON: {error}")]
    return [_member(each, document) for each in _listed(value, document)]


def without_members(
    unit: Unit, document: Document, unwanted: Callable[[Member], bool]
) -> tuple[bytes, list[Member], int]:
    """A unit without some of its members; where none is taken out, every byte stays.

    Returns:
        What is left as bytes, the members taken out, and how many stay.
    """
    found = members_of(unit, document)
    goes = [unwanted(member) for member in found]
    removed = [member for member, gone in zip(found, goes, strict=True) if gone]
    n_left = len(found) - len(removed)
    if not removed:
        return unit.raw, removed, n_left
    value = None if len(found) == 1 and found[0].fault else _parsed(unit.text)
    listed = _listed(value, document)
    if listed[0] is value:
        return b"", removed, n_left
    listed[:] = [each for each, gone in zip(listed, goes, strict=True) if not gone]
    end = unit.raw[len(unit.raw.rstrip(b"\r\n")) :]
    return _written(value).encode() + end, removed, n_left


def units(path: Path) -> Iterator[Unit]:
    """The units of a JSON file in order, blank lines included.

    Raises:
        BadFile: If it is missing, empty, damaged, no JSON at all, or has a unit above 64 MiB.
    """
    if not path.is_file():
        raise BadFile(str(path), "there is no such file", "check the path given with --data")
    with opened(path) as file:
        refuse_binary(path, file, wanted="JSON")
        head, first = _first_line(path, file)
        whole = None if _is_json(first.text) else _document(path, file, first)
        yield from head
        if whole is not None:
            yield whole
            return
        yield from chain([first], _lines(path, file))


def _listed(value: object, document: Document) -> list[Any]:
    """What a unit's value holds; an envelope gives its list."""
    if isinstance(value, dict) and isinstance(value.get(document.list_name), list):
        value = value[document.list_name]
    return value if isinstance(value, list) else [value]


def _member(value: object, document: Document) -> Member:
    text = _written(value)
    if not isinstance(value, dict):
        return Member(text, fault="a JSON value, but no object")
    flat = document.flat(value)
    if not all(map(_is_text, flat.values())):
        return Member(text, fault="half of a surrogate pair, so no text")
    return Member(text, {**flat, document.whole: text})


def _written(value: object) -> str:
    """A value as one line of JSON, with its characters as they are where these are text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if _is_text(text) else json.dumps(value, separators=(",", ":"))


def _first_line(path: Path, file: Binary) -> tuple[list[Unit], Unit]:
    """The blank lines at the start, and the first that is not."""
    head: list[Unit] = []
    for unit in _lines(path, file):
        if unit.text:
            return head, unit
        head.append(unit)
    raise BadFile(path.name, "the file is empty", "land a file with at least one JSON object")


def _lines(path: Path, file: Binary) -> Iterator[Unit]:
    while raw := file.readline(_UNIT_BYTES + 1):
        if len(raw) > _UNIT_BYTES:
            raise _too_long(path)
        yield _unit(raw)


def _unit(raw: bytes) -> Unit:
    return Unit(raw, raw.removeprefix(_MARK).decode("utf-8", "surrogateescape").strip())


def _document(path: Path, file: Binary, first: Unit) -> Unit | None:
    """The whole file as one unit, read to its end; None if it is lines, set back behind the first.

    A line that is no JSON starts a document if all of it is JSON. If not, it is a broken line
    among sound ones, unless it opens an array: then the array is what is broken.
    """
    behind = file.tell()
    rest = file.read(_UNIT_BYTES + 1)
    unit = _unit(first.raw + rest)
    if len(rest) <= _UNIT_BYTES and _is_json(unit.text):
        return unit
    lines = rest.splitlines()
    if first.text.startswith("[") or not any(_is_json(_unit(line).text) for line in lines):
        if len(rest) > _UNIT_BYTES:
            raise _too_long(path)
        fix = "land it whole, as one JSON object a line or as one array"
        raise BadFile(path.name, "it is neither JSON lines nor a whole JSON document", fix)
    file.seek(behind)
    return None


def _too_long(path: Path) -> BadFile:
    limit = f"more than {_UNIT_BYTES // 2**20} MiB in one line or document"
    return BadFile(path.name, limit, "land it as one JSON object a line")


def _is_json(text: str) -> bool:
    """Whether a text is a JSON object or array."""
    if not text.startswith(("{", "[")):
        return False
    try:
        _parsed(text)
    except (ValueError, RecursionError):
        return False
    return True


def _parsed(text: str) -> object:
    """The value of a JSON text, stricter than Python: what another reader may take otherwise goes.

    Raises:
        ValueError: If it is no JSON, not UTF-8, or has a name twice or a number beyond a double.
        RecursionError: If it is nested too deep.
    """
    if not _is_text(text):
        raise ValueError("not UTF-8 text")
    return json.loads(
        text, object_pairs_hook=_each_once, parse_constant=_number, parse_float=_number
    )


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return value


def _number(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is no JSON number")
    return number
