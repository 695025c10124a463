"""Puts files into the landing folder: looked at first, then copied whole or not at all."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from deepkt_irt.errors import BackendUnavailable, BadFile, UsageError
from deepkt_irt.sources.layout import Layout, Source
from deepkt_irt.sources.reader import content_hash, inspect
from deepkt_irt.sources.responses_csv import complete_mapping, mapped_layout


def land(
    source: Source, data: Path, landing: Path, *, mapping: Mapping[str, str] | None
) -> list[Path]:
    """Copy a source's files into `landing/<source>`; files already there are left as they are.

    Args:
        source: The source system.
        data: One file, or a folder with files of the source's layouts.
        landing: Landing folder of the lake.
        mapping: Canonical name to header, for sources that take a mapping.

    Returns:
        The landed files, sorted by name.

    Raises:
        BadFile: If a file cannot be read, none has a row, or another file landed under its name.
        UsageError: If a mapping is given to a source that takes none.
        BackendUnavailable: If the landing folder cannot be written.
    """
    if mapping and not source.mapped:
        raise UsageError(f"source {source.name} knows its columns; leave --map away")
    folder = landing / source.name
    found = [
        (path, *_layout(source, path, folder / path.name, mapping)) for path in _files(source, data)
    ]
    n_records = 0
    for path, layout, complete in found:
        n_records += inspect(path, layout).n_records
        _refuse_changed(path, folder / path.name, complete)
    if n_records == 0:
        raise BadFile(str(data), "there are no rows in it", "land a file with rows")
    return [_copied(path, folder, complete) for path, _, complete in found]


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
        raise BadFile(path.name, f"no file of source {source.name}", _wanted(source))
    return layout, None


def _files(source: Source, data: Path) -> list[Path]:
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
    found = [p for p in inside if not _passed_over(p) and source.layout_of(p.name) is not None]
    if not found:
        raise BadFile(str(data), f"no file of source {source.name} in it", _wanted(source))
    return found


def _passed_over(path: Path) -> bool:
    return path.name.startswith(("_", "."))


def _wanted(source: Source) -> str:
    patterns = dict.fromkeys(p for layout in source.layouts for p in layout.patterns)
    return f"it takes {', '.join(patterns)}, each also as .gz"


def _copied(path: Path, folder: Path, mapping: dict[str, str] | None) -> Path:
    """Copy under a name Spark passes over, then rename, so that no half file is ever read."""
    landed = folder / path.name
    if landed.exists():
        return landed
    partial = folder / f"_{path.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if mapping is not None:  # before the file itself, which makes it count
            mapping_file(landed).write_text(json.dumps(mapping, indent=2, sort_keys=True), "utf-8")
        shutil.copyfile(path, partial)
        partial.rename(landed)
    except OSError as error:
        raise BackendUnavailable(
            f"landing {folder} cannot be written ({error.strerror}); check --lake"
        ) from error
    return landed
