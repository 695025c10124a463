"""Explanations of one student with what each sentence rests on, as text and as JSON."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_WIDTH = 96


@dataclass(frozen=True)
class Told:
    """One sentence, and the names of what it rests on."""

    text: str
    refs: tuple[str, ...]


@dataclass(frozen=True)
class Ground:
    """What a sentence may rest on.

    Attributes:
        ref: Its name in the sentences.
        text: The fact, or the title of the passage.
        chunk_id: Of a passage; None for a fact.
    """

    ref: str
    text: str
    chunk_id: str | None


@dataclass(frozen=True)
class Explained:
    """One explanation.

    Attributes:
        audience: Whom it is for.
        skill: Name of the recommended item's skill.
        item: Name of the recommended item.
        summary: Sentences on the student.
        steps: How to work on the skill.
        next_action: What to do next.
        grounds: Facts and passages.
        outcome: verified or offline.
        offline_reason: Why no model worded it; None if one did.
        problems: Kinds of problems of an answer that was not published; None if none was.
        model: That was asked; offline if none.
        reading_grade: Flesch-Kincaid grade.
        explained_at: As-of instant of the run that worded it, ISO 8601.
    """

    audience: str
    skill: str
    item: str
    summary: tuple[Told, ...]
    steps: tuple[Told, ...]
    next_action: str
    grounds: tuple[Ground, ...]
    outcome: str
    offline_reason: str | None
    problems: str | None
    model: str
    reading_grade: float
    explained_at: str


@dataclass(frozen=True)
class StudentExplanations:
    """What a student and teachers are told.

    Attributes:
        student_id: As in the source's files.
        source: Source system.
        explanations: In the order of their audiences.
    """

    student_id: str
    source: str
    explanations: tuple[Explained, ...]


def as_json(found: StudentExplanations) -> dict[str, Any]:
    """The same for machines."""
    return asdict(found)


def render_text(found: StudentExplanations) -> str:
    """The same as lines of text for a terminal."""
    head = f"Student {found.student_id} ({found.source})"
    return "\n\n".join([head, *("\n".join(lines(each)) for each in found.explanations)])


def lines(each: Explained) -> Iterator[str]:
    """One explanation, and below it what it rests on."""
    yield f"For the {each.audience}: {each.item}, {each.skill}"
    yield from _sentences(each.summary, "  ")
    yield from _sentences(each.steps, "  - ")
    yield from _sentences([Told(each.next_action, ())], "  > ")
    yield f"  ({worded_how(each)}; grade {max(0.0, each.reading_grade):.0f})"
    yield "  It rests on"
    for ground in each.grounds:
        cited = f" (passage {ground.chunk_id})" if ground.chunk_id else ""
        yield from _wrapped(f"{ground.text}{cited}", f"    {ground.ref}: ")


def worded_how(each: Explained) -> str:
    """Who worded an explanation and when, or why no model did."""
    how = (
        f"worded by {each.model} and verified"
        if each.offline_reason is None
        else f"fixed sentences, since {each.offline_reason}"
    )
    return f"{how}; {each.explained_at[:10]}"


def _sentences(told: Sequence[Told], mark: str) -> Iterator[str]:
    for each in told:
        refs = f" [{', '.join(each.refs)}]" if each.refs else ""
        yield from _wrapped(f"{each.text}{refs}", mark)


def _wrapped(text: str, mark: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
