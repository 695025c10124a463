"""Slates are drawn from what is eligible, by any policy, with chances that are true."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.bandit.context import (
    OWN,
    SHARED,
    choice_features,
    features,
    off_target,
    own_features,
)
from deepkt_irt.bandit.eligibility import exclusions, hard_items_left, is_hard
from deepkt_irt.bandit.offers import Eligible
from deepkt_irt.bandit.policies import (
    LINUCB,
    RULE,
    LinUcbPolicy,
    RandomPolicy,
    RulePolicy,
    expected_by_rule,
    fresh_state,
    rewards_of,
)
from deepkt_irt.bandit.propensities import propensities
from deepkt_irt.bandit.reasons import nothing_eligible, sentence
from deepkt_irt.bandit.slates import decide, uniforms
from deepkt_irt.settings import BanditSettings, RecommendationSettings
from made_up_situations import catalogue, random_situation, situation

RULES, BANDIT = RecommendationSettings(), BanditSettings()


def learnt(asked, seed=0, bandit=BANDIT):
    """LinUCB after some random rewards on the rows of a situation."""
    rng = np.random.default_rng(seed)
    offered = asked.only(exclusions(asked, RULES) == 0)
    state = fresh_state(asked.catalogue.item_ids, bandit)
    shared = features(offered, target=RULES.target_success)
    state = state.updated(
        rewards_of(shared, 0 * shared, offered.item, rng.random(len(shared)), bandit)
    )
    return LinUcbPolicy.of(state, asked.catalogue.item_ids)


def eligible_of(asked):
    return Eligible(asked.offsets, asked.item, asked.skill)


def slates(asked, policy, rules=RULES, bandit=BANDIT, salt=""):
    keys = [f"{n}{salt}" for n in range(asked.n_students)]
    uniform = uniforms(keys, rules.per_student)
    return decide(asked, policy, uniform, recommendation=rules, bandit=bandit)


POLICIES = {
    "rule": lambda asked: RulePolicy(),
    "random": lambda asked: RandomPolicy(),
    "linucb": learnt,
    "thompson": lambda asked: learnt(asked, bandit=BanditSettings(exploration="thompson")),
}


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(sorted(POLICIES)))
def test_decide_breaks_no_rule_in_random_worlds(seed, name):
    asked = random_situation(seed)
    rules = RecommendationSettings(max_per_skill=1 + seed % 3, max_hard_run=2)

    found = slates(asked, POLICIES[name](asked), rules)

    offered, chosen = found.offered, found.chosen
    assert (exclusions(offered, rules) == 0).all()
    hard, left = is_hard(offered, rules), hard_items_left(offered, rules)
    for student in range(asked.n_students):
        rows = chosen.row[student][chosen.row[student] >= 0]
        assert (offered.student[rows] == student).all()
        assert len(set(offered.item[rows])) == len(rows)
        assert np.bincount(offered.skill[rows], minlength=1).max() <= rules.max_per_skill
        assert hard[rows].sum() <= left[student]
        chance = chosen.propensity[student][: len(rows)]
        assert ((chance > 0) & (chance <= 1)).all()
        for slot in range(len(rows)):
            text = sentence(found, student, slot, policy=RULE, target=rules.target_success)
            assert text.startswith("Practise ")
            assert "nan" not in text


def test_decide_same_numbers_give_the_same_slates_whoever_else_is_asked():
    asked = random_situation(3)
    both = slates(asked, RulePolicy())
    alone = asked.only(asked.student == 2)

    one = slates(alone, RulePolicy())

    picked = both.chosen.row[2][both.chosen.row[2] >= 0]
    again = one.chosen.row[2][one.chosen.row[2] >= 0]
    assert both.offered.item[picked].tolist() == one.offered.item[again].tolist()
    assert both.chosen.propensity[2].tolist() == pytest.approx(
        one.chosen.propensity[2].tolist(), nan_ok=True
    )


def test_uniforms_are_even_and_differ_between_texts():
    drawn = uniforms([f"s{n}" for n in range(4_000)], 3)

    assert drawn.shape == (4_000, 3)
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert np.abs(np.histogram(drawn, bins=10, range=(0, 1))[0] / drawn.size - 0.1).max() < 0.02
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.05
    assert (uniforms(["s7"], 3)[0] == drawn[7]).all()


def test_features_are_as_named_and_unknown_is_flagged():
    known = catalogue({"a": [1], "b": [2]}, difficulty=[1.0, np.nan], needs={})
    asked = situation(
        known,
        [
            {
                "mastery": {1: 0.6},
                "days": {1: 19.0},
                "ability": 1.0,
                "help_rate": 0.5,
                "chances": {"a": (0.8, 0.8), "b": 0.5},
            }
        ],
    )

    made = [dict(zip(SHARED, row, strict=True)) for row in features(asked, target=0.7)]

    first, second = made
    assert first["above_target"] == pytest.approx(0.5)
    assert first["off_target"] == pytest.approx(0.25)
    assert first["help_above_target"] == pytest.approx(0.25)
    assert (first["ability"], first["difficulty"]) == (0.5, 0.5)
    assert first["mastery"] == pytest.approx(0.1)
    assert first["uncertainty"] == pytest.approx(0.4)
    assert first["rest"] == pytest.approx(np.log(20) / 3)
    assert (second["difficulty"], second["difficulty_unknown"]) == (0.0, 1.0)
    assert (second["skill_is_new"], second["mastery"], second["uncertainty"]) == (1.0, 0.0, 1.0)
    shared = features(asked, target=0.7)
    assert own_features(shared).shape == (2, len(OWN))
    assert off_target(shared) == pytest.approx([0.1, 0.2])


def test_features_without_a_prediction_are_refused():
    asked = situation(catalogue({"a": [1]}), [{"chances": {"a": np.nan}}])

    with pytest.raises(ValueError, match="without a prediction"):
        features(asked, target=0.7)


def test_rule_policy_prefers_what_is_nearest_the_target_and_then_information():
    known = catalogue({name: [1] for name in "abcd"}, needs={})
    chances = {"a": 0.5, "b": (0.7, 0.7), "c": 0.7, "d": 0.85}
    asked = situation(known, [{"chances": chances}])
    shared = features(asked, target=0.7)

    preferred = RulePolicy().preferences(shared, eligible_of(asked))

    assert np.argsort(-preferred).tolist() == [1, 2, 3, 0]


def test_linucb_of_items_it_never_met_is_judged_by_the_shared_part():
    asked = random_situation(5)
    policy = learnt(asked)
    more = np.append(asked.catalogue.item_ids, "new")
    wider = LinUcbPolicy.of(policy.state, more)
    shared = features(asked.only(exclusions(asked, RULES) == 0), target=RULES.target_success)[:3]

    new = Eligible(np.array([0, 2, 3]), np.full(3, len(more) - 1), np.ones(3, dtype=np.int64))

    found = wider.scores(shared, new)

    learnt_of = choice_features(shared) @ wider.posterior.beta
    learnt_of -= np.array([learnt_of[:2].mean(), learnt_of[:2].mean(), learnt_of[2]])
    assert found.mean == pytest.approx(expected_by_rule(shared, BANDIT) + learnt_of)
    assert (found.width > 0).all()


@pytest.mark.parametrize("exploration", ["softmax", "thompson"])
def test_linucb_leaves_the_choice_between_skills_to_the_rule(exploration):
    """What was learnt of items must not favour the skill that has them."""
    bandit = BanditSettings(
        exploration=exploration, alpha=0.1, floor=1e-9, temperature=1.0, prior_precision=100.0
    )
    asked = random_situation(8)
    asked = asked.only(exclusions(asked, RULES) == 0)
    shared = features(asked, target=RULES.target_success)
    sets = eligible_of(asked)
    policy, rule = learnt(asked, bandit=bandit), RulePolicy()

    by_rule = propensities(rule.preferences(shared, sets), sets, bandit)
    found = propensities(
        policy.preferences(shared, sets), sets, bandit, between=policy.between_skills(shared)
    )

    assert np.abs(found - by_rule).max() > 0.001  # something was learnt
    order, pairs = sets.by_skill
    assert pairs.totals(found[order]) == pytest.approx(pairs.totals(by_rule[order]), abs=1e-6)


def test_linucb_state_of_other_features_is_refused():
    state = learnt(random_situation(1)).state

    other = replace(state, shared_names=tuple(reversed(state.shared_names)))
    with pytest.raises(ValueError, match="another order"):
        LinUcbPolicy.of(other, state.item_ids)


def test_sentence_says_what_is_known_and_why():
    known = catalogue({"a": [2], "b": [1]})
    asked = situation(
        known,
        [
            {"mastery": {1: 0.7, 2: 0.5}, "ability": 0.3, "chances": {"a": (0.73, 0.69)}},
            {"chances": {"b": 0.7}},
        ],
    )

    found = slates(asked, RulePolicy())

    assert sentence(found, 0, 0, policy=RULE, target=0.7) == (
        "Practise Ratios: mastery 50% (30% to 70%, 10 answers); expected success 71% (ability "
        "and difficulty 73%, history 69%), near the target 70% among 1 eligible item."
    )
    assert "Fractions: not practised yet; expected success 70% (ability not estimated yet" in (
        sentence(found, 1, 0, policy=RULE, target=0.7)
    )
    assert "promising among 1 eligible item: expected reward" in sentence(
        slates(asked, learnt(asked)), 0, 0, policy=LINUCB, target=0.7
    )


def test_sentence_of_an_unlikely_choice_says_that_it_is_tried_out():
    known = catalogue({f"i{n}": [1] for n in range(9)}, needs={})
    chances = {f"i{n}": 0.7 if n else 0.41 for n in range(9)}
    asked = situation(known, [{"chances": chances}] * 400)

    found = slates(asked, RulePolicy(), RecommendationSettings(per_student=1))

    tried = np.flatnonzero(found.offered.item[found.chosen.row[:, 0]] == 0)
    assert len(tried)
    assert "tried out among 9 eligible items to learn what helps" in sentence(
        found, int(tried[0]), 0, policy=RULE, target=0.7
    )


def test_nothing_eligible_names_the_commonest_causes():
    known = catalogue({"a": [1], "b": [1], "c": [2]})
    asked = situation(known, [{"mastery": {1: 0.9}, "chances": {"a": 0.7, "b": 0.7, "c": 0.1}}])

    found = slates(asked, RulePolicy())

    assert (found.chosen.row == -1).all()
    assert nothing_eligible(found.excluded) == (
        "Nothing to offer among 3 items (2 items: the skill is mastered and no review is due; "
        "1 item: too hard now)."
    )
    assert "no item of an open skill" in nothing_eligible(np.zeros(0, dtype=np.int8))


def test_mastery_of_a_new_skill_is_the_mean_chance_on_what_is_on_offer():
    known = catalogue({"a": [1], "b": [1], "c": [3]}, needs={})
    asked = situation(known, [{"mastery": {3: 0.6}, "chances": {"a": 0.5, "b": 0.95, "c": 0.7}}])

    found = slates(asked, RulePolicy())

    got = dict(zip(found.offered.item.tolist(), found.mastery_of_skill.tolist(), strict=True))
    assert got == pytest.approx({0: 0.725, 2: 0.6})
