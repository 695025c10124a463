"""Whether an answer says only what its evidence says; what it finds names places, never words.

Checked are schema and lengths, citations, numbers, words of judgement, whether every word that
says something is one of the evidence, identifiers, links, what speaks to a model, reading level.
A problem never quotes the answer: it goes back to the model as an instruction.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydantic import ValidationError

from deepkt_irt.rag.evidence import MIN_SOURCE_CHARACTERS, Evidence, Source
from deepkt_irt.rag.prompts import Answer, Sentence, max_grade
from deepkt_irt.rag.quantities import quantities, quantities_are_moved, unsupported
from deepkt_irt.rag.reading import flesch_kincaid_grade
from deepkt_irt.rag.screening import cleaned, has_address, is_suspicious
from deepkt_irt.rag.vocabulary import CLAIMS, COMMON
from deepkt_irt.rag.words import terms
from deepkt_irt.settings import ExplanationSettings

_MAX_SUMMARY, _MAX_STEPS, _MAX_SENTENCE = 3, 4, 300
_SHORTEST_STEM = 3
_MIN_TELLING = 2  # words of a passage that a step needs: one alone says nothing on how
_POSSESSIVE = re.compile(r"['’]s\b")  # noqa: RUF001 - apostrophes as people type them
_PIECE_END = re.compile(r"[.!?;:]+(?=\s|$)")
_AFFIRMED = re.compile(r"(?<!not )(?<!not yet )\b(?:secure|practised)\b", re.IGNORECASE)
_JUDGED = re.compile(r"\b(?:secure|developing)\b", re.IGNORECASE)
_SEEMS = re.compile(r"\bseems?\b", re.IGNORECASE)
KEY_LIKE = re.compile(r"\b(?:[0-9a-f]{12,}|[0-9a-f]{8}-[0-9a-f]{4}[\w-]*)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an answer.

    Attributes:
        code: What kind of thing, for counting.
        text: Where, and what to do, in words of ours.
    """

    code: str
    text: str


@dataclass(frozen=True)
class Checked:
    """An answer and what is wrong with it.

    Attributes:
        answer: As it was read; None if it has another shape.
        problems: Empty if it may be published.
        grade: Flesch-Kincaid grade; None without an answer.
    """

    answer: Answer | None
    problems: tuple[Problem, ...]
    grade: float | None

    @property
    def is_verified(self) -> bool:
        """Whether it may be published."""
        return self.answer is not None and not self.problems


def checked(text: str, evidence: Evidence, settings: ExplanationSettings, *, token: str) -> Checked:
    """Hold what a model wrote against its evidence.

    Args:
        text: Should be JSON of the schema.
        evidence: All that it may say.
        settings: Limits.
        token: Of its prompt, which it must not repeat.
    """
    try:
        answer = Answer.model_validate_json(text, strict=True)
    except ValidationError:
        return Checked(
            None, (Problem("schema", "write JSON of the schema, and nothing else"),), None
        )
    found = list(problems_of(answer, evidence, settings, token=token))
    grade = grade_of(answer, evidence)
    limit = max_grade(evidence, settings)
    if grade > limit:
        found.append(Problem("reading", f"the text is too hard: grade {grade:.0f}, not {limit:g}"))
    return Checked(answer, tuple(found), grade)


def problems_of(
    answer: Answer, evidence: Evidence, settings: ExplanationSettings, *, token: str
) -> Iterator[Problem]:
    """Everything that is wrong with an answer but its reading level."""
    yield from _shape(answer, evidence, settings)
    for number, sentence in enumerate(answer.summary, start=1):
        yield from _about_learner(sentence, evidence, f"summary {number}")
    for number, sentence in enumerate(answer.steps, start=1):
        yield from _about_skill(sentence, evidence, f"step {number}")
    yield from _about_learner(answer.next_action, evidence, "next_action")
    for place, sentence in _places(answer):
        yield from _forbidden(sentence.text, place, token)


def grade_of(answer: Answer, evidence: Evidence) -> float:
    """Reading level of an answer's own words: names of skills and items are given."""
    return flesch_kincaid_grade(" ".join(_own(s.text, evidence) for _, s in _places(answer)))


def _places(answer: Answer) -> list[tuple[str, Sentence]]:
    return [
        *((f"summary {number}", each) for number, each in enumerate(answer.summary, start=1)),
        *((f"step {number}", each) for number, each in enumerate(answer.steps, start=1)),
        ("next_action", answer.next_action),
    ]


def _shape(answer: Answer, evidence: Evidence, settings: ExplanationSettings) -> Iterator[Problem]:
    if not 1 <= len(answer.summary) <= _MAX_SUMMARY:
        yield Problem("shape", f"write 1 to {_MAX_SUMMARY} sentences of summary")
    if len(answer.steps) > _MAX_STEPS:
        yield Problem("shape", f"write at most {_MAX_STEPS} steps")
    texts = [sentence.text for _, sentence in _places(answer)]
    if any(not text.strip() or len(text) > _MAX_SENTENCE for text in texts):
        yield Problem("shape", f"no sentence is empty or longer than {_MAX_SENTENCE} characters")
    if sum(map(len, texts)) > settings.max_characters:
        yield Problem("shape", f"the whole is longer than {settings.max_characters} characters")
    kinds = {fact.kind for ref in answer.next_action.facts if (fact := evidence.fact(ref))}
    if "recommendation" not in kinds:
        yield Problem("citation", "next_action: name the fact that recommends the item")


def _about_learner(sentence: Sentence, evidence: Evidence, place: str) -> Iterator[Problem]:
    """A sentence on the learner rests on one fact: two could lend each other numbers and words."""
    facts = [fact for ref in sentence.facts if (fact := evidence.fact(ref))]
    if len(sentence.facts) != 1 or not facts:
        yield Problem("citation", f"{place}: name exactly one fact, one that exists")
    if sentence.sources:
        yield Problem("citation", f"{place}: name no sources, only a fact")
    basis = facts[0].text if facts else ""
    if quantities_are_moved(_own(sentence.text, evidence), _own(basis, evidence)):
        yield Problem("number", f"{place}: keep numbers in the order in which the fact has them")
    yield from _says_no_more(sentence, basis, evidence, place)


def _about_skill(sentence: Sentence, evidence: Evidence, place: str) -> Iterator[Problem]:
    """A step rests on passages alone: they say how, the facts only who."""
    sources = [source for ref in sentence.sources if (source := evidence.source(ref))]
    if not sources or len(sources) < len(sentence.sources):
        yield Problem("citation", f"{place}: name sources that exist")
    if sentence.facts:
        yield Problem("citation", f"{place}: name no facts, only sources")
    # not their titles: those are names, as easily planted as read
    yield from _says_no_more(sentence, " ".join(s.text for s in sources), evidence, place)
    pieces = filter(_is_said, _PIECE_END.split(_own(sentence.text, evidence)))
    is_quoted = any(_is_quoted(sentence.text, source) for source in sources)
    if not is_quoted and any(len(_telling(piece)) < _MIN_TELLING for piece in pieces):
        yield Problem("support", f"{place}: each sentence says how to do something")


def _says_no_more(
    sentence: Sentence, basis: str, evidence: Evidence, place: str
) -> Iterator[Problem]:
    text, basis = _own(sentence.text, evidence), _own(basis, evidence)
    if unsupported(text, basis):
        yield Problem("number", f"{place}: a number is not one of what it names; copy it")
    words, known = set(terms(text)), set(terms(basis))
    if (words & CLAIMS) - known:
        yield Problem("claim", f"{place}: a word judges or claims more than what it names says")
    if (_negates(words) and not _negates(known)) or _flipped(text, basis):
        yield Problem("claim", f"{place}: it denies what it names, or turns it round")
    if _JUDGED.search(text) and _SEEMS.search(basis) and not _SEEMS.search(text):
        yield Problem("claim", f"{place}: it is surer than what it names; say that it seems so")
    if _telling(text) - {_stem(word) for word in known}:
        yield Problem("support", f"{place}: use no words but those of what it names")


def _telling(text: str) -> set[str]:
    """Stems of the words that say something by themselves; numbers are held apart."""
    words = {word for word in terms(text) if word not in COMMON and not word.isdecimal()}
    return {_stem(word) for word in words if not quantities(word)}


def _stem(word: str) -> str:
    """A word without the ending of a verb form, so that `adding` is `add`."""
    for ending in ("ing", "ed", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            bare = word.removesuffix(ending)
            return bare[:-1] if ending != "e" and bare[-2:-1] == bare[-1:] else bare
    return word


def _is_quoted(text: str, source: Source) -> bool:
    return len(text) >= MIN_SOURCE_CHARACTERS and text.removesuffix(" ...") in source.text


def _is_said(piece: str) -> bool:
    return any(c.isalnum() for c in piece)


def _negates(words: set[str]) -> bool:
    return bool(words & {"not", "no", "never", "cannot", "without", "neither", "nor", "isn't"})


def _flipped(text: str, basis: str) -> bool:
    """Whether a text affirms what its basis has only after `not`."""
    return bool(_AFFIRMED.search(text)) and not _AFFIRMED.search(basis)


def _forbidden(text: str, place: str, token: str) -> Iterator[Problem]:
    if token in text or KEY_LIKE.search(text):
        yield Problem("identifier", f"{place}: it holds an identifier or a mark; leave it out")
    if has_address(text):
        yield Problem("link", f"{place}: it holds a link or markup; leave it out")
    if is_suspicious(text) or cleaned(text, max_characters=10 * _MAX_SENTENCE) != text.strip():
        yield Problem("unsafe", f"{place}: say it in plain words to the reader")


def _own(text: str, evidence: Evidence) -> str:
    """A text without the names of the skill and the item, which may hold any word or number."""
    for name in evidence.names:
        text = _named(name).sub("it", text)
    return _POSSESSIVE.sub("", text)


@lru_cache(maxsize=10_000)
def _named(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)


def told(problems: Sequence[Problem]) -> str:
    """Kinds of problems, for the record."""
    return ", ".join(sorted({each.code for each in problems}))
