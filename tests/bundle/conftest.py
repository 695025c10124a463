"""A wheel built once, and copies of the bundle to plant mistakes in."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY
from deepkt_irt.bundle.wheel import Wheel, read_wheel


@pytest.fixture(scope="session")
def wheel_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of the working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).parent / "uv"
    command = [str(uv), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(REPOSITORY)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="session")
def wheel(wheel_folder: Path) -> Wheel:
    """What that wheel offers."""
    return read_wheel(wheel_folder)


@pytest.fixture
def bundle_copy(tmp_path: Path) -> Path:
    """The bundle's files in a folder of the test's own."""
    shutil.copy(REPOSITORY / "databricks.yml", tmp_path)
    shutil.copytree(REPOSITORY / "resources", tmp_path / "resources")
    return tmp_path
