"""Throughput of training on a GPU, and how busy it is, beside pyKT on the same one."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from deepkt_irt.knowledge_tracing.histories import Histories, Split
from deepkt_irt.knowledge_tracing.metrics import scores
from deepkt_irt.knowledge_tracing.protocols import LEAP
from deepkt_irt.knowledge_tracing.sakt import PUBLISHED
from deepkt_irt.settings import SaktSettings
from knowledge_tracing_speed import SAME_WINDOW, Run, judged_responses, run_ours, run_pykt
from page import CannotRunError, table
from peer import require_peer
from research_data import assist2009, described

_LARGE = 12_800  # responses a step: as many as pyKT's 64 windows of 200
_EPOCHS = 3  # of SAKT, as in the comparison on a CPU
_ASKED = ("utilization.gpu", "memory.used")
_COMMAND = (
    "nvidia-smi",
    f"--query-gpu={','.join(_ASKED)}",
    "--format=csv,noheader,nounits",
    "--loop-ms=100",
)


@dataclass
class Busy:
    """What the GPU was seen doing, every tenth of a second.

    Attributes:
        share: Of the time that a kernel ran, percent.
        memory: In use, MiB.
    """

    share: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def section() -> str:
    """The section of the page.

    Raises:
        CannotRunError: If there is no GPU, or the data or pyKT's environment is absent.
    """
    if not torch.cuda.is_available():
        raise CannotRunError("there is no GPU here")
    require_peer("pykt")
    histories = assist2009()
    split = LEAP.splits(histories)[0]
    return f"""## Training on a GPU

Data: ASSISTments 2009-10 ({described(histories)}), which is no part of the project. Students as in
protocol leap, first fold: {int(split.train.sum()):,} training responses. GPU:
{torch.cuda.get_device_name()}, torch {torch.__version__}, bf16 (pyKT: its own single precision),
one thread of the CPU beside it; each run in a new process, one run each. Seconds are from the
prepared data to the weights of the best epoch; the validation students are judged after each epoch.
Responses a second are those of all epochs over these seconds. Busy: share of the time in which any
kernel ran, the mean of a look every tenth of a second, idle looks at the start and the end left
out; memory is the most in use.

{table(_HEADER, list(_rows(histories, split)))}

AUC is by question, on the test students' responses but each one's first. SAKT is that of the
comparison on a CPU (width {PUBLISHED.width}, {PUBLISHED.heads} heads, the same window of 200), over
{_EPOCHS} epochs; `default` is trained as a job trains it, until its rule stops it.
"""


_HEADER = (
    "run",
    "responses a step",
    "epochs",
    "seconds",
    "responses a second",
    "busy",
    "memory, MiB",
    "AUC",
    "log loss",
)


def _rows(histories: Histories, split: Split) -> Iterator[tuple[str, ...]]:
    sakt = PUBLISHED.model_copy(update=SAME_WINDOW | {"max_epochs": _EPOCHS, "min_steps": 1})
    default = SaktSettings()
    large = {"batch_tokens": _LARGE}
    with _watched() as busy:
        run = run_pykt(histories, split, sakt)
    yield _row("pyKT's SAKT", f"{_LARGE:,}", run, histories, split, busy)
    for name, settings in (
        ("`sakt`, same window", sakt),
        ("`sakt`, same window", sakt.model_copy(update=large)),
        ("`default`", default),
        ("`default`", default.model_copy(update=large)),
        ("`default`, on the CPU", default.model_copy(update={"device": "cpu"})),
    ):
        with _watched() as busy:
            run = run_ours(histories, split, settings)
        yield _row(name, f"{settings.batch_tokens:,}", run, histories, split, busy)


def _row(
    name: str, tokens: str, run: Run, histories: Histories, split: Split, busy: Busy
) -> tuple[str, ...]:
    judged = judged_responses(histories, split)
    found = scores(histories.correct[judged], run.predicted[judged])
    at_work = np.trim_zeros(np.array(busy.share))
    return (
        name,
        tokens,
        str(run.epochs),
        f"{run.seconds:.1f}",
        f"{run.epochs * split.train.sum() / run.seconds:,.0f}",
        f"{at_work.mean():.0f}%" if len(at_work) else "idle",
        f"{max(busy.memory):,.0f}",
        f"{found.auc:.4f}",
        f"{found.log_loss:.4f}",
    )


@contextmanager
def _watched() -> Iterator[Busy]:
    """Look at the first GPU until the end of the block."""
    busy = Busy()
    looking_at = subprocess.Popen(_COMMAND, stdout=subprocess.PIPE, text=True)  # noqa: S603
    with looking_at as looking:

        def note() -> None:
            for line in looking.stdout or ():
                share, memory = map(float, line.split(","))
                busy.share.append(share)
                busy.memory.append(memory)

        reader = threading.Thread(target=note)
        reader.start()
        try:
            yield busy
        finally:
            looking.terminate()
            reader.join()


if __name__ == "__main__":
    print(section())
