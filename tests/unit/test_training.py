"""What training minimises, which epoch it keeps, when it stops; interrupted or shared, the same."""

import numpy as np
import pytest
import torch
from torch import multiprocessing, nn

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import Split
from deepkt_irt.knowledge_tracing.metrics import auc, scores
from deepkt_irt.knowledge_tracing.training import device_of, predict, train
from made_up_histories import (
    PUBLISHED,
    SMALL,
    STILL,
    TOGETHER,
    every_third,
    fed,
    learnable,
    made_up,
    seeded,
    stepped,
    trained_on,
    work_together,
)

HISTORIES = made_up()
SPLIT = every_third(HISTORIES)
LONGER = SMALL.model_copy(update={"max_epochs": 4, "patience": 9, "learning_rate": 1e-2})


class Killed(Exception):
    """The process ends here."""


class Scripted(nn.Module):
    """A network whose validation AUC follows a script; remembers its weight at each validation."""

    def __init__(self, histories, script):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.script, self.seen = script, []
        self.noise = torch.from_numpy(np.random.default_rng(1).normal(size=len(histories))).float()

    def forward(self, inputs, batch):
        if self.training:
            return self.weight + self.noise[batch.target]
        quality = self.script[len(self.seen)]
        self.seen.append(self.weight.item())
        return quality * inputs.correct[batch.target] + self.noise[batch.target]


def same(first, second):
    """Whether two networks have the same weights, bit by bit."""
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def scripted(script, **settings):
    network = Scripted(HISTORIES, script)
    chosen = SMALL.model_copy(update={"batch_tokens": 5000} | settings)
    return train(network, HISTORIES, fed(HISTORIES, SPLIT), SPLIT, chosen)


@pytest.mark.parametrize("settings", [LONGER, PUBLISHED], ids=["default", "published"])
def test_train_same_seed_gives_the_same_weights(settings):
    first, second = (trained_on(HISTORIES, SPLIT, settings) for _ in range(2))

    assert same(first.network, second.network)
    assert first.epochs == second.epochs
    other = trained_on(HISTORIES, SPLIT, settings.model_copy(update={"seed": 8}))
    assert not same(first.network, other.network)


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_train_cut_off_and_started_again_gives_the_weights_of_one_never_cut_off(
    killed_after, tmp_path
):
    checkpoint = tmp_path / "folder" / "state.pt"

    def kill(epoch):
        if epoch.number == killed_after:
            raise Killed

    with pytest.raises(Killed):
        trained_on(HISTORIES, SPLIT, LONGER, checkpoint=checkpoint, on_epoch=kill)
    told = []
    resumed = trained_on(HISTORIES, SPLIT, LONGER, checkpoint=checkpoint, on_epoch=told.append)

    whole = trained_on(HISTORIES, SPLIT, LONGER)
    assert same(resumed.network, whole.network)
    assert resumed.epochs == whole.epochs
    assert [epoch.number for epoch in told] == list(range(killed_after, 5))


@pytest.mark.parametrize("damage", ["cut", "emptied", "a bit flipped"])
def test_train_begins_anew_where_its_checkpoint_is_damaged_and_says_so(damage, tmp_path, caplog):
    checkpoint = tmp_path / "state.pt"
    whole = trained_on(HISTORIES, SPLIT, SMALL, checkpoint=checkpoint)
    kept = bytearray(checkpoint.read_bytes())
    kept[len(kept) // 2] ^= 1
    damaged = {"cut": kept[: len(kept) // 3], "emptied": b"", "a bit flipped": kept}
    checkpoint.write_bytes(damaged[damage])

    again = trained_on(HISTORIES, SPLIT, SMALL, checkpoint=checkpoint)

    assert same(again.network, whole.network)
    assert again.epochs == whole.epochs
    assert f"{checkpoint} is damaged: the training begins anew" in caplog.messages


def test_train_that_was_over_returns_its_result_again(tmp_path):
    checkpoint = tmp_path / "state.pt"
    first = trained_on(HISTORIES, SPLIT, SMALL, checkpoint=checkpoint)
    told = []

    again = trained_on(HISTORIES, SPLIT, SMALL, checkpoint=checkpoint, on_epoch=told.append)

    assert told == []
    assert same(again.network, first.network)
    assert again.best == first.best


def test_train_returns_the_epoch_best_on_validation():
    result = trained_on(HISTORIES, SPLIT, LONGER)

    held_out = SPLIT.validation
    found = predict(result.network, HISTORIES, fed(HISTORIES, SPLIT), held_out, LONGER)

    measured = scores(HISTORIES.correct[held_out], found)
    assert measured.auc == max(epoch.validation_auc for epoch in result.epochs)
    assert (measured.auc, measured.log_loss) == (
        result.best.validation_auc,
        result.best.validation_log_loss,
    )
    assert not result.network.training


def test_train_keeps_the_weights_of_the_best_epoch_and_not_the_last():
    result = scripted([0.5, 3.0, 1.0, 0.8], max_epochs=4, patience=9)

    aucs = [epoch.validation_auc for epoch in result.epochs]
    assert result.best.number == 2 == 1 + int(np.argmax(aucs))
    seen = result.network.seen
    assert result.network.weight.item() == seen[1]
    assert len(set(seen)) == 4  # the weights went on moving


@pytest.mark.parametrize(
    ("script", "n_epochs", "best"),
    [
        ([3.0, 1.0, 1.0, 9.0, 9.0], 3, 1),  # two in succession are no better
        ([0.5, 1.0, 0.5, 1.5, 0.5], 5, 4),
        ([2.0, 2.0, 2.0, 2.0, 2.0], 3, 1),  # no better is not better
    ],
)
def test_train_stops_when_the_validation_auc_has_not_risen_for_patience_epochs(
    script, n_epochs, best
):
    result = scripted(script, max_epochs=5, patience=2)

    assert len(result.epochs) == n_epochs
    assert result.best.number == best


def test_train_few_students_are_passed_over_more_often():
    result = scripted([1.0] * 7, max_epochs=2, min_steps=7, patience=99)

    assert len(result.epochs) == 7  # one batch each


def test_train_loss_is_of_the_training_responses_alone():
    part = np.arange(len(HISTORIES)) % 2 == 0
    split = Split(SPLIT.train & part, SPLIT.validation)
    still = STILL.model_copy(update={"learning_rate": 1e-12, "max_epochs": 1})

    result = trained_on(HISTORIES, split, still)

    found = predict(result.network, HISTORIES, fed(HISTORIES, split), split.train, still)
    expected = scores(HISTORIES.correct[split.train], found).log_loss
    assert result.epochs[0].train_loss == pytest.approx(expected, rel=1e-5)


def test_train_learns_nothing_from_results_of_responses_that_no_one_is_trained_on():
    """The last answer of each student is seen by nobody: only a loss could tell of it."""
    last = np.zeros(len(HISTORIES), dtype=bool)
    last[HISTORIES.offsets[1:] - 1] = True
    split = Split(SPLIT.train & ~last, SPLIT.validation)
    other = made_up(correct=np.where(last & SPLIT.train, 1 - HISTORIES.correct, HISTORIES.correct))

    first, second = (trained_on(histories, split, SMALL) for histories in (HISTORIES, other))

    assert same(first.network, second.network)


def test_train_lowers_the_loss_and_finds_what_there_is():
    result = trained_on(*learnable(), TOGETHER)

    assert result.epochs[-1].train_loss < result.epochs[0].train_loss - 0.01
    assert result.best.validation_auc > 0.65


@pytest.mark.parametrize("missing", ["train", "validation"])
def test_train_without_training_or_validation_responses_is_refused(missing):
    nothing = np.zeros(len(HISTORIES), dtype=bool)
    parts = {"train": SPLIT.train, "validation": SPLIT.validation} | {missing: nothing}
    network = seeded(HISTORIES, SMALL)

    with pytest.raises(NoData, match="bring more students"):
        train(network, HISTORIES, fed(HISTORIES, SPLIT), Split(**parts), SMALL)


@pytest.mark.parametrize("answer", [0, 1])
def test_train_validation_answers_all_alike_are_refused(answer):
    alike = made_up(correct=np.where(SPLIT.validation, answer, HISTORIES.correct))

    with pytest.raises(NoData, match="validation students' answers are all alike"):
        trained_on(alike, SPLIT, SMALL)


def test_predict_nothing_chosen_is_an_empty_answer():
    nothing = np.zeros(len(HISTORIES), dtype=bool)

    found = predict(seeded(HISTORIES, SMALL), HISTORIES, fed(HISTORIES, SPLIT), nothing, SMALL)

    assert found.shape == (0,)


def test_device_of_cpu_is_the_cpu():
    assert device_of(SMALL).type == "cpu"


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("together")
    multiprocessing.spawn(work_together, args=(str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "blocks"), [("both", [0, 1, 2, 3, 4]), ("alone", [0, 1])], ids=["two", "one idle"]
)
def test_step_of_two_processes_has_the_gradients_of_one_on_all_their_blocks(
    two_processes, step, blocks
):
    expected = stepped(HISTORIES, SPLIT, blocks)

    for found in two_processes:
        assert found[step].keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(
                found[step][name], value, atol=1e-6, rtol=1e-5, msg=f"{step} {name}"
            )
    total = sum(float(expected[name].square().sum()) for name in expected.keys() - {"loss", "n"})
    assert 0.01 < total < 0.9  # not cut to the norm of 1, which would hide a wrong scale


@pytest.mark.slow
def test_train_in_two_processes_ends_with_the_same_weights_about_as_good_as_in_one(two_processes):
    first, second = (found["weights"] for found in two_processes)
    alone = trained_on(*learnable(), TOGETHER)

    assert all(torch.equal(first[name], second[name]) for name in first)
    assert two_processes[0]["epochs"] == two_processes[1]["epochs"]
    losses, aucs = zip(*two_processes[0]["epochs"], strict=True)
    assert losses[-1] < losses[0] - 0.01
    assert max(aucs) == pytest.approx(alone.best.validation_auc, abs=0.02)


def test_auc_of_the_best_epoch_is_of_probabilities_in_the_order_of_the_responses():
    """A prediction that went to another response would lose what it says."""
    histories, split = learnable()
    result = trained_on(histories, split, TOGETHER)

    one_by_one = predict(
        result.network,
        histories,
        fed(histories, split),
        split.validation,
        TOGETHER.model_copy(update={"batch_tokens": 1}),
    )

    correct = histories.correct[split.validation].astype(np.float64)
    assert auc(correct, one_by_one) == pytest.approx(result.best.validation_auc, abs=1e-4)
