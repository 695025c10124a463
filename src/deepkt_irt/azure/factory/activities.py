"""What activities do here: folders for the lake, HTTP for REST, the workspace's API for its jobs.

What an activity asks for beyond that is refused, never passed over.
"""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deepkt_irt.azure.factory.copying import copy, query
from deepkt_irt.azure.factory.documents import Dataset, Document
from deepkt_irt.azure.factory.expression_times import format_time
from deepkt_irt.azure.factory.expressions import Json
from deepkt_irt.azure.factory.lake_calls import call_lake, is_lake
from deepkt_irt.azure.factory.world import ActivityFailed, Task, WebCall, World, only
from deepkt_irt.errors import UsageError

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import Run

_MOST_ROWS = 5000  # the service cuts the answer of a Lookup there
_TIME = "yyyy-MM-ddTHH:mm:ss'Z'"


def perform(task: Task, world: World) -> Document:
    """Do the work of an activity; its output.

    Raises:
        ActivityFailed: If the work fails, or is to fail.
        UsageError: If it is not emulated.
    """
    if task.name in world.faults:
        raise ActivityFailed("PlantedFault", f"the work of {task.name} is to fail")
    return WORK[task.type](task, world)


def _dataset(task: Task) -> Dataset:
    if task.dataset is None:
        raise UsageError(f"activity {task.name} has no dataset")
    return task.dataset


def _get_metadata(task: Task, world: World) -> Document:
    task.only("dataset", "fieldList", "storeSettings", "formatSettings")
    only(task.properties.get("storeSettings", {}), {"type", "recursive"}, task.name)
    only(task.properties.get("formatSettings", {}), {"type"}, task.name)
    place, fields = world.place(_dataset(task)), task.properties["fieldList"]
    for each in fields:
        if each not in _FIELDS and each != "exists":
            raise UsageError(f"activity {task.name}: field {each} is not emulated")
    there = place.path.is_file() if place.file else place.folder.is_dir()
    if not there and "exists" in fields:
        return {"exists": False}
    if not there:
        inside = place.path.relative_to(world.storage)
        raise ActivityFailed("UserErrorFileNotFound", f"there is no {inside}")
    return {each: _FIELDS[each](place.path) if each in _FIELDS else True for each in fields}


def _children(path: Path) -> list[Document]:
    if path.is_file():
        raise ActivityFailed("UserErrorInvalidField", f"{path.name} is a file without childItems")
    return [{"name": each.name, "type": _kind(each)} for each in sorted(path.iterdir())]


def _kind(path: Path) -> str:
    return "Folder" if path.is_dir() else "File"


def _size(path: Path) -> int:
    if path.is_dir():
        raise ActivityFailed("UserErrorInvalidField", f"{path.name} is a folder without size")
    return path.stat().st_size


def _modified(path: Path) -> str:
    return format_time(datetime.fromtimestamp(path.stat().st_mtime, UTC), _TIME)


_FIELDS: dict[str, Callable[[Path], Json]] = {
    "childItems": _children,
    "itemName": lambda path: path.name,
    "itemType": _kind,
    "lastModified": _modified,
    "size": _size,
}


def _lookup(task: Task, world: World) -> Document:
    task.only("source", "dataset", "firstRowOnly")
    source, dataset = task.properties["source"], _dataset(task)
    if source["type"] == "SqlServerSource":
        columns, found = query(source, dataset, world)
        rows = [dict(zip(columns, row, strict=True)) for row in found]
        for value in (each for row in rows for each in row.values()):
            if isinstance(value, date):
                problem = f"activity {task.name}: {value!r} has no documented form in the output"
                raise UsageError(f"{problem}: convert it to text in the query")
    elif source["type"] == "JsonSource":
        rows = _json_rows(source, dataset, world)
    else:
        raise UsageError(f"activity {task.name}: {source['type']} is not emulated")
    if task.properties.get("firstRowOnly", True):
        return {"firstRow": rows[0]} if rows else {}
    if len(rows) > _MOST_ROWS:
        raise UsageError(f"activity {task.name}: only {_MOST_ROWS} rows would arrive")
    return {"count": len(rows), "value": rows}


def _json_rows(source: Document, dataset: Dataset, world: World) -> list[Json]:
    """Objects of a file: one, an array of them, or one a line."""
    only(source, {"type", "storeSettings", "formatSettings"}, "JsonSource")
    only(source.get("storeSettings", {}), {"type", "recursive"}, "JsonSource")
    only(source.get("formatSettings", {}), {"type"}, "JsonSource")
    only(dataset.properties, {"location", "encodingName"}, f"dataset {dataset.name}")
    place = world.place(dataset)
    if dataset.type != "Json" or place.file is None:
        raise UsageError(f"dataset {dataset.name} is no JSON file")
    if not place.path.is_file():
        raise ActivityFailed("UserErrorFileNotFound", f"there is no file {place.file}")
    text = place.path.read_text(encoding="utf-8-sig")
    try:
        return _objects(text)
    except ValueError as error:
        raise ActivityFailed("UserErrorInvalidJson", f"{place.file}: {error}") from error


def _objects(text: str) -> list[Json]:
    try:
        whole = json.loads(text)
    except ValueError:
        whole = [json.loads(line) for line in text.splitlines() if line.strip()]
    return whole if isinstance(whole, list) else [whole]


def _web(task: Task, world: World) -> Document:
    task.only(
        "method", "url", "headers", "body", "authentication", "connectVia", "httpRequestTimeout"
    )
    given = task.properties
    headers = given.get("headers", {})
    for name, value in headers.items():
        if not isinstance(value, str):
            raise ActivityFailed("InvalidHeader", f"header {name} is {value!r}, not text")
    call = WebCall(
        method=given["method"],
        url=given["url"],
        headers=headers,
        body=given.get("body"),
        authentication=given.get("authentication"),
    )
    if is_lake(call.url, world):
        status, body = call_lake(call, world)
    elif world.web is None:
        raise UsageError(f"activity {task.name} calls {call.url}, which nothing stands in for")
    else:
        status, body = world.web(call)
    if not 200 <= status < 300:
        raise ActivityFailed(str(status), f"{call.method} {call.url}: {status} {json.dumps(body)}")
    output = body if isinstance(body, dict) else {"Response": body}
    return {**output, "ADFWebActivityResponseHeaders": {}}


def _databricks_job(task: Task, world: World) -> Document:
    task.only("jobId", "jobParameters")
    if task.service is None or task.service.type != "AzureDatabricks" or world.client is None:
        raise UsageError(f"activity {task.name} needs a linked workspace, and a world with client")
    job, parameters = str(task.properties["jobId"]), task.properties.get("jobParameters") or {}
    if not job.isdigit():
        raise ActivityFailed("InvalidJobId", f"{job!r} is no number of a job")
    for name, value in parameters.items():
        if not isinstance(value, str):
            raise ActivityFailed("InvalidJobParameter", f"{name} is {value!r}, not text")
    run = _job_run(int(job), parameters, task, world)
    result = run.state.result_state if run.state else None
    ended = result.value if result else "no result"
    if ended != "SUCCESS":
        said = run.state.state_message if run.state else None
        raise ActivityFailed("3204", f"job {job} ended with {ended}: {said or run.run_page_url}")
    return {"runId": run.run_id, "runPageUrl": run.run_page_url}


def _job_run(job: int, parameters: dict[str, str], task: Task, world: World) -> "Run":
    from databricks.sdk.errors import OperationFailed  # noqa: PLC0415 - an extra
    from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415 - an extra

    if world.client is None:
        raise UsageError(f"activity {task.name} needs a world with client")
    try:
        waiting = world.client.jobs.run_now(job, job_parameters=parameters or None)
        try:
            return waiting.result(timeout=task.timeout)
        except OperationFailed:  # says only that; the run itself knows why
            return world.client.jobs.get_run(waiting.run_id)
    except (DatabricksError, TimeoutError) as error:
        raise ActivityFailed("3204", str(error)) from error


WORK: dict[str, Callable[[Task, World], Document]] = {
    "Copy": copy,
    "DatabricksJob": _databricks_job,
    "GetMetadata": _get_metadata,
    "Lookup": _lookup,
    "WebActivity": _web,
}
