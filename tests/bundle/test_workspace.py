"""What is asked of a workspace, asked of one that speaks its REST calls, faults included."""

import json
import zipfile
from datetime import timedelta

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config

from conftest import REPOSITORY
from deepkt_irt.azure.factory.global_parameters import global_parameters
from deepkt_irt.bundle.resolve import Choices, resolve
from deepkt_irt.bundle.workspace import Deployment, open_deployment
from deepkt_irt.cli import main
from deepkt_irt.errors import BackendUnavailable, BadFile, UsageError
from deepkt_irt.sources.catalogue import source_named
from fake_workspace import FakeWorkspace, Fault, serving

ANSWERS = "user_id,item_id,correct,seq_pos\ns1,i1,1,1\n"
LANDING = "/Volumes/deepkt_dev/dev_jo_smith_bronze/landing/responses_csv"


@pytest.fixture
def workspace(monkeypatch):
    with serving(FakeWorkspace()) as running:
        monkeypatch.setenv("DATABRICKS_HOST", running.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", "x")
        monkeypatch.setenv("DATABRICKS_AUTH_TYPE", "pat")
        yield running


@pytest.fixture
def deployment(workspace):
    """The dev target, in a workspace where nothing is deployed yet; gives up soon."""
    config = Config(
        host=workspace.url,
        token="x",  # noqa: S106 - of the fake
        auth_type="pat",
        retry_timeout_seconds=3,
        http_timeout_seconds=1,
    )
    bundle = resolve(REPOSITORY, "dev", Choices(user=workspace.user, placeholders=True))
    return Deployment(WorkspaceClient(config=config), bundle)


@pytest.fixture
def deployed(deployment):
    """The same, deployed: each resource created by the call the command line tool makes."""
    client, resources = deployment.client, deployment.bundle.resources
    for job in resources["jobs"].values():
        client.api_client.do("POST", "/api/2.2/jobs/create", body=job)
    for kind in ("schemas", "volumes", "registered_models"):
        path = f"/api/2.1/unity-catalog/{kind.removeprefix('registered_')}"
        for each in resources[kind].values():
            client.api_client.do("POST", path, body=each)
    for each in resources["experiments"].values():
        client.experiments.create_experiment(each["name"])
    for each in resources["sql_warehouses"].values():
        client.api_client.do("POST", "/api/2.0/sql/warehouses", body=each)
    for kind, path in (("dashboards", "lakeview/dashboards"), ("alerts", "alerts")):
        for each in resources[kind].values():
            client.api_client.do("POST", f"/api/2.0/{path}", body=each)
    for each in resources["vector_search_endpoints"].values():
        client.api_client.do("POST", "/api/2.0/vector-search/endpoints", body=each)
    for each in resources["secret_scopes"].values():
        client.secrets.create_scope(each["name"])
    return deployment


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text(ANSWERS)
    return path


def test_what_is_deployed_as_declared_has_no_problem(deployed):
    assert list(deployed.problems()) == []


def test_everything_that_is_not_deployed_is_named(deployment):
    resources = deployment.bundle.resources

    problems = list(deployment.problems())

    assert len(problems) == sum(len(each) for each in resources.values())
    assert "jobs.daily_ingestion: [dev jo_smith] daily_ingestion is not deployed" in problems
    assert "schemas.gold: deepkt_dev.dev_jo_smith_gold is not deployed" in problems


def test_job_that_drifted_or_stands_twice_is_named(deployed, workspace):
    drifted = workspace.jobs[deployed.job_id("weekly_training")]
    drifted["tasks"] = drifted["tasks"][1:]
    drifted["schedule"]["pause_status"] = "UNPAUSED"
    daily, name = deployed.job_id("daily_ingestion"), "[dev jo_smith] daily_ingestion"
    workspace.jobs[999] = workspace.jobs[daily]

    problems = list(deployed.problems())

    assert problems == [
        f"jobs.daily_ingestion: {name} is there 2 times ({daily}, 999), delete all but one",
        "jobs.weekly_training: tasks differ: calibrate_items",
        "jobs.weekly_training: its schedule is UNPAUSED, declared PAUSED",
    ]


def test_factory_parameters_are_ids_and_fixed_job_parameters(deployed, capsys):
    main(["factory-parameters", "--folder", str(REPOSITORY)])

    body = json.loads(capsys.readouterr().out)["properties"]
    assert all(each["type"] == "String" for each in body.values())
    values = {name: each["value"] for name, each in body.items()}
    assert values["daily_ingestion_job_id"] == str(deployed.job_id("daily_ingestion"))
    assert values["model_serving_job_id"] == str(deployed.job_id("model_serving"))
    assert values["catalog"] == "deepkt_dev"
    assert values["endpoints"] == (
        "sakt=deepkt-sakt-dev-jo_smith,wd_irt=deepkt-wd-irt-dev-jo_smith,"
        "recommender=deepkt-recommender-dev-jo_smith"
    )
    assert "silver=dev_jo_smith_silver" in values["schemas"]
    assert values.keys() == {
        *("daily_ingestion_job_id", "model_serving_job_id", "weekly_training_job_id"),
        *("catalog", "schemas", "models", "experiments", "prompts", "endpoints", "settings"),
    }


def test_factory_parameters_two_jobs_that_differ_are_refused():
    jobs = {
        key: {"parameters": [{"name": "settings", "default": key}]} for key in ("daily", "weekly")
    }

    with pytest.raises(UsageError, match="job weekly gives parameter settings another value"):
        global_parameters(jobs, {"daily": 1, "weekly": 2})


def test_bundle_verify_says_what_is_missing_and_fails(workspace, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["bundle-verify", "--folder", str(REPOSITORY)])

    assert stopped.value.code == 1
    assert "volumes.landing: deepkt_dev.dev_jo_smith_bronze.landing" in capsys.readouterr().err


def test_job_that_is_not_deployed_has_no_id(deployment):
    with pytest.raises(UsageError, match=r"0 jobs are called .*daily_ingestion.*: deploy"):
        deployment.run_job("daily_ingestion", {}, minutes=1)


def test_run_job_hands_over_parameters_and_waits(deployed, workspace):
    deployed.run_job("daily_ingestion", {"as_of": "2026-03-01T02:00"}, minutes=1)

    (run,) = workspace.runs.values()
    assert run["job_parameters"] == {"as_of": "2026-03-01T02:00"}
    assert run["polls"] == 2


def test_bundle_start_runs_only_the_tasks_named(deployed, workspace, capsys):
    workspace.failing_tasks.add("score_students")
    start = ["bundle-start", "daily_ingestion", "--folder", str(REPOSITORY)]

    main([*start, "--only", "ingest_bronze,transform_silver"])

    (run,) = workspace.runs.values()
    assert run["only"] == ["ingest_bronze", "transform_silver"]
    assert capsys.readouterr().out == "daily_ingestion: succeeded\n"
    with pytest.raises(UsageError, match="daily_ingestion has no task ingest"):
        deployed.run_job("daily_ingestion", {}, minutes=1, only=["ingest"])


def test_run_job_names_the_task_that_failed_and_where_to_look(deployed, workspace):
    workspace.failing_tasks.add("transform_silver")

    with pytest.raises(
        BackendUnavailable, match=r"FAILED, tasks transform_silver; see http.*/runs"
    ):
        deployed.run_job("daily_ingestion", {}, minutes=1)


def test_run_job_that_takes_longer_goes_on_and_is_followed_elsewhere(deployed, workspace):
    said = (
        rf"has not ended.* 0 minutes; it goes on, follow it at {workspace.url}/jobs/\d+/runs/5000$"
    )

    with pytest.raises(BackendUnavailable, match=said):
        deployed.run_job("daily_ingestion", {}, minutes=0)


def test_job_is_waited_for_as_long_as_it_may_take(deployed, monkeypatch):
    asked, waiting = [], deployed.client.jobs.wait_get_run_job_terminated_or_skipped
    monkeypatch.setattr(
        deployed.client.jobs,
        "wait_get_run_job_terminated_or_skipped",
        lambda **given: asked.append(given["timeout"]) or waiting(**given),
    )
    del deployed.bundle.resources["jobs"]["access_control"]["timeout_seconds"]

    deployed.run_job("weekly_training", {})
    deployed.run_job("access_control", {})

    assert asked == [timedelta(hours=12, minutes=10), timedelta(hours=4)]


def test_run_job_with_an_unknown_parameter_or_job_is_refused(deployed):
    with pytest.raises(BackendUnavailable, match="unknown parameters"):
        deployed.run_job("daily_ingestion", {"rows": "1"}, minutes=1)
    with pytest.raises(UsageError, match="there are: access_control, "):
        deployed.run_job("nightly", {}, minutes=1)


def test_land_checks_then_uploads_with_the_mapping_first(deployment, workspace, answers):
    source = source_named("responses_csv")

    landed = deployment.land(source, answers, mapping=None)

    assert landed == [f"{LANDING}/_answers.csv.mapping.json", f"{LANDING}/answers.csv"]
    assert workspace.files[f"{LANDING}/answers.csv"].decode() == ANSWERS
    assert list(workspace.files) == landed  # the mapping was there before its file


def test_land_again_uploads_nothing_and_refuses_other_content(deployment, workspace, answers):
    source = source_named("responses_csv")
    deployment.land(source, answers, mapping=None)
    before = len([call for call in workspace.calls if call.startswith("PUT")])

    deployment.land(source, answers, mapping=None)
    answers.write_text(ANSWERS.replace("s1,i1,1", "s1,i1,0"))  # as long as before
    with pytest.raises(BadFile, match=r"answers\.csv: .*landed before; give it a new name"):
        deployment.land(source, answers, mapping=None)

    assert len([call for call in workspace.calls if call.startswith("PUT")]) == before


def test_land_zip_uploads_the_files_it_holds(deployment, workspace, answers):
    packed = answers.with_name("day.zip")
    with zipfile.ZipFile(packed, "w") as out:
        out.write(answers, "export/answers.csv")

    for _ in range(2):
        landed = deployment.land(source_named("responses_csv"), packed, mapping=None)

    names = ("_answers.csv.mapping.json", "answers.csv")
    assert landed == [f"{LANDING}/day.zip/{name}" for name in names]
    assert list(workspace.files) == landed
    assert workspace.files[landed[1]].decode() == ANSWERS


def test_land_refuses_a_bad_file_before_anything_is_sent(deployment, workspace, answers):
    answers.write_text("who,what\n1,2\n")

    with pytest.raises(BadFile, match="no student_id"):
        deployment.land(source_named("responses_csv"), answers, mapping=None)
    assert not workspace.files


@pytest.mark.parametrize(
    "fault",
    [Fault("jobs/list", 429, times=2), Fault("jobs/list", 503), Fault("jobs/list", delay=0.3)],
    ids=["too many requests", "unavailable", "slow"],
)
def test_passing_fault_is_waited_out(deployed, workspace, fault):
    workspace.faults.append(fault)

    assert deployed.job_id("daily_ingestion") in workspace.jobs
    assert fault.times == 0


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("run-now", 500, times=9), "could not run job daily_ingestion: planted fault 500"),
        (Fault("run-now", 403), "not allowed to run job daily_ingestion: planted fault 403"),
        (Fault("run-now", 429, times=99), "could not run job daily_ingestion"),
    ],
    ids=["broken", "forbidden", "overloaded for good"],
)
def test_lasting_fault_ends_in_one_line(deployed, workspace, fault, said):
    workspace.faults.append(fault)

    with pytest.raises(BackendUnavailable, match=said):
        deployed.run_job("daily_ingestion", {}, minutes=1)


def test_no_credentials_end_in_one_line(monkeypatch, tmp_path, capsys):
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_AUTH_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))

    with pytest.raises(
        BackendUnavailable, match=r"no workspace is named.*DATABRICKS_CONFIG_PROFILE"
    ):
        open_deployment(REPOSITORY, "dev", variables={})
