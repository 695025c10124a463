"""Opens plain and gzip files; damage becomes a BadFile that names the file and the fix.

Text is read with surrogates in place of bytes that are no UTF-8, so that no byte is lost.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from deepkt_irt.errors import BadFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

type Binary = io.BufferedReader[Any]
"""A plain or gzip file, opened."""

_CHUNK = 65_536
_GZIP_MAGIC = b"\x1f\x8b"
_LONGEST_LINE = 128 * 2**20  # bytes; a line is held in memory whole


@contextmanager
def opened(path: Path) -> Iterator[Binary]:
    """The bytes of a plain or gzip file.

    Raises:
        BadFile: If the file cannot be opened, or turns out while it is read to be damaged or to
            have a line of more than 128 MiB.
    """
    try:
        with _unpacked(path) as file, io.BufferedReader(_Lines(file, path), _CHUNK) as lines:
            yield lines
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
    start = file.read(_CHUNK)
    if start.startswith(_GZIP_MAGIC):
        if path.name.endswith(".gz"):
            raise BadFile(path.name, "a gz file is packed in it", "pack it once")
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


class _Lines(io.RawIOBase):
    """The bytes of a file, refused where they go on for too long without the end of a line."""

    def __init__(self, file: BinaryIO | gzip.GzipFile, path: Path) -> None:
        self._file, self._path = file, path
        self._n = 0  # bytes since the last end of a line

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._n = 0
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        read = self._file.read(len(view))
        view[: len(read)] = read
        end = max(read.rfind(b"\n"), read.rfind(b"\r"))
        self._n = len(read) - end - 1 if end >= 0 else self._n + len(read)
        if self._n > _LONGEST_LINE:
            problem = f"more than {_LONGEST_LINE // 2**20} MiB without the end of a line"
            raise BadFile(self._path.name, problem, "export it again, one record a line")
        return len(read)


def _unpacked(path: Path) -> BinaryIO | gzip.GzipFile:
    plain = path.open("rb")
    if not path.name.endswith(".gz"):
        return plain
    with plain:
        start = plain.read(len(_GZIP_MAGIC))
    if start not in (_GZIP_MAGIC, b""):
        raise BadFile(path.name, "it is named .gz but is no gz file", "take .gz off its name")
    return gzip.open(path, "rb")
