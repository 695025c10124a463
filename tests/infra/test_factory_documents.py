"""The factory's documents say what is promised: times, columns, and nothing that the SDK loses."""

import json
import re

import pytest

from conftest import REPOSITORY
from deepkt_irt.azure.bicep.evaluation import Context, evaluate
from deepkt_irt.azure.bicep.parameters import read_parameters
from deepkt_irt.azure.deployment_rules import STAND_INS, read_environment
from deepkt_irt.azure.factory.documents import FACTORY as DOCUMENTS
from deepkt_irt.azure.factory.documents import read_factory
from deepkt_irt.azure.factory.publishing import every_activity
from deepkt_irt.azure.factory.types import type_problems
from deepkt_irt.azure.picture import draw
from deepkt_irt.azure.template_rules import TEMPLATES
from deepkt_irt.bundle.resolve import Choices, resolve
from deepkt_irt.sources.responses_csv import COPIED_COLUMNS

FACTORY = read_factory(REPOSITORY / DOCUMENTS)
KINDS = {
    "pipelines": FACTORY.pipelines,
    "datasets": FACTORY.datasets,
    "linkedServices": FACTORY.linked_services,
    "triggers": FACTORY.triggers,
}


def copies():
    activities = FACTORY.pipelines["daily_ingestion"]["properties"]["activities"]
    return {
        a["name"]: a["typeProperties"] for a in every_activity(activities) if a["type"] == "Copy"
    }


@pytest.mark.parametrize("kind", KINDS)
def test_documents_survive_the_sdk_without_losing_a_key(kind):
    assert KINDS[kind]
    for document in KINDS[kind].values():
        assert list(type_problems(kind, document)) == []


def test_triggers_fire_daily_at_two_and_on_sundays_at_four_and_half_past_four_pm_utc():
    times = {
        name: trigger["properties"]["typeProperties"]["recurrence"]
        for name, trigger in FACTORY.triggers.items()
    }
    daily, weekly = times["daily_ingestion"], times["weekly_training"]

    assert (daily["frequency"], daily["interval"], daily["timeZone"]) == ("Day", 1, "UTC")
    assert daily["schedule"] == {"hours": [2], "minutes": [0]}
    assert (weekly["frequency"], weekly["interval"], weekly["timeZone"]) == ("Week", 1, "UTC")
    assert weekly["schedule"] == {"weekDays": ["Sunday"], "hours": [4], "minutes": [0]}
    afternoon = {"weekDays": ["Sunday"], "hours": [16], "minutes": [30]}
    assert times["model_serving"] == {
        **weekly,
        "startTime": "2026-01-04T16:30:00Z",
        "schedule": afternoon,
    }


@pytest.mark.parametrize("target", ["staging", "prod"])
def test_data_factory_may_run_the_jobs_that_pipelines_start_and_no_other(target):
    given = {"data_factory_principal": "the-factory"}
    bundle = resolve(REPOSITORY, target, Choices(variables=given, placeholders=True))
    right = {"service_principal_name": "the-factory", "level": "CAN_MANAGE_RUN"}

    jobs = bundle.resources["jobs"].items()
    allowed = {key for key, job in jobs if right in job.get("permissions", [])}
    assert allowed == FACTORY.pipelines.keys()


def test_copies_name_the_columns_that_ingest_reads():
    mappings = copies()["copy_rest_api"]["translator"]["mappings"]
    query = copies()["copy_sql_server"]["source"]["sqlReaderQuery"]["value"]
    selected = re.search(r"SELECT (.*) FROM", query)

    assert tuple(each["sink"]["name"] for each in mappings) == COPIED_COLUMNS
    assert tuple(each["source"]["path"] for each in mappings) == tuple(
        f"['{name}']" for name in COPIED_COLUMNS
    )
    assert tuple(selected.group(1).split(", ")) == COPIED_COLUMNS


def test_every_source_is_copied_and_can_be_switched_off():
    parameters = FACTORY.pipelines["daily_ingestion"]["properties"]["parameters"]
    off = {
        name: parameters[name]["defaultValue"] for name in ("rest_api", "sql_server", "file_drop")
    }

    assert {name.removeprefix("copy_") for name in copies()} == off.keys()
    assert off == {"rest_api": False, "sql_server": False, "file_drop": []}


def test_budget_counts_the_machines_that_databricks_puts_in_a_group_of_its_own():
    """The budget is made first, so nothing but the name joins it to the workspace's group."""
    bicep = REPOSITORY / TEMPLATES
    first = read_parameters(bicep / "bootstrap.bicepparam", STAND_INS).values
    bootstrap = evaluate(bicep / "bootstrap.bicep", first)
    budget = next(each for each in bootstrap.resources if each.type.endswith("/budgets"))
    context = Context(resource_group=bootstrap.outputs["resourceGroupName"])
    given = read_parameters(bicep / "prod.bicepparam", STAND_INS).values
    prod = evaluate(bicep / "main.bicep", given, context=context)
    workspace = next(e for e in prod.resources if e.type == "Microsoft.Databricks/workspaces")

    machines = workspace.body["properties"]["managedResourceGroupId"].rpartition("/")[2]
    counted = budget.body["properties"]["filter"]["dimensions"]["values"]
    assert counted == [context.resource_group, machines]


def test_parameter_files_read_all_that_the_checks_give_them():
    read = set()
    for path in (REPOSITORY / TEMPLATES).glob("*.bicepparam"):
        read |= set(re.findall(r"readEnvironmentVariable\('(\w+)'", path.read_text()))

    assert STAND_INS.keys() <= read


def test_picture_shows_what_is_deployed_and_who_may_do_what():
    svg = draw(read_environment(REPOSITORY, "prod"))

    for text in ("Data Factory", "container inbox", "reads and writes bronze", "private: dfs"):
        assert f">{text}</text>" in svg
    listed = json.loads((REPOSITORY / TEMPLATES / "role_assignments.json").read_text())
    rights = [each for each in listed if each["identity"] not in {"deploy", "plan"}]
    assert svg.count("<path") == len(rights) + 1  # and the factory has its identity
    assert svg == (REPOSITORY / "docs" / "images" / "azure.svg").read_text(), "deepkt infra-picture"
