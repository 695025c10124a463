"""The pipeline daily_ingestion, emulated: what a source recorded lands once, whole, readable."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from databricks.sdk import WorkspaceClient

from deepkt_irt.azure.factory.emulator import run_pipeline
from deepkt_irt.azure.factory.world import World
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import layout_of_landed
from deepkt_irt.sources.reader import inspect, records
from district import (
    BLOB,
    FACTORY,
    LAKE,
    MONDAY,
    ODD,
    ROWS,
    TOLD,
    TUESDAY,
    database,
    learning_system,
)
from fake_workspace import FakeWorkspace, serving

SERVING = {"catalog": "main", "schemas": "bronze=b", "models": "sakt=m", "endpoints": "sakt=e"}
SUNDAY_AFTERNOON = {"scheduled_time": "2026-03-01T16:30:00Z"}


@pytest.fixture
def workspace() -> Iterator[FakeWorkspace]:
    with serving(FakeWorkspace(pending_polls=0)) as workspace:
        declared = [{"name": name} for name in ("as_of", *TOLD)]
        workspace.jobs[17] = {"name": "daily", "parameters": declared, "tasks": [{"task_key": "t"}]}
        yield workspace


@pytest.fixture
def run(tmp_path, workspace):
    """Runs the pipeline: `run(MONDAY, rest_api=True)`."""
    (tmp_path / "bronze").mkdir()
    client = client_of(workspace)

    def run(scheduled: str, *, rest="", rows=ROWS, faults=(), **parameters):
        world = World(
            storage=tmp_path,
            lake=LAKE,
            global_parameters={"daily_ingestion_job_id": "17", **TOLD},
            addresses={"rest_api": rest, "data_lake": LAKE},
            sql=database(rows),
            client=client,
            faults=frozenset(faults),
        )
        given = {"scheduled_time": scheduled, "data_lake_url": LAKE, "blob_url": BLOB, **parameters}
        return run_pipeline(FACTORY, "daily_ingestion", given, world=world)

    return run


def client_of(workspace: FakeWorkspace) -> WorkspaceClient:
    return WorkspaceClient(host=workspace.url, token="x", auth_type="pat")  # noqa: S106 - a fake's


def drop(tmp_path, name: str, text: str, when: datetime, source: str = "responses_csv") -> None:
    path = tmp_path / "inbox" / source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (when.timestamp(), when.timestamp()))


def landed(tmp_path) -> dict[str, list[dict]]:
    """The rows ingest_bronze would keep of every landed file; none may be refused."""
    folder = tmp_path / "bronze" / "uploads"
    found = {}
    for path in sorted(folder.glob("*/[!_]*/*")):
        source = source_named(path.parent.parent.name)
        layout = layout_of_landed(source, path)
        n_records = inspect(path, layout).n_records
        kept = [each.kept for each in records(path, layout, max_field_characters=10_000)]
        assert len(kept) == n_records
        assert None not in kept
        found[str(path.relative_to(folder))] = kept
    return found


def watermark(tmp_path, source: str) -> str:
    return json.loads((tmp_path / "bronze" / "watermarks" / f"{source}.json").read_text())[
        "landed_until"
    ]


@pytest.mark.parametrize("source", ["rest_api", "sql_server"])
def test_two_days_land_each_what_was_recorded_before_midnight(tmp_path, run, source):
    with learning_system(ROWS) as rest:
        first = run(MONDAY, rest=rest, **{source: True})
        second = run(TUESDAY, rest=rest, **{source: True})

    assert (first.status, second.status) == ("Succeeded", "Succeeded")
    found = landed(tmp_path)
    assert {file: len(rows) for file, rows in found.items()} == {
        f"{source}/2026-03-02/responses.csv": 5,
        f"{source}/2026-03-03/responses.csv": 7,
    }
    row = found[f"{source}/2026-03-02/responses.csv"][1]
    assert (row["student_id"], row["item_id"], row["correct"]) == ("s1", "i1", "1")
    assert row["skill_names"] == ODD
    assert row["latency_ms"] is None
    assert watermark(tmp_path, source) == "2026-03-03T00:00:00Z"


def test_job_is_started_after_the_landing_with_its_parameters(run, workspace):
    ended = run(MONDAY, sql_server=True)

    (started,) = workspace.runs.values()
    assert started["job_id"] == 17
    assert started["job_parameters"] == {"as_of": "2026-03-02T02:00:00Z", **TOLD}
    assert ended.order[0] == "set_landing_date"
    assert ended.order[-1] == "run_daily_ingestion"
    assert ended.order.index("rename_folder") < ended.order.index("write_watermark")
    assert ended.of("report_failure")[0].status == "Skipped"


def test_without_sources_only_the_job_runs(tmp_path, run, workspace):
    assert run(MONDAY).status == "Succeeded"
    assert len(workspace.runs) == 1
    assert landed(tmp_path) == {}


def test_dropped_files_land_by_the_day_they_were_dropped_before(tmp_path, run):
    text = "student_id,item_id,correct,answered_at\ns1,i1,1,1772300000\n"
    drop(tmp_path, "early.csv", text, datetime(2026, 3, 1, 12, tzinfo=UTC))
    drop(tmp_path, "late.csv", text, datetime(2026, 3, 2, 1, tzinfo=UTC))

    assert run(MONDAY, file_drop=["responses_csv", "edm_cup"]).status == "Succeeded"
    assert list(landed(tmp_path)) == ["responses_csv/2026-03-02/early.csv"]
    run(TUESDAY, file_drop=["responses_csv", "edm_cup"])

    assert list(landed(tmp_path)) == [
        "responses_csv/2026-03-02/early.csv",
        "responses_csv/2026-03-03/late.csv",
    ]


def test_day_without_rows_lands_nothing_and_the_next_one_covers_both(tmp_path, run):
    run(MONDAY, rows=ROWS[5:], sql_server=True)
    assert landed(tmp_path) == {}
    assert not (tmp_path / "bronze" / "watermarks").exists()

    run(TUESDAY, sql_server=True)
    assert {file: len(rows) for file, rows in landed(tmp_path).items()} == {
        "sql_server/2026-03-03/responses.csv": 12
    }


def test_same_day_again_lands_nothing_twice_and_runs_the_job(tmp_path, run, workspace):
    run(MONDAY, sql_server=True)
    before = landed(tmp_path)

    again = run(MONDAY, sql_server=True)

    assert again.status == "Succeeded"
    assert not again.of("copy_sql_server")
    assert landed(tmp_path) == before
    assert len(workspace.runs) == 2


def test_earlier_day_run_late_lands_nothing_and_leaves_the_watermark(tmp_path, run):
    run(TUESDAY, sql_server=True)
    run(MONDAY, sql_server=True)

    assert list(landed(tmp_path)) == ["sql_server/2026-03-03/responses.csv"]
    assert watermark(tmp_path, "sql_server") == "2026-03-03T00:00:00Z"


@pytest.mark.parametrize("fault", ["copy_sql_server", "rename_folder", "read_watermark"])
def test_failed_landing_takes_the_failure_path_and_starts_no_job(tmp_path, run, workspace, fault):
    run(MONDAY, sql_server=True)
    workspace.runs.clear()
    before = landed(tmp_path)

    failed = run(TUESDAY, sql_server=True, faults=[fault])

    assert failed.status == "Failed"
    assert "a source could not be landed, so the job was not started" in failed.message
    assert failed.of("run_daily_ingestion")[0].status == "Skipped"
    assert failed.of("report_failure")[0].error["errorCode"] == "deepkt-run-failed"
    assert (workspace.runs, landed(tmp_path)) == ({}, before)
    assert run(TUESDAY, sql_server=True).status == "Succeeded"
    assert sum(len(rows) for rows in landed(tmp_path).values()) == len(ROWS)


def test_one_source_fails_the_others_land_all_the_same(tmp_path, run, workspace):
    with learning_system(ROWS) as rest:
        failed = run(MONDAY, rest=rest, rest_api=True, sql_server=True, faults=["copy_rest_api"])

    assert failed.status == "Failed"
    assert list(landed(tmp_path)) == ["sql_server/2026-03-02/responses.csv"]
    assert not workspace.runs


def test_cut_between_landing_and_watermark_is_healed_by_the_same_day_again(tmp_path, run):
    run(MONDAY, sql_server=True, faults=["write_watermark"])
    assert list(landed(tmp_path)) == ["sql_server/2026-03-02/responses.csv"]
    assert not (tmp_path / "bronze" / "watermarks").exists()

    assert run(MONDAY, sql_server=True).status == "Succeeded"
    assert watermark(tmp_path, "sql_server") == "2026-03-02T00:00:00Z"
    assert len(landed(tmp_path)) == 1


def test_half_copied_folder_of_a_failed_attempt_is_not_landed(tmp_path, run):
    half = tmp_path / "bronze" / "uploads" / "sql_server" / "_2026-03-02"
    half.mkdir(parents=True)
    (half / "responses.csv").write_text("student_id,it")

    run(MONDAY, sql_server=True)

    assert len(landed(tmp_path)["sql_server/2026-03-02/responses.csv"]) == 5


def test_failed_job_is_reported_with_its_reason(run, workspace):
    workspace.failing_tasks.add("t")

    failed = run(MONDAY, sql_server=True)

    assert failed.status == "Failed"
    assert "Task t failed" in failed.message


def test_wrong_answer_of_the_learning_system_fails(tmp_path, run):
    with learning_system(ROWS) as rest:
        failed = run(MONDAY, rest=rest, rest_api=True, rest_path="/elsewhere")

    assert failed.status == "Failed"
    assert landed(tmp_path) == {}


def world_of_job(tmp_path, workspace, job: str, told: dict[str, str]) -> World:
    """A world whose factory knows one job, and what to tell it."""
    known = {f"{job}_job_id": "23", **told}
    return World(storage=tmp_path, global_parameters=known, client=client_of(workspace))


def test_weekly_training_starts_its_job(tmp_path, workspace):
    told = {name: value for name, value in TOLD.items() if name != "prompts"}  # it explains nothing
    declared = [{"name": name} for name in ("as_of", *told)]
    workspace.jobs[23] = {"name": "weekly", "parameters": declared, "tasks": []}
    world = world_of_job(tmp_path, workspace, "weekly_training", told)

    sunday = {"scheduled_time": "2026-03-01T04:00:00Z"}
    ended = run_pipeline(FACTORY, "weekly_training", sunday, world=world)

    (started,) = workspace.runs.values()
    assert ended.status == "Succeeded"
    assert started["job_parameters"] == {"as_of": "2026-03-01T04:00:00Z", **told}


@pytest.fixture
def serving_world(tmp_path, workspace):
    """A world whose factory knows the job model_serving, which has no `as_of`."""
    declared, tasks = [{"name": name} for name in SERVING], [{"task_key": "serve_champions"}]
    workspace.jobs[23] = {"name": "serving", "parameters": declared, "tasks": tasks}
    return world_of_job(tmp_path, workspace, "model_serving", SERVING)


def test_model_serving_starts_its_job(serving_world, workspace):
    ended = run_pipeline(FACTORY, "model_serving", SUNDAY_AFTERNOON, world=serving_world)

    (started,) = workspace.runs.values()
    assert ended.status == "Succeeded"
    assert started["job_parameters"] == SERVING


def test_failed_model_serving_is_reported_with_its_day_and_reason(serving_world, workspace):
    workspace.failing_tasks.add("serve_champions")

    failed = run_pipeline(FACTORY, "model_serving", SUNDAY_AFTERNOON, world=serving_world)

    assert failed.status == "Failed"
    assert "model_serving of 2026-03-01 failed: " in failed.message
    assert "Task serve_champions failed" in failed.message
