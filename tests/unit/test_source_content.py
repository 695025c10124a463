"""Content records of a source to pieces of text."""

from deepkt_irt.sources.content import Piece, Record, pieces

QUESTION = {"question_text": "What joins?", "hint_text": "Two tables.", "explanation": " "}


def choice(number, text, question="7"):
    body = {"choice_text": text, "question_id": question, "is_correct": "true"}
    return Record("choice", number, body)


def test_a_question_gives_its_text_with_choices_in_order_and_its_hint():
    records = [
        choice("10", "A join"),
        choice("9", "A key"),
        choice("11", "A view", question="8"),
        Record("question", "7", QUESTION),
    ]

    assert pieces(records) == [
        Piece("item", "7", "What joins?\n\nA key; A join", item_id="7"),
        Piece("hint", "7", "Two tables.", item_id="7"),
    ]


def test_the_rich_text_is_preferred_since_it_has_the_formulas():
    rich = QUESTION | {"question_rich_text": "What <b>joins</b>?", "hint_text": None}

    assert [piece.text for piece in pieces([Record("question", "7", rich)])] == [
        "What <b>joins</b>?"
    ]


def test_of_a_record_that_came_twice_the_last_counts():
    later = Record("question", "7", QUESTION | {"hint_text": "Other."})

    found = pieces([Record("question", "7", QUESTION), later])

    assert [piece.text for piece in found if piece.kind == "hint"] == ["Other."]


def test_a_lesson_is_about_its_skill_and_says_what_it_knows_of_itself():
    body = {
        "skill_code": "6.G",
        "kind": "hint",
        "title": "Look",
        "text": "At the height.",
        "grade": "6",
        "locale": "en",
        "licence": "",
    }

    assert pieces([Record("lesson", "L1", body)]) == [
        Piece(
            kind="hint",
            content_id="L1",
            text="At the height.",
            skill_ids=("6.G",),
            title="Look",
            grade="6",
            locale="en",
        )
    ]


def test_a_question_without_text_gives_nothing_not_even_its_choices():
    assert pieces([Record("question", "7", {}), choice("1", "A")]) == []


def test_features_of_hints_without_text_give_nothing():
    assert pieces([Record("hint", "H1", {"hint_text_bert_pca": "[0.1]"})]) == []
