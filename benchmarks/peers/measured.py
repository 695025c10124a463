"""Runs one fit in a process of its own: responses in, estimates, seconds and memory out.

Needs NumPy only, since each peer has an environment of its own.
"""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Fit = Callable[[dict[str, Any]], Callable[[], dict[str, Any]]]


def measured(prepare: Fit) -> None:
    """Time the fit on a file of responses, after a warm-up on some that are made up.

    The command's first argument names an .npz with student, item and level of each response,
    n_students and n_items; the second where the estimates go.

    Args:
        prepare: Brings responses to the form a tool takes, untimed, and returns the fit.
    """
    source, target = sys.argv[1:3]
    prepare(_made_up())()
    with np.load(source) as stored:
        data = {name: stored[name] for name in stored.files}
    fit = prepare(data)
    del data
    begin = time.perf_counter()
    found = fit()
    seconds = time.perf_counter() - begin
    np.savez(target, seconds=seconds, peak_mb=_peak_mb(), **found)


def _made_up() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    chance = 1 / (1 + np.exp(np.linspace(-1, 1, 10) - rng.normal(size=(1_000, 1))))
    student, item = np.nonzero(np.ones(chance.shape))
    level = (rng.random(chance.shape) < chance).astype(np.int64).ravel()
    sizes = {"n_students": chance.shape[0], "n_items": chance.shape[1]}
    return {"student": student, "item": item, "level": level, **sizes}


def _peak_mb() -> float:
    """Largest resident memory so far; a new process inherits getrusage's figure, but not VmHWM."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)
