"""Intervals by students against resampling written out, and against what must hold."""

import numpy as np
import pytest

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.intervals import (
    FIGURES,
    Sample,
    _draws,
    _StudentSums,
    paired_difference,
    student_intervals,
)
from deepkt_irt.knowledge_tracing.metrics import auc, scores


def answers(n_students=80, each=25, seed=4, spread=1.0):
    """Outcomes, the true chances, and who answered."""
    rng = np.random.default_rng(seed)
    student = np.repeat(np.arange(n_students), each)
    logit = spread * rng.normal(size=n_students)[student] + rng.normal(size=len(student))
    chance = 1 / (1 + np.exp(-logit))
    return (rng.random(len(student)) < chance).astype(int), chance, student


def test_figures_of_a_resample_are_those_of_the_responses_written_out():
    correct, chance, student = answers()
    chance = np.round(chance, 2)  # with ties
    sums = _StudentSums.of(Sample(correct, chance, student), student, 80)

    for weights in np.concatenate(list(_draws(80, 5, seed=2))):
        rows = np.repeat(np.arange(len(correct)), weights[student].astype(int))
        expected = scores(correct[rows], chance[rows])
        found = dict(zip(FIGURES, sums.figures(weights[None])[:, 0], strict=True))
        for name in FIGURES:
            assert found[name] == pytest.approx(getattr(expected, name), abs=1e-9)


def test_binned_auc_is_within_one_in_ten_thousand_of_the_exact_one():
    correct, chance, student = answers(n_students=400, each=200)  # 80,000 distinct predictions
    sums = _StudentSums.of(Sample(correct, chance, student), student, 400)

    for weights in np.concatenate(list(_draws(400, 3, seed=2))):
        rows = np.repeat(np.arange(len(correct)), weights[student].astype(int))
        exact = auc(correct[rows].astype(float), chance[rows])
        assert sums.figures(weights[None])[0, 0] == pytest.approx(exact, abs=1e-4)


def test_draws_are_with_replacement_and_as_many_as_there_are_students():
    weights = np.concatenate(list(_draws(50, 300, seed=1)))

    assert weights.shape == (300, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.05)  # multinomial


def test_chunks_of_draws_lose_none(monkeypatch):
    monkeypatch.setattr("deepkt_irt.knowledge_tracing.intervals._CHUNK", 150)
    chunks = list(_draws(50, 7, seed=1))

    assert [len(chunk) for chunk in chunks] == [3, 3, 1]


def test_student_intervals_hold_the_figures_and_repeat_by_seed():
    correct, chance, student = answers()
    sample = Sample(correct, chance, student)

    found = student_intervals([sample], seed=3, n_resamples=300)

    for name in ("auc", "accuracy", "log_loss"):
        assert found[name].low < getattr(scores(correct, chance), name) < found[name].high
    assert found == student_intervals([sample], seed=3, n_resamples=300)
    assert found != student_intervals([sample], seed=4, n_resamples=300)


def test_student_names_and_order_of_responses_do_not_matter():
    correct, chance, student = answers()
    order = np.random.default_rng(0).permutation(len(correct))
    named = np.char.add("s", np.char.zfill(student.astype(str), 3))

    one = student_intervals([Sample(correct, chance, student)], seed=3, n_resamples=50)
    other = student_intervals(
        [Sample(correct[order], chance[order], named[order])], seed=3, n_resamples=50
    )

    for name in FIGURES:
        assert one[name].low == pytest.approx(other[name].low, abs=1e-9)


def test_responses_of_one_student_count_as_one_piece_of_evidence():
    correct, chance, student = answers(spread=3.0)
    guess = np.full(len(chance), 0.5001)

    def width(who):
        sample = Sample(correct, guess, who)
        found = student_intervals([sample], seed=1, n_resamples=400)["accuracy"]
        return found.high - found.low

    assert width(student) > 2 * width(np.arange(len(student)))


def test_mean_over_splits_on_the_same_responses_is_as_wide_as_one():
    correct, chance, student = answers()
    sample = Sample(correct, chance, student)

    one = student_intervals([sample], seed=1, n_resamples=100)
    five = student_intervals([sample] * 5, seed=1, n_resamples=100)

    for name in FIGURES:
        assert five[name].low == pytest.approx(one[name].low)


def test_mean_over_splits_with_other_students_matches_them_by_name():
    correct, chance, student = answers(n_students=40)
    half = student < 20
    samples = [Sample(correct[side], chance[side], student[side]) for side in (half, ~half)]

    found = student_intervals(samples, seed=1, n_resamples=200)["log_loss"]

    means = [scores(each.correct, each.predicted).log_loss for each in samples]
    assert found.low < np.mean(means) < found.high


def test_one_class_has_no_interval_of_auc_but_of_the_others():
    _, chance, student = answers(n_students=5)
    found = student_intervals([Sample(np.ones(125), chance, student)], seed=1, n_resamples=20)

    assert np.isnan([found["auc"].low, found["auc"].high]).all()
    assert found["log_loss"].low < found["log_loss"].high


def test_paired_difference_of_a_model_with_itself_is_nothing():
    correct, chance, student = answers()

    found = paired_difference(correct, chance, chance, student, n_resamples=50)

    assert (found.auc, found.auc_low, found.auc_high) == (0, 0, 0)
    assert (found.log_loss, found.log_loss_low, found.log_loss_high) == (0, 0, 0)
    assert (found.n, found.n_students) == (2000, 80)


def test_paired_difference_shows_the_better_model_and_mirrors_when_turned():
    correct, chance, student = answers()
    rng = np.random.default_rng(1)
    worse = 1 / (1 + np.exp(-(np.log(chance / (1 - chance)) + rng.normal(size=len(chance)))))

    found = paired_difference(correct, chance, worse, student, n_resamples=300, seed=5)
    turned = paired_difference(correct, worse, chance, student, n_resamples=300, seed=5)

    expected = scores(correct, chance).auc - scores(correct, worse).auc
    assert found.auc == pytest.approx(expected)
    assert 0 < found.auc_low < found.auc < found.auc_high
    assert found.log_loss_low < found.log_loss < found.log_loss_high < 0
    assert turned.auc_low == pytest.approx(-found.auc_high)
    assert turned.log_loss_high == pytest.approx(-found.log_loss_low)


def test_paired_interval_is_narrower_than_that_of_either_model():
    correct, chance, student = answers()
    close = np.clip(chance + np.random.default_rng(1).normal(0, 0.02, len(chance)), 0, 1)

    paired = paired_difference(correct, chance, close, student, n_resamples=200)
    alone = student_intervals([Sample(correct, chance, student)], seed=0, n_resamples=200)["auc"]

    assert paired.auc_high - paired.auc_low < 0.5 * (alone.high - alone.low)


def test_paired_intervals_cover_the_truth_about_as_often_as_they_say():
    """The worse model adds .3 to each logit; its expected loss is known from the chances."""
    covered = 0
    for seed in range(80):
        correct, chance, student = answers(n_students=60, each=10, seed=seed)
        shifted = 1 / (1 + np.exp(-(np.log(chance / (1 - chance)) + 0.3)))
        found = paired_difference(
            correct, chance, shifted, student, n_resamples=200, confidence=0.9
        )
        truth = np.mean(
            chance * np.log(shifted / chance) + (1 - chance) * np.log((1 - shifted) / (1 - chance))
        )
        covered += found.log_loss_low <= truth <= found.log_loss_high
    assert 0.8 <= covered / 80 <= 0.98


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"correct": []}, ValueError, "responses but"),
        ({"correct": [], "first": [], "second": [], "student": []}, NoData, "no responses"),
        ({"second": [0.5, 0.5, 1.5]}, ValueError, "from 0 to 1"),
        ({"first": [0.5, np.nan, 0.5]}, ValueError, "from 0 to 1"),
        ({"student": [1, 2]}, ValueError, "2,. students"),
        ({"student": [7, 7, 7]}, NoData, "at least 2 students"),
        ({"n_resamples": 0}, ValueError, "n_resamples=0"),
        ({"confidence": 1.0}, ValueError, "confidence=1.0"),
    ],
)
def test_paired_difference_refuses_impossible_input(change, error, message):
    good = {
        "correct": [1, 0, 1],
        "first": [0.5, 0.4, 0.6],
        "second": [0.5, 0.5, 0.5],
        "student": [1, 2, 3],
    }
    with pytest.raises(error, match=message):
        paired_difference(**(good | change))


def test_student_intervals_of_nothing_are_refused():
    with pytest.raises(NoData):
        student_intervals([], seed=1)
