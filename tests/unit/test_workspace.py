"""An erasure in a workspace is refused while another job works in the same schemas."""

import argparse

import pytest
from databricks.sdk import WorkspaceClient

from deepkt_irt.errors import AnotherRun, BackendUnavailable
from deepkt_irt.jobs import forget_student, workspace
from deepkt_irt.jobs.names import parse_names
from deepkt_irt.jobs.opening import Target
from deepkt_irt.jobs.workspace import refuse_beside_others
from fake_workspace import FakeWorkspace, Fault, serving

SCHEMAS = "bronze=dev_jo_bronze,silver=dev_jo_silver"
HERE = {"catalog": "deepkt", "schemas": SCHEMAS}
TARGET = Target(catalog="deepkt", names=parse_names(schemas=SCHEMAS))


@pytest.fixture
def fake():
    with serving(FakeWorkspace()) as running:
        yield running


@pytest.fixture
def client(fake):
    return WorkspaceClient(host=fake.url, token="none")  # noqa: S106 - a workspace of its own


@pytest.mark.parametrize(
    "active",
    [
        [],
        [("forget_student", HERE), ("[dev jo] forget_student", HERE)],  # itself
        [("daily_ingestion", {**HERE, "catalog": "deepkt_staging"})],
        [("[dev ann] daily_ingestion", {**HERE, "schemas": "bronze=dev_ann_bronze"})],
        [("somebody's own job", {})],
    ],
)
def test_runs_elsewhere_and_its_own_are_no_hindrance(fake, client, active):
    fake.active = active

    refuse_beside_others(client, TARGET, job="forget_student")

    assert fake.calls[-1] == "GET /api/2.2/jobs/runs/list"


def test_run_of_another_job_in_the_same_schemas_is_named(fake, client):
    fake.active = [("forget_student", HERE), ("[dev jo] weekly_training", HERE)]

    with pytest.raises(AnotherRun) as refused:
        refuse_beside_others(client, TARGET, job="forget_student")

    assert str(refused.value) == (
        "[dev jo] weekly_training (run 5001) writes the same tables; start forget_student when "
        "that has ended"
    )


def test_workspace_that_does_not_say_stops_the_erasure(fake, client):
    fake.faults = [Fault("GET .*runs/list", status=403, times=99)]

    with pytest.raises(BackendUnavailable, match=r"could not say which jobs run: planted fault"):
        refuse_beside_others(client, TARGET, job="forget_student")


def test_erasure_asks_before_it_opens_anything(fake, client, monkeypatch):
    fake.active = [("daily_ingestion", HERE)]
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.0")
    monkeypatch.setenv("DATABRICKS_HOST", fake.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", "none")
    opened = []
    monkeypatch.setattr(forget_student, "site_of", lambda *_, **__: opened.append(1))
    given = {"catalog": "deepkt", "lake": None, "schemas": SCHEMAS, "models": ""}
    flags = argparse.Namespace(**given, set=[], as_of=None)

    with pytest.raises(AnotherRun, match="daily_ingestion"):
        forget_student.forget_student(flags)

    assert opened == []
    assert workspace.workspace_client().config.host == fake.url
