"""Opens plain and gzip files; damage becomes a BadFile that names the file and the fix.

Text is read with surrogates in place of bytes that are no UTF-8, so that no byte is lost.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepkt_irt.errors import BadFile

Binary = io.BufferedReader | gzip.GzipFile
"""A plain or gzip file, opened."""

_SNIFFED_BYTES = 65_536
_GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def opened(path: Path) -> Iterator[Binary]:
    """The bytes of a plain or gzip file.

    Raises:
        BadFile: If the file cannot be opened, or turns out to be damaged while it is read.
    """
    try:
        with _unpacked(path) as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadFile(path.name, "the gz file is cut off or damaged", "land it again") from error
    except OSError as error:
        problem = error.strerror or str(error)
        raise BadFile(path.name, f"it cannot be read ({problem})", "check its rights") from error


def refuse_binary(path: Path, file: Binary, *, wanted: str) -> None:
    """Refuse a file whose start is no text, and go back to that start.

    Args:
        path: The file, for the message.
        file: The same, opened.
        wanted: What it should be, such as CSV.

    Raises:
        BadFile: If it is binary, or gzip under another name.
    """
    start = file.read(_SNIFFED_BYTES)
    if start.startswith(_GZIP_MAGIC):
        raise BadFile(path.name, "it is a gz file without .gz in its name", "add .gz to its name")
    if b"\0" in start:
        fix = f"export it as {wanted} text in UTF-8"
        raise BadFile(path.name, f"it is a binary file, not {wanted} text", fix)
    file.seek(0)


def escaped(text: str) -> str:
    """Bytes that are no UTF-8 as hexadecimal escapes."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _unpacked(path: Path) -> Binary:
    plain = path.open("rb")
    if not path.name.endswith(".gz"):
        return plain
    with plain:
        start = plain.read(len(_GZIP_MAGIC))
    if start not in (_GZIP_MAGIC, b""):
        raise BadFile(path.name, "it is named .gz but is no gz file", "take .gz off its name")
    return gzip.open(path, "rb")
