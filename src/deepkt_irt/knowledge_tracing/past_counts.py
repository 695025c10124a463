"""What a student's visible past holds: successes and failures overall, per item and per skill."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, IntArray

_GRID = 2.0**24
_NEGLIGIBLE = 1e-12  # weight of an answer so old that it no longer matters


@dataclass(frozen=True)
class Occurrences:
    """Where each key (an item, a skill) was met, by key and then by response.

    A run is what one segment met of one key, in order.

    Attributes:
        key: Key of each occurrence, at least 1, (occurrences,).
        response: Index of the response, (occurrences,).
        segment: Segment of the response, (occurrences,).
        n_responses: Responses of the histories.
    """

    key: IntArray
    response: IntArray
    segment: IntArray
    n_responses: int

    @classmethod
    def of(cls, histories: Histories, keys: IntArray) -> Self:
        """All occurrences of keys above 0.

        Args:
            histories: Of any students.
            keys: (responses, keys of one); 0 is no key.
        """
        response, column = np.nonzero(keys > 0)
        key = keys[response, column]
        order = np.argsort(key, kind="stable")  # responses ascend already
        sorted_response = response[order]
        return cls(key[order], sorted_response, histories.segment[sorted_response], len(histories))

    @cached_property
    def place(self) -> IntArray:
        """How many occurrences of its run come before each, (occurrences,)."""
        index = np.arange(len(self.key))
        starts = np.ones(len(self.key), dtype=bool)
        starts[1:] = (np.diff(self.key) != 0) | (np.diff(self.segment) != 0)
        return index - np.maximum.accumulate(np.where(starts, index, 0))

    def spans(self, keys: IntArray, first: IntArray, end: IntArray) -> tuple[IntArray, IntArray]:
        """Occurrences of the asked keys among responses first to end, end left out.

        Args:
            keys: (asked, keys of one); 0 is no key.
            first: First response that counts, (asked,).
            end: First response that no longer counts, (asked,).

        Returns:
            Where these occurrences start and stop, (asked, keys of one) each; both 0 for no key.
        """
        row, column = np.nonzero(keys > 0)
        by_key = np.argsort(keys[row, column], kind="stable")  # searches stay close in memory
        row, column = row[by_key], column[by_key]
        code = keys[row, column] * (self.n_responses + 1)
        own = self.key * (self.n_responses + 1) + self.response
        start, stop = np.zeros(keys.shape, dtype=np.int64), np.zeros(keys.shape, dtype=np.int64)
        start[row, column] = np.searchsorted(own, code + first[row])
        stop[row, column] = np.searchsorted(own, code + end[row])
        return start, stop


@dataclass(frozen=True)
class Counts:
    """The visible past on one kind of key; shapes as in `PastCounts`.

    Attributes:
        successes: Right answers.
        failures: Wrong answers.
        recent: Share right, each answer weighing `decay` times the one after it; NaN if none.
    """

    successes: IntArray
    failures: IntArray
    recent: FloatArray

    @property
    def total(self) -> IntArray:
        """Answers."""
        return self.successes + self.failures


@dataclass(frozen=True)
class PastCounts:
    """Visible past of each chosen response, in their order.

    Attributes:
        overall: On anything, (chosen,).
        item: On the same item, (chosen,); none for the unknown item.
        skill: On each of the response's skills, (chosen, most skills); none where no skill.
    """

    overall: Counts
    item: Counts
    skill: Counts


def past_counts(histories: Histories, chosen: BoolArray, *, decay: float = 0.8) -> PastCounts:
    """Count what each chosen response may see of its own segment.

    Args:
        histories: Of any students.
        chosen: (responses,); all of them must be asked.
        decay: Weight of an answer over that of the next one on the same key, in (0, 1).

    Raises:
        ValueError: If decay is outside (0, 1) or a chosen response is context.
    """
    if not 0 < decay < 1:
        raise ValueError(f"decay={decay} must lie between 0 and 1")
    first, end = visible_range(histories, chosen)
    item, everything = histories.item[:, None], np.ones((len(histories), 1), dtype=np.int64)
    overall, same_item, same_skill = (
        _counts(histories, keys, keys[chosen], (first, end), decay)
        for keys in (everything, item, histories.skills)
    )
    return PastCounts(_first_column(overall), _first_column(same_item), same_skill)


def visible_range(histories: Histories, chosen: BoolArray) -> tuple[IntArray, IntArray]:
    """First response that each chosen one may see, and the first that it may no longer see.

    Args:
        histories: Of any students.
        chosen: (responses,); all of them must be asked.

    Returns:
        Indexes of responses, (chosen,) each.

    Raises:
        ValueError: If there is not one value a response, or a chosen one is context.
    """
    histories.check_asked(chosen)
    visible = histories.visible[chosen]
    first = histories.offsets[:-1][histories.segment[chosen]]
    return first, first + visible


def share_of_last(
    histories: Histories, chosen: BoolArray, values: FloatArray, *, last: int
) -> FloatArray:
    """Mean of a value over the last visible responses of each chosen one.

    Args:
        histories: Of any students.
        chosen: (responses,); all of them must be asked.
        values: Of each response, NaN unknown, (responses,).
        last: How many of the visible responses count, the unknown among them.

    Returns:
        (chosen,); NaN where no value is known.
    """
    first, end = visible_range(histories, chosen)
    begin = np.maximum(first, end - last)
    known = ~np.isnan(values)
    n, total = running_sums(known), running_sums(np.where(known, values, 0.0))
    return _ratio(total[end] - total[begin], n[end] - n[begin])


def running_sums(values: NDArray[Any]) -> FloatArray:
    """Cumulative sums with nothing before the first, so that differences are sums of a stretch.

    Values are rounded to multiples of 2^-24, whose sums up to 2^29 are exact. Otherwise rounding
    would let an answer anywhere before, of whichever student, move the sum of a later stretch.

    Args:
        values: (values,).

    Returns:
        (values + 1,).
    """
    return np.concatenate([np.zeros(1), np.cumsum(np.rint(values * _GRID) / _GRID)])


def decayed_sums(values: FloatArray, place: IntArray, decay: float) -> FloatArray:
    """Sum over each run up to its own occurrence, each value weighing `decay` times the next.

    The reach of the sums is doubled until what is older no longer counts; runs do not mix.

    Args:
        values: Of each occurrence, (occurrences,).
        place: `Occurrences.place`, (occurrences,).
        decay: In (0, 1).

    Returns:
        (occurrences,).
    """
    sums, reach = values.copy(), 1
    while reach <= place.max(initial=0) and decay**reach > _NEGLIGIBLE:
        sums[reach:] += np.where(place[reach:] >= reach, decay**reach * sums[:-reach], 0.0)
        reach *= 2
    return sums


def _counts(
    histories: Histories,
    keys: IntArray,
    asked: IntArray,
    seen: tuple[IntArray, IntArray],
    decay: float,
) -> Counts:
    met = Occurrences.of(histories, keys)
    start, stop = met.spans(asked, *seen)
    right = histories.correct[met.response]
    total = np.concatenate([[0], np.cumsum(right)])
    successes, n = total[stop] - total[start], stop - start
    # an empty span may stop at 0: what precedes it is then a weight that nothing reads
    decayed = np.append(decayed_sums(right.astype(np.float64), met.place, decay), 0.0)[stop - 1]
    recent = _ratio(np.where(n > 0, decayed, 0.0), (1 - decay**n) / (1 - decay))
    return Counts(successes, n - successes, recent)


def _ratio(total: NDArray[Any], n: NDArray[Any]) -> FloatArray:
    """NaN where there is nothing to divide by."""
    ratio = np.full(total.shape, np.nan)
    np.divide(total, n, out=ratio, where=n > 0)
    return ratio


def _first_column(counts: Counts) -> Counts:
    return Counts(counts.successes[:, 0], counts.failures[:, 0], counts.recent[:, 0])
