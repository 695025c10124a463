"""Agreement with the estimates that girth's own tests expect of their data."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepkt_irt.irt.calibration import calibrate
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.quadrature import nodes, prior_weights
from deepkt_irt.irt.responses import Responses
from deepkt_irt.settings import CalibrationSettings
from page import table
from peer import PEER_PYTHON, PEERS, require_peer
from simulated import FloatArray, IntArray, everyone

# as printed in eribean/girth, estimation/test/test_mml_methods.py; rows are items
_PUBLISHED = {
    "onepl": (
        np.array(1.90677),
        np.array([[-1.336955], [-0.785015], [0.028052], [0.699433], [1.539387]]),
    ),
    "twopl": (
        np.array([0.990038, 0.528739, 0.599066, 0.827415, 0.625773]),
        np.array([[-1.509518], [-0.985841], [0.108493], [1.011885], [1.456912]]),
    ),
    "graded": (
        np.array([0.618059, 0.85724, 0.933731, 0.783617, 0.768444]),
        np.array(
            [
                [-0.79897775, -0.59202128, 0.49595011, 1.59808004],
                [-1.03595851, -0.19882228, -0.00903988, 0.33531401],
                [-0.8862972, -0.45312044, 0.46180153, 2.47818242],
                [-1.12156704, -0.27140501, 0.21297667, 0.84264451],
                [-1.84418695, -1.66922269, -0.34500204, 0.29536871],
            ]
        ),
    ),
}
_NAMES = {"onepl": "1PL", "twopl": "2PL", "graded": "graded, 5 levels"}
_TIGHT = {"tolerance": 1e-6, "max_iterations": 5_000}
_FLAT = dict.fromkeys(("prior_sd_difficulty", "prior_sd_log_slope", "prior_sd_log_spread"), 100.0)
_Z = nodes(201, 6.0)


@dataclass(frozen=True)
class Estimate:
    """Slopes (items,) and thresholds (items, steps), ability being N(0, 1)."""

    a: FloatArray
    b: FloatArray


def section() -> str:
    """The section of the page."""
    require_peer("girth")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.npz"
        command = [PEER_PYTHON, PEERS / "girth_cases.py", path]
        subprocess.run(command, check=True)  # noqa: S603  # our own script
        with np.load(path) as stored:
            found = {name: stored[name] for name in stored.files}
    rows = [row for case in _PUBLISHED for row in _rows(case, found)]
    header = (
        "case", "estimates", "largest difference in a", "in b", "log likelihood above published",
    )  # fmt: skip
    return f"""## Agreement with girth's published test cases

Data: three cases of girth's tests of marginal maximum likelihood, which print the estimates they
expect; 600 students by 5 items each, made again by girth 0.8.0's generator from the seeds given
there. Differences are to the printed estimates. The log likelihood is marginal, of the same data,
on {len(_Z)} nodes, for each set of estimates: it tells which of two answers is nearer the maximum.

{table(header, rows)}

The girth installed gives its published digits. It takes the thresholds from the proportion at each
level alone and stops at changes of 0.001 in a, so it ends a little below the maximum, which this
package reaches with flat priors. Its default priors move five items of 600 students further.
"""


def _rows(case: str, found: dict[str, FloatArray]) -> list[tuple[str, ...]]:
    a, b = _PUBLISHED[case]
    published = Estimate(np.broadcast_to(a, 5), b)
    levels = found[f"{case}_levels"].astype(np.int64)
    girth_b = found[f"{case}_b"].reshape(b.shape)
    compared = {
        "girth 0.8.0": Estimate(np.broadcast_to(found[f"{case}_a"], 5), girth_b),
        "deepkt-irt, priors flat": _ours(levels, case, **_FLAT),
        "deepkt-irt, defaults": _ours(levels, case),
    }
    at = _log_likelihood(levels, published)
    return [
        (
            _NAMES[case],
            name,
            f"{np.abs(each.a - published.a).max():.6f}",
            f"{np.abs(each.b - published.b).max():.6f}",
            f"{_log_likelihood(levels, each) - at:+.4f}",
        )
        for name, each in compared.items()
    ]


def _ours(levels: IntArray, case: str, **priors: float) -> Estimate:
    n_items, n_students = levels.shape
    student, item = everyone(n_students, n_items)
    slopes_from = 10**6 if case == "onepl" else 50
    settings = CalibrationSettings(**_TIGHT, **priors, min_responses_2pl=slopes_from)
    data = Responses(student, item, levels.T.ravel(), n_students, n_items)
    found = calibrate(data, settings=settings)
    sigma = found.population_sd
    return Estimate(sigma * found.items.slope, found.items.thresholds / sigma)


def _log_likelihood(levels: IntArray, estimate: Estimate) -> float:
    items = ItemParameters(estimate.b, estimate.a, np.zeros(len(estimate.a)))
    logs = np.log(items.probabilities(_Z))  # (nodes, items, levels)
    given = sum(logs[:, item, levels[item]] for item in range(len(levels)))
    return float(np.log(prior_weights(_Z) @ np.exp(given)).sum())


if __name__ == "__main__":
    print(section())
