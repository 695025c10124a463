"""The transparent baseline policy: items whose success is nearest the target come first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deepkt_irt.bandit.eligibility import Student, is_eligible, target_skill
from deepkt_irt.settings import RecommendationSettings

POLICY = "target_success_rule"
_STEP = 0.05  # success chances closer than this count as alike, so that information decides
_NEAR_STEPS = 2  # as far from the target as a reason may call near


@dataclass(frozen=True)
class Candidate:
    """An item with what the models say of it.

    Attributes:
        item_id: The item.
        skills: Its skills.
        p_irt: Expected success by ability and difficulty; None if uncalibrated.
        p_sakt: By the student's history; None if not predicted.
        information: Fisher information at the ability; None if uncalibrated.
    """

    item_id: str
    skills: Sequence[str]
    p_irt: float | None
    p_sakt: float | None
    information: float | None

    @property
    def p_correct(self) -> float | None:
        """Mean of the chances there are; None if there is none."""
        known = [p for p in (self.p_irt, self.p_sakt) if p is not None]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True)
class Choice:
    """A recommended item with its reason."""

    rank: int
    candidate: Candidate
    skill_id: str
    reason: str


def recommend(
    candidates: Sequence[Candidate],
    student: Student,
    *,
    prerequisites: Mapping[str, Sequence[str]],
    skill_names: Mapping[str, str],
    settings: RecommendationSettings,
) -> list[Choice]:
    """Choose items for one student, best first; none if none is eligible.

    Args:
        candidates: Items with predictions.
        student: Mastery and recent items.
        prerequisites: Skills to master first, by skill.
        skill_names: Names for people, by skill.
        settings: Target, thresholds and numbers.
    """
    eligible = [
        each
        for each in candidates
        if each.p_correct is not None
        and is_eligible(each.item_id, each.skills, student, prerequisites, settings)
    ]
    chosen: list[Choice] = []
    per_skill: dict[str, int] = {}
    for each in sorted(eligible, key=lambda one: _preference(one, settings.target_success)):
        skill = str(target_skill(each.skills, student))
        if len(chosen) == settings.per_student:
            break
        if per_skill.get(skill, 0) == settings.max_per_skill:
            continue
        per_skill[skill] = per_skill.get(skill, 0) + 1
        about = f"{skill_names.get(skill, skill)}: {_state(student, skill, prerequisites)}"
        reason = _reason(each, about, n=len(eligible), target=settings.target_success)
        chosen.append(Choice(len(chosen) + 1, each, skill, reason))
    return chosen


def _preference(candidate: Candidate, target: float) -> tuple[int, float, str]:
    """Distance from the target in steps, then more information, then a fixed order."""
    p = candidate.p_correct
    away = round(abs((p if p is not None else target) - target) / _STEP)
    return away, -(candidate.information or 0.0), candidate.item_id


def _state(student: Student, skill: str, prerequisites: Mapping[str, Sequence[str]]) -> str:
    """What is known of the student's skill, in words."""
    known = student.mastery.get(skill)
    if known:
        answers = _counted(known.n_responses, "answer")
        return f"mastery {known.value:.2f} ({known.low:.2f} to {known.high:.2f}, {answers})"
    met = ", prerequisites met" if prerequisites.get(skill) else ""
    return f"not practised yet{met}"


def _reason(candidate: Candidate, about: str, *, n: int, target: float) -> str:
    parts = []
    if candidate.p_irt is not None:
        parts.append(f"ability and difficulty {candidate.p_irt:.2f}")
    if candidate.p_sakt is not None:
        parts.append(f"history {candidate.p_sakt:.2f}")
    steps, _, _ = _preference(candidate, target)
    near = "near" if steps <= _NEAR_STEPS else "the nearest left to"
    return (
        f"Practise {about}; expected success {candidate.p_correct:.2f} ({', '.join(parts)}), "
        f"{near} the target {target:.2f} among {_counted(n, 'eligible item')}."
    )


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
