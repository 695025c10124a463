"""Intervals of figures by a bootstrap over students: responses of one student are not independent.

A resample weighs every student by how often it was drawn. All figures are computed from sums per
student, so that a resample is a product of its weights with a table and no response is touched
twice. For the AUC predictions are put into bins of equal counts; a pair within a bin counts half.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.metrics import scores

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FIGURES = ("auc", "accuracy", "log_loss", "ece")
_AUC_BINS = 2_000
_ECE_BINS = 10
_CHUNK = 4_000_000  # weights at a time, resamples x students
_FLOOR = 1e-7  # as in metrics: a probability of 0 would make the log loss infinite


@dataclass(frozen=True)
class Sample:
    """Responses that one model was judged on.

    Attributes:
        correct: 1 right, 0 wrong, (responses,).
        predicted: Probabilities in [0, 1], (responses,).
        student: Of each response; any values, the same for the same student, (responses,).
    """

    correct: ArrayLike
    predicted: ArrayLike
    student: ArrayLike


@dataclass(frozen=True)
class Interval:
    """Percentile interval; NaN where no resample has the figure."""

    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """First model minus second on the same responses, with intervals by student.

    A better first model has a difference of AUC above 0 and of log loss below 0.

    Attributes:
        auc: Difference of AUC, NaN if all responses are right or all are wrong.
        auc_low: Lower end of its interval.
        auc_high: Upper end.
        log_loss: Difference of log loss, nats.
        log_loss_low: Lower end of its interval.
        log_loss_high: Upper end.
        n: Responses.
        n_students: Students that were resampled.
    """

    auc: float
    auc_low: float
    auc_high: float
    log_loss: float
    log_loss_low: float
    log_loss_high: float
    n: int
    n_students: int


def student_intervals(
    samples: Sequence[Sample], *, seed: int, n_resamples: int = 1_000, confidence: float = 0.95
) -> dict[str, Interval]:
    """Percentile intervals of auc, accuracy, log_loss and ece by a bootstrap over students.

    With several samples, as from the splits of a protocol, the students of all of them are drawn
    once per resample and the figure is the mean over the samples of each sample's figure under
    that draw. So the interval says how the mean would move with other students to judge on; it
    does not hold the doubt about which students were trained on. The ECE of a resample is biased
    upwards, as that of any small sample: its interval may lie above the figure.

    Args:
        samples: Responses of one model; students are matched over the samples by their values.
        seed: Determines the draws.
        n_resamples: Draws of students.
        confidence: Share of draws within the interval, in (0, 1).

    Raises:
        NoData: If there is no response, or fewer than two students.
        ValueError: If a value is outside its range or lengths differ.

    Reference:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapters 8 and 13.
    """
    _check(n_resamples, confidence)
    codes, n_students = _matched(samples)
    sums = [
        _StudentSums.of(sample, code, n_students)
        for sample, code in zip(samples, codes, strict=True)
    ]
    draws = np.concatenate(
        [
            np.mean([each.figures(weights) for each in sums], axis=0)
            for weights in _draws(n_students, n_resamples, seed)
        ],
        axis=1,
    )
    return {name: _interval(draws[k], confidence) for k, name in enumerate(FIGURES)}


def paired_difference(  # noqa: PLR0913 - two models on the same responses
    correct: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    student: ArrayLike,
    *,
    seed: int = 0,
    n_resamples: int = 1_000,
    confidence: float = 0.95,
) -> Difference:
    """How much the first model is ahead of the second, both under the same draws of students.

    Args:
        correct: 1 right, 0 wrong, (responses,).
        first: Probabilities of the first model, (responses,).
        second: Probabilities of the second model on the same responses, (responses,).
        student: Of each response, any values, (responses,).
        seed: Determines the draws.
        n_resamples: Draws of students.
        confidence: Share of draws within the interval, in (0, 1).

    Raises:
        NoData: If there is no response, or fewer than two students.
        ValueError: If a value is outside its range or lengths differ.
    """
    _check(n_resamples, confidence)
    samples = [Sample(correct, each, student) for each in (first, second)]
    codes, n_students = _matched(samples)
    one, other = (_StudentSums.of(sample, codes[0], n_students) for sample in samples)
    found, against = scores(correct, first), scores(correct, second)
    draws = np.concatenate(
        [
            one.figures(weights) - other.figures(weights)
            for weights in _draws(n_students, n_resamples, seed)
        ],
        axis=1,
    )
    auc = _interval(draws[FIGURES.index("auc")], confidence)
    log_loss = _interval(draws[FIGURES.index("log_loss")], confidence)
    return Difference(
        auc=np.nan if found.auc is None or against.auc is None else found.auc - against.auc,
        auc_low=auc.low,
        auc_high=auc.high,
        log_loss=found.log_loss - against.log_loss,
        log_loss_low=log_loss.low,
        log_loss_high=log_loss.high,
        n=found.n,
        n_students=n_students,
    )


@dataclass(frozen=True)
class _StudentSums:
    """What the figures of one sample are made of, summed by student.

    Attributes:
        plain: Responses, right decisions, log loss, then per bin of the ECE the sum of
            prediction minus outcome, (students, 3 + bins).
        ranked: Right, then wrong responses per bin of prediction, low to high,
            (2 x bins, students).
    """

    plain: FloatArray
    ranked: sparse.csr_array

    @classmethod
    def of(cls, sample: Sample, code: IntArray, n_students: int) -> Self:
        y = np.asarray(sample.correct, dtype=np.float64)
        p = np.asarray(sample.predicted, dtype=np.float64)
        clipped = np.clip(p, _FLOOR, 1 - _FLOOR)
        loss = -np.where(y == 1, np.log(clipped), np.log1p(-clipped))
        columns = [
            np.bincount(code, weights=each, minlength=n_students)
            for each in (np.ones(len(y)), (p >= 0.5) == (y == 1), loss)
        ]
        place = np.minimum((p * _ECE_BINS).astype(np.int64), _ECE_BINS - 1)
        size = n_students * _ECE_BINS
        excess = np.bincount(code * _ECE_BINS + place, weights=p - y, minlength=size)
        plain = np.column_stack([*columns, excess.reshape(n_students, _ECE_BINS)])
        return cls(plain, _ranked(y, p, code, n_students))

    def figures(self, weights: FloatArray) -> FloatArray:
        """Figures of resamples, in the order of FIGURES, (figures, resamples).

        Args:
            weights: How often each student was drawn, (resamples, students).
        """
        sums = weights @ self.plain
        with np.errstate(invalid="ignore", divide="ignore"):  # none of its students drawn: NaN
            n = sums[:, 0]
            ece = np.abs(sums[:, 3:]).sum(axis=1) / n
            return np.stack([self._auc(weights), sums[:, 1] / n, sums[:, 2] / n, ece])

    def _auc(self, weights: FloatArray) -> FloatArray:
        # counts and draws are whole numbers, exact in 32 bits up to 2**24 in a bin
        counts = self.ranked @ np.ascontiguousarray(weights.T, dtype=np.float32)
        right, wrong = np.split(counts.astype(np.float64), 2)
        below = np.cumsum(wrong, axis=0) - wrong / 2
        pairs = right.sum(axis=0) * wrong.sum(axis=0)
        auc: FloatArray = np.where(pairs > 0, (right * below).sum(axis=0) / pairs, np.nan)
        return auc


def _ranked(y: FloatArray, p: FloatArray, code: IntArray, n_students: int) -> sparse.csr_array:
    """Counts per bin of equal counts and student; equal predictions are never parted."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, _AUC_BINS + 1), method="lower"))
    place = np.searchsorted(edges, p, side="right") - 1
    row = place + np.where(y == 1, 0, len(edges))
    counts = sparse.coo_array(
        (np.ones(len(y), np.float32), (row, code)), (2 * len(edges), n_students)
    )
    return counts.tocsr()


def _matched(samples: Sequence[Sample]) -> tuple[list[IntArray], int]:
    """Students of each sample, numbered alike from 0, and how many there are."""
    if not samples:
        raise NoData("no responses to give an interval for")
    for each in samples:
        scores(each.correct, each.predicted)  # refuses what is no prediction
        if np.shape(each.student) != np.shape(each.correct):
            raise ValueError(
                f"{np.shape(each.correct)} responses but {np.shape(each.student)} students"
            )
    lengths = [np.size(each.student) for each in samples]
    together = np.concatenate([np.asarray(each.student) for each in samples])
    names, code = np.unique(together, return_inverse=True)
    if len(names) < 2:
        raise NoData("an interval by students needs at least 2 students, but there is 1")
    return np.split(code, np.cumsum(lengths)[:-1]), len(names)


def _draws(n_students: int, n_resamples: int, seed: int) -> Iterator[FloatArray]:
    """How often each student is drawn with replacement, in chunks of (resamples, students)."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _CHUNK // n_students)
    for start in range(0, n_resamples, at_once):
        n = min(at_once, n_resamples - start)
        drawn = rng.integers(0, n_students, size=(n, n_students))
        drawn += np.arange(n)[:, None] * n_students
        counts = np.bincount(drawn.ravel(), minlength=n * n_students)
        yield counts.reshape(n, n_students).astype(np.float64)


def _interval(draws: FloatArray, confidence: float) -> Interval:
    known = draws[np.isfinite(draws)]
    if not known.size:
        return Interval(np.nan, np.nan)
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def _check(n_resamples: int, confidence: float) -> None:
    if n_resamples < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"n_resamples={n_resamples} must be at least 1 and confidence={confidence} in (0, 1)"
        )
