"""Estimates of a policy's value against figures worked out by hand, and what must hold."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.bandit.decision_log import DecisionLog
from deepkt_irt.bandit.off_policy import ESTIMATORS, MIN_STUDENTS, compare, evaluate
from deepkt_irt.bandit.student_bootstrap import Bootstrap
from deepkt_irt.errors import NoData
from made_up_decisions import part, world

NAN = float("nan")
FEW = Bootstrap(n_resamples=50)
WEIGHTED = ("ips", "snips", "dr", "sndr")

HAND = DecisionLog(
    student=np.array([0, 0, 1, 2]),
    offsets=np.array([0, 2, 5, 7, 9]),
    item=np.array([0, 1, 0, 1, 2, 1, 2, 0, 2]),
    chosen=np.array([0, 3, 6, 7]),
    propensity=np.array([0.5, 0.25, 0.8, 0.5]),
    reward=np.array([1.0, 0.0, 1.0, NAN]),
)
CANDIDATE = np.array([0.8, 0.2, 0.1, 0.5, 0.4, 0.6, 0.4, 1.0, 0.0])  # weights 1.6, 2, 0.5
PREDICTED = np.array([0.6, 0.4, 0.2, 0.3, 0.5, 0.5, 0.9, 0.0, 0.0])  # expected .56, .37, .66


@pytest.fixture(scope="module")
def made():
    return world(n_students=40, seed=1)


def better(made):
    return made.softmax(1.5 * made.features[:, 0] - 0.3 * made.features[:, 1])


def values(found):
    return {name: each.value for name, each in found.items()}


def figures(estimate):
    """All but the warnings, to be compared."""
    return {key: each for key, each in asdict(estimate).items() if key != "warnings"}


def like(estimate):
    """The same figures but for rounding."""
    return pytest.approx(figures(estimate), nan_ok=True)


def test_estimates_are_those_worked_out_by_hand():
    found = evaluate(HAND, CANDIDATE, predicted=PREDICTED)

    correction = 1.6 * 0.4 + 2 * -0.3 + 0.5 * 0.1
    assert {name: each.value for name, each in found.items() if name != "replay"} == pytest.approx(
        {
            "ips": 2.1 / 3,
            "snips": 2.1 / 4.1,
            "dm": 1.59 / 3,
            "dr": (1.59 + correction) / 3,
            "sndr": 1.59 / 3 + correction / 4.1,
        }
    )
    ips = found["ips"]
    assert (ips.n_decisions, ips.n_students, ips.n_pending) == (3, 2, 1)
    assert ips.effective_sample_size == pytest.approx(4.1**2 / (1.6**2 + 2**2 + 0.5**2))
    assert (ips.max_weight, ips.clipped_share) == (2.0, 0.0)


def test_clipped_weights_are_used_and_counted():
    found = evaluate(HAND, CANDIDATE, predicted=PREDICTED, max_weight=1.6)

    assert found["snips"].value == pytest.approx(2.1 / 3.7)
    assert found["dr"].value == pytest.approx((1.59 + 1.6 * 0.4 + 1.6 * -0.3 + 0.5 * 0.1) / 3)
    assert found["ips"].clipped_share == pytest.approx(1 / 3)
    assert found["ips"].max_weight == 2.0
    assert found["ips"].effective_sample_size == pytest.approx(3.7**2 / (2 * 1.6**2 + 0.25))


def test_replay_is_the_mean_reward_where_a_sure_candidate_agrees():
    sure = np.array([1, 0, 0, 1, 0, 1, 0, 1, 0], dtype=float)  # not in the third, pending last

    replay = evaluate(HAND, sure)["replay"]

    assert replay.value == 0.5
    assert replay.effective_sample_size == 2
    assert "propensities run from 0.25 to 0.8" in " ".join(replay.warnings)


def test_replay_of_a_policy_that_leaves_something_to_chance_is_unknown():
    replay = evaluate(HAND, CANDIDATE)["replay"]

    assert np.isnan(replay.value)
    assert "leaves nothing to chance" in " ".join(replay.warnings)


@pytest.mark.parametrize("max_weight", [None, 1.3])
def test_estimates_are_the_formulas_of_the_field_written_out(made, max_weight):
    log, candidate, q = made.log, better(made), made.truth
    w = candidate[log.chosen] / log.propensity
    w = w if max_weight is None else np.minimum(w, max_weight)
    r, q_chosen = log.reward, q[log.chosen]
    v = np.array(
        [
            np.average(q[a:b], weights=candidate[a:b])
            for a, b in zip(log.offsets[:-1], log.offsets[1:], strict=True)
        ]
    )
    sure = made.greedy(made.features[:, 0])
    match = sure[log.chosen] == 1

    found = values(evaluate(log, candidate, predicted=q, max_weight=max_weight, bootstrap=FEW))
    replay = evaluate(log, sure, bootstrap=FEW)["replay"].value

    assert replay == pytest.approx((match * r / match.mean()).mean())
    assert {name: found[name] for name in (*WEIGHTED, "dm")} == pytest.approx(
        {
            "ips": (r * w).mean(),
            "snips": (r * w / w.mean()).mean(),
            "dm": v.mean(),
            "dr": (v + w * (r - q_chosen)).mean(),
            "sndr": (v + w * (r - q_chosen) / w.mean()).mean(),
        }
    )


def test_logging_policy_is_worth_the_mean_of_its_rewards(made):
    found = compare(made.log, made.logging, predicted=made.truth, bootstrap=FEW)

    for name in ("ips", "snips"):
        assert found[name].candidate.value == pytest.approx(made.log.reward.mean())
        assert found[name].candidate.warnings == ()
        assert found[name].difference.low == found[name].difference.high == 0.0
    assert {each.other.value for each in found.values()} == {made.log.reward.mean()}


def test_doubly_robust_of_a_perfect_model_corrects_nothing(made):
    log = replace(made.log, reward=made.truth[made.log.chosen])

    found = values(evaluate(log, better(made), predicted=made.truth, bootstrap=FEW))

    assert found["dr"] == pytest.approx(found["dm"])
    assert found["sndr"] == pytest.approx(found["dm"])


def test_doubly_robust_of_a_model_of_zeros_is_ips(made):
    zeros = np.zeros(len(made.truth))

    found = evaluate(made.log, better(made), predicted=zeros, bootstrap=FEW)

    for robust, plain in (("dr", "ips"), ("sndr", "snips")):
        assert figures(found[robust]) == like(found[plain])


def test_order_of_decisions_and_names_of_students_change_nothing(made):
    order = np.random.default_rng(0).permutation(made.log.n_decisions)
    mixed, rows = part(made.log, order)
    renamed = replace(mixed, student=mixed.student * 3 + 5)
    candidate = better(made)

    plain = compare(made.log, candidate, predicted=made.truth, bootstrap=FEW)
    found = compare(renamed, candidate[rows], predicted=made.truth[rows], bootstrap=FEW)

    for name in (*WEIGHTED, "dm"):
        assert figures(found[name].difference) == like(plain[name].difference)


def test_means_of_two_halves_are_the_mean_of_the_log(made):
    candidate, n = better(made), made.log.n_decisions
    whole = values(evaluate(made.log, candidate, predicted=made.truth, bootstrap=FEW))
    halves = []
    for which in (np.arange(0, n, 3), np.setdiff1d(np.arange(n), np.arange(0, n, 3))):
        log, rows = part(made.log, which)
        half = evaluate(log, candidate[rows], predicted=made.truth[rows], bootstrap=FEW)
        halves.append((len(which) / n, values(half)))

    for name in ("ips", "dm", "dr"):
        merged = sum(share * half[name] for share, half in halves)
        assert merged == pytest.approx(whole[name])


def test_pending_reward_is_left_out_and_counted(made):
    pending = np.arange(made.log.n_decisions) % 4 == 0
    waiting = replace(made.log, reward=np.where(pending, np.nan, made.log.reward))
    known, rows = part(made.log, np.flatnonzero(~pending))
    candidate = better(made)

    found = evaluate(waiting, candidate, predicted=made.truth, bootstrap=FEW)
    alone = evaluate(known, candidate[rows], predicted=made.truth[rows], bootstrap=FEW)

    for name in (*WEIGHTED, "dm"):
        expected = replace(alone[name], n_pending=int(pending.sum()))
        assert figures(found[name]) == like(expected)


def test_without_propensities_only_the_model_is_asked_and_that_is_said(made):
    blind = replace(made.log, propensity=np.full(made.log.n_decisions, np.nan))

    found = evaluate(blind, better(made), predicted=made.truth, bootstrap=FEW)

    assert list(found) == ["dm"]
    assert "none of" in found["dm"].warnings[0]
    assert "propensity" in found["dm"].warnings[0]
    assert "the interval leaves out the error of the reward model" in found["dm"].warnings
    assert found["dm"].value == pytest.approx(made.value(better(made)))
    assert np.isnan(found["dm"].effective_sample_size)


def test_some_propensities_missing_leaves_those_decisions_out_and_counts_them(made):
    n = made.log.n_decisions
    lost = np.arange(n) % 5 == 0
    partly = replace(made.log, propensity=np.where(lost, np.nan, made.log.propensity))
    logged, rows = part(made.log, np.flatnonzero(~lost))

    found = evaluate(partly, better(made), predicted=made.truth, bootstrap=FEW)
    alone = evaluate(logged, better(made)[rows], predicted=made.truth[rows], bootstrap=FEW)

    assert tuple(found) == ESTIMATORS
    assert found["dm"].n_decisions == n
    for name in WEIGHTED:
        assert found[name].value == pytest.approx(alone[name].value)
        assert found[name].warnings[0].startswith(f"{lost.sum()} of {n} decisions have no logged")


def test_items_never_recommended_are_warned_of_with_their_share():
    # item 2 was never chosen once the third decision took item 1
    log = replace(HAND, chosen=np.array([0, 3, 5, 7]))
    found = evaluate(log, CANDIDATE, predicted=PREDICTED)

    said = "20.0% of the probability is on items never recommended in the log, 1 in number"
    assert all(said in each.warnings for each in found.values())


def test_few_effective_decisions_are_warned_of(made):
    n = made.log.n_decisions
    rare = np.where(np.arange(n) == 7, 1e-7, made.log.propensity)

    found = evaluate(replace(made.log, propensity=rare), better(made), bootstrap=FEW)

    assert "effective sample size is 1." in " ".join(found["snips"].warnings)


def test_wrong_propensities_are_noticed_by_the_mean_weight(made):
    doubled = replace(made.log, propensity=np.minimum(1, 2 * made.log.propensity))

    right = evaluate(made.log, better(made), bootstrap=FEW)["ips"]
    wrong = evaluate(doubled, better(made), bootstrap=FEW)["ips"]

    assert right.warnings == ()
    assert "instead of 1" in " ".join(wrong.warnings)


def test_candidate_that_never_agrees_is_unknown_without_an_interval():
    shunned = np.array([0, 1, 0.5, 0, 0.5, 1, 0, 1, 0])  # agrees only where the reward is pending

    found = compare(HAND, shunned, predicted=PREDICTED)

    for name in ("replay", *WEIGHTED):
        assert np.isnan(found[name].candidate.value)
        assert np.isnan(found[name].difference.value)
        assert found[name].candidate.effective_sample_size == 0
        assert np.isnan(found[name].difference.low)
    assert np.isfinite(found["dm"].candidate.value)


@pytest.mark.parametrize(("n_students", "is_given"), [(MIN_STUDENTS - 1, False), (20, True)])
def test_interval_needs_enough_students_who_carry_weight(n_students, is_given):
    made = world(n_students=40, seed=2)
    rows = made.log.student[made.decision]
    # of the other students it takes what was not chosen
    away = np.ones(len(rows))
    away[made.log.chosen] = 0
    candidate = np.where(rows < n_students, 1.0, away)
    candidate /= made.log.per_decision(candidate)[made.decision]

    found = compare(made.log, candidate, bootstrap=FEW)["snips"]

    assert np.isfinite(found.candidate.value)
    assert np.isfinite(found.candidate.low) == is_given
    assert np.isfinite(found.difference.low) == is_given
    assert any("20 are needed" in each for each in found.candidate.warnings) != is_given


def test_compare_difference_is_that_of_the_values_and_turns_its_sign(made):
    good, bad = better(made), made.softmax(-made.features[:, 0])
    options = {"predicted": made.truth, "bootstrap": FEW}

    one, two = (
        compare(made.log, good, other=bad, **options),
        compare(made.log, bad, other=good, **options),
    )

    for name in (*WEIGHTED, "dm"):
        alone = evaluate(made.log, good, **options)[name]
        assert figures(one[name].candidate) == like(alone)
        found, turned = one[name].difference, two[name].difference
        assert found.value == pytest.approx(one[name].candidate.value - one[name].other.value)
        assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low))
        assert found.effective_sample_size == pytest.approx(
            turned.effective_sample_size, nan_ok=True
        )
    assert one["snips"].difference.low > 0
    assert two["snips"].difference.high < 0


def test_paired_difference_is_surer_than_its_parts(made):
    found = compare(made.log, made.softmax(0.8 * made.features[:, 0]), bootstrap=FEW)["snips"]

    length = {name: part.high - part.low for name, part in vars(found).items()}
    assert length["difference"] < 0.5 * length["candidate"]


def test_unusable_input_is_refused(made):
    pending = replace(HAND, reward=np.full(4, NAN))
    blind = replace(HAND, propensity=np.full(4, NAN))

    with pytest.raises(NoData, match="none of 4 decisions has its reward"):
        evaluate(pending, CANDIDATE)
    with pytest.raises(NoData, match="none of 0 decisions"):
        evaluate(part(HAND, np.array([], dtype=int))[0], np.array([]))
    with pytest.raises(NoData, match="without logged propensities"):
        evaluate(blind, CANDIDATE)
    with pytest.raises(ValueError, match=r"decision 0 \(and 3 more\): candidate does not sum"):
        evaluate(HAND, 0.9 * CANDIDATE)
    with pytest.raises(ValueError, match="other does not sum to 1"):
        compare(HAND, CANDIDATE, other=0.9 * CANDIDATE)
    with pytest.raises(ValueError, match="decision 3: predicted is not finite"):
        evaluate(HAND, CANDIDATE, predicted=np.append(PREDICTED[:-1], np.nan))
    with pytest.raises(ValueError, match="max_weight=0"):
        evaluate(HAND, CANDIDATE, max_weight=0)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**20), sharpness=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_estimates_stay_within_what_they_average(seed, sharpness, scale):
    made = world(n_students=6, each=3, seed=seed)
    rng = np.random.default_rng(seed)
    log = replace(made.log, reward=scale * rng.normal(size=made.log.n_decisions))
    q = scale * rng.normal(size=len(made.truth))
    candidate = made.softmax(sharpness * made.features[:, 0])

    found = evaluate(log, candidate, predicted=q)

    assert log.reward.min() - 1e-9 <= found["snips"].value <= log.reward.max() + 1e-9
    assert q.min() - 1e-9 <= found["dm"].value <= q.max() + 1e-9
    assert 1 - 1e-9 <= found["ips"].effective_sample_size <= log.n_decisions + 1e-9
