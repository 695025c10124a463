"""Puts files into the landing folder: looked at first, then copied whole or not at all."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from deepkt_irt.errors import BackendUnavailable, BadFile
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
        BadFile: If a file cannot be read, or another one landed under its name before.
        BackendUnavailable: If the landing folder cannot be written.
    """
    found = [(path, _layout(source, path, mapping)) for path in _files(source, data)]
    for path, (layout, _) in found:
        facts = inspect(path, layout)
        if facts.n_records == 0:
            raise BadFile(path.name, "it has a header but no rows", "land a file with rows")
        refuse_changed(path, landing / source.name / path.name)
    return [_copied(path, landing / source.name, complete) for path, (_, complete) in found]


def refuse_changed(path: Path, landed: Path) -> None:
    """Refuse a file if another content lies under its name.

    Raises:
        BadFile: If so.
    """
    if landed.exists() and content_hash(landed) != content_hash(path):
        raise BadFile(
            path.name,
            "a file of this name with other content was landed before",
            "give it a new name, or use another lake",
        )


def mapping_file(landed: Path) -> Path:
    """Where the mapping of a landed file is kept; Spark passes over names with `_`."""
    return landed.with_name(f"_{landed.name}.mapping.json")


def layout_of_landed(source: Source, landed: Path) -> Layout | None:
    """The layout of a landed file, by its name or by the mapping kept beside it."""
    if not source.mapped:
        return source.layout_of(landed.name)
    kept = mapping_file(landed)
    mapping = json.loads(kept.read_text()) if kept.is_file() else complete_mapping(landed, None)
    return mapped_layout(mapping)


def _layout(
    source: Source, path: Path, mapping: Mapping[str, str] | None
) -> tuple[Layout, dict[str, str] | None]:
    if source.mapped:
        complete = complete_mapping(path, mapping)
        return mapped_layout(complete), complete
    layout = source.layout_of(path.name)
    if layout is None:
        wanted = ", ".join(p for each in source.layouts for p in each.patterns)
        raise BadFile(path.name, f"no file of source {source.name}", f"it takes {wanted}")
    return layout, None


def _files(source: Source, data: Path) -> list[Path]:
    if data.is_file():
        return [data]
    if not data.is_dir():
        raise BadFile(str(data), "there is no such file or folder", "check --data")
    found = sorted(
        path
        for path in data.iterdir()
        if path.is_file()
        and not path.name.startswith(("_", "."))
        and (source.layout_of(path.name) is not None)
    )
    if not found:
        wanted = ", ".join(pattern for layout in source.layouts for pattern in layout.patterns)
        raise BadFile(str(data), f"no file of source {source.name} in it", f"it takes {wanted}")
    return found


def _copied(path: Path, folder: Path, mapping: dict[str, str] | None) -> Path:
    """Copy under a name Spark passes over, then rename, so that no half file is ever read."""
    landed = folder / path.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if mapping is not None:
            mapping_file(landed).write_text(json.dumps(mapping, indent=2, sort_keys=True))
        if not landed.exists():
            partial = folder / f"_{path.name}.part"
            shutil.copyfile(path, partial)
            partial.rename(landed)
    except OSError as error:
        raise BackendUnavailable(
            f"landing {folder} cannot be written ({error.strerror}); check --lake"
        ) from error
    return landed
