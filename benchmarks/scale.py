"""Raw files to events to sequences: seconds and memory, beside DuckDB and pandas, and by size."""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from action_log import write_action_log
from deepkt_irt.settings import SequenceSettings
from log_to_sequences import STEPS
from page import REPOSITORY, table
from peer import PEER_PYTHON, PEERS, require_peer
from process_memory import Measured, measured
from spark_events import Spent, spent

_SEED = 20_261_127
_CORES = 2
_MEMORY_GB = 4
_COUNTS = ("events", "correct", "graded", "positions")
_OURS = "deepkt-irt"
_SCRIPTS = {"DuckDB": "duckdb_log.py", "pandas": "pandas_log.py"}


@dataclass(frozen=True)
class Run:
    """One tool over one log.

    Attributes:
        counts: Events, right answers, graded answers and positions of all windows.
        seconds: Of the work; of ours without the start of the session.
        peak_mb: Most memory of all its processes at once.
        steps: Seconds by step; of ours alone.
        spent: What each task spent its time on; of ours alone.
    """

    counts: dict[str, int]
    seconds: float
    peak_mb: float
    steps: dict[str, float]
    spent: dict[str, Spent]


def section(*, actions: int = 5_000_000, others: tuple[int, ...] = (1_000_000, 20_000_000)) -> str:
    """The section of the page.

    Args:
        actions: Of the log that all tools take.
        others: Sizes of logs that this package alone takes.

    Raises:
        CannotRunError: If a peer is absent.
        ValueError: If the tools do not agree.
    """
    require_peer("duckdb")
    require_peer("pyarrow")
    with tempfile.TemporaryDirectory() as scratch:
        log = _new(scratch, "log")
        rows = write_action_log(log, actions, seed=_SEED)
        n_bytes = sum(path.stat().st_size for path in log.iterdir())
        runs = {name: _of_peer(name, log, _new(scratch, name)) for name in _SCRIPTS}
        runs[_OURS] = _of_ours(log, _new(scratch, "ours"))
    sizes = {actions: runs[_OURS]} | {size: _of_size(size) for size in others}
    return written(rows, n_bytes, runs, sizes)


def written(rows: dict[str, int], n_bytes: int, runs: dict[str, Run], sizes: dict[int, Run]) -> str:
    """What was measured, in words.

    Args:
        rows: Of the log that all tools took, by file.
        n_bytes: Its size.
        runs: By tool.
        sizes: Of this package, by size of the log.

    Raises:
        ValueError: If the tools do not agree.
    """
    _refuse_difference(runs)
    ours = runs[_OURS]
    return f"""## From raw files to sequences, beside DuckDB and pandas

Made-up files in the layout of the EDM Cup 2023, everything in the cup's proportions, seed {_SEED}:
{rows["action_logs"]:,} actions, {rows["assignment_details"]:,} assignments,
{rows["problem_details"]:,} problems and {n_bytes / 1e6:,.0f} MB in all. {_CORES} cores, and
{_MEMORY_GB} GB for DuckDB and for the Java heap. Each tool runs in a process of its own: files to
one event a response (first graded response, what came before it, pseudonyms, repeated deliveries
left out, one order a student) to windows of {SequenceSettings().length}. DuckDB is one SQL script
(`benchmarks/peers/duckdb_log.py`), pandas vectorised code (`pandas_log.py`); both write two Parquet
files. This package beside that checks every value, keeps every row received, writes Delta, judges
behaviour, and makes users, splits, items, skills and units; `engineer_features` ends with the
sequences. All three find {ours.counts["events"]:,} events, {ours.counts["correct"]:,} of
{ours.counts["graded"]:,} graded ones right, and {ours.counts["positions"]:,} positions in windows.

{_compared(runs)}

Memory is that of all processes at the worst moment, what they share counted once.

What bounds it: seconds of each task, how many of them any Spark task ran, what the tasks took
on all cores together, and the operators that took most of that (a Python worker works beside the
operator that reads from it, so that they overlap).

{_bounds(ours)}

By size of the log, with {_MEMORY_GB} GB of heap whatever the size
(the smallest takes mostly what a first run costs whatever its size):

{_by_size(sizes)}
"""


def _new(scratch: str, name: str) -> Path:
    folder = Path(scratch, name)
    folder.mkdir()
    return folder


def _of_peer(name: str, log: Path, target: Path) -> Run:
    windows = SequenceSettings()
    settings = {
        "length": windows.length,
        "context": windows.context,
        "threads": _CORES,
        "memory": f"{_MEMORY_GB}GB",
    }
    command = [PEER_PYTHON, PEERS / _SCRIPTS[name], log, target, json.dumps(settings)]
    run = measured(command, dict(os.environ))
    return Run(_last_line(run), run.seconds, run.peak_mb, {}, {})


def _of_ours(log: Path, target: Path) -> Run:
    script = REPOSITORY / "benchmarks" / "log_to_sequences.py"
    settings = {"memory": f"{_MEMORY_GB}g"}
    command = [sys.executable, script, log, target, json.dumps(settings)]
    run = measured(command, os.environ | {"OMP_NUM_THREADS": "1"})
    found = _last_line(run)
    spans: dict[str, list[float]] = found.pop("spans")
    steps = {name: end - begin for name, (begin, end) in spans.items()}
    return Run(
        counts=found,
        seconds=sum(seconds for name, seconds in steps.items() if name != "session"),
        peak_mb=run.peak_mb,
        steps=steps,
        spent={name: spent(target / "spark", *spans[name]) for name in STEPS},
    )


def _of_size(actions: int) -> Run:
    with tempfile.TemporaryDirectory() as scratch:
        log = _new(scratch, "log")
        write_action_log(log, actions, seed=_SEED)
        return _of_ours(log, _new(scratch, "ours"))


def _last_line(run: Measured) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.output.strip().splitlines()[-1])
    return found


def _refuse_difference(runs: dict[str, Run]) -> None:
    """Stop if two tools found different numbers: then they did not do the same work."""
    found = {name: {key: run.counts[key] for key in _COUNTS} for name, run in runs.items()}
    if len({tuple(counts.values()) for counts in found.values()}) > 1:
        raise ValueError(f"the tools do not agree: {found}")


def _compared(runs: dict[str, Run]) -> str:
    least = runs["DuckDB"].seconds
    rows = [
        (name, f"{run.seconds:.1f}", f"{run.seconds / least:.1f}", f"{run.peak_mb:,.0f}")
        for name, run in runs.items()
    ]
    steps = runs[_OURS].steps
    rows += [(f"of it {name}", f"{steps[name]:.1f}", "", "") for name in ("landing", *STEPS)]
    rows.append(("session start, not in the sum", f"{steps['session']:.1f}", "", ""))
    return table(("", "seconds", "times DuckDB", "peak MB"), rows)


def _bounds(run: Run) -> str:
    rows = []
    for name, each in run.spent.items():
        most = sorted(each.operators.items(), key=lambda pair: -pair[1])[:4]
        rows.append(
            (
                name,
                f"{each.seconds:.1f}",
                each.n_jobs,
                f"{each.busy:.1f}",
                f"{each.core_seconds:.1f}",
                f"{each.gc:.1f}",
                f"{each.shuffled_mb:,.0f}",
                ", ".join(f"{operator} {seconds:.1f}" for operator, seconds in most),
            )
        )
    header = ("task", "seconds", "Spark jobs", "seconds any task ran", "core seconds")
    return table((*header, "of them GC", "MB shuffled", "most, core seconds"), rows)


def _by_size(sizes: dict[int, Run]) -> str:
    rows = [
        (
            f"{actions:,}",
            f"{run.counts['events']:,}",
            f"{run.seconds:.1f}",
            f"{1e6 * run.seconds / actions:.1f}",
            f"{run.peak_mb:,.0f}",
            *(f"{run.steps[name]:.1f}" for name in STEPS),
        )
        for actions, run in sorted(sizes.items())
    ]
    header = ("actions", "events", "seconds", "microseconds an action", "peak MB")
    return table((*header, *STEPS), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actions", type=int, default=200_000)
    parser.add_argument("--others", type=int, nargs="*", default=())
    flags = parser.parse_args()
    print(section(actions=flags.actions, others=tuple(flags.others)))
