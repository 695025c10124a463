"""Abilities from responses to items whose parameters are given."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from deepkt_irt.irt.em import nodes, prior_weights

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# fine enough for the posterior of a student with thousands of responses
_NODES = 161
_REACH = 5.0  # standard deviations


def predict_sequentially(
    offsets: IntArray,
    item: IntArray,
    correct: IntArray,
    *,
    difficulty: FloatArray,
    discrimination: FloatArray,
    population_sd: float,
) -> FloatArray:
    """Chance of a right answer on each response, from the student's earlier responses only.

    The posterior of theta starts at N(0, population_sd^2) and is updated after each prediction.
    An item that was not calibrated is predicted as one of mean difficulty and moves no ability.

    Args:
        offsets: Student s owns responses offsets[s] to offsets[s + 1], in order; (students + 1,).
        item: Item index of each response, (responses,).
        correct: 1 right, 0 wrong, (responses,).
        difficulty: b of each item in logits, NaN if not calibrated, (items,).
        discrimination: a of each item, NaN for 1PL, which means slope 1, (items,).
        population_sd: Spread of the abilities in logits, above 0.

    Returns:
        Probabilities, (responses,).
    """
    z = nodes(_NODES, _REACH)
    theta = population_sd * z
    known = np.isfinite(difficulty)
    b = np.where(known, difficulty, difficulty[known].mean() if known.any() else 0.0)
    a = np.where(np.isfinite(discrimination), discrimination, 1.0)
    lengths = np.diff(offsets)
    longest_first = np.argsort(-lengths, kind="stable")
    mass = np.tile(prior_weights(z), (len(lengths), 1))  # rows follow longest_first
    predicted = np.empty(len(item))
    for step in range(int(lengths.max(initial=0))):
        active = int(np.searchsorted(-lengths[longest_first], -step, side="left"))
        at = offsets[longest_first[:active]] + step
        items = item[at]
        p = expit(a[items, None] * (theta - b[items, None]))  # (active, nodes)
        predicted[at] = (mass[:active] * p).sum(axis=1)
        likelihood = np.where(correct[at, None] == 1, p, 1 - p)
        updated = mass[:active] * np.where(known[items, None], likelihood, 1.0)
        mass[:active] = updated / updated.sum(axis=1, keepdims=True)
    return predicted
