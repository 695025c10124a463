"""Who needs help today, as the page shows it; the rule is that of the view gold.student_today."""

from dataclasses import dataclass

from deepkt_irt.reporting.student_data import Next


@dataclass(frozen=True)
class HelpOnSkill:
    """What speaks for help on one skill.

    Attributes:
        skill: Its name.
        reasons: One sentence for each sign.
        mastery: Now, with its 95% interval.
        last: Day on which it was last practised; None if only order is known.
    """

    skill: str
    reasons: tuple[str, ...]
    mastery: tuple[float, float, float]
    last: str | None


@dataclass(frozen=True)
class NeedsHelp:
    """One student who needs help today.

    Attributes:
        key: The whole pseudonym; not shown.
        label: Shortened pseudonym.
        worst: The skill that speaks for it most.
        n_more: Further skills that do.
        behaviour: What was seen in how the questions were answered; None if nothing notable.
        next_item: What to practise; None if nothing is offered.
        elsewhere: Why that is on another skill; None if it is not.
        nothing: Why nothing is; None if something is, or no decision was made.
    """

    key: str
    label: str
    worst: HelpOnSkill
    n_more: int
    behaviour: str | None
    next_item: Next | None
    elsewhere: str | None
    nothing: str | None


@dataclass(frozen=True)
class ClassHelp:
    """Students of a class who need help, most urgent first.

    Attributes:
        label: Of the class.
        n_students: In it.
        n_needing: Of them, those who need help today.
        n_unknown: Of them, those of whose mastery nothing is known.
        students: The first few of those who need help.
    """

    label: str
    n_students: int
    n_needing: int
    n_unknown: int
    students: tuple[NeedsHelp, ...]
