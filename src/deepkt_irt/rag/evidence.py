"""What an explanation of one recommendation rests on: facts in plain words, without a person.

A fact is a sentence made from figures of gold tables. It names no student, and nothing a student
wrote is part of it. What is not known gives no fact.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from deepkt_irt.rag.index import Hit
from deepkt_irt.rag.screening import screened

Audience = Literal["teacher", "student"]
FactKind = Literal["mastery", "recent", "influence", "recommendation", "reason", "misconception"]

EVIDENCE_VERSION = "evidence-2"
"""Changes with the words of facts and of offline explanations; those of another are made anew."""

MIN_SOURCE_CHARACTERS = 20
"""A shorter passage says nothing on how to work."""

_MAX_NAME = 80
_HOW_ANSWERS_WERE = re.compile(r"\banswers? (?:was|were|took|has|have|had)\b", re.IGNORECASE)
_SECURE, _DEVELOPING = 0.8, 0.5  # chances of a right answer that the words below begin at
_ITEM, _SKILL = "the next item", "this skill"


@dataclass(frozen=True)
class Observed:
    """Figures about one student and one recommended item; None is not known.

    Attributes:
        skill: Name of the skill.
        item: Title of the recommended item.
        p_correct: Expected chance of a right answer to it.
        reason: Why it is recommended, as the recommendation says.
        mastery: Chance of a right answer on the skill's reference items.
        mastery_low: Lower end of its 95% interval.
        mastery_high: Upper end.
        n_responses: Graded answers on the skill.
        recent: Whether each of the last graded answers on the skill was right, oldest first.
        n_raising: Of the past answers that moved the prediction most, those that raise it.
        n_lowering: Those that lower it.
        common_item: Title of the item that was answered wrong last, if in a common way.
        common_share: Share of that item's wrong answers that are the same.
        common_n: Wrong answers to it, of all students.
    """

    skill: str
    item: str | None
    p_correct: float
    reason: str
    mastery: float | None = None
    mastery_low: float | None = None
    mastery_high: float | None = None
    n_responses: int | None = None
    recent: tuple[bool, ...] = ()
    n_raising: int = 0
    n_lowering: int = 0
    common_item: str | None = None
    common_share: float | None = None
    common_n: int | None = None


@dataclass(frozen=True)
class Fact:
    """One sentence that is true of the student.

    Attributes:
        ref: How a prompt and an answer name it, such as `F1`.
        kind: What it is about.
        text: The sentence.
    """

    ref: str
    kind: FactKind
    text: str


@dataclass(frozen=True)
class Source:
    """A passage that may be cited.

    Attributes:
        ref: How a prompt and an answer name it, such as `S1`.
        chunk_id: Of the content library.
        title: Screened.
        text: Screened, and cut.
    """

    ref: str
    chunk_id: str
    title: str
    text: str


@dataclass(frozen=True)
class Evidence:
    """All that an explanation may say.

    Attributes:
        audience: Whom it is for.
        locale: Its language.
        skill: Name of the skill, screened.
        item: Title of the recommended item, screened.
        facts: About the student.
        sources: That may be cited; may be empty.
        no_sources: Why there are none; empty if there are some.
        other_item: Title of another item that a fact names, screened; None if none does.
    """

    audience: Audience
    locale: str
    skill: str
    item: str
    facts: tuple[Fact, ...]
    sources: tuple[Source, ...]
    no_sources: str = ""
    other_item: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names that are quoted as they are, longest first."""
        names = {self.skill, self.item, self.other_item} - {None}
        return tuple(sorted(map(str, names), key=lambda name: (-len(name), name)))

    @property
    def hash(self) -> str:
        """SHA-256 of everything above; the same evidence has the same hash, whoever it is of."""
        values = [
            *(self.audience, self.locale, self.skill, self.item, self.no_sources),
            [(each.kind, each.text) for each in self.facts],
            [(each.chunk_id, each.title, each.text) for each in self.sources],
        ]
        return hashlib.sha256(json.dumps(values, ensure_ascii=True).encode()).hexdigest()

    def fact(self, ref: str) -> Fact | None:
        """The fact of that name; None if there is none."""
        return next((each for each in self.facts if each.ref == ref), None)

    def source(self, ref: str) -> Source | None:
        """The source of that name; None if there is none."""
        return next((each for each in self.sources if each.ref == ref), None)


def evidence_of(
    seen: Observed, sources: Sequence[Source], *, audience: Audience, no_sources: str = ""
) -> Evidence:
    """The evidence for one explanation, in English.

    Args:
        seen: Figures.
        sources: Passages that may be cited.
        audience: A teacher is told also why the recommendation was made.
        no_sources: Why there are none.
    """
    skill = _name(seen.skill) or _SKILL
    item = _name(seen.item) or _ITEM
    told: dict[FactKind, str | None] = {
        "mastery": _mastery(seen, skill),
        "recent": _recent(seen, skill),
        "misconception": _misconception(seen),
        "influence": _influence(seen),
        "recommendation": _recommendation(seen, skill, item),
        "reason": _reason(seen) if audience == "teacher" else None,
    }
    known = [(kind, text) for kind, text in told.items() if text]
    facts = tuple(
        Fact(f"F{number}", kind, text) for number, (kind, text) in enumerate(known, start=1)
    )
    return Evidence(
        audience=audience,
        locale="en",
        skill=skill,
        item=item,
        facts=facts,
        sources=tuple(sources),
        no_sources=no_sources,
        other_item=_name(seen.common_item) or None,
    )


def sources_of(hits: Sequence[Hit], *, max_characters: int) -> tuple[Source, ...]:
    """Passages that were found, screened.

    Passed over is one of which nothing much is left, and one that tells how answers were: that
    is for facts to say.
    """
    kept: list[Source] = []
    for hit in hits:
        text = _passage(hit.chunk.text, max_characters)
        if len(text) >= MIN_SOURCE_CHARACTERS and not _HOW_ANSWERS_WERE.search(text):
            title = _name(hit.chunk.title) or "untitled"
            kept.append(Source(f"S{len(kept) + 1}", hit.chunk.chunk_id, title, text))
    return tuple(kept)


def standing(mastery: float, low: float, high: float) -> str:
    """How mastery stands, no surer than its interval: all words of judgement that may be used.

    Args:
        mastery: Chance of a right answer.
        low: Lower end of its interval.
        high: Upper end.
    """
    bands = _band(low), _band(high)
    if bands[0] == bands[1]:
        return f"is {bands[0]}"
    if bands == (_band(0.0), _band(1.0)):
        return "cannot be told yet"
    return f"seems {_band(mastery)}"


def _band(mastery: float) -> str:
    if mastery >= _SECURE:
        return "secure"
    return "developing" if mastery >= _DEVELOPING else "not yet secure"


@lru_cache(maxsize=10_000)  # the same few passages for many items
def _passage(text: str, max_characters: int) -> str:
    return screened(text, max_characters=max_characters)


@lru_cache(maxsize=100_000)  # the same few names for many students
def _name(text: str | None) -> str:
    return screened(text or "", max_characters=_MAX_NAME).replace("\n", " ")


def _mastery(seen: Observed, skill: str) -> str | None:
    if seen.mastery is None or seen.mastery_low is None or seen.mastery_high is None:
        return f"So far, {skill} was not practised."
    span = f"between {_percent(seen.mastery_low)} and {_percent(seen.mastery_high)}"
    counted = _counted(seen.n_responses or 0, "answer")
    return (
        f"Mastery of {skill} {standing(seen.mastery, seen.mastery_low, seen.mastery_high)}: the "
        f"chance of a right answer is {_percent(seen.mastery)}, {span}, from {counted}."
    )


def _recent(seen: Observed, skill: str) -> str | None:
    if not seen.recent:
        return None
    right, n = sum(seen.recent), len(seen.recent)
    if n == 1:
        return f"The last answer on {skill} was {'right' if right else 'wrong'}."
    return f"{right} of the last {n} answers on {skill} {'was' if right == 1 else 'were'} right."


def _influence(seen: Observed) -> str | None:
    n = seen.n_raising + seen.n_lowering
    if n == 0:
        return None
    if n == 1:
        verb = "raised" if seen.n_raising else "lowered"
        return f"The past answer that counts most {verb} the expected chance."
    # one share says both, and no other number stands near that could be taken for it
    return f"{seen.n_raising} of the {n} past answers that count most raised the expected chance."


def _misconception(seen: Observed) -> str | None:
    if seen.common_share is None or seen.common_n is None:
        return None
    item = _name(seen.common_item) or "an item"
    return (
        f"The last wrong answer, on {item}, is a common mistake: {_percent(seen.common_share)} of "
        f"the {seen.common_n} wrong answers to that item are the same."
    )


def _recommendation(seen: Observed, skill: str, item: str) -> str:
    about = "" if item == _ITEM else f", on {skill}"
    return (
        f"To practise next: {item}{about}; the expected chance of a right answer is "
        f"{_percent(seen.p_correct)}."
    )


def _reason(seen: Observed) -> str | None:
    return screened(seen.reason, max_characters=400) or None


def _percent(share: float) -> str:
    return f"{share * 100:.0f}%"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
