"""Puts files into the landing folder: looked at first, then copied whole or not at all."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deepkt_irt.errors import BackendUnavailable, BadFile, UsageError
from deepkt_irt.settings import IngestSettings
from deepkt_irt.sources.files import refuse_bomb
from deepkt_irt.sources.layout import Layout, Source
from deepkt_irt.sources.reader import content_hash, inspect
from deepkt_irt.sources.responses_csv import complete_mapping, mapped_layout
from deepkt_irt.sources.zip_files import (
    is_zip,
    is_zip_folder,
    take_all_apart,
    unpack,
    writing,
    zip_named,
)

_TOLD = 5  # names of files that are not taken


def land(
    source: Source,
    data: Path,
    landing: Path,
    *,
    mapping: Mapping[str, str] | None,
    limits: IngestSettings | None = None,
    on_passed_over: Callable[[str], object] | None = None,
) -> list[Path]:
    """Copy a source's files into `landing/<source>`; files already there are left as they are.

    A zip file lands as a folder of its name with the files of the source it holds, all at once.

    Args:
        source: The source system.
        data: One file, or a folder with files of the source's layouts.
        landing: Landing folder of the lake.
        mapping: Canonical name to header, for sources that take a mapping.
        limits: How much may come out of a packed file; None: the defaults.
        on_passed_over: Is told what of a folder or zip file is not of the source; None: nobody is.

    Returns:
        The landed files, sorted by name.

    Raises:
        BadFile: If a file cannot be read, none has a row, or another file landed under its name.
        UsageError: If a mapping is given to a source that takes none.
        BackendUnavailable: If the landing folder cannot be written.
    """
    if mapping and not source.mapped:
        raise UsageError(f"source {source.name} knows its columns; leave --map away")
    limits = limits or IngestSettings()
    take_all_apart(landing / source.name, source, limits)
    tell = on_passed_over or (lambda _: None)
    with TemporaryDirectory(prefix="deepkt-land-") as scratch:
        found = [
            _looked_at(source, path, landing / source.name / where, mapping, limits)
            for path, where in _files(source, data, Path(scratch), limits, tell)
        ]
        if not any(each.n_records for each in found):
            raise BadFile(str(data), "there are no rows in it", "land a file with rows")
        return _all_copied(found)


@dataclass(frozen=True)
class _Found:
    """A file to land: where it lies, where it goes, its mapping if it has one, its records."""

    path: Path
    landed: Path
    mapping: dict[str, str] | None
    n_records: int


def _looked_at(
    source: Source,
    path: Path,
    landed: Path,
    mapping: Mapping[str, str] | None,
    limits: IngestSettings,
) -> _Found:
    with zip_named(path):
        refuse_bomb(path, limits)
        layout, complete = _layout(source, path, landed, mapping)
        n_records = inspect(path, layout).n_records
        _refuse_changed(path, landed, complete)
    return _Found(path, landed, complete, n_records)


def mapping_file(landed: Path) -> Path:
    """Where the mapping of a landed file is kept; Spark passes over names with `_`."""
    return landed.with_name(f"_{landed.name}.mapping.json")


def layout_of_landed(source: Source, landed: Path) -> Layout | None:
    """The layout of a landed file, by its name or by the mapping kept beside it."""
    if not source.mapped:
        return source.layout_of(landed.name)
    return mapped_layout(_kept_mapping(landed) or complete_mapping(landed, None))


def _kept_mapping(landed: Path) -> dict[str, str] | None:
    """The mapping a file was landed with, if it was landed with one."""
    kept = mapping_file(landed)
    if not (landed.exists() and kept.is_file()):
        return None
    try:
        mapping: dict[str, str] = json.loads(kept.read_text("utf-8"))
    except ValueError as error:
        raise BadFile(kept.name, "it holds no mapping", "delete it and land again") from error
    return mapping


def _refuse_changed(path: Path, landed: Path, mapping: dict[str, str] | None) -> None:
    """Refuse a file if other content, or the same under another mapping, lies under its name."""
    if not landed.exists():
        return
    if content_hash(landed) != content_hash(path):
        raise BadFile(
            path.name,
            "a file of this name with other content was landed before",
            "give it a new name, or use another lake",
        )
    if mapping is not None and _kept_mapping(landed) not in (None, mapping):
        raise BadFile(
            path.name, "it was landed before with another mapping", "use another lake for this one"
        )


def _layout(
    source: Source, path: Path, landed: Path, mapping: Mapping[str, str] | None
) -> tuple[Layout, dict[str, str] | None]:
    """The layout of a file and, for a mapped source, its mapping.

    Without a mapping given, a file that was landed before keeps the mapping it has.
    """
    if source.mapped:
        complete = (None if mapping else _kept_mapping(landed)) or complete_mapping(path, mapping)
        return mapped_layout(complete), complete
    layout = source.layout_of(path.name)
    if layout is None:
        raise BadFile(path.name, f"no file of source {source.name}", source.takes)
    return layout, None


def _files(
    source: Source,
    data: Path,
    scratch: Path,
    limits: IngestSettings,
    tell: Callable[[str], object],
) -> Iterator[tuple[Path, Path]]:
    """Each file with its place below the source's folder; zip files are taken apart in scratch."""
    given = _given(source, data)
    if data.is_dir():
        beside = (path for path in data.iterdir() if not _passed_over(path))
        _tell_of(data, sorted(path.name for path in beside if path not in given), tell)
    for path in given:
        if not is_zip(path):
            yield path, Path(path.name)
            continue
        folder = scratch / path.name
        _tell_of(path, unpack(path, folder, source, limits), tell)
        yield from ((each, each.relative_to(scratch)) for each in sorted(folder.iterdir()))


def _tell_of(data: Path, names: list[str], tell: Callable[[str], object]) -> None:
    if names:
        more = f" and {len(names) - _TOLD:,} more" if len(names) > _TOLD else ""
        tell(f"{data.name}: not taken: {', '.join(names[:_TOLD])}{more}")


def _given(source: Source, data: Path) -> list[Path]:
    if data.is_file():
        if _passed_over(data):
            raise BadFile(data.name, "names that begin with _ or . are passed over", "rename it")
        return [data]
    if not data.is_dir():
        raise BadFile(str(data), "there is no such file or folder", "check --data")
    try:
        inside = sorted(path for path in data.iterdir() if path.is_file())
    except OSError as error:
        raise BadFile(str(data), f"it cannot be read ({error.strerror})", "check --data") from error
    named = [path for path in inside if not _passed_over(path)]
    found = [path for path in named if is_zip(path) or source.layout_of(path.name) is not None]
    if not found:
        raise BadFile(str(data), f"no file of source {source.name} in it", source.takes)
    return found


def _passed_over(path: Path) -> bool:
    return path.name.startswith(("_", "."))


def _all_copied(found: list[_Found]) -> list[Path]:
    """Copy all; files of a zip appear at once, as their folder takes its place by a rename."""
    folders = {each.landed.parent for each in found}
    aside = {
        folder: folder.with_name(f"_{folder.name}.part")
        for folder in folders
        if is_zip_folder(folder.name) and not folder.exists()
    }
    for partial in aside.values():
        shutil.rmtree(partial, ignore_errors=True)
    for each in found:
        _copy(each, aside.get(each.landed.parent, each.landed.parent))
    for folder, partial in aside.items():
        with writing(folder):
            partial.rename(folder)
    return [each.landed for each in found]


def _copy(found: _Found, folder: Path) -> None:
    """Copy under a name Spark passes over, then rename, so that no half file is ever read."""
    landed = folder / found.landed.name
    if landed.exists():
        return
    partial = folder / f"_{landed.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if found.mapping is not None:  # before the file itself, which makes it count
            text = json.dumps(found.mapping, indent=2, sort_keys=True)
            mapping_file(landed).write_text(text, "utf-8")
        shutil.copyfile(found.path, partial)
        partial.rename(landed)
    except OSError as error:
        with suppress(OSError):  # a full disk is not to stay so because of it
            partial.unlink()
        raise BackendUnavailable(
            f"landing {folder} cannot be written ({error.strerror}); check --lake"
        ) from error
