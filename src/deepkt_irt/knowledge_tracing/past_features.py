"""What a student's past says of the next answer: counts, surprise and recency, exact and causal.

Per kind of key (anything, the same skill, the same item), from the visible responses on it:
logarithms of successes and failures (as in Best-LR, Gervet et al. 2020); the mean surprise, that
is how far results lie from what the items let expect, over all of them and with more weight on
the last ones; and how long ago the key was met.
"""

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, IntArray
from deepkt_irt.knowledge_tracing.past_counts import (
    Occurrences,
    decayed_sums,
    running_sums,
    visible_range,
)

FloatTable = NDArray[np.float32]

DECAYS_OVERALL = (0.7, 0.9, 0.97)
DECAYS_SAME = (0.5, 0.85)
N_FEATURES = (3 + len(DECAYS_OVERALL)) + 2 * (5 + len(DECAYS_SAME))
PRIOR_ALL, PRIOR_RECENT = 1.0, 0.5  # information that no surprise is worth


def past_features(histories: Histories, chosen: BoolArray, chance: FloatArray) -> FloatTable:
    """Features of each chosen response from its visible past, (chosen, `N_FEATURES`).

    Args:
        histories: Of any students.
        chosen: (responses,); all of them must be asked.
        chance: What each response's item lets expect before it, in (0, 1), (responses,).
    """
    seen = visible_range(histories, chosen)
    everything = np.ones((len(histories), 1), dtype=np.int64)
    parts = [
        _on_key(histories, everything, chosen, seen, chance, DECAYS_OVERALL)[..., :-2],
        _on_key(histories, histories.skills, chosen, seen, chance, DECAYS_SAME),
        _on_key(histories, histories.item[:, None], chosen, seen, chance, DECAYS_SAME),
    ]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def _on_key(
    histories: Histories,
    keys: IntArray,
    chosen: BoolArray,
    seen: tuple[IntArray, IntArray],
    chance: FloatArray,
    decays: tuple[float, ...],
) -> FloatArray:
    """Features on one kind of key, the mean over a response's keys, (chosen, features)."""
    asked = keys[chosen]
    met = Occurrences.of(histories, keys)
    start, stop = met.spans(asked, *seen)
    successes = running_sums(histories.correct[met.response].astype(np.float64))
    surprise = (histories.correct - chance)[met.response]
    information = (chance * (1 - chance))[met.response]
    last, any_met = stop - 1, stop > start

    right, n = successes[stop] - successes[start], (stop - start).astype(np.float64)
    total = [running_sums(values) for values in (surprise, information)]
    whole = [values[stop] - values[start] for values in total]
    columns = [np.log1p(right), np.log1p(n - right), whole[0] / (whole[1] + PRIOR_ALL)]
    for decay in decays:
        recent = [
            np.where(any_met, np.append(decayed_sums(values, met.place, decay), 0.0)[last], 0.0)
            for values in (surprise, information)
        ]
        columns.append(recent[0] / (recent[1] + PRIOR_RECENT))
    lag = np.where(any_met, seen[1][:, None] - np.append(met.response, 0)[last], 0)
    columns += [np.where(any_met, 1 / np.maximum(lag, 1), 0.0), np.log1p(lag) / 4]
    there = asked > 0
    per_key = np.where(there[..., None], np.stack(columns, axis=-1), 0.0)
    mean: FloatArray = per_key.sum(axis=1) / np.maximum(there.sum(axis=1), 1)[:, None]
    return mean
