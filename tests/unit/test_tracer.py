"""The default model sees the item asked and the visible past, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.knowledge_tracing.histories import Histories
from deepkt_irt.knowledge_tracing.tracer import Tracer
from made_up_histories import (
    ITEM_SKILLS,
    LENGTHS,
    N_ITEMS,
    N_SKILLS,
    SMALL,
    answered_otherwise,
    edited,
    made_up,
    only_batch,
    untrained,
)

MODEL = untrained()


def predicted(histories, *, chosen=None, model=MODEL):
    return model.predict(histories, histories.asked if chosen is None else chosen)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(seed=st.integers(0, 1000), length=st.integers(1, 25), data=st.data())
def test_predictions_ignore_all_at_or_after_what_is_visible(seed, length, data):
    target = data.draw(st.integers(0, length - 1))
    visible = data.draw(st.integers(0, target))
    sees = np.full(length, -1)
    sees[target] = visible
    histories = made_up((length,), seed=seed, visible=sees)
    after = edited(histories, np.setdiff1d(np.arange(visible, length), [target]))
    own = {
        name: getattr(edited(after, [target]), name)
        for name in ("correct", "latency_ms", "hint_count", "attempt_count", "first_action")
    }

    found = predicted(replace(after, **own))

    np.testing.assert_allclose(found, predicted(histories), atol=1e-6)


def test_predictions_move_with_a_visible_answer_and_with_visible_behaviour():
    histories = made_up((8,), latency_ms=np.full(8, 9000.0))
    slower = histories.latency_ms.copy()
    slower[6] = 30000.0

    plain = predicted(histories)

    assert np.abs(predicted(answered_otherwise(histories, [2])) - plain)[3:].min() > 1e-5
    assert np.abs(predicted(replace(histories, latency_ms=slower)) - plain)[7] > 1e-5


@pytest.mark.parametrize("position", [0, 5, 11])
def test_prediction_moves_with_the_item_asked(position):
    histories = made_up((12,))
    item = histories.item.copy()
    item[position] = item[position] % (N_ITEMS - 1) + 1

    found = predicted(replace(histories, item=item, skills=ITEM_SKILLS[item]))

    plain = predicted(histories)
    assert abs(found[position] - plain[position]) > 1e-4
    np.testing.assert_allclose(found[:position], plain[:position], atol=1e-6)


@pytest.mark.parametrize("block", [1, 4, 50])
@pytest.mark.parametrize("batch_tokens", [1, 40, 4000])
def test_predictions_do_not_depend_on_how_targets_are_grouped(block, batch_tokens):
    histories = made_up(seed=6)
    plain = predicted(histories)
    update = {"block": block, "batch_tokens": batch_tokens}

    grouped = untrained(SMALL.model_copy(update=update))

    np.testing.assert_allclose(predicted(histories, model=grouped), plain, atol=1e-5)


def test_predictions_of_some_are_those_of_all():
    histories = made_up(seed=6)
    some = np.arange(len(histories)) % 4 == 1

    np.testing.assert_allclose(
        predicted(histories, chosen=some), predicted(histories)[some], atol=1e-6
    )


def test_predictions_follow_the_students_when_these_are_put_in_another_order():
    parts = [made_up((n,), seed=n) for n in LENGTHS]
    order = np.random.default_rng(1).permutation(len(parts))

    plain, other = predicted(joined(parts)), predicted(joined([parts[at] for at in order]))

    by_student = np.split(plain, np.cumsum(LENGTHS)[:-1])
    np.testing.assert_allclose(other, np.concatenate([by_student[at] for at in order]), atol=1e-6)


def joined(parts):
    names = ("item", "skills", "correct", "latency_ms", "hint_count", "attempt_count")
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    lengths = [len(part) for part in parts]
    return Histories.of(offsets=np.concatenate([[0], np.cumsum(lengths)]), **columns)


def test_student_without_a_history_gets_a_prediction_that_depends_on_the_item():
    item = np.arange(1, N_ITEMS)
    histories = made_up([1] * len(item), item=item, skills=ITEM_SKILLS[item])

    found = predicted(histories)

    assert ((found > 0) & (found < 1)).all()
    assert found.std() > 0.01


def test_item_that_training_did_not_meet_is_judged_by_its_skills():
    asked = made_up((6, 6, 6, 6), seed=2)
    for columns in (asked.item, asked.skills, asked.correct, asked.first_action):
        columns[6:] = np.concatenate([columns[:6]] * 3)
    for columns in (asked.latency_ms, asked.hint_count, asked.attempt_count):
        columns[6:] = np.concatenate([columns[:6]] * 3)
    last = np.array([5, 11, 17, 23])
    asked.item[last] = [0, N_ITEMS, 5000, 5000]  # none, not met in training, added later
    asked.skills[last] = [[2, 0], [2, 0], [2, 0], [3, 0]]

    found = predicted(asked)[last]

    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1:3], found[0], atol=1e-6)
    assert abs(found[3] - found[0]) > 1e-4


def test_skill_that_training_did_not_meet_is_judged_by_the_rest():
    asked = made_up((1, 1, 1), item=np.array([1, 1, 2]), skills=np.array([[99], [0], [99]]))

    found = predicted(asked)

    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert abs(found[2] - found[0]) > 1e-4


def test_item_that_training_did_not_meet_is_known_again_by_the_student_who_met_it():
    asked = made_up(
        (2, 2),
        item=np.array([700, 700, 700, 701]),
        skills=np.zeros((4, 1), dtype=np.int64),
        correct=np.ones(4, dtype=np.int64),
        latency_ms=np.full(4, np.nan),
        hint_count=np.full(4, np.nan),
        attempt_count=np.full(4, np.nan),
        first_action=np.zeros(4, dtype=np.int64),
    )

    found = predicted(asked)

    assert abs(found[1] - found[3]) > 1e-4


def test_steps_beyond_the_context_are_not_attended_to_but_counted():
    histories = made_up((20,))
    last = np.arange(20) == 19
    old = np.arange(19 - SMALL.context)
    other = edited(histories, old)
    batch = only_batch(histories, last)
    plain, moved = (MODEL.inputs(each, last) for each in (histories, other))

    with torch.inference_mode():
        expected = MODEL.network(plain, batch)[batch.chosen]
        attended = MODEL.network(replace(moved, past=plain.past), batch)[batch.chosen]
        counted = MODEL.network(moved, batch)[batch.chosen]

    torch.testing.assert_close(attended, expected, atol=1e-6, rtol=0)
    assert (counted - expected).abs() > 1e-4


def test_step_just_inside_the_context_is_attended_to():
    histories = made_up((20,))
    last = np.arange(20) == 19
    other = edited(histories, [19 - SMALL.context])
    batch = only_batch(histories, last)
    plain, moved = (MODEL.inputs(each, last) for each in (histories, other))

    with torch.inference_mode():
        expected = MODEL.network(plain, batch)[batch.chosen]
        found = MODEL.network(replace(moved, past=plain.past), batch)[batch.chosen]

    assert (found - expected).abs() > 1e-6


def test_bias_favours_recent_steps_the_same_skill_and_the_same_item():
    fresh = Tracer(N_ITEMS, N_SKILLS, SMALL)
    item = np.array([1, 6, 1, 6, 1])
    histories = made_up((5,), item=item, skills=np.array([[1, 0], [3, 0], [1, 0], [3, 0], [1, 0]]))
    inputs = MODEL.inputs(histories, histories.asked)
    target, past = torch.tensor([[4]]), torch.arange(5)[None]

    bias = fresh.bias(inputs, target, past, (4 - torch.arange(5.0))[None, None])[0, :, 0]

    slope = fresh.log_slope.exp()[:, None]
    expected = -slope * torch.tensor([4.0, 3, 2, 1]) + torch.tensor([2.0, 0, 2, 0])
    torch.testing.assert_close(bias[:, 1:5], expected)
    assert (bias[:, 0] == 0).all()  # the start token
    assert (bias[:, 5] < -1e6).all()  # the step asked about itself


def test_item_dropout_is_for_training_alone():
    histories = made_up((30,))
    batch, inputs = only_batch(histories), MODEL.inputs(histories, histories.asked)
    only_items = SMALL.model_copy(update={"dropout": 0.0, "item_dropout": 0.9})
    network = Tracer(MODEL.network.n_items, MODEL.network.n_skills, only_items)
    network.load_state_dict(MODEL.network.state_dict())

    with torch.inference_mode():
        still = [network.eval()(inputs, batch) for _ in range(2)]
        moving = [network.train()(inputs, batch) for _ in range(2)]

    assert torch.equal(*still)
    assert not torch.equal(*moving)


def test_measure_takes_the_scale_of_the_training_responses_alone():
    histories = made_up()
    inputs = MODEL.inputs(histories, histories.asked)
    network = Tracer(N_ITEMS, N_SKILLS, SMALL)
    train = torch.arange(len(histories)) % 2 == 0

    network.measure(inputs, train)

    wide = torch.cat([inputs.evidence, inputs.past], dim=1)[train]
    torch.testing.assert_close(network.wide_mean, wide.mean(dim=0))
    scaled = (wide - network.wide_mean) / network.wide_sd
    varying = wide.std(dim=0) > 1e-2
    torch.testing.assert_close(scaled.var(dim=0, correction=0)[varying], torch.ones(varying.sum()))
    assert torch.isfinite(scaled).all()
