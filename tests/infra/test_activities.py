from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient

from adf_documents import (
    BLOB,
    LAKE,
    READ,
    activity,
    at,
    files,
    put,
    reference,
    run_one,
)
from deepkt_irt.azure.factory.world import World
from deepkt_irt.errors import UsageError
from fake_workspace import FakeWorkspace, serving


@pytest.fixture
def world(tmp_path: Path) -> World:
    for container in ("bronze", "inbox"):
        (tmp_path / container).mkdir()
    return World(storage=tmp_path, lake=LAKE)


# GetMetadata and Lookup


def metadata(*fields, folder="", file=""):
    where = at("files", folder, file)
    return activity("a", "GetMetadata", dataset=where, fieldList=list(fields))


def test_get_metadata_describes_a_folder_and_a_file(world):
    put(world, "bronze/in/b.csv", "12345", modified="2026-08-02T01:02:03")
    put(world, "bronze/in/a/c.csv")

    folder = run_one(world, metadata("exists", "childItems", "itemType", folder="in"))
    fields = ("size", "lastModified", "itemName", "itemType")
    file = run_one(world, metadata(*fields, folder="in", file="b.csv"))

    children = [{"name": "a", "type": "Folder"}, {"name": "b.csv", "type": "File"}]
    assert folder.output == {"exists": True, "childItems": children, "itemType": "Folder"}
    assert file.output == {
        "size": 5,
        "lastModified": "2026-08-02T01:02:03Z",
        "itemName": "b.csv",
        "itemType": "File",
    }


def test_get_metadata_of_what_is_missing_fails_unless_asked_for_existence(world):
    asked = run_one(world, metadata("exists", "childItems", folder="no"))
    not_asked = run_one(world, metadata("childItems", folder="no"))

    assert asked.output == {"exists": False}
    assert not_asked.error["message"] == "there is no bronze/no"


def test_get_metadata_of_a_field_that_is_not_emulated_is_refused(world):
    with pytest.raises(UsageError, match="field contentMD5 is not emulated"):
        run_one(world, metadata("contentMD5"))


def test_lookup_reads_a_json_file(world):
    put(world, "bronze/w/one.json", '{"until": "2026-08-02"}')
    put(world, "bronze/w/many.json", '{"n": 1}\n{"n": 2}\n')
    source = {"type": "JsonSource", "storeSettings": READ}

    def lookup(file, *, first):
        made = activity(
            "a", "Lookup", dataset=at("json", "w", file), source=source, firstRowOnly=first
        )
        return run_one(world, made)

    assert lookup("one.json", first=True).output == {"firstRow": {"until": "2026-08-02"}}
    assert lookup("many.json", first=False).output == {"count": 2, "value": [{"n": 1}, {"n": 2}]}
    assert lookup("none.json", first=True).error["errorCode"] == "UserErrorFileNotFound"


def test_lookup_asks_the_database(world):
    source = {"type": "SqlServerSource", "sqlReaderQuery": "SELECT max(at) AS last FROM answers"}
    made = activity("a", "Lookup", dataset=reference("Dataset", "table"), source=source)

    found = run_one(replace(world, sql=lambda _: (["last"], [("2026-08-01",)])), made)

    assert found.output == {"firstRow": {"last": "2026-08-01"}}


# WebActivity


def calling(url, headers=None, body=None, **more):
    more.setdefault("authentication", {"type": "MSI", "resource": "https://storage.azure.com/"})
    given = {"x-ms-version": "2023-11-03", **(headers or {})}
    return activity("a", "WebActivity", method="PUT", url=url, headers=given, body=body, **more)


def renaming(source, target, **headers):
    return calling(f"{LAKE}/{target}", {"x-ms-rename-source": f"/{source}", **headers})


def test_web_activity_renames_a_folder(world):
    put(world, "bronze/in/_day/a.csv")

    assert run_one(world, renaming("bronze/in/_day", "bronze/in/day")).status == "Succeeded"
    assert files(world).keys() == {"bronze/in/day/a.csv"}


@pytest.mark.parametrize(
    ("source", "target", "headers", "code"),
    [
        ("bronze/in/none", "bronze/in/new", {}, "404"),
        ("bronze/in/a", "bronze/in/no/new", {}, "404"),
        ("bronze/in/a", "nowhere/new", {}, "404"),
        ("bronze/in/a", "bronze/in/full", {}, "409"),
        ("bronze/in/a", "bronze/in/file.csv", {}, "409"),
        ("bronze/in/file.csv", "bronze/in/other.csv", {"If-None-Match": "*"}, "409"),
        ("bronze/in/file.csv", "bronze/in/other.csv", {}, None),
        ("bronze/in/a", "bronze/in/empty", {}, None),
    ],
)
def test_web_activity_rename_meets_what_is_there(world, source, target, headers, code):
    for path in ("a/1.csv", "full/1.csv", "file.csv", "other.csv"):
        put(world, f"bronze/in/{path}")
    (world.storage / "bronze/in/empty").mkdir()

    error = run_one(world, renaming(source, target, **headers)).error

    assert (error and error["errorCode"]) == code


@pytest.mark.parametrize("body", ['{"until": 1}', {"until": 1}])
def test_web_activity_puts_a_blob(world, body):
    made = calling(f"{BLOB}/bronze/w/a.json", {"x-ms-blob-type": "BlockBlob"}, body)

    assert run_one(world, made).status == "Succeeded"
    assert files(world) == {"bronze/w/a.json": '{"until": 1}'}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"authentication": None}, "401"),
        ({"authentication": {"type": "MSI", "resource": "https://other.test/"}}, "401"),
        ({"headers": {"x-ms-rename-source": "/bronze/a"}}, "400"),
        ({"url": "http://lake.dfs.core.windows.net/bronze/b"}, "400"),
        ({"body": "{}"}, "400"),
    ],
)
def test_web_activity_to_the_lake_needs_what_the_lake_needs(world, change, code):
    put(world, "bronze/a")
    made = renaming("bronze/a", "bronze/b")
    made["typeProperties"] |= change

    assert run_one(world, made).error["errorCode"] == code


def test_web_activity_to_a_host_nothing_stands_in_for_is_refused(world):
    with pytest.raises(UsageError, match="nothing stands in for"):
        run_one(world, calling("https://hook.test/"))


# DatabricksJob


@pytest.fixture(scope="module")
def workspace() -> Iterator[tuple[FakeWorkspace, WorkspaceClient]]:
    with serving(FakeWorkspace()) as found:
        parameters = [{"name": "as_of", "default": ""}]
        found.jobs[100] = {"name": "j", "tasks": [{"task_key": "t"}], "parameters": parameters}
        yield found, WorkspaceClient(host=found.url, token="x", auth_type="pat")  # noqa: S106 - fake


def job(number="100", **parameters):
    linked = reference("LinkedService", "workspace")
    return activity(
        "a", "DatabricksJob", jobId=number, jobParameters=parameters, linkedServiceName=linked
    )


def test_databricks_job_runs_with_its_parameters(world, workspace):
    fake, client = workspace

    found = run_one(replace(world, client=client), job(as_of="@concat('2026-08-02', 'T02:00:00Z')"))

    number = found.output["runId"]
    assert fake.runs[number]["job_parameters"] == {"as_of": "2026-08-02T02:00:00Z"}
    assert found.output["runPageUrl"].endswith(f"/jobs/100/runs/{number}")


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (job(as_of="@int('1')"), "as_of is 1, not text"),
        (job(other="x"), "unknown parameters"),
        (job("101"), "job does not exist"),
        (job("daily"), "'daily' is no number of a job"),
    ],
)
def test_databricks_job_fails_as_the_workspace_refuses(world, workspace, made, problem):
    assert problem in run_one(replace(world, client=workspace[1]), made).error["message"]


def test_databricks_job_fails_with_its_run_one(world, workspace, monkeypatch):
    fake, client = workspace
    monkeypatch.setattr(fake, "failing_tasks", {"t"})

    found = run_one(replace(world, client=client), job())

    assert found.error["message"] == "job 100 ended with FAILED: Task t failed"
