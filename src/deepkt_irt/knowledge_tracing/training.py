"""Trains a network on the training responses and keeps the epoch best on the validation ones.

A training cut off at any instant goes on from its last epoch and ends with the same weights.
"""

import logging
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.blocks import Batch, Blocks, batches_of, blocks_of, packed
from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, Split
from deepkt_irt.knowledge_tracing.inputs import Inputs
from deepkt_irt.knowledge_tracing.metrics import scores
from deepkt_irt.knowledge_tracing.training_state import Epoch, TrainingState
from deepkt_irt.settings import SaktSettings

log = logging.getLogger(__name__)

_ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
_WITHOUT_HISTORY = 4  # larger batches where no gradients are kept


@dataclass(frozen=True)
class Trained:
    """The network of the best epoch, and the way there."""

    network: nn.Module
    epochs: tuple[Epoch, ...]
    best: Epoch


def train(  # noqa: PLR0913 - a training is decided by all of them
    network: nn.Module,
    histories: Histories,
    inputs: Inputs,
    split: Split,
    settings: SaktSettings,
    *,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> Trained:
    """Train until the validation AUC has not risen for `patience` epochs.

    What is validated and kept is a moving average of the weights. The same data, settings and
    machine give the same weights; so do several processes that share the batches.

    Args:
        network: Called with inputs and a batch, gives logits; its first weights are as seeded.
        histories: Of all students.
        inputs: Of these histories.
        split: Which responses to train and validate on.
        settings: Training.
        checkpoint: File to go on from and to write after each epoch; None: nothing is kept.
        on_epoch: Told of each epoch.

    Raises:
        NoData: If there are no training or validation responses, or the latter are all alike.
    """
    if not split.train.any() or not split.validation.any():
        raise NoData("no students in the training or in the validation split; bring more students")
    device = device_of(settings)
    network, inputs = network.to(device), inputs.to(device)
    blocks = _blocks(histories, split.train, settings)
    state = TrainingState.begun(
        network,
        settings,
        total_steps=_steps_per_epoch(blocks, settings) * _n_epochs(blocks, settings),
    )
    if checkpoint is not None and checkpoint.exists() and not state.restore(checkpoint):
        log.warning("%s is damaged: the training begins anew", checkpoint)
    while not _is_over(state, blocks, settings):
        loss = _pass(state, histories, inputs, (split.train, blocks), settings)
        found = _validated(state.average, histories, inputs, split.validation, settings)
        state.note(Epoch(len(state.epochs) + 1, loss, *found))
        on_epoch(state.epochs[-1])
        if checkpoint is not None and rank() == 0:
            state.save(checkpoint)
    return Trained(state.best_network().cpu(), tuple(state.epochs), state.best)


def predict(
    network: nn.Module,
    histories: Histories,
    inputs: Inputs,
    chosen: BoolArray,
    settings: SaktSettings,
) -> FloatArray:
    """Probabilities of the chosen responses, in their order.

    Args:
        network: Trained.
        histories: Of any students.
        inputs: Of these histories, on the network's device.
        chosen: (responses,); all of them must be asked.
        settings: Sizes of blocks and batches.
    """
    network.eval()
    device = next(network.parameters()).device
    predicted = np.full(len(histories), np.nan)
    blocks = _blocks(histories, chosen, settings)
    with torch.inference_mode(), _precision(device):
        for batch in batches_of(
            histories, chosen, blocks, tokens=_WITHOUT_HISTORY * settings.batch_tokens
        ):
            logits = network(inputs, batch.to(device)).float().cpu()
            # boolean selection goes row by row, as the places do
            probabilities = torch.sigmoid(logits[batch.chosen].double())
            predicted[batch.target[batch.chosen].numpy()] = probabilities.numpy()
    return predicted[chosen]


def device_of(settings: SaktSettings) -> torch.device:
    """Where the network is trained: the process's GPU if there is one and settings allow."""
    if settings.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def _blocks(histories: Histories, chosen: BoolArray, settings: SaktSettings) -> Blocks:
    return blocks_of(histories, chosen, targets=settings.block, context=settings.context)


def _n_epochs(blocks: Blocks, settings: SaktSettings) -> int:
    return max(
        settings.max_epochs, math.ceil(settings.min_steps / _steps_per_epoch(blocks, settings))
    )


def _steps_per_epoch(blocks: Blocks, settings: SaktSettings) -> int:
    """Steps of an epoch, about: batches are mixed anew each time, so their number varies."""
    mixed = packed(blocks, tokens=settings.batch_tokens, order=np.random.default_rng(settings.seed))
    return math.ceil(len(mixed) / world())


def _is_over(state: TrainingState, blocks: Blocks, settings: SaktSettings) -> bool:
    done = len(state.epochs)
    since_best = done - (state.best.number if done else 0)
    return done >= _n_epochs(blocks, settings) or since_best >= settings.patience


def _pass(
    state: TrainingState,
    histories: Histories,
    inputs: Inputs,
    work: tuple[BoolArray, Blocks],
    settings: SaktSettings,
) -> float:
    """One epoch; returns the mean loss over its responses."""
    device = inputs.correct.device
    batches = batches_of(histories, *work, tokens=settings.batch_tokens, order=state.order)
    total, n = torch.zeros((), device=device), torch.zeros((), device=device)
    for share in _shares(batches):
        # each process takes one batch of its own; the last step may leave some without
        loss, responses = _step(state, inputs, share.to(device) if share else None)
        total, n = total + loss, n + responses
    return float(total / n)


def _shares(batches: Iterator[Batch]) -> Iterator[Batch | None]:
    while drawn := list(islice(batches, world())):
        yield drawn[rank()] if rank() < len(drawn) else None


def _step(state: TrainingState, inputs: Inputs, batch: Batch | None) -> tuple[Tensor, Tensor]:
    """One step of the optimiser; returns the summed loss and the number of responses."""
    device = inputs.correct.device
    state.network.train()
    state.optimiser.zero_grad()
    loss, n = torch.zeros((), device=device), torch.zeros((), device=device)
    if batch is not None:
        n += batch.chosen.sum()
    _add_up([n])
    if batch is not None:
        with _precision(device):
            logits = state.network(inputs, batch)
        # a mask, not a selection: to select, the CPU would have to wait for the GPU
        loss = F.binary_cross_entropy_with_logits(
            logits.float(),
            inputs.correct[batch.target],
            weight=batch.chosen.float(),
            reduction="sum",
        )
        (loss / n).backward()  # type: ignore[no-untyped-call]
    loss = loss.detach()
    _add_up([loss, *_gradients(state.network)])
    nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    state.advance()
    return loss, n


def _gradients(network: nn.Module) -> list[Tensor]:
    for parameter in network.parameters():
        if parameter.grad is None:  # a process without a batch adds nothing, but takes part
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


def _add_up(parts: list[Tensor]) -> None:
    """Sum over all processes, in place."""
    if world() > 1:
        for part in parts:
            dist.all_reduce(part)


def _validated(
    network: nn.Module,
    histories: Histories,
    inputs: Inputs,
    held_out: BoolArray,
    settings: SaktSettings,
) -> tuple[float, float]:
    """AUC and log loss on the validation responses."""
    found = scores(
        histories.correct[held_out], predict(network, histories, inputs, held_out, settings)
    )
    if found.auc is None:
        raise NoData("the validation students' answers are all alike; bring more students")
    return found.auc, found.log_loss


@contextmanager
def _precision(device: torch.device) -> Iterator[None]:
    """Half precision where the hardware multiplies it faster, without loss of range."""
    if device.type == "cpu":
        yield
        return
    # cuDNN plans its attention anew for each size of a batch, which takes longer than the step
    with torch.autocast(device.type, dtype=torch.bfloat16), sdpa_kernel(_ATTENTION):
        yield


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0
