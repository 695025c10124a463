"""Evaluation protocols: who is trained on, stopped early on, and judged on.

Figures of two protocols are never comparable, so every figure carries the name of its own. Only
students with responses that are asked take part; they are numbered in the order of their segments.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import Histories, Split

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_FOLDS = 5
_TEST_SHARE = 0.2
_MIN_STUDENTS = 10  # two for the test, eight for the folds
_PYKT_STATE = 1024
_PYKT_MIN_RESPONSES = 3
_TEMPORAL_SHARES = (0.7, 0.8)
_MIN_TIMED = 0.95
_HIDDEN_SHARE = 0.1
_MIN_ITEM_RESPONSES = 20
_FIRST_RESPONSES = 10


@dataclass(frozen=True)
class StratifiedSplit(Split):
    """A split whose test responses are of kinds that must not be averaged.

    Attributes:
        strata: Test responses of each kind, (responses,) each.
    """

    strata: dict[str, BoolArray] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationProtocol:
    """A way to split histories.

    Attributes:
        name: As in tables of figures.
        description: One sentence, printed beside the figures.
        function: Splits of histories by a seed.
    """

    name: str
    description: str
    function: Callable[[Histories, int], list[Split]]

    def splits(self, histories: Histories, *, seed: int = 0) -> list[Split]:
        """The splits, the same for the same seed.

        Raises:
            NoData: If there are too few students, responses or instants for the protocol.
        """
        return self.function(histories, seed)


def user_splits(labels: ArrayLike) -> EvaluationProtocol:
    """The one split that labels of the students say, as the weekly training keeps them.

    Args:
        labels: train, validation or test, by index of the student, (students,).

    Raises:
        ValueError: If there is another label; on use, if a student has none.
        NoData: On use, if no response has one of the labels.
    """
    kept = np.asarray(labels, dtype=str)
    parts = ("train", "validation", "test")
    unknown = sorted(set(kept.tolist()) - set(parts))
    if unknown:
        raise ValueError(f"students are labelled {', '.join(parts)}, not {', '.join(unknown)}")

    def function(histories: Histories, _: int) -> list[Split]:
        student = histories.student_of_response
        if student.max(initial=-1) >= len(kept):
            raise ValueError(f"{int(student.max()) + 1} students but {len(kept)} labels")
        label = kept[student]
        masks = {part: histories.asked & (label == part) for part in parts}
        for part, mask in masks.items():
            _require(int(mask.any()), 1, f"students labelled {part}", "user_splits")
        return [Split(**masks)]

    return EvaluationProtocol(
        "user_splits",
        "Students keep the part they were once drawn for: trained on, stopped early on or judged.",
        function,
    )


def _leap(histories: Histories, seed: int) -> list[Split]:
    test, folds = _test_and_folds(_students(histories, 1, "leap"), seed)
    of = _MaskOf(histories)
    return [Split(*(of(part) for part in parts)) for parts in _rotated(test, folds)]


def _pykt_question(histories: Histories, _: int) -> list[Split]:
    """Both shuffles start from the same state, whatever the seed, as in pyKT.

    Reference:
        pykt-team/pykt-toolkit, pykt/preprocess/split_datasets.py: train_test_split, KFold_split.
    """
    students = _pykt_shuffled(_students(histories, _PYKT_MIN_RESPONSES, "pykt_question"))
    n_rest = len(students) - int(len(students) * _TEST_SHARE)
    folds = np.array_split(_pykt_shuffled(students[:n_rest]), _FOLDS)
    of = _MaskOf(histories)
    follows = histories.visible > 0  # pyKT does not predict a student's first question
    return [
        Split(*(of(part) & follows for part in parts))
        for parts in _rotated(students[n_rest:], folds)
    ]


def _temporal(histories: Histories, _: int) -> list[Split]:
    timed = histories.asked & np.isfinite(histories.answered_at)
    n_timed, n_asked = int(timed.sum()), int(histories.asked.sum())
    if n_timed < max(1, _MIN_TIMED * n_asked):
        raise NoData(
            f"temporal needs the instant (answered_at) of {_MIN_TIMED:.0%} of the responses, "
            f"but {n_asked - n_timed} of {n_asked} have none"
        )
    at = np.where(timed, histories.answered_at, np.nan)
    first, second = np.quantile(at[timed], _TEMPORAL_SHARES)
    masks = at < first, (at >= first) & (at < second), at >= second
    for mask, name in zip(masks, ("train", "validation", "test"), strict=True):
        _require(int(mask.any()), 1, f"responses in the time of {name}", "temporal")
    return [Split(*masks)]


def _cold_start(histories: Histories, seed: int) -> list[Split]:
    test, folds = _test_and_folds(_students(histories, 1, "cold_start"), seed)
    of = _MaskOf(histories)
    hidden = np.isin(histories.item, _hidden_items(histories, seed))
    of_test = of(test)
    strata = {
        "new_students": of_test & ~hidden & (_rank_of_asked(histories) < _FIRST_RESPONSES),
        "new_items": of_test & hidden,
    }
    judged = strata["new_students"] | strata["new_items"]
    return [
        StratifiedSplit(of(train) & ~hidden, of(validation) & ~hidden, judged, strata)
        for train, validation, _ in _rotated(test, folds)
    ]


LEAP = EvaluationProtocol(
    "leap",
    "Students at random: 20% judged, the others in 5 folds, one for early stopping and four "
    "trained on in turn; skills as an array, each question scored once.",
    _leap,
)
PYKT_QUESTION = EvaluationProtocol(
    "pykt_question",
    "pyKT's students (3 responses or more, its shuffle, 20% judged, 5 folds), by question and "
    "without a student's first; unlike pyKT skills are an array, so there is no expansion into "
    "rows and no late fusion.",
    _pykt_question,
)
TEMPORAL = EvaluationProtocol(
    "temporal",
    "By time: the first 70% of responses are trained on, the next 10% are for early stopping, "
    "the last 20% are judged, with all that their students did before.",
    _temporal,
)
COLD_START = EvaluationProtocol(
    "cold_start",
    "Students as in leap; judged are their first 10 responses (new_students) and, apart, all "
    "their responses on a tenth of the items that training has no target of (new_items).",
    _cold_start,
)
PROTOCOLS = {each.name: each for each in (LEAP, PYKT_QUESTION, TEMPORAL, COLD_START)}
"""By name, as a command takes them; `user_splits` needs labels and is made from them."""


class _MaskOf:
    """Asked responses of students."""

    def __init__(self, histories: Histories) -> None:
        self._asked, self._student = histories.asked, histories.student_of_response
        self._n_students = int(histories.student.max(initial=-1)) + 1

    def __call__(self, students: IntArray) -> BoolArray:
        chosen = np.zeros(self._n_students, dtype=bool)
        chosen[students] = True
        mask: BoolArray = chosen[self._student] & self._asked
        return mask


def _students(histories: Histories, min_responses: int, protocol: str) -> IntArray:
    """Indexes of students with enough asked responses, in the order of their first segments."""
    met, first = np.unique(histories.student, return_index=True)
    n_asked = np.bincount(
        histories.student_of_response[histories.asked], minlength=int(met.max(initial=-1)) + 1
    )
    in_order = met[np.argsort(first)]
    students: IntArray = in_order[n_asked[in_order] >= min_responses]
    enough = f"students with {min_responses} or more responses"
    _require(len(students), _MIN_STUDENTS, enough, protocol)
    return students


def _test_and_folds(students: IntArray, seed: int) -> tuple[IntArray, list[IntArray]]:
    shuffled = np.random.default_rng(seed).permutation(students)
    n_test = round(len(students) * _TEST_SHARE)
    return shuffled[:n_test], np.array_split(shuffled[n_test:], _FOLDS)


def _rotated(test: IntArray, folds: list[IntArray]) -> list[tuple[IntArray, IntArray, IntArray]]:
    """Students of training, validation and test; each fold validates once."""
    return [
        (np.concatenate(folds[:k] + folds[k + 1 :]), fold, test) for k, fold in enumerate(folds)
    ]


def _pykt_shuffled(students: IntArray) -> IntArray:
    shuffled: IntArray = (
        pd.Series(students).sample(frac=1.0, random_state=_PYKT_STATE).to_numpy(dtype=np.int64)
    )
    return shuffled


def _hidden_items(histories: Histories, seed: int) -> IntArray:
    """A tenth of the items that are answered often enough to be judged on."""
    n = np.bincount(histories.item[histories.asked])
    n[0] = 0  # unknown items are not one item
    often = np.flatnonzero(n >= _MIN_ITEM_RESPONSES)
    enough = f"items with {_MIN_ITEM_RESPONSES} or more responses"
    _require(len(often), round(1 / _HIDDEN_SHARE), enough, "cold_start")
    rng = np.random.default_rng([seed, 1])  # not the numbers that shuffle the students
    return rng.choice(often, size=round(len(often) * _HIDDEN_SHARE), replace=False)


def _rank_of_asked(histories: Histories) -> IntArray:
    """Which asked response of its student each is, from 0; past the end where not asked."""
    asked = np.flatnonzero(histories.asked)
    student = histories.student_of_response[asked]
    order = np.argsort(student, kind="stable")
    _, start, n = np.unique(student[order], return_index=True, return_counts=True)
    rank = np.full(len(histories), len(histories))
    rank[asked[order]] = np.arange(len(asked)) - np.repeat(start, n)
    return rank


def _require(found: int, needed: int, what: str, protocol: str) -> None:
    if found < needed:
        raise NoData(f"{protocol} needs at least {needed} {what}, but there are {found}")
