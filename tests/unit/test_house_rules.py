"""Rules of the house that no linter has; each failure lists the places."""

import ast
import re
import subprocess
import tomllib

import pytest
import typer

from conftest import REPOSITORY
from deepkt_irt.cli import app

SOURCE = REPOSITORY / "src" / "deepkt_irt"
MODULES = sorted(SOURCE.rglob("*.py"))
TREES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text()) for path in MODULES}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_functions_are_at_most_50_lines():
    long = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS) and _body_lines(node) > 50
    ]
    assert long == []


def _body_lines(node) -> int:
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return body[-1].end_lineno - body[0].lineno + 1


def test_modules_are_at_most_500_lines():
    assert [path.name for path in MODULES if len(path.read_text().splitlines()) > 500] == []


def test_every_folder_of_tests_is_run():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["pytest"]
    folders = {path.parent.relative_to(REPOSITORY) for path in REPOSITORY.glob("tests/*/test_*.py")}

    assert sorted(settings["ini_options"]["testpaths"]) == sorted(map(str, folders))


def test_nothing_that_runs_may_import_what_the_wheel_leaves_out():
    tools = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]
    wheel = tools["hatch"]["build"]["targets"]["wheel"]
    left_out = {path.stem for each in wheel["exclude"] for path in REPOSITORY.glob(each)}
    forbidden = {
        name.rpartition(".")[2]
        for contract in tools["importlinter"]["contracts"]
        if "not in the wheel" in contract["name"]
        for name in contract["forbidden_modules"]
    }
    assert forbidden == left_out


def test_rows_come_to_the_driver_in_jobs_only():
    pulls = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        if not name.startswith("jobs/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"collect", "toPandas", "iterrows"}
    ]
    assert pulls == []


def test_spark_code_runs_on_connect_too():
    classic = [
        f"{name}:{node.lineno} {node.attr}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"sparkContext", "_jvm", "_jdf", "rdd", "cache", "persist", "forPath"}
    ]
    assert classic == []


def test_importing_a_module_does_nothing():
    """No file, client, session, secret, seed or clock is touched before a function is called."""
    touching = {
        *("open", "read_text", "read_bytes", "write_text", "mkdir", "exists", "glob", "urlopen"),
        *("getOrCreate", "connect", "getenv", "get", "post", "run", "Popen", "now", "today"),
        *("default_rng", "seed", "manual_seed", "basicConfig", "filterwarnings"),
    }
    found = [
        f"{name}:{call.lineno} {ast.unparse(call)[:60]}"
        for name, tree in TREES.items()
        for call in _calls_at_import(tree)
        if (call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id) in touching
    ]
    environment = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        for statement in _at_import(tree)
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute) and node.attr == "environ"
    ]
    assert found + environment == []


def _at_import(tree) -> list[ast.stmt]:
    """Statements that run when the module is imported, but not as a script."""
    return [
        node
        for node in tree.body
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef))
        and not (isinstance(node, ast.If) and "__name__" in ast.unparse(node.test))
    ]


def _calls_at_import(tree) -> list[ast.Call]:
    walked = (node for statement in _at_import(tree) for node in ast.walk(statement))
    return [
        node
        for node in walked
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name))
    ]


def test_broad_excepts_raise_again_outside_the_command_line():
    swallowed = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        if name != "cli.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]
    assert swallowed == []


def test_tracked_files_name_no_home_folder_and_no_registry():
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    if not any(tracked):
        pytest.skip("not a git checkout")
    # written so that no expression matches itself: no file is spared
    unwanted = re.compile(r"/(root|home)/\w|index[-_]url|://\S+/(simple|packages|maven2)/")
    found = [
        name
        for name in tracked
        if name and not name.endswith(".png")
        if (path := REPOSITORY / name).is_file() and unwanted.search(path.read_text())
    ]
    assert found == []
    assert not {"uv.lock", "poetry.lock"} & set(tracked)


def test_commands_have_help_and_stand_on_their_page():
    page = (REPOSITORY / "docs" / "commands.md").read_text()
    commands = typer.main.get_command(app).commands

    assert [name for name, command in commands.items() if not command.help] == []
    assert [name for name in commands if f"deepkt {name}" not in page] == []


def test_make_verbs_in_the_docs_exist():
    verbs = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    texts = [(REPOSITORY / name).read_text() for name in ("README.md", "CONTRIBUTING.md")]
    named = {verb for text in texts for verb in re.findall(r"\bmake ([a-z-]+)", text)}

    assert named - verbs - {"sure", "is"} == set()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_between_pages_resolve(page):
    links = re.findall(r"\]\(([^)#]+)", (REPOSITORY / page).read_text())

    assert [link for link in links if not (REPOSITORY / link).exists()] == []
