"""Small models of the next answer that leak on purpose, and honest ones beside them.

Each is a logistic regression on a few features; what leaks is a feature.
"""

from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression

from deepkt_irt.knowledge_tracing.histories import Histories, Split


def district(seed, *, n_students=300, each=40, n_items=150, n_skills=6):
    """Students of different ability; every third item has two skills; and a split by student."""
    rng = np.random.default_rng(seed)
    n = n_students * each
    item = rng.integers(1, n_items + 1, n)
    own_skill = rng.integers(1, n_skills + 1, n_items + 1)
    second = np.where(np.arange(n_items + 1) % 3 == 0, own_skill % n_skills + 1, 0)
    student = np.repeat(np.arange(n_students), each)
    logit = rng.normal(0, 1.2, n_students)[student] - rng.normal(size=n_items + 1)[item]
    correct = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    histories = Histories.of(
        offsets=np.arange(n_students + 1) * each,
        item=item,
        skills=np.sort(np.column_stack([own_skill, second]), axis=1)[item],
        correct=correct,
        latency_ms=rng.lognormal(9, 1, n),
        hint_count=np.where(correct == 1, 0, rng.integers(0, 3, n)).astype(np.float64),
        attempt_count=np.where(correct == 1, 1, rng.integers(1, 4, n)).astype(np.float64),
        first_action=np.ones(n, dtype=np.int64),
        answered_at=1.6e9 + 60.0 * np.arange(n),
    )
    part = rng.permutation(np.arange(n_students) % 5)[student]
    return histories, Split(part < 3, part == 3, part == 4)


def one_row_per_skill(histories: Histories, split: Split) -> tuple[Histories, Split]:
    """The data as some files have it: a question of two skills is two rows in succession."""
    rows, skill = _rows_and_skills(histories)
    lengths = np.bincount(histories.segment[rows], minlength=histories.n_segments)
    expanded = Histories.of(
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        item=histories.item[rows],
        skills=skill[:, None],
        correct=histories.correct[rows],
        latency_ms=histories.latency_ms[rows],
        answered_at=histories.answered_at[rows],
        student=histories.student,
        names=histories.names,
    )
    return expanded, Split(split.train[rows], split.validation[rows], split.test[rows])


def _rows_and_skills(histories):
    rows, column = np.nonzero(histories.skills)
    return rows, histories.skills[rows, column]


def rates(key, correct, size, prior=5.0):
    """Share right by key, drawn to the overall share."""
    n = np.bincount(key, minlength=size)
    right = np.bincount(key, weights=correct, minlength=size)
    return (right + prior * correct.mean()) / (n + prior)


def past_rate(histories, seen):
    """Share right among the first `seen` responses of each response's segment."""
    total = np.concatenate([[0], np.cumsum(histories.correct)])
    start = histories.offsets[:-1][histories.segment]
    return (total[start + seen] - total[start] + 1) / (seen + 2)


class ItemAndPast:
    """Honest: the item's share right in training, and the student's among what is visible."""

    def __init__(self, seed):
        self.regression = LogisticRegression()

    def fit(self, histories, split):
        self.learn_items(histories, split)
        self.regression.fit(self.features(histories)[split.train], histories.correct[split.train])

    def learn_items(self, histories, split):
        train = split.train
        self.items = rates(histories.item[train], histories.correct[train], 10_000)

    def features(self, histories):
        seen = np.maximum(histories.visible, 0)
        return np.column_stack([self.items[histories.item], past_rate(histories, seen)])

    def predict(self, histories, chosen):
        return self.regression.predict_proba(self.features(histories)[chosen])[:, 1]


class ItemOnly(ItemAndPast):
    """Honest: predictions that know nothing of the student."""

    def features(self, histories):
        return self.items[histories.item][:, None]


class PastAnswer(ItemAndPast):
    """Honest on one row per question: the answer before is a feature, too."""

    def features(self, histories):
        before = np.where(histories.visible > 0, np.roll(histories.correct, 1), 0.5)
        return np.column_stack([super().features(histories), before])


class TargetInInput(ItemAndPast):
    """Leaks: the answer asked for is among the features."""

    def features(self, histories):
        return np.column_stack([super().features(histories), histories.correct])


class AttemptsInInput(ItemAndPast):
    """Leaks: attempts and hints on the asked question, known only once it is answered."""

    def features(self, histories):
        own = np.nan_to_num(np.column_stack([histories.attempt_count, histories.hint_count]))
        return np.column_stack([super().features(histories), own])


class OffByOne(ItemAndPast):
    """Leaks: the mask ends one response too late, so that the past holds the own answer."""

    def features(self, histories):
        seen = np.minimum(histories.visible, histories.position) + 1
        return np.column_stack([self.items[histories.item], past_rate(histories, seen)])


class LooksBeyondVisible(ItemAndPast):
    """Leaks where less is visible than lies before: it takes all that lies before."""

    def features(self, histories):
        return np.column_stack(
            [self.items[histories.item], past_rate(histories, histories.position)]
        )


class RowPerSkill(ItemAndPast):
    """Leaks: rows of one question follow each other, and the second sees the first's answer.

    Rows are scored one by one, each with the row before it; a question gets its last row's figure.
    """

    def fit(self, histories, split):
        self.learn_items(histories, split)
        rows, features = self._scored(histories)
        train = split.train[rows]
        self.regression.fit(features[train], histories.correct[rows][train])

    def _scored(self, histories):
        rows, skill = _rows_and_skills(histories)
        before = np.roll(rows, 1)
        first = np.arange(len(rows)) == 0
        same_student = ~first & (histories.segment[before] == histories.segment[rows])
        answer = np.where(same_student, histories.correct[before], 0.5)
        item = self.items[histories.item[rows]]
        same_item = same_student & (histories.item[before] == histories.item[rows])
        return rows, np.column_stack([item, answer, same_item, same_item * (answer - 0.5), skill])

    def predict(self, histories, chosen):
        rows, features = self._scored(histories)
        last = np.searchsorted(rows, np.flatnonzero(chosen), side="right") - 1
        return self.regression.predict_proba(features[last])[:, 1]


class FutureOfStudent(ItemAndPast):
    """Leaks: the student's share right over all that is known, later answers included."""

    def features(self, histories):
        seen = histories.lengths[histories.segment]
        return np.column_stack([self.items[histories.item], past_rate(histories, seen)])


class FutureOfItems(ItemAndPast):
    """Leaks: the items' shares right are taken anew from whatever is to be predicted."""

    def features(self, histories):
        self.items = rates(histories.item, histories.correct, 10_000, prior=1.0)
        return super().features(histories)


class ItemsOverTest(ItemAndPast):
    """Leaks while it is fitted: the items' shares right hold the test answers."""

    def learn_items(self, histories, split):
        self.items = rates(histories.item, histories.correct, 10_000)


class StudentsOverTest(ItemAndPast):
    """Leaks while it is fitted: the students' shares right hold the test answers."""

    def learn_items(self, histories, split):
        super().learn_items(histories, split)
        self.students = rates(histories.student_of_response, histories.correct, 10_000)

    def features(self, histories):
        student = self.students[histories.student_of_response]
        return np.column_stack([super().features(histories), student])


class MemoryOfAnswers(ItemAndPast):
    """Leaks while it is fitted: it keeps all answers and looks them up by student and place."""

    def learn_items(self, histories, split):
        super().learn_items(histories, split)
        self.kept = np.full((len(histories.names), int(histories.lengths.max())), 0.5)
        self.kept[histories.student_of_response, histories.position] = histories.correct

    def features(self, histories):
        kept = self.kept[histories.student_of_response, histories.position]
        return np.column_stack([super().features(histories), kept])


class DeafToItem(ItemAndPast):
    """Does not leak, but predicts without the question: it can choose no item for anybody."""

    def features(self, histories):
        return super().features(histories)[:, 1:]


HONEST = (ItemAndPast, ItemOnly, PastAnswer)
LEAKING = {
    TargetInInput: "own_answer",
    AttemptsInInput: "own_answer",
    OffByOne: "own_answer",
    RowPerSkill: "own_answer",
    FutureOfStudent: "future_edits",
    FutureOfItems: "future_edits",
    ItemsOverTest: "random_labels",
    StudentsOverTest: "random_labels",
    MemoryOfAnswers: "random_labels",
}
"""Leaking models and a check that has to refuse each."""


def less_visible(histories: Histories, fewer: int) -> Histories:
    """The last responses before each asked one are hidden from it."""
    return replace(histories, visible=np.maximum(histories.visible - fewer, 0))
