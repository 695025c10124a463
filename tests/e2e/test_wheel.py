"""The built wheel starts without dev dependencies, and lake tasks without torch, MLflow, openai."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from conftest import REPOSITORY

pytestmark = pytest.mark.slow

LAKE_TASKS = (
    "ingest_bronze",
    "transform_silver",
    "engineer_features",
    "calibrate_items",
    "recommend_items",
    "publish_report",
)
HIDING = """
import sys
HIDDEN = {hidden!r}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in HIDDEN:
            raise ModuleNotFoundError(f'{{name}} is hidden', name=name)
sys.meta_path.insert(0, Hide())
"""
DEV = ("pytest", "hypothesis", "mypy", "ruff", "importlinter", "psutil")
HEAVY = ("torch", "sklearn", "mlflow", "openai")


@pytest.fixture(scope="module")
def python(tmp_path_factory, wheel_folder) -> Path:
    """An interpreter that sees the wheel and the runtime dependencies, not the checkout."""
    uv = Path(sys.executable).with_name("uv")
    folder = tmp_path_factory.mktemp("wheel")
    (wheel,) = wheel_folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    made = folder / "env" / "bin" / "python"
    install = [str(uv), "pip", "install", "--quiet", "--no-deps", "--python", str(made), str(wheel)]
    subprocess.run(install, check=True)
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    # behind the wheel's own folder, and without its .pth files: the checkout stays out of sight
    (site / "runtime.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return made


def run(python: Path, code: str, hidden: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    program = HIDING.format(hidden=set(hidden)) + code
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [str(python), "-c", program], capture_output=True, text=True, env=environment, check=False
    )


def test_wheel_starts_the_command_without_dev_dependencies(python):
    code = "import sys; from deepkt_irt.cli import main; main(['stages', '--json'])"

    started = run(python, code, DEV)

    assert started.returncode == 0, started.stderr
    assert "ingest_bronze" in started.stdout


@pytest.mark.parametrize("script", ["deepkt", "recommend_items"])
def test_wheel_installs_its_console_scripts(python, script):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    asked = subprocess.run(
        [str(python.with_name(script)), "--help"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )

    assert asked.returncode == 0, asked.stderr
    assert "--lake" in asked.stdout or "demo" in asked.stdout


def test_wheel_holds_the_page_template_and_lies_outside_the_checkout(python):
    code = (
        "import deepkt_irt, importlib.resources as r\n"
        "print(deepkt_irt.__file__)\n"
        "print(r.files('deepkt_irt.reporting').joinpath('html/report.html.j2').is_file())"
    )

    where, template = run(python, code, DEV).stdout.split()

    assert not where.startswith(str(REPOSITORY))
    assert template == "True"


def test_lake_tasks_start_without_models_libraries(python):
    code = f"from deepkt_irt.jobs import entry_points as e; print(*map(vars(e).get, {LAKE_TASKS}))"

    started = run(python, code, (*DEV, *HEAVY))

    assert started.returncode == 0, started.stderr
    assert all(f"name='{task}'" in started.stdout for task in LAKE_TASKS)


def test_wheel_holds_the_package_and_nothing_else(wheel_folder):
    (wheel,) = wheel_folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    source = REPOSITORY / "src"
    build = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    left_out = {
        path for each in build["targets"]["wheel"]["exclude"] for path in REPOSITORY.glob(each)
    }
    files = {path for path in (source / "deepkt_irt").rglob("*") if path.is_file()} - left_out
    assert names == {
        path.relative_to(source).as_posix() for path in files if "__pycache__" not in path.parts
    }
    assert wheel.stat().st_size < 1_000_000  # code alone


def test_wheel_entry_points_are_found_as_the_runtime_finds_them(python):
    code = (
        "from importlib.metadata import distribution\n"
        "points = distribution('deepkt-irt').entry_points.select(group='console_scripts')\n"
        "print(*(point.name for point in points if callable(point.load())))"
    )
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]

    found = run(python, code, (*DEV, *HEAVY))

    assert set(found.stdout.split()) == set(declared), found.stderr


def test_wheel_without_spark_says_what_to_install(python, tmp_path):
    code = (
        "import sys; from deepkt_irt.jobs.entry_points import ingest_bronze\n"
        f"sys.argv = ['ingest_bronze', '--lake={tmp_path}']; ingest_bronze()"
    )

    stopped = run(python, code, (*DEV, *HEAVY, "pyspark"))

    assert stopped.returncode == 1
    assert "none-any.whl[local]'" in stopped.stderr
    assert "Traceback" not in stopped.stderr
