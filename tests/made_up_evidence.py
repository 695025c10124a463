"""Figures, passages and evidence of nobody."""

from typing import Any

from deepkt_irt.rag.evidence import Audience, Evidence, Observed, Source, evidence_of
from deepkt_irt.rag.index import Chunk, Filters, Hit, Mode

SKILL = "Adding fractions"
DENOMINATOR = "Give both fractions the same denominator. Then add the numerators."
NUMBER_LINE = "A number line shows both fractions as jumps. The sum is where the last jump ends."


def observed(**changes: Any) -> Observed:
    """Figures about a student who is on the way."""
    usual: dict[str, Any] = {
        "skill": SKILL,
        "item": "Fractions 12",
        "p_correct": 0.71,
        "reason": f"Practise {SKILL}: mastery 62% (48% to 75%, 12 answers); expected success "
        "71% (ability and difficulty 70%), near the target 70% among 14 eligible items.",
        "mastery": 0.62,
        "mastery_low": 0.48,
        "mastery_high": 0.75,
        "n_responses": 12,
        "recent": (True, False, True, True),
        "n_raising": 2,
        "n_lowering": 3,
    }
    return Observed(**usual | changes)


def sources(*texts: str) -> tuple[Source, ...]:
    """Passages with these texts."""
    return tuple(
        Source(f"S{number}", f"chunk-{number}", "How to add fractions", text)
        for number, text in enumerate(texts, start=1)
    )


def evidence(
    *, audience: Audience = "teacher", texts: tuple[str, ...] = (DENOMINATOR,), **changes: Any
) -> Evidence:
    """Evidence for one explanation."""
    return evidence_of(observed(**changes), sources(*texts), audience=audience)


def chunk(text: str, **changes: Any) -> Chunk:
    """A passage of the content library."""
    usual: dict[str, Any] = {
        "chunk_id": f"chunk-{abs(hash(text)) % 10**9}",
        "source": "made_up",
        "kind": "explanation",
        "item_id": None,
        "skill_ids": ("made_up:fractions",),
        "grade": None,
        "locale": "en",
        "licence": None,
        "title": "How to add fractions",
        "text": text,
        "content_hash": "0" * 64,
    }
    return Chunk(**usual | changes)


class ListIndex:
    """Finds chunks in the order they were given, each with a similarity."""

    def __init__(self, *chunks: tuple[Chunk, float | None]) -> None:
        self.chunks, self.asked = chunks, []

    def search(
        self, text: str, *, k: int, filters: Filters | None = None, mode: Mode = "hybrid"
    ) -> list[Hit]:
        """The first k that meet the filters."""
        self.asked.append(text)
        fitting = [(c, s) for c, s in self.chunks if filters is None or filters.accepts(c)]
        return [Hit(c, 1 / n, n, n, s) for n, (c, s) in enumerate(fitting[:k], start=1)]
