"""What is shown of one student."""

from dataclasses import dataclass

from deepkt_irt.reporting.explanation import Explained


@dataclass(frozen=True)
class SkillMastery:
    """Mastery of one skill with its 95% interval.

    Attributes:
        skill: Its name.
        value: Mean chance of a right answer on its reference items, now.
        low: Lower end of the interval.
        high: Upper end.
        n: Graded answers on the skill.
        before: The same some time before; None if not known.
        trend: rising, falling or steady; None if not known.
    """

    skill: str
    value: float
    low: float
    high: float
    n: int
    before: float | None = None
    trend: str | None = None


@dataclass(frozen=True)
class Answer:
    """One recent response; what is not known is None."""

    when: str
    item: str
    skills: tuple[str, ...]
    correct: bool | None
    hints: int | None
    seconds: float | None
    predicted: float | None

    @property
    def skill(self) -> str:
        """Its skills in words."""
        return ", ".join(self.skills)


@dataclass(frozen=True)
class Next:
    """One recommended item with its reason."""

    rank: int
    item: str
    p: float
    reason: str


@dataclass(frozen=True)
class Student:
    """One student's page.

    Attributes:
        label: Shortened pseudonym.
        classes: Labels of the classes; of a student of none that of all such students.
        split: Which part of the students models are trained or tested on.
        ability: With its standard deviation, logits; None if not estimated.
        n_events: Questions answered.
        mastery: By skill, least first.
        answers: Recent ones, latest first.
        next_items: Recommended, best first.
        behaviour: What was seen in how questions were answered; None if nothing notable.
        decided: What decided the recommendations, and what it left out; None if nothing did.
        explanations: Why the first recommendation, for whom it concerns.
    """

    label: str
    classes: tuple[str, ...]
    split: str
    ability: tuple[float, float] | None
    n_events: int
    mastery: tuple[SkillMastery, ...]
    answers: tuple[Answer, ...]
    next_items: tuple[Next, ...]
    behaviour: str | None = None
    decided: str | None = None
    explanations: tuple[Explained, ...] = ()

    @property
    def class_label(self) -> str:
        """The classes in words."""
        return ", ".join(self.classes)

    @property
    def skills(self) -> tuple[str, ...]:
        """Skills the page speaks of, each once."""
        answered = (skill for answer in self.answers for skill in answer.skills)
        return tuple(dict.fromkeys((*(each.skill for each in self.mastery), *answered)))

    @property
    def items(self) -> tuple[str, ...]:
        """Items the page speaks of, each once."""
        offered = (each.item for each in self.next_items)
        return tuple(dict.fromkeys((*offered, *(each.item for each in self.answers))))
