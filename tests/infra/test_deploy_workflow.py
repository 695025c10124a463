"""The deployment in order: triggers stopped, templates, bundle, parameters, triggers started."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from conftest import REPOSITORY
from deepkt_irt.azure.bicep.template import read_template
from deepkt_irt.bundle.resolve import Choices, resolve
from deepkt_irt.bundle.rules import one_scheduler

WORKFLOWS = REPOSITORY / ".github" / "workflows"
SCRIPT = REPOSITORY / "scripts" / "factory_triggers.sh"
FACTORY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataFactory/factories/f"
# what `az` is asked is kept; it answers for a factory with one running trigger
AZ = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
  "resource list"*) echo "$FACTORY" ;;
  *"--method get"*) echo daily_ingestion ;;
  *refused*) exit 1 ;;
esac
"""


@pytest.fixture
def triggers(tmp_path):
    """Runs the script where `az` is a stand-in; returns how it ended and what az was asked."""
    az = tmp_path / "bin" / "az"
    az.parent.mkdir()
    az.write_text(AZ)
    az.chmod(0o755)

    def run(*arguments, factory=FACTORY):
        calls = tmp_path / "calls"
        calls.write_text("")
        path = f"{az.parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "CALLS": str(calls), "FACTORY": factory}
        ended = subprocess.run(
            [str(SCRIPT), *arguments], capture_output=True, text=True, env=environment, check=False
        )
        posts = re.findall(r"--method post --url \S+/triggers/(\w+/\w+)\?", calls.read_text())
        return ended, posts

    return run


def test_stop_ends_those_that_run(triggers):
    ended, posts = triggers("stop", "g")

    assert ended.returncode == 0
    assert posts == ["daily_ingestion/stop"]


def test_start_begins_all_that_are_declared(triggers):
    ended, posts = triggers("start", "g")

    assert ended.returncode == 0
    assert posts == ["daily_ingestion/start", "model_serving/start", "weekly_training/start"]


def test_without_a_factory_there_is_nothing_to_stop_but_starting_fails(triggers):
    stopped, _ = triggers("stop", "g", factory="")
    started, posts = triggers("start", "g", factory="")

    assert (stopped.returncode, started.returncode, posts) == (0, 1, [])
    assert "deploy the templates first" in started.stderr


@pytest.mark.parametrize("arguments", [(), ("stop",), ("restart", "g")])
def test_wrong_usage_ends_with_2(triggers, arguments):
    ended, posts = triggers(*arguments)

    assert (ended.returncode, posts) == (2, [])


def steps(job):
    deploy = yaml.safe_load((WORKFLOWS / "deploy.yml").read_text())
    return [step.get("run", step.get("uses", "")) for step in deploy["jobs"][job]["steps"]]


def place(runs, text):
    (found,) = [index for index, run in enumerate(runs) if text in run]
    return found


def test_triggers_stand_still_while_anything_changes():
    deploy = yaml.safe_load((WORKFLOWS / "deploy.yml").read_text())
    azure, bundle = steps("infrastructure"), steps("bundle")

    assert deploy["jobs"]["bundle"]["needs"] == "infrastructure"
    assert place(azure, "factory_triggers.sh stop") < place(azure, "az deployment group create")
    order = ["bundle deploy", "bundle-start access_control", "globalParameters/default"]
    order.append("factory_triggers.sh start")
    assert [place(bundle, text) for text in order] == sorted(place(bundle, t) for t in order)
    assert "factory_triggers.sh start" in bundle[-1]


def test_triggers_start_only_where_data_factory_drives():
    deploy = yaml.safe_load((WORKFLOWS / "deploy.yml").read_text())
    job = deploy["jobs"]["bundle"]
    expression = "vars.SCHEDULER == 'workflows' && 'UNPAUSED' || 'PAUSED'"

    assert job["env"]["BUNDLE_VAR_scheduler"] == "${{ vars.SCHEDULER || 'data_factory' }}"
    assert job["env"]["BUNDLE_VAR_schedule_pause_status"] == f"${{{{ {expression} }}}}"
    assert job["steps"][-1]["if"] == "env.BUNDLE_VAR_scheduler == 'data_factory'"


@pytest.mark.parametrize(
    ("scheduler", "status"), [("data_factory", "PAUSED"), ("workflows", "UNPAUSED")]
)
def test_scheduler_and_status_of_a_deployment_agree(scheduler, status):
    values = {"scheduler": scheduler, "schedule_pause_status": status}
    bundle = resolve(REPOSITORY, "prod", Choices(values, placeholders=True))

    assert list(one_scheduler(bundle, None)) == []


@pytest.fixture
def told(tmp_path):
    """Runs the step that says who is told; returns the bundle as it is deployed then."""
    shutil.copy(REPOSITORY / "databricks.yml", tmp_path)
    shutil.copytree(REPOSITORY / "resources", tmp_path / "resources")
    runs = steps("bundle")
    step = runs[place(runs, "variable-overrides.json")]

    def run(addresses, subscribers):
        given = {"NOTIFICATION_ADDRESSES": addresses, "ALERT_SUBSCRIBERS": subscribers}
        environment = {**os.environ, **given, "TARGET": "staging"}
        subprocess.run(["bash", "-euc", step], cwd=tmp_path, env=environment, check=True)
        return resolve(tmp_path, "staging", Choices(placeholders=True)).resources

    return run


def test_who_is_told_reaches_jobs_and_alerts(told):
    addresses = ["it@example.org", "district@example.org"]
    resources = told(",".join(addresses), "ann@example.org, bo@example.org")

    for job in resources["jobs"].values():
        assert job["email_notifications"]["on_failure"] == addresses
    for alert in resources["alerts"].values():
        assert alert["schedule"]["pause_status"] == "UNPAUSED"
        subscribed = alert["evaluation"]["notification"]["subscriptions"]
        assert subscribed == [{"user_email": "ann@example.org"}, {"user_email": "bo@example.org"}]


def test_alerts_are_paused_while_nobody_is_told(told):
    resources = told("it@example.org", "")

    assert {each["schedule"]["pause_status"] for each in resources["alerts"].values()} == {"PAUSED"}


def test_who_is_told_is_said_before_the_bundle_is_checked():
    runs = steps("bundle")

    assert place(runs, "variable-overrides.json") < place(runs, "make bundle")


def environment_read(name: str) -> set[str]:
    text = (REPOSITORY / "infra" / "bicep" / f"{name}.bicepparam").read_text()
    return set(re.findall(r"readEnvironmentVariable\('(\w+)'", text))


@pytest.mark.parametrize("target", ["dev", "staging", "prod"])
def test_deployment_gives_what_the_parameter_files_read(target):
    deploy = yaml.safe_load((WORKFLOWS / "deploy.yml").read_text())
    (step,) = [
        each for each in deploy["jobs"]["infrastructure"]["steps"] if each.get("id") == "azure"
    ]

    assert step["env"].keys() == environment_read(target)


def test_outputs_handed_on_are_outputs_of_the_template():
    text = (WORKFLOWS / "deploy.yml").read_text()
    template = read_template(REPOSITORY / "infra" / "bicep" / "main.bicep")

    handed = set(re.findall(r"steps\.azure\.outputs\.(\w+)", text))
    assert handed
    assert handed <= {each.name for each in template.outputs}


def test_plan_needs_no_more_than_an_identity_that_reads():
    plan = yaml.safe_load((WORKFLOWS / "infrastructure_plan.yml").read_text())
    (job,) = plan["jobs"].values()

    assert "head.repo.full_name == github.repository" in job["if"]
    assert "environment" not in job
    assert any("what-if" in step.get("run", "") for step in job["steps"])
