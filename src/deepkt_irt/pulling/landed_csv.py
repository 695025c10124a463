"""Writes rows of the copied layout aside, under a name that readers pass over, then lands them."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from deepkt_irt.errors import BackendUnavailable
from deepkt_irt.sources.responses_csv import COPIED_COLUMNS

_NUL = "\\x00"  # what a NUL is written as: no CSV file holds one


def partial_of(landed: Path, attempt: str = "") -> Path:
    """Where a file is written before it lands; an erasure deletes what lies there, too."""
    return landed.with_name(f"_{landed.name}{attempt}.part")


class Rows:
    """A CSV file that is being written.

    Attributes:
        n: Rows so far.
    """

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow(COPIED_COLUMNS)
        self.n = 0

    def add(self, rows: Iterable[Sequence[str | None]]) -> None:
        """Write rows with a value for each of the layout's columns; None: it is missing."""
        for row in rows:
            self._writer.writerow(
                [each if not each or "\0" not in each else each.replace("\0", _NUL) for each in row]
            )
            self.n += 1


@contextmanager
def written(path: Path) -> Iterator[Rows]:
    """A CSV file to add rows to; deleted again if that fails.

    Raises:
        BackendUnavailable: If the file cannot be written.
    """
    whole = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield Rows(file)
        whole = True
    except OSError as error:
        problem = f"landing {path.parent} cannot be written ({error.strerror})"
        raise BackendUnavailable(problem) from error
    finally:
        if not whole:
            path.unlink(missing_ok=True)


def put_in_place(partial: Path, landed: Path) -> Path:
    """Give a written file its name, by which it counts; one that is there already stays.

    Raises:
        BackendUnavailable: If the folder cannot be written.
    """
    try:
        if landed.exists():
            partial.unlink()
        else:
            partial.rename(landed)
    except OSError as error:
        problem = f"landing {landed.parent} cannot be written ({error.strerror})"
        raise BackendUnavailable(problem) from error
    return landed


def sweep(folder: Path, connection: str) -> None:
    """Delete what pulls of a connection left unfinished."""
    for path in folder.glob(f"**/_{connection}_*.part"):
        path.unlink(missing_ok=True)
