"""The workflows are well-formed, pinned, and judge a fork's change without a secret."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import REPOSITORY
from deepkt_irt.bundle.resolve import Choices, resolve
from deepkt_irt.cli import app

FOLDER = REPOSITORY / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
PINNED = re.compile(r"\S+@[0-9a-f]{40}")


def program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = Path(sys.executable).with_name(name)
    return subprocess.run([str(path), *arguments], capture_output=True, text=True, check=False)


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    return program("zizmor", "--offline", "--no-progress", str(folder))


def steps_of(workflow: dict) -> list[dict]:
    jobs = workflow["jobs"].values()
    return [*jobs, *(step for job in jobs for step in job.get("steps", []))]


def unpinned(folder: Path) -> list[str]:
    used = [
        step["uses"]
        for path in sorted(folder.glob("*.yml"))
        for step in steps_of(yaml.safe_load(path.read_text()))
        if "uses" in step
    ]
    return [each for each in used if not each.startswith("$/") and not PINNED.fullmatch(each)]


def needs_trust(workflow: dict) -> list[str]:
    """What a pull request from a fork does not have: secrets, environments, rights to write."""
    jobs = workflow["jobs"]
    rights = [workflow.get("permissions"), *(job.get("permissions") for job in jobs.values())]
    wanted = [f"permissions {each}" for each in rights if each not in (None, {"contents": "read"})]
    wanted += [f"environment of {key}" for key, job in jobs.items() if "environment" in job]
    return wanted + sorted(set(re.findall(r"secrets[.:]\s*\w*", yaml.safe_dump(workflow))))


@pytest.fixture
def workflows_copy(tmp_path):
    return Path(shutil.copytree(FOLDER, tmp_path / ".github" / "workflows"))


@pytest.mark.parametrize(
    "schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"]
)
def test_workflows_follow_their_schema(schema):
    checked = program("check-jsonschema", "--builtin-schema", schema, *map(str, WORKFLOWS))

    assert checked.returncode == 0, checked.stdout


def test_dependency_updates_follow_their_schema():
    path = str(REPOSITORY / ".github" / "dependabot.yml")
    checked = program("check-jsonschema", "--builtin-schema", "vendor.dependabot", path)

    assert checked.returncode == 0, checked.stdout


def test_zizmor_finds_nothing():
    found = zizmor(REPOSITORY / ".github")

    assert found.returncode == 0, found.stdout


def test_every_action_is_pinned_by_commit():
    assert WORKFLOWS
    assert unpinned(FOLDER) == []


def test_pull_request_from_a_fork_needs_no_trust():
    for name in ("pull_request.yml", "checks.yml"):
        assert needs_trust(yaml.safe_load((FOLDER / name).read_text())) == []
    assert not [path for path in WORKFLOWS if "pull_request_target" in path.read_text()]


def test_checks_run_every_verb_of_ci():
    ci = (REPOSITORY / ".ci" / "run").read_text()
    verbs = set(re.findall(r"^ *make ([\w-]+)", ci, re.MULTILINE))
    (several,) = re.findall(r"^ *for check in (.*); do$", ci, re.MULTILINE)
    verbs |= set(several.split())

    run = " ".join(re.findall(r"run: make (.*)", (FOLDER / "checks.yml").read_text()))
    assert {"test", "lint", "bundle"} <= verbs
    assert verbs - {"connect"} <= set(run.split())


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2", "@v4"),
        ("          persist-credentials: false\n", "          fetch-depth: 1\n"),
        ("  contents: read", "  contents: write"),
    ],
)
def test_planted_fault_in_a_workflow_is_found(workflows_copy, text, wrong):
    path = workflows_copy / "checks.yml"
    assert text in path.read_text()
    path.write_text(path.read_text().replace(text, wrong))

    trust = needs_trust(yaml.safe_load(path.read_text()))
    assert unpinned(workflows_copy) or trust or zizmor(workflows_copy).returncode != 0


@pytest.mark.parametrize(
    "line", ["    secrets: inherit\n", "    environment: staging\n", "    permissions: write-all\n"]
)
def test_trust_asked_of_a_fork_is_found(line):
    text = (FOLDER / "pull_request.yml").read_text() + line

    assert needs_trust(yaml.safe_load(text))


def steps_run(name: str) -> str:
    workflow = yaml.safe_load((FOLDER / name).read_text())
    return "\n".join(step.get("run", "") for step in steps_of(workflow))


def test_deployment_needs_no_stored_secret():
    for path in WORKFLOWS:
        assert not re.search(r"secrets[.:\[]", path.read_text()), path.name


def test_deployment_gives_every_variable_the_bundle_lacks():
    bundle = resolve(REPOSITORY, "prod", Choices(placeholders=True))
    job = yaml.safe_load((FOLDER / "deploy.yml").read_text())["jobs"]["bundle"]
    given = {name.removeprefix("BUNDLE_VAR_") for name in job["env"] if "BUNDLE_VAR_" in name}

    assert set(bundle.placeholders) <= given <= bundle.tree["variables"].keys()


def test_deployments_wait_for_each_other_by_target_and_never_cancel():
    concurrency = yaml.safe_load((FOLDER / "deploy.yml").read_text())["concurrency"]

    assert concurrency == {"group": "deploy-${{ inputs.target }}", "cancel-in-progress": False}


def test_deployment_follows_checks_and_prod_also_the_version():
    main = yaml.safe_load((FOLDER / "main.yml").read_text())["jobs"]
    release = yaml.safe_load((FOLDER / "release.yml").read_text())["jobs"]

    assert main["staging"]["needs"] == "checks"
    assert main["staging"]["with"] == {"target": "staging", "integration": True}
    assert release["prod"]["needs"] == ["version", "checks"]
    assert release["prod"]["with"]["target"] == "prod"


def test_workflows_call_commands_jobs_and_verbs_that_exist():
    text = "\n".join(steps_run(path.name) for path in WORKFLOWS)
    commands = {each.callback.__name__.replace("_", "-") for each in app.registered_commands}
    jobs = resolve(REPOSITORY, "prod", Choices(placeholders=True)).resources["jobs"]
    verbs = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"deepkt (\S+)", text)) <= commands
    assert set(re.findall(r"bundle-start (\S+)", text)) == {"access_control", "integration_test"}
    assert {"access_control", "integration_test"} <= jobs.keys()
    assert {verb for run in re.findall(r"make (.+)", text) for verb in run.split()} <= verbs
    for script in re.findall(r"python (scripts/\S+)", text):
        assert (REPOSITORY / script).is_file()


CHANGELOG = "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-12-01\n\n- More.\n\n## 0.1.0 - x\n"


@pytest.mark.parametrize(
    ("tag", "version", "said"),
    [
        ("v0.2.0", "0.2.0", None),
        ("v0.2", "0.2", "is not like v1.2.3"),
        ("v0.2.1", "0.2.0", "is not the version 0.2.0"),
        ("v0.1.0", "0.1.0", "has no section '## 0.1.0 - YYYY-MM-DD'"),
        ("v0.3.0", "0.3.0", "has no section"),
    ],
)
def test_release_is_checked_against_version_and_changelog(tmp_path, tag, version, said):
    (tmp_path / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    script = [sys.executable, str(REPOSITORY / "scripts" / "check_release.py"), tag]

    checked = subprocess.run(
        [*script, "--notes", "--root", str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert (checked.returncode == 0) == (said is None)
    assert (said or "") in checked.stderr
    assert checked.stdout == ("- More.\n" if said is None else "")
