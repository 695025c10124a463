"""What each part of the default knowledge-tracing model is worth: trained anew without it."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from unittest.mock import patch

import torch

from deepkt_irt.knowledge_tracing import tracer
from deepkt_irt.knowledge_tracing.histories import BoolArray, Histories, IntArray
from deepkt_irt.knowledge_tracing.inputs import Inputs
from deepkt_irt.knowledge_tracing.metrics import Scores, scores
from deepkt_irt.knowledge_tracing.protocols import LEAP
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.settings import SaktSettings
from page import table
from research_data import assist2009, described

_SEED = 0
_EPOCHS = 5  # two fifths of the default's, and all that the parts need to show what they are worth
_SURPRISE = 1  # leading columns of what a step tells; behaviour follows


def _as_it_is(inputs: Inputs) -> Inputs:
    return inputs


def _zeroed(*names: str) -> Callable[[Inputs], Inputs]:
    return lambda inputs: replace(
        inputs, **{name: torch.zeros_like(getattr(inputs, name)) for name in names}
    )


def _without_behaviour(inputs: Inputs) -> Inputs:
    interaction = inputs.interaction.clone()
    interaction[:, _SURPRISE:] = 0
    return replace(inputs, interaction=interaction)


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes:
        settings: That differ from the defaults.
        change: Of what the network is fed.
        slopes: Distance penalties that the heads start from; None: as they are.
        own_answers: Evidence on items holds the student's own answers in training.
    """

    settings: Mapping[str, float] = field(default_factory=dict)
    change: Callable[[Inputs], Inputs] = _as_it_is
    slopes: tuple[float, ...] | None = None
    own_answers: bool = False


VARIANTS = {
    "the default": Variant(),
    "no counts and recent surprise (wide part)": Variant(change=_zeroed("past")),
    "no evidence on the item asked": Variant(change=_zeroed("evidence")),
    "evidence that holds the own answers in training": Variant(own_answers=True),
    "no item embedding and deviation": Variant(change=_zeroed("item")),
    "no skill embeddings": Variant(change=_zeroed("skills")),
    "steps without surprise, latency and help": Variant(change=_zeroed("interaction")),
    "steps without latency and help": Variant(change=_without_behaviour),
    "no distance penalty": Variant(slopes=(1e-9,)),  # so small that it cannot be learned either
    "no bonus for the same skills and item": Variant(change=_zeroed("members", "same_item")),
    "attention to the last step alone": Variant({"context": 1}),
    "no moving average of the weights": Variant({"average_decay": 0.0}),
    "item parameters hardly decayed (2)": Variant({"item_decay": 2.0}),
}


class _Changed(KnowledgeTracer):
    """A model that is fed something else, in training and in use."""

    def __init__(self, variant: Variant) -> None:
        changed = {**variant.settings, "max_epochs": _EPOCHS, "seed": _SEED, "device": "cpu"}
        super().__init__(SaktSettings().model_copy(update=changed))
        self._variant = variant

    def _fed(
        self, histories: Histories, chosen: BoolArray, group: IntArray | None = None
    ) -> Inputs:
        told = None if self._variant.own_answers else group
        return self._variant.change(super()._fed(histories, chosen, told))


def section(*, variants: Sequence[str] = tuple(VARIANTS), workers: int = 2) -> str:
    """The section of the page.

    Args:
        variants: Names of `VARIANTS`, the default first.
        workers: Models fitted at a time, each in a process of one thread.

    Raises:
        CannotRunError: If the data are absent.
    """
    size = described(assist2009())
    os.environ.update({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
    with ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=1) as pool:
        found = dict(zip(variants, pool.map(_found, variants), strict=True))
    return f"""## What the parts of the default model are worth

Data: ASSISTments 2009-10 ({size}), which is no part of the project. Protocol {LEAP.name}, first
fold, seed {_SEED}: the default knowledge-tracing model trained anew with one part changed,
everything else equal, in a schedule of {_EPOCHS} epochs. One run each: on one seed, differences
below about .002 say nothing. Judge by validation; the test students are for the reader.

{_table(found)}
"""


def _found(name: str) -> tuple[Scores, Scores]:
    """Validation and test figures."""
    torch.set_num_threads(1)
    histories, variant = assist2009(), VARIANTS[name]
    split = LEAP.splits(histories, seed=_SEED)[0]
    model = _Changed(variant)
    slopes = variant.slopes or tracer._START_SLOPES  # noqa: SLF001 - what is taken away is private
    with patch.object(tracer, "_START_SLOPES", slopes):
        model.fit(histories, split)
    validation, test = (
        scores(histories.correct[chosen], model.predict(histories, chosen))
        for chosen in (split.validation, split.test)
    )
    sys.stderr.write(f"{name}: {validation.auc:.4f}, {test.auc:.4f}\n")
    return validation, test


def _table(found: Mapping[str, tuple[Scores, Scores]]) -> str:
    whole = found["the default"][0].auc or 0.0
    rows = [
        (
            name,
            f"{validation.auc:.4f}",
            "" if name == "the default" else f"{(validation.auc or 0.0) - whole:+.4f}",
            *(f"{figure:.4f}" for figure in (test.auc, test.log_loss, test.ece)),
        )
        for name, (validation, test) in found.items()
    ]
    header = ("variant", "validation AUC", "difference", "test AUC", "test log loss", "test ECE")
    return table(header, rows)


if __name__ == "__main__":
    print(section())
