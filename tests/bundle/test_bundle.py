"""The bundle keeps its rules in every target, and each rule notices what breaks it."""

import re

import pytest

from conftest import REPOSITORY
from deepkt_irt.bundle.checks import TARGETS, examine_bundle
from deepkt_irt.bundle.cron import cron_problem
from deepkt_irt.bundle.resolve import Choices, resolve
from deepkt_irt.bundle.rules import RULES
from deepkt_irt.cli import main
from deepkt_irt.jobs import task as task_module
from deepkt_irt.jobs.task import TASKS, Task

CHOICES = Choices(user="jo.smith@example.org", placeholders=True)
ROOT, DAILY, WEEKLY = "databricks.yml", "daily_ingestion.job.yml", "weekly_training.job.yml"
STREAMING = "streaming_ingestion.job.yml"

# rule, file, text in it, what a careless change makes of it
MISTAKES = {
    "misspelt field": ("type_is_strict", DAILY, "timeout_seconds: 14400", "timeout_secs: 14400"),
    "number as text": ("type_is_strict", DAILY, "max_concurrent_runs: 1", "max_concurrent_runs: x"),
    "description of an experiment": (
        "type_is_strict",
        "training.experiments.yml",
        "sakt_training:\n",
        "sakt_training:\n      description: x\n",
    ),
    "kind without a type": (
        "type_is_strict",
        "azure.secret_scopes.yml",
        "resources:\n",
        "resources:\n  gadgets:\n    x: {name: x}\n",
    ),
    "schema that is none": (
        "reference_exists",
        "lakehouse.volumes.yml",
        "resources.schemas.ops.name",
        "resources.schemas.opps.name",
    ),
    "undeclared variable": ("reference_exists", WEEKLY, "var.gpu_node_type", "var.gpu_node"),
    "undeclared job parameter": (
        "reference_exists",
        DAILY,
        "job.parameters.models",
        "job.parameters.model_names",
    ),
    "secret of no scope": (
        "secret_exists",
        WEEKLY,
        "custom_tags:\n",
        'spark_env_vars: {KEY: "{{secrets/elsewhere/key}}"}\n            custom_tags:\n',
    ),
    "dependency on no task": (
        "graph_is_acyclic",
        DAILY,
        "- task_key: engineer_features\n          environment_key: models",
        "- task_key: features\n          environment_key: models",
    ),
    "circle": (
        "graph_is_acyclic",
        DAILY,
        "tasks:\n        - task_key: ingest",
        "tasks:\n        - depends_on: [{task_key: publish_report}]\n          task_key: ingest",
    ),
    "task listed twice": (
        "graph_is_acyclic",
        DAILY,
        "      tasks:\n",
        "      tasks:\n        - {task_key: publish_report}\n",
    ),
    "dependency left out": (
        "depends_on_is_lineage",
        WEEKLY,
        "            - task_key: train_sakt\n            - task_key: train_wd_irt\n",
        "            - task_key: train_wd_irt\n",
    ),
    "task under another key": (
        "task_is_deployed",
        WEEKLY,
        "- task_key: calibrate_items\n          environment_key",
        "- task_key: calibrate\n          environment_key",
    ),
    "task of no job": (
        "task_is_deployed",
        WEEKLY,
        "entry_point: train_sakt",
        "entry_point: score_students",
    ),
    "misspelt entry point": (
        "entry_point_is_in_wheel",
        DAILY,
        "entry_point: ingest_bronze",
        "entry_point: ingest",
    ),
    "package of another name": (
        "entry_point_is_in_wheel",
        DAILY,
        "package_name: deepkt-irt\n            entry_point: ingest_bronze",
        "package_name: deepkt_irt\n            entry_point: ingest_bronze",
    ),
    "flag the task does not take": (
        "parameters_are_accepted",
        DAILY,
        "entry_point: publish_report\n            named_parameters: *lake",
        (
            "entry_point: publish_report\n            named_parameters:\n              <<: *lake\n"
            "              models: x"
        ),
    ),
    "flag that is not handed over": (
        "parameters_are_accepted",
        WEEKLY,
        '              experiments: "{{job.parameters.experiments}}"\n',
        "",
    ),
    "date without quotes": (
        "parameters_are_accepted",
        DAILY,
        'as-of: "{{job.parameters.as_of}}"',
        "as-of: 2026-03-01",
    ),
    "list beside names": (
        "parameters_are_accepted",
        DAILY,
        "entry_point: ingest_bronze\n",
        "entry_point: ingest_bronze\n            parameters: [x]\n",
    ),
    "nowhere to run": (
        "compute_is_defined",
        WEEKLY,
        "- task_key: calibrate_items\n          environment_key: lake\n",
        "- task_key: calibrate_items\n",
    ),
    "environment that is not defined": (
        "compute_is_defined",
        WEEKLY,
        "- task_key: calibrate_items\n          environment_key: lake\n",
        "- task_key: calibrate_items\n          environment_key: lakes\n",
    ),
    "torch for a lake task": (
        "compute_is_defined",
        WEEKLY,
        "- task_key: calibrate_items\n          environment_key: lake\n",
        "- task_key: calibrate_items\n          environment_key: models\n",
    ),
    "extra the wheel has not": ("compute_is_defined", DAILY, "*.whl[train]", "*.whl[training]"),
    "single node by half": ("cluster_is_sound", WEEKLY, "            kind: CLASSIC_PREVIEW\n", ""),
    "cron of five fields": ("cron_fires", DAILY, "0 0 2 * * ?", "0 2 * * *"),
    "cron at 25": ("cron_fires", WEEKLY, "0 0 4 ? * SUN", "0 0 25 ? * SUN"),
    "local time": ("cron_fires", DAILY, "timezone_id: UTC", "timezone_id: Europe/Berlin"),
    "two schedulers": (
        "one_scheduler",
        DAILY,
        "pause_status: ${var.schedule_pause_status}",
        "pause_status: UNPAUSED",
    ),
    "no scheduler": ("one_scheduler", ROOT, "default: data_factory", "default: workflows"),
    "stream in every developer's copy": (
        "stream_is_alone",
        ROOT,
        "leaves them to the daily job.\n    default: PAUSED",
        "leaves them to the daily job.\n    default: UNPAUSED",
    ),
    "stream that a clock starts, too": (
        "stream_is_alone",
        STREAMING,
        "      health:\n",
        "      trigger: {periodic: {interval: 1, unit: DAYS}}\n      health:\n",
    ),
    "stream whose backlog nobody watches": (
        "stream_is_alone",
        STREAMING,
        "STREAMING_BACKLOG_FILES",
        "RUN_DURATION_SECONDS",
    ),
    "stream with retries": ("stream_is_alone", STREAMING, "max_retries: 0", "max_retries: 2"),
    "two runs at once": (
        "job_can_be_operated",
        DAILY,
        "max_concurrent_runs: 1",
        "max_concurrent_runs: 2",
    ),
    "alert in a state that is to be withdrawn": (
        "alert_is_heard",
        "monitoring.alerts.yml",
        "empty_result_state: OK",
        "empty_result_state: UNKNOWN",
    ),
    "alert that keeps quiet of a second failure": (
        "alert_is_heard",
        "monitoring.alerts.yml",
        "retrigger_seconds: 86400",
        "retrigger_seconds: 0",
    ),
    "alerts that tell nobody": (
        "alerts_tell_somebody",
        ROOT,
        "      catalog: deepkt_staging\n",
        "      catalog: deepkt_staging\n      alert_pause_status: UNPAUSED\n",
    ),
    "grant to nobody": (
        "rights_name_somebody",
        "models.registered_models.yml",
        "- principal: ${var.engineers}\n          ",
        "- ",
    ),
    "group with rights on all and on a dashboard": (
        "principal_is_named_once",
        ROOT,
        "    permissions: &who\n",
        "    permissions: &who\n      - {group_name: deepkt-engineers, level: CAN_VIEW}\n",
    ),
    "principal with rights on all and on a job": (
        "principal_is_named_once",
        ROOT,
        "- service_principal_name: ${var.data_factory_principal}",
        "- service_principal_name: ${var.run_principal}",
    ),
    "viewers who may not ask": (
        "viewers_can_ask",
        "queries.sql_warehouses.yml",
        "- group_name: ${var.teachers}\n          level: CAN_USE",
        "- group_name: ${var.teachers}\n          level: CAN_VIEW",
    ),
    "dashboard that shows all what one may see": (
        "viewers_can_ask",
        "looking.dashboards.yml",
        "embed_credentials: false",
        "embed_credentials: true",
    ),
    "teachers in silver": (
        "schemas_are_open_to_readers",
        "lakehouse.schemas.yml",
        "comment: Events and what they are about, under pseudonyms.\n      grants:\n",
        (
            "comment: Events and what they are about, under pseudonyms.\n      grants:\n"
            "        - {principal: deepkt-teachers, privileges: [USE_SCHEMA]}\n"
        ),
    ),
    "officers shut out": (
        "schemas_are_open_to_readers",
        "lakehouse.schemas.yml",
        "        - principal: ${var.privacy_officers}\n          privileges: [USE_SCHEMA]\n",
        "",
    ),
    "jobs that may not write": (
        "schemas_are_open_to_readers",
        "lakehouse.schemas.yml",
        "[ALL_PRIVILEGES]",
        "[USE_SCHEMA]",
    ),
    "script of no job": (
        "task_is_deployed",
        "integration_test.job.yml",
        "entry_point: verify_district",
        "entry_point: seed_district",
    ),
    "deployed into a user's folder": (
        "target_is_safe",
        ROOT,
        "root_path: /Workspace/Users/${var.run_principal}/.bundle",
        "root_path: /Workspace/Users/jo/.bundle",
    ),
    "deployed where all may write": (
        "target_is_safe",
        ROOT,
        "root_path: /Workspace/Users/${var.run_principal}/.bundle",
        "root_path: /Workspace/Shared/.bundle",
    ),
    "group with rights on all and nowhere else": (
        "target_is_safe",
        ROOT,
        "    permissions: &who\n",
        "    permissions: &who\n      - {group_name: auditors, level: CAN_VIEW}\n",
    ),
    "user with rights on all": (
        "target_is_safe",
        ROOT,
        "    permissions: &who\n",
        "    permissions: &who\n      - {user_name: jo@example.org, level: CAN_MANAGE}\n",
    ),
    "runs as whoever deploys": ("target_is_safe", ROOT, "    run_as: *principal\n", ""),
    "host in the file": (
        "target_is_safe",
        ROOT,
        "    workspace: &own_folder\n",
        "    workspace: &own_folder\n      host: ${var.catalog}\n",
    ),
    "scope of all targets": (
        "names_do_not_collide",
        "azure.secret_scopes.yml",
        "deepkt-irt-${var.instance}",
        "deepkt-irt",
    ),
}


def broken_rules(folder, wheel):
    return {each.rule for each in examine_bundle(folder, wheel, CHOICES).findings}


def test_bundle_keeps_every_rule_in_every_target(wheel):
    seen = examine_bundle(REPOSITORY, wheel, CHOICES)

    assert [str(each) for each in seen.findings] == []
    assert [each.target for each in seen.bundles] == list(TARGETS)
    assert not re.search(r"\$\{", str([each.resources for each in seen.bundles]))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_planted_mistake_is_caught_by_its_rule(mistake, bundle_copy, wheel):
    rule, name, text, wrong = MISTAKES[mistake]
    path = bundle_copy / (name if name == ROOT else f"resources/{name}")
    assert text in path.read_text(), "the mistake would not be planted"
    path.write_text(path.read_text().replace(text, wrong))

    assert rule in broken_rules(bundle_copy, wheel)


def test_every_rule_has_a_planted_mistake():
    rules = {each.__name__ for each in RULES} | {"type_is_strict", "names_do_not_collide"}

    assert {each[0] for each in MISTAKES.values()} == rules
    assert len(MISTAKES) >= 15


@pytest.mark.parametrize("target", ["staging", "prod"])
def test_people_start_what_is_left_to_them_and_read_no_secret(target):
    bundle = resolve(REPOSITORY, target, CHOICES)
    jobs = {key: levels(job) for key, job in bundle.resources["jobs"].items()}

    started = {key for key in jobs if jobs[key]["deepkt-engineers"] == "CAN_MANAGE_RUN"}
    assert started == {"content_index", "replay_students"}
    assert {jobs[key]["deepkt-engineers"] for key in jobs.keys() - started} == {"CAN_VIEW"}
    for key in started:  # whoever starts a job says its parameters, and it runs as the principal
        assert "settings" not in {
            each["name"] for each in bundle.resources["jobs"][key]["parameters"]
        }
    officers = {key: each.get("deepkt-privacy-officers") for key, each in jobs.items()}
    assert {key for key, level in officers.items() if level} == {"forget_student"}
    assert officers["forget_student"] == "CAN_MANAGE_RUN"
    assert levels(bundle.resources["secret_scopes"]["azure"]) == levels(bundle.tree) == {}


def test_people_put_content_in_and_take_reports_out_and_use_no_other_volume():
    volumes = resolve(REPOSITORY, "prod", CHOICES).resources["volumes"]
    given = {
        key: {grant["principal"]: grant["privileges"] for grant in each.get("grants", [])}
        for key, each in volumes.items()
    }

    assert {key: grants for key, grants in given.items() if grants} == {
        "content": {"deepkt-engineers": ["READ_VOLUME", "WRITE_VOLUME"]},
        "reports": {
            "deepkt-engineers": ["READ_VOLUME"],
            "deepkt-privacy-officers": ["READ_VOLUME"],
        },
    }


def levels(holder):
    """What groups may do there."""
    given = holder.get("permissions", [])
    return {each["group_name"]: each["level"] for each in given if "group_name" in each}


def test_new_task_that_no_job_runs_is_caught(monkeypatch, wheel):
    def forgotten(ctx):
        """A task somebody registered."""

    new = Task("forgotten", forgotten, (), (), (), ())
    monkeypatch.setitem(task_module.TASKS, "forgotten", new)
    assert "forgotten" in TASKS

    findings = examine_bundle(REPOSITORY, wheel, CHOICES).findings

    assert {(each.rule, each.where) for each in findings} == {
        ("task_is_deployed", "tasks.forgotten")
    }


def test_bundle_check_says_what_and_where_and_fails(bundle_copy, wheel_folder, capsys):
    path = bundle_copy / "resources" / DAILY
    path.write_text(path.read_text().replace("0 0 2 * * ?", "0 2 * * *"))

    with pytest.raises(SystemExit) as stopped:
        main(["bundle-check", "--folder", str(bundle_copy), "--wheels", str(wheel_folder)])

    assert stopped.value.code == 1
    said = capsys.readouterr().err
    assert "dev: jobs.daily_ingestion.schedule: 5 fields where Quartz has 6 or 7" in said


def test_bundle_check_without_wheel_says_how_to_build_it(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["bundle-check", "--folder", str(REPOSITORY), "--wheels", str(tmp_path)])

    assert "run make wheel" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["0 0 2 * * ?", "0 0 4 ? * SUN", "0 0/15 8-18 ? * MON-FRI", "0 0 0 L * ?", "0 0 0 ? * 6#3"],
)
def test_cron_that_fires_is_accepted(text):
    assert cron_problem(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bad cron",
        "0 0 2 * * *",
        "0 0 2 ? * ?",
        "0 60 2 * * ?",
        "0 0 2 * 13 ?",
        "0 0 4 ? * SON",
        "0 0/0 2 * * ?",
        "0 0 2 0 * ?",
    ],
)
def test_cron_that_does_not_is_refused(text):
    assert cron_problem(text) is not None
