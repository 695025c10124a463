"""What a recommendation turned out to be worth: for what was learnt, not for easy items.

A reward lies in [0, 1] and comes when it shows: later answers on the skill tell, not the answer to
the item itself, which would make the easiest items the best. Until then it is NaN, never 0.
"""

import numpy as np

from deepkt_irt.bandit.situation import BoolArray, FloatArray
from deepkt_irt.settings import RewardSettings

NEUTRAL = 0.5
"""The reward of a recommendation after which answers are as they were expected before."""


def learning_gain(gain: FloatArray, n: FloatArray, *, min_probes: int) -> FloatArray:
    """Half, plus the rise of mastery that later answers on the skill show, cut to [0, 1].

    The answer to the recommended item itself is no probe: an item that is easier than calibrated
    would seem to teach.

    Args:
        gain: Mastery by the probes less that at the decision, (decisions,).
        n: Probes, (decisions,).
        min_probes: With fewer the reward is pending, NaN.

    Reference:
        Learning gain as reward: Clement, Roy, Oudeyer and Lopes (2015), Journal of Educational
        Data Mining 7(2).
    """
    found: FloatArray = np.where(n >= min_probes, np.clip(NEUTRAL + gain, 0.0, 1.0), np.nan)
    return found


def target_success(chance: FloatArray, *, target: float) -> FloatArray:
    """How near the chance of a right answer was to the target, and how much the answer told.

    The mean of the closeness 1 - |p - target| / max(target, 1 - target) and of the information of
    a right or wrong answer as a share of the most, 4 p (1 - p).

    Args:
        chance: Of a right answer just before it was given; NaN while there is none, (decisions,).
        target: Wanted chance, in (0, 1).
    """
    close = 1.0 - np.abs(chance - target) / max(target, 1.0 - target)
    return (close + 4.0 * chance * (1.0 - chance)) / 2.0


def less_gaming(reward: FloatArray, gamed: BoolArray, settings: RewardSettings) -> FloatArray:
    """Rewards, less where the item was answered without working on it, at least 0.

    Args:
        reward: In [0, 1]; NaN while pending, (decisions,).
        gamed: Whether the response is one that is left out of calibration, (decisions,).
        settings: Of the reward.
    """
    return np.maximum(reward - settings.gaming_penalty * gamed, 0.0)
