"""Items are offered only if nothing speaks against them."""

import pytest

from deepkt_irt.bandit.eligibility import (
    Mastery,
    Student,
    is_eligible,
    prerequisites_met,
    target_skill,
)
from deepkt_irt.settings import RecommendationSettings

SETTINGS = RecommendationSettings(mastered_at=0.8, prerequisite_at=0.6)
PREREQUISITES = {"ratios": ["fractions"], "algebra": ["ratios", "powers"], "fractions": []}


def student(recent=(), **mastery):
    known = {skill: Mastery(value, 0.0, 1.0, 10) for skill, value in mastery.items()}
    return Student(mastery=known, recent_items=set(recent))


@pytest.mark.parametrize(
    ("mastery", "expected"),
    [
        ({"fractions": 0.6}, True),
        ({"fractions": 0.59}, False),
        ({}, False),
        ({"ratios": 0.3}, True),
        ({"ratios": 0.3, "fractions": 0.59}, False),
        ({"ratios": 0.3, "fractions": 0.61}, True),
    ],
    ids=[
        "mastered at the threshold",
        "mastered below it",
        "never practised",
        "never practised, but the skill itself is",
        "known to be weak, although the skill itself is practised",
        "known to be strong, and the skill itself is practised",
    ],
)
def test_prerequisites_met_depends_on_what_is_known_of_the_prerequisite(mastery, expected):
    assert prerequisites_met(["ratios"], student(**mastery), PREREQUISITES, at=0.6) is expected


def test_prerequisites_met_one_of_two_missing_is_not_enough():
    assert not prerequisites_met(["algebra"], student(ratios=0.9), PREREQUISITES, at=0.6)
    assert prerequisites_met(["algebra"], student(ratios=0.9, powers=0.7), PREREQUISITES, at=0.6)


def test_prerequisites_met_item_with_two_skills_needs_those_of_both():
    knows = student(fractions=0.9)

    assert prerequisites_met(["fractions", "ratios"], knows, PREREQUISITES, at=0.6)
    assert not prerequisites_met(["algebra", "ratios"], knows, PREREQUISITES, at=0.6)


@pytest.mark.parametrize("skill", ["fractions", "of no catalogue"])
def test_prerequisites_met_skill_without_prerequisites_is_open(skill):
    assert prerequisites_met([skill], student(), PREREQUISITES, at=0.6)


def test_target_skill_is_the_least_mastered_one():
    assert target_skill(["a", "b", "c"], student(a=0.7, b=0.4, c=0.5)) == "b"


def test_target_skill_prefers_one_never_practised():
    assert target_skill(["a", "b"], student(a=0.01)) == "b"


def test_target_skill_equal_mastery_is_decided_by_name_whatever_the_order():
    assert target_skill(["b", "a"], student(a=0.5, b=0.5)) == "a"
    assert target_skill(["a", "b"], student(a=0.5, b=0.5)) == "a"


def test_is_eligible_item_without_skills_is_not():
    assert target_skill([], student()) is None
    assert not is_eligible("i1", [], student(), PREREQUISITES, SETTINGS)


def test_is_eligible_recently_seen_item_is_not():
    assert is_eligible("i1", ["fractions"], student(recent=["i2"]), PREREQUISITES, SETTINGS)
    assert not is_eligible("i1", ["fractions"], student(recent=["i1"]), PREREQUISITES, SETTINGS)


def test_is_eligible_mastered_skill_is_not_from_the_threshold_on():
    assert is_eligible("i1", ["fractions"], student(fractions=0.79), PREREQUISITES, SETTINGS)
    assert not is_eligible("i1", ["fractions"], student(fractions=0.8), PREREQUISITES, SETTINGS)


def test_is_eligible_item_with_one_skill_left_to_learn_is():
    knows = student(fractions=0.95, ratios=0.5)

    assert is_eligible("i1", ["fractions", "ratios"], knows, PREREQUISITES, SETTINGS)


def test_is_eligible_closed_skill_is_not():
    assert not is_eligible("i1", ["ratios"], student(fractions=0.3), PREREQUISITES, SETTINGS)
