"""The data of girth's published test cases and girth's estimates: `girth_cases.py OUT.npz`.

Seeds and sizes are those of girth's own tests of marginal maximum likelihood, whose data its
generator makes, so that the expected estimates printed there can be compared with.
"""

import sys

import numpy as np
from girth import grm_mml, onepl_mml, twopl_mml
from girth.synthetic import create_synthetic_irt_dichotomous, create_synthetic_irt_polytomous


def onepl() -> dict[str, np.ndarray]:
    """600 students, 5 items of one slope."""
    rng = np.random.default_rng(8851224983218942)
    theta = rng.standard_normal(600)
    data = create_synthetic_irt_dichotomous(np.linspace(-1.5, 1.5, 5), 1.843, theta, seed=rng)
    return _fitted(data, onepl_mml(data))


def twopl() -> dict[str, np.ndarray]:
    """600 students, 5 items."""
    rng = np.random.default_rng(3215964845415)
    a = rng.uniform(0, 1, 5) + 0.5
    theta = rng.standard_normal(600)
    data = create_synthetic_irt_dichotomous(np.linspace(-1.5, 1.5, 5), a, theta, seed=rng)
    return _fitted(data, twopl_mml(data))


def graded() -> dict[str, np.ndarray]:
    """600 students, 5 items of five levels."""
    rng = np.random.default_rng(37591254953128)
    b = np.sort(rng.standard_normal((5, 4)), axis=1)
    a = 0.5 + rng.uniform(0, 1, 5)
    theta = rng.standard_normal(600)
    data = create_synthetic_irt_polytomous(b, a, theta, seed=rng)
    return _fitted(data, grm_mml(data, {"use_LUT": False}))


def _fitted(data: np.ndarray, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"levels": data - data.min(), "a": found["Discrimination"], "b": found["Difficulty"]}


if __name__ == "__main__":
    cases = {"onepl": onepl(), "twopl": twopl(), "graded": graded()}
    flat = {f"{case}_{name}": x for case, found in cases.items() for name, x in found.items()}
    np.savez(sys.argv[1], **flat)
