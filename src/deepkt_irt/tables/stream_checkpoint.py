"""The folder from which a stream goes on, looked through once it does not."""

import json
from collections.abc import Iterator
from pathlib import Path

_NOTHING = "-"  # a source that had no offset yet


def damaged_part(checkpoint: Path) -> Path | None:
    """The first file of a stream's checkpoint that is cut off, changed or not there; None if whole.

    Spark names it in some of these cases only, and what it says is a page long.
    """
    return next((path for path in _parts(checkpoint) if not _is_whole(path)), None)


def _parts(checkpoint: Path) -> Iterator[Path]:
    yield checkpoint / "metadata"
    for folder in ("offsets", "commits", "sources/0"):
        yield from sorted(
            path
            for path in (checkpoint / folder).glob("[0-9]*")
            if path.is_file() and path.name.removesuffix(".compact").isdigit()
        )
    if any((checkpoint / "offsets").glob("[0-9]*")):
        yield checkpoint / "sources" / "0"


def _is_whole(path: Path) -> bool:
    if path.is_dir():
        return True
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        if path.name != "metadata" and not lines.pop(0).startswith("v"):  # the format's version
            return False
        for line in lines:
            if line and line != _NOTHING:
                json.loads(line)
    except (OSError, ValueError):  # not there, no text or no JSON
        return False
    return any(lines) or path.parent.parent.name == "sources"  # a batch may have had no file
