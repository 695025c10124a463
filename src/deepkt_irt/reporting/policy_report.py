"""How recommendations are decided, and how that is judged: what the report shows of it."""

from dataclasses import dataclass

Interval = tuple[float, float | None, float | None]
"""A value with the ends of its interval, None where there are too few students for one."""


_NAMES = {"linucb": "LinUCB", "target_success_rule": "the rule (success near the target)"}


def policy_label(name: str) -> str:
    """A policy's name for people."""
    return _NAMES.get(name, name.replace("_", " "))


@dataclass(frozen=True)
class Gap:
    """LinUCB less another policy, on the same logged decisions.

    Attributes:
        against: The running policies together, or one by name.
        estimator: As in gold.policy_evaluations.
        difference: Mean reward a decision; None if no decision carried weight.
        low_at_any_time: Its lower end that holds however often it is asked; None if unknown.
        n_decisions: It rests on.
        n_students: Of these.
        effective_sample_size: Of the weights; None if the estimator has none.
        decides: Whether the gate rests on it.
    """

    against: str
    estimator: str
    difference: Interval | None
    low_at_any_time: float | None
    n_decisions: int
    n_students: int
    effective_sample_size: float | None
    decides: bool


@dataclass(frozen=True)
class GroupShare:
    """What a group of students was given, and what came of it.

    Attributes:
        group: Its label.
        n_students: In it.
        n_decisions: First choices.
        n_items: Different items among them.
        success: Expected success of what was chosen; None if unknown.
        reward: Of those that have come; None if none has.
    """

    group: str
    n_students: int
    n_decisions: int
    n_items: int
    success: Interval | None
    reward: Interval | None


@dataclass(frozen=True)
class PolicyReport:
    """The last decisions, and the last judgement on policies.

    Attributes:
        policy: That decided last.
        decided_at: Instant, as text.
        n_students: Students who have something to practise.
        n_without: Students whose mastery is known, and who have nothing.
        exclusions: Reason in words and candidates it kept out then, most first.
        n_rewards: Recommendations whose worth is known.
        n_pending: Those of which it may still show.
        verdict: The gate's last sentence with its day; None if policies were never judged.
        gaps: What it rests on; empty if never judged.
        groups: Of the students; small groups are left out.
        gate_confidence: Of the intervals of the gaps, 0 to 1.
        confidence: Of those of the groups.
    """

    policy: str
    decided_at: str
    n_students: int
    n_without: int
    exclusions: tuple[tuple[str, int], ...]
    n_rewards: int
    n_pending: int
    verdict: str | None
    gaps: tuple[Gap, ...]
    groups: tuple[GroupShare, ...]
    gate_confidence: float
    confidence: float
