"""How students answered, as text and JSON: observed, with its uncertainty, without a judgement."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from deepkt_irt.reporting.gaming import (
    Count,
    Evidence,
    Gaming,
    StudentBehaviour,
    as_json,
    confidence,
    render_text,
    what_was_seen,
)
from deepkt_irt.settings import BehaviourSettings

SETTINGS = BehaviourSettings()
QUICK = Evidence(
    event_id="e1",
    sequence_number=7,
    item_id="s:q1",
    item="Halves",
    answered_at=datetime(2026, 3, 1, 9, 5, tzinfo=UTC),
    patterns=("rapid_guess",),
    latency_ms=1_800,
    usual_ms=38_000.0,
    hint_count=0,
)
ANN = StudentBehaviour(
    student_id="ann",
    source="s",
    n_judged=80,
    n_seen=21,
    counts=(
        Count("rapid_guess", 9, 80),
        Count("answer_before_attempt", 12, 80),
        Count("hint_chain", 0, 1),
        Count("wrong_then_answer", 0, 0),
    ),
    evidence=(QUICK,),
)
VIEW = Gaming(
    about="all students",
    students=(ANN,),
    n_students=12,
    n_too_few=3,
    n_with_patterns=4,
    n_judged=960,
    n_seen=24,
    settings=SETTINGS,
)


@pytest.mark.parametrize(
    ("n_seen", "n", "word"),
    [
        (19, 19, "too few questions"),
        (21, 80, "clear"),
        (5, 40, "likely"),
        (3, 40, "open"),
        (0, 20, "open"),  # up to 16% is compatible with that
        (0, 80, "seldom"),
        (10, 100, "open"),
    ],
)
def test_confidence_goes_by_the_whole_interval(n_seen, n, word):
    assert confidence(n_seen, n, SETTINGS) == word


def test_text_says_how_often_and_how_sure_in_sentences():
    text = render_text(VIEW)

    assert "patterns were seen in 2.5% of 960 questions that could be judged" in text
    assert "patterns in 21 of 80 questions: 26% (95%: 18% to 37%), clear: the whole" in text
    assert "answers were asked for before a first attempt in 12 of 80 questions" in text
    assert (
        "hints were opened down to the answer before a first attempt in 0 of 1 question\n" in text
    )
    assert "whether a quick wrong answer was followed by asking for the answer is not known" in text
    assert "2026-03-01 09:05  Halves" in text
    assert "answered after 1.8 s (usual: 38.0 s)" in text
    assert "No pattern was seen of 8 students with 20 questions or more." in text
    assert "3 more students with patterns, at lower rates." in text
    assert "3 students with fewer than 20 questions that could be judged: no verdict." in text


def test_text_observes_and_never_accuses():
    shown = render_text(VIEW).lower() + json.dumps(as_json(VIEW)).lower()

    assert "observations, not reasons" in shown
    assert not re.search(r"gam(e|ing)|cheat|guess(ed|ing)|abus|lazy|trick|misus|suspic", shown)


def test_few_questions_get_no_verdict_and_that_is_said():
    few = replace(ANN, n_judged=19, n_seen=9)
    view = replace(VIEW, students=(few,), n_students=0, n_too_few=1, n_with_patterns=0)

    text, (facts,) = render_text(view), as_json(view)["students"]

    assert "patterns in 9 of 19 questions: no verdict on fewer than 20" in text
    assert "95%" not in text
    assert (facts["rate"], facts["rate_low"], facts["rate_high"]) == (None, None, None)
    assert facts["confidence"] == "too few questions"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"usual_ms": None}, "answered after 1.8 s"),
        ({"answered_at": None}, "answered after 1.8 s (usual: 38.0 s)"),
        ({"patterns": ("answer_before_attempt",)}, "the answer before an attempt"),
        (
            {"patterns": ("answer_before_attempt", "hint_chain"), "hint_count": 3},
            "3 hints down to the answer before an attempt",
        ),
        (
            {"patterns": ("rapid_guess", "wrong_then_answer")},
            "wrong after 1.8 s (usual: 38.0 s), then the answer",
        ),
    ],
)
def test_evidence_in_words(change, words):
    assert what_was_seen(replace(QUICK, **change)) == words


def test_json_has_what_the_text_has_and_null_where_nothing_is_known():
    facts = json.loads(json.dumps(as_json(VIEW), allow_nan=False))

    (student,) = facts["students"]
    assert (student["n_judged"], student["n_seen"], student["confidence"]) == (80, 21, "clear")
    assert student["rate_low"] < student["rate"] == 21 / 80 < student["rate_high"]
    assert student["patterns"]["answer_before_attempt"] == {"n_seen": 12, "n_judged": 80}
    assert student["patterns"]["wrong_then_answer"] == {"n_seen": None, "n_judged": 0}
    assert student["evidence"][0]["answered_at"] == "2026-03-01T09:05:00+00:00"
    assert student["evidence"][0]["patterns"] == ["rapid_guess"]
    assert (facts["n_students"], facts["n_students_too_few"]) == (12, 3)


def test_settings_refuse_a_rapid_guess_that_is_not_fast():
    with pytest.raises(ValueError, match="must not exceed"):
        BehaviourSettings(rapid_share=0.5)
