"""Who needs help, and how recommendations are decided: what the page says of both."""

from dataclasses import replace

import pytest

from deepkt_irt.reporting.help_today import ClassHelp, HelpOnSkill, NeedsHelp
from deepkt_irt.reporting.policy_report import Gap, GroupShare, PolicyReport
from deepkt_irt.reporting.run_report import render
from deepkt_irt.reporting.student_data import Next
from made_up_items import report
from made_up_report import HEAT, HELP

REASONS = ("the last 5 answers on it were wrong", "mastery fell from 62% to 34%")
WORST = HelpOnSkill("Fractions", REASONS, (0.34, 0.21, 0.48), "2026-02-27")


def section(page, name):
    return page.split(f'<section id="{name}">')[1].split("</section>")[0]


def student(**changed):
    given = {
        "key": "1a2b3c4d5e",
        "label": "Student 1a2b",
        "worst": WORST,
        "n_more": 1,
        "behaviour": None,
        "next_item": Next(1, "Halves & thirds", 0.71, "near the target of 70%"),
        "elsewhere": None,
        "nothing": None,
    }
    return NeedsHelp(**(given | changed))


def test_page_lists_who_needs_help_on_what_why_and_what_to_practise():
    calm = ClassHelp("class-b", 20, 0, 0, ())
    needing = ClassHelp(
        "class-a",
        24,
        7,
        3,
        (
            student(elsewhere="Nothing on the skill itself fits now."),
            student(
                label="Student 9f",
                n_more=0,
                next_item=None,
                nothing="every open skill is mastered",
                behaviour="answers came far faster in 8 of 30 questions",
            ),
        ),
    )

    found = section(render(report(help_today=(needing, calm))), "help")

    assert "class-a: 7 of 24 students" in found
    assert "the last 5 answers on it were wrong" in found
    assert "Halves &amp; thirds</b>, chance 71%" in found
    assert "and 1 more" in found
    assert "mastery 34% (21% to 48%), last practised 2026-02-27" in found
    assert "Nothing on the skill itself fits now. near the target" in found
    assert "every open skill is mastered" in found
    assert "seen, not judged: answers came far faster in 8 of 30 questions" in found
    assert "The 2 most urgent of 7." in found
    assert "3 of 24 cannot be judged" in found.split("class-b: ")[0]
    assert "Nobody, by these signs." in found.split("class-b: ")[1]
    assert "cannot be judged" not in found.split("class-b: ")[1]


def test_page_says_of_a_class_nothing_is_known_of_that_it_cannot_be_judged():
    found = section(render(report(help_today=(ClassHelp("class-a", 9, 0, 9, ()),))), "help")

    assert "class-a: 0 of 9 students" in found
    assert "9 of 9 cannot be judged: no mastery of theirs is known." in found
    assert "Nobody, by these signs." not in found


def test_page_says_of_how_many_classes_those_are_that_stand_under_help():
    heat = replace(HEAT, n_classes_in_all=40)

    found = section(render(report(help_today=HELP, heat_map=heat)), "help")

    assert "The 3 largest of 40 classes are shown." in found


@pytest.mark.parametrize(
    ("given", "name", "said"),
    [
        ({}, "help", "Not known: no mastery has been estimated."),
        ({"help_today": ()}, "help", "last 4 answers or more were wrong"),
        ({}, "students", "No student's ability or mastery has been estimated."),
        ({"help_today": (ClassHelp("class-a", 1, 0, 0, ()),)}, "help", "class-a: 0 of 1 student<"),
        ({}, "recommendations", "Nothing has been recommended yet."),
    ],
)
def test_page_says_what_is_not_known(given, name, said):
    assert said in section(render(report(**given)), name)


def judged(**changed):
    given = {
        "policy": "the rule",
        "decided_at": "2026-03-01 02:00 UTC",
        "n_students": 1_200,
        "n_without": 3,
        "exclusions": (("recent", 40), ("mastered", 9)),
        "n_rewards": 800,
        "n_pending": 4_000,
        "verdict": "2026-03-01: the rule stays live",
        "gaps": (
            Gap("the rule", "sndr", (0.002, -0.004, 0.008), -0.007, 700, 90, 410.4, decides=True),
            Gap("running", "dm", None, None, 700, 90, None, decides=False),
        ),
        "groups": (
            GroupShare("A", 60, 500, 40, (0.7, 0.68, 0.72), (0.5, None, None)),
            GroupShare("B", 30, 200, 35, (0.69, 0.66, 0.72), None),
        ),
        "gate_confidence": 0.99,
        "confidence": 0.95,
    }
    return PolicyReport(**(given | changed))


def test_page_says_how_recommendations_are_decided_and_judged():
    found = section(render(report(policy=judged())), "recommendations")

    assert "On 2026-03-01 02:00 UTC, the rule decided." in found
    assert "Judged last 2026-03-01: the rule stays live." in found
    assert "99% interval" in found
    assert "-0.0040 to +0.0080" in found
    assert '<td class="n">-0.0070</td>' in found
    assert "0.70 (0.68 to 0.72)" in found
    assert "<td>recent</td>" in found
    assert found.count("\N{EN DASH}") == 5  # what is not known: of dm, and of group B


def test_page_of_policies_never_judged_says_so():
    bare = judged(verdict=None, gaps=(), groups=(), exclusions=())
    found = section(render(report(policy=bare)), "recommendations")

    assert "No policy has been judged" in found
    assert "no group is named" in found
    assert "Nothing was kept out." in found
