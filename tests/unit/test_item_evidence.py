"""Evidence on items: what it holds, and whose answers it is kept from."""

from dataclasses import fields, replace

import numpy as np
import pytest

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import Histories
from deepkt_irt.knowledge_tracing.item_evidence import N_FEATURES, ItemEvidence, helped_first
from made_up_histories import edited, every_third, in_groups, made_up

GROUPS = 3
COUNT = 2  # column of the number of answers


@pytest.fixture
def setting():
    """Histories, their training responses, and the group of each student."""
    histories = made_up()
    train = every_third(histories).train
    return histories, train, in_groups(histories, every_third(histories), groups=GROUPS)


def four_answers(**columns):
    """Item 1 answered right, right and wrong, item 2 wrong, by one student each, on one skill."""
    return Histories.of(
        offsets=np.arange(5),
        item=np.array([1, 1, 1, 2]),
        skills=np.array([[1], [1], [1], [1]]),
        correct=np.array([1, 1, 0, 0]),
        **columns,
    )


def all_train(histories):
    return ItemEvidence.of(
        histories,
        np.ones(len(histories), dtype=bool),
        np.zeros(histories.n_segments, dtype=np.int64),
    )


def rows_of(evidence, table):
    return {each.name: getattr(evidence, each.name)[table] for each in fields(evidence)}


@pytest.mark.parametrize("group", range(1, GROUPS + 1))
def test_table_of_a_group_holds_nothing_of_its_own_students(setting, group):
    histories, train, group_of = setting
    own = np.flatnonzero(group_of[histories.segment] == group)

    before = ItemEvidence.of(histories, train, group_of)
    after = ItemEvidence.of(edited(histories, own), train, group_of)

    for name, values in rows_of(before, group).items():
        np.testing.assert_array_equal(rows_of(after, group)[name], values, err_msg=name)
    for table in {0, 1, 2, 3} - {group}:
        changed = rows_of(after, table)
        for name, values in rows_of(before, table).items():
            assert not np.array_equal(changed[name], values), f"{name} of table {table}"


def test_full_table_rests_on_all_training_students_and_on_no_others(setting):
    histories, train, group_of = setting

    before = ItemEvidence.of(histories, train, group_of)
    after = ItemEvidence.of(edited(histories, ~train), train, group_of)

    for each in fields(before):
        np.testing.assert_array_equal(getattr(after, each.name), getattr(before, each.name))
    n = np.bincount(histories.item[train], minlength=histories.n_items + 1)
    assert before.n[0].tolist() == n.tolist()


def test_tables_of_the_groups_count_each_answer_in_all_but_one(setting):
    histories, train, group_of = setting

    evidence = ItemEvidence.of(histories, train, group_of)

    for counts in (evidence.n, evidence.right, evidence.n_latency):
        np.testing.assert_allclose(counts[1:].sum(axis=0), (GROUPS - 1) * counts[0])


def test_chance_is_the_share_right_drawn_to_the_skills_share():
    evidence = all_train(four_answers())

    skill = (2 + 10 * 0.5) / (4 + 10)
    found = evidence.chance(np.array([1, 2]), np.array([[1], [1]]), np.zeros(2, dtype=np.int64))

    np.testing.assert_allclose(found, [(2 + 4 * skill) / 7, (0 + 4 * skill) / 5])


@pytest.mark.parametrize("item", [0, 9, 50], ids=["unknown", "unseen", "beyond"])
def test_item_without_answers_is_judged_by_its_skills_then_by_all(setting, item):
    _, train, group_of = setting
    evidence = ItemEvidence.of(made_up(items=8), train, group_of)
    skills = np.array([[1, 0], [1, 3], [0, 0], [99, 0], [2, 99]])

    found = evidence.chance(np.full(5, item), skills, np.zeros(5, dtype=np.int64))

    share = evidence.by_skill[0]
    expected = [share[1], (share[1] + share[3]) / 2, evidence.overall[0], evidence.overall[0]]
    np.testing.assert_allclose(found, [*expected, share[2]])
    assert not evidence.known(np.array([item])).any()


def test_known_items_are_those_that_training_students_answered():
    histories = four_answers()
    train = np.array([True, True, True, False])

    evidence = ItemEvidence.of(histories, train, np.zeros(4, dtype=np.int64))

    assert evidence.known(np.array([[0, 1], [2, 7]])).tolist() == [[False, True], [False, False]]


def test_latency_help_and_attempts_are_deviations_from_the_mean_of_the_known():
    unknown = np.nan
    evidence = all_train(
        four_answers(
            latency_ms=np.exp([8.0, 9.0, unknown, 10.0]),
            attempt_count=np.exp([0.0, unknown, 2.0, 1.0]),
            first_action=np.array([1, 2, 0, 0]),
            hint_count=np.array([unknown, unknown, 3.0, unknown]),
        )
    )

    assert evidence.mean_log_latency[0] == pytest.approx(9)
    np.testing.assert_allclose(evidence.log_latency[0], [0, -1, 1], atol=1e-12)
    np.testing.assert_allclose(evidence.n_latency[0], [0, 2, 1])
    np.testing.assert_allclose(evidence.attempts[0], [0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(evidence.helped[0], [0, -2 / 3 + 1 / 3 + 1 / 3, 0], atol=1e-12)


def test_expected_log_latency_is_drawn_to_the_mean_and_is_the_mean_where_nothing_is_known():
    evidence = all_train(four_answers(latency_ms=np.exp([8.0, 9.0, np.nan, 10.0])))

    found = evidence.expected_log_latency(np.array([1, 2, 0, 40]), np.zeros(4, dtype=np.int64))

    np.testing.assert_allclose(found, [9 - 1 / 6, 9 + 1 / 5, 9, 9])


def test_surprise_of_an_item_is_what_its_students_do_on_other_items():
    # both answer item 1 rightly; the first is right on item 2 as well, the second wrong
    histories = Histories.of(
        offsets=np.array([0, 2, 4]),
        item=np.array([1, 2, 3, 2]),
        skills=np.ones((4, 1), dtype=np.int64),
        correct=np.array([1, 1, 1, 0]),
    )

    evidence = all_train(histories)

    share = (1 + 4 * 0.75) / 6
    np.testing.assert_allclose(
        evidence.surprise[0], [0, (1 - share) / 6, (1 - 0.8) / 6 * 2, -share / 6]
    )


def test_features_are_finite_and_move_with_the_item_and_with_the_table(setting):
    histories, train, group_of = setting
    evidence = ItemEvidence.of(histories, train, group_of)
    items, skills = np.array([1, 2, 0, 77]), np.array([[1, 0], [2, 0], [0, 0], [99, 0]])

    found = [evidence.features(items, skills, np.full(4, table)) for table in range(GROUPS + 1)]

    assert found[0].shape == (4, N_FEATURES)
    assert all(np.isfinite(each).all() for each in found)
    assert np.abs(found[0][0] - found[0][1]).max() > 0.05
    assert all(np.abs(found[0][0] - each[0]).max() > 0.01 for each in found[1:])


def test_features_count_alike_in_a_groups_table_and_in_the_full_one():
    rng = np.random.default_rng(6)
    n_students, n_items = 60, 4
    answers = Histories.of(
        offsets=np.arange(n_students + 1) * n_items,
        item=np.tile(np.arange(1, n_items + 1), n_students),
        skills=np.ones((n_students * n_items, 1), dtype=np.int64),
        correct=rng.integers(0, 2, n_students * n_items),
    )
    evidence = ItemEvidence.of(
        answers, np.ones(len(answers), dtype=bool), 1 + np.arange(n_students) % 3
    )
    items, skills = np.arange(1, n_items + 1), np.ones((n_items, 1), dtype=np.int64)

    full, group = (evidence.features(items, skills, np.full(n_items, t)) for t in (0, 2))

    # all answered every item, so that no feature but those of the answers themselves may differ
    np.testing.assert_allclose(group[:, COUNT], full[:, COUNT], atol=1e-6)


def test_helped_first_goes_by_the_first_action_and_by_hints_where_it_is_unknown():
    histories = made_up(
        (8,),
        first_action=np.array([1, 2, 3, 4, 5, 0, 0, 0]),
        hint_count=np.array([2.0, 0, 0, 0, 1, 2, 0, np.nan]),
    )

    np.testing.assert_array_equal(helped_first(histories), [0, 1, 1, 1, 0, 1, 0, np.nan])


def test_of_without_training_responses_is_refused(setting):
    histories, train, group_of = setting

    with pytest.raises(NoData):
        ItemEvidence.of(histories, np.zeros_like(train), group_of)


@pytest.mark.parametrize("answer", [0, 1])
def test_of_training_responses_all_alike_is_refused(setting, answer):
    histories, train, group_of = setting
    correct = np.where(train, answer, 1 - answer)

    with pytest.raises(NoData, match="all alike"):
        ItemEvidence.of(replace(histories, correct=correct), train, group_of)


def test_of_group_that_is_told_answers_all_alike_is_refused():
    histories = made_up((3, 3), correct=np.array([0, 1, 0, 1, 1, 1]))

    with pytest.raises(NoData, match="all alike"):
        ItemEvidence.of(histories, np.ones(6, dtype=bool), np.array([1, 2]))


def test_of_one_training_student_who_would_be_told_nothing_is_refused():
    histories = made_up((5, 3), correct=np.array([0, 1, 0, 1, 1, 0, 1, 0]))

    with pytest.raises(NoData):
        ItemEvidence.of(histories, np.arange(8) < 5, np.array([1, 0]))
