"""Histories of graded responses as flat arrays: what every model learns from and is judged on."""

import hashlib
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FIRST_ACTIONS = ("attempt", "hint", "answer", "explanation", "scaffold")
"""Codes 1, 2 … of `Histories.first_action`; 0 is unknown."""

_PER_RESPONSE = (
    "item",
    "skills",
    "correct",
    "visible",
    "latency_ms",
    "hint_count",
    "attempt_count",
    "first_action",
    "answered_at",
)


@dataclass(frozen=True)
class Histories:
    """Responses one after another; segment s owns responses offsets[s] to offsets[s + 1], in order.

    A segment is a student's whole history, a window of it, or a student's unit with its test.

    Attributes:
        offsets: (segments + 1,).
        item: Item index of each response, 1, 2 …; 0 unknown, (responses,).
        skills: Skill indexes, sorted, 0 where there are fewer, (responses, most).
        correct: 1 right, 0 wrong, (responses,).
        visible: How many leading responses of its segment a prediction may rest on, at most the
            response's own position; -1: the response is context and not predicted, (responses,).
        latency_ms: Start to first graded response, NaN unknown, (responses,).
        hint_count: Hints used, NaN unknown, (responses,).
        attempt_count: Graded responses made, NaN unknown, (responses,).
        first_action: 0 unknown, else 1 + place in `FIRST_ACTIONS`, (responses,).
        answered_at: Seconds since 1970, UTC; NaN where only the order is known, (responses,).
        student: Index of the student of each segment, (segments,); several may share one.
        names: Name of each student index, (students,).
    """

    offsets: IntArray
    item: IntArray
    skills: IntArray
    correct: IntArray
    visible: IntArray
    latency_ms: FloatArray
    hint_count: FloatArray
    attempt_count: FloatArray
    first_action: IntArray
    answered_at: FloatArray
    student: IntArray
    names: NDArray[Any]

    @classmethod
    def of(  # noqa: PLR0913 - one argument per column
        cls,
        *,
        offsets: IntArray,
        item: IntArray,
        skills: IntArray,
        correct: IntArray,
        visible: IntArray | None = None,
        latency_ms: FloatArray | None = None,
        hint_count: FloatArray | None = None,
        attempt_count: FloatArray | None = None,
        first_action: IntArray | None = None,
        answered_at: FloatArray | None = None,
        student: IntArray | None = None,
        names: NDArray[Any] | None = None,
    ) -> Self:
        """Histories from what is known; each response sees all before it unless said otherwise.

        Raises:
            ValueError: If lengths differ, or a response would see itself or what follows it.
        """
        n, segments = len(item), len(offsets) - 1
        unknown = np.full(n, np.nan)
        position = np.arange(n) - np.repeat(offsets[:-1], np.diff(offsets))
        students = np.arange(segments) if student is None else student
        n_students = int(students.max(initial=-1)) + 1
        made = cls(
            offsets=offsets,
            item=item,
            skills=skills,
            correct=correct,
            visible=position if visible is None else visible,
            latency_ms=unknown if latency_ms is None else latency_ms,
            hint_count=unknown if hint_count is None else hint_count,
            attempt_count=unknown if attempt_count is None else attempt_count,
            first_action=np.zeros(n, dtype=np.int64) if first_action is None else first_action,
            answered_at=unknown if answered_at is None else answered_at,
            student=students,
            names=np.arange(n_students).astype(str) if names is None else names,
        )
        for name in _PER_RESPONSE:
            if len(getattr(made, name)) != n:
                raise ValueError(f"{n} items but {len(getattr(made, name))} values of {name}")
        if (made.visible > position).any():
            raise ValueError("a response must not be predicted from itself or from what follows")
        return made

    def __len__(self) -> int:
        return len(self.item)

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> IntArray:
        """Responses of each segment, (segments,)."""
        return np.diff(self.offsets)

    @property
    def segment(self) -> IntArray:
        """Segment of each response, (responses,)."""
        return np.repeat(np.arange(self.n_segments), self.lengths)

    @property
    def position(self) -> IntArray:
        """Place of each response within its segment, from 0, (responses,)."""
        return np.arange(len(self)) - np.repeat(self.offsets[:-1], self.lengths)

    @property
    def asked(self) -> BoolArray:
        """Which responses are predicted; the others are context, (responses,)."""
        return self.visible >= 0

    @property
    def student_of_response(self) -> IntArray:
        """Index of the student of each response, (responses,)."""
        return np.repeat(self.student, self.lengths)

    @property
    def n_items(self) -> int:
        """Largest item index."""
        return int(self.item.max(initial=0))

    @property
    def n_skills(self) -> int:
        """Largest skill index."""
        return int(self.skills.max(initial=0))

    def segments(self, chosen: BoolArray) -> "Histories":
        """The chosen segments alone, students and names as they are.

        Args:
            chosen: (segments,).
        """
        kept = np.repeat(chosen, self.lengths)
        parts = {name: getattr(self, name)[kept] for name in _PER_RESPONSE}
        offsets = np.concatenate([[0], np.cumsum(self.lengths[chosen])])
        return replace(self, offsets=offsets, student=self.student[chosen], **parts)

    def check_asked(self, chosen: BoolArray) -> None:
        """Refuse what cannot be predicted.

        Args:
            chosen: (responses,).

        Raises:
            ValueError: If there is not one value a response, or a chosen one is context.
        """
        if chosen.shape != self.visible.shape:
            raise ValueError(f"{len(self)} responses but {chosen.shape} say which are chosen")
        if (self.visible[chosen] < 0).any():
            raise ValueError("context is never predicted: choose among the asked responses")

    @property
    def digest(self) -> str:
        """Names the content, whatever the students are called: the version of the data."""
        content = hashlib.sha256()
        for each in fields(self):
            if each.name != "names":
                content.update(np.ascontiguousarray(getattr(self, each.name)).tobytes())
        return content.hexdigest()[:16]


@dataclass(frozen=True)
class Split:
    """Which responses a model is fitted on, stopped early on, and judged on, (responses,) each.

    What a prediction may see of a student's own past is said by the histories alone.
    """

    train: BoolArray
    validation: BoolArray
    test: BoolArray = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __post_init__(self) -> None:
        if (self.train & self.validation).any():
            raise ValueError("a response is both trained and validated on")
        if len(self.test) and (self.test & (self.train | self.validation)).any():
            raise ValueError("a test response is trained or validated on")


class Model(Protocol):
    """A model of the next answer, as evaluations and the leakage guard use it."""

    def fit(self, histories: Histories, split: Split) -> None:
        """Learn from the training responses; choose when to stop by the validation responses."""
        ...

    def predict(self, histories: Histories, chosen: BoolArray) -> FloatArray:
        """Probability of a right answer on the chosen responses, in their order.

        Args:
            histories: Of any students, also such as training never met.
            chosen: (responses,); all of them must be asked.
        """
        ...
