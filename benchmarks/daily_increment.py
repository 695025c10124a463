"""What a day costs beside the history before it: the same new actions on a small and a long log."""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from action_log import Log, assignment_ids, write_action_log
from days_to_sequences import STEPS
from page import REPOSITORY, table
from peer import require_peer
from process_memory import measured

_SEED = 20_261_128
_STUDENTS_A_DAY = 500
_MEMORY_GB = 4
_PLAIN = pyarrow.csv.WriteOptions(quoting_style="none")


def section(
    *, histories: tuple[int, ...] = (1_000_000, 10_000_000), actions: int = 50_000, days: int = 3
) -> str:
    """The section of the page.

    Args:
        histories: Actions before the first day, smallest first.
        actions: New actions a day, about.
        days: Days, each of other students.

    Raises:
        CannotRunError: If pyarrow is absent.
    """
    require_peer("pyarrow")
    runs = {history: _run(history, actions, days) for history in histories}
    small, large = _seconds(runs[histories[0]]), _seconds(runs[histories[-1]])
    return f"""## A day's cost beside its history

Made-up files in the layout of the EDM Cup 2023, seed {_SEED}. A day brings about {actions:,}
actions: the last assignments of {_STUDENTS_A_DAY} students, held back from the log before; {days}
days, each of other students. A longer history is more students, each with as much behind them.
Ingest, silver and sequences in one process that took in the history before, {_MEMORY_GB} GB of
Java heap.

{_by_history(runs)}

The largest history costs {large / small:.2f} times the smallest (medians).

Rows that a day wrote, of all rows of the table:

{_rewritten(runs)}
"""


def _run(history: int, actions: int, days: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "log")
        log.mkdir()
        write_action_log(log, history, seed=_SEED)
        held = _held_back(Log.of(history), actions / history, days)
        for number, ids in enumerate(held, 1):
            day = Path(scratch, f"day{number}")
            day.mkdir()
            for name in ("action_logs", "assignment_details"):
                _move(log / f"{name}.csv", day / f"{name}_day_{number}.csv", ids)
        script = REPOSITORY / "benchmarks" / "days_to_sequences.py"
        command = [sys.executable, script, scratch, str(days), f"{_MEMORY_GB}g"]
        run = measured(command, os.environ | {"OMP_NUM_THREADS": "1"})
    found: dict[str, Any] = json.loads(run.output.strip().splitlines()[-1])
    return found | {"peak_mb": run.peak_mb}


def _held_back(log: Log, share: float, days: int) -> list[pa.Array]:
    """Ids of the assignments of each day, a share of all: the last ones of some students."""
    student = log.student_of_practice()
    per_student = max(1, round(share * log.n_practice / _STUDENTS_A_DAY))
    from_end = np.searchsorted(student, student, side="right") - np.arange(student.size)
    enough = np.flatnonzero(np.bincount(student, minlength=log.n_students) > 2 * per_student)
    chosen = np.random.default_rng(_SEED).permutation(enough)[: days * _STUDENTS_A_DAY]
    return [
        assignment_ids(np.flatnonzero(np.isin(student, part) & (from_end <= per_student)))
        for part in np.array_split(chosen, days)
    ]


def _move(path: Path, target: Path, ids: pa.Array) -> None:
    """Move the rows of some assignments from one file to another."""
    rest = path.with_suffix(".rest")
    with pyarrow.csv.open_csv(path) as reader:
        schema = pa.schema([(name, pa.string()) for name in reader.schema.names])
    as_text = pyarrow.csv.ConvertOptions(column_types=schema)
    with (
        pyarrow.csv.open_csv(path, convert_options=as_text) as reader,
        pyarrow.csv.CSVWriter(rest, schema, write_options=_PLAIN) as kept,
        pyarrow.csv.CSVWriter(target, schema, write_options=_PLAIN) as moved,
    ):
        for batch in reader:
            is_moved = pa.compute.is_in(batch["assignment_log_id"], value_set=ids)
            moved.write(batch.filter(is_moved))
            kept.write(batch.filter(pa.compute.invert(is_moved)))
    rest.replace(path)


def _seconds(run: dict[str, Any]) -> float:
    return statistics.median(sum(day["seconds"].values()) for day in run["days"])


def _by_history(runs: dict[int, dict[str, Any]]) -> str:
    rows = [
        (
            f"{history:,}",
            f"{sum(run['history']['seconds'].values()):.0f}",
            f"{_seconds(run):.1f}",
            *(
                f"{statistics.median(day['seconds'][step] for day in run['days']):.1f}"
                for step in STEPS
            ),
            f"{run['peak_mb']:,.0f}",
        )
        for history, run in runs.items()
    ]
    header = ("actions before", "seconds for them", "seconds a day", *STEPS, "peak MB")
    return table(header, rows)


def _rewritten(runs: dict[int, dict[str, Any]]) -> str:
    names = list(next(iter(runs.values()))["rows"])
    rows = [
        (
            name,
            *(
                f"{statistics.median(day['rows'].get(name, 0) for day in run['days']):,.0f} "
                f"of {run['rows'][name]:,}"
                for run in runs.values()
            ),
        )
        for name in names
    ]
    return table(("table", *(f"after {history:,} actions" for history in runs)), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, nargs="+", default=(100_000, 300_000))
    parser.add_argument("--actions", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=1)
    flags = parser.parse_args()
    print(section(histories=tuple(flags.histories), actions=flags.actions, days=flags.days))
