"""Time, memory and error of calibration: beside girth, at ten times the size, and on thin data."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepkt_irt.irt.items import ItemParameters
from page import table
from peer import PEER_PYTHON, PEERS, require_peer
from simulated import Drawn, FloatArray, answers, dichotomous, everyone, exposed

_SEED = 20_260_101
_REPEATS = 3
_SLOPE_SD = 0.25


@dataclass(frozen=True)
class Run:
    """One fit in a process of its own.

    Attributes:
        seconds: Of the fit alone.
        peak_mb: Of the whole process, with interpreter, libraries and data.
        difficulty: (items,); NaN where the tool gives none.
        discrimination: Likewise.
    """

    seconds: float
    peak_mb: float
    difficulty: FloatArray
    discrimination: FloatArray


def section() -> str:
    """The section of the page."""
    require_peer("girth")
    with tempfile.TemporaryDirectory() as folder:
        return _section(Path(folder))


def _section(folder: Path) -> str:
    source, truth = _complete(folder, n_students=20_000)
    ours, girth = [], []
    for _ in range(_REPEATS):
        girth.append(_run([PEER_PYTHON, PEERS / "girth_2pl.py"], source))
        ours.append(_run_ours(source))
    source, _ = _complete(folder, n_students=200_000)
    large = [_run_ours(source) for _ in range(_REPEATS)]
    return f"""## Speed and error of calibration, beside girth

Data: 20,000 simulated students answer all of 100 2PL items, 2,000,000 responses; theta and b are
N(0, 1), log a is N(0, {_SLOPE_SD}^2); seed {_SEED}. Peer: girth 0.8.0, `twopl_mml` with its
defaults, in an environment of its own ({_versions()}). {_REPEATS} runs of each in turns, each in
a new process that fits small data first; the time is that of the fit alone, from arrays in memory
to estimates. Both give abilities; this package gives standard errors besides, girth none. Girth's
default look-up tables make it faster than it is without. Both leave the number of threads to the
matrix library and start none of their own.

{_comparison(ours, girth, truth)}

RMSE and r are to the truth. Estimates of both tools correlate at
{_correlation(ours[0].difficulty, girth[0].difficulty):.6f} in b and
{_correlation(ours[0].discrimination, girth[0].discrimination):.6f} in a.

Ten times the students, this package alone, {_REPEATS} runs:

{_scaling(ours, large)}

Ten times the responses take {_median(large) / _median(ours):.1f} times as long.

{_thin(folder)}
"""


def _complete(folder: Path, *, n_students: int) -> tuple[Path, ItemParameters]:
    rng = np.random.default_rng(_SEED)
    truth = dichotomous(rng, 100, slope_sd=_SLOPE_SD)
    drawn = answers(rng, truth, everyone(n_students, 100), n_students=n_students)
    return _stored(drawn, folder), truth


def _thin(folder: Path) -> str:
    """A district's year of unit tests: many items, few answers to most."""
    n_students, n_items, n_responses = 42_000, 1_800, 466_000
    rng = np.random.default_rng(_SEED)
    truth = dichotomous(rng, n_items, slope_sd=_SLOPE_SD)
    weight = rng.lognormal(0.0, 1.34, n_items)
    n_by_item = np.maximum(5, np.round(weight / weight.sum() * n_responses)).astype(int)
    drawn = answers(rng, truth, exposed(rng, n_students, n_by_item), n_students=n_students)
    source = _stored(drawn, folder)
    given: dict[str, dict[str, float]] = {
        "defaults: a slope from 500 responses": {},
        "a slope from 50 responses": {"min_responses_2pl": 50},
    }
    rows = [
        _thin_row(name, _run_ours(source, **settings), truth) for name, settings in given.items()
    ]
    header = ("settings", "seconds", "peak MB", "r(b)", "RMSE(b)", "slopes", "r(a)", "RMSE(a)")
    return f"""At the size of EDM Cup 2023 with as uneven an exposure: {n_students:,} students,
{n_items:,} items, {len(drawn.item):,} responses, of which the median item has
{np.median(n_by_item):.0f}; drawn as above. One run each.

{table(header, rows)}"""


def _thin_row(name: str, run: Run, truth: ItemParameters) -> tuple[str, ...]:
    sloped = np.isfinite(run.discrimination)
    return (
        name,
        f"{run.seconds:.2f}",
        f"{run.peak_mb:,.0f}",
        f"{_correlation(run.difficulty, truth.difficulty):.3f}",
        f"{_rmse(run.difficulty, truth.difficulty):.3f}",
        f"{sloped.sum():,}",
        f"{_correlation(run.discrimination[sloped], truth.slope[sloped]):.3f}",
        f"{_rmse(run.discrimination, truth.slope):.3f}",
    )


def _comparison(ours: list[Run], girth: list[Run], truth: ItemParameters) -> str:
    figures: dict[str, tuple[Callable[[list[Run]], float], str]] = {
        "seconds, median": (_median, ".2f"),
        "peak memory of the process, MB": (_peak, ",.0f"),
        "RMSE(b)": (lambda runs: _rmse(runs[0].difficulty, truth.difficulty), ".4f"),
        "RMSE(a)": (lambda runs: _rmse(runs[0].discrimination, truth.slope), ".4f"),
        "r(b)": (lambda runs: _correlation(runs[0].difficulty, truth.difficulty), ".5f"),
        "r(a)": (lambda runs: _correlation(runs[0].discrimination, truth.slope), ".5f"),
    }
    rows = [("seconds, each run", _times(girth), _times(ours), "")]
    for name, (of, form) in figures.items():
        theirs, mine = of(girth), of(ours)
        rows.append((name, f"{theirs:{form}}", f"{mine:{form}}", f"{theirs / mine:.2f}"))
    return table(("figure", "girth", "deepkt-irt", "ratio"), rows)


def _scaling(small: list[Run], large: list[Run]) -> str:
    rows = [
        (name, f"{_median(runs):.2f}", _times(runs), f"{_peak(runs):,.0f}")
        for name, runs in (("2,000,000", small), ("20,000,000", large))
    ]
    return table(("responses", "seconds, median", "each run", "peak MB"), rows)


def _run_ours(source: Path, **settings: float) -> Run:
    return _run([sys.executable, PEERS / "deepkt.py"], source, json.dumps(settings))


def _run(command: list[Any], source: Path, *more: str) -> Run:
    target = source.with_name("found.npz")
    subprocess.run([*command, source, target, *more], check=True)  # noqa: S603  # our own scripts
    with np.load(target) as found:
        return Run(
            float(found["seconds"]),
            float(found["peak_mb"]),
            found["difficulty"],
            found["discrimination"],
        )


def _stored(drawn: Drawn, folder: Path) -> Path:
    path = folder / "responses.npz"
    np.savez(
        path,
        student=drawn.student.astype(np.int32),
        item=drawn.item.astype(np.int32),
        level=drawn.level.astype(np.int8),
        n_students=drawn.n_students,
        n_items=drawn.n_items,
    )
    return path


def _versions() -> str:
    code = "import numpy, scipy; print(f'numpy {numpy.__version__}, scipy {scipy.__version__}')"
    done = subprocess.run(  # noqa: S603  # the peer's own interpreter
        [PEER_PYTHON, "-c", code], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _median(runs: list[Run]) -> float:
    return float(np.median([run.seconds for run in runs]))


def _peak(runs: list[Run]) -> float:
    return max(run.peak_mb for run in runs)


def _times(runs: list[Run]) -> str:
    return ", ".join(f"{run.seconds:.2f}" for run in runs)


def _rmse(found: FloatArray, truth: FloatArray) -> float:
    return float(np.sqrt(np.nanmean((found - truth) ** 2)))


def _correlation(found: FloatArray, truth: FloatArray) -> float:
    both = np.isfinite(found)
    return float(np.corrcoef(found[both], truth[both])[0, 1])


if __name__ == "__main__":
    print(section())
