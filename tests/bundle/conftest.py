"""What the built wheel offers, and copies of the bundle to plant mistakes in."""

import shutil
from pathlib import Path

import pytest

from conftest import REPOSITORY
from deepkt_irt.bundle.wheel import Wheel, read_wheel


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
