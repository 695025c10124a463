"""What a source's content records say, as pieces of text; ids as the source has them.

Questions with their choices, hints and explanations, and lessons on a skill. Records that hold no
text for people, such as the features of EDM Cup's hints, give no piece.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

PieceKind = Literal["item", "hint", "explanation"]


@dataclass(frozen=True)
class Record:
    """A row of bronze.raw_content: kind, id in the source, and its columns."""

    kind: str
    content_id: str
    body: Mapping[str, str | None]


@dataclass(frozen=True)
class Piece:
    """A text of a source, plain or HTML.

    Attributes:
        kind: What it is.
        content_id: Record it comes from.
        item_id: Question it belongs to; then it is about that question's skills. None if to none.
        skill_ids: Skills it is about, where it belongs to no question.
        title: Short text for people; empty: to be named after its skills.
        text: For people.
        grade: As the source says; None if it does not.
        locale: IETF tag; None if the source does not say.
        licence: As the source states it; None if it does not.
    """

    kind: PieceKind
    content_id: str
    text: str
    item_id: str | None = None
    skill_ids: tuple[str, ...] = ()
    title: str = ""
    grade: str | None = None
    locale: str | None = None
    licence: str | None = None


KINDS = ("question", "choice", "lesson")
"""Kinds of records that are looked at."""


def pieces(records: Iterable[Record]) -> list[Piece]:
    """Pieces of one source, by id; of records that came several times the last one counts.

    Args:
        records: In the order in which they were received.
    """
    last = {(record.kind, record.content_id): record for record in records}
    choices: dict[str, list[str]] = {}
    for (kind, _), record in sorted(last.items(), key=lambda pair: _by_number(pair[0][1])):
        if kind == "choice":
            question = record.body.get("question_id") or ""
            choices.setdefault(question, []).append(record.body.get("choice_text") or "")
    found: list[Piece] = []
    for kind, read in _READERS.items():
        of_kind = (record for record in last.values() if record.kind == kind)
        for record in sorted(of_kind, key=lambda record: _by_number(record.content_id)):
            found += read(record, choices.get(record.content_id, []))
    return [piece for piece in found if piece.text.strip()]


def _question(record: Record, choices: list[str]) -> Iterator[Piece]:
    """A question as the student sees it, and its hint and explanation.

    The rich text is preferred, because the plain one of DBE-KT22 lacks formulas. Which choice is
    right is left out: content is shown to students.
    """
    body, item = record.body, record.content_id
    asked = body.get("question_rich_text") or body.get("question_text") or ""
    options = f"\n\n{'; '.join(filter(None, choices))}" if choices else ""
    yield Piece("item", item, f"{asked}{options}" if asked else "", item_id=item)
    yield Piece("hint", item, body.get("hint_text") or "", item_id=item)
    yield Piece("explanation", item, body.get("explanation") or "", item_id=item)


def _lesson(record: Record, _: list[str]) -> Iterator[Piece]:
    """A lesson on a skill."""
    body = record.body
    yield Piece(
        kind="hint" if body.get("kind") == "hint" else "explanation",
        content_id=record.content_id,
        text=body.get("text") or "",
        skill_ids=tuple(filter(None, [body.get("skill_code")])),
        title=body.get("title") or "",
        grade=body.get("grade") or None,
        locale=body.get("locale") or None,
        licence=body.get("licence") or None,
    )


_READERS: dict[str, Callable[[Record, list[str]], Iterator[Piece]]] = {
    "question": _question,
    "lesson": _lesson,
}


def _by_number(content_id: str) -> tuple[int, str]:
    """Sorts ids that are numbers as numbers."""
    return (int(content_id) if content_id.isdigit() else 0, content_id)
