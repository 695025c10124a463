"""Boosted trees: no row's own answer in its features, missing values, early stopping."""

import numpy as np
import pytest

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.boosted_trees import BoostedTrees, Encoding, features
from deepkt_irt.knowledge_tracing.histories import Histories, Split


def drawn(seed=1, *, n_students=60, length=20, correct=None, **given):
    rng = np.random.default_rng(seed)
    n = n_students * length
    item = rng.integers(1, 9, n)
    answers = (rng.random(n) < 0.2 + 0.08 * item).astype(np.int64)
    return Histories.of(
        offsets=np.arange(n_students + 1) * length,
        item=item,
        skills=1 + item.reshape(-1, 1) % 3,
        correct=answers if correct is None else correct,
        **given,
    )


def thirds(histories):
    group = histories.student_of_response % 3
    return Split(train=group == 0, validation=group == 1, test=group == 2)


def test_encoding_out_of_fold_rests_on_the_other_folds_alone():
    histories = Histories.of(
        offsets=np.array([0, 2, 4, 6]),
        item=np.array([1, 2, 1, 1, 2, 1]),
        skills=np.ones((6, 1), dtype=np.int64),
        correct=np.array([1, 0, 0, 1, 1, 1]),
    )
    train, fold = np.ones(6, dtype=bool), np.array([0, 0, 1, 1, 2, 2])

    found = Encoding.from_others(histories, train, fold)

    # for the first student item 1 has right answers 0, 1, 1, and item 2 has 1; 3 of 4 are right
    prior = 5 * 0.75
    assert found.item[:2] == pytest.approx([(2 + prior) / 8, (1 + prior) / 6])
    assert found.skills[:2] == pytest.approx([(3 + prior) / 9] * 2)
    assert found.n_item[:2].tolist() == [3, 1]


def test_encoding_of_an_item_that_other_folds_never_met_is_that_of_its_skills():
    histories = Histories.of(
        offsets=np.array([0, 1, 3]),
        item=np.array([7, 1, 1]),
        skills=np.array([[2], [2], [1]]),
        correct=np.array([1, 0, 1]),
    )

    found = Encoding.from_others(histories, np.ones(3, dtype=bool), np.array([0, 1, 1]))

    assert found.item[0] == found.skills[0] == pytest.approx((0 + 5 * 0.5) / 6)
    assert found.n_item[0] == 0


def test_features_of_training_rows_do_not_hold_their_own_or_later_answers():
    histories = drawn()
    train = thirds(histories).train
    fold = histories.student_of_response % 5
    at = int(np.flatnonzero(train)[7])  # the eighth response of the first student
    flipped = histories.correct.copy()
    flipped[at:20] = 1 - flipped[at:20]
    changed = drawn(correct=flipped)

    mask = np.arange(len(histories)) == at
    before, after = (
        features(each, mask, Encoding.from_others(each, train, fold))
        for each in (histories, changed)
    )

    np.testing.assert_array_equal(before, after)


def test_features_of_a_first_response_are_missing_rather_than_invented():
    histories = drawn()
    known = Encoding.from_others(histories, histories.asked, histories.student_of_response % 5)

    found = features(histories, np.arange(len(histories)) == 0, known)[0]

    assert np.isnan(found).sum() == 17  # shares, recency and behaviour
    assert np.isfinite(found[:4]).all()


def test_past_behaviour_helps_where_it_is_known():
    """Students answer right after a slow answer: only the past latency tells."""
    rng = np.random.default_rng(3)
    n_students, length = 120, 20
    slow = rng.random((n_students, length)) < 0.5
    correct = np.zeros((n_students, length), dtype=np.int64)
    correct[:, 1:] = slow[:, :-1]
    latency = np.where(slow, 60_000.0, 2_000.0)
    histories = drawn(n_students=n_students, correct=correct.ravel(), latency_ms=latency.ravel())
    split = thirds(histories)
    model = BoostedTrees(1)
    model.fit(histories, split)

    later = split.test & (histories.position > 0)
    predicted = model.predict(histories, later)

    assert ((predicted > 0.5) == (histories.correct[later] == 1)).mean() > 0.98


def test_early_stopping_listens_to_validation_alone():
    histories = drawn()
    split = thirds(histories)
    noise = np.random.default_rng(5).integers(0, 2, len(histories))
    against = np.where(split.validation, noise, histories.correct)

    rounds = []
    for answers in (histories.correct, against):
        model = BoostedTrees(1, max_rounds=150, learning_rate=0.02)
        model.fit(drawn(correct=answers), split)
        rounds.append(model._state.trees.n_iter_)

    assert 20 <= rounds[1] < rounds[0]


def test_without_validation_boosting_runs_its_fixed_rounds():
    histories = drawn()
    model = BoostedTrees(1)
    nothing = np.zeros(len(histories), dtype=bool)
    model.fit(histories, Split(train=thirds(histories).train, validation=nothing))

    assert model._state.trees.n_iter_ == 150


def test_same_seed_gives_the_same_predictions():
    histories = drawn()
    split = thirds(histories)
    found = []
    for _ in range(2):
        model = BoostedTrees(11)
        model.fit(histories, split)
        found.append(model.predict(histories, split.test))

    np.testing.assert_array_equal(*found)


def test_one_training_student_is_refused():
    histories = drawn(n_students=2)
    first = histories.student_of_response == 0

    with pytest.raises(NoData, match="other students"):
        BoostedTrees(1).fit(histories, Split(train=first, validation=~first))
