"""All that decides how a training goes on, as it is in memory and in a checkpoint."""

import copy
import hashlib
import io
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from deepkt_irt.settings import SaktSettings

_WARM_UP = 10.0  # steps within which the average follows the weights closely
_DIGEST_BYTES = hashlib.sha256().digest_size
_ITEM_PARAMETERS = ("deviation.", "item.")  # one row per item, many of them met seldom


@dataclass(frozen=True)
class Epoch:
    """One pass over the training responses.

    Attributes:
        number: From 1.
        train_loss: Mean over the responses, with dropout, nats.
        validation_auc: Of the averaged weights.
        validation_log_loss: Of the averaged weights, nats.
    """

    number: int
    train_loss: float
    validation_auc: float
    validation_log_loss: float


@dataclass
class TrainingState:
    """Weights, their moving average, optimiser, schedule, random numbers and the best epoch."""

    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    order: np.random.Generator
    decay: float
    steps: int = 0
    epochs: list[Epoch] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def begun(cls, network: nn.Module, settings: SaktSettings, *, total_steps: int) -> Self:
        """The state before the first step."""
        named = list(network.named_parameters())
        of_items = [p for name, p in named if name.startswith(_ITEM_PARAMETERS)]
        others = [p for name, p in named if not name.startswith(_ITEM_PARAMETERS)]
        groups = [
            {"params": others, "weight_decay": settings.weight_decay},
            {"params": of_items, "weight_decay": settings.item_decay},
        ]
        optimiser = torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=settings.learning_rate, fused=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: _rate(step / total_steps, warm_up=settings.warm_up)
        )
        order = np.random.default_rng(settings.seed)
        average = copy.deepcopy(network).eval()
        return cls(network, average, optimiser, schedule, order, settings.average_decay)

    @property
    def best(self) -> Epoch:
        """The epoch with the highest validation AUC, the first of several."""
        return max(self.epochs, key=lambda epoch: epoch.validation_auc)

    def advance(self) -> None:
        """Step the optimiser, and move the average: closely at first, slowly later."""
        self.optimiser.step()
        self.schedule.step()
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (_WARM_UP + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()), list(self.network.parameters()), 1 - decay
            )

    def note(self, epoch: Epoch) -> None:
        """Keep the averaged weights if the epoch is the best so far."""
        self.epochs.append(epoch)
        if self.best is epoch:
            # a shallow copy would go on changing with the weights
            self.best_weights = copy.deepcopy(self.average.state_dict())

    def best_network(self) -> nn.Module:
        """The averaged network as it was after the best epoch."""
        self.average.load_state_dict(self.best_weights)
        return self.average.eval()

    def save(self, file: Path) -> None:
        """Write everything to a file, which is whole at any instant, after a digest of it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch, buffer = file.with_suffix(".part"), io.BytesIO()
        torch.save(
            {
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "schedule": self.schedule.state_dict(),
                "order": self.order.bit_generator.state,
                "random": torch.get_rng_state(),
                "random_on_gpus": torch.cuda.get_rng_state_all(),
                "steps": self.steps,
                "epochs": [asdict(epoch) for epoch in self.epochs],
                "best_weights": self.best_weights,
            },
            buffer,
        )
        content = buffer.getvalue()
        scratch.write_bytes(_digest(content) + content)
        scratch.replace(file)

    def restore(self, file: Path) -> bool:
        """Go on from a file; False, and all as it was, if what it holds was cut off or changed."""
        kept_bytes = file.read_bytes()
        content = kept_bytes[_DIGEST_BYTES:]
        if kept_bytes[:_DIGEST_BYTES] != _digest(content):
            return False
        kept = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        self.network.load_state_dict(kept["network"])
        self.average.load_state_dict(kept["average"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.schedule.load_state_dict(kept["schedule"])
        self.order.bit_generator.state = kept["order"]
        torch.set_rng_state(kept["random"])
        if kept["random_on_gpus"]:
            torch.cuda.set_rng_state_all(kept["random_on_gpus"])
        self.steps = kept["steps"]
        self.epochs = [Epoch(**epoch) for epoch in kept["epochs"]]
        self.best_weights = kept["best_weights"]
        return True


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _rate(progress: float, *, warm_up: float) -> float:
    """Share of the peak learning rate: a line up, half a cosine down, little beyond the end."""
    if progress < warm_up:
        return 0.04 + 0.96 * progress / warm_up
    down = min(1.0, (progress - warm_up) / (1 - warm_up))
    return max(1e-3, 0.5 * (1 + math.cos(math.pi * down)))
