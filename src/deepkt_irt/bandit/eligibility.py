"""Which items may be offered to a student at all, before any of them is preferred."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from deepkt_irt.settings import RecommendationSettings


@dataclass(frozen=True)
class Mastery:
    """What a student knows of one skill.

    Attributes:
        value: 0 to 1.
        low: Lower end of the 95 % interval.
        high: Upper end.
        n_responses: Responses it rests on.
    """

    value: float
    low: float
    high: float
    n_responses: int


@dataclass(frozen=True)
class Student:
    """What decides on a student's eligible items.

    Attributes:
        mastery: By skill id; only practised skills.
        recent_items: Items among the student's last events.
    """

    mastery: Mapping[str, Mastery]
    recent_items: Collection[str]


def target_skill(skills: Sequence[str], student: Student) -> str | None:
    """The skill an item is meant for: its least mastered one, an unpractised one first.

    None for an item without skills.
    """
    if not skills:
        return None
    return min(skills, key=lambda skill: (_value(student, skill), skill))


def prerequisites_met(
    skills: Sequence[str],
    student: Student,
    prerequisites: Mapping[str, Sequence[str]],
    *,
    at: float,
) -> bool:
    """Whether nothing that comes before any of the skills is missing.

    A prerequisite is met from mastery `at` on. One never practised is not met, except for a skill
    the student already practises: someone assigned it, and nothing speaks against it. A skill
    without prerequisites is open.
    """
    return all(
        _is_met(before, student, at=at, if_unpractised=skill in student.mastery)
        for skill in skills
        for before in prerequisites.get(skill, ())
    )


def _is_met(before: str, student: Student, *, at: float, if_unpractised: bool) -> bool:
    known = student.mastery.get(before)
    return if_unpractised if known is None else known.value >= at


def is_eligible(
    item: str,
    skills: Sequence[str],
    student: Student,
    prerequisites: Mapping[str, Sequence[str]],
    settings: RecommendationSettings,
) -> bool:
    """Whether an item may be offered: not seen recently, not mastered, prerequisites met."""
    target = target_skill(skills, student)
    if target is None or item in student.recent_items:
        return False
    if _value(student, target) >= settings.mastered_at:
        return False
    return prerequisites_met(skills, student, prerequisites, at=settings.prerequisite_at)


def _value(student: Student, skill: str) -> float:
    """Mastery for comparisons; an unpractised skill counts as the least mastered."""
    known = student.mastery.get(skill)
    return known.value if known else -1.0
