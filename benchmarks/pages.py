"""Pages at 10,000 students: the report, a student's trace and explanation, a class."""

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from browser import load_seconds
from deepkt_irt.jobs.context import Place
from deepkt_irt.session import local_session
from deepkt_irt.tables.contract import Layer, Table
from deepkt_irt.tables.registry import TABLES
from deepkt_irt.tables.silver import STUDENT_KEYS, USERS
from deepkt_irt.tables.store import TableStore
from page import REPOSITORY, CannotRunError, table
from process_memory import measured

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_STUDENTS = 10_000
_ROUNDS = 3
# what is another's in a copy of a student
_OWN = frozenset(
    {"student_key", "student_id", "event_id", "event_ids", "decision_id", "class_key", "class_keys"}
)
_LAYERS = frozenset({Layer.SILVER, Layer.GOLD, Layer.RESTRICTED})


@dataclass(frozen=True)
class Page:
    """One page of one lake.

    Attributes:
        name: The command.
        seconds: Of its whole process, session included; the median of the rounds.
        peak_mb: Most memory of all its processes at once, over the rounds.
        n_bytes: Of the page, or of what was printed.
    """

    name: str
    seconds: float
    peak_mb: float
    n_bytes: int


def section(*, lake: Path, students: int = _STUDENTS) -> str:
    """The section of the page.

    Args:
        lake: Of `deepkt demo`.
        students: How many there are to be at least.

    Raises:
        CannotRunError: If there is no such lake.
    """
    if not Place.of_lake(lake).report_path.is_file():
        raise CannotRunError(f"{lake} is no lake of `make demo`")
    with tempfile.TemporaryDirectory() as scratch:
        many = Path(scratch, "lake")
        shutil.copytree(lake, many)
        sizes, student, of_class = _multiplied(lake, many, students)
        pages = [_pages(each, student, of_class) for each in (lake, many)]
        loads = [_load_seconds(each) for each in (lake, many)]
    return written(sizes, *pages, loads=(loads[0], loads[1]))


def written(
    sizes: tuple[int, int, int],
    few: list[Page],
    many: list[Page],
    *,
    loads: tuple[float | None, float | None],
) -> str:
    """What was measured, in words.

    Args:
        sizes: Students of the one lake and of the other, and events of the other.
        few: Pages of the lake as it was made.
        many: The same pages of the lake with more students.
        loads: Seconds in which a browser loads the report of each; None without a browser.
    """
    rows = [
        (
            f"`{b.name}`",
            f"{a.seconds:.1f}",
            f"{b.seconds:.1f}",
            f"{b.peak_mb:,.0f}",
            f"{a.n_bytes:,}",
            f"{b.n_bytes:,}",
        )
        for a, b in zip(few, many, strict=True)
    ]
    header = ("command", f"seconds, {sizes[0]:,} students", f"seconds, {sizes[1]:,}", "peak MB")
    return f"""## Pages at {sizes[1]:,} students

The lake of `make demo`, and the same with each student many times over under other keys, so that
there are {sizes[1]:,} students in silver and gold, with {sizes[2]:,} events; classes are copied,
items and skills are not. It measures the pages, not models. Each command is a process of its own,
so that the start of Python and Spark is in the seconds; medians of {_ROUNDS}.
`report` is the HTML page of a district with its classes; the others print text.

{table((*header, "bytes before", "bytes"), rows)}

{_loaded(loads)}
"""


def _load_seconds(lake: Path) -> float | None:
    return load_seconds(Place.of_lake(lake).report_path, rounds=_ROUNDS)


def _loaded(loads: tuple[float | None, float | None]) -> str:
    few, many = loads
    if few is None or many is None:
        return "No Chromium is installed, so how long the report takes to load is not known."
    return (
        f"Headless Chromium has loaded the report, its script included, in {few:.2f} s and in "
        f"{many:.2f} s (from the start of the navigation to the load event; medians of {_ROUNDS} "
        "starts of the browser)."
    )


def _multiplied(lake: Path, many: Path, students: int) -> tuple[tuple[int, int, int], str, str]:
    """Write the students of a lake often enough; gives sizes, a student's id and a class."""
    spark = local_session(profile="large")
    before, after = TableStore(spark, lake=lake), TableStore(spark, lake=many)
    n = before.read(USERS).count()
    times = -(-students // n)
    for each in TABLES:
        if each.layer in _LAYERS and before.exists(each) and _OWN & set(each.key):
            after.overwrite(each, _copied(before.read(each), each, times))
    events = after.read(USERS).selectExpr("sum(n_events)").first()
    student = before.read(STUDENT_KEYS).orderBy("student_id").first()
    of_class = before.read(USERS).selectExpr("class_keys[0] AS class_key").dropna().first()
    spark.stop()
    return (n, n * times, int(events[0])), student["student_id"], of_class["class_key"]


def _copied(rows: "DataFrame", contract: Table, times: int) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - after the session is there

    def other(value: "Column") -> "Column":
        return F.when(F.col("copy") == 0, value).otherwise(F.concat(value, F.lit("-"), "copy"))

    copies = rows.sparkSession.range(times).selectExpr("CAST(id AS string) AS copy")
    columns = {
        column.name: F.transform(column.name, other)
        if column.type.startswith("array")
        else other(F.col(column.name))
        for column in contract.columns
        if column.name in _OWN
    }
    return rows.crossJoin(copies).withColumns(columns).drop("copy")


def _pages(lake: Path, student: str, of_class: str) -> list[Page]:
    deepkt = Path(sys.executable).with_name("deepkt")
    asked = {
        "report": ("report",),
        "trace": ("trace", "--student-id", student),
        "explain": ("explain", student),
        "gaming --class": ("gaming", "--class", of_class),
    }
    return [_page(name, [deepkt, *words, "--lake", lake], lake) for name, words in asked.items()]


def _page(name: str, command: list[object], lake: Path) -> Page:
    runs = [measured(command, os.environ) for _ in range(_ROUNDS)]
    printed = len(runs[0].output.encode())
    report = Place.of_lake(lake).report_path
    return Page(
        name=name,
        seconds=median(run.seconds for run in runs),
        peak_mb=max(run.peak_mb for run in runs),
        n_bytes=report.stat().st_size if name == "report" else printed,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, default=REPOSITORY / "lake")
    parser.add_argument("--students", type=int, default=_STUDENTS)
    flags = parser.parse_args()
    print(section(lake=flags.lake.resolve(), students=flags.students))
