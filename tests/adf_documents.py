"""Small invented Data Factory documents, for tests of what reads and runs them."""

import os
from datetime import UTC, datetime

from deepkt_irt.azure.factory.documents import Factory
from deepkt_irt.azure.factory.emulator import run_pipeline


def activity(name: str, kind: str, *, after: dict[str, str | list[str]] | None = None, **more):
    """An activity; `after` gives the conditions by what it waits for; `more` its properties."""
    waits = [
        {
            "activity": each,
            "dependencyConditions": conditions if isinstance(conditions, list) else [conditions],
        }
        for each, conditions in (after or {}).items()
    ]
    beside = {k: more.pop(k) for k in list(more) if k in OUTSIDE}
    return {"name": name, "type": kind, "dependsOn": waits, "typeProperties": more, **beside}


OUTSIDE = {"inputs", "outputs", "linkedServiceName", "policy", "state", "onInactiveMarkAs"}


def setting(name: str, variable: str, value, **more):
    """A SetVariable activity."""
    return activity(name, "SetVariable", variableName=variable, value=value, **more)


def wait(name: str, **more):
    return activity(name, "Wait", waitTimeInSeconds=1, **more)


def fail(name: str, message="went wrong", **more):
    return activity(name, "Fail", message=message, errorCode="E1", **more)


def choice(name: str, expression, true=(), false=(), **more):
    """An IfCondition activity."""
    branches = {"ifTrueActivities": list(true), "ifFalseActivities": list(false)}
    return activity(name, "IfCondition", expression=expression, **branches, **more)


def loop(name: str, items, *activities, sequential=True, **more):
    """A ForEach activity."""
    inner = {"isSequential": sequential, "activities": list(activities)}
    return activity(name, "ForEach", items=items, **inner, **more)


def pipeline(name: str, *activities, parameters=None, variables=None):
    """A pipeline; parameters and variables are given as `name: type` or `name: (type, default)`."""
    return {
        "name": name,
        "properties": {
            "activities": list(activities),
            "parameters": _declared(parameters or {}),
            "variables": _declared(variables or {}),
        },
    }


def _declared(given: dict) -> dict:
    return {
        name: {"type": each[0], "defaultValue": each[1]}
        if isinstance(each, tuple)
        else {"type": each}
        for name, each in given.items()
    }


def reference(kind: str, name: str, **parameters):
    """A DatasetReference, LinkedServiceReference or PipelineReference."""
    found = {"referenceName": name, "type": f"{kind}Reference"}
    return found | ({"parameters": parameters} if parameters else {})


def dataset(name: str, kind: str, service: str, *, parameters=(), **properties):
    return {
        "name": name,
        "properties": {
            "type": kind,
            "linkedServiceName": reference("LinkedService", service),
            "parameters": {each: {"type": "String"} for each in parameters},
            "typeProperties": properties,
        },
    }


def lake_dataset(name: str, kind: str, **properties):
    """A dataset in the lake whose place is in its parameters container, folder and file."""
    location = {
        "type": "AzureBlobFSLocation",
        "fileSystem": "@dataset().container",
        "folderPath": "@dataset().folder",
        "fileName": "@dataset().file",
    }
    parameters = ("container", "folder", "file")
    return dataset(name, kind, "lake", parameters=parameters, location=location, **properties)


def service(name: str, kind: str, **properties):
    return {"name": name, "properties": {"type": kind, "typeProperties": properties}}


def factory(*pipelines, datasets=(), services=(), triggers=()):
    def by_name(documents):
        return {each["name"]: each for each in documents}

    return Factory(by_name(pipelines), by_name(datasets), by_name(services), by_name(triggers))


LAKE = "https://lake.dfs.core.windows.net"
BLOB = "https://lake.blob.core.windows.net"
CSV = {"quoteChar": '"', "escapeChar": '"', "firstRowAsHeader": True}
READ = {"type": "AzureBlobFSReadSettings"}
SERVICES = [
    service("lake", "AzureBlobFS", url=LAKE),
    service("api", "RestService", url="https://api.invalid", authenticationType="Anonymous"),
    service("sql", "SqlServer", server="s", database="d"),
    service("workspace", "AzureDatabricks", domain="https://workspace.invalid"),
]


def datasets(**csv):
    return [
        lake_dataset("csv", "DelimitedText", **{**CSV, **csv}),
        lake_dataset("json", "Json"),
        lake_dataset("files", "Binary"),
        dataset("pages", "RestResource", "api", relativeUrl="/responses?since=1"),
        dataset("table", "SqlServerTable", "sql"),
    ]


def at(name, folder="", file=""):
    return reference("Dataset", name, container="bronze", folder=folder, file=file)


def run_one(world, made, **csv):
    """The only activity of a pipeline, run."""
    documents = factory(pipeline("main", made), datasets=datasets(**csv), services=SERVICES)
    return run_pipeline(documents, "main", {}, world=world).activities[0]


def put(world, path, content="x", modified=None):
    """A file of the lake, modified at an ISO time in UTC."""
    target = world.storage / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    if modified:
        seconds = datetime.fromisoformat(modified).replace(tzinfo=UTC).timestamp()
        os.utime(target, (seconds, seconds))


def files(world):
    """Text of all files of the lake by path."""
    found = (p for p in world.storage.rglob("*") if p.is_file())
    return {str(p.relative_to(world.storage)): p.read_bytes().decode("utf-8-sig") for p in found}
