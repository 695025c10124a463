"""obp's estimates and intervals on logged decisions: `obp_estimates.py IN.npz OUT.npz SETTINGS`.

IN holds logs one after the other: decisions (of each log), size (eligible rows of each decision),
chosen (which of its rows), propensity, reward, and of each row item, candidate (its probability
under the policy in question) and predicted (its reward). SETTINGS are JSON: estimators, intervals
(those of them that get one), max_weight, resamples, items. OUT gets value, low and high, each
(logs, estimators). obp wants one set of actions: an item that is not eligible has probability 0.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from obp.ope import (
    BaseOffPolicyEstimator,
    DirectMethod,
    DoublyRobust,
    InverseProbabilityWeighting,
    ReplayMethod,
    SelfNormalizedDoublyRobust,
    SelfNormalizedInverseProbabilityWeighting,
)


def main() -> None:
    """Estimate and store."""
    source, target, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    with np.load(source) as stored:
        data = {name: stored[name] for name in stored.files}
    found = np.array([_estimates(log, settings) for log in _logs(data, settings["items"])])
    np.savez(target, value=found[:, :, 0], low=found[:, :, 1], high=found[:, :, 2])


def _logs(data: dict[str, np.ndarray], n_items: int) -> Iterator[dict[str, np.ndarray]]:
    """Each log as obp takes it."""
    ends = np.cumsum(data["decisions"])
    row_ends = np.concatenate([[0], np.cumsum(data["size"])])
    for first, end in zip(ends - data["decisions"], ends, strict=True):
        size, rows = data["size"][first:end], slice(row_ends[first], row_ends[end])
        item = data["item"][rows]
        place = np.repeat(np.arange(len(size)), size), item
        policy, predicted = np.zeros((2, len(size), n_items, 1))
        policy[*place, 0], predicted[*place, 0] = data["candidate"][rows], data["predicted"][rows]
        yield {
            "action": item[np.cumsum(size) - size + data["chosen"][first:end]],
            "pscore": data["propensity"][first:end],
            "reward": data["reward"][first:end],
            "action_dist": policy,
            "estimated_rewards_by_reg_model": predicted,
        }


def _estimates(log: dict[str, np.ndarray], settings: dict[str, Any]) -> list[list[float]]:
    """Value, low and high of each estimator."""
    found = []
    for name in settings["estimators"]:
        estimator = _estimator(name, settings["max_weight"])
        low = high = float("nan")
        if name in settings["intervals"]:
            ends = estimator.estimate_interval(
                **log, alpha=0.05, n_bootstrap_samples=settings["resamples"], random_state=1
            )
            low, high = ends["95.0% CI (lower)"], ends["95.0% CI (upper)"]
        found.append([float(estimator.estimate_policy_value(**log)), low, high])
    return found


def _estimator(name: str, max_weight: float) -> BaseOffPolicyEstimator:
    return {
        "replay": ReplayMethod(),
        "ips": InverseProbabilityWeighting(),
        "snips": SelfNormalizedInverseProbabilityWeighting(),
        "dm": DirectMethod(),
        "dr": DoublyRobust(),
        "sndr": SelfNormalizedDoublyRobust(),
        "ips, clipped": InverseProbabilityWeighting(lambda_=max_weight),
        "dr, clipped": DoublyRobust(lambda_=max_weight),
    }[name]


if __name__ == "__main__":
    main()
