"""Trains a model on the training students and keeps the epoch best on the validation students."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.baselines import item_means
from deepkt_irt.knowledge_tracing.metrics import auc
from deepkt_irt.knowledge_tracing.sakt import Sakt
from deepkt_irt.knowledge_tracing.sequences import Windows, batch_of, batches
from deepkt_irt.settings import SaktSettings

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

# the share holds the very responses trained on: drawn hard to the mean, it tells little of one
_PRIOR_RESPONSES = 20.0


@dataclass(frozen=True)
class Epoch:
    """One pass over the training students."""

    number: int
    train_loss: float
    validation_auc: float


@dataclass(frozen=True)
class Trained:
    """The model of the best epoch, and the way there."""

    model: Sakt
    epochs: tuple[Epoch, ...]
    best: Epoch


def train(
    windows: Windows,
    settings: SaktSettings,
    *,
    n_items: int,
    n_skills: int,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> Trained:
    """Train until the validation AUC has not risen for `patience` epochs.

    The same windows, settings and machine give the same weights.

    Args:
        windows: Of all students; those of split train and validation are used.
        settings: Architecture and training.
        n_items: Largest item index.
        n_skills: Largest skill index.
        on_epoch: Told of each epoch.

    Raises:
        NoData: If there are no training or no validation students, or the answers of either are
            all alike.
    """
    chosen, held_out = windows.of_split("train"), windows.of_split("validation")
    if not len(chosen) or not len(held_out):
        raise NoData("no students in the training or in the validation split; bring more students")
    torch.manual_seed(settings.seed)
    order = np.random.default_rng(settings.seed)
    model = Sakt(n_items, n_skills, settings)
    model.share_right_difficulty.copy_(_share_right_difficulty(windows, chosen, n_items))
    groups = batches(windows, chosen, size=settings.batch_size)
    optimiser = _optimiser(model, settings)
    n_epochs = max(settings.max_epochs, math.ceil(settings.min_steps / len(groups)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=n_epochs * len(groups)
    )
    epochs: list[Epoch] = []
    best_state, best = model.state_dict(), Epoch(0, math.inf, -math.inf)
    for number in range(1, n_epochs + 1):
        losses = [
            _step(model, windows, groups[at], optimiser, schedule)
            for at in order.permutation(len(groups))
        ]
        epochs.append(Epoch(number, float(np.mean(losses)), _validate(model, windows, held_out)))
        on_epoch(epochs[-1])
        if epochs[-1].validation_auc > best.validation_auc:
            # a shallow copy would go on changing with the weights
            best_state, best = copy.deepcopy(model.state_dict()), epochs[-1]
        elif number - best.number >= settings.patience:
            break
    model.load_state_dict(best_state)
    return Trained(model.eval(), tuple(epochs), best)


def predict(model: Sakt, windows: Windows, chosen: IntArray, *, size: int = 64) -> FloatArray:
    """Probabilities on the scored steps of some windows, in the order of `scored_steps`.

    Args:
        model: Trained.
        windows: Windows.
        chosen: Which of them.
        size: Windows at a time.
    """
    model.eval()
    predicted = np.full(len(windows.item), np.nan)
    with torch.inference_mode():
        for group in batches(windows, chosen, size=size):
            batch = batch_of(windows, group)
            logits = model(batch.item, batch.skills, batch.correct, batch.valid)
            places = [windows.scored_steps(group[row : row + 1]) for row in range(len(group))]
            # boolean selection goes row by row, as the places do
            probabilities = torch.sigmoid(logits[batch.scored]).double().numpy()
            predicted[np.concatenate(places)] = probabilities
    return predicted[windows.scored_steps(chosen)]


def _share_right_difficulty(windows: Windows, chosen: IntArray, n_items: int) -> torch.Tensor:
    """Minus the logit of each item's share right among training students, around the mean."""
    steps = windows.scored_steps(chosen)
    means = item_means(
        windows.item[steps],
        windows.correct[steps],
        n_items=n_items + 1,
        prior_responses=_PRIOR_RESPONSES,
    )
    overall = windows.correct[steps].mean()
    if overall in {0.0, 1.0}:
        raise NoData("the training students' answers are all alike; bring more students")
    difficulty = np.log(overall / (1 - overall)) - np.log(means / (1 - means))
    return torch.from_numpy(difficulty[:, None].astype(np.float32))


def _optimiser(model: Sakt, settings: SaktSettings) -> torch.optim.Optimizer:
    difficulties = [model.deviation.weight]
    others = [p for name, p in model.named_parameters() if name != "deviation.weight"]
    return torch.optim.AdamW(
        [
            {"params": others, "weight_decay": settings.weight_decay},
            {"params": difficulties, "weight_decay": settings.difficulty_decay},
        ],
        lr=settings.learning_rate,
    )


def _step(
    model: Sakt,
    windows: Windows,
    group: IntArray,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> float:
    """One step of the optimiser; returns the mean loss over the scored steps."""
    model.train()
    batch = batch_of(windows, group)
    logits = model(batch.item, batch.skills, batch.correct, batch.valid)
    loss = F.binary_cross_entropy_with_logits(logits[batch.scored], batch.correct[batch.scored])
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    schedule.step()
    return float(loss.detach())


def _validate(model: Sakt, windows: Windows, held_out: IntArray) -> float:
    correct = windows.correct[windows.scored_steps(held_out)].astype(np.float64)
    found = auc(correct, predict(model, windows, held_out))
    if found is None:
        raise NoData("the validation students' answers are all alike; bring more students")
    return found
