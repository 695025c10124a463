"""Items are offered only if nothing speaks against them, and each that is not has its reason."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.bandit.eligibility import WORDS, Reason, exclusions, hard_items_left, is_hard
from deepkt_irt.settings import RecommendationSettings
from made_up_situations import NEEDS, catalogue, random_situation, situation

SETTINGS = RecommendationSettings(
    mastered_at=0.8, prerequisite_at=0.6, success_floor=0.4, success_ceiling=0.9
)
FRACTIONS, RATIOS, POWERS, ALGEBRA = 1, 2, 3, 4


def reason(skills, *, chance=0.7, known=None, **student):
    """Why one item is not offered to one student."""
    known = known or catalogue({"i": skills})
    asked = situation(known, [{"chances": {"i": chance}, **student}])
    return Reason(exclusions(asked, SETTINGS)[0])


@pytest.mark.parametrize(
    ("mastery", "expected"),
    [
        ({FRACTIONS: 0.6}, Reason.ELIGIBLE),
        ({FRACTIONS: 0.59}, Reason.PREREQUISITES),
        ({}, Reason.PREREQUISITES),
        ({RATIOS: 0.3}, Reason.ELIGIBLE),
        ({RATIOS: 0.3, FRACTIONS: 0.59}, Reason.PREREQUISITES),
        ({RATIOS: 0.3, FRACTIONS: 0.61}, Reason.ELIGIBLE),
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
def test_exclusions_prerequisite_depends_on_what_is_known_of_it(mastery, expected):
    assert reason([RATIOS], mastery=mastery) is expected


def test_exclusions_one_of_two_prerequisites_is_not_enough():
    assert reason([ALGEBRA], mastery={RATIOS: 0.75}) is Reason.PREREQUISITES
    assert reason([ALGEBRA], mastery={RATIOS: 0.75, POWERS: 0.7}) is Reason.ELIGIBLE


def test_exclusions_item_with_two_skills_needs_the_prerequisites_of_both():
    knows = {FRACTIONS: 0.7}

    assert reason([FRACTIONS, RATIOS], mastery=knows) is Reason.ELIGIBLE
    assert reason([FRACTIONS, ALGEBRA], mastery=knows) is Reason.PREREQUISITES


def test_exclusions_mastered_skill_is_left_until_a_review_is_due():
    done = {FRACTIONS: 0.8}

    assert reason([FRACTIONS], mastery={FRACTIONS: 0.79}) is Reason.ELIGIBLE
    assert reason([FRACTIONS], mastery=done) is Reason.MASTERED
    assert reason([FRACTIONS], mastery=done, days={FRACTIONS: 29}) is Reason.MASTERED
    assert reason([FRACTIONS], mastery=done, days={FRACTIONS: 30}) is Reason.ELIGIBLE


def test_exclusions_item_with_one_skill_left_to_learn_is_offered():
    assert reason([FRACTIONS, POWERS], mastery={FRACTIONS: 0.95, POWERS: 0.5}) is Reason.ELIGIBLE


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("blocked", Reason.BLOCKED),
        ("unhealthy", Reason.ITEM_HEALTH),
        ("guessed", Reason.RAPID_GUESSING),
    ],
)
def test_exclusions_item_that_something_is_wrong_with_is_not_offered(flag, expected):
    assert reason([FRACTIONS], known=catalogue({"i": [FRACTIONS]}, **{flag: ["i"]})) is expected


def test_exclusions_item_without_skill_or_prediction_is_not_offered():
    assert reason([]) is Reason.NO_SKILL
    assert reason([FRACTIONS], chance=np.nan) is Reason.NO_PREDICTION


def test_exclusions_recent_item_is_not_offered():
    assert reason([FRACTIONS], recent=["i"]) is Reason.RECENT


@pytest.mark.parametrize(
    ("chance", "expected"),
    [
        (0.39, Reason.TOO_HARD),
        (0.4, Reason.ELIGIBLE),
        (0.9, Reason.ELIGIBLE),
        (0.91, Reason.TOO_EASY),
    ],
)
def test_exclusions_chance_lies_between_floor_and_ceiling(chance, expected):
    assert reason([FRACTIONS], chance=chance) is expected


def test_exclusions_hard_item_is_not_offered_after_several_hard_ones():
    assert reason([FRACTIONS], chance=0.45, hard_run=2) is Reason.ELIGIBLE
    assert reason([FRACTIONS], chance=0.45, hard_run=3) is Reason.HARD_RUN
    assert reason([FRACTIONS], chance=0.55, hard_run=9) is Reason.ELIGIBLE


def test_hard_items_left_is_what_the_last_answers_leave():
    asked = situation(
        catalogue({"i": [1]}), [{"chances": {"i": 0.4}, "hard_run": n} for n in (0, 2, 3, 5)]
    )

    assert hard_items_left(asked, SETTINGS).tolist() == [3, 1, 0, 0]
    assert is_hard(asked, SETTINGS).all()


def test_exclusions_every_reason_has_words():
    assert set(WORDS) == set(Reason) - {Reason.ELIGIBLE}


def allowed(asked, row, rules):
    """The rules again, for one row, as plainly as can be."""
    known, student, item = asked.catalogue, asked.student[row], asked.item[row]
    skills = [skill for skill in known.skills[item].tolist() if skill]
    mastery = asked.knowledge.mastery[student]
    chances = [p for p in (asked.p_irt[row], asked.p_sakt[row]) if not np.isnan(p)]
    if not skills or not chances or asked.is_recent[row]:
        return False
    if known.is_blocked[item] or known.is_unhealthy[item] or known.is_guessed[item]:
        return False
    for skill in skills:
        for before in NEEDS.get(skill, ()):
            unknown = np.isnan(mastery[before])
            if (unknown and np.isnan(mastery[skill])) or mastery[before] < rules.prerequisite_at:
                return False
    target = min(skills, key=lambda k: (-1 if np.isnan(mastery[k]) else mastery[k], k))
    rested = asked.knowledge.days_since[student, target] >= rules.review_after_days
    if mastery[target] >= rules.mastered_at and not rested:
        return False
    p = sum(chances) / len(chances)
    if not rules.success_floor <= p <= rules.success_ceiling:
        return False
    return p >= rules.hard_below or asked.hard_run[student] < rules.max_hard_run


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000))
def test_exclusions_in_random_worlds_are_those_of_the_rules(seed):
    asked = random_situation(seed)

    found = exclusions(asked, SETTINGS) == 0

    assert found.tolist() == [allowed(asked, row, SETTINGS) for row in range(len(asked.item))]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_exclusions_of_a_student_do_not_depend_on_the_others(seed):
    asked = random_situation(seed)
    whole = exclusions(asked, SETTINGS)
    kept = asked.only(asked.student % 2 == 0)

    assert exclusions(kept, SETTINGS).tolist() == whole[asked.student % 2 == 0].tolist()
