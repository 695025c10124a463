"""Takes zip files apart: what a source reads of one becomes plain files in a folder of its name.

From then on each is a landing file like any other, with its own account, and an erasure rewrites
it. What no layout of the source names is not kept. Nothing about a zip file is believed before it
was read: neither its sizes nor its paths.
"""

import lzma
import shutil
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from deepkt_irt.errors import BackendUnavailable, BadFile, DeepktError
from deepkt_irt.settings import IngestSettings
from deepkt_irt.sources.files import Unpacking
from deepkt_irt.sources.layout import Source

_ENDING = ".zip"
_ASIDE = ".unpacking"
_ENCRYPTED = 1  # bit of a member's flags
_CHUNK = 2**20
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error),
    *(ValueError, RuntimeError),  # names that are no text; methods this Python does not know
)


def is_zip(path: Path) -> bool:
    """Whether a file goes by the name of a zip file."""
    return path.name.lower().endswith(_ENDING) and path.is_file()


def is_zip_folder(name: str) -> bool:
    """Whether a folder goes by the name of the zip file it was."""
    return name.lower().endswith(_ENDING)


@contextmanager
def zip_named(path: Path) -> Iterator[None]:
    """Errors about a file out of a zip name that, too."""
    try:
        yield
    except BadFile as error:
        if is_zip_folder(path.parent.name):
            error.args = (f"{path.parent.name}/{error}",)
        raise


def zips_in(folder: Path) -> list[Path]:
    """Zip files in a source's landing folder and its days."""
    found = (each for pattern in ("*", "[!_.]*/*") for each in folder.glob(pattern))
    return sorted(each for each in found if is_zip(each) and not each.name.startswith(("_", ".")))


def take_apart(path: Path, source: Source, limits: IngestSettings) -> list[str]:
    """Put a folder of its name in place of a zip file, whole or not at all.

    Cut off anywhere, `complete` ends it: a folder aside counts once its zip is gone.

    Args:
        path: A zip file in landing.
        source: The source it is of.
        limits: How much may come out.

    Returns:
        Names of members passed over.

    Raises:
        BadFile: As `unpack` does.
        BackendUnavailable: If landing cannot be written.
    """
    aside = path.with_name(f"_{path.name}{_ASIDE}")
    try:
        passed_over = unpack(path, aside, source, limits)
    except DeepktError:
        shutil.rmtree(aside, ignore_errors=True)  # it may have filled the disk
        raise
    with writing(path):
        path.unlink()
        aside.rename(path)
    return passed_over


def take_all_apart(folder: Path, source: Source, limits: IngestSettings) -> None:
    """Take every zip file in a source's landing folder apart; errors are those of `take_apart`."""
    complete(folder)
    for path in zips_in(folder):
        take_apart(path, source, limits)


def complete(folder: Path) -> None:
    """Finish or drop what a run that was cut off left in a source's landing folder.

    Raises:
        BackendUnavailable: If landing cannot be written.
    """
    for pattern in (f"_*{_ASIDE}", f"[!_.]*/_*{_ASIDE}"):
        for aside in sorted(folder.glob(pattern)):
            whole = aside.with_name(aside.name[1 : -len(_ASIDE)])
            with writing(folder):
                if whole.exists():
                    shutil.rmtree(aside)
                else:
                    aside.rename(whole)


def unpack(archive: Path, into: Path, source: Source, limits: IngestSettings) -> list[str]:
    """Write the files of a source that a zip file holds; folders inside it do not matter.

    Args:
        archive: The zip file.
        into: Folder to write to; it is made.
        source: Which members to take: those it has a layout for.
        limits: How much may come out.

    Returns:
        Names of members passed over, hidden ones aside.

    Raises:
        BadFile: If it is damaged, encrypted, too large, holds no file of the source, two of one
            name, another zip file, or a path that leads out of it.
        BackendUnavailable: If the folder cannot be written.
    """
    with _reading(archive), zipfile.ZipFile(archive) as opened:
        visible = [each for each in opened.infolist() if _is_visible(archive, each)]
        wanted = [each for each in visible if source.layout_of(_name(each))]
        _refuse(archive, source, visible, wanted)
        unpacking = Unpacking(archive, limits)
        unpacking.announce(sum(each.file_size for each in wanted))
        with writing(into):
            shutil.rmtree(into, ignore_errors=True)
            into.mkdir(parents=True)
        for member in wanted:
            _write(into / _name(member), _content(archive, opened, member, unpacking))
    return sorted({_name(each) for each in visible} - {_name(each) for each in wanted})


def _is_visible(archive: Path, member: zipfile.ZipInfo) -> bool:
    """Whether a member is a file that somebody put there on purpose.

    Raises:
        BadFile: If its path leads out of the folder it is unpacked to.
    """
    path = PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts or set("\\:\0") & set(member.orig_filename):
        problem = f"it holds {member.orig_filename!r}, a path that leads elsewhere"
        raise BadFile(archive.name, problem, "zip the files by their names alone")
    return not (member.is_dir() or any(part.startswith(("_", ".")) for part in path.parts))


def _name(member: zipfile.ZipInfo) -> str:
    return PurePosixPath(member.filename).name


def _refuse(
    archive: Path,
    source: Source,
    visible: list[zipfile.ZipInfo],
    wanted: list[zipfile.ZipInfo],
) -> None:
    inner = [_name(each) for each in visible if is_zip_folder(_name(each))]
    if inner:
        raise BadFile(archive.name, f"it holds the zip file {inner[0]}", "zip files once")
    if not wanted:
        held = ", ".join(map(_name, visible)) or "nothing"
        raise BadFile(
            archive.name, f"no file of source {source.name} in it, but {held}", source.takes
        )
    secret = [_name(each) for each in wanted if each.flag_bits & _ENCRYPTED]
    if secret:
        raise BadFile(archive.name, f"{secret[0]} in it is encrypted", "zip it without a password")
    # told apart by letters alone, since not every file system tells more
    names = Counter(_name(each).casefold() for each in wanted)
    twice = [name for name, n in names.items() if n > 1]
    if twice:
        raise BadFile(archive.name, f"{twice[0]} stands in it twice", "name the files apart")


def _content(
    archive: Path, opened: zipfile.ZipFile, member: zipfile.ZipInfo, unpacking: Unpacking
) -> Iterator[bytes]:
    with _reading(archive), opened.open(member) as content:
        while chunk := content.read(_CHUNK):
            unpacking.add(len(chunk))
            yield chunk


def _write(target: Path, content: Iterator[bytes]) -> None:
    with writing(target), target.open("wb") as out:
        for chunk in content:
            out.write(chunk)


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        problem = f"the zip file is damaged, or no zip file ({error})"
        raise BadFile(archive.name, problem, "zip it again") from error
    except OSError as error:
        problem = f"it cannot be read ({error.strerror or error})"
        raise BadFile(archive.name, problem, "check its rights, or zip it again") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Errors of writing below landing as ours."""
    try:
        yield
    except OSError as error:
        problem = f"{path} cannot be written ({error.strerror})"
        raise BackendUnavailable(f"{problem}; check its rights and the room on its disk") from error
