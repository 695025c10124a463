"""What the built wheel offers, asked of the wheel itself rather than of the working tree."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deepkt_irt.errors import BadFile

# runs where the wheel comes first on the path; a pure wheel is importable as it is
_QUESTION = """
import json, sys
from importlib.metadata import distribution
from deepkt_irt.jobs import entry_points
found = distribution("deepkt-irt")
assert entry_points.__file__.startswith(sys.argv[1]), entry_points.__file__
scripts = [each.name for each in found.entry_points if each.group == "console_scripts"]
extras = found.metadata.get_all("Provides-Extra") or []
print(json.dumps({"package": found.metadata["Name"], "version": found.version,
    "scripts": scripts, "extras": extras,
    "flags": {name: each.job_flags for name, each in entry_points.SCRIPTS.items()}}))
"""


@dataclass(frozen=True)
class Wheel:
    """A built wheel.

    Attributes:
        package: Name of the distribution.
        version: Its version.
        scripts: Names of its console scripts.
        extras: Names of its extras.
        flags: Flags by console script, as its own parser takes them from a job.
    """

    package: str
    version: str
    scripts: frozenset[str]
    extras: frozenset[str]
    flags: dict[str, frozenset[str]]


def read_wheel(folder: Path) -> Wheel:
    """The one wheel in a folder.

    Raises:
        BadFile: If there is none, or more than one, or it cannot be imported.
    """
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise BadFile(str(folder), f"{len(wheels)} wheels where one is needed", "run make wheel")
    path = wheels[0].resolve()
    answer = subprocess.run(  # noqa: S603 - a fixed program
        [sys.executable, "-c", _QUESTION, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(path)},
    )
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or ["no output"])[-1]
        raise BadFile(path.name, f"cannot be imported: {last}", "run make wheel")
    facts = json.loads(answer.stdout)
    return Wheel(
        package=facts["package"],
        version=facts["version"],
        scripts=frozenset(facts["scripts"]),
        extras=frozenset(facts["extras"]),
        flags={name: frozenset(flags) for name, flags in facts["flags"].items()},
    )
