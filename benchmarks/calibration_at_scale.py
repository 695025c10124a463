"""Calibration beyond memory: 20 M responses summed on Spark workers, the driver with 4 GB."""

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import expit

from deepkt_irt.irt.calibration import Population, calibrate_cells, fit_items
from deepkt_irt.irt.fitted import FittedItems
from deepkt_irt.irt.responses import Selection, select
from deepkt_irt.jobs.calibration_statistics import OnWorkers, cells_and_groups
from deepkt_irt.session import local_session
from deepkt_irt.settings import CalibrationSettings
from page import table

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

N_STUDENTS, N_ITEMS, PER_STUDENT = 500_000, 2_000, 40
PART = 100_000  # students of the part that is also calibrated in memory
MEMORY = "4g"
SEED = 20
SETTINGS = CalibrationSettings()


@dataclass(frozen=True)
class Run:
    """One calibration and what it took."""

    fitted: FittedItems
    seconds: float


def section() -> str:
    """Calibrate all on the workers, and a part both there and in memory."""
    b, a = np.random.default_rng(SEED).normal(size=(2, N_ITEMS)) * [[1.0], [0.25]]
    a = np.exp(a)
    with TemporaryDirectory() as folder:
        files = [_write(Path(folder), a, b, begin) for begin in range(0, N_STUDENTS, PART)]
        spark = local_session(profile="large", memory=MEMORY)
        whole = _on_workers(spark.read.parquet(folder), _counts(files))
        part = _on_workers(spark.read.parquet(str(files[0])), _counts(files[:1]))
        spark.stop()
        here = _in_memory(files[0])
    driver = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return _page(whole, part, here, truth=(a, b), driver=driver)


def _write(folder: Path, a: FloatArray, b: FloatArray, begin: int) -> Path:
    """Responses of some students as rows of gold.calibration_responses."""
    rng = np.random.default_rng([SEED, begin])
    theta = rng.normal(size=(PART, 1))
    # a random start and an odd stride give distinct items without a sort per student
    item = (rng.integers(N_ITEMS, size=(PART, 1)) + 49 * np.arange(PER_STUDENT)) % N_ITEMS
    item.sort(axis=1)
    right = rng.random(item.shape) < expit(a[item] * (theta - b[item]))
    cells = (2 * item + right).astype(np.int32)
    offsets = np.arange(PART + 1, dtype=np.int32) * PER_STUDENT
    rows = pa.table(
        {
            "student_key": [f"s{begin + s:07}" for s in range(PART)],
            "group_index": pa.array(np.zeros(PART, dtype=np.int32)),
            "cells": pa.ListArray.from_arrays(offsets, cells.ravel()),
        }
    )
    path = folder / f"{begin:07}.parquet"
    pq.write_table(rows, path, row_group_size=PART // 4)
    return path


def _counts(files: list[Path]) -> IntArray:
    """Responses by item and level, (items, 2)."""
    total = np.zeros(2 * N_ITEMS, dtype=np.int64)
    for file in files:
        cells = pq.read_table(file, columns=["cells"]).column("cells").combine_chunks()
        total += np.bincount(np.asarray(cells.flatten()), minlength=2 * N_ITEMS)
    return total.reshape(N_ITEMS, 2)


def _selected(counts: IntArray) -> tuple[Selection, Population]:
    n_students = int(counts.sum()) // PER_STUDENT
    population = Population(np.array([n_students]), spread_is_free=True)
    return select(counts, SETTINGS), population


def _on_workers(students: Any, counts: IntArray) -> Run:  # noqa: ANN401 - a Spark frame
    selection, population = _selected(counts)
    workers = OnWorkers(students, n_cells=selection.n_cells, settings=SETTINGS)
    begun = time.perf_counter()
    _, fitted = fit_items(workers, selection, population, settings=SETTINGS)
    return Run(fitted, time.perf_counter() - begun)


def _in_memory(file: Path) -> Run:
    selection, _ = _selected(_counts([file]))
    cells, group = cells_and_groups(pq.read_table(file), selection.n_cells)
    begun = time.perf_counter()
    found = calibrate_cells(cells, group, selection, settings=SETTINGS)
    return Run(found, time.perf_counter() - begun)


def _page(
    whole: Run, part: Run, here: Run, *, truth: tuple[FloatArray, FloatArray], driver: float
) -> str:
    a, b = truth
    n = N_STUDENTS * PER_STUDENT
    rows = [
        _row(f"{n / 1e6:.0f} M, on the workers", whole, a, b),
        _row(f"{PART * PER_STUDENT / 1e6:.0f} M, on the workers", part, a, b),
        _row(f"{PART * PER_STUDENT / 1e6:.0f} M, in memory, with abilities", here, a, b),
    ]
    apart = max(
        float(np.nanmax(np.abs(getattr(part.fitted, name) - getattr(here.fitted, name))))
        for name in ("difficulty", "difficulty_se", "discrimination", "discrimination_se")
    )
    header = ["responses", "EM steps", "seconds", "RMSE(b)", "RMSE(a)"]
    return f"""## Calibration on the workers of a cluster

Simulated 2PL, {N_STUDENTS:,} students who answer {PER_STUDENT} of {N_ITEMS:,} items each, seed
{SEED}; local Spark on all cores, the JVM (driver and workers in one) with {MEMORY} of memory; rows
as in `gold.calibration_responses`.

{table(header, rows)}

On the part that was calibrated both ways the largest difference of any parameter or standard error
is {apart:.1e}. The Python process of the driver had {driver:,.0f} MB at most, with the part in
memory.
"""


def _row(name: str, run: Run, a: FloatArray, b: FloatArray) -> list[str]:
    rmse_b = float(np.sqrt(np.mean((run.fitted.difficulty - b) ** 2)))
    rmse_a = float(np.sqrt(np.mean((run.fitted.discrimination - a) ** 2)))
    steps = str(run.fitted.n_iterations)
    return [name, steps, f"{run.seconds:.0f}", f"{rmse_b:.3f}", f"{rmse_a:.3f}"]


if __name__ == "__main__":
    print(section())
