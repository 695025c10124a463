"""The page of benchmarks: one section for each, which stays until it is measured anew."""

import os
import re
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
_PACKAGES = ("deepkt-irt", "numpy", "scipy")
_HEAD = """# Benchmarks

Written by `make bench`, but for sections whose data, peer or lake was absent: these keep their \
figures. `make bench ONLY=NAME` measures one section anew and keeps the others. The line under \
each heading says when, with what and on how many CPUs it was measured. Times are compared within \
one run only, in which the tools take turns.
"""


class CannotRunError(Exception):
    """A benchmark lacks what it needs: data, a peer, a lake."""


def sections_of(page: str) -> dict[str, str]:
    """Sections of a page by the name that the line under their first heading gives."""
    parts = re.split(r"(?m)^(?=## .*\n\nMeasured .*`make bench ONLY=\w+`)", page)[1:]
    return {re.findall(r"`make bench ONLY=(\w+)`", part)[0]: part.strip() for part in parts}


def stamped(text: str, name: str, *, today: date) -> str:
    """A section as its benchmark gives it, with when and how it was measured under the heading.

    Raises:
        ValueError: If the text does not start with a heading of second order.
    """
    heading, _, body = text.strip().partition("\n")
    if not heading.startswith("## "):
        raise ValueError(f"the section of {name} must start with a `## ` heading")
    versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    line = f"Measured {today} with {versions} on {os.cpu_count()} CPUs: `make bench ONLY={name}`."
    return "\n\n".join([heading, line, *map(_one_line, re.split(r"\n{2,}", body.strip()))])


def _one_line(block: str) -> str:
    """A paragraph without the line breaks of its source; tables, lists and code as they are."""
    is_prose = not re.search(r"(?m)^(\||#|[-*] |\d+\. |    )", block)
    return " ".join(block.split()) if is_prose else block


def page_of(sections: dict[str, str], order: Iterable[str]) -> str:
    """The whole page; sections that were never measured are not on it."""
    return "\n\n".join([_HEAD.strip(), *(sections[n] for n in order if n in sections)]) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; numbers must come formatted."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
