"""What `deepkt ask` shows."""

import json

from deepkt_irt.reporting.ask import Answer, Passage, as_json, render_text


def passage(**changed):
    values = {
        "rank": 1,
        "chunk_id": "0a1b",
        "kind": "hint",
        "title": "Union",
        "text": "Draw two circles.\n\nShade " + "both of them " * 12,
        "source": "course",
        "item_id": None,
        "skills": ("Union", "Set"),
        "grade": "9",
        "licence": None,
        "score": 0.03,
        "similarity": 0.418,
        "lexical_rank": 1,
        "vector_rank": 2,
    }
    return Passage(**(values | changed))


def test_a_passage_is_shown_word_for_word_with_what_to_cite_it_by():
    shown = render_text(Answer("what is a union", "hybrid", (passage(),)))

    head, first, *rest, foot = shown.splitlines()
    assert (head, first) == ("1. Union", "   Draw two circles.")
    assert " ".join(" ".join(rest).split()) == "Shade " + ("both of them " * 12).strip()
    assert max(map(len, rest)) <= 96
    assert foot == "   [hint · Union, Set · grade 9 · course · similarity 0.42 · 0a1b]"


def test_what_is_not_known_is_left_out():
    bare = passage(skills=(), grade=None, similarity=None)

    assert render_text(Answer("x", "lexical", (bare,))).splitlines()[-1] == (
        "   [hint · course · 0a1b]"
    )


def test_nothing_found_is_said_and_nothing_is_made_up():
    assert render_text(Answer("x", "hybrid", ())).startswith("Nothing in the content library")


def test_json_holds_everything():
    found = as_json(Answer("x", "hybrid", (passage(),)))

    assert json.loads(json.dumps(found)) == found | {
        "passages": [found["passages"][0] | {"skills": ["Union", "Set"]}]
    }
    assert found["passages"][0]["text"] == passage().text
