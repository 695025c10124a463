"""What training minimises, and when it stops."""

import numpy as np
import pandas as pd
import pytest
import torch

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.metrics import scores
from deepkt_irt.knowledge_tracing.sequences import windows_in_order
from deepkt_irt.knowledge_tracing.training import predict, train
from deepkt_irt.settings import SaktSettings

STILL = SaktSettings(
    width=8, heads=2, dropout=0, max_epochs=1, min_steps=1, batch_size=8, learning_rate=1e-12
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def windows():
    rng = np.random.default_rng(4)
    rows = [
        {
            "student_key": f"{number:02}",
            "window_index": 0,
            "context_length": number % 4,
            "split": ("train", "validation")[number // 8],
            "item_indexes": rng.integers(1, 6, 5 + number),
            "skill_indexes": [[1]] * (5 + number),
            "correct": rng.integers(0, 2, 5 + number),
        }
        for number in range(16)
    ]
    return windows_in_order(pd.DataFrame(rows))


def test_train_loss_is_of_the_scored_steps_alone(windows):
    result = train(windows, STILL, n_items=5, n_skills=1)

    training = windows.of_split("train")
    steps = windows.scored_steps(training)
    expected = scores(windows.correct[steps], predict(result.model, windows, training)).log_loss
    assert len(steps) < windows.offsets[8]  # there is a context to leave out
    assert result.epochs[0].train_loss == pytest.approx(expected, rel=1e-5)


def test_train_start_knows_no_answer_that_stands_in_a_context_or_of_other_students(windows):
    changed = windows.correct.copy()
    leading = np.ones(len(changed), dtype=bool)
    leading[windows.scored_steps(windows.of_split("train"))] = False
    changed[leading] = 1 - changed[leading]
    other = windows_with(windows, changed)

    started = [
        train(each, STILL, n_items=5, n_skills=1).model.share_right_difficulty
        for each in (windows, other)
    ]

    assert torch.equal(*started)
    assert started[0].abs().max() > 0.01


def windows_with(windows, correct):
    return type(windows)(**(vars(windows) | {"correct": correct}))


def test_train_stops_once_the_validation_auc_no_longer_rises(windows):
    settings = STILL.model_copy(update={"max_epochs": 9, "patience": 2})
    told = []

    result = train(windows, settings, n_items=5, n_skills=1, on_epoch=told.append)

    assert [epoch.number for epoch in told] == [1, 2, 3]  # weights stand still: never better
    assert result.epochs == tuple(told)
    assert result.best.number == 1


def test_train_few_students_are_passed_over_more_often(windows):
    settings = STILL.model_copy(update={"min_steps": 7, "batch_size": 4, "patience": 99})

    result = train(windows, settings, n_items=5, n_skills=1)

    assert len(result.epochs) == 4  # two batches each: seven steps need a fourth pass


def test_train_without_training_students_is_refused(windows):
    windows.split[:] = "validation"

    with pytest.raises(NoData, match="training"):
        train(windows, STILL, n_items=5, n_skills=1)


def test_train_same_seed_takes_the_batches_in_the_same_order(windows):
    settings = STILL.model_copy(update={"learning_rate": 1e-2, "batch_size": 1, "max_epochs": 2})

    first, second = (train(windows, settings, n_items=5, n_skills=1) for _ in range(2))

    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert first.epochs == second.epochs
