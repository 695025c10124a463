"""Evaluations against figures worked out apart, and what they refuse."""

import json

import numpy as np
import pytest

from deepkt_irt.errors import NoData, QualityViolation
from deepkt_irt.knowledge_tracing.evaluation import (
    EvaluationSettings,
    as_json,
    checked_predictions,
    evaluate,
)
from deepkt_irt.knowledge_tracing.histories import Histories, Split
from deepkt_irt.knowledge_tracing.metrics import scores
from deepkt_irt.knowledge_tracing.protocols import COLD_START, LEAP

FEW = EvaluationSettings(n_resamples=30)


def histories(n_students=30, each=12, seed=3) -> Histories:
    rng = np.random.default_rng(seed)
    n = n_students * each
    item = rng.integers(1, 13, n)
    second = np.where(item % 4 == 0, 9, 0)  # every fourth item has two skills
    return Histories.of(
        offsets=np.arange(n_students + 1) * each,
        item=item,
        skills=np.sort(np.column_stack([item % 3 + 1, second]), axis=1),
        correct=rng.integers(0, 2, n),
    )


class Noisy:
    """Predictions from a generator: not good, and different by seed."""

    def __init__(self, seed):
        self.seed = seed
        self.fitted_on = 0

    def fit(self, histories, split):
        self.fitted_on = int(split.train.sum())

    def predict(self, histories, chosen):
        assert self.fitted_on > 0
        return np.random.default_rng(self.seed).random(len(histories))[chosen]


class Constant(Noisy):
    def predict(self, histories, chosen):
        return np.full(int(chosen.sum()), 0.25)


def test_figures_are_means_over_splits_of_models_with_seeds_of_their_own():
    data = histories()
    splits = LEAP.splits(data, seed=1)

    found = evaluate(data, splits, {"noisy": Noisy}, seed=40, settings=FEW).models["noisy"]

    expected = []
    for k, split in enumerate(splits):
        predicted = np.random.default_rng(40 + k).random(len(data))[split.test]
        expected.append(scores(data.correct[split.test], predicted))
    for name in ("auc", "accuracy", "log_loss", "ece"):
        values = [getattr(each, name) for each in expected]
        assert found.figures[name].mean == pytest.approx(np.mean(values))
        assert found.figures[name].std == pytest.approx(np.std(values, ddof=1))
    assert found.splits == tuple(expected)
    assert found.figures["auc"].low < found.figures["auc"].mean < found.figures["auc"].high
    assert found.pooled.n == 5 * splits[0].test.sum()


def test_all_models_are_fitted_on_all_splits_and_progress_is_told():
    data, lines = histories(), []
    splits = LEAP.splits(data)[:2]

    found = evaluate(
        data,
        splits,
        {"noisy": Noisy, "constant": Constant},
        seed=1,
        settings=FEW,
        on_progress=lines.append,
    )

    assert list(found.models) == ["noisy", "constant"]
    assert [line.split(" fitted")[0] for line in lines] == [
        "split 1 of 2: noisy",
        "split 2 of 2: noisy",
        "split 1 of 2: constant",
        "split 2 of 2: constant",
    ]


def rows_of(found, model, kind) -> dict:
    return {row.name: row for row in found.models[model].breakdowns[kind]}


def test_history_buckets_hold_the_responses_with_that_many_visible():
    data = histories(n_students=30, each=130)
    splits = LEAP.splits(data)[:2]

    rows = rows_of(
        evaluate(data, splits, {"noisy": Noisy}, seed=1, settings=FEW), "noisy", "history"
    )

    assert {name: row.n for name, row in rows.items()} == {
        "0": 6 * 1,
        "1-4": 6 * 4,
        "5-19": 6 * 15,
        "20-99": 6 * 80,
        "100+": 6 * 30,
    }
    late = splits[0].test & (data.visible >= 100)
    assert rows["100+"].observed == pytest.approx(data.correct[late].mean())
    expected = [
        scores(data.correct[late], np.random.default_rng(1 + k).random(len(data))[late])
        for k in range(2)
    ]
    assert rows["100+"].auc == pytest.approx(np.mean([each.auc for each in expected]))
    assert rows["100+"].log_loss == pytest.approx(np.mean([each.log_loss for each in expected]))


def test_a_response_with_several_skills_counts_to_each_and_the_most_answered_are_kept():
    data = histories()
    splits = LEAP.splits(data)[:1]
    test = splits[0].test

    found = evaluate(data, splits, {"noisy": Noisy}, seed=1, settings=FEW)
    two = evaluate(
        data,
        splits,
        {"noisy": Noisy},
        seed=1,
        settings=EvaluationSettings(n_resamples=5, top_skills=2),
    )

    rows = rows_of(found, "noisy", "skill")
    assert set(rows) == {"1", "2", "3", "9"}
    for skill, row in rows.items():
        assert row.n == (data.skills[test] == int(skill)).any(axis=1).sum()
    by_size = sorted(rows.values(), key=lambda row: (-row.n, int(row.name)))
    assert set(rows_of(two, "noisy", "skill")) == {row.name for row in by_size[:2]}


def test_items_without_a_training_response_are_told_apart():
    data = histories()
    split = LEAP.splits(data)[0]
    held_out = Split(split.train & (data.item != 5), split.validation, split.test)

    found = evaluate(data, [held_out], {"constant": Constant}, seed=1, settings=FEW)

    rows = rows_of(found, "constant", "item")
    assert rows["not in training"].n == (split.test & (data.item == 5)).sum()
    assert rows["in training"].n == (split.test & (data.item != 5)).sum()
    assert rows["in training"].mean_predicted == 0.25


def test_small_groups_and_students_without_a_group_are_left_out():
    data = histories()
    split = LEAP.splits(data)[0]
    test_students = np.unique(data.student_of_response[split.test])  # 6
    groups = np.array(["large"] * 30, dtype=object)
    groups[test_students[:2]] = "small"
    groups[test_students[2]] = None

    found = evaluate(
        data,
        [split],
        {"noisy": Noisy},
        seed=1,
        groups=groups,
        settings=EvaluationSettings(n_resamples=5, suppress_below=3),
    )

    rows = rows_of(found, "noisy", "group")
    assert list(rows) == ["large"]
    assert (rows["large"].n_students, rows["large"].n) == (3, 36)


def test_without_groups_no_group_rows_and_default_suppression_is_ten_students():
    data = histories()
    splits = LEAP.splits(data)[:1]
    named = np.array(["all"] * 30)

    assert "group" not in evaluate(data, splits, {"n": Noisy}, seed=1).models["n"].breakdowns
    assert (
        evaluate(data, splits, {"n": Noisy}, seed=1, groups=named).models["n"].breakdowns["group"]
        == ()
    )  # 6 students are judged


def test_strata_of_a_cold_start_are_reported_apart():
    data = histories(n_students=40, each=30)
    splits = COLD_START.splits(data)

    rows = rows_of(evaluate(data, splits, {"n": Noisy}, seed=1, settings=FEW), "n", "stratum")

    for name in ("new_students", "new_items"):
        assert rows[name].n == splits[0].strata[name].sum()


def test_as_json_has_the_fixed_shape_and_none_where_undefined():
    data = histories()
    split = LEAP.splits(data)[0]

    found = as_json(
        evaluate(data, [split], {"constant": Constant}, seed=1, protocol="leap", settings=FEW)
    )

    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found
    assert (found["protocol"], found["data"], found["folds"]) == ("leap", data.digest, 1)
    constant = found["models"]["constant"]
    assert {"auc", "auc_std", "auc_low", "auc_high", "accuracy", "log_loss", "ece"} <= set(constant)
    assert constant["auc_std"] is None
    assert constant["auc"] == 0.5
    assert constant["n"] == split.test.sum()


def test_all_right_has_no_auc_but_the_other_figures():
    data = histories()
    split = LEAP.splits(data)[0]
    right = Histories.of(
        offsets=data.offsets, item=data.item, skills=data.skills, correct=np.ones(len(data), int)
    )

    found = as_json(evaluate(right, [split], {"c": Constant}, seed=1, settings=FEW))["models"]["c"]

    assert found["auc"] is None
    assert found["auc_low"] is None
    assert found["log_loss"] == pytest.approx(-np.log(0.25))


def test_one_judged_student_has_figures_without_intervals():
    data = histories()
    train = data.student_of_response > 0
    split = Split(train, np.zeros(len(data), dtype=bool), ~train)

    figure = evaluate(data, [split], {"n": Noisy}, seed=1, settings=FEW).models["n"].figures["auc"]

    assert np.isfinite(figure.mean)
    assert np.isnan([figure.low, figure.high, figure.std]).all()


@pytest.mark.parametrize(
    ("predicted", "message"),
    [
        ([0.5, np.nan, 0.5], "model sakt: 1 of 3 predictions"),
        ([0.5, 1.5, -0.1], "model sakt: 2 of 3 predictions"),
        ([0.5, np.inf, 0.5], "model sakt: 1 of 3 predictions"),
        ([0.5, 0.5], "model sakt: .2,. predictions for 3 responses"),
        ([[0.5], [0.5], [0.5]], "model sakt"),
    ],
)
def test_predictions_that_are_no_probabilities_are_refused_by_name(predicted, message):
    with pytest.raises(QualityViolation, match=message):
        checked_predictions("sakt", np.array(predicted), 3)


def test_evaluate_refuses_a_model_that_predicts_too_few():
    class Short(Noisy):
        def predict(self, histories, chosen):
            return np.full(3, 0.5)

    data = histories()
    with pytest.raises(QualityViolation, match="model short"):
        evaluate(data, LEAP.splits(data), {"short": Short}, seed=1)


def test_evaluate_refuses_what_it_cannot_judge():
    data = histories()
    split = LEAP.splits(data)[0]
    nothing = np.zeros(len(data), dtype=bool)
    context = Histories.of(
        offsets=data.offsets,
        item=data.item,
        skills=data.skills,
        correct=data.correct,
        visible=np.full(len(data), -1),
    )

    with pytest.raises(NoData, match="one split and one model"):
        evaluate(data, [], {"n": Noisy}, seed=1)
    with pytest.raises(NoData, match="one split and one model"):
        evaluate(data, [split], {}, seed=1)
    with pytest.raises(NoData, match="no test response"):
        evaluate(data, [Split(split.train, split.validation, nothing)], {"n": Noisy}, seed=1)
    with pytest.raises(ValueError, match="a mask of 0"):
        evaluate(data, [Split(split.train, split.validation)], {"n": Noisy}, seed=1)
    with pytest.raises(ValueError, match="context"):
        evaluate(context, [split], {"n": Noisy}, seed=1)
    with pytest.raises(ValueError, match="2 groups but 30 students"):
        evaluate(data, [split], {"n": Noisy}, seed=1, groups=np.array(["a", "b"]))
