"""How long files take from their arrival to silver: of one round, and of many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepkt_irt.jobs.task import Metrics

_QUANTILES = {"p50": 0.5, "p99": 0.99}


@dataclass(frozen=True)
class Arrival:
    """A landing file: when it came, in seconds since 1970 UTC, and how many rows it has."""

    at: float
    n_rows: int


def waits_of(arrivals: Sequence[Arrival], ready: float) -> Metrics:
    """Seconds that rows waited from the arrival of their file until they could be read.

    Args:
        arrivals: Of the files; those without rows do not count.
        ready: When their events stood in silver, in seconds since 1970 UTC.

    Returns:
        `to_silver_seconds_p50`, `_p99` and `_max`, each at least 0; nothing without rows.
    """
    counted = [each for each in arrivals if each.n_rows > 0]
    if not counted:
        return {}
    # a clock that was set back, or is another machine's, must not give a negative wait
    waits = np.maximum(ready - np.array([each.at for each in counted]), 0.0)
    weights = np.array([each.n_rows for each in counted], dtype=np.float64)
    found = np.quantile(waits, list(_QUANTILES.values()), weights=weights, method="inverted_cdf")
    named = dict(zip(_QUANTILES, found.tolist(), strict=True)) | {"max": float(waits.max())}
    return {f"to_silver_seconds_{name}": value for name, value in named.items()}
