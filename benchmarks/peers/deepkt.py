"""This package's calibration: `deepkt.py IN.npz OUT.npz [SETTINGS]`, the settings as JSON."""

import json
import sys
from collections.abc import Callable
from typing import Any

from measured import measured

from deepkt_irt.irt.calibration import calibrate
from deepkt_irt.irt.responses import Responses
from deepkt_irt.settings import CalibrationSettings


def prepare(data: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Responses as calibrate takes them, and the fit."""
    settings = CalibrationSettings(**json.loads(sys.argv[3] if len(sys.argv) > 3 else "{}"))
    long = (data[name].astype("int64") for name in ("student", "item", "level"))
    responses = Responses(*long, int(data["n_students"]), int(data["n_items"]))

    def fit() -> dict[str, Any]:
        found = calibrate(responses, settings=settings)
        names = ("difficulty", "discrimination", "n_iterations")
        return {name: getattr(found, name) for name in names}

    return fit


if __name__ == "__main__":
    measured(prepare)
