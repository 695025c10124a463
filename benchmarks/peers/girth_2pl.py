"""girth's marginal maximum likelihood of the 2PL: `girth_2pl.py IN.npz OUT.npz`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from girth import twopl_mml
from girth.utilities import INVALID_RESPONSE
from measured import measured


def prepare(data: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Responses as girth takes them, items by students, and the fit with girth's defaults."""
    shape = int(data["n_items"]), int(data["n_students"])
    dense = np.full(shape, INVALID_RESPONSE, dtype=np.int64)
    dense[data["item"], data["student"]] = data["level"]

    def fit() -> dict[str, Any]:
        found = twopl_mml(dense)
        return {"difficulty": found["Difficulty"], "discrimination": found["Discrimination"]}

    return fit


if __name__ == "__main__":
    measured(prepare)
