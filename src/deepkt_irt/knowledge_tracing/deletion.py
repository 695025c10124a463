"""Whether the responses named as influential are those that predictions rest on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, IntArray
from deepkt_irt.knowledge_tracing.influence import influences
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.knowledge_tracing.student_memory import fitted_network

_LEAST_VISIBLE = 10  # responses; of fewer, five are no small part
_ROWS = 200_000  # responses of shortened histories held at a time
_COLUMNS = (
    *("item", "skills", "correct", "latency_ms"),
    *("hint_count", "attempt_count", "first_action", "answered_at"),
)


@dataclass(frozen=True)
class DeletionTest:
    """How far predictions move when responses are taken out of the history and all is recomputed.

    Attributes:
        median_top: Median |change of the probability| without the most influential ones.
        median_random: Median without as many drawn by chance from the same stretch.
        ratio: The first over the second; infinite if chance moved nothing.
        n: Predictions tested.
    """

    median_top: float
    median_random: float
    ratio: float
    n: int


def deletion_test(
    tracer: KnowledgeTracer,
    histories: Histories,
    targets: BoolArray,
    *,
    top: int = 5,
    n_random: int = 10,
    seed: int = 7,
) -> DeletionTest:
    """Whether the responses named as most influential move predictions more than others do.

    They are deleted for good: the histories are written without them and the model predicts
    anew, lags and all. The others are drawn from the same stretch of the past, the one that
    `influences` looks at.

    Args:
        tracer: A fitted model of the default architecture.
        histories: Of any students.
        targets: The predictions to test, (responses,), all asked; those with fewer than 10
            visible responses are left out.
        top: How many responses are deleted at once, below 10.
        n_random: How often others are drawn, for each prediction.
        seed: Determines these draws.

    Raises:
        NoData: If no target has enough visible responses.
        ValueError: If top is not from 1 to 9 or n_random is below 1; else as `influences`.

    Reference:
        Samek et al. (2017), "Evaluating the visualization of what a deep neural network has
        learned", IEEE TNNLS 28(11); DeYoung et al. (2020), "ERASER", ACL (comprehensiveness).
    """
    if not 1 <= top < _LEAST_VISIBLE or n_random < 1:
        raise ValueError(f"top={top} must be from 1 to 9 and n_random={n_random} at least 1")
    tested = targets & (histories.visible >= _LEAST_VISIBLE)
    if not tested.any():
        raise NoData(f"no prediction rests on {_LEAST_VISIBLE} responses; bring longer histories")
    last = max(fitted_network(tracer).context, _LEAST_VISIBLE)
    strongest = influences(tracer, histories, tested, top=top, last=last).response
    before, target = tracer.predict(histories, tested), np.flatnonzero(tested)
    rng = np.random.default_rng(seed)

    def moved(which: IntArray, deleted: IntArray) -> FloatArray:
        shorter, asked = _without(histories, target[which], deleted)
        return np.abs(tracer.predict(shorter, asked) - before[which])

    by_top, by_chance = [], []
    for which in _portions(histories.visible[target]):
        by_top.append(moved(which, strongest[which]))
        for _ in range(n_random):
            drawn = _drawn(histories, target[which], rng, top=top, last=last)
            by_chance.append(moved(which, drawn))
    median_top, median_random = (
        float(np.median(np.concatenate(each))) for each in (by_top, by_chance)
    )
    ratio = median_top / median_random if median_random else np.inf
    return DeletionTest(median_top, median_random, ratio, len(target))


def _portions(visible: IntArray) -> Iterator[IntArray]:
    """Which targets are tested together: as many as their histories are held at a time."""
    portion = np.cumsum(visible) // _ROWS
    for each in np.unique(portion):
        yield np.flatnonzero(portion == each)


def _drawn(
    histories: Histories, target: IntArray, rng: np.random.Generator, *, top: int, last: int
) -> IntArray:
    """Different ones of the last visible responses of each target, by chance, (targets, top)."""
    visible = histories.visible[target][:, None]
    draw = rng.random((len(target), last))
    draw[np.arange(1, last + 1) > visible] = 2.0  # there is none
    lag = 1 + np.argpartition(draw, top, axis=1)[:, :top]
    response: IntArray = histories.offsets[histories.segment[target], None] + visible - lag
    return response


def _without(
    histories: Histories, target: IntArray, deleted: IntArray
) -> tuple[Histories, BoolArray]:
    """What each target sees, less the deleted responses, with the target asked at its end.

    Args:
        histories: Of any students.
        target: (targets,).
        deleted: Different visible responses of each, (targets, deleted).

    Returns:
        A segment a target, and which responses are the targets.
    """
    segment, length = histories.segment[target], histories.visible[target] + 1
    first, begin = histories.offsets[segment], np.cumsum(length) - length
    rows = np.arange(length.sum()) + np.repeat(first - begin, length)
    rows[begin + length - 1] = target
    kept = np.ones(len(rows), dtype=bool)
    kept[(begin - first)[:, None] + deleted] = False
    rows = rows[kept]
    offsets = np.concatenate([[0], np.cumsum(length - deleted.shape[1])])
    columns: dict[str, Any] = {name: getattr(histories, name)[rows] for name in _COLUMNS}
    shorter = Histories.of(
        offsets=offsets, student=histories.student[segment], names=histories.names, **columns
    )
    asked = np.zeros(len(rows), dtype=bool)
    asked[offsets[1:] - 1] = True
    return shorter, asked
