"""One student on the page and in the terminal: what is explained, and what that rests on."""

import json
from dataclasses import replace

import pytest

from deepkt_irt.reporting.explanation import Explained, Ground, Told
from deepkt_irt.reporting.run_report import render
from deepkt_irt.reporting.student_data import Student
from deepkt_irt.reporting.student_trace import StudentTrace, as_json, render_text
from made_up_items import report

TEACHER = Explained(
    audience="teacher",
    skill="Union",
    item="Union of two sets",
    summary=(Told("3 of the last 4 answers on Union were right.", ("F2",)),),
    steps=(Told("Write <each> thing once.", ("S1",)),),
    next_action="Practise Union of two sets.",
    grounds=(
        Ground("F2", "3 of the last 4 answers on Union were right.", None),
        Ground("S1", "Union", "c-7"),
    ),
    outcome="verified",
    offline_reason=None,
    problems=None,
    model="gpt-4o",
    reading_grade=5.2,
    explained_at="2026-03-01T02:00:00+00:00",
)
PUPIL = replace(
    TEACHER,
    audience="student",
    steps=(),
    outcome="offline",
    offline_reason="the budget of the run was spent",
    model="offline",
)
STUDENT = Student(
    label="Student 0f3a",
    classes=(),
    split="test",
    ability=None,
    n_events=4,
    mastery=(),
    answers=(),
    next_items=(),
    explanations=(TEACHER, PUPIL),
)


@pytest.fixture(scope="module")
def shown():
    page = render(replace(report(), students=(STUDENT,)))
    return page.split('<section id="students">')[1].split("</section>")[0]


def test_page_explains_to_teacher_and_student_and_says_on_what_it_rests(shown):
    assert "Why Union of two sets, in words" in shown
    assert shown.index("For the teacher") < shown.index("For the student")
    assert 'were right. <small class="soft">F2</small>' in shown
    assert "<li><b>S1</b> Union</li>" in shown
    assert "Write &lt;each&gt; thing once." in shown


def test_page_says_who_worded_an_explanation(shown):
    assert "Worded by gpt-4o and verified; 2026-03-01." in shown
    assert "Fixed sentences, since the budget of the run was spent; 2026-03-01." in shown


def test_page_of_a_student_without_explanations_has_no_place_for_them():
    assert "in words" not in render(
        replace(report(), students=(replace(STUDENT, explanations=()),))
    )


def test_trace_ends_a_recommendation_with_its_explanation():
    trace = StudentTrace("pupil", "course", None, STUDENT, None)
    text = render_text(trace)

    assert text.index("Practise next") < text.index("Why, in words") < text.index("No model has")
    assert "    3 of the last 4 answers on Union were right. [F2]" in text
    assert (
        json.loads(json.dumps(as_json(trace)))["student"]["explanations"][1]["model"] == "offline"
    )
    assert "in words" not in render_text(replace(trace, student=replace(STUDENT, explanations=())))
