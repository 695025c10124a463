"""Gradient-boosted trees on hand-made features of the visible past, the item and its skills."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.baselines import (
    Shares,
    fitted,
    looked_up,
    training_responses,
)
from deepkt_irt.knowledge_tracing.histories import (
    FIRST_ACTIONS,
    BoolArray,
    FloatArray,
    Histories,
    IntArray,
    Split,
)
from deepkt_irt.knowledge_tracing.past_counts import (
    Counts,
    past_counts,
    running_sums,
    share_of_last,
    visible_range,
)

_FOLDS = 5
_PRIOR_RESPONSES = 5.0  # answers as expected that a student is given beforehand
_RISING = (0,)  # features: an easier item never lowers the prediction
_ROUNDS_WITHOUT_VALIDATION = 150
_FIRST_TRY = 1 + FIRST_ACTIONS.index("attempt")


@dataclass(frozen=True)
class Encoding:
    """What training says of each response's item and skills, (responses,) each.

    Attributes:
        item: Smoothed share right of the item, else of its skills, else overall.
        skills: Smoothed share right, mean over the skills, else overall.
        n_item: Training responses on the item.
    """

    item: FloatArray
    skills: FloatArray
    n_item: FloatArray

    @classmethod
    def of(cls, histories: Histories, shares: Shares, n_item: IntArray) -> Self:
        """From shares of training and its number of responses by item index."""
        counts = looked_up(n_item.astype(np.float64), histories.item)
        return cls(
            item=shares.of_item(histories.item, histories.skills),
            skills=shares.of_skills(histories.skills),
            n_item=np.nan_to_num(counts, nan=0.0),
        )

    @classmethod
    def from_others(cls, histories: Histories, train: BoolArray, fold: IntArray) -> Self:
        """Out of fold: each response is encoded by the training responses of the other folds.

        Leaving out one answer alone would give it away: among rows of one item the encoding
        would be lower exactly where the answer is right.

        Args:
            histories: Of all students.
            train: (responses,).
            fold: Of each response, the same for all of a student, (responses,).
        """
        columns = np.full((3, len(histories)), np.nan)
        for number in np.unique(fold):
            own = fold == number
            encoding = cls.of(histories, *_learned(histories, train & ~own))
            columns[:, own] = [
                each[own] for each in (encoding.item, encoding.skills, encoding.n_item)
            ]
        return cls(*columns)


@dataclass(frozen=True)
class _Fitted:
    """Shares and counts of training by item, the features that are ever known, and the trees."""

    shares: Shares
    n_item: IntArray
    used: BoolArray
    trees: HistGradientBoostingClassifier


class BoostedTrees:
    """Histogram gradient boosting; a value that is not known stays missing to the trees.

    Item and skill difficulty are encoded by shares right among training responses; training
    rows by those of other students only (five folds of students), so that no row's own answer,
    nor any of the same student, is in its features. Boosting stops once the log loss on the
    validation responses has not fallen for 20 rounds; without validation after 150 rounds.

    Args:
        seed: Of the folds of students.
        max_rounds: Trees at most.
        learning_rate: Of each tree.

    Reference:
        Friedman (2001), Annals of Statistics 29(5), 1189-1232.
    """

    def __init__(self, seed: int, *, max_rounds: int = 600, learning_rate: float = 0.06) -> None:
        self._seed, self._max_rounds, self._learning_rate = seed, max_rounds, learning_rate
        self._state: _Fitted | None = None

    def fit(self, histories: Histories, split: Split) -> None:
        """Encode out of fold, then boost.

        Raises:
            NoData: If training has one student, or answers that are all alike.
        """
        train = training_responses(histories, split, both=True)
        encoding = Encoding.from_others(histories, train, self._folds(histories, train))
        x = features(histories, train, encoding)
        used = ~np.isnan(x).all(axis=0)  # a column without any value cannot be binned
        shares, n_item = _learned(histories, train)
        validated: dict[str, FloatArray | IntArray] = {}
        if split.validation.any():
            full = Encoding.of(histories, shares, n_item)
            validated = {
                "X_val": features(histories, split.validation, full)[:, used],
                "y_val": histories.correct[split.validation],
            }
        rising = np.where(np.isin(np.flatnonzero(used), _RISING), 1, 0)
        trees = self._trees(rising, early_stopping=bool(validated))
        trees.fit(x[:, used], histories.correct[train], **validated)
        self._state = _Fitted(shares, n_item, used, trees)

    def predict(self, histories: Histories, chosen: BoolArray) -> FloatArray:
        """Probability of a right answer, (chosen,)."""
        model = fitted(self._state, "boosted_trees")
        full = Encoding.of(histories, model.shares, model.n_item)
        x = features(histories, chosen, full)[:, model.used]
        return np.asarray(model.trees.predict_proba(x)[:, 1]) if len(x) else np.zeros(0)

    def _folds(self, histories: Histories, train: BoolArray) -> IntArray:
        students = np.unique(histories.student_of_response[train])
        if len(students) < 2:
            raise NoData("one training student; the encoding of items needs other students")
        fold = np.zeros(len(histories.names), dtype=np.int64)
        shuffled = np.random.default_rng(self._seed).permutation(students)
        fold[shuffled] = np.arange(len(students)) % _FOLDS
        return fold[histories.student_of_response]

    def _trees(self, rising: IntArray, *, early_stopping: bool) -> HistGradientBoostingClassifier:
        return HistGradientBoostingClassifier(
            learning_rate=self._learning_rate,
            max_iter=self._max_rounds if early_stopping else _ROUNDS_WITHOUT_VALIDATION,
            max_leaf_nodes=31,
            min_samples_leaf=40,
            l2_regularization=5.0,
            monotonic_cst=rising,
            early_stopping=early_stopping,
            n_iter_no_change=20,
            tol=0.0,
            random_state=self._seed,
        )


def features(histories: Histories, chosen: BoolArray, encoding: Encoding) -> FloatArray:
    """What the trees see of each chosen response, (chosen, features); NaN unknown.

    Args:
        histories: Of any students.
        chosen: (responses,); all of them must be asked.
        encoding: Of all responses: those of the past say how hard the past was.
    """
    past = past_counts(histories, chosen)
    columns = [
        encoding.item[chosen],
        np.log1p(encoding.n_item[chosen]),
        encoding.skills[chosen],
        (histories.skills[chosen] > 0).sum(axis=1).astype(np.float64),
        *_counted(past.overall),
        *_counted(past.item),
        *_counted(_over_skills(past.skill, histories.skills[chosen] > 0)),
        *_recent_answers(histories, chosen, encoding),
        *_recent_behaviour(histories, chosen),
    ]
    return np.column_stack(columns)


def _learned(histories: Histories, chosen: BoolArray) -> tuple[Shares, IntArray]:
    return Shares.of(histories, chosen), np.bincount(histories.item[chosen])


def _counted(counts: Counts) -> list[FloatArray]:
    share = np.divide(
        counts.successes,
        counts.total,
        out=np.full(counts.total.shape, np.nan),
        where=counts.total > 0,
    )
    return [np.log1p(counts.successes), np.log1p(counts.failures), share, counts.recent]


def _over_skills(counts: Counts, is_skill: BoolArray) -> Counts:
    """Sums over the skills of a response, and the mean of what is known of recent success."""
    known = is_skill & ~np.isnan(counts.recent)
    total, n = np.where(known, counts.recent, 0.0).sum(axis=1), known.sum(axis=1)
    return Counts(
        successes=counts.successes.sum(axis=1),
        failures=counts.failures.sum(axis=1),
        recent=np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0),
    )


def _recent_answers(
    histories: Histories, chosen: BoolArray, encoding: Encoding
) -> list[FloatArray]:
    """Share right of the last 5 and 10, and how far answers are above what the items expect."""
    correct = histories.correct.astype(np.float64)
    surprise = correct - encoding.item
    first, end = visible_range(histories, chosen)
    total = running_sums(surprise)
    return [
        share_of_last(histories, chosen, correct, last=5),
        share_of_last(histories, chosen, correct, last=10),
        share_of_last(histories, chosen, surprise, last=10),
        (total[end] - total[first]) / (end - first + _PRIOR_RESPONSES),
    ]


def _recent_behaviour(histories: Histories, chosen: BoolArray) -> list[FloatArray]:
    """Latency, hints, attempts and first actions: of the last response and of the last 10."""
    latency = np.where(histories.latency_ms > 0, histories.latency_ms, np.nan)
    action = histories.first_action
    values = (
        np.log(latency),
        np.where(np.isnan(histories.hint_count), np.nan, histories.hint_count > 0),
        np.log1p(histories.attempt_count),
        np.where(action > 0, action != _FIRST_TRY, np.nan),
    )
    return [
        share_of_last(histories, chosen, value, last=last) for value in values for last in (1, 10)
    ]
