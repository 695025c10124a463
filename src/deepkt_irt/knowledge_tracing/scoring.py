"""A knowledge-tracing model as a whole: fitted, kept as files, and predicting without training."""

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import nn

from deepkt_irt.knowledge_tracing.histories import (
    BoolArray,
    FloatArray,
    Histories,
    IntArray,
    Split,
)
from deepkt_irt.knowledge_tracing.inputs import Inputs, answers_alone, inputs_of
from deepkt_irt.knowledge_tracing.item_evidence import ItemEvidence
from deepkt_irt.knowledge_tracing.sakt import Sakt
from deepkt_irt.knowledge_tracing.tracer import Tracer
from deepkt_irt.knowledge_tracing.training import Trained, predict, train
from deepkt_irt.knowledge_tracing.training_state import Epoch
from deepkt_irt.settings import SaktSettings

_WEIGHTS, _CONFIG, _EVIDENCE = "weights.pt", "config.json", "evidence.npz"


class KnowledgeTracer:
    """Chance of a right answer on any item, from a student's history.

    Args:
        settings: Architecture and training.
        checkpoint: File that a training goes on from; None: nothing is kept.
        on_epoch: Told of each epoch.

    Attributes:
        trained: The way training went; None before `fit` and after `load`.
    """

    def __init__(
        self,
        settings: SaktSettings,
        *,
        checkpoint: Path | None = None,
        on_epoch: Callable[[Epoch], None] = lambda _: None,
    ) -> None:
        self.settings, self.trained = settings, None
        self._checkpoint, self._on_epoch = checkpoint, on_epoch
        self._network: nn.Module | None = None
        self._evidence: ItemEvidence | None = None

    trained: Trained | None

    def fit(self, histories: Histories, split: Split) -> None:
        """Learn from the training responses, and stop by the validation responses.

        Raises:
            NoData: If either are missing or all alike.
        """
        torch.manual_seed(self.settings.seed)
        group = _dealt(histories, split.train, self.settings)
        self._evidence = ItemEvidence.of(histories, split.train, group)
        inputs = self._fed(histories, split.train | split.validation, group)
        network = _network(histories.n_items, histories.n_skills, self.settings)
        if isinstance(network, Tracer):
            network.measure(inputs, torch.from_numpy(split.train))
        self.trained = train(
            network,
            histories,
            inputs,
            split,
            self.settings,
            checkpoint=self._checkpoint,
            on_epoch=self._on_epoch,
        )
        self._network = self.trained.network

    @property
    def network(self) -> nn.Module:
        """The fitted network."""
        if self._network is None:
            raise ValueError("the model is not fitted: call fit or load first")
        return self._network

    @property
    def evidence(self) -> ItemEvidence:
        """What training students' answers say of items."""
        if self._evidence is None:
            raise ValueError("the model is not fitted: call fit or load first")
        return self._evidence

    def predict(self, histories: Histories, chosen: BoolArray) -> FloatArray:
        """Probability of a right answer on the chosen responses, in their order.

        Args:
            histories: Of any students.
            chosen: (responses,); all of them must be asked.
        """
        return predict(
            self.network, histories, self.inputs(histories, chosen), chosen, self.settings
        )

    def inputs(self, histories: Histories, chosen: BoolArray) -> Inputs:
        """What the network is fed to predict the chosen responses."""
        device = next(self.network.parameters()).device
        return self._fed(histories, chosen).to(device)

    def _fed(
        self, histories: Histories, chosen: BoolArray, group: IntArray | None = None
    ) -> Inputs:
        if self.settings.architecture == "sakt":
            return answers_alone(histories, self.evidence)
        return inputs_of(histories, self.evidence, chosen, group)

    def knows(self, item: IntArray) -> BoolArray:
        """Whether each item was met in training; the others are judged by their skills."""
        return self.evidence.known(item)

    def save(self, folder: Path) -> None:
        """Write the model to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.network.state_dict(), folder / _WEIGHTS)
        tables = {each.name: getattr(self.evidence, each.name) for each in fields(ItemEvidence)}
        np.savez(folder / _EVIDENCE, **tables)
        config = {
            "n_items": self.evidence.n_items,
            "n_skills": self.evidence.by_skill.shape[1] - 1,
            "settings": self.settings.model_dump(),
        }
        (folder / _CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model from a folder."""
        config = json.loads((folder / _CONFIG).read_text())
        made = cls(SaktSettings(**config["settings"]))
        network = _network(config["n_items"], config["n_skills"], made.settings)
        network.load_state_dict(torch.load(folder / _WEIGHTS, weights_only=True))
        made._network = network.eval()
        with np.load(folder / _EVIDENCE) as kept:
            made._evidence = ItemEvidence(**kept)
        return made


def with_candidates(
    histories: Histories,
    asked: list[IntArray],
    item_skills: IntArray,
    *,
    by_place: bool = False,
    visible: IntArray | None = None,
) -> tuple[Histories, BoolArray]:
    """Histories in which each candidate item is asked next, and which responses these are.

    Args:
        histories: One segment a student.
        asked: Item indexes of each segment's candidates; lengths may differ.
        item_skills: Skills of every item index, 0 where fewer, (items + 1, skills).
        by_place: The skills are given by place among the candidates instead, (candidates, skills).
        visible: Leading responses of its segment that each candidate may rest on, one segment's
            after the other's, (candidates,); the whole history unless given.

    Returns:
        The histories with candidates after each segment, in the order of `asked`. Their answers
        are unknown and no prediction rests on them.
    """
    n_asked = np.array([len(items) for items in asked], dtype=np.int64)
    items = np.concatenate([np.zeros(0, dtype=np.int64), *asked])
    segment = np.concatenate([histories.segment, np.repeat(np.arange(len(asked)), n_asked)])
    order = np.argsort(segment, kind="stable")
    is_candidate = order >= len(histories)

    def extended(values: IntArray | FloatArray, added: IntArray | FloatArray) -> FloatArray:
        joined: FloatArray = np.concatenate([values, added])[order]
        return joined

    width = max(histories.skills.shape[1], item_skills.shape[1])
    skills = [
        np.pad(each, ((0, 0), (0, width - each.shape[1])))
        for each in (histories.skills, item_skills if by_place else item_skills[items])
    ]
    whole = np.repeat(histories.lengths, n_asked)
    seen = whole if visible is None else visible
    unknown, zeros = np.full(len(items), np.nan), np.zeros(len(items), dtype=np.int64)
    made = Histories.of(
        offsets=histories.offsets + np.concatenate([[0], np.cumsum(n_asked)]),
        item=np.concatenate([histories.item, items])[order],
        skills=np.concatenate(skills)[order],
        correct=np.concatenate([histories.correct, zeros])[order],
        visible=np.concatenate([histories.visible, seen])[order],
        latency_ms=extended(histories.latency_ms, unknown),
        hint_count=extended(histories.hint_count, unknown),
        attempt_count=extended(histories.attempt_count, unknown),
        first_action=np.concatenate([histories.first_action, zeros])[order],
        answered_at=extended(histories.answered_at, unknown),
        student=histories.student,
        names=histories.names,
    )
    return made, is_candidate


def _network(n_items: int, n_skills: int, settings: SaktSettings) -> nn.Module:
    if settings.architecture == "sakt":
        return Sakt(n_skills, settings)
    return Tracer(n_items, n_skills, settings)


def _dealt(histories: Histories, train: BoolArray, settings: SaktSettings) -> IntArray:
    """Group of each segment: training students from 1, by chance; 0 for the others.

    The published model is told nothing of items, so that nobody need be kept apart.
    """
    if settings.architecture == "sakt":
        return np.zeros(histories.n_segments, dtype=np.int64)
    student = np.unique(histories.student_of_response[train])
    rng = np.random.default_rng(settings.seed)
    group = np.zeros(int(histories.student.max(initial=0)) + 1, dtype=np.int64)
    group[student] = rng.permutation(np.arange(len(student)) % settings.evidence_groups) + 1
    return group[histories.student]
