"""Search on this machine: exact vectors, BM25, and both fused by reciprocal ranks.

Holds all vectors in memory, float32: 20,000 chunks of 256 numbers take 20 MB. Exact, so recall
against brute force is 1 by construction; for more than some hundred thousand chunks there is
`databricks_index`.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from deepkt_irt.rag.embedders import Embedder, embedded_question
from deepkt_irt.rag.index import (
    PROPERTY_OF_FILTER,
    Chunk,
    Filters,
    Hit,
    Mode,
    refuse_useless_question,
)
from deepkt_irt.rag.words import terms
from deepkt_irt.settings import ContentSettings

FloatArray = NDArray[np.float64]
Vectors = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Bm25:
    """Okapi BM25 over some texts (Robertson and Zaragoza, 2009, doi:10.1561/1500000019).

    Args:
        texts: What is searched.
        k1: How fast more of a term counts less.
        b: How much a long text is held to say no more than a short one, 0 to 1.
    """

    def __init__(self, texts: Sequence[str], *, k1: float, b: float) -> None:
        counted = [Counter(terms(text)) for text in texts]
        self._place = {term: n for n, term in enumerate(sorted({t for c in counted for t in c}))}
        rows = np.repeat(np.arange(len(counted)), [len(each) for each in counted])
        columns = np.array([self._place[t] for c in counted for t in c], dtype=np.int64)
        n = np.array([count for c in counted for count in c.values()], dtype=np.float64)
        length = np.array([c.total() for c in counted], dtype=np.float64)
        usual = 1 - b + b * length / max(1.0, float(length.mean()) if len(length) else 1.0)
        n_texts = np.bincount(columns, minlength=len(self._place))  # that have the term
        idf = np.log1p((len(counted) - n_texts + 0.5) / (n_texts + 0.5))
        weight = idf[columns] * n * (k1 + 1) / (n + k1 * usual[rows])
        shape = (len(counted), len(self._place))
        self._weights = sparse.coo_array((weight, (rows, columns)), shape=shape).tocsc()

    @property
    def n_bytes(self) -> int:
        """Bytes of the weights."""
        parts = (self._weights.data, self._weights.indices, self._weights.indptr)
        return int(sum(part.nbytes for part in parts))

    def scores(self, text: str) -> FloatArray:
        """How well each text answers a question; 0 without a term in common, (texts,)."""
        asked = sorted({self._place[term] for term in terms(text) if term in self._place})
        total = np.zeros(self._weights.shape[0])
        for column in asked:
            start, end = self._weights.indptr[column : column + 2]
            total[self._weights.indices[start:end]] += self._weights.data[start:end]
        return total


@dataclass(frozen=True)
class Ranking:
    """Rows found in one way, best first, with what each scored, (found,)."""

    rows: IntArray
    scores: FloatArray

    @classmethod
    def best(cls, scores: FloatArray, allowed: BoolArray, k: int) -> "Ranking":
        """The k best of the rows that are allowed; of equal ones the first."""
        rows = np.flatnonzero(allowed)
        if len(rows) > k:  # all that could be among them, ties too
            least = np.partition(scores[rows], len(rows) - k)[len(rows) - k]
            rows = rows[scores[rows] >= least]
        rows = rows[np.argsort(-scores[rows], kind="stable")][:k]
        return cls(rows, scores[rows])

    @property
    def places(self) -> dict[int, int]:
        """Place of each row, from 1."""
        return {int(row): place for place, row in enumerate(self.rows, start=1)}


NOTHING = Ranking(np.zeros(0, dtype=np.int64), np.zeros(0))


def fused(rankings: Sequence[Ranking], *, rrf_k: int, k: int) -> Ranking:
    """One ranking of several, by the sum of 1 / (rrf_k + place).

    Reciprocal rank fusion: Cormack, Clarke and Buettcher (2009), doi:10.1145/1571941.1572114.
    """
    total: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for row, place in ranking.places.items():
            total[row] += 1 / (rrf_k + place)
    best = sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))[:k]
    rows = np.array([row for row, _ in best], dtype=np.int64)
    return Ranking(rows, np.array([score for _, score in best]))


class LocalIndex:
    """Searches chunks and their embeddings; an `Index`.

    Args:
        chunks: What can be found.
        vectors: Of unit length, one row a chunk, (chunks, dimension).
        embedder: That made them.
        settings: Of BM25 and the fusion.

    Raises:
        ValueError: If vectors are not one of the embedder's length for each chunk.
    """

    def __init__(
        self,
        chunks: Sequence[Chunk],
        vectors: Vectors,
        embedder: Embedder,
        settings: ContentSettings,
    ) -> None:
        if vectors.shape != (len(chunks), embedder.dimension):
            expected = (len(chunks), embedder.dimension)
            raise ValueError(f"vectors are {vectors.shape}, expected {expected}")
        order = sorted(range(len(chunks)), key=lambda n: chunks[n].chunk_id)  # settles ties
        self._chunks = [chunks[n] for n in order]
        self._vectors = np.ascontiguousarray(vectors[order], dtype=np.float32)
        self._embedder, self._settings = embedder, settings
        texts = [f"{chunk.title}\n{chunk.text}" for chunk in self._chunks]
        self._bm25 = Bm25(texts, k1=settings.bm25_k1, b=settings.bm25_b)
        self._rows = _rows_by_property(self._chunks)

    @property
    def n_bytes(self) -> int:
        """Bytes of the vectors and of BM25's weights."""
        return self._vectors.nbytes + self._bm25.n_bytes

    def search(
        self, text: str, *, k: int, filters: Filters | None = None, mode: Mode = "hybrid"
    ) -> list[Hit]:
        """The best hits, as every `Index` gives them."""
        refuse_useless_question(text, k)
        allowed = self._allowed(filters or Filters())
        depth = max(k, self._settings.candidates) if mode == "hybrid" else k
        lexical = vector = NOTHING
        similarity = None
        if mode != "vector":
            scores = self._bm25.scores(text)
            lexical = Ranking.best(scores, allowed & (scores > 0), depth)
        if mode != "lexical":
            asked = embedded_question(self._embedder, text)
            if asked is not None:
                similarity = (self._vectors @ asked).astype(np.float64)
                vector = Ranking.best(similarity, allowed, depth)
        found = [ranking for ranking in (lexical, vector) if len(ranking.rows)]
        if mode == "hybrid":
            found = [fused(found, rrf_k=self._settings.rrf_k, k=k)]
        places = lexical.places, vector.places
        return [
            Hit(
                chunk=self._chunks[row],
                score=float(score),
                lexical_rank=places[0].get(int(row)),
                vector_rank=places[1].get(int(row)),
                similarity=None if similarity is None else float(similarity[row]),
            )
            for ranking in found
            for row, score in zip(ranking.rows, ranking.scores, strict=True)
        ]

    def _allowed(self, filters: Filters) -> BoolArray:
        """Whether each row meets the filters, (chunks,)."""
        allowed = np.ones(len(self._chunks), dtype=np.bool_)
        for each in fields(filters):
            wanted = getattr(filters, each.name)
            if wanted:
                rows = self._rows[each.name]
                met = np.zeros(len(allowed), dtype=np.bool_)
                for value in wanted:
                    met[rows.get(value, [])] = True
                allowed &= met
        return allowed


def _rows_by_property(chunks: Sequence[Chunk]) -> dict[str, dict[str, list[int]]]:
    """By filter and value, the rows that have it."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, chunk in enumerate(chunks):
        for name, property_ in PROPERTY_OF_FILTER.items():
            value = getattr(chunk, property_)
            for each in value if isinstance(value, tuple) else (value,):
                if each is not None:
                    found[name][each].append(row)
    return found
