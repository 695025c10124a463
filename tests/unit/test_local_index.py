"""Exact search: BM25 by hand, ranks, filters, fusion, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.errors import UsageError
from deepkt_irt.rag.embedders import embedded
from deepkt_irt.rag.index import CHUNK_COLUMNS, Chunk, Filters
from deepkt_irt.rag.local_index import Bm25, LocalIndex, Ranking, fused
from deepkt_irt.rag.lsa import Lsa
from deepkt_irt.settings import ContentSettings
from made_up_content import chunk

CHUNKS = [
    chunk("union", "A union of sets holds what is in either set.", skills=("c:1",), grade="9"),
    chunk("join", "A join pairs the rows of two tables.", kind="hint", skills=("c:2", "c:3")),
    chunk("key", "A key names each row of a table.", kind="hint", skills=("c:3",), item_id="c:i"),
    chunk("clé", "Une clé nomme chaque ligne.", locale="fr", source="course"),
]
SETTINGS = ContentSettings(dimension=8)


def index_of(chunks):
    texts = [f"{each.title}\n{each.text}" for each in chunks]
    lsa = Lsa.fitted(texts, dimension=8)
    return LocalIndex(chunks, embedded(lsa, texts), lsa, SETTINGS)


@pytest.fixture(scope="module")
def index():
    return index_of(CHUNKS)


def titles(hits):
    return [hit.chunk.title for hit in hits]


def test_bm25_is_its_formula():
    bm25 = Bm25(["red red blue", "blue", "green grass grows"], k1=1.2, b=0.75)

    idf = {"red": math.log(1 + 2.5 / 1.5), "blue": math.log(1 + 1.5 / 2.5)}
    long, short = (1.2 * (0.25 + 0.75 * n / (7 / 3)) for n in (3, 1))
    first = idf["red"] * 2 * 2.2 / (2 + long) + idf["blue"] * 2.2 / (1 + long)
    expected = [first, idf["blue"] * 2.2 / (1 + short), 0]
    np.testing.assert_allclose(bm25.scores("Blue reds, blue?"), expected, rtol=1e-12)
    assert bm25.scores("yellow").tolist() == [0, 0, 0]


def test_bm25_of_no_texts_finds_nothing():
    assert Bm25([], k1=1.2, b=0.75).scores("red").shape == (0,)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 8), st.randoms())
def test_the_best_are_those_a_full_sort_gives(scores, k, random):
    allowed = np.array([random.random() < 0.7 for _ in scores])
    rows = Ranking.best(np.array(scores, dtype=float), allowed, k).rows

    order = sorted(np.flatnonzero(allowed), key=lambda row: (-scores[row], row))
    assert rows.tolist() == order[:k]


def test_fusion_adds_inverted_places():
    first = Ranking(np.array([3, 1]), np.array([9.0, 8.0]))
    second = Ranking(np.array([1, 2]), np.array([0.9, 0.8]))

    both = fused([first, second], rrf_k=60, k=2)

    assert both.rows.tolist() == [1, 3]
    np.testing.assert_allclose(both.scores, [1 / 62 + 1 / 61, 1 / 61])


def test_every_mode_says_what_it_ranked_by(index):
    question = "what does a key name in a table"
    lexical, vector, hybrid = (
        index.search(question, k=1, mode=mode)[0] for mode in ("lexical", "vector", "hybrid")
    )

    assert {lexical.chunk.title, vector.chunk.title, hybrid.chunk.title} == {"key"}
    assert (lexical.lexical_rank, lexical.vector_rank, lexical.similarity) == (1, None, None)
    assert (vector.lexical_rank, vector.vector_rank) == (None, 1)
    assert vector.score == vector.similarity == hybrid.similarity
    assert (hybrid.lexical_rank, hybrid.vector_rank) == (1, 1)
    assert hybrid.score == pytest.approx(2 / 61)


def test_vectors_are_searched_exactly():
    rng = np.random.default_rng(5)
    made = [chunk(f"t{n}", f"words {n}") for n in range(300)]

    class Drawn:
        name, version, dimension = "drawn", "1", 8

        def embed(self, texts):
            return asked[None, :]

    vectors = rng.normal(size=(300, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = rng.normal(size=8)
    found = LocalIndex(made, vectors.astype(np.float32), Drawn(), SETTINGS)

    best = np.argsort(-(vectors @ asked))[:10]
    hits = found.search("anything", k=10, mode="vector")
    assert titles(hits) == [f"t{n}" for n in best]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), {"union", "join", "key", "clé"}),
        (Filters(kinds=("hint",)), {"join", "key"}),
        (Filters(skill_ids=("c:3", "c:1")), {"union", "join", "key"}),
        (Filters(skill_ids=("c:3",), item_ids=("c:i",)), {"key"}),
        (Filters(grades=("9",)), {"union"}),  # a chunk of an unknown grade does not meet it
        (Filters(locales=("fr",)), {"clé"}),
        (Filters(sources=("course",), locales=("en",)), set()),
        (Filters(skill_ids=("c:99",)), set()),
    ],
)
def test_filters_let_through_what_meets_all_of_them(index, filters, expected):
    hits = index.search("row of sets, clé", k=9, filters=filters, mode="vector")

    assert set(titles(hits)) == expected
    assert {each.title for each in CHUNKS if filters.accepts(each)} == expected


def test_a_question_of_unknown_words_finds_nothing_and_is_no_error(index):
    for mode in ("lexical", "vector", "hybrid"):
        assert index.search("数学", k=3, mode=mode) == []


def test_equal_scores_stand_in_the_order_of_their_ids():
    twins = [chunk("t", "same words", chunk_id=name) for name in ("b", "c", "a")]

    hits = index_of(twins).search("same words", k=3)

    assert [hit.chunk.chunk_id for hit in hits] == ["a", "b", "c"]


def test_an_empty_library_answers_with_nothing():
    lsa = Lsa.fitted(["some words"], dimension=8)
    empty = LocalIndex([], np.zeros((0, 8), dtype=np.float32), lsa, SETTINGS)

    assert empty.search("some words", k=3) == []


def test_useless_questions_and_vectors_that_do_not_fit_are_refused(index):
    with pytest.raises(UsageError, match="the question is empty"):
        index.search("  ", k=3)
    with pytest.raises(UsageError, match="0 hits were asked for"):
        index.search("key", k=0)
    with pytest.raises(ValueError, match=r"vectors are \(1, 8\), expected \(4, 8\)"):
        LocalIndex(CHUNKS, np.zeros((1, 8), dtype=np.float32), index._embedder, SETTINGS)


def test_a_chunk_comes_back_from_a_row_as_it_was():
    for each in CHUNKS:
        row = {name: getattr(each, name) for name in CHUNK_COLUMNS}
        row |= {"skill_ids": np.array(each.skill_ids, dtype=object), "beside": 1}
        row = {name: math.nan if value is None else value for name, value in row.items()}
        assert Chunk.of(row) == each
