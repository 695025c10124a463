"""The Copy activity: REST service or SQL Server to delimited text, and files as they are."""

import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import translate
from pathlib import Path
from typing import Any

from deepkt_irt.azure.factory.delimited_text import read_form, with_times
from deepkt_irt.azure.factory.documents import Dataset, Document
from deepkt_irt.azure.factory.expression_functions import as_text
from deepkt_irt.azure.factory.expression_times import parse_time
from deepkt_irt.azure.factory.expressions import Json
from deepkt_irt.azure.factory.rest_source import pages, pick
from deepkt_irt.azure.factory.world import ActivityFailed, Place, Task, World, only
from deepkt_irt.errors import UsageError

# how fast, not what
_SPEED = {"enableStaging", "parallelCopies", "dataIntegrationUnits", "validateDataConsistency"}
_READS = {
    *("type", "recursive", "wildcardFolderPath", "wildcardFileName", "maxConcurrentConnections"),
    *("modifiedDatetimeStart", "modifiedDatetimeEnd", "enablePartitionDiscovery"),
    "deleteFilesAfterCompletion",
}
_TRANSLATOR = {
    *("type", "mappings", "collectionReference", "mapComplexValuesToString", "typeConversion"),
    "typeConversionSettings",
}
_CONVERSION = {"allowDataTruncation", "treatBooleanAsNumber", "dateTimeFormat"}


@dataclass(frozen=True)
class _Rows:
    """A table with named columns."""

    columns: list[str]
    rows: list[list[Json]]


def copy(task: Task, world: World) -> Document:
    """Do what a Copy activity asks, and count.

    Raises:
        UsageError: If it asks for what is not emulated.
        ActivityFailed: If the source or the sink fails.
    """
    task.only("source", "sink", "translator", *_SPEED)
    if task.properties.get("enableStaging") or len(task.inputs) != 1 or len(task.outputs) != 1:
        raise UsageError(f"activity {task.name}: one input, one output, and no staging, please")
    source, sink = task.properties["source"], task.properties["sink"]
    kinds = source["type"], sink["type"]
    if kinds == ("BinarySource", "BinarySink"):
        return _copy_files(task, world)
    if kinds[1] != "DelimitedTextSink" or kinds[0] not in {"RestSource", "SqlServerSource"}:
        raise UsageError(f"activity {task.name}: {kinds[0]} to {kinds[1]} is not emulated")
    translator = task.properties.get("translator") or {}
    only(translator, _TRANSLATOR, f"translator of {task.name}")
    if kinds[0] == "RestSource":
        table = _rest_rows(list(pages(source, task.inputs[0], world)), translator)
    else:
        table = _sql_rows(source, task.inputs[0], translator, world)
    written = _write(task, table, translator, world)
    read = len(table.rows)
    return {"rowsRead": read, "rowsCopied": read, "filesWritten": 1, "dataWritten": written}


def _rest_rows(bodies: Sequence[Json], translator: Document) -> _Rows:
    """Rows of the mapped columns, one per element of the collection."""
    mappings, collection = translator.get("mappings"), translator.get("collectionReference")
    if not mappings or not collection:
        raise UsageError("a RestSource needs a translator with mappings and collectionReference")
    rows, convert = [], translator.get("mapComplexValuesToString", False)
    for body in bodies:
        elements = pick(collection, body)
        if not isinstance(elements, list):
            raise ActivityFailed("UserErrorCollection", f"there is no array at {collection}")
        for element in elements:
            values = [pick(each["source"]["path"], body, element) for each in mappings]
            complex_too = [isinstance(v, dict | list) and convert for v in values]
            pairs = zip(values, complex_too, strict=True)
            rows.append([as_text(value) if turn else value for value, turn in pairs])
    return _Rows(_sink_names(mappings), rows)


def _sink_names(mappings: Sequence[Document]) -> list[str]:
    for each in mappings:
        only(each, {"source", "sink"}, "mapping")
        only(each["source"], {"path", "name", "type"}, "source of a mapping")
        only(each["sink"], {"name", "type"}, "sink of a mapping")
    return [each["sink"]["name"] for each in mappings]


def query(source: Document, dataset: Dataset, world: World) -> tuple[list[str], list[Any]]:
    """Columns and rows that a SqlServerSource reads.

    Raises:
        UsageError: If it asks for what is not emulated.
        ActivityFailed: If the database refuses.
    """
    known = {"type", "sqlReaderQuery", "partitionOption", "isolationLevel", "queryTimeout"}
    only(source, known, "SqlServerSource")
    if source.get("partitionOption", "None") != "None":
        raise UsageError("partitions of a SqlServerSource are not emulated")
    if dataset.type != "SqlServerTable" or dataset.service.type != "SqlServer":
        raise UsageError(f"dataset {dataset.name} is no table of a SQL Server")
    if "sqlReaderQuery" not in source or world.sql is None:
        raise UsageError(f"dataset {dataset.name}: give a sqlReaderQuery, and a world with sql")
    try:
        return world.sql(source["sqlReaderQuery"])
    except sqlite3.Error as error:
        raise ActivityFailed("SqlOperationFailed", str(error)) from error


def _sql_rows(source: Document, dataset: Dataset, translator: Document, world: World) -> _Rows:
    columns, rows = query(source, dataset, world)
    mappings = translator.get("mappings")
    if not mappings:
        return _Rows(list(columns), [list(row) for row in rows])
    names = [each["source"].get("name") for each in mappings]
    for name in names:
        if name not in columns:
            raise ActivityFailed("UserErrorInvalidColumnName", f"the query gives no column {name}")
    places = [columns.index(name) for name in names]
    return _Rows(_sink_names(mappings), [[row[at] for at in places] for row in rows])


def _write(task: Task, table: _Rows, translator: Document, world: World) -> int:
    """Write a table to the sink; the number of bytes."""
    sink, dataset = task.properties["sink"], task.outputs[0]
    only(sink, {"type", "storeSettings", "formatSettings"}, f"sink of {task.name}")
    only(sink.get("storeSettings", {}), {"type"}, f"sink of {task.name}")
    if dataset.type != "DelimitedText":
        raise UsageError(f"dataset {dataset.name} is no delimited text")
    place = world.place(dataset)
    if place.file is None:
        raise UsageError(f"dataset {dataset.name}: the service makes up a name: give a fileName")
    _need_container(place)
    conversion = translator.get("typeConversionSettings", {})
    only(conversion, _CONVERSION, f"translator of {task.name}")
    if conversion.get("treatBooleanAsNumber"):
        raise UsageError(f"translator of {task.name}: Booleans as numbers are not emulated")
    rows = with_times(table.rows, conversion.get("dateTimeFormat"))
    form = read_form(dataset.properties, sink.get("formatSettings", {}), dataset.name)
    return form.write(place.path, table.columns, rows)


def _need_container(place: Place) -> None:
    if not place.container.is_dir():
        problem = f"there is no container {place.container.name}"
        raise ActivityFailed("AdlsGen2OperationFailed", problem)


def _copy_files(task: Task, world: World) -> Document:
    source, sink = task.properties["source"], task.properties["sink"]
    only(source, {"type", "storeSettings", "formatSettings"}, f"source of {task.name}")
    only(sink, {"type", "storeSettings"}, f"sink of {task.name}")
    only(source.get("formatSettings", {}), {"type"}, f"source of {task.name}")
    settings = sink.get("storeSettings", {})
    only(settings, {"type", "copyBehavior"}, f"sink of {task.name}")
    if settings.get("copyBehavior", "PreserveHierarchy") != "PreserveHierarchy":
        raise UsageError(f"activity {task.name}: only PreserveHierarchy is emulated")
    for dataset in (*task.inputs, *task.outputs):
        if dataset.type != "Binary":
            raise UsageError(f"dataset {dataset.name} is not binary")
        only(dataset.properties, {"location"}, f"dataset {dataset.name}")
    target, single = world.place(task.outputs[0]), world.place(task.inputs[0]).file
    single = None if "wildcardFileName" in source.get("storeSettings", {}) else single
    _need_container(target)
    if target.file and not single:
        raise UsageError(f"activity {task.name}: many files do not go into one")
    count = size = 0
    for path, inside in list(_matching(task, world)):
        copied = target.path if target.file else target.folder / inside
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)
        count, size = count + 1, size + path.stat().st_size
    counts = {"filesRead": count, "filesWritten": count}
    return {**counts, "dataRead": size, "dataWritten": size}


def _matching(task: Task, world: World) -> Iterator[tuple[Path, Path]]:
    """Files a BinarySource reads, and their paths within its folder."""
    settings = task.properties["source"].get("storeSettings", {})
    only(settings, _READS, f"source of {task.name}")
    if settings.get("enablePartitionDiscovery") or settings.get("deleteFilesAfterCompletion"):
        raise UsageError(f"source of {task.name}: partitions and deletion are not emulated")
    place = world.place(task.inputs[0])
    pattern, folder = settings.get("wildcardFileName"), place.folder
    if place.file and not pattern:
        if not place.path.is_file():
            raise ActivityFailed("UserErrorFileNotFound", f"there is no file {place.file}")
        candidates = [place.path]
    else:
        if "wildcardFolderPath" in settings:
            folder = world.path(place.container.name, settings["wildcardFolderPath"] or "")
        if re.search(r"[*?\[]", str(folder.relative_to(world.storage))):
            raise UsageError(f"source of {task.name}: wildcards in folders are not emulated")
        if not folder.is_dir():
            inside = folder.relative_to(world.storage)
            raise ActivityFailed("UserErrorFileNotFound", f"there is no folder {inside}")
        deep = settings.get("recursive", True)
        found = folder.rglob("*") if deep else folder.glob("*")
        candidates = sorted(each for each in found if each.is_file())
    name = re.compile(translate((pattern or "*").replace("[", "[[]")))
    for path in candidates:
        if name.match(path.name) and _modified_within(path, settings):
            yield path, path.relative_to(folder)


def _modified_within(path: Path, settings: Document) -> bool:
    """Whether a file was modified from the start on, and before the end."""
    at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    bounds = [settings.get(f"modifiedDatetime{each}") for each in ("Start", "End")]
    try:
        start, end = (parse_time(each).replace(tzinfo=UTC) if each else None for each in bounds)
    except ValueError as error:
        raise ActivityFailed("UserErrorInvalidDatetime", str(error)) from error
    return (start is None or at >= start) and (end is None or at < end)
