"""Training by several processes that share the batches, one per GPU or, to try it, on the CPU.

The work goes through a folder, so that any launcher of processes will do; each process calls
`fit_together`, and the model is in the folder when the first of them is done.
"""

import json
import os
from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import distributed as dist

from deepkt_irt.knowledge_tracing.histories import Histories, Split
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.knowledge_tracing.training_state import Epoch
from deepkt_irt.settings import SaktSettings

_HISTORIES, _SPLIT, _SETTINGS, _MODEL = "histories.npz", "split.npz", "settings.json", "model"
_EPOCHS = "epochs.jsonl"
_PATIENCE = timedelta(minutes=30)  # a process may wait that long while the first one validates


def write_work(
    folder: Path, histories: Histories, split: Split, settings: SaktSettings, checkpoint: Path
) -> None:
    """Put what is to be trained into a folder that all processes see."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {each.name: getattr(histories, each.name) for each in fields(histories)}
    np.savez(folder / _HISTORIES, allow_pickle=False, **arrays)
    np.savez(folder / _SPLIT, train=split.train, validation=split.validation)
    given = {"settings": settings.model_dump(), "checkpoint": str(checkpoint)}
    (folder / _SETTINGS).write_text(json.dumps(given))


def fit_together(folder: str) -> None:
    """Train as one of several processes; the launcher set RANK, WORLD_SIZE and MASTER_ADDR.

    Args:
        folder: Where `write_work` put the work; the first process leaves the model there.
    """
    place = Path(folder)
    given = json.loads((place / _SETTINGS).read_text())
    settings = SaktSettings(**given["settings"])
    torch.set_num_threads(settings.threads)
    on_gpu = torch.cuda.is_available() and settings.device != "cpu"
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    try:
        with np.load(place / _HISTORIES) as kept:
            histories = Histories(**kept)
        with np.load(place / _SPLIT) as kept:
            split = Split(**kept)
        first = dist.get_rank() == 0
        model = KnowledgeTracer(
            settings,
            checkpoint=Path(given["checkpoint"]),
            on_epoch=_note_in(place) if first else lambda _: None,
        )
        model.fit(histories, split)
        if first:
            model.save(place / _MODEL)
    finally:
        dist.destroy_process_group()


def read_model(folder: Path) -> tuple[KnowledgeTracer, tuple[Epoch, ...]]:
    """The model that `fit_together` left, and the epochs on the way."""
    lines = (folder / _EPOCHS).read_text().splitlines()
    return KnowledgeTracer.load(folder / _MODEL), tuple(Epoch(**json.loads(each)) for each in lines)


def _note_in(place: Path) -> Callable[[Epoch], None]:
    def note(epoch: Epoch) -> None:
        with (place / _EPOCHS).open("a") as file:
            file.write(json.dumps(vars(epoch)) + "\n")

    return note
