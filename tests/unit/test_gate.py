"""A policy goes live only if it is better beyond chance on decisions of others."""

from dataclasses import replace

import numpy as np
import pytest

from deepkt_irt.bandit.context import SHARED
from deepkt_irt.bandit.decision_log import DecisionLog
from deepkt_irt.bandit.fairness import by_group
from deepkt_irt.bandit.gate import RUNNING, Evidence, _candidate, _chances, judge, low_at_any_time
from deepkt_irt.bandit.policies import LINUCB, RULE, RulePolicy, rewards_of
from deepkt_irt.bandit.student_bootstrap import Bootstrap
from deepkt_irt.errors import NoData
from deepkt_irt.settings import BanditSettings, OffPolicySettings

SETTINGS = OffPolicySettings(n_resamples=200)
BANDIT = BanditSettings(min_item_updates=20)
ABOVE, OFF, HELP = (SHARED.index(name) for name in ("above_target", "off_target", "help"))


def evidence(worth, *, seed=0, n_students=120, n_days=8, n_items=6):
    """A log of random choices whose rewards depend on the features as `worth` says."""
    rng = np.random.default_rng(seed)
    n = n_students * n_days
    student = np.repeat(np.arange(n_students), n_days)
    shared = np.zeros((n * n_items, len(SHARED)))
    shared[:, 0] = 1.0
    shared[:, ABOVE] = rng.uniform(-1, 1, n * n_items)
    shared[:, OFF] = shared[:, ABOVE] ** 2
    shared[:, HELP] = np.repeat(student % 2, n_items)
    item = np.tile(np.arange(n_items), n)
    chosen = np.arange(n) * n_items + rng.integers(0, n_items, n)
    reward = np.clip(worth(shared[chosen]) + rng.normal(scale=0.1, size=n), 0, 1)
    usual = shared.reshape(n, n_items, -1).mean(axis=1)
    log = DecisionLog(
        student=student,
        offsets=np.arange(n + 1) * n_items,
        item=item,
        chosen=chosen,
        propensity=np.full(n, 1 / n_items),
        reward=reward,
    )
    return Evidence(
        log=log,
        shared=shared,
        skill=np.zeros(len(item), dtype=np.int64),
        usual=usual,
        item_ids=np.array([f"i{k}" for k in range(n_items)]),
        learnt=rewards_of(shared[chosen], usual, item[chosen], reward, BANDIT),
        learnt_student=student,
    )


def easier_is_better(shared):
    return 0.5 + 0.3 * shared[:, ABOVE]


def target_is_best(shared):
    return 0.6 - 0.2 * np.abs(shared[:, ABOVE])  # just what the rule prefers by


def test_judge_linucb_that_finds_more_than_the_rule_goes_live():
    verdict = judge(evidence(easier_is_better), RULE, bandit=BANDIT, settings=SETTINGS)

    assert verdict.policy == LINUCB
    assert "goes live, being better beyond chance: LinUCB less the rule +" in verdict.reason
    assert set(verdict.comparisons) == {RUNNING, RULE}
    gap = verdict.comparisons[RULE]["sndr"].difference
    assert 0 < low_at_any_time(gap, SETTINGS) < gap.low


def test_judge_thompson_sampling_is_judged_as_it_would_choose():
    found = evidence(easier_is_better)
    thompson = BANDIT.model_copy(update={"exploration": "thompson", "alpha": 0.3})

    sure = judge(found, RULE, bandit=BANDIT, settings=SETTINGS)
    drawn = judge(found, RULE, bandit=thompson, settings=SETTINGS)

    assert drawn.policy == LINUCB
    weights = [each.comparisons[RUNNING]["sndr"].candidate for each in (sure, drawn)]
    assert weights[0].effective_sample_size != pytest.approx(weights[1].effective_sample_size)


def test_judge_linucb_no_better_than_the_rule_is_refused():
    verdict = judge(evidence(target_is_best), RULE, bandit=BANDIT, settings=SETTINGS)

    assert verdict.policy == RULE
    assert "the rule stays live" in verdict.reason
    assert verdict.comparisons[RUNNING]["sndr"].difference.low > 0  # it beats chance alone


def test_judge_better_beyond_chance_at_one_question_alone_is_refused():
    """A school where little is to be found, that looks good enough if asked only once."""
    told = evidence(lambda z: 0.5 + 0.08 * z[:, ABOVE], seed=1)

    verdict = judge(told, RULE, bandit=BANDIT, settings=SETTINGS)

    gaps = [each["sndr"].difference for each in verdict.comparisons.values()]
    assert min(gap.low for gap in gaps) > 0
    assert min(low_at_any_time(gap, SETTINGS) for gap in gaps) < 0
    assert verdict.policy == RULE


def test_judge_linucb_without_anything_to_learn_is_refused():
    found = [
        judge(evidence(lambda z: np.full(len(z), 0.5), seed=seed), RULE, bandit=BANDIT,
              settings=SETTINGS).policy
        for seed in range(8)
    ]  # fmt: skip

    assert set(found) == {RULE}


def test_judge_live_policy_stays_until_the_rule_is_better_beyond_chance():
    flat = evidence(lambda z: np.full(len(z), 0.5))
    stays = judge(flat, LINUCB, bandit=BANDIT, settings=SETTINGS)
    # what it learnt from others misleads: it is told the opposite of what the log says
    good = evidence(target_is_best)
    misled = replace(good, learnt=replace(good.learnt, reward=1 - good.learnt.reward))
    falls = judge(misled, LINUCB, bandit=BANDIT, settings=SETTINGS)

    assert (stays.policy, falls.policy) == (LINUCB, RULE)
    assert "the rule goes live again" in falls.reason


def test_judge_is_not_flattered_by_rewards_that_are_noise():
    """Noise of other students cannot be foretold, so that nothing is gained on average."""
    gained = []
    for seed in range(8):
        base = evidence(lambda z: np.full(len(z), 0.5), seed=seed)
        noise = np.random.default_rng(seed).uniform(0, 1, base.log.n_decisions)
        told = replace(
            base,
            log=replace(base.log, reward=noise),
            learnt=replace(base.learnt, reward=noise - 0.5),
        )
        verdict = judge(told, RULE, bandit=replace_items(BANDIT), settings=SETTINGS)
        gained.append(verdict.comparisons[RUNNING]["sndr"].difference.value)

    assert abs(np.mean(gained)) < 0.02


def test_judge_skill_that_only_seems_to_gain_speaks_for_no_policy():
    """Where mastery was taken for too low, all items of the skill seem to teach."""
    base = evidence(lambda z: np.full(len(z), 0.5))
    skill = base.log.item % 2
    moved = base.shared.copy()
    moved[:, ABOVE] += np.where(skill == 1, 1.0, -1.0)  # the skill of the easier items
    seeming = base.log.reward + 0.2 * (skill[base.log.chosen] == 1)
    told = replace(
        base,
        shared=moved,
        skill=skill,
        log=replace(base.log, reward=seeming),
        learnt=rewards_of(
            moved[base.log.chosen],
            moved.reshape(base.log.n_decisions, -1, len(SHARED))[
                np.arange(base.log.n_decisions)[:, None], np.arange(3) * 2
                + skill[base.log.chosen][:, None],
            ].mean(axis=1),
            base.log.item[base.log.chosen],
            seeming,
            BANDIT,
        ),
    )  # fmt: skip

    verdict = judge(told, RULE, bandit=BANDIT, settings=SETTINGS)

    assert verdict.policy == RULE
    assert abs(verdict.comparisons[RULE]["sndr"].difference.value) < 0.02


@pytest.mark.parametrize("exploration", ["softmax", "thompson"])
def test_judge_candidate_chooses_skills_as_the_rule_does(exploration):
    found = evidence(easier_is_better)
    found = replace(found, skill=found.log.item % 2)
    bandit = BANDIT.model_copy(update={"exploration": exploration, "floor": 1e-9, "alpha": 0.1})

    candidate = _candidate(found, bandit, SETTINGS)
    by_rule = _chances(found, RulePolicy(), bandit)

    assert np.abs(candidate - by_rule).max() > 0.01
    order, pairs = found.eligible.by_skill
    assert pairs.totals(candidate[order]) == pytest.approx(pairs.totals(by_rule[order]), abs=1e-6)


def replace_items(settings):
    return settings.model_copy(update={"min_item_updates": 0, "item_prior_precision": 0.1})


def test_judge_fewer_students_than_folds_has_no_data():
    with pytest.raises(NoData, match="folds"):
        judge(evidence(easier_is_better, n_students=3), RULE, bandit=BANDIT, settings=SETTINGS)


def test_by_group_means_have_intervals_and_small_groups_are_left_out():
    rng = np.random.default_rng(2)
    student = np.repeat(np.arange(90), 10)
    group = np.array(["A", "B", None], dtype=object)[np.minimum(student // 40, 2)]
    group[student == 89] = "tiny"
    predicted = np.where(student < 40, 0.7, 0.6) + rng.normal(scale=0.05, size=900)
    reward = np.where(rng.random(900) < 0.5, np.nan, rng.random(900))

    found = by_group(
        student, group, np.arange(900) % 7, predicted, reward,
        min_students=20, bootstrap=Bootstrap(200),
    )  # fmt: skip

    assert [(each.group, each.n_students, each.n_decisions) for each in found] == [
        ("A", 40, 400),
        ("B", 40, 400),
    ]
    assert found[0].n_items == 7
    value, low, high = found[0].predicted
    assert low < value < high
    assert value == pytest.approx(0.7, abs=0.01)
    assert found[0].reward[1] < 0.5 < found[0].reward[2]


@pytest.mark.parametrize("n_rewarded", [0, 1, 19])
def test_by_group_rewards_of_few_students_are_left_out(n_rewarded):
    student = np.arange(30)
    reward = np.where(student < n_rewarded, 0.8, np.nan)
    found = by_group(
        student, np.full(30, "A", dtype=object), student, np.full(30, 0.7), reward,
        min_students=20, bootstrap=Bootstrap(50),
    )  # fmt: skip

    assert np.isnan(found[0].reward).all()
    assert found[0].predicted[0] == pytest.approx(0.7)
