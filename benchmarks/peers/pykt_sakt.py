"""pyKT's SAKT, trained by pyKT's own functions: `pykt_sakt.py IN.npz OUT.npz SETTINGS`.

IN holds flat responses of students: offsets, item, skills, correct, and the part of each student
(0 training, 1 validation, 2 test). SETTINGS are JSON: width, heads, dropout, epochs, batch,
learning_rate, seed. OUT gets the seconds of the training with its loading of data, and a
prediction of each test response but a student's first.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pykt.datasets import data_loader
from pykt.models.sakt import SAKT
from pykt.models.train_model import train_model
from pykt.preprocess.split_datasets import extend_multi_concepts, generate_sequences
from pykt.utils import set_seed
from torch.utils.data import DataLoader

WINDOW = 200  # rows, as in pyKT's configuration
_NEW = WINDOW // 2  # rows of a later window at test that no earlier one had
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"  # as pyKT itself decides
_TRAIN, _VALIDATION, _TEST = range(3)


def main() -> None:
    """Train, then predict the test responses."""
    source, target, settings = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    torch.set_num_threads(1)
    with np.load(source) as stored:
        data = {name: stored[name] for name in stored.files}
    if DEVICE == "cpu":
        # the data set makes its tensors on a GPU, the only change that a CPU needs
        data_loader.LongTensor, data_loader.FloatTensor = torch.LongTensor, torch.FloatTensor
    set_seed(settings["seed"])
    with tempfile.TemporaryDirectory() as folder:
        _sequences(data).to_csv(Path(folder) / "sequences.csv", index=False)
        begin = time.perf_counter()
        model = _trained(Path(folder), int(data["skills"].max()), settings)
        seconds = time.perf_counter() - begin
    np.savez(target, seconds=seconds, predicted=_predicted(model, data))


def _sequences(data: dict[str, np.ndarray]) -> pd.DataFrame:
    """The file of training and validation students: one row a skill, cut into windows, by pyKT."""
    rows = [
        {
            "uid": student,
            "questions": ",".join(map(str, data["item"][first:end])),
            "concepts": ",".join(map(_joined, data["skills"][first:end])),
            "responses": ",".join(map(str, data["correct"][first:end])),
        }
        for student, (first, end) in enumerate(_spans(data))
        if data["part"][student] != _TEST
    ]
    keys = {"uid", "questions", "concepts", "responses"}
    expanded, keys = extend_multi_concepts(pd.DataFrame(rows), keys)
    expanded["fold"] = data["part"][expanded["uid"]]
    return generate_sequences(expanded, keys | {"fold"}, maxlen=WINDOW)


def _joined(skills: np.ndarray) -> str:
    return "_".join(str(skill - 1) for skill in skills if skill > 0)


def _spans(data: dict[str, np.ndarray]) -> zip:  # type: ignore[type-arg]
    return zip(data["offsets"][:-1].tolist(), data["offsets"][1:].tolist(), strict=True)


def _trained(folder: Path, n_skills: int, settings: dict[str, Any]) -> SAKT:
    """The weights of the best epoch, by pyKT's rule."""
    loaders = [
        DataLoader(
            data_loader.KTDataset(str(folder / "sequences.csv"), ["questions", "concepts"], {part}),
            batch_size=settings["batch"],
        )
        for part in (_TRAIN, _VALIDATION)
    ]
    model = SAKT(
        n_skills, WINDOW, settings["width"], settings["heads"], settings["dropout"], num_en=1
    ).to(DEVICE)
    optimiser = torch.optim.Adam(model.parameters(), settings["learning_rate"])
    train_model(model, *loaders, settings["epochs"], optimiser, str(folder), save_model=True)
    model.load_state_dict(torch.load(folder / "qid_model.ckpt", weights_only=True))
    return model.eval()


def _predicted(model: SAKT, data: dict[str, np.ndarray]) -> np.ndarray:
    """Probabilities of the test students' responses, NaN for each student's first, (responses,).

    A question's skills are asked one by one at the place of its first row, so that none sees an
    answer to the question itself, and averaged: pyKT's late fusion by the mean. With one layer a
    query touches its own place only, so that all places of a window are asked at once.
    """
    predicted = np.full(len(data["item"]), np.nan)
    with torch.inference_mode():
        for student, (first, end) in enumerate(_spans(data)):
            if data["part"][student] == _TEST and end - first > 1:
                predicted[first + 1 : end] = _of_student(
                    model, data["skills"][first:end], data["correct"][first:end]
                )
    return predicted


def _of_student(model: SAKT, skills: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Probabilities of all responses but the first, in order."""
    question, place = np.nonzero(skills)  # rows as pyKT expands them
    concept, answer = skills[question, place] - 1, correct[question]
    starts = np.flatnonzero(np.diff(question, prepend=-1))[1:]  # first rows, but the first one's
    found = np.empty(len(starts))
    for begin, new, end in _windows(len(concept)):
        asked = np.flatnonzero((starts >= new) & (starts < end))
        if len(asked):
            c, r = (_tensor(each[None, begin : end - 1]) for each in (concept, answer))
            found[asked] = _asked(model, (c, r), starts[asked] - 1 - begin, skills[1 + asked] - 1)
    return found


def _windows(n: int) -> list[tuple[int, int, int]]:
    """First row, first row that no earlier window had, and end of windows over n rows."""
    later = range(_NEW, n - _NEW, _NEW)
    return [(0, 1, min(n, WINDOW)), *((k, k + _NEW, min(k + WINDOW, n)) for k in later)]


def _asked(
    model: SAKT, past: tuple[torch.Tensor, torch.Tensor], places: np.ndarray, skills: np.ndarray
) -> np.ndarray:
    """Mean over the skills asked at places of a window, (places,)."""
    given, total = past[0], np.zeros(len(places))
    for column in skills.T:
        query = torch.zeros_like(given)
        query[0, places] = _tensor(np.maximum(column, 0))
        total += np.where(column >= 0, model(*past, query)[0].cpu().numpy()[places], 0)
    return total / (skills >= 0).sum(axis=1)


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values).to(DEVICE)


if __name__ == "__main__":
    main()
