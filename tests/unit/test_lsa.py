"""Terms, and the embedder that is fitted on the library."""

import numpy as np
import pytest

from deepkt_irt.errors import BadFile, NoData
from deepkt_irt.rag.lsa import Lsa
from deepkt_irt.rag.words import terms

TEXTS = [
    "A union of two sets holds what is in either set.",
    "An intersection of two sets holds what is in both.",
    "A primary key names each row of a table.",
    "A foreign key points at the key of another table.",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Queries, SETS and buses", ["query", "set", "and", "buse"]),
        ("class status ids", ["class", "status", "ids"]),
        ("x_1 doesn't R1", ["x", "1", "doesn't", "r1"]),
        ("ﬁrst Straße", ["first", "strasse"]),
        ("… — !", []),
    ],
)
def test_terms_are_words_without_case_and_plural(text, expected):
    assert terms(text) == expected


def test_texts_on_one_subject_are_nearer_than_texts_on_two():
    vectors = Lsa.fitted(TEXTS, dimension=8).embed(TEXTS)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T

    assert cosine[0, 1] > cosine[0, 2]
    assert cosine[2, 3] > cosine[2, 1]


def test_a_word_nobody_wrote_is_near_those_it_shares_parts_with():
    lsa = Lsa.fitted(TEXTS, dimension=4)
    asked, sets, keys = lsa.embed(["intersecting", TEXTS[1], TEXTS[2]])

    assert asked @ sets / np.linalg.norm(sets) > asked @ keys / np.linalg.norm(keys) + 0.1


def test_the_same_texts_in_any_order_give_the_same_version():
    one, other = Lsa.fitted(TEXTS, dimension=8), Lsa.fitted(TEXTS[::-1], dimension=8)

    assert one.version == other.version
    assert Lsa.fitted(TEXTS[:3], dimension=8).version != one.version


def test_fewer_directions_than_asked_for_are_filled_with_zeros():
    vectors = Lsa.fitted(TEXTS[:2], dimension=8).embed(TEXTS[:2])

    assert vectors.shape == (2, 8)
    assert np.abs(vectors[:, 2:]).max() == 0


def test_a_saved_embedder_embeds_as_before(tmp_path):
    lsa = Lsa.fitted(TEXTS, dimension=8)

    path = lsa.save(tmp_path / "embedders")
    loaded = Lsa.load(tmp_path / "embedders", lsa.version)

    assert path.name == f"lsa-{lsa.version}.npz"
    assert lsa.save(tmp_path / "embedders") == path
    np.testing.assert_array_equal(loaded.embed(TEXTS), lsa.embed(TEXTS))


def test_a_version_that_is_not_there_or_not_itself_is_refused(tmp_path):
    lsa = Lsa.fitted(TEXTS, dimension=8)
    with pytest.raises(BadFile, match="there is no embedder to be read; run build_vector_index"):
        Lsa.load(tmp_path, lsa.version)

    lsa.save(tmp_path).rename(tmp_path / "lsa-other.npz")
    with pytest.raises(BadFile, match="it is not the version its name says"):
        Lsa.load(tmp_path, "other")

    (tmp_path / "lsa-other.npz").write_bytes(b"PK torn")
    with pytest.raises(BadFile, match="there is no embedder to be read"):
        Lsa.load(tmp_path, "other")


def test_a_library_without_a_word_fits_nothing():
    with pytest.raises(NoData, match="no word to fit an embedder on"):
        Lsa.fitted(["…", "!"], dimension=8)
