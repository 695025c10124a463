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
from deepkt_irt.settings import IngestSettings

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

type Binary = io.BufferedReader[Any]
"""A plain or gzip file, opened."""

_CHUNK = 65_536
_GZIP_MAGIC = b"\x1f\x8b"
_LONGEST_LINE = 128 * 2**20  # bytes; a line is held in memory whole
_SMALL = 64 * 2**20  # bytes that any packed file may unpack to
_DEFLATE_RATIO = 1_032  # no deflated byte gives more


class Unpacking:
    """How much comes out of a packed file, held against the limits.

    Args:
        path: The packed file.
        limits: How much may come out.
    """

    def __init__(self, path: Path, limits: IngestSettings) -> None:
        self._path, self._limits = path, limits
        self._n_packed, self._n = path.stat().st_size, 0

    def announce(self, n_bytes: int) -> None:
        """Hold what the file itself says will come out against the limit.

        Raises:
            BadFile: If it is too much.
        """
        limit = self._limits.max_unpacked_bytes
        if n_bytes > limit:
            problem = f"it unpacks to {n_bytes:,} bytes, more than the {limit:,} allowed"
            fix = "split it, or raise ingest.max_unpacked_bytes"
            raise BadFile(self._path.name, problem, fix)

    def add(self, n_bytes: int) -> None:
        """Count bytes that came out.

        Raises:
            BadFile: If there are too many, or too many for the size of the file.
        """
        self._n += n_bytes
        self.announce(self._n)
        ratio = self._limits.max_unpacked_ratio
        if self._n > max(_SMALL, ratio * self._n_packed):
            problem = (
                f"its {self._n_packed:,} bytes unpack to more than {ratio} times as many, as those "
                "of a file made to fill a disk"
            )
            fix = "land it unpacked, or raise ingest.max_unpacked_ratio"
            raise BadFile(self._path.name, problem, fix)


def refuse_bomb(path: Path, limits: IngestSettings) -> None:
    """Refuse a gzip file of which too much comes out; nothing of it is kept in memory.

    Raises:
        BadFile: If too much does, or it is damaged.
    """
    is_packed = path.name.endswith(".gz") and path.is_file()
    if not is_packed or path.stat().st_size * _DEFLATE_RATIO <= _SMALL:
        return
    unpacking = Unpacking(path, limits)
    with opened(path) as file:
        while chunk := file.read(_CHUNK):
            unpacking.add(len(chunk))


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
