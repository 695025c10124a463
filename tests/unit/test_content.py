"""Passages to chunks, and files of teachers to passages."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.errors import BadFile
from deepkt_irt.rag.content import Passage, chunks_of, document_passages

SKILLS = {"union": "course:7", "course:7": "course:7"}


def passage(text, **changed):
    values = {"source": "course", "kind": "hint", "place": "12", "title": "Hint", "text": text}
    return Passage(**(values | changed))


def texts(text, limit):
    return [chunk.text for chunk in chunks_of([passage(text)], max_characters=limit)]


def document(text, name="unit/sets.md"):
    return document_passages(name, text.encode(), skills=SKILLS, locale="en")


def test_paragraphs_stay_together_as_long_as_they_fit():
    text = "One.\n\nTwo.\n\nThree is longer."

    assert texts(text, 16) == ["One.\n\nTwo.", "Three is longer."]
    assert texts(text, 14) == ["One.\n\nTwo.", "Three is", "longer."]


def test_long_paragraphs_are_cut_after_sentences_not_after_abbreviations():
    text = "See e.g. Codd. He wrote it first! Did he? (Yes.) All agree."

    assert texts(text, 34) == ["See e.g. Codd. He wrote it first!", "Did he? (Yes.) All agree."]


@given(
    st.lists(st.text(alphabet="abc.?! ", min_size=1, max_size=80), max_size=6),
    st.integers(5, 60),
)
def test_no_piece_is_longer_than_asked_and_no_character_is_lost(paragraphs, limit):
    text = "\n\n".join(paragraphs)
    found = [
        chunk.text
        for n, each in enumerate(paragraphs)
        for chunk in chunks_of([passage(each, place=str(n))], max_characters=limit)
    ]

    assert all(0 < len(piece) <= limit for piece in found)
    if all(len(set(p.split())) == len(p.split()) for p in paragraphs):  # no piece stands twice
        assert re.sub(r"\s", "", "".join(found)) == re.sub(r"\s", "", text)


def test_ids_follow_place_and_words_and_nothing_else():
    (one,) = chunks_of([passage("A union holds both.")], max_characters=100)
    (tagged,) = chunks_of(
        [passage("A union holds both.", skill_ids=("b", "a", "b"), grade="9")], max_characters=100
    )
    (changed,) = chunks_of([passage("A union holds all.")], max_characters=100)
    (moved,) = chunks_of([passage("A union holds both.", place="13")], max_characters=100)

    assert tagged.chunk_id == one.chunk_id
    assert tagged.skill_ids == ("a", "b")
    assert len({one.chunk_id, changed.chunk_id, moved.chunk_id}) == 3
    assert moved.content_hash == one.content_hash != changed.content_hash


def test_the_same_words_at_the_same_place_count_once_and_no_words_not_at_all():
    chunks = chunks_of([passage("Same."), passage("Same."), passage(" ")], max_characters=100)

    assert [chunk.text for chunk in chunks] == ["Same."]


def test_a_document_gives_a_passage_per_section_with_the_properties_on_top():
    top = "---\ntitle: Sets\nskills: Union\ngrade: 9\nlicence: CC0\n---\n"
    text = f"{top}# Laws\nA law.\n## More\nMore."

    first, second = document(text)

    assert (first.title, second.title) == ("Sets: Laws", "Sets: Laws: More")
    assert first.place == "unit/sets.md#Laws"
    assert (first.skill_ids, first.grade, first.licence) == (("course:7",), "9", "CC0")
    assert first.kind == "document"


def test_a_document_says_its_language_in_html_and_is_named_by_its_file_without_a_title():
    (found,) = document("<html lang=fr><p>Une loi.</html>", "lois_utiles.html")

    assert (found.locale, found.title, found.skill_ids) == ("fr", "lois utiles", ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", r"unit/sets.md: byte 0 is no UTF-8; save it as UTF-8"),
        (b"# Only a heading", "it has no text below its headings"),
        (b"---\nskill: union\n---\nText.", "no property 'skill' on top; there are grade, licence"),
        (b"---\nskills: union; onion\n---\nText.", "skills: no skill 'onion'; write a name"),
    ],
)
def test_a_file_that_would_be_misread_is_refused(content, message):
    with pytest.raises(BadFile, match=message):
        document_passages("unit/sets.md", content, skills=SKILLS, locale="en")
