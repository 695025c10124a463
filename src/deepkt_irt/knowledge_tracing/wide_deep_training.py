"""Training of Wide & Deep IRT: the ability network and the items take turns.

In each epoch the network goes over the training responses with the items held, then the items
move to their posterior modes with the abilities held. The epoch with the best log loss on the
validation responses is kept, network and items together.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, IntArray
from deepkt_irt.knowledge_tracing.wide_deep_features import Float32Array
from deepkt_irt.knowledge_tracing.wide_deep_items import (
    Curves,
    Responses,
    fitted_curves,
    standard_errors,
)
from deepkt_irt.knowledge_tracing.wide_deep_network import (
    AbilityNetwork,
    Pieces,
    abilities,
    batches,
    negative_log_likelihood,
    pieces_of,
)
from deepkt_irt.knowledge_tracing.wide_deep_population import (
    ItemSkills,
    Population,
    curves_of,
    estimated_population,
    with_population,
)
from deepkt_irt.settings import WideDeepSettings

_FIRST_ROUNDS = 5  # of items and what they have in common, before the network moves
_LONGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class Epoch:
    """One pass over the training responses; losses in nats a response."""

    number: int
    train_loss: float
    validation_loss: float


@dataclass(frozen=True)
class ItemState:
    """Curves, what they have in common, and standard errors of b, log a, logit c."""

    curves: Curves
    population: Population
    errors: FloatArray


@dataclass(frozen=True)
class Targets:
    """Responses that are predicted, and the pieces of history they rest on."""

    item: IntArray
    skills: IntArray
    correct: FloatArray
    pieces: Pieces

    @classmethod
    def of(cls, histories: Histories, chosen: BoolArray, *, window: int) -> "Targets":
        """The chosen responses, in their order; all of them must be asked."""
        segment, visible = histories.segment[chosen], histories.visible[chosen]
        return cls(
            histories.item[chosen],
            histories.skills[chosen],
            histories.correct[chosen].astype(np.float64),
            pieces_of(histories.offsets, segment, visible, window=window),
        )

    def __len__(self) -> int:
        return len(self.item)


@dataclass(frozen=True)
class Trained:
    """Network and items of the best epoch, and the abilities of the training targets then."""

    network: AbilityNetwork
    items: ItemState
    theta: FloatArray
    best: Epoch


class Training:
    """Network and items on their way.

    Args:
        features: Of all responses, (responses, features).
        train: Targets to learn from.
        validation: Targets that say when to stop.
        curves: Where the items begin, with their priors.
        of: Skills of the items.
        network: Begun.
    """

    def __init__(  # noqa: PLR0913 - one argument per part of the model
        self,
        features: Float32Array,
        train: Targets,
        validation: Targets,
        *,
        curves: Curves,
        of: ItemSkills,
        n_skills: int,
        network: AbilityNetwork,
        settings: WideDeepSettings,
    ) -> None:
        self._features, self._train, self._validation = features, train, validation
        self._of, self._n_skills = of, n_skills
        self._network, self._settings = network, settings
        errors = np.full_like(curves.values, np.nan)
        start = Population(np.zeros(n_skills + 1), 1.0)
        self._items = ItemState(curves, start, errors)

    def run(self, *, seed: int, on_epoch: Callable[[Epoch], None]) -> Trained:
        """Train until the validation log loss has not fallen for `patience` epochs.

        Args:
            seed: Order of the batches.
            on_epoch: Told of each epoch.
        """
        rng = np.random.default_rng(seed)
        optimiser = torch.optim.AdamW(
            [p for p in self._network.parameters() if p.requires_grad],
            lr=self._settings.learning_rate,
            weight_decay=self._settings.weight_decay,
        )
        self._move_items(np.zeros(len(self._train)), rounds=_FIRST_ROUNDS)
        best: Trained | None = None
        for number in range(1, self._settings.max_epochs + 1):
            loss = self._pass(optimiser, rng.permutation(len(self._train.pieces)))
            theta = self._abilities(self._train)
            self._move_items(theta, rounds=1)
            epoch = Epoch(number, loss, self._validation_loss())
            on_epoch(epoch)
            if best is None or epoch.validation_loss < best.best.validation_loss:
                # the network goes on changing
                best = Trained(copy.deepcopy(self._network), self._items, theta, epoch)
            elif number - best.best.number >= self._settings.patience:
                break
        if best is None:
            raise NoData("training was given no epoch")
        return best

    def _pass(self, optimiser: torch.optim.Optimizer, order: IntArray) -> float:
        """One pass of the network; returns the mean loss."""
        self._network.train()
        total = 0.0
        known = [torch.from_numpy(x.astype(np.float32)) for x in self._known(self._train)]
        for batch in batches(self._train.pieces, order, size=self._settings.batch_size):
            theta = self._network(torch.from_numpy(self._features[batch.step]), batch)
            at = torch.from_numpy(batch.asked)
            correct, a, b, c = (x[at] for x in known)
            losses = negative_log_likelihood(correct, theta, a, b, c)
            optimiser.zero_grad()
            losses.mean().backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), _LONGEST_GRADIENT)
            optimiser.step()
            total += float(losses.detach().sum())
        return total / len(self._train)

    def _known(self, targets: Targets) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Right or wrong, and a, b and c of the items asked."""
        state = self._items
        a, b, c = curves_of(state.curves, state.population, targets.item, targets.skills)
        return targets.correct, a, b, c

    def _abilities(self, targets: Targets) -> FloatArray:
        return abilities(self._network, self._features, targets.pieces, n=len(targets))

    def _move_items(self, theta: FloatArray, *, rounds: int) -> None:
        """Items to their modes given the abilities of the training targets."""
        own = self._train.item > 0
        seen = Responses(self._train.item[own], self._train.correct[own], theta[own])
        curves, errors = self._items.curves, self._items.errors
        population = self._items.population
        for _ in range(rounds):
            if np.isfinite(errors[0]).any():
                population = estimated_population(
                    curves, errors[0], self._of, n_skills=self._n_skills
                )
            curves = with_population(curves, population, self._of)
            curves = fitted_curves(curves, seen)
            errors = standard_errors(curves, seen)
        self._items = ItemState(curves, population, errors)

    def _validation_loss(self) -> float:
        theta = torch.from_numpy(self._abilities(self._validation))
        correct, a, b, c = (torch.from_numpy(x) for x in self._known(self._validation))
        return float(negative_log_likelihood(correct, theta, a, b, c).mean())
