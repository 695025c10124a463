"""A checkpoint holds all that decides how a training goes on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from deepkt_irt.knowledge_tracing.training_state import Epoch, TrainingState
from made_up_histories import SMALL, made_up, seeded

HISTORIES = made_up()


def begun(settings=SMALL, network=None):
    return TrainingState.begun(
        seeded(HISTORIES, settings) if network is None else network, settings, total_steps=20
    )


def step(state):
    """A step with random gradients, from the random numbers that the state keeps."""
    for parameter in state.network.parameters():
        parameter.grad = torch.randn_like(parameter)
    state.advance()
    return state.order.random()


def epoch(number, auc):
    return Epoch(number, 0.6, auc, 0.5)


def weights_of(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def assert_same(first, second):
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_restored_state_goes_on_as_the_saved_one_would_have(tmp_path):
    file = tmp_path / "new folder" / "state.pt"
    kept = begun()
    for _ in range(4):
        step(kept)
    kept.note(epoch(1, 0.6))
    kept.save(file)
    expected = [step(kept) for _ in range(3)]
    torch.manual_seed(99)
    other = begun(SMALL.model_copy(update={"seed": 5}))

    other.restore(file)

    assert (other.steps, other.epochs) == (4, [epoch(1, 0.6)])
    assert [step(other) for _ in range(3)] == expected
    assert_same(other.network.state_dict(), weights_of(kept.network))
    assert_same(other.average.state_dict(), weights_of(kept.average))
    assert_same(other.best_weights, kept.best_weights)
    assert other.schedule.get_last_lr() == kept.schedule.get_last_lr()


def test_save_leaves_one_whole_file(tmp_path):
    state = begun()
    state.save(tmp_path / "state.pt")

    state.save(tmp_path / "state.pt")

    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]


def test_save_cut_off_leaves_the_file_before_it(tmp_path, monkeypatch):
    file = tmp_path / "state.pt"
    state = begun()
    state.save(file)

    def cut_off(path, content):
        with path.open("wb") as opened:
            opened.write(content[: len(content) // 2])
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "write_bytes", cut_off)
    with pytest.raises(OSError, match="full"):
        state.save(file)

    assert begun().restore(file)  # still whole


def test_best_network_is_the_average_as_it_was_after_the_best_epoch():
    state = begun()
    for number, auc in enumerate([0.6, 0.8, 0.8, 0.7], start=1):
        step(state)
        state.note(epoch(number, auc))
        if number == 2:
            expected = weights_of(state.average)

    found = state.best_network()

    assert state.best.number == 2  # the first of two as good
    assert_same(expected, found.state_dict())
    assert not found.training


def test_average_follows_closely_at_first_and_by_its_decay_later():
    state = begun(SMALL.model_copy(update={"average_decay": 0.5}))
    expected = {name: p.detach().clone() for name, p in state.network.named_parameters()}

    for number in range(1, 12):
        step(state)
        decay = min(0.5, (1 + number) / (10 + number))
        for name, parameter in state.network.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * parameter.detach()

    for name, parameter in state.average.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name])


def test_begun_item_parameters_decay_apart_from_the_others():
    state = begun()

    decays = {
        id(parameter): group["weight_decay"]
        for group in state.optimiser.param_groups
        for parameter in group["params"]
    }

    named = dict(state.network.named_parameters())
    of_items = {name for name, p in named.items() if decays[id(p)] == SMALL.item_decay}
    assert of_items == {"item.weight", "deviation.weight"}
    assert len(decays) == len(named)


def test_begun_network_without_item_parameters_has_one_group():
    assert len(begun(network=nn.Linear(2, 1)).optimiser.param_groups) == 1


def test_learning_rate_rises_to_its_peak_and_falls_to_little():
    state = begun(SMALL.model_copy(update={"warm_up": 0.25, "learning_rate": 0.01}))

    rates = []
    for _ in range(25):
        rates.append(state.schedule.get_last_lr()[0])
        step(state)

    assert rates[0] == pytest.approx(0.0004)
    assert int(np.argmax(rates)) == 5
    assert max(rates) == pytest.approx(0.01)
    assert all(np.diff(rates[:6]) > 0)
    assert all(np.diff(rates[5:20]) < 0)
    assert rates[-1] == pytest.approx(1e-5)  # steps beyond the plan still learn a little
