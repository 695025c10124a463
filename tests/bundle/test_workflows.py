"""The workflows are well-formed, pinned, and judge a fork's change without a secret."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import REPOSITORY

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
    verbs = set(re.findall(r"^make (\S+)$", ci, re.MULTILINE))

    run = " ".join(re.findall(r"run: make (.*)", (FOLDER / "checks.yml").read_text()))
    assert verbs
    assert verbs <= set(run.split())


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
