"""The context of a decision: one function makes all features, in an order that has names.

Everything is as of the instant of the decision. Features are scaled to about 1, so that one prior
fits all weights, and what is unknown is 0 beside a flag that says so. The group of a student is no
feature.
"""

import numpy as np

from deepkt_irt.bandit.situation import FloatArray, Situation

SHARED = (
    "constant",
    "ability",
    "ability_unknown",
    "difficulty",
    "difficulty_unknown",
    "above_target",
    "off_target",
    "information",
    "mastery",
    "skill_is_new",
    "uncertainty",
    "practice",
    "rest",
    "help",
    "help_above_target",
    "help_off_target",
    "rapid",
    "item_help",
    "help_item_help",
)
"""Features z of student, item and their interaction, whose weights all items share."""

OWN = ("constant",)
"""Features x that weigh an item's own part, out of SHARED."""

LEARNT = (*SHARED, *(f"usual_{name}" for name in SHARED))
"""What rewards are learnt from: how the item chosen differs from what would usually have been
chosen for the skill, and that."""

OF_THE_SKILL = ("mastery", "skill_is_new", "uncertainty", "practice", "rest")
"""Of SHARED those that are the same for all items of a skill. Nothing is learnt of them: estimates
of mastery move back to their mean whatever is recommended, which would seem to be a gain."""

_SUCCESS_UNIT = 0.2  # a chance so far from the target counts 1
_LOGITS = 2.0  # abilities and difficulties count in units of it, to twice as much
_REACH = 4.0
_LOG_UNIT = 3.0  # 19 responses, or days, count 1


def features(situation: Situation, *, target: float) -> FloatArray:
    """Features of every row; rows must have a prediction.

    Args:
        situation: Of the students.
        target: Wanted chance of a right answer.

    Returns:
        z in the order of SHARED, (rows, shared).

    Raises:
        ValueError: A row has no prediction.
    """
    if np.isnan(situation.p_correct).any():
        raise ValueError("rows without a prediction have no features; they are not eligible")
    student, item = situation.student, situation.item
    knowledge, known = situation.knowledge, situation.catalogue
    above = (situation.p_correct - target) / _SUCCESS_UNIT
    mastery = situation.of_skill(knowledge.mastery)
    is_new = np.isnan(mastery)
    ability, difficulty = situation.ability[student], known.difficulty[item]
    help_used = np.nan_to_num(situation.help_rate[student])
    item_help = np.nan_to_num(known.help_rate[item])
    width = situation.of_skill(knowledge.high) - situation.of_skill(knowledge.low)
    columns = {
        "constant": np.ones(len(item)),
        "ability": _logits(ability),
        "ability_unknown": np.isnan(ability),
        "difficulty": _logits(difficulty),
        "difficulty_unknown": np.isnan(difficulty),
        "above_target": above,
        "off_target": above**2,
        "information": np.nan_to_num(situation.information),
        "mastery": np.where(is_new, 0.0, mastery - 0.5),
        "skill_is_new": is_new,
        "uncertainty": np.where(is_new, 1.0, width),
        "practice": np.log1p(situation.of_skill(knowledge.n_responses)) / _LOG_UNIT,
        "rest": np.log1p(np.nan_to_num(situation.of_skill(knowledge.days_since))) / _LOG_UNIT,
        "help": help_used,
        "help_above_target": help_used * above,
        "help_off_target": help_used * above**2,
        "rapid": np.nan_to_num(situation.rapid_rate[student]),
        "item_help": item_help,
        "help_item_help": help_used * item_help,
    }
    table: FloatArray = np.stack([columns[name].astype(np.float64) for name in SHARED], axis=1)
    return table


def own_features(shared: FloatArray) -> FloatArray:
    """X in the order of OWN, which are some of SHARED, (rows, shared) to (rows, own)."""
    return shared[:, [SHARED.index(name) for name in OWN]]


def learnt_features(shared: FloatArray, usual: FloatArray) -> FloatArray:
    """What a reward is learnt from, (rewards, learnt).

    Whatever makes the rewards of a student or a skill high or low is in `usual`, too, so that only
    what differs between items of the skill can explain that one of them was better (semiparametric
    bandit).

    Args:
        shared: Features of the item chosen, (rewards, shared).
        usual: Their mean under the chances of the items of the same skill, (rewards, shared).

    Reference:
        Krishnamurthy, Wu and Syrgkanis (2018), Semiparametric contextual bandits, ICML.
    """
    return np.concatenate([shared - usual, usual], axis=1)


def choice_features(shared: FloatArray) -> FloatArray:
    """Features that rows are scored by, in the order of LEARNT, (rows, learnt)."""
    kept = shared.copy()
    kept[:, [SHARED.index(name) for name in OF_THE_SKILL]] = 0.0
    return np.concatenate([kept, np.zeros_like(kept)], axis=1)


def off_target(shared: FloatArray) -> FloatArray:
    """How far the chance of a right answer is from the target, 0 to 1, (rows,)."""
    return np.abs(shared[:, SHARED.index("above_target")]) * _SUCCESS_UNIT


def _logits(values: FloatArray) -> FloatArray:
    scaled: FloatArray = np.clip(np.nan_to_num(values), -_REACH, _REACH) / _LOGITS
    return scaled
