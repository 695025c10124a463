"""Which items may be offered to a student at all, before any of them is preferred.

Every row is held against the rules in one fixed order, and the first that speaks against it is its
reason, so that exclusions can be counted. What is not known speaks against nothing but a prediction
that is missing: without one nobody can say whether an item suits.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from deepkt_irt.bandit.situation import BoolArray, Situation
from deepkt_irt.settings import RecommendationSettings


class Reason(IntEnum):
    """Why a row is not offered, in the order in which rules are asked; 0: it is."""

    ELIGIBLE = 0
    NO_SKILL = 1
    NO_PREDICTION = 2
    BLOCKED = 3
    ITEM_HEALTH = 4
    RAPID_GUESSING = 5
    RECENT = 6
    PREREQUISITES = 7
    MASTERED = 8
    TOO_HARD = 9
    TOO_EASY = 10
    HARD_RUN = 11


WORDS = {
    Reason.NO_SKILL: "has no skill",
    Reason.NO_PREDICTION: "no model can say how likely a right answer is",
    Reason.BLOCKED: "blocked by a teacher",
    Reason.ITEM_HEALTH: "the item itself needs attention",
    Reason.RAPID_GUESSING: "often answered too fast to have been read",
    Reason.RECENT: "seen lately",
    Reason.PREREQUISITES: "a skill that comes first is not there yet",
    Reason.MASTERED: "the skill is mastered and no review is due",
    Reason.TOO_HARD: "too hard now",
    Reason.TOO_EASY: "too easy now",
    Reason.HARD_RUN: "hard, after several hard ones in a row",
}
"""What a teacher reads."""


def exclusions(situation: Situation, settings: RecommendationSettings) -> NDArray[np.int8]:
    """The first `Reason` that speaks against each row; 0 where none does, (rows,)."""
    known, items = situation.catalogue, situation.item
    p = situation.p_correct
    rules = {
        Reason.NO_SKILL: situation.skill == 0,
        Reason.NO_PREDICTION: np.isnan(p),
        Reason.BLOCKED: known.is_blocked[items],
        Reason.ITEM_HEALTH: known.is_unhealthy[items],
        Reason.RAPID_GUESSING: known.is_guessed[items],
        Reason.RECENT: situation.is_recent,
        Reason.PREREQUISITES: _is_closed(situation, at=settings.prerequisite_at),
        Reason.MASTERED: _is_done(situation, settings),
        Reason.TOO_HARD: p < settings.success_floor,
        Reason.TOO_EASY: p > settings.success_ceiling,
        Reason.HARD_RUN: is_hard(situation, settings) & ~_may_be_hard(situation, settings),
    }
    found = np.zeros(len(items), dtype=np.int8)
    for reason, speaks_against in reversed(rules.items()):  # the first one is written last
        found[speaks_against] = reason
    return found


def is_hard(situation: Situation, settings: RecommendationSettings) -> BoolArray:
    """Whether a right answer is less likely than `hard_below`, (rows,)."""
    hard: BoolArray = situation.p_correct < settings.hard_below
    return hard


def hard_items_left(situation: Situation, settings: RecommendationSettings) -> NDArray[np.int64]:
    """How many hard items each student may still be given in a row, 0 or more, (students,)."""
    return np.maximum(settings.max_hard_run - situation.hard_run, 0)


def _may_be_hard(situation: Situation, settings: RecommendationSettings) -> BoolArray:
    left: BoolArray = hard_items_left(situation, settings)[situation.student] > 0
    return left


def _is_done(situation: Situation, settings: RecommendationSettings) -> BoolArray:
    """The skill is mastered, and did not rest so long that a review is due."""
    mastered = situation.of_skill(situation.knowledge.mastery) >= settings.mastered_at
    days = situation.of_skill(situation.knowledge.days_since)
    done: BoolArray = mastered & ~(days >= settings.review_after_days)
    return done


def _is_closed(situation: Situation, *, at: float) -> BoolArray:
    """Something that comes before any of the item's skills is missing.

    A prerequisite is met from mastery `at` on. One never practised is not met, except for a skill
    the student already practises: someone assigned it, and nothing speaks against it.
    """
    mastery, needs = situation.knowledge.mastery, situation.catalogue.needs
    is_new = np.isnan(mastery)
    weak = _needed(needs, mastery < at)  # NaN is not below
    closed = weak | (_needed(needs, is_new) & is_new)
    closed[:, 0] = False
    skills = situation.catalogue.skills[situation.item]
    found: BoolArray = closed[situation.student[:, None], skills].any(axis=1)
    return found


def _needed(needs: csr_array, missing: BoolArray) -> BoolArray:
    """Whether a skill needs any of those that are missing, (students, skills + 1)."""
    counts: BoolArray = np.asarray((needs @ missing.T.astype(np.float64)).T) > 0
    return counts
