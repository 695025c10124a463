"""Speed of scoring with a trained model, in batches and one response at a time, and its memory."""

import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from deepkt_irt.knowledge_tracing.histories import FloatArray, Histories, IntArray
from deepkt_irt.knowledge_tracing.protocols import LEAP
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer, with_candidates
from deepkt_irt.knowledge_tracing.student_memory import StudentMemory
from deepkt_irt.settings import SaktSettings
from page import table
from research_data import assist2009, described

_SEED = 1
_CANDIDATES = 50
_LARGE_ITEMS = 130_000
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MB = 1_000_000


@dataclass(frozen=True)
class Latency:
    """Seconds of taking in one response and of predicting candidates after it, (responses,)."""

    append: FloatArray
    predict: FloatArray


def section(*, students: int | None = None, epochs: int = 1, singles: int = 2_000) -> str:
    """The section of the page.

    Args:
        students: The first ones alone, for a trial; None: all.
        epochs: Of training, which changes no time of scoring.
        singles: Responses that are timed one by one.

    Raises:
        CannotRunError: If the data are absent.
    """
    os.environ.update({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
    histories = assist2009()
    if students is not None:
        histories = histories.segments(np.arange(histories.n_segments) < students)
    large = _with_large_catalogue(histories)
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:
        batches = fresh.submit(_batches, histories, epochs, singles).result()
        memory = fresh.submit(_memory, large).result()
    return f"""## Speed and memory of scoring

Data: ASSISTments 2009-10 ({described(histories)}), which is no part of the project. The default
model after {epochs} epoch of training; one thread of the CPU, no GPU. A batch holds whole
histories; from histories in memory to probabilities. {_CANDIDATES} candidates a student are drawn
from all items and asked after the whole history. One response at a time is what a service does:
`StudentMemory` takes in the response and then predicts {_CANDIDATES} candidates;
{singles:,} responses of the students with the longest histories, after the first half of them.

{batches}

A model of {_LARGE_ITEMS:,} items, with the same responses spread over them:

{memory}
"""


def _batches(histories: Histories, epochs: int, singles: int) -> str:
    torch.set_num_threads(1)
    model = _trained(histories, epochs)
    skills = _skills_of_items(histories)
    rng = np.random.default_rng(_SEED)
    drawn = rng.integers(1, histories.n_items + 1, (histories.n_segments, _CANDIDATES))
    begin = time.perf_counter()
    model.predict(histories, histories.asked)
    whole = time.perf_counter() - begin
    begin = time.perf_counter()
    model.predict(*with_candidates(histories, list(drawn), skills))
    asked = time.perf_counter() - begin
    latency = _latency(model, histories, (drawn[0], skills[drawn[0]]), singles)
    rows = [
        _batch_row("every response of whole histories", histories, whole, len(histories)),
        _batch_row(f"{_CANDIDATES} candidates each", histories, asked, drawn.size),
    ]
    singly = [
        _single_row("taking in", latency.append),
        _single_row(f"predicting {_CANDIDATES} candidates", latency.predict),
        _single_row("both", latency.append + latency.predict),
    ]
    header = ("in batches", "seconds", "students per second", "predictions per second")
    return f"""{table(header, rows)}

{table(("one response", "p50, ms", "p99, ms"), singly)}"""


def _trained(histories: Histories, epochs: int) -> KnowledgeTracer:
    settings = SaktSettings(max_epochs=epochs, min_steps=1, device="cpu")
    model = KnowledgeTracer(settings)
    model.fit(histories, LEAP.splits(histories)[0])
    return model


def _batch_row(name: str, histories: Histories, seconds: float, n: int) -> tuple[str, ...]:
    speeds = f"{histories.n_segments / seconds:,.0f}", f"{n / seconds:,.0f}"
    return (name, f"{seconds:.1f}", *speeds)


def _single_row(name: str, seconds: FloatArray) -> tuple[str, ...]:
    p50, p99 = 1_000 * np.quantile(seconds, (0.5, 0.99))
    return (name, f"{p50:.2f}", f"{p99:.2f}")


def _latency(
    model: KnowledgeTracer, histories: Histories, asked: tuple[IntArray, IntArray], singles: int
) -> Latency:
    longest = np.argsort(-histories.lengths, kind="stable")
    seconds: list[tuple[float, float]] = []
    for segment in longest.tolist():
        seconds += _of_student(model, histories, segment, asked)
        if len(seconds) >= singles:
            break
    append, predict = np.array(seconds[:singles]).T
    return Latency(append, predict)


def _of_student(
    model: KnowledgeTracer, histories: Histories, segment: int, asked: tuple[IntArray, IntArray]
) -> list[tuple[float, float]]:
    """Seconds of each response in the second half of one history, after one that warms up."""
    one = histories.segments(np.arange(histories.n_segments) == segment)
    half = len(one) // 2
    memory = StudentMemory.of(model, _first(one, half))
    memory.predict(*asked)
    found = []
    for k in range(half, len(one)):
        begin = time.perf_counter()
        memory.append(
            int(one.item[k]),
            one.skills[k],
            int(one.correct[k]),
            latency_ms=float(one.latency_ms[k]),
            attempt_count=float(one.attempt_count[k]),
            first_action=int(one.first_action[k]),
        )
        middle = time.perf_counter()
        memory.predict(*asked)
        found.append((middle - begin, time.perf_counter() - middle))
    return found


def _first(one: Histories, n: int) -> Histories:
    """The first responses of a history of one segment."""
    names = ("item", "skills", "correct", "visible", "latency_ms", "hint_count")
    names += ("attempt_count", "first_action", "answered_at")
    parts = {name: getattr(one, name)[:n] for name in names}
    return replace(one, offsets=np.array([0, n]), **parts)


def _skills_of_items(histories: Histories) -> IntArray:
    """Skills of each item as last seen, (items + 1, most)."""
    skills = np.zeros((histories.n_items + 1, histories.skills.shape[1]), dtype=np.int64)
    skills[histories.item] = histories.skills
    return skills


def _with_large_catalogue(histories: Histories) -> Histories:
    """The same responses, on items drawn from a catalogue of which all are met."""
    rng = np.random.default_rng(_SEED)
    item = rng.integers(1, _LARGE_ITEMS + 1, len(histories))
    places = rng.permutation(len(histories))[:_LARGE_ITEMS]
    item[places] = 1 + np.arange(_LARGE_ITEMS)[: len(places)]
    return replace(histories, item=item)


def _memory(histories: Histories) -> str:
    """What a trained model takes on disk, and what loading it adds to a process."""
    with tempfile.TemporaryDirectory() as folder:
        _trained(histories, 1).save(Path(folder))
        on_disk = sum(path.stat().st_size for path in Path(folder).iterdir())
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            before, loaded, scored = fresh.submit(_resident_by_step, Path(folder)).result()
    rows = [
        ("on disk", on_disk),
        ("resident, interpreter and libraries alone", before),
        ("resident, with the model", loaded),
        ("resident, after its first predictions", scored),
    ]
    return table(("memory", "MB"), [(name, f"{size / _MB:,.0f}") for name, size in rows])


def _resident_by_step(folder: Path) -> tuple[int, int, int]:
    torch.set_num_threads(1)
    before = _resident()
    model = KnowledgeTracer.load(folder)
    loaded = _resident()
    items = 1 + np.arange(_CANDIDATES)
    empty = Histories.of(
        offsets=np.zeros(2, dtype=np.int64),
        item=np.zeros(0, dtype=np.int64),
        skills=np.zeros((0, 1), dtype=np.int64),
        correct=np.zeros(0, dtype=np.int64),
    )
    StudentMemory.of(model, empty).predict(items, np.zeros((_CANDIDATES, 1), dtype=np.int64))
    return before, loaded, _resident()


def _resident() -> int:
    """Resident memory of this process now, bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * _PAGE_BYTES


if __name__ == "__main__":
    print(section())
