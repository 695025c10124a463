"""The pictures of the concepts are those that the script draws from the package."""

import subprocess
import sys

import pytest

from conftest import REPOSITORY

PICTURES = ("flow.svg", "item_curves.svg", "past_only.svg", "bandit.svg")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    script = REPOSITORY / "scripts" / "concept_pictures.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return folder


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_what_the_script_draws(drawn, name):
    kept = REPOSITORY / "docs" / "images" / name

    assert (drawn / name).read_text() == kept.read_text(), "make docs draws it again"
