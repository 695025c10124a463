"""Protocols: who is trained on and who is judged, and what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import Histories
from deepkt_irt.knowledge_tracing.protocols import (
    COLD_START,
    LEAP,
    PROTOCOLS,
    PYKT_QUESTION,
    TEMPORAL,
    user_splits,
)


def histories(lengths, *, n_items=30, seed=3, **columns) -> Histories:
    rng = np.random.default_rng(seed)
    n = int(np.sum(lengths))
    return Histories.of(
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        item=rng.integers(1, n_items + 1, n),
        skills=np.ones((n, 1), dtype=np.int64),
        correct=rng.integers(0, 2, n),
        **columns,
    )


def students_of(data, mask) -> list[int]:
    return sorted(set(data.student_of_response[mask].tolist()))


def masks(splits) -> list[list[list[bool]]]:
    return [[s.train.tolist(), s.validation.tolist(), s.test.tolist()] for s in splits]


@pytest.mark.parametrize("protocol", [LEAP, PYKT_QUESTION])
def test_students_are_on_one_side_only_and_every_fold_validates_once(protocol):
    data = histories(np.full(53, 4))

    splits = protocol.splits(data, seed=5)

    assert len(splits) == 5
    parts = [[students_of(data, m) for m in (s.train, s.validation, s.test)] for s in splits]
    for train, validation, test in parts:
        assert sorted(train + validation + test) == list(range(53))
        assert test == parts[0][2]
    rest = [student for student in range(53) if student not in parts[0][2]]
    assert sorted(student for _, validation, _ in parts for student in validation) == rest
    assert len(parts[0][2]) in (10, 11)


def test_leap_scores_every_asked_response_once_and_never_context():
    visible = np.tile([-1, 1, 2, 3], 20)
    data = histories(np.full(20, 4), visible=visible)

    for split in LEAP.splits(data, seed=1):
        assert (split.train.astype(int) + split.validation + split.test == data.asked).all()


def test_splits_are_the_same_by_seed_and_others_by_another():
    data = histories(np.full(40, 3))

    assert masks(LEAP.splits(data, seed=1)) == masks(LEAP.splits(data, seed=1))
    assert masks(LEAP.splits(data, seed=1)) != masks(LEAP.splits(data, seed=2))


@given(st.permutations(range(20)))
@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("protocol", [LEAP, PYKT_QUESTION, COLD_START])
def test_how_students_are_numbered_or_called_changes_no_split(protocol, order):
    data = histories(np.full(20, 20), n_items=12)
    called_otherwise = replace(data, student=np.array(order), names=data.names[::-1])

    assert masks(protocol.splits(called_otherwise)) == masks(protocol.splits(data))


def test_two_segments_of_a_student_stay_together():
    data = histories(np.full(40, 3), student=np.repeat(np.arange(20), 2))

    for split in LEAP.splits(data, seed=2):
        sides = [students_of(data, m) for m in (split.train, split.validation, split.test)]
        assert sum(map(len, sides)) == 20


def test_pykt_question_draws_the_students_that_pykts_recipe_draws():
    lengths = np.tile([5, 2, 4], 12)  # students of two responses are dropped
    data = histories(lengths)

    split = PYKT_QUESTION.splits(data)[0]

    frame = pd.DataFrame({"uid": np.flatnonzero(lengths >= 3)})
    shuffled = frame.sample(frac=1.0, random_state=1024)
    n_test = int(len(frame) * 0.2)
    rest = shuffled[: len(frame) - n_test].sample(frac=1.0, random_state=1024)
    assert students_of(data, split.test) == sorted(shuffled["uid"][-n_test:])
    assert students_of(data, split.validation) == sorted(rest["uid"][:4])  # 20 of 5 folds
    assert students_of(data, split.train) == sorted(rest["uid"][4:])


def test_pykt_question_does_not_score_a_students_first_question():
    data = histories(np.full(20, 4))

    split = PYKT_QUESTION.splits(data)[0]

    scored = split.train | split.validation | split.test
    assert (scored == (data.position > 0)).all()


def test_temporal_trains_before_validation_before_test():
    at = np.random.default_rng(8).permutation(np.arange(200.0)).reshape(20, 10)
    data = histories(np.full(20, 10), answered_at=np.sort(at, axis=1).ravel())

    (split,) = TEMPORAL.splits(data)

    at = data.answered_at
    assert at[split.train].max() < at[split.validation].min()
    assert at[split.validation].max() < at[split.test].min()
    assert [int(m.sum()) for m in (split.train, split.validation, split.test)] == [140, 20, 40]


def test_temporal_counts_asked_responses_only_and_judges_none_without_an_instant():
    at = np.arange(100.0)
    at[99] = np.nan
    visible = np.tile([-1, *range(1, 10)], 10)
    data = histories(np.full(10, 10), answered_at=at, visible=visible)

    (split,) = TEMPORAL.splits(data)

    used = split.train | split.validation | split.test
    assert not used[visible < 0].any()
    assert not used[99]
    assert used.sum() == 89


@pytest.mark.parametrize("known", [0, 50])
def test_temporal_without_instants_names_what_is_missing(known):
    at = np.where(np.arange(100) < known, np.arange(100.0), np.nan)
    with pytest.raises(NoData, match=rf"answered_at.*{100 - known} of 100"):
        TEMPORAL.splits(histories(np.full(10, 10), answered_at=at))


def test_temporal_at_one_instant_is_refused():
    with pytest.raises(NoData, match="time of train"):
        TEMPORAL.splits(histories(np.full(10, 10), answered_at=np.full(100, 5.0)))


def test_cold_start_hides_items_from_training_and_keeps_the_strata_apart():
    data = histories(np.full(40, 30), n_items=20)

    splits = COLD_START.splits(data, seed=4)

    hidden = set(data.item[splits[0].strata["new_items"]].tolist())
    assert len(hidden) == 2
    for split, of_leap in zip(splits, LEAP.splits(data, seed=4), strict=True):
        trained = data.item[split.train | split.validation]
        assert not np.isin(trained, list(hidden)).any()
        assert not (split.strata["new_students"] & split.strata["new_items"]).any()
        assert ((split.strata["new_students"] | split.strata["new_items"]) == split.test).all()
        assert students_of(data, split.test) == students_of(data, of_leap.test)
        assert (split.train == of_leap.train & ~np.isin(data.item, list(hidden))).all()
    shown = ~np.isin(data.item, list(hidden))
    expected = of_leap.test & shown & (data.position < 10)
    assert (splits[0].strata["new_students"] == expected).all()
    assert (splits[0].strata["new_items"] == of_leap.test & ~shown).all()


def test_cold_start_first_responses_are_counted_over_a_students_segments_without_context():
    visible = np.tile([*range(8), -1, -1, *range(2, 8)], 20)  # two windows of 8, 2 of context
    data = histories(
        np.full(40, 8), n_items=10, visible=visible, student=np.repeat(np.arange(20), 2)
    )

    split = COLD_START.splits(data, seed=4)[0]

    position = np.tile([*range(8), -1, -1, *range(8, 14)], 20)
    judged = split.strata["new_students"]
    hidden = set(data.item[split.strata["new_items"]].tolist())
    of_test = np.isin(data.student_of_response, students_of(data, split.test))
    shown = ~np.isin(data.item, list(hidden))
    assert (judged == (of_test & shown & (position >= 0) & (position < 10))).all()


def test_cold_start_never_hides_the_unknown_item():
    data = histories(np.full(40, 30), n_items=12)
    data = replace(data, item=np.where(data.item < 3, 0, data.item))

    for seed in range(20):
        assert (data.item[COLD_START.splits(data, seed=seed)[0].strata["new_items"]] > 0).all()


def test_cold_start_with_rarely_answered_items_is_refused():
    with pytest.raises(NoData, match="10 items with 20 or more responses"):
        COLD_START.splits(histories(np.full(20, 4), n_items=30))


@pytest.mark.parametrize("name", ["leap", "pykt_question", "cold_start"])
def test_too_few_students_are_refused_with_the_number_needed(name):
    with pytest.raises(NoData, match=rf"{name} needs at least 10 students .* there are 9"):
        PROTOCOLS[name].splits(histories(np.full(9, 30)))


def test_students_with_context_only_do_not_count():
    visible = np.where(np.arange(30) < 3, -1, np.tile([0, 1, 2], 10))
    with pytest.raises(NoData, match="there are 9"):
        LEAP.splits(histories(np.full(10, 3), visible=visible))


def test_user_splits_are_what_the_labels_say():
    data = histories([2, 3, 4], student=np.array([2, 0, 1]))

    (split,) = user_splits(["train", "validation", "test"]).splits(data)

    assert students_of(data, split.train) == [0]
    assert students_of(data, split.validation) == [1]
    assert students_of(data, split.test) == [2]
    assert split.test.tolist() == [True, True] + [False] * 7


def test_user_splits_refuse_other_labels_missing_students_and_empty_parts():
    data = histories([2, 3, 4])
    with pytest.raises(ValueError, match="not dev"):
        user_splits(["train", "dev", "test"])
    with pytest.raises(ValueError, match="3 students but 2 labels"):
        user_splits(["train", "test"]).splits(data)
    with pytest.raises(NoData, match="labelled validation"):
        user_splits(["train", "train", "test"]).splits(data)


def test_every_protocol_is_described_in_one_sentence():
    for name, protocol in PROTOCOLS.items():
        assert name == protocol.name
        assert protocol.description.endswith(".")
        assert ". " not in protocol.description
