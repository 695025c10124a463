"""What one window of first attempts says of each item's difficulty, before anything is judged."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepkt_irt.errors import NoData
from deepkt_irt.irt.ability import (
    Predictions,
    estimate_population,
    predict_sequentially,
)
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.student_chunks import sorted_by_student
from deepkt_irt.settings import DriftSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_MIN_GROUP = 30  # students from whom the start of a window's abilities is estimated
_MIN_TIMES = 10  # response times from which their change is told


@dataclass(frozen=True)
class WindowResponses:
    """First attempts by window of time, arrays of shape (responses,).

    Within a student and window they stand in the order in which they were given. Rapid guesses
    and other responses that are no evidence are to be left out before.

    Attributes:
        student: Index of the student, 0 to n_students - 1.
        item: Index of the item; a student answers an item once.
        score: Share of credit, one of the item's levels: 0 or 1 for right or wrong items.
        window: Index of the window; later windows have higher ones.
        n_students: Number of students.
        log_time: Log of the response time over the item's usual time, NaN if unknown. None: no
            response times are looked at.
    """

    student: IntArray
    item: IntArray
    score: FloatArray | IntArray
    window: IntArray
    n_students: int
    log_time: FloatArray | None = None

    def __post_init__(self) -> None:
        n = len(self.student)
        times = n if self.log_time is None else len(self.log_time)
        if not n == len(self.item) == len(self.score) == len(self.window) == times:
            raise ValueError("student, item, score, window and log_time differ in length")
        if not n:
            raise NoData("no first attempts to look for drift in")
        if self.student.min() < 0 or self.student.max() >= self.n_students:
            raise ValueError(f"student index outside 0 to {self.n_students - 1}")
        pair = self.student.astype(np.int64) * (int(self.item.max()) + 1) + self.item
        pair.sort()
        if (pair[1:] == pair[:-1]).any():
            raise ValueError("a student has several responses to one item; keep the first")

    def of_window(self, window: int) -> "WindowResponses":
        """Those of one window."""
        which = self.window == window
        return replace(
            self,
            student=self.student[which],
            item=self.item[which],
            score=self.score[which],
            window=self.window[which],
            log_time=None if self.log_time is None else self.log_time[which],
        )


@dataclass(frozen=True)
class Reference:
    """What windows are held against: best a calibration that saw none of them.

    One that saw a window's responses fits them, so that drift in it looks smaller than it was. That
    errs to the safe side (fewer items are flagged), and hides drift of the past. So it is for
    windows before the first calibration.

    Attributes:
        items: Curves of all items.
        population_mean: Where abilities start, logits: one for all, or for students whom the
            calibration knows their own ability, (students,).
        population_sd: How sure that is, above 0; likewise.
        n_known: Responses behind each student's start, (students,). None: none.
        difficulty_se: Standard error of each item's difficulty, (items,). None: known exactly.
        is_anchor: Items that tell what all have in common, (items,). None: all.
    """

    items: ItemParameters
    population_mean: ArrayLike = 0.0
    population_sd: ArrayLike = 1.0
    n_known: IntArray | None = None
    difficulty_se: FloatArray | None = None
    is_anchor: BoolArray | None = None

    def __post_init__(self) -> None:
        for name in ("difficulty_se", "is_anchor"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.items):
                raise ValueError(f"{name} has {len(values)} entries for {len(self.items)} items")
        if not (self.error[self.items.is_calibrated] >= 0).all():
            raise ValueError("difficulty_se of a calibrated item is missing or below 0")

    @property
    def error(self) -> FloatArray:
        """Standard error of each difficulty, 0 if none is given, (items,)."""
        return np.zeros(len(self.items)) if self.difficulty_se is None else self.difficulty_se

    @property
    def anchors(self) -> BoolArray:
        """Calibrated items that may carry the shift, (items,)."""
        known = self.items.is_calibrated
        return known if self.is_anchor is None else known & self.is_anchor

    def of_students(self, n: int) -> tuple[FloatArray, FloatArray, IntArray]:
        """Start of each student's ability: mean, SD, and responses behind it.

        Raises:
            ValueError: If an array is not one of n students.
        """
        given = (
            self.population_mean,
            self.population_sd,
            0 if self.n_known is None else self.n_known,
        )
        if any(np.ndim(each) and np.shape(each) != (n,) for each in given):
            raise ValueError(f"population or n_known is not given for {n} students")
        mean, sd, n_known = (np.broadcast_to(np.asarray(each), n) for each in given)
        return mean.astype(np.float64), sd.astype(np.float64), n_known.astype(np.int64)


@dataclass(frozen=True)
class WindowEvidence:
    """One window's responses summed by item, arrays over the items met.

    NaN where no response counts: too little was known of the students, or the item has no curve.

    Attributes:
        item: Index of the item.
        n: Responses that count.
        observed: Mean share of credit.
        expected: Expected share.
        z: Standardised difference.
        delta_b: Change of difficulty, common shift included, logits.
        variance: Of delta_b, the calibration being taken as exact.
        ability: Mean ability of the takers, as predicted, logits.
        time_change: Mean log of the response time over the usual, less that of all items.
        time_z: The same, standardised.
        growth: How far students known before have moved since, logits; NaN if they are few.
        cohort: How far the mean of the others lies from the reference's; likewise.
    """

    item: IntArray
    n: IntArray
    observed: FloatArray
    expected: FloatArray
    z: FloatArray
    delta_b: FloatArray
    variance: FloatArray
    ability: FloatArray
    time_change: FloatArray
    time_z: FloatArray
    growth: float
    cohort: float


def window_evidence(
    responses: WindowResponses, reference: Reference, *, settings: DriftSettings
) -> WindowEvidence:
    """Sum the responses of one window by item.

    delta_b = sum(E' (y - E) / V) / I with I = sum(E'^2 / V) and variance 1 / I, where E is the
    expected score, V its variance and E' its change with b, all under what is known of the
    ability: one scoring step from the calibrated difficulty.

    Args:
        responses: All of one window.
        reference: What they are held against.
        settings: How much must be known of a student.

    Raises:
        ValueError: If an index, a score or the population does not fit.

    Reference:
        Rao (1948), Proceedings of the Cambridge Philosophical Society 44, 50-57 (scores).
    """
    start = _start(responses, reference)
    order, n_before, known = _predicted(responses, reference.items, start)
    item, score = responses.item[order], np.asarray(responses.score, dtype=np.float64)[order]
    counts = (n_before >= settings.min_history) & np.isfinite(known.expected)
    distinct, place = np.unique(item, return_inverse=True)

    def total(values: FloatArray) -> FloatArray:
        return np.bincount(place[counts], weights=values[counts], minlength=len(distinct))

    n = total(np.ones(len(item)))
    variance = np.maximum(known.variance, np.finfo(float).tiny)
    information = total(known.expected_slope**2 / variance)
    residual = score - known.expected
    log_time = None if responses.log_time is None else responses.log_time[order]
    time_change, time_z = _times(log_time, place, len(distinct))
    return WindowEvidence(
        distinct,
        n.astype(np.int64),
        observed=_ratio(total(score), n),
        expected=_ratio(total(known.expected), n),
        z=_ratio(total(residual), np.sqrt(total(variance))),
        delta_b=_ratio(total(known.expected_slope * residual / variance), information),
        variance=_ratio(np.ones(len(distinct)), information),
        ability=_ratio(total(known.ability), n),
        time_change=time_change,
        time_z=time_z,
        growth=start.growth,
        cohort=start.cohort,
    )


@dataclass(frozen=True)
class _Start:
    """Where the abilities of the students of a window start.

    Attributes:
        student: Index of each response's student among them, (responses,).
        mean: Ability, (students,).
        sd: How sure that is, (students,).
        n_known: Responses behind it, (students,).
        growth: See WindowEvidence.
        cohort: See WindowEvidence.
    """

    student: IntArray
    mean: FloatArray
    sd: FloatArray
    n_known: IntArray
    growth: float
    cohort: float


def _predicted(
    responses: WindowResponses, items: ItemParameters, start: _Start
) -> tuple[IntArray, IntArray, Predictions]:
    """Order that brings students together and, in it, responses before each and predictions."""
    order, offsets = sorted_by_student(start.student, len(start.mean))
    known = predict_sequentially(
        offsets,
        responses.item[order],
        responses.score[order],
        items=items,
        population_mean=start.mean,
        population_sd=start.sd,
    )
    return order, known.n_before + start.n_known[start.student[order]], known


def _start(responses: WindowResponses, reference: Reference) -> _Start:
    """Start of each student, moved as the responses of the window ask for.

    Students known before and others move and are stretched apart from each other: the ones have
    grown, the others are another cohort. Their own share in this is one in thousands.
    """
    mean, sd, n_known = reference.of_students(responses.n_students)
    present, student = np.unique(responses.student, return_inverse=True)
    mean, sd, n_known = mean[present], sd[present], n_known[present]
    moves = []
    for group in (n_known > 0, n_known == 0):
        if group.sum() < _MIN_GROUP:
            moves.append(np.nan)
            continue
        inside = group[student]
        move, factor = estimate_population(
            (np.cumsum(group) - 1)[student[inside]],
            responses.item[inside],
            responses.score[inside],
            n_students=int(group.sum()),
            items=reference.items,
            population_mean=mean[group],
            population_sd=sd[group],
        )
        mean, sd = np.where(group, mean + move, mean), np.where(group, sd * factor, sd)
        moves.append(move)
    return _Start(student, mean, sd, n_known, *moves)


def _times(
    log_time: FloatArray | None, place: IntArray, n_items: int
) -> tuple[FloatArray, FloatArray]:
    """Change of response times by item, less the median over items, and its z."""
    if log_time is None:
        return np.full(n_items, np.nan), np.full(n_items, np.nan)
    finite = np.isfinite(log_time)
    place, log_time = place[finite], log_time[finite]
    n = np.bincount(place, minlength=n_items)
    enough = n >= _MIN_TIMES
    mean = _ratio(np.bincount(place, weights=log_time, minlength=n_items), n)
    squares = np.bincount(place, weights=(log_time - mean[place]) ** 2, minlength=n_items)
    usual = np.median(mean[enough]) if enough.any() else np.nan
    change = np.where(enough, mean - usual, np.nan)
    return change, _ratio(change * n, np.sqrt(squares))


def _ratio(top: FloatArray, bottom: FloatArray | IntArray) -> FloatArray:
    """NaN where the bottom is 0."""
    result: FloatArray = np.full(bottom.shape, np.nan)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result
