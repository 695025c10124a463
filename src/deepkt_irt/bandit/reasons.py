"""Why an item is recommended, in a sentence that a teacher understands, with its numbers."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.bandit.eligibility import WORDS, Reason
from deepkt_irt.bandit.policies import LINUCB, RULE
from deepkt_irt.bandit.situation import Situation
from deepkt_irt.bandit.slates import Slates

_NEAR = 0.1  # as far from the target as a reason may call near
_CAUSES = 2  # named where nothing is eligible


def sentence(slates: Slates, student: int, slot: int, *, policy: str, target: float) -> str:
    """Why a chosen row was chosen.

    Args:
        slates: With something chosen there.
        student: Number of the student.
        slot: Place in the slate.
        policy: Name of the policy.
        target: Wanted chance of a right answer.
    """
    row = int(slates.chosen.row[student, slot])
    offered = slates.offered
    chance = f"expected success {offered.p_correct[row]:.0%} ({_parts(offered, row)})"
    why = _why(slates, student, slot, row, policy=policy, target=target)
    return f"Practise {_about(offered, student, row)}; {chance}, {why}."


def nothing_eligible(excluded: NDArray[np.int8]) -> str:
    """Why a student gets no recommendation.

    Args:
        excluded: Reasons of all the student's rows, none 0, (rows,).
    """
    if not len(excluded):
        return "Nothing to offer: no item of an open skill is known."
    counts = Counter(excluded.tolist()).most_common(_CAUSES)
    told = "; ".join(f"{_counted(n, 'item')}: {WORDS[Reason(reason)]}" for reason, n in counts)
    return f"Nothing to offer among {_counted(len(excluded), 'item')} ({told})."


def _about(offered: Situation, student: int, row: int) -> str:
    """The skill, and what is known of the student's."""
    known, skill = offered.knowledge, int(offered.skill[row])
    name = offered.catalogue.skill_names[skill]
    mastery = known.mastery[student, skill]
    if np.isnan(mastery):
        met = ", prerequisites met" if offered.catalogue.needs[[skill], :].nnz else ""
        return f"{name}: not practised yet{met}"
    low, high = known.low[student, skill], known.high[student, skill]
    answers = _counted(int(known.n_responses[student, skill]), "answer")
    return f"{name}: mastery {mastery:.0%} ({low:.0%} to {high:.0%}, {answers})"


def _parts(offered: Situation, row: int) -> str:
    """Which models the chance is of; a new item or student lacks one, and it is said."""
    parts = []
    if np.isfinite(offered.p_irt[row]):
        parts.append(f"ability and difficulty {offered.p_irt[row]:.0%}")
    elif np.isnan(offered.catalogue.difficulty[offered.item[row]]):
        parts.append("item not calibrated yet")
    else:
        parts.append("ability not estimated yet")
    if np.isfinite(offered.p_sakt[row]):
        parts.append(f"history {offered.p_sakt[row]:.0%}")
    return ", ".join(parts)


def _why(slates: Slates, student: int, slot: int, row: int, *, policy: str, target: float) -> str:
    n_open = int(slates.chosen.n_open[student, slot])
    among = f"among {_counted(n_open, 'eligible item')}"
    if n_open > 1 and slates.chosen.propensity[student, slot] < 1 / n_open:
        return f"tried out {among} to learn what helps"
    away = abs(slates.offered.p_correct[row] - target)
    if policy == RULE:
        near = "near" if away <= _NEAR else "the nearest left to"
        return f"{near} the target {target:.0%} {among}"
    if policy == LINUCB:
        expected = slates.scores.mean[row]
        return f"promising {among}: expected reward {expected:.2f} by what helped before"
    return f"any {among}"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
