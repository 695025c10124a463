"""What the default model is fed, response by response."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from deepkt_irt.knowledge_tracing.inputs import N_INTERACTION, inputs_of
from deepkt_irt.knowledge_tracing.item_evidence import ItemEvidence
from made_up_histories import every_third, in_groups, made_up


@pytest.fixture
def setting():
    histories = made_up()
    split = every_third(histories)
    group = in_groups(histories, split)
    return histories, split, group, ItemEvidence.of(histories, split.train, group)


def test_inputs_of_each_segment_hold_the_table_of_its_own_group(setting):
    histories, _, group, evidence = setting

    found = inputs_of(histories, evidence, histories.asked, group)

    table = group[histories.segment]
    expected = evidence.features(histories.item, histories.skills, table)
    np.testing.assert_array_equal(found.evidence, expected)
    full = inputs_of(histories, evidence, histories.asked)
    told_all = torch.from_numpy(table == 0)
    assert torch.equal(found.evidence[told_all], full.evidence[told_all])
    assert not torch.equal(found.evidence[~told_all], full.evidence[~told_all])


def test_inputs_of_items_and_skills_that_training_did_not_meet_are_zero(setting):
    _, _, _, evidence = setting
    histories = made_up((4,), item=np.array([1, 10, 99, 0]), skills=np.array([1, 4, 7, 0])[:, None])

    found = inputs_of(histories, evidence, histories.asked)

    assert found.item.tolist() == [1, 0, 0, 0]
    assert found.same_item.tolist() == [1, 10, 99, 0]
    assert found.skills[:, 0].tolist() == [1, 4, 0, 0]


def test_overlap_is_the_share_of_the_skills_that_the_other_has_too(setting):
    skills = np.array([[1, 0], [1, 2], [2, 9], [0, 0], [9, 0]])
    histories = made_up((5,), skills=skills)

    found = inputs_of(histories, setting[-1], histories.asked)

    every = torch.arange(5)[None]
    (overlap,) = found.overlap(every, every)
    expected = [
        [1, 1, 0, 0, 0],
        [0.5, 1, 0.5, 0, 0],
        [0, 0.5, 1, 0, 0.5],
        [0, 0, 0, 0, 0],
        [0, 0, 1, 0, 1],
    ]
    np.testing.assert_allclose(overlap, expected)


def test_interaction_of_unknown_behaviour_is_zero_with_flags(setting):
    evidence = setting[-1]
    unknown = np.full(2, np.nan)
    histories = made_up(
        (2,),
        item=np.array([1, 2]),
        correct=np.array([1, 0]),
        latency_ms=unknown,
        hint_count=unknown,
        attempt_count=unknown,
        first_action=np.zeros(2, dtype=np.int64),
    )

    found = inputs_of(histories, evidence, histories.asked).interaction

    chance = evidence.chance(histories.item, histories.skills, np.zeros(2, dtype=np.int64))
    expected = np.zeros((2, N_INTERACTION))
    expected[:, 0] = histories.correct - chance
    expected[:, [3, 5]] = 1  # latency and attempts are unknown
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_interaction_of_known_behaviour(setting):
    evidence = setting[-1]
    usual = evidence.expected_log_latency(np.array([1, 2]), np.zeros(2, dtype=np.int64))
    histories = made_up(
        (2,),
        item=np.array([1, 2]),
        correct=np.array([1, 0]),
        latency_ms=np.exp(usual + np.array([0.5, -9.0])),
        attempt_count=np.array([1.0, 400.0]),
        hint_count=np.array([0.0, 0.0]),
        first_action=np.array([2, 5]),
    )

    found = inputs_of(histories, evidence, histories.asked).interaction[:, 1:]

    expected = [[0.5, 0.5, 0, 0, 0, 1, 0], [-3, 0, 0, np.log(20), 0, 0, 1]]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_past_of_responses_that_are_not_chosen_is_left_out(setting):
    histories, _, _, evidence = setting
    chosen = histories.asked & (np.arange(len(histories)) % 2 == 1)

    found = inputs_of(histories, evidence, chosen).past

    everyone = inputs_of(histories, evidence, histories.asked).past
    assert not found[~torch.from_numpy(chosen)].any()
    assert torch.equal(found[chosen], everyone[chosen])


def test_inputs_of_a_response_do_not_hold_its_own_result(setting):
    histories, _, _, evidence = setting
    other = replace(histories, correct=1 - histories.correct)

    found = inputs_of(histories, evidence, histories.asked)

    moved = inputs_of(other, evidence, histories.asked)
    assert torch.equal(found.evidence, moved.evidence)
    firsts = histories.offsets[:-1]
    assert torch.equal(found.past[firsts], moved.past[firsts])
