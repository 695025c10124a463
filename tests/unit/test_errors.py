"""What messages of several places have in common."""

import re
import tomllib

from conftest import REPOSITORY
from deepkt_irt.errors import to_install


def test_what_is_not_installed_is_had_from_the_repository_or_the_wheel_file():
    assert to_install("pull") == (
        "run make .venv/.ready in the repository, or give pip the file of the wheel: "
        "pip install 'deepkt_irt-VERSION-py3-none-any.whl[pull]'"
    )
    assert "make .venv-connect/.ready" in to_install("connect")


def test_messages_name_extras_that_there_are_and_no_package_of_an_index():
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    sources = [path.read_text() for path in (REPOSITORY / "src").rglob("*.py")]

    named = {
        extra
        for text in sources
        for each in re.findall(r"to_install\(['\"](.+?)['\"]\)", text)
        for extra in each.split(",")
    }

    assert {"local", "train", "pull"} <= named <= declared["optional-dependencies"].keys()
    assert not [text for text in sources if re.search(r"install '?deepkt-irt\[", text)]
