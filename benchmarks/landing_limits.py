"""One very large file and very many small ones: memory and time of taking them in."""

import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from deepkt_irt.jobs.opening import Opened, Target, open_target
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.runner import LogReporter, Runner
from deepkt_irt.jobs.task import Task
from deepkt_irt.settings import Settings
from deepkt_irt.sources.batches import Parsing, kept_batches
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import layout_of_landed
from deepkt_irt.sources.reader import inspect
from deepkt_irt.tables.bronze import RAW_RESPONSES
from page import table

_LARGE_BYTES = 2 * 2**30
_NOTE = "What the student wrote down while working on it and nobody reads. " * 6
_N_SMALL, _ROWS = 10_000, 3
_AS_OF = datetime(2026, 3, 1, 2, tzinfo=UTC)
_HEADER = "student_id,item_id,correct,order,note\n"


def section() -> str:
    """The section of the page."""
    large, small = _of_large_file(), _of_small_files()
    return f"""## One file of 2 GB, and 10,000 files

{large}

{small}
"""


def _of_large_file() -> str:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "answers.csv"
        n_rows = _write_large(path)
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:
            before, looked, read = fresh.submit(_read, path).result()
        n_bytes = path.stat().st_size
    rows = [
        ("before a file is opened", "", f"{before:,}"),
        ("looked at from end to end", f"{looked[0]:.0f}", f"{looked[1]:,}"),
        ("read to Arrow batches", f"{read[0]:.0f}", f"{read[1]:,}"),
    ]
    return f"""A CSV file of {n_bytes:,} bytes and {n_rows:,} rows, in one process; memory is the
highest of the process until then.

{table(("", "seconds", "peak memory, MB"), rows)}"""


def _write_large(path: Path) -> int:
    block = 20_000
    n_rows = 0
    with path.open("w") as out:
        out.write(_HEADER)
        while out.tell() < _LARGE_BYTES:
            out.writelines(
                f"student-{n % 9_973},item-{n % 499},{n % 2},{n},{_NOTE}\n"
                for n in range(n_rows, n_rows + block)
            )
            n_rows += block
    return n_rows


def _read(path: Path) -> tuple[int, tuple[float, int], tuple[float, int]]:
    source = source_named("responses_csv")
    before = _peak_mb()
    layout = layout_of_landed(source, path)
    if layout is None:
        raise RuntimeError(f"{path.name} has no layout")
    facts, looked = _timed(lambda: inspect(path, layout))
    after_look = _peak_mb()
    parsing = Parsing(source.name, path.name, path, layout, 100_000)
    n_kept, read = _timed(lambda: sum(batch.num_rows for batch in kept_batches(parsing)))
    if n_kept != facts.n_records:
        raise RuntimeError(f"{n_kept:,} of {facts.n_records:,} rows were kept")
    return before, (looked, after_look), (read, _peak_mb())


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


class _Steps(LogReporter):
    """Notes when the ingest said what."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.said: list[tuple[float, str]] = []

    def line(self, task: Task, text: str) -> None:  # noqa: ARG002 - as every reporter
        self.said.append((time.perf_counter() - self.began, text))


def _of_small_files() -> str:
    with TemporaryDirectory() as scratch:
        lake = Path(scratch) / "lake"
        _write_small(lake / "landing" / "responses_csv")
        opened = open_target(Target(lake=lake))
        steps, seconds = _ingest(opened)
        parts = [*((text, f"{at:.1f}") for at, text in steps.said), ("the rest", f"{seconds:.1f}")]
        _, idle = _ingest(opened)
        n_rows = opened.store.read(RAW_RESPONSES).count()
    if n_rows != _N_SMALL * _ROWS:
        raise RuntimeError(f"{n_rows:,} rows instead of {_N_SMALL * _ROWS:,}")
    return f"""{_N_SMALL:,} CSV files of {_ROWS} rows each land at once and are taken in as one
batch, on local Spark; seconds since the start of the task, when each table had been written.
{n_rows:,} rows are in bronze. The same task again, with nothing new: {idle:.1f} s.

{table(("written", "seconds"), parts)}"""


def _ingest(opened: Opened) -> tuple[_Steps, float]:
    steps = _Steps()
    runner = Runner(opened.spark, opened.store, opened.place, Settings(), _AS_OF, reporter=steps)
    _, seconds = _timed(lambda: runner.run([TASKS["ingest_bronze"]], force=True))
    return steps, seconds


def _write_small(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number in range(_N_SMALL):
        rows = (f"student-{number},item-{n},{n % 2},{n},\n" for n in range(_ROWS))
        (folder / f"answers-{number:05d}.csv").write_text(_HEADER + "".join(rows))


def _timed[T](work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


if __name__ == "__main__":
    print(section())
