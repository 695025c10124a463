"""Throughput of training the published model, beside pyKT's, on the same data and sizes."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median

import numpy as np

from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, Split
from deepkt_irt.knowledge_tracing.metrics import scores
from deepkt_irt.knowledge_tracing.protocols import LEAP
from deepkt_irt.knowledge_tracing.sakt import PUBLISHED
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.settings import SaktSettings
from page import table
from peer import ONE_THREAD, require_peer, run_peer
from research_data import assist2009, described

_WINDOW = 200
_PYKT_BATCH = 64  # windows, as pyKT's own configuration has it for SAKT
_PYKT_RATE = 1e-3
SAME_WINDOW = {"block": _WINDOW // 2, "context": _WINDOW // 2, "attention_dropout": 0.0}
_PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        seconds: From data as the tool reads it to the weights of the best epoch.
        predicted: Probabilities of all responses, NaN where not predicted, (responses,).
        epochs: Passes over the training students.
    """

    seconds: float
    predicted: FloatArray
    epochs: int


def section(*, epochs: int = 3, repeats: int = 3, students: int | None = None) -> str:
    """The section of the page.

    Args:
        epochs: Passes over the training students.
        repeats: Runs of each, in turns.
        students: The first ones alone, for a trial; None: all.

    Raises:
        CannotRunError: If the data or pyKT's environment is absent.
    """
    require_peer("pykt")
    histories = assist2009()
    if students is not None:
        histories = histories.segments(np.arange(histories.n_segments) < students)
    split = LEAP.splits(histories)[0]
    own = _trained_on_cpu(epochs)
    same = own.model_copy(update=SAME_WINDOW)
    runs: dict[str, list[Run]] = {"pyKT": [], "same window": [], "own window": []}
    for _ in range(repeats):
        runs["pyKT"].append(run_pykt(histories, split, same))
        runs["same window"].append(run_ours(histories, split, same))
        runs["own window"].append(run_ours(histories, split, own))
    n, n_judged = int(split.train.sum()), int(judged_responses(histories, split).sum())
    return f"""## Throughput of training, beside pyKT

Data: ASSISTments 2009-10 ({described(histories)}), which is no part of the project. Students as in
protocol leap, first fold: {n:,} training responses, the validation students' judged after each
epoch by both. Model: SAKT of one layer, width {own.width}, {own.heads} heads, dropout
{own.dropout}; {epochs} epochs, one thread of the CPU each, {repeats} runs of each in turns, each in
a new process. Peer: pyKT 0.0.38 (pykt-toolkit) with its own model, data set, training function and
rate ({_PYKT_RATE}, Adam, {_PYKT_BATCH} windows of {_WINDOW} a batch), and the same torch; the one
change is that its data set makes tensors on the CPU. It expands a question of several skills into
as many rows, as it always does; responses are counted, not rows. Same window: {same.block} targets
that see {same.context} to {_WINDOW - 1} steps, {_WINDOW} as pyKT's; pyKT also drops attention
weights, this run does not. Own window: the settings that the published model is evaluated with
here, {own.block} targets that see {own.context} to {own.context + own.block - 1} steps, with
dropout of attention weights ({own.attention_dropout}). Time is from the prepared data (pyKT: its
file of sequences; here: arrays) to the weights of the best epoch.

{_comparison(histories, split, runs, epochs * n)}

AUC is by question, on the test students' responses but each one's first, which pyKT does not
predict: {n_judged:,} responses. Of a question of several skills pyKT's prediction is the mean over
its skills, each blind to the question's other rows; at test pyKT sees 100 to 199 rows of the past
where there are so many.
"""


def _trained_on_cpu(epochs: int) -> SaktSettings:
    changed = {"max_epochs": epochs, "min_steps": 1, "device": "cpu"}
    return PUBLISHED.model_copy(update=changed)


def judged_responses(histories: Histories, split: Split) -> BoolArray:
    """Test responses but each student's first, which pyKT does not predict, (responses,)."""
    judged: BoolArray = split.test & (histories.visible > 0)
    return judged


def run_ours(histories: Histories, split: Split, settings: SaktSettings) -> Run:
    """One training in a new process, on one thread of the CPU beside the GPU if there is one."""
    os.environ.update(ONE_THREAD)
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        return fresh.submit(_fitted, histories, split, settings).result()


def _fitted(histories: Histories, split: Split, settings: SaktSettings) -> Run:
    import torch  # noqa: PLC0415  # set up in the process that trains

    torch.set_num_threads(1)
    model = KnowledgeTracer(settings)
    begin = time.perf_counter()
    model.fit(histories, split)
    seconds = time.perf_counter() - begin
    judged = judged_responses(histories, split)
    predicted = np.full(len(histories), np.nan)
    predicted[judged] = model.predict(histories, judged)
    return Run(seconds, predicted, len(model.trained.epochs) if model.trained else 0)


def run_pykt(histories: Histories, split: Split, settings: SaktSettings) -> Run:
    """One training of pyKT's model, of the same sizes; on a GPU unless settings say cpu."""
    given = {
        "width": settings.width,
        "heads": settings.heads,
        "dropout": settings.dropout,
        "epochs": settings.max_epochs,
        "batch": _PYKT_BATCH,
        "learning_rate": _PYKT_RATE,
        "seed": settings.seed,
    }
    first = histories.offsets[:-1]
    part = np.select([getattr(split, name)[first] for name in _PARTS], [0, 1, 2])
    arrays = {name: getattr(histories, name) for name in ("offsets", "item", "skills", "correct")}
    on_gpu = settings.device != "cpu"
    found = run_peer("pykt_sakt.py", arrays | {"part": part}, given, with_gpu=on_gpu)
    return Run(float(found["seconds"]), found["predicted"], settings.max_epochs)


def _comparison(
    histories: Histories, split: Split, runs: dict[str, list[Run]], responses: int
) -> str:
    judged = judged_responses(histories, split)
    slowest = median(run.seconds for run in runs["pyKT"])
    rows = []
    for name, each in runs.items():
        seconds = median(run.seconds for run in each)
        found = scores(histories.correct[judged], each[0].predicted[judged])
        rows.append(
            (
                name,
                _times(each),
                f"{responses / seconds:,.0f}",
                f"{slowest / seconds:.1f}",
                f"{found.auc:.4f}",
                f"{found.log_loss:.4f}",
            )
        )
    header = ("run", "seconds, each", "responses a second", "ratio", "AUC", "log loss")
    return table(header, rows)


def _times(runs: list[Run]) -> str:
    return ", ".join(f"{run.seconds:.1f}" for run in runs)


if __name__ == "__main__":
    print(section())
