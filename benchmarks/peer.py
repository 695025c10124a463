"""The environment of the tools that the benchmarks are held against, and runs of scripts in it."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from page import REPOSITORY, CannotRunError

PEERS = Path(__file__).parent / "peers"
PEER_PYTHON = REPOSITORY / ".venv-bench" / "bin" / "python"
_WITHOUT_GPU = {"CUDA_VISIBLE_DEVICES": ""}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def require_peer(module: str) -> None:
    """Stop if the peers' environment lacks a package.

    Raises:
        CannotRunError: If it does, or is not there.
    """
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{module}') is None)"
    if PEER_PYTHON.exists():
        asked = subprocess.run([PEER_PYTHON, "-c", code], check=False)  # noqa: S603  # our own
        if asked.returncode == 0:
            return
    raise CannotRunError(f"{module} is not in the environment {PEER_PYTHON.parent.parent}")


def run_peer(
    script: str,
    arrays: Mapping[str, NDArray[Any]],
    settings: Mapping[str, object],
    *,
    with_gpu: bool = False,
) -> dict[str, NDArray[Any]]:
    """Arrays that a script in peers/ makes of arrays and settings, on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "given.npz", Path(folder) / "found.npz"
        np.savez(source, **arrays)
        command = [PEER_PYTHON, "-W", "ignore", PEERS / script, source, target]
        # what a tool tells of its progress is dropped, its errors are not
        subprocess.run(  # noqa: S603  # our own script
            [*command, json.dumps(settings)],
            check=True,
            env=os.environ | ONE_THREAD | ({} if with_gpu else _WITHOUT_GPU),
            stdout=subprocess.DEVNULL,
        )
        with np.load(target) as found:
            return {name: found[name] for name in found.files}
