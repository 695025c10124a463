"""How well a search finds material on a question's skills, on questions whose own is held out.

A question is asked as a student sees it. What is tagged with one of its skills is relevant. The
library lacks all material of the questions asked, and of those that share a text with them, so no
question finds itself; skills stand in titles of the library, never in what is asked.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from deepkt_irt.rag.content import Passage, chunks_of
from deepkt_irt.rag.index import Chunk, Index, Mode
from deepkt_irt.rag.words import terms

MODES: tuple[Mode, ...] = ("lexical", "vector", "hybrid")
DEPTHS = (1, 5, 10)
"""Numbers of first hits that are looked at; the interval shown and the aim are of the second."""

_HELD_OUT_PERCENT = 30
_SALT = "retrieval-2"
_WHOLE = 100_000  # characters: a question is asked in one piece


@dataclass(frozen=True)
class Questions:
    """Content by the question it belongs to.

    Attributes:
        general: Passages of no question, or of one that cannot be asked.
        material: By question, its passages: what is asked, hints, explanations.
        skills: By question, the skills it is about.
        group: By question, the first of those that it shares a text with.
    """

    general: tuple[Passage, ...]
    material: Mapping[str, list[Passage]]
    skills: Mapping[str, set[str]]
    group: Mapping[str, str]

    @classmethod
    def among(cls, passages: Iterable[Passage]) -> "Questions":
        """Questions that have a text and skills, in the order in which they come."""
        every = list(passages)
        asked = {p.item_id for p in every if p.kind == "item" and p.skill_ids and p.text.strip()}
        material: dict[str, list[Passage]] = {}
        for passage in every:
            if passage.item_id is not None and passage.item_id in asked:
                material.setdefault(passage.item_id, []).append(passage)
        return cls(
            general=tuple(each for each in every if each.item_id not in asked),
            material=material,
            skills={
                question: {skill for each in own for skill in each.skill_ids}
                for question, own in material.items()
            },
            group=_groups(material),
        )

    def split(self) -> tuple[list[str], list[str]]:
        """Questions that stay in the library, and those held out; whole groups."""
        held = {each for each in self.group.values() if _draw(each) < _HELD_OUT_PERCENT}
        return (
            [each for each in self.material if self.group[each] not in held],
            [each for each in self.material if self.group[each] in held],
        )

    def library(self, questions: Iterable[str], *, max_characters: int) -> list[Chunk]:
        """What belongs to no question, and the material of some."""
        own = [passage for each in questions for passage in self.material[each]]
        return chunks_of([*self.general, *own], max_characters=max_characters)

    def asked(self, question: str) -> str:
        """What a student sees: the question and its choices."""
        first = next(each for each in self.material[question] if each.kind == "item")
        (chunk, *_) = chunks_of([first], max_characters=_WHOLE)
        return chunk.text


def _groups(material: Mapping[str, list[Passage]]) -> dict[str, str]:
    """Questions that share any text, however far, under the first of them."""
    first = {question: question for question in material}
    holder: dict[str, str] = {}
    for question, passages in material.items():
        for passage in passages:
            other = first[holder.setdefault(" ".join(terms(passage.text)), question)]
            own = first[question]
            if own != other:
                first = {each: other if root == own else root for each, root in first.items()}
    return first


def _draw(group: str) -> int:
    digest = hashlib.sha256(f"{_SALT}:{group}".encode()).hexdigest()
    return int(digest, 16) % 100


@dataclass(frozen=True)
class Found:
    """What was found for one question.

    Attributes:
        relevant: Whether each hit is about one of the question's skills, best first.
        covered: Share of its skills that the first so many hits are about, by depth.
        best: Discounted gain of the best possible order.
    """

    relevant: list[bool]
    covered: dict[int, float]
    best: float

    def recall(self, k: int) -> float:
        """1 if one of the first k is relevant."""
        return float(any(self.relevant[:k]))

    @property
    def reciprocal_rank(self) -> float:
        """Of the first relevant one; 0 if there is none among those looked at."""
        return next((1 / place for place, hit in enumerate(self.relevant, 1) if hit), 0.0)

    @property
    def ndcg(self) -> float:
        """Discounted gain beside that of the best order (Järvelin and Kekäläinen, 2002)."""
        return _gain(self.relevant) / self.best if self.best else 0.0


def _gain(relevant: Sequence[bool]) -> float:
    return float(sum(hit / np.log2(place + 1) for place, hit in enumerate(relevant, 1)))


def searched(
    index: Index, library: Sequence[Chunk], questions: Questions, asked: Iterable[str]
) -> dict[Mode, list[Found]]:
    """What each kind of search finds for some questions.

    Args:
        index: Over the library.
        library: Without material of what is asked.
        questions: All.
        asked: Those that are asked.
    """
    found: dict[Mode, list[Found]] = {mode: [] for mode in MODES}
    for question in asked:
        wanted, text = questions.skills[question], questions.asked(question)
        n_relevant = sum(bool(wanted & set(chunk.skill_ids)) for chunk in library)
        best = _gain([True] * min(max(DEPTHS), n_relevant))
        for mode in MODES:
            hits = index.search(text, k=max(DEPTHS), mode=mode)
            about = [wanted & set(hit.chunk.skill_ids) for hit in hits]
            covered = {k: len(set().union(*about[:k])) / len(wanted) for k in DEPTHS}
            found[mode].append(Found([bool(each) for each in about], covered, best))
    return found


@dataclass(frozen=True)
class Measures:
    """Figures of one kind of search, over questions.

    Attributes:
        n_questions: That were asked.
        recall: Share for which one of the first so many hits is relevant, by depth.
        covered: Mean share of a question's skills that the first so many are about, by depth.
        mrr: Mean reciprocal rank within the deepest.
        ndcg: Mean normalised discounted cumulative gain within the deepest.
    """

    n_questions: int
    recall: Mapping[int, float]
    covered: Mapping[int, float]
    mrr: float
    ndcg: float


def measured(found: Sequence[Found]) -> Measures:
    """Figures over what was found for at least one question."""
    return Measures(
        n_questions=len(found),
        recall={k: fmean(each.recall(k) for each in found) for k in DEPTHS},
        covered={k: fmean(each.covered[k] for each in found) for k in DEPTHS},
        mrr=fmean(each.reciprocal_rank for each in found),
        ndcg=fmean(each.ndcg for each in found),
    )
