"""Decides what to recommend: rules first, then a policy's preferences, then chance.

The one way in which decisions are made, whether by the daily job, behind an endpoint, or in a
simulation.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.bandit.context import features
from deepkt_irt.bandit.eligibility import exclusions, hard_items_left, is_hard
from deepkt_irt.bandit.linucb import Scores
from deepkt_irt.bandit.offers import Eligible
from deepkt_irt.bandit.policies import Policy
from deepkt_irt.bandit.situation import FloatArray, Situation
from deepkt_irt.bandit.stochastic import Chosen, Limited, draw_slates
from deepkt_irt.settings import BanditSettings, RecommendationSettings

_BYTES = 6  # of a hash for one number: 48 bits fit a float exactly


@dataclass(frozen=True)
class Slates:
    """What was decided for some students.

    Attributes:
        excluded: Why each row of the situation was not offered, 0 where it was, (rows,).
        offered: The situation with the rows that were; below, rows are those.
        shared: Features of each row, (rows, shared).
        scores: What the policy expected of each row, (rows,).
        mastery_of_skill: Of each row's skill; of a new one the mean chance on all of the
            student's candidates for it, which stand for its items, (rows,).
        chosen: Rows by student and slot, (students, slots).
    """

    excluded: NDArray[np.int8]
    offered: Situation
    shared: FloatArray
    scores: Scores
    mastery_of_skill: FloatArray
    chosen: Chosen


def decide(
    situation: Situation,
    policy: Policy,
    uniform: FloatArray,
    *,
    recommendation: RecommendationSettings,
    bandit: BanditSettings,
) -> Slates:
    """Choose a slate for every student; an empty one where nothing is eligible.

    Args:
        situation: Of the students.
        policy: That prefers.
        uniform: A number in [0, 1) per student and slot, (students, slots).
        recommendation: What may be recommended.
        bandit: How preferences become chances.
    """
    excluded = exclusions(situation, recommendation)
    offered = situation.only(excluded == 0)
    shared = features(offered, target=recommendation.target_success)
    eligible = Eligible(offered.offsets, offered.item, offered.skill)
    chosen = draw_slates(
        policy.preferences(shared, eligible),
        eligible,
        uniform,
        settings=bandit,
        max_per_skill=recommendation.max_per_skill,
        between=policy.between_skills(shared),
        limited=Limited(is_hard(offered, recommendation), hard_items_left(offered, recommendation)),
        features=shared,
    )
    scores = policy.scores(shared, eligible)
    before = _mastery(situation)[excluded == 0]
    return Slates(excluded, offered, shared, scores, before, chosen)


def _mastery(situation: Situation) -> FloatArray:
    """Mastery of each row's skill, from the candidates' chances where it is new, (rows,)."""
    known = situation.of_skill(situation.knowledge.mastery)
    pair = situation.student * (situation.catalogue.n_skills + 1) + situation.skill
    has_chance = np.isfinite(situation.p_correct)
    total = np.bincount(pair, weights=np.where(has_chance, situation.p_correct, 0.0))
    n = np.bincount(pair, weights=has_chance)
    mean = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
    found: FloatArray = np.where(np.isnan(known), mean[pair], known)
    return found


def uniforms(keys: Sequence[str], n_slots: int) -> FloatArray:
    """Numbers in [0, 1) that the same text always gives, (keys, slots).

    Args:
        keys: One text a decision, such as student and instant.
        n_slots: Numbers of each.
    """
    wanted = n_slots * _BYTES
    drawn = b"".join(hashlib.shake_256(key.encode()).digest(wanted) for key in keys)
    table = np.frombuffer(drawn, dtype=np.uint8).reshape(len(keys), n_slots, _BYTES)
    found: FloatArray = table @ 256.0 ** -np.arange(1.0, _BYTES + 1)
    return found
