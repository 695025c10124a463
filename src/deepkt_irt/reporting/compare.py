"""What two policies would recommend to one student, as text and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Recommended:
    """One item of a slate.

    Attributes:
        rank: 1 is best.
        item: Name for people.
        item_id: Qualified by source.
        p_correct: Expected success.
        propensity: Chance with which the policy chose it.
        score: What the policy expected of it, in its own units.
        reason: Why, in a sentence.
    """

    rank: int
    item: str
    item_id: str
    p_correct: float
    propensity: float
    score: float
    reason: str


@dataclass(frozen=True)
class Slate:
    """What one policy would recommend.

    Attributes:
        items: Best first.
        nothing: Why there is none; None if there is one.
        exclusions: Items kept out by each rule, by its name.
    """

    items: tuple[Recommended, ...]
    nothing: str | None
    exclusions: Mapping[str, int]


@dataclass(frozen=True)
class Comparison:
    """Slates of one student by each policy.

    Attributes:
        student_id: As in the source's files.
        source: Source system.
        decided_at: Instant that both decide as of, UTC.
        running: Name of the policy whose slates students get.
        version: Of the recommender.
        learnt_until: Instant of the last reward that LinUCB learnt from; None if none.
        n_rewards: Rewards it learnt from.
        slates: By name of the policy.
        gate: What was decided when policies were judged last; None if they never were.
    """

    student_id: str
    source: str
    decided_at: datetime
    running: str
    version: str
    learnt_until: str | None
    n_rewards: int
    slates: Mapping[str, Slate]
    gate: str | None

    @property
    def in_both(self) -> frozenset[str]:
        """Items that all policies would recommend."""
        sets = [frozenset(each.item_id for each in slate.items) for slate in self.slates.values()]
        return frozenset.intersection(*sets)


def as_json(found: Comparison) -> dict[str, Any]:
    """The same for machines."""
    return {
        **asdict(found),
        "decided_at": found.decided_at.isoformat(),
        "in_both": sorted(found.in_both),
    }


def render_text(found: Comparison) -> str:
    """The same as lines of text for a terminal."""
    learnt = (
        f"{found.n_rewards:,} rewards until {found.learnt_until:.16}"
        if found.learnt_until
        else "no reward yet, so that it still expects what the rule does"
    )
    lines = [
        f"Student {found.student_id} ({found.source}), as of {found.decided_at:%Y-%m-%d %H:%M} UTC",
        f"  recommender version {found.version}; {found.running} decides what students get",
        f"  LinUCB has learnt from {learnt}",
        f"  judged last: {found.gate or 'never, too few recommendations have their reward'}",
    ]
    for name, slate in found.slates.items():
        mark = ", which runs" if name == found.running else ""
        lines += ["", f"{name}{mark}", *_slate_lines(slate, found.in_both)]
    kept_out = next(iter(found.slates.values())).exclusions
    told = ", ".join(f"{reason.replace('_', ' ')} {n}" for reason, n in kept_out.items())
    return "\n".join([*lines, "", f"Not offered: {told or 'nothing was kept out'}."])


def _slate_lines(slate: Slate, in_both: frozenset[str]) -> list[str]:
    if slate.nothing is not None:
        return [f"  {slate.nothing}"]
    lines = []
    for each in slate.items:
        also = ", in both" if each.item_id in in_both else ""
        chance = f"success {each.p_correct:.0%}, chosen with chance {each.propensity:.0%}{also}"
        lines += [f"  {each.rank}. {each.item:<16.40} {chance}", f"     {each.reason}"]
    return lines
