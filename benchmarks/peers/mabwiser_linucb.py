"""mabwiser's disjoint LinUCB: `mabwiser_linucb.py IN.npz OUT.npz SETTINGS`.

IN holds rewards to learn from, item, reward and context (rewards, features) of each, and asked, the
contexts of students who want a decision. SETTINGS are JSON: items, alpha, singles (decisions that
are asked for one at a time), checked (contexts whose scores are given). OUT gets seconds of
learning, of each single decision and of a call for all contexts, and the scores (checked, items).
"""

import json
import sys
import time

import numpy as np
from mabwiser.mab import MAB, LearningPolicy


def main() -> None:
    """Learn, decide and store."""
    source, target, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    with np.load(source) as stored:
        data = {name: stored[name] for name in stored.files}
    asked, arms = data["asked"], list(range(settings["items"]))
    policy = LearningPolicy.LinUCB(alpha=settings["alpha"], l2_lambda=1.0)
    bandit = MAB(arms=arms, learning_policy=policy)
    begin = time.perf_counter()
    bandit.fit(data["item"], data["reward"], data["context"])
    learnt = time.perf_counter() - begin
    bandit.predict(asked[:2])  # a first call costs more
    single = [_seconds(bandit, asked[k : k + 1]) for k in range(settings["singles"])]
    whole = _seconds(bandit, asked)
    expected = bandit.predict_expectations(asked[: settings["checked"]])
    upper = np.array([[each[arm] for arm in arms] for each in expected])
    np.savez(target, learnt=learnt, single=single, whole=whole, upper=upper)


def _seconds(bandit: MAB, contexts: np.ndarray) -> float:
    begin = time.perf_counter()
    bandit.predict(contexts)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
