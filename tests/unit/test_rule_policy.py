"""The rule prefers success near the target, then information, and says why."""

import numpy as np
import pytest

from deepkt_irt.bandit.eligibility import Mastery, Student
from deepkt_irt.bandit.rule_policy import Candidate, recommend
from deepkt_irt.irt.response import information_3pl, probability_3pl
from deepkt_irt.settings import RecommendationSettings

SETTINGS = RecommendationSettings(
    target_success=0.7, mastered_at=0.85, prerequisite_at=0.6, per_student=5, max_per_skill=2
)
NEWCOMER = Student(mastery={}, recent_items=())


def candidate(item, p, *, skills=("a",), information=0.2, p_irt=None):
    return Candidate(item, skills, p_irt=p_irt, p_sakt=p, information=information)


def chosen(candidates, student=NEWCOMER, settings=SETTINGS, **more):
    known = {"prerequisites": {}, "skill_names": {}} | more
    return recommend(candidates, student, settings=settings, **known)


def items(choices):
    return [choice.candidate.item_id for choice in choices]


def test_recommend_ranks_by_closeness_to_the_target():
    choices = chosen([candidate("far", 0.3), candidate("near", 0.71), candidate("mid", 0.5)])

    assert items(choices) == ["near", "mid"]  # at most two of one skill
    assert [choice.rank for choice in choices] == [1, 2]


def test_recommend_takes_too_hard_and_too_easy_for_equally_far():
    hard, easy = (
        candidate("z-hard", 0.6, information=0.3),
        candidate("a-easy", 0.8, information=0.1),
    )

    assert items(chosen([easy, hard])) == ["z-hard", "a-easy"]


def test_recommend_success_in_the_same_step_is_decided_by_information():
    nearer, telling = (
        candidate("i1", 0.70, information=0.10),
        candidate("i2", 0.72, information=0.25),
    )

    assert items(chosen([nearer, telling])) == ["i2", "i1"]


def test_recommend_information_never_beats_a_step_nearer_to_the_target():
    nearer, telling = (
        candidate("i1", 0.70, information=0.01),
        candidate("i2", 0.60, information=9.0),
    )

    assert items(chosen([telling, nearer])) == ["i1", "i2"]


def test_recommend_equal_items_are_decided_by_id_whatever_the_order():
    pair = [candidate("i2", 0.7), candidate("i1", 0.7)]

    assert items(chosen(pair)) == items(chosen(pair[::-1])) == ["i1", "i2"]


def test_recommend_item_without_parameters_comes_after_an_informative_one():
    pair = [candidate("i1", 0.7, information=None), candidate("i2", 0.7, information=0.1)]

    assert items(chosen(pair)) == ["i2", "i1"]


def test_recommend_keeps_both_limits():
    many = [candidate(f"{skill}{n}", 0.7, skills=(skill,)) for skill in "abcd" for n in range(4)]

    choices = chosen(many)

    assert items(choices) == ["a0", "a1", "b0", "b1", "c0"]


def test_recommend_nothing_eligible_gives_nothing():
    mastered = Student(mastery={"a": Mastery(0.9, 0.8, 1.0, 20)}, recent_items=())

    assert chosen([candidate("i1", 0.7)], mastered) == []
    assert chosen([], NEWCOMER) == []


def test_recommend_item_no_model_knows_is_left_out():
    assert chosen([candidate("i1", None)]) == []


@pytest.mark.parametrize(
    ("p_irt", "p_sakt", "expected"), [(0.6, 0.8, 0.7), (0.6, None, 0.6), (None, 0.8, 0.8)]
)
def test_p_correct_is_the_mean_of_the_models_that_know_the_item(p_irt, p_sakt, expected):
    known = Candidate("i1", ("a",), p_irt=p_irt, p_sakt=p_sakt, information=None)

    assert known.p_correct == pytest.approx(expected)


def test_recommend_item_is_meant_for_its_least_mastered_skill():
    knows = Student(
        mastery={"a": Mastery(0.8, 0.7, 0.9, 9), "b": Mastery(0.4, 0.2, 0.6, 9)}, recent_items=()
    )

    (choice,) = chosen([candidate("i1", 0.7, skills=("a", "b"))], knows)

    assert choice.skill_id == "b"


def test_recommend_reason_holds_all_its_numbers():
    knows = Student(mastery={"a": Mastery(0.52, 0.40, 0.64, 11)}, recent_items=())

    choices = chosen(
        [candidate("i1", 0.73, p_irt=0.69), candidate("i2", 0.2)],
        knows,
        skill_names={"a": "Ratios"},
    )

    assert choices[0].reason == (
        "Practise Ratios: mastery 0.52 (0.40 to 0.64, 11 answers); expected success 0.71 "
        "(ability and difficulty 0.69, history 0.73), near the target 0.70 among 2 eligible items."
    )


def test_recommend_reason_names_only_what_is_known():
    known_once = Student(mastery={"a": Mastery(0.5, 0.1, 0.9, 1)}, recent_items=())

    (once,) = chosen([candidate("i1", 0.7)], known_once)
    (never,) = chosen([candidate("i1", 0.7)], NEWCOMER)

    assert "1 answer)" in once.reason
    assert "among 1 eligible item." in once.reason
    assert "ability" not in once.reason
    assert never.reason.startswith("Practise a: not practised yet; expected")


def test_recommend_reason_claims_met_prerequisites_only_where_there_are_some():
    knows = Student(mastery={"a": Mastery(0.7, 0.6, 0.8, 9)}, recent_items=())

    (choice,) = chosen([candidate("i1", 0.7, skills=("b",))], knows, prerequisites={"b": ["a"]})

    assert choice.reason.startswith("Practise b: not practised yet, prerequisites met; expected")


@pytest.mark.parametrize(
    ("p", "words"),
    [(0.8, "), near the target"), (0.6, "), near the target"), (0.5, "), the nearest left to the")],
)
def test_recommend_reason_calls_near_only_what_is(p, words):
    (choice,) = chosen([candidate("i1", p)])

    assert words in choice.reason


def test_recommend_students_of_different_ability_get_items_of_different_difficulty():
    difficulties = np.linspace(-3, 3, 61)
    got = {}
    for theta in (-1.0, 0.0, 1.0):
        p = probability_3pl(theta, 1.0, difficulties)
        bits = information_3pl(theta, 1.0, difficulties)
        bank = [
            Candidate(f"{n:02}", (f"skill{n % 3}",), float(p[n]), None, float(bits[n]))
            for n in range(len(difficulties))
        ]
        got[theta] = [difficulties[int(item)] for item in items(chosen(bank))]

    means = [float(np.mean(each)) for each in got.values()]
    wanted = [theta - np.log(0.7 / 0.3) for theta in got]  # where success is 0.7
    assert means == pytest.approx(wanted, abs=0.15)
    assert set(got[-1.0]).isdisjoint(got[0.0])
    assert set(got[0.0]).isdisjoint(got[1.0])
