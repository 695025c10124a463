"""Dropout by bytes: how much is left out, and what training learns from it."""

import pytest
import torch

from deepkt_irt.knowledge_tracing.dropout import Dropout

N = 200_001  # no multiple of the eight values that one draw decides on


def dropped(rate, *, seed=3):
    torch.manual_seed(seed)
    return Dropout(rate).train()(torch.ones(N))


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5, 0.9])
def test_training_leaves_out_the_rate_and_keeps_the_mean(rate):
    found = dropped(rate)

    tolerance = 4 * (rate * (1 - rate) / N) ** 0.5 + 1 / 512
    assert (found == 0).double().mean().item() == pytest.approx(rate, abs=tolerance)
    assert found.mean().item() == pytest.approx(1, abs=4 * (rate / (1 - rate) / N) ** 0.5)
    assert len(found.unique()) == 2


def test_training_leaves_out_neighbours_independently():
    gone = (dropped(0.5)[:-1].view(-1, 8) == 0).double()

    assert torch.corrcoef(gone.T).sub(torch.eye(8)).abs().max() < 0.04


def test_training_repeats_itself_by_the_seed_alone():
    assert torch.equal(dropped(0.3), dropped(0.3))
    assert not torch.equal(dropped(0.3), dropped(0.3, seed=4))


@pytest.mark.parametrize("module", [Dropout(0.0).train(), Dropout(0.9).eval()])
def test_values_are_left_alone_without_a_rate_and_out_of_training(module):
    x = torch.randn(4, 5)

    assert torch.equal(module(x), x)


def test_gradient_passes_where_the_value_did():
    x = torch.ones(3, 1000, requires_grad=True)

    found = Dropout(0.4).train()(x)
    found.sum().backward()

    assert torch.equal(x.grad, found.detach())
    assert found.shape == x.shape
