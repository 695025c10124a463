"""Every command on the pages is tried: here, if it needs neither Spark nor a network."""

import ast
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import typer

from conftest import REPOSITORY
from deepkt_irt.azure.cost import prices
from deepkt_irt.cli import app, main
from deepkt_irt.jobs.entry_points import SCRIPTS
from doc_commands import RULES, Way, every_command, of_way, rule_of
from doc_pages import Command

COMMANDS = every_command()
HERE = of_way(Way.HERE)
COST = [command for command in HERE if command.words[:2] == ["deepkt", "cost"]]
DEVELOPMENT = [command for command in HERE if command.page == "docs/development.md"]
GUIDES = {"README.md", "docs/workspace.md", "docs/deployment.md"}
ENVIRONMENTS = [command for command in HERE if command.page in GUIDES]
REQUIREMENTS = [command for command in HERE if command.page == "CONTRIBUTING.md"]
STANDS_IN = """#!/bin/sh
echo '{"userName": "ann.miller@example.org"}'
"""


def named(command: Command) -> str:
    return f"{command.page}: {command.text[:60]}"


def own_words(command: Command) -> list[str]:
    """Words of a command without the variables before it and the folder of the environment."""
    words = [word for word in command.words if not re.match(r"[A-Z_]+=", word)]
    return [words[0].rpartition("/")[2], *words[1:]]


def shell(text: str, folder: Path, path: str = "/usr/bin:/bin") -> str:
    """What bash says to commands; the first that fails ends them."""
    ended = subprocess.run(
        ["bash", "-euc", text],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": path},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_every_command_has_a_way_and_every_rule_a_command():
    assert [named(command) for command in COMMANDS if rule_of(command) is None] == []
    used = {rule_of(command) for command in COMMANDS}

    unused = [rule.begins for rule in RULES if rule not in used]
    assert set(unused) <= {"deepkt status"}  # a page may come to show it


def test_commands_run_here_are_those_of_the_tests_below():
    assert HERE
    assert {named(each) for each in (*COST, *DEVELOPMENT, *ENVIRONMENTS, *REQUIREMENTS)} == {
        named(each) for each in HERE
    }


@pytest.mark.parametrize("why", sorted({rule.why for rule in RULES if rule.way is Way.ELSEWHERE}))
def test_test_that_executes_a_command_exists(why):
    path, _, name = why.partition("::")
    tree = ast.parse((REPOSITORY / path).read_text())

    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("command", of_way(Way.CI), ids=named)
def test_verb_is_run_by_ci(command):
    rule = rule_of(command)
    verb = command.words[1] if command.words[0] == "make" else "test-connect"

    assert re.search(rf"\b{verb}\b", (REPOSITORY / rule.why).read_text())


def test_what_cannot_run_here_says_why():
    assert [rule.begins for rule in RULES if rule.way is Way.NOT_HERE and not rule.why] == []


def test_commands_are_bash(tmp_path):
    script = "\n".join(command.text for command in COMMANDS)
    (tmp_path / "all.sh").write_text(script)

    read = subprocess.run(
        ["bash", "-n", str(tmp_path / "all.sh")], capture_output=True, text=True, check=False
    )

    assert read.stderr == ""


@pytest.mark.parametrize(
    "command", [each for each in COMMANDS if own_words(each)[0] == "deepkt"], ids=named
)
def test_deepkt_command_is_parsed_by_its_parser(command):
    group = typer.main.get_command(app)
    name, *arguments = own_words(command)[1:]

    assert group.commands[name].make_context(name, arguments).params


@pytest.mark.parametrize(
    "command", [each for each in COMMANDS if own_words(each)[0] in SCRIPTS], ids=named
)
def test_console_script_is_parsed_by_its_parser(command):
    name, *arguments = own_words(command)

    assert vars(SCRIPTS[name].parser().parse_args(arguments))


def test_bodies_of_commands_are_json():
    plain = [command for command in COMMANDS if "<<" not in command.text]
    bodies = [word for each in plain for word in each.words if word.startswith("{")]

    assert len(bodies) > 5
    assert all(isinstance(json.loads(body), dict) for body in bodies)


@pytest.mark.parametrize("command", COST, ids=named)
def test_cost_command_tells_amounts(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(Path(prices.__file__).with_name("prices.toml"), tmp_path / "prices.toml")

    main(command.words[1:])

    shown = capsys.readouterr().out
    assert "Databricks" in shown
    if "--json" in command.words:
        assert json.loads(shown)


def test_editors_get_what_the_development_guide_writes(tmp_path):
    stand_in = tmp_path / "bin" / "databricks"
    stand_in.parent.mkdir()
    stand_in.write_text(STANDS_IN)
    stand_in.chmod(0o755)
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)

    shell(
        "\n".join(each.text for each in DEVELOPMENT), tmp_path, f"{stand_in.parent}:/usr/bin:/bin"
    )

    (launch,) = json.loads((tmp_path / ".vscode" / "launch.json").read_text())["configurations"]
    schemas = launch["args"][launch["args"].index("--schemas") + 1]
    assert schemas.split(",")[0] == "bronze=dev_ann_miller_bronze"
    run = ET.parse(tmp_path / ".idea" / "runConfigurations" / "transform_silver.xml")  # noqa: S314
    assert schemas in ET.tostring(run.getroot(), encoding="unicode")
    flags = launch["args"]
    assert SCRIPTS["transform_silver"].parser().parse_args(flags).schemas == schemas


def test_environment_of_the_guides_is_set(tmp_path):
    if not (REPOSITORY / ".venv" / "bin" / "activate").is_file():
        pytest.skip("the environment is not in .venv")
    (tmp_path / ".venv").symlink_to(REPOSITORY / ".venv")
    texts = [each.text for each in ENVIRONMENTS]

    shown = shell("\n".join(["set +u", *texts, "command -v deepkt", "env"]), tmp_path)

    assert "bin/deepkt" in shown
    assert "TARGET=staging" in shown
    assert "DATABRICKS_CONFIG_PROFILE=deepkt" in shown


def test_requirements_of_the_benchmarks_are_written(tmp_path):
    shell("\n".join(each.text for each in REQUIREMENTS), tmp_path)

    others = (tmp_path / "other.txt").read_text().splitlines()
    assert "wandb; sys_platform == 'never'" in others
    assert set((tmp_path / "same.txt").read_text().splitlines()) < set(others)
