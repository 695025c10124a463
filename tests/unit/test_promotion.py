"""A version takes the champion's place only if it is sound and better beyond chance."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.intervals import Difference
from deepkt_irt.knowledge_tracing.metrics import auc
from deepkt_irt.knowledge_tracing.promotion import Champion, decide
from deepkt_irt.settings import PromotionSettings

SETTINGS = PromotionSettings(n_resamples=100)
N_STUDENTS, PER_STUDENT = 60, 25


@dataclass(frozen=True)
class Guard:
    passed: bool = True
    reasons: tuple[str, ...] = ()


def fixed(auc, low, high):
    """Stands for the bootstrap where a test says what it finds."""
    found = Difference(auc, low, high, 0.0, 0.0, 0.0, n=1, n_students=1)
    return lambda *_, **__: found


@pytest.fixture(scope="module")
def world():
    """Answers drawn from known probabilities, and models that see them more or less well."""
    rng = np.random.default_rng(3)
    logit = rng.normal(0, 1.3, N_STUDENTS * PER_STUDENT)
    truth = 1 / (1 + np.exp(-logit))
    correct = (rng.random(len(truth)) < truth).astype(float)
    blurred = 1 / (1 + np.exp(-0.5 * (logit + rng.normal(0, 1.3, len(truth)))))
    student = np.repeat(np.arange(N_STUDENTS), PER_STUDENT)
    return {"correct": correct, "student": student, "good": truth, "poor": blurred}


def decided(world, challenger="good", *, champion=None, guard=None, limits=SETTINGS, **changed):
    return decide(
        changed.get("correct", world["correct"]),
        changed.get("student", world["student"]),
        world[challenger] if isinstance(challenger, str) else challenger,
        baselines=changed.get("baselines", {"item_mean": world["poor"]}),
        champion=champion,
        guard=guard or Guard(),
        settings=limits,
    )


def test_better_version_without_champion_is_promoted_with_its_figures(world):
    decision = decided(world)

    assert decision.promote
    (comparison,) = decision.comparisons
    assert comparison.better
    assert comparison.difference == pytest.approx(comparison.challenger_auc - comparison.auc)
    assert decision.reasons == (f"better: {comparison}",)


def test_sentence_names_both_figures_their_difference_and_its_interval(world):
    decision = decide(
        world["correct"],
        world["student"],
        world["good"],
        baselines={"item_mean": world["poor"]},
        champion=Champion("3", world["good"]),
        guard=Guard(),
        settings=SETTINGS,
        difference=fixed(0.0022, 0.0004, 0.0041),
    )

    figure = f"{auc(world['correct'], world['good']):.4f}".removeprefix("0")
    assert decision.reasons[1] == (
        f"better: AUC {figure} against {figure} of version 3: +.0022, 95% interval +.0004 to +.0041"
    )


def test_champion_nearly_as_good_stays_and_the_reason_says_why(world):
    rng = np.random.default_rng(4)
    nearly = np.clip(world["good"] + rng.normal(0, 1e-3, len(world["good"])), 0, 1)

    decision = decided(world, champion=Champion("3", nearly))

    assert not decision.promote
    assert decision.reasons == (f"not better beyond chance: {decision.comparisons[1]}",)
    assert "of version 3" in decision.reasons[0]
    assert decision.comparisons[0].better  # the baseline is beaten all the same


def test_clearly_worse_version_is_called_worse(world):
    decision = decided(world, "poor", baselines={"item_mean": world["good"]})

    assert not decision.promote
    assert decision.reasons[0].startswith("worse: AUC ")
    assert "of item_mean" in decision.reasons[0]


def test_every_baseline_must_be_beaten_where_there_is_a_champion(world):
    baselines = {"item_mean": world["poor"], "best_lr": world["good"]}

    decision = decided(world, baselines=baselines, champion=Champion("3", world["poor"]))

    assert not decision.promote
    assert [comparison.better for comparison in decision.comparisons] == [True, False, True]
    assert decision.reasons == (f"not better beyond chance: {decision.comparisons[1]}",)


def test_first_version_may_be_as_good_as_other_baselines_but_not_worse(world):
    rng = np.random.default_rng(5)
    middling = np.clip(world["good"] + rng.normal(0, 0.15, len(world["good"])), 0, 1)
    floor = {"item_mean": world["poor"]}

    as_good = decided(world, baselines={**floor, "best_lr": world["good"]})
    worse = decided(
        world,
        middling,
        baselines={**floor, "best_lr": world["good"]},
        limits=SETTINGS.model_copy(update={"max_ece": 0.9}),
    )

    assert as_good.promote
    assert as_good.reasons[1] == f"not better beyond chance: {as_good.comparisons[1]}"
    assert not worse.promote
    assert worse.reasons == (f"worse: {worse.comparisons[1]}",)
    assert worse.comparisons[0].better  # than what knows nothing of the student


def test_champion_that_cannot_score_counts_as_none_and_is_named(world):
    champion = Champion("3", None, unscored="its files are of format 1")

    decision = decided(world, champion=champion)

    assert decision.promote
    assert decision.reasons[-1] == (
        "version 3 cannot be compared (its files are of format 1), so it counts as no champion"
    )


def test_failed_guard_refuses_whatever_the_figures_say(world):
    guard = Guard(passed=False, reasons=("random labels gave AUC .71",))

    decision = decided(world, guard=guard)

    assert not decision.promote
    assert decision.reasons == ("the leakage guard failed: random labels gave AUC .71",)
    assert decision.comparisons[0].better  # the figures are given, for who looks into it


def test_uncalibrated_version_is_refused_with_its_error(world):
    overconfident = np.clip(0.5 + 3 * (world["good"] - 0.5), 0, 1)  # orders them the same

    decision = decided(world, overconfident)

    assert not decision.promote
    assert len(decision.reasons) == 1
    assert "at most .0500 is allowed" in decision.reasons[0]
    assert decided(
        world, overconfident, limits=SETTINGS.model_copy(update={"max_ece": 0.9})
    ).promote


def few_students(world):
    few = world["student"] < SETTINGS.min_students - 1
    return {name: values[few] for name, values in world.items()}


TOO_FEW = "29 test students are too few to tell versions apart, 30 are needed"


def test_too_few_test_students_leave_the_champion_in_its_place(world):
    some = few_students(world)

    decision = decided(some, champion=Champion("3", some["poor"]))

    assert not decision.promote
    assert decision.comparisons == ()
    assert decision.reasons == (TOO_FEW,)


def test_first_version_on_few_test_students_is_judged_by_figures_alone(world):
    some = few_students(world)

    better, worse = decided(some), decided(some, "poor", baselines={"item_mean": some["good"]})

    assert better.promote
    assert better.reasons == (f"first version, judged by figures alone: {TOO_FEW}",)
    assert not worse.promote
    own, floor = (f"{auc(some['correct'], some[name]):.4f}"[1:] for name in ("poor", "good"))
    assert f"AUC {own} against {floor} of item_mean" in worse.reasons


def test_test_responses_all_alike_promote_nobody(world):
    alike = {**world, "correct": np.ones(len(world["correct"]))}

    decision = decided(alike, limits=SETTINGS.model_copy(update={"max_ece": 0.99}))

    assert not decision.promote
    assert decision.reasons[0] == (
        "all test responses are alike, right or wrong, so that no AUC exists"
    )


def test_all_that_speaks_against_a_version_is_said_at_once(world):
    guard = Guard(passed=False)
    strict = SETTINGS.model_copy(update={"max_ece": 1e-6})

    decision = decided(world, "poor", guard=guard, limits=strict)

    guarded, uncalibrated, beaten = decision.reasons
    assert guarded == "the leakage guard failed: no reason given"
    assert uncalibrated.startswith("its probabilities are off by .")
    assert beaten.startswith("not better beyond chance: AUC ")


@pytest.mark.parametrize("name", ["student", "item_mean", "version 3"])
def test_values_of_another_length_are_refused_by_name(world, name):
    short = world["good"][:-1]
    changed = {
        "student": {"student": world["student"][:-1]},
        "item_mean": {"baselines": {"item_mean": short}},
        "version 3": {"champion": Champion("3", short)},
    }[name]

    with pytest.raises(ValueError, match=f"values of {name}"):
        decided(world, **changed)


def test_judging_without_baselines_or_responses_is_refused(world):
    for baselines in ({}, {"best_lr": world["poor"]}):
        with pytest.raises(ValueError, match="item_mean among them"):
            decided(world, baselines=baselines)
    empty = {name: values[:0] for name, values in world.items()}
    with pytest.raises(NoData):
        decided(empty)


@pytest.mark.parametrize(("predicted", "why"), [(None, ""), (np.ones(2), "too old")])
def test_champion_has_either_predictions_or_a_reason(predicted, why):
    with pytest.raises(ValueError, match="either"):
        Champion("3", predicted, why)


@settings(max_examples=25, deadline=None)
@given(low=st.floats(-0.5, 0.5), width=st.floats(0, 0.5))
def test_promotion_follows_the_lower_end_of_the_interval(world, low, width):
    decision = decide(
        world["correct"],
        world["student"],
        world["good"],
        baselines={"item_mean": world["poor"]},
        champion=None,
        guard=Guard(),
        settings=SETTINGS,
        difference=fixed(low + width / 2, low, low + width),
    )

    assert decision.promote == (low > 0)
