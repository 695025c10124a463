"""A trained model as files, and predictions from it without training again."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from deepkt_irt.knowledge_tracing.sakt import Sakt
from deepkt_irt.knowledge_tracing.sequences import Windows, batch_of
from deepkt_irt.settings import SaktSettings

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
_WEIGHTS, _CONFIG, _SEEN = "weights.pt", "config.json", "seen_items.npy"


@dataclass(frozen=True)
class Scorer:
    """A model with what is needed to use it.

    Attributes:
        model: Trained weights.
        settings: Its architecture.
        seen_items: Whether an item index was met in training, (items + 1,).
    """

    model: Sakt
    settings: SaktSettings
    seen_items: NDArray[np.bool_]

    def knows(self, items: IntArray) -> NDArray[np.bool_]:
        """Whether each item was met in training; the others are judged by their skills."""
        inside = items < len(self.seen_items)
        return inside & self.seen_items[np.where(inside, items, 0)]

    def save(self, folder: Path) -> None:
        """Write the model to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.model.state_dict(), folder / _WEIGHTS)
        np.save(folder / _SEEN, self.seen_items)
        config = {
            "n_items": self.model.n_items,
            "n_skills": self.model.n_skills,
            "settings": self.settings.model_dump(),
        }
        (folder / _CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True))

    @classmethod
    def load(cls, folder: Path) -> "Scorer":
        """Read a model from a folder."""
        config = json.loads((folder / _CONFIG).read_text())
        settings = SaktSettings(**config["settings"])
        model = Sakt(config["n_items"], config["n_skills"], settings)
        model.load_state_dict(torch.load(folder / _WEIGHTS, weights_only=True))
        return cls(model.eval(), settings, np.load(folder / _SEEN))


def seen_in_training(windows: Windows, *, n_items: int) -> NDArray[np.bool_]:
    """Which item indexes the training students answered, (n_items + 1,)."""
    seen = np.zeros(n_items + 1, dtype=bool)
    seen[windows.item[windows.scored_steps(windows.of_split("train"))]] = True
    return seen


def score_candidates(
    scorer: Scorer, windows: Windows, asked: list[IntArray], item_skills: IntArray
) -> list[FloatArray]:
    """Chance of a right answer on each candidate if it were asked next.

    Args:
        scorer: The model.
        windows: The latest window of each student.
        asked: Item indexes of each window's candidates; lengths may differ.
        item_skills: Skills of every item index, 0 where fewer, (items + 1, skills).

    Returns:
        Probabilities in the order of `asked`.
    """
    results: list[FloatArray] = [np.zeros(0)] * len(windows)
    by_length = np.argsort(windows.lengths, kind="stable")
    with torch.inference_mode():
        for begin in range(0, len(by_length), scorer.settings.batch_size):
            group = by_length[begin : begin + scorer.settings.batch_size]
            batch = batch_of(windows, group)
            most = max(1, *(len(asked[w]) for w in group))
            items = np.zeros((len(group), most), dtype=np.int64)
            for row, window in enumerate(group):
                items[row, : len(asked[window])] = asked[window]
            logits = scorer.model.candidates(
                torch.from_numpy(items),
                torch.from_numpy(item_skills[items]),
                (batch.item, batch.skills, batch.correct, batch.valid),
            )
            probabilities = torch.sigmoid(logits).double().numpy()
            for row, window in enumerate(group):
                results[window] = probabilities[row, : len(asked[window])]
    return results
