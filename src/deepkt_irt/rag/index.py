"""What a search over the content library is: chunks, filters, hits, and the one way to ask.

Every index answers by the same shape, whether it searches here (`local_index`) or in Databricks
Vector Search (`databricks_index`). Content only: no row of a student is ever indexed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol

from deepkt_irt.errors import UsageError

Kind = Literal["item", "skill", "hint", "explanation", "document"]
Mode = Literal["lexical", "vector", "hybrid"]

KINDS: tuple[Kind, ...] = ("item", "skill", "hint", "explanation", "document")


@dataclass(frozen=True)
class Chunk:
    """A piece of content that can be found and cited.

    Attributes:
        chunk_id: Identity; the same content from the same place keeps it.
        source: Source system, or `documents` for files of teachers.
        kind: What the piece is.
        item_id: Question it belongs to, qualified by source; None if to none.
        skill_ids: Skills it is about, qualified by source, sorted; may be empty.
        grade: Grade it is written for, as its source says; None if it does not say.
        locale: Language as an IETF tag, such as `en`.
        licence: Terms of use as its source states them; None if it states none.
        title: Short text for people.
        text: The content itself, plain text.
        content_hash: SHA-256 of title and text; the same hash is never embedded twice.
    """

    chunk_id: str
    source: str
    kind: Kind
    item_id: str | None
    skill_ids: tuple[str, ...]
    grade: str | None
    locale: str
    licence: str | None
    title: str
    text: str
    content_hash: str

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "Chunk":
        """A chunk from a row of its table or of an index; other columns are passed over."""
        skills = row["skill_ids"]
        if isinstance(skills, str):  # some interfaces hand arrays over as JSON
            skills = json.loads(skills)
        values = {name: _text_or_none(row[name]) for name in CHUNK_COLUMNS}
        return cls(**{**values, "skill_ids": tuple(skills if skills is not None else ())})


CHUNK_COLUMNS = tuple(each.name for each in fields(Chunk))


@dataclass(frozen=True)
class Filters:
    """What a hit must be; an empty filter lets everything through, several all have to hold.

    A chunk of which a property is not known does not meet a filter on it.

    Attributes:
        kinds: Any of these.
        sources: Any of these.
        skill_ids: At least one of these is among the chunk's.
        item_ids: Any of these.
        grades: Any of these.
        locales: Any of these.
    """

    kinds: tuple[Kind, ...] = ()
    sources: tuple[str, ...] = ()
    skill_ids: tuple[str, ...] = ()
    item_ids: tuple[str, ...] = ()
    grades: tuple[str, ...] = ()
    locales: tuple[str, ...] = ()

    def accepts(self, chunk: Chunk) -> bool:
        """Whether a chunk meets all of them."""
        for name, property_ in PROPERTY_OF_FILTER.items():
            wanted, value = getattr(self, name), getattr(chunk, property_)
            values = value if isinstance(value, tuple) else (value,)
            if wanted and not set(wanted) & set(values):
                return False
        return True


PROPERTY_OF_FILTER = {
    "kinds": "kind",
    "sources": "source",
    "skill_ids": "skill_ids",
    "item_ids": "item_id",
    "grades": "grade",
    "locales": "locale",
}
"""The chunk's property that each filter asks for."""


@dataclass(frozen=True)
class Hit:
    """A chunk that was found.

    Attributes:
        chunk: What was found.
        score: What hits are ordered by, larger is better; comparable within one answer only.
        lexical_rank: Place among the hits by words, from 1; None if not among them or not told.
        vector_rank: Place among the hits by meaning, from 1; None if not among them or not told.
        similarity: Cosine of the question's and the chunk's embedding, -1 to 1: comparable between
            answers of one embedder; None where words alone were asked.
    """

    chunk: Chunk
    score: float
    lexical_rank: int | None
    vector_rank: int | None
    similarity: float | None


class Index(Protocol):
    """Searches the content library."""

    def search(
        self, text: str, *, k: int, filters: Filters | None = None, mode: Mode = "hybrid"
    ) -> list[Hit]:
        """The best hits, best first; equal scores stand in the order of their ids.

        Args:
            text: The question, as a person would put it.
            k: Hits wanted, at least 1; fewer come back where fewer meet the filters.
            filters: What a hit must be.
            mode: By words, by meaning, or by both.

        Raises:
            UsageError: If the text is empty or k is below 1.
            BackendUnavailable: If the embedder or the index does not answer.
        """
        ...


def _text_or_none(value: object) -> Any:  # noqa: ANN401 - a property of a chunk
    """Pandas says `nan` where a table says null."""
    return value if isinstance(value, str) else None


def refuse_useless_question(text: str, k: int) -> None:
    """Refuse a question that cannot have an answer.

    Raises:
        UsageError: If the text is empty or k is below 1.
    """
    if not text.strip():
        raise UsageError("the question is empty: ask something")
    if k < 1:
        raise UsageError(f"{k} hits were asked for: ask for 1 or more")
