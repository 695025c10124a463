"""Small histories, splits and untrained models for the tests of knowledge tracing."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import distributed as dist
from torch import nn

from deepkt_irt.knowledge_tracing.blocks import Batch, batch_of, blocks_of
from deepkt_irt.knowledge_tracing.histories import FloatArray, Histories, IntArray, Split
from deepkt_irt.knowledge_tracing.inputs import Inputs, inputs_of
from deepkt_irt.knowledge_tracing.item_evidence import ItemEvidence
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer, _network
from deepkt_irt.knowledge_tracing.tracer import Tracer
from deepkt_irt.knowledge_tracing.training import Trained, _step, train
from deepkt_irt.knowledge_tracing.training_state import TrainingState
from deepkt_irt.settings import SaktSettings

N_ITEMS, N_SKILLS = 10, 4
# skills of item 0, 1, ...; item 4 has none, item 10 is left to tests of what training never met
ITEM_SKILLS = np.array(
    [[0, 0], [1, 0], [2, 0], [1, 3], [0, 0], [2, 4], [3, 0], [4, 0], [1, 2], [3, 4], [2, 3]]
)
SMALL = SaktSettings(
    width=16,
    heads=2,
    item_width=4,
    block=7,
    context=6,
    evidence_groups=3,
    batch_tokens=60,
    max_epochs=2,
    min_steps=1,
    device="cpu",
)
PUBLISHED = SMALL.model_copy(update={"architecture": "sakt"})
LENGTHS = (9, 1, 14, 6, 23, 3, 12, 8, 17, 5, 11, 10)


def made_up(lengths=LENGTHS, *, seed=1, items=N_ITEMS - 1, **columns) -> Histories:
    """Histories of one segment a student: random items below the last, answers and behaviour."""
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    item = rng.integers(1, items + 1, n)
    drawn = {
        "item": item,
        "skills": ITEM_SKILLS[item],
        "correct": rng.integers(0, 2, n),
        "latency_ms": np.where(rng.random(n) < 0.2, np.nan, rng.lognormal(9, 1, n)),
        "hint_count": np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 3, n)),
        "attempt_count": np.where(rng.random(n) < 0.2, np.nan, rng.integers(1, 5, n)),
        "first_action": rng.integers(0, 6, n),
    }
    return Histories.of(offsets=np.concatenate([[0], np.cumsum(lengths)]), **(drawn | columns))


def edited(histories: Histories, at, *, seed=9) -> Histories:
    """The same but for all that is known of the responses at some places."""
    other = made_up((len(histories),), seed=seed)
    changed = {}
    for name in ("latency_ms", "hint_count", "attempt_count", "first_action"):
        values = getattr(histories, name).copy()
        values[at] = getattr(other, name)[at]
        changed[name] = values
    item, skills, correct = histories.item.copy(), histories.skills.copy(), histories.correct.copy()
    item[at] = item[at] % (N_ITEMS - 1) + 1
    skills[at] = ITEM_SKILLS[item[at]]
    correct[at] = 1 - correct[at]
    return replace(histories, item=item, skills=skills, correct=correct, **changed)


def answered_otherwise(histories: Histories, at) -> Histories:
    """The same but for the results of the responses at some places."""
    correct = histories.correct.copy()
    correct[at] = 1 - correct[at]
    return replace(histories, correct=correct)


def every_third(histories: Histories) -> Split:
    """Two students train, the third validates, and so on."""
    validation = histories.student_of_response % 3 == 2
    return Split(~validation, validation)


def in_groups(histories: Histories, split: Split, *, groups: int = 3) -> IntArray:
    """Training students dealt into groups in turn, (segments,); 0 for the others."""
    trains = np.isin(histories.student, histories.student_of_response[split.train])
    return np.where(trains, np.cumsum(trains) % groups + 1, 0)


def away_from_start(network: nn.Module, *, seed: int = 3, by: float = 0.2) -> nn.Module:
    """The network with noise on every weight: many are zero or alike at the start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.add_(by * torch.randn(parameter.shape, generator=generator))
            if name in {
                "item.weight",
                "deviation.weight",
                "asked_skill.weight",
                "past_skill.weight",
            }:
                parameter[0] = 0  # stands for nothing known
    return network.eval()


def untrained(settings: SaktSettings = SMALL) -> KnowledgeTracer:
    """A model with evidence from made-up histories and weights that no training made."""
    histories = made_up()
    split = every_third(histories)
    group = in_groups(histories, split)
    model = KnowledgeTracer(settings)
    model._evidence = ItemEvidence.of(histories, split.train, group)
    network = seeded(histories, settings)
    if isinstance(network, Tracer):
        network.measure(fed(histories, split), torch.from_numpy(split.train))
    model._network = away_from_start(network)
    return model


def seeded(histories: Histories, settings: SaktSettings) -> nn.Module:
    """A fresh network."""
    torch.manual_seed(settings.seed)
    return _network(histories.n_items, histories.n_skills, settings)


def fed(histories: Histories, split: Split) -> Inputs:
    """Inputs of a training."""
    group = in_groups(histories, split)
    evidence = ItemEvidence.of(histories, split.train, group)
    return inputs_of(histories, evidence, split.train | split.validation, group)


def only_batch(histories: Histories, chosen=None, *, targets=1000, context=1000) -> Batch:
    """All blocks of the chosen responses as one batch."""
    chosen = histories.asked if chosen is None else chosen
    blocks = blocks_of(histories, chosen, targets=targets, context=context)
    return batch_of(histories, chosen, blocks, np.arange(len(blocks)))


ABILITY_SD = 1.2


def rasch(
    lengths, *, seed: int, n_items: int = 30, n_skills: int = 5
) -> tuple[Histories, FloatArray, FloatArray]:
    """Histories that the Rasch model makes, the chance of each response, and its difficulty."""
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    item = rng.integers(1, n_items + 1, n)
    theta = np.repeat(rng.normal(0, ABILITY_SD, len(lengths)), lengths)
    difficulty = rng.normal(0, 1, n_items + 1)[item]
    chance = 1 / (1 + np.exp(-(theta - difficulty)))
    histories = Histories.of(
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        item=item,
        skills=((item - 1) % n_skills + 1)[:, None],
        correct=(rng.random(n) < chance).astype(np.int64),
    )
    return histories, chance, difficulty


# What two processes do together; a spawned process imports it from here.

STILL = SMALL.model_copy(update={"dropout": 0.0, "item_dropout": 0.0})
TOGETHER = SMALL.model_copy(
    update={"max_epochs": 4, "patience": 4, "batch_tokens": 200, "learning_rate": 5e-3}
)


def learnable() -> tuple[Histories, Split]:
    """Answers that something can be learnt from within a few steps."""
    histories, _, _ = rasch([15] * 120, seed=5)
    return histories, every_third(histories)


def stepped(histories: Histories, split: Split, which) -> dict[str, torch.Tensor]:
    """Gradients after one step on some of the training blocks; none: without a batch."""
    network = away_from_start(seeded(histories, STILL), by=0.02)
    state = TrainingState.begun(network, STILL, total_steps=10)
    blocks = blocks_of(histories, split.train, targets=STILL.block, context=STILL.context)
    batch = batch_of(histories, split.train, blocks, np.asarray(which)) if len(which) else None
    loss, n = _step(state, fed(histories, split), batch)
    gradients = {name: p.grad.clone() for name, p in network.named_parameters()}
    return gradients | {"loss": loss, "n": n}


def trained_on(histories: Histories, split: Split, settings: SaktSettings, **options) -> Trained:
    """A training from the seeded start."""
    return train(
        seeded(histories, settings), histories, fed(histories, split), split, settings, **options
    )


def work_together(rank: int, folder: str) -> None:
    """One of two processes: steps on its own batch, then a training; writes what it found."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    dist.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
    histories = made_up()
    shares = ([0, 1], [2, 3, 4])
    both = stepped(histories, every_third(histories), shares[rank])
    alone = stepped(histories, every_third(histories), shares[rank] if rank == 0 else [])
    trained = trained_on(*learnable(), TOGETHER)
    dist.destroy_process_group()
    found = {
        "both": both,
        "alone": alone,
        "weights": trained.network.state_dict(),
        "epochs": [(epoch.train_loss, epoch.validation_auc) for epoch in trained.epochs],
    }
    torch.save(found, Path(folder) / f"{rank}.pt")
