"""Reads what the content library has on a question."""

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs.content_index import ContentPlace, open_index
from deepkt_irt.rag.index import KINDS, Filters, Hit, Kind, Mode
from deepkt_irt.reporting.ask import Answer, Passage
from deepkt_irt.settings import ContentSettings
from deepkt_irt.tables.silver import SKILLS

MODES: tuple[Mode, ...] = ("lexical", "vector", "hybrid")


def read_answer(
    place: ContentPlace, settings: ContentSettings, question: str, *, k: int, mode: str, kind: str
) -> Answer:
    """The best passages on a question.

    Args:
        place: Where the library is.
        settings: Of the index.
        question: As a person puts it.
        k: Passages wanted.
        mode: lexical, vector or hybrid.
        kind: Of the passages; empty for all.

    Raises:
        UsageError: If the question is empty, or mode or kind is none there is.
        NoData: If the library is empty.
    """
    filters = Filters(kinds=(_one_of("--kind", kind, KINDS),) if kind else ())
    asked_in = _one_of("--mode", mode, MODES)
    index = open_index(place, settings)
    hits = index.search(question, k=k, filters=filters, mode=asked_in)
    names = {row["skill_id"]: row["name"] for row in place.read(SKILLS).collect()}
    passages = (_passage(rank, hit, names) for rank, hit in enumerate(hits, start=1))
    return Answer(question, mode, tuple(passages))


def _one_of[T: (Kind, Mode)](flag: str, value: str, known: tuple[T, ...]) -> T:
    for each in known:
        if each == value:
            return each
    raise UsageError(f"{flag} {value!r}: there are {', '.join(known)}")


def _passage(rank: int, hit: Hit, names: dict[str, str]) -> Passage:
    chunk = hit.chunk
    return Passage(
        rank=rank,
        chunk_id=chunk.chunk_id,
        kind=chunk.kind,
        title=chunk.title,
        text=chunk.text,
        source=chunk.source,
        item_id=chunk.item_id,
        skills=tuple(names.get(each, each) for each in chunk.skill_ids),
        grade=chunk.grade,
        licence=chunk.licence,
        score=hit.score,
        similarity=hit.similarity,
        lexical_rank=hit.lexical_rank,
        vector_rank=hit.vector_rank,
    )
