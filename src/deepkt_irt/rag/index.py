"""What a search over the content library is: chunks, filters, hits, and the one way to ask.

Every index answers by the same shape, whether it searches here (`local_index`) or in Databricks
Vector Search (`databricks_index`). Content only: no row of a student is ever indexed.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

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
        pairs = (
            (self.kinds, chunk.kind),
            (self.sources, chunk.source),
            (self.item_ids, chunk.item_id),
            (self.grades, chunk.grade),
            (self.locales, chunk.locale),
        )
        if not all(not wanted or value in wanted for wanted, value in pairs):
            return False
        return not self.skill_ids or bool(set(self.skill_ids) & set(chunk.skill_ids))


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
