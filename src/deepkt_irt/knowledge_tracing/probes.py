"""Histories changed on purpose, so that a model shows what it looks at."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import FIRST_ACTIONS, Histories, Split

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_DAY_S = 86_400.0
_CANDIDATES = 64  # other items drawn for a probe, of which the most different is asked


@dataclass(frozen=True)
class Probes:
    """Copies of segments with one asked response each.

    Attributes:
        histories: One segment per probe.
        asked: The asked response of each segment, (responses,).
        items: Item and skills of questions to ask instead, one row per kind, (kinds, 1 + most).
    """

    histories: Histories
    asked: BoolArray
    items: IntArray

    def __len__(self) -> int:
        return self.histories.n_segments

    def own_edited(self) -> Histories:
        """The asked responses come out the other way, in other time, with other help."""
        return _answered_otherwise(self.histories, self.asked)

    def future_edited(self, rng: np.random.Generator) -> Histories:
        """All that the asked response may not rest on is changed, its own item and instant apart.

        Responses between the visible ones and the asked one are changed, too.
        """
        base = self.histories
        visible = base.visible[self.asked]
        hidden = base.position >= visible[base.segment]
        edited = _answered_otherwise(base, hidden)
        others = np.flatnonzero(hidden & ~self.asked)
        item, skills, at = edited.item.copy(), edited.skills.copy(), edited.answered_at.copy()
        drawn = self.items[rng.integers(0, len(self.items), len(others))]
        item[others], skills[others] = drawn[:, 0], drawn[:, 1:]
        at[others] += _DAY_S
        return replace(edited, item=item, skills=skills, answered_at=at)

    def other_item(self, rng: np.random.Generator) -> Histories:
        """Another item is asked, of other skills where there are such.

        Raises:
            NoData: If there is no other item.
        """
        base, place = self.histories, np.flatnonzero(self.asked)
        drawn = self.items[rng.integers(0, len(self.items), (len(place), _CANDIDATES))]
        other_item = drawn[:, :, 0] != base.item[place, None]
        other_skills = (drawn[:, :, 1:] != base.skills[place, None]).any(axis=2)
        differs = other_item.astype(int) * 2 + other_skills
        best = differs.argmax(axis=1)
        if not differs.max(axis=1).all():
            raise NoData("the leakage guard needs at least 2 items in training")
        chosen = drawn[np.arange(len(place)), best]
        item, skills = base.item.copy(), base.skills.copy()
        item[place], skills[place] = chosen[:, 0], chosen[:, 1:]
        return replace(base, item=item, skills=skills)


def choose_probes(
    histories: Histories,
    split: Split,
    rng: np.random.Generator,
    *,
    n_segments: int,
    n_positions: int,
    max_responses: int,
) -> Probes:
    """Probes at some positions of some segments with test responses.

    In each segment the first and the last asked response are among them, and one with most skills.

    Args:
        histories: Where segments are taken from.
        split: Its test responses choose the segments, its training responses the items.
        rng: Draws segments, positions and items.
        n_segments: Segments taken at most.
        n_positions: Positions in each, at most; 3 or more.
        max_responses: Of all copies together; segments that would exceed it are passed over.

    Raises:
        NoData: If no segment is short enough.
    """
    candidates = rng.permutation(np.unique(histories.segment[split.test]))
    lengths = histories.lengths
    segments: list[int] = []
    positions: list[IntArray] = []
    room = max_responses
    for segment in candidates.tolist():
        if len(segments) == n_segments:
            break
        if lengths[segment] * n_positions <= room:
            room -= int(lengths[segment]) * n_positions
            segments.append(segment)
            positions.append(_positions(histories, segment, n_positions, rng))
    if not segments:
        raise NoData(f"no segment of test responses is shorter than {max_responses / n_positions}")
    copied = np.repeat(segments, [len(each) for each in positions])
    copies = _copies(histories, copied)
    asked = np.zeros(len(copies), dtype=bool)
    asked[copies.offsets[:-1] + np.concatenate(positions)] = True
    known = split.train & (histories.item > 0)
    trained = np.column_stack([histories.item, histories.skills])[
        known if known.any() else split.train
    ]
    return Probes(copies, asked, np.unique(trained, axis=0))


def sample_students(
    histories: Histories, split: Split, n_responses: int, rng: np.random.Generator
) -> tuple[Histories, Split]:
    """Whole students for a model that is fitted only to be examined.

    Training gets twice the responses of the test, and validation a quarter of them. A statistic
    over all responses tells the more of a test answer the fewer there are beside it, but a model
    that is trained on too few finds noise in them instead.

    Args:
        histories: Of all students.
        split: Of all responses.
        n_responses: Of the test at most, up to whole students.
        rng: Draws the students.
    """
    n_students = int(histories.student.max(initial=-1)) + 1
    student = histories.student_of_response
    order = rng.permutation(n_students)
    kept = np.zeros(n_students, dtype=bool)
    n_test = min(n_responses, int(split.test.sum()))
    wanted = {"train": 2 * n_test, "validation": n_test / 4, "test": n_test}
    for part, most in wanted.items():
        n = np.bincount(student[getattr(split, part)], minlength=n_students)[order]
        before = np.cumsum(n) - n
        kept[order[(n > 0) & (before < most)]] = True
    chosen = kept[histories.student]
    rows = kept[student]
    parts = {part: getattr(split, part)[rows] for part in wanted}
    return histories.segments(chosen), Split(**parts)


def repeats_question(histories: Histories) -> BoolArray:
    """Rows that repeat the question of the row before them in their segment, (responses,).

    Either a question was expanded into a row per skill: the item and the answer are the same, the
    skills are not, and nothing that is known of time contradicts. Or a row was doubled: all is
    the same, the instant and the time taken included, both known. A student who answers an item
    again is neither. An unknown item is the same as another only at the same known instant.
    """
    first, second = slice(None, -1), slice(1, None)
    item, segment, at = histories.item, histories.segment, histories.answered_at
    same = (segment[first] == segment[second]) & (item[first] == item[second])
    same &= histories.correct[first] == histories.correct[second]
    at_once = at[first] == at[second]
    equally_long = histories.latency_ms[first] == histories.latency_ms[second]
    possible = at_once | np.isnan(at[first]) | np.isnan(at[second])
    possible &= (
        equally_long
        | np.isnan(histories.latency_ms[first])
        | np.isnan(histories.latency_ms[second])
    )
    other_skills = (histories.skills[first] != histories.skills[second]).any(axis=1)
    expanded = possible & other_skills & ((item[second] > 0) | at_once)
    doubled = at_once & equally_long & ~other_skills
    found = np.zeros(len(histories), dtype=bool)
    found[second] = same & (expanded | doubled)
    return found


def random_labels(histories: Histories, rng: np.random.Generator) -> Histories:
    """The answers are coin flips at the share right; rows of one question share a coin."""
    question = np.cumsum(~repeats_question(histories)) - 1
    coin = rng.random(len(histories)) < histories.correct.mean()
    return replace(histories, correct=coin[question].astype(np.int64))


def _positions(
    histories: Histories, segment: int, n_positions: int, rng: np.random.Generator
) -> IntArray:
    rows = slice(histories.offsets[segment], histories.offsets[segment + 1])
    asked = np.flatnonzero(histories.asked[rows])
    n_skills = (histories.skills[rows][asked] > 0).sum(axis=1)
    of_most = rng.choice(asked[n_skills == n_skills.max()])
    others = rng.permutation(asked)[: max(0, n_positions - 3)]
    return np.unique([asked[0], asked[-1], of_most, *others])


def _copies(histories: Histories, segments: IntArray) -> Histories:
    """The segments in this order, each as often as it is named."""
    lengths = histories.lengths[segments]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    start = np.repeat(histories.offsets[segments] - offsets[:-1], lengths)
    rows = start + np.arange(offsets[-1])
    whole = {"offsets", "student", "names"}
    parts: dict[str, Any] = {
        each.name: getattr(histories, each.name)[rows]
        for each in fields(histories)
        if each.name not in whole
    }
    return replace(histories, offsets=offsets, student=histories.student[segments], **parts)


def _answered_otherwise(histories: Histories, rows: BoolArray) -> Histories:
    """The rows' answers turned and all else that comes with an answer changed."""

    def more(values: NDArray[np.float64], amount: float) -> NDArray[np.float64]:
        return np.where(rows, np.nan_to_num(values) + amount, values)

    other_action = histories.first_action % len(FIRST_ACTIONS) + 1
    return replace(
        histories,
        correct=np.where(rows, 1 - histories.correct, histories.correct),
        latency_ms=more(histories.latency_ms, 5_000.0),
        hint_count=more(histories.hint_count, 2.0),
        attempt_count=more(histories.attempt_count, 3.0),
        first_action=np.where(rows, other_action, histories.first_action),
    )
