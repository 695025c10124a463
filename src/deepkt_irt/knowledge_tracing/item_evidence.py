"""What training students' answers say of each item, told to no student about his or her own.

A share right that holds the very answers a model is fitted on tells it those answers. So the
training students are dealt into groups, and each group is told what the other groups did: in
training an item looks as it will to a student who was never trained on.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, IntArray

FloatTable = NDArray[np.float32]
N_FEATURES = 7
_PRIOR_ITEM = 4.0  # responses that the skills' share right is worth, for an item
_PRIOR_SKILL = 10.0  # responses that the overall share right is worth, for a skill
_PRIOR_STUDENT = 5.0  # responses without surprise that each student is given beforehand


@dataclass(frozen=True)
class ItemEvidence:
    """Tables by group of students: table 0 rests on all training students.

    Attributes:
        overall: Share right of all answers, (tables,).
        by_skill: Share right of each skill, drawn to the overall one, (tables, skills + 1).
        n: Answers on each item, (tables, items + 1).
        right: Right ones, (tables, items + 1).
        surprise: Sum over an item's answers of how much better than expected their students do
            on other items, (tables, items + 1).
        log_latency: Sum of deviations of log latency from the mean, (tables, items + 1).
        n_latency: Answers with a known latency, (tables, items + 1).
        mean_log_latency: Of all answers; 0 where none is known, (tables,).
        attempts: Sum of deviations of log attempts from the mean, (tables, items + 1).
        helped: Sum of deviations of whether help came first from the mean, (tables, items + 1).
    """

    overall: FloatArray
    by_skill: FloatArray
    n: FloatArray
    right: FloatArray
    surprise: FloatArray
    log_latency: FloatArray
    n_latency: FloatArray
    mean_log_latency: FloatArray
    attempts: FloatArray
    helped: FloatArray

    @classmethod
    def of(cls, histories: Histories, train: BoolArray, group: IntArray) -> Self:
        """Tables from the training responses.

        Args:
            histories: Of any students.
            train: Which responses count, (responses,).
            group: Group of each segment, 1, 2 …; 0 for segments that train nothing, (segments,).

        Raises:
            NoData: If a table would rest on no response, or on responses that are all alike.
        """
        of_response = group[histories.segment]
        parts = [
            _one_table(histories, train & ((of_response != each) if each else True))
            for each in range(int(group.max(initial=0)) + 1)
        ]
        return cls(**{name: np.stack([part[name] for part in parts]) for name in parts[0]})

    @property
    def n_items(self) -> int:
        """Largest item index there is evidence on."""
        return int(self.n.shape[1]) - 1

    def known(self, item: IntArray) -> BoolArray:
        """Whether training students answered each item; the others are judged by their skills."""
        found: BoolArray = self.n[0][self._inside(item)] > 0
        return found

    def chance(self, item: IntArray, skills: IntArray, table: IntArray) -> FloatArray:
        """Share right of items, drawn to that of their skills, (…,); skills are (…, most)."""
        at = self._inside(item)
        expected = self._expected(skills, table)
        share: FloatArray = (self.right[table, at] + _PRIOR_ITEM * expected) / (
            self.n[table, at] + _PRIOR_ITEM
        )
        return share

    def features(self, item: IntArray, skills: IntArray, table: IntArray) -> FloatTable:
        """What is known of items, scaled to about one, (…, `N_FEATURES`)."""
        at, base = self._inside(item), _logit(self.overall[table])
        n = self.n[table, at]
        columns = (
            _logit(self.chance(item, skills, table)) - base,
            _logit(self._expected(skills, table)) - base,
            np.log1p(n * self._to_full[table]) / 3 - 1,
            5 * self.surprise[table, at] / (n + _PRIOR_ITEM),
            self.log_latency[table, at] / (self.n_latency[table, at] + _PRIOR_ITEM),
            2 * self.attempts[table, at] / (n + _PRIOR_ITEM),
            4 * self.helped[table, at] / (n + _PRIOR_ITEM),
        )
        return np.stack(columns, axis=-1).astype(np.float32)

    def expected_log_latency(self, item: IntArray, table: IntArray) -> FloatArray:
        """Mean log latency of items, drawn to the overall one, (…,)."""
        at = self._inside(item)
        drawn = self.log_latency[table, at] / (self.n_latency[table, at] + _PRIOR_ITEM)
        expected: FloatArray = self.mean_log_latency[table] + drawn
        return expected

    @cached_property
    def _to_full(self) -> FloatArray:
        """What raises the counts of each table to those of the full one, (tables,).

        A group's table holds fewer answers, but its counts must mean the same as in use.
        """
        total = self.n.sum(axis=1)
        ratio: FloatArray = total[0] / np.maximum(total, 1)
        return ratio

    def _inside(self, item: IntArray) -> IntArray:
        return np.where(item <= self.n_items, item, 0)

    def _expected(self, skills: IntArray, table: IntArray) -> FloatArray:
        """Mean share right of the skills of each response; the overall one where it has none."""
        inside = np.where(skills < self.by_skill.shape[1], skills, 0)
        there = inside > 0
        total = np.where(there, self.by_skill[table[..., None], inside], 0.0).sum(axis=-1)
        n = there.sum(axis=-1)
        return np.where(n > 0, total / np.maximum(n, 1), self.overall[table])


def _one_table(histories: Histories, counted: BoolArray) -> dict[str, NDArray[np.float64]]:
    item, correct = histories.item[counted], histories.correct[counted].astype(np.float64)
    if not len(correct) or correct.min() == correct.max():
        raise NoData("the training students' answers are all alike; bring more students")
    overall = float(correct.mean())
    by_skill = _share_by_skill(histories, counted, overall)

    def per_item(values: FloatArray) -> FloatArray:
        total = np.bincount(item, weights=values, minlength=histories.n_items + 1)
        total[0] = 0.0  # the unknown item is many items
        return total.astype(np.float64)

    n, right = per_item(np.ones(len(item))), per_item(correct)
    share = (right + _PRIOR_ITEM * overall) / (n + _PRIOR_ITEM)
    latency = np.log(histories.latency_ms[counted])
    known = np.isfinite(latency)
    mean_latency = float(latency[known].mean()) if known.any() else 0.0
    return {
        "overall": np.asarray(overall),
        "by_skill": by_skill,
        "n": n,
        "right": right,
        "surprise": per_item(_others_surprise(histories, counted, correct - share[item])),
        "log_latency": per_item(np.where(known, latency - mean_latency, 0.0)),
        "n_latency": per_item(known.astype(np.float64)),
        "mean_log_latency": np.asarray(mean_latency),
        "attempts": per_item(_around_mean(log_attempts(histories)[counted])),
        "helped": per_item(_around_mean(helped_first(histories)[counted])),
    }


def _share_by_skill(histories: Histories, counted: BoolArray, overall: float) -> FloatArray:
    skills = histories.skills[counted]
    row, column = np.nonzero(skills)
    of = skills[row, column]
    n = np.bincount(of, minlength=histories.n_skills + 1)
    right = np.bincount(
        of, weights=histories.correct[counted][row], minlength=histories.n_skills + 1
    )
    share: FloatArray = (right + _PRIOR_SKILL * overall) / (n + _PRIOR_SKILL)
    return share


def _others_surprise(histories: Histories, counted: BoolArray, residual: FloatArray) -> FloatArray:
    """Mean residual of each response's student on his or her other responses, drawn to 0."""
    student = histories.student_of_response[counted]
    n = np.bincount(student)[student]
    total = np.bincount(student, weights=residual)[student]
    surprise: FloatArray = (total - residual) / (n - 1 + _PRIOR_STUDENT)
    return surprise


def log_attempts(histories: Histories) -> FloatArray:
    """Logarithm of attempts, 20 at most; NaN unknown, (responses,)."""
    return np.log(np.clip(histories.attempt_count, 1, 20))


def helped_first(histories: Histories) -> FloatArray:
    """1 if a hint, the answer or an explanation was asked for first, else 0; NaN unknown."""
    action, hints = histories.first_action, histories.hint_count
    by_action = np.where(action > 0, np.isin(action, (2, 3, 4)).astype(np.float64), np.nan)
    by_hints = np.where(np.isnan(hints), np.nan, (hints > 0).astype(np.float64))
    return np.where(np.isnan(by_action), by_hints, by_action)


def _around_mean(values: FloatArray) -> FloatArray:
    """Deviations from the mean of the known ones; 0 where unknown."""
    known = np.isfinite(values)
    return np.where(known, values - (values[known].mean() if known.any() else 0.0), 0.0)


def _logit(p: FloatArray) -> FloatArray:
    return np.log(p) - np.log1p(-p)
