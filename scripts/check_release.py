"""Holds a version tag against pyproject.toml and CHANGELOG.md.

    python scripts/check_release.py v1.2.3 [--notes]

The tag must be `v` and the package's version, and the changelog must have a dated section of that
version with something in it. With --notes that section is printed, else one line. Needs nothing
but Python.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Check, and say what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tag")
    parser.add_argument("--notes", action="store_true")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the project")
    flags = parser.parse_args()
    version = tomllib.loads((flags.root / "pyproject.toml").read_text())["project"]["version"]
    notes = section_of(version, (flags.root / "CHANGELOG.md").read_text())
    problem = problem_of(flags.tag, version, notes)
    if problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(f"{notes}\n" if flags.notes else f"{flags.tag} can be released\n")
    return 0


def problem_of(tag: str, version: str, notes: str | None) -> str | None:
    """What speaks against releasing a tag; None if nothing does."""
    if not re.fullmatch(r"v\d+\.\d+\.\d+", tag):
        return f"tag {tag!r} is not like v1.2.3"
    if tag != f"v{version}":
        return f"tag {tag} is not the version {version} of pyproject.toml"
    if notes is None:
        return f"CHANGELOG.md has no section '## {version} - YYYY-MM-DD'"
    if not notes:
        return f"CHANGELOG.md says nothing about {version}"
    return None


def section_of(version: str, changelog: str) -> str | None:
    """What the changelog says about a version; None without a dated section."""
    heading = rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$"
    found = re.search(rf"{heading}\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found.group(1).strip() if found else None


if __name__ == "__main__":
    sys.exit(main())
