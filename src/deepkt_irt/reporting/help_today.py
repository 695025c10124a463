"""Who needs help today, on which skill, and why: one rule, and the words for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from deepkt_irt.reporting.student_data import Next
from deepkt_irt.settings import HelpSettings

LOW, STUCK, FALLING = SIGNS = ("low", "stuck", "falling")


def rules(settings: HelpSettings, *, opens_at: float) -> Mapping[str, str]:
    """What each sign means, as an expression over a row about a student and a skill.

    A skill is looked at if it is among the student's last events; it speaks for help by a mastery
    that is surely too low, by wrong answers alone lately, or by a mastery that has surely fallen.
    What is not known (null) is no sign.

    Args:
        settings: How much is needed.
        opens_at: Mastery that opens the skills which come after.

    Returns:
        By sign, in the order in which they are told: conditions in SQL over columns of
        gold.student_mastery and n_events.
    """
    lately = f"last_sequence_number > n_events - {settings.recent_events}"
    signs = {
        LOW: f"mastery_high < {opens_at}",
        STUCK: f"wrong_in_a_row >= {settings.wrong_in_a_row}",
        FALLING: "trend == 'falling'",
    }
    return {sign: f"{lately} and {rule}" for sign, rule in signs.items()}


@dataclass(frozen=True)
class HelpOnSkill:
    """What speaks for help on one skill.

    Attributes:
        skill: Its name.
        signs: Those of SIGNS that hold.
        mastery: Now, with its 95 % interval.
        before: Mastery some time before; None if not known.
        wrong_in_a_row: Wrong answers since the last right one.
        n_waiting: Skills that come after it.
        opens_at: Mastery that opens them.
        last: Day on which it was last practised; None if only order is known.
    """

    skill: str
    signs: tuple[str, ...]
    mastery: tuple[float, float, float]
    before: float | None
    wrong_in_a_row: int
    n_waiting: int
    opens_at: float
    last: str | None

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each sign."""
        value, _, high = self.mastery
        waiting = {0: "", 1: "; one skill waits for it"}.get(
            self.n_waiting, f"; {self.n_waiting} skills wait for it"
        )
        words = {
            LOW: f"mastery is at most {high:.0%}, below the {self.opens_at:.0%} that opens what "
            f"follows{waiting}",
            STUCK: f"the last {self.wrong_in_a_row} answers on it were wrong",
            FALLING: f"mastery fell from {self.before or 0:.0%} to {value:.0%}",
        }
        return tuple(words[sign] for sign in self.signs)


@dataclass(frozen=True)
class NeedsHelp:
    """One student who needs help today.

    Attributes:
        label: Shortened pseudonym.
        worst: The skill that speaks for it most.
        n_more: Further skills that do.
        behaviour: What was seen in how the questions were answered; None if nothing notable.
        next_item: What to practise; None if nothing is offered.
        elsewhere: Why that is on another skill; None if it is not.
        nothing: Why nothing is; None if something is, or no decision was made.
    """

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
        students: The first few of these.
    """

    label: str
    n_students: int
    n_needing: int
    students: tuple[NeedsHelp, ...]
