"""What the content library has on a question, as text and as JSON."""

import textwrap
from dataclasses import asdict, dataclass
from typing import Any

_WIDTH = 96


@dataclass(frozen=True)
class Passage:
    """Content that was found.

    Attributes:
        rank: 1 is best.
        chunk_id: What it is cited by.
        kind: item, skill, hint, explanation or document.
        title: Short text for people.
        text: The content itself.
        source: Source system, or `documents`.
        item_id: Question it belongs to; None if to none.
        skills: Names of the skills it is about.
        grade: As its source says; None if it does not.
        licence: As its source states it; None if it does not.
        score: What passages are ordered by.
        similarity: Cosine of question and passage, -1 to 1; None where words alone were asked.
        lexical_rank: Place by words; None if not among them or not told.
        vector_rank: Place by meaning; None if not among them or not told.
    """

    rank: int
    chunk_id: str
    kind: str
    title: str
    text: str
    source: str
    item_id: str | None
    skills: tuple[str, ...]
    grade: str | None
    licence: str | None
    score: float
    similarity: float | None
    lexical_rank: int | None
    vector_rank: int | None


@dataclass(frozen=True)
class Answer:
    """Passages on a question, best first; none is made up."""

    question: str
    mode: str
    passages: tuple[Passage, ...]


def as_json(answer: Answer) -> dict[str, Any]:
    """The answer as plain values."""
    return asdict(answer)


def render_text(answer: Answer) -> str:
    """The answer as lines of text."""
    if not answer.passages:
        return "Nothing in the content library is on this; ask in other words."
    return "\n\n".join(map(_passage, answer.passages))


def _passage(passage: Passage) -> str:
    about = f" · {', '.join(passage.skills)}" if passage.skills else ""
    grade = f" · grade {passage.grade}" if passage.grade else ""
    near = "" if passage.similarity is None else f" · similarity {passage.similarity:.2f}"
    head = f"{passage.rank}. {passage.title}"
    foot = f"{passage.kind}{about}{grade} · {passage.source}{near} · {passage.chunk_id}"
    paragraphs = passage.text.split("\n\n")
    body = [textwrap.fill(each, _WIDTH, initial_indent="   ", subsequent_indent="   ")
            for each in paragraphs]  # fmt: skip
    return "\n".join([head, *body, f"   [{foot}]"])
