"""What a platform knows of a learning world: abilities tracked from answers, and nothing else.

Stands in for the models of the package, which are too slow to be trained on each of many days of
many simulated schools; rules, features, policies, rewards and the gate are the package's own.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from deepkt_irt.bandit.situation import Catalogue, Knowledge, Situation
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.response import probability_3pl
from deepkt_irt.irt.skill_scale import SkillScale
from learning_answers import Answers
from learning_world import LearningWorld

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_START_SD, _DRIFT_SD = 1.0, 0.06  # logits; what a day adds to the uncertainty
_RAPID_MS = 3_000
_RECENT = 30  # answers
_REFERENCES = 8  # items a skill is judged by


class Platform:
    """Knows students by their answers.

    Each ability is tracked by a Gaussian that every answer moves by one step of Fisher scoring
    and every day widens (an extended Kalman filter of a 3PL model).

    Args:
        world: Whose catalogue is known.
    """

    def __init__(self, world: LearningWorld) -> None:
        known, n, k = world.catalogue, world.n_students, world.n_skills + 1
        self._a, self._b, self._c = known.a, known.b, known.c
        self.mean, self.variance = np.zeros((n, k)), np.full((n, k), _START_SD**2)
        self._n_responses, self._last_day = np.zeros((n, k)), np.full((n, k), np.nan)
        self._last_turn = np.full((n, world.n_items), -np.inf)
        self._turns, self._helped, self._wrong, self._rapid = np.zeros((4, n))
        self._hard_run = np.zeros(n, dtype=np.int64)
        self.catalogue = _catalogue(world)
        self._reference = _references(known.item_skill, known.b, k)
        self.scale = SkillScale.of(
            ItemParameters.dichotomous(self._b, self._a, self._c),
            {skill: items.tolist() for skill, items in enumerate(self._reference) if len(items)},
        )

    def learn(self, answers: Answers) -> None:
        """Take in answers, a student's own in their order."""
        order = np.argsort(answers.student, kind="stable")
        student = answers.student[order]
        starts = np.flatnonzero(np.diff(student, prepend=-1))
        turn = np.arange(len(student)) - np.repeat(starts, np.diff(np.append(starts, len(student))))
        for each in range(int(turn.max(initial=-1)) + 1):
            self._take(answers, order[turn == each])

    def end_of_day(self) -> None:
        """Abilities may have changed overnight."""
        self.variance += _DRIFT_SD**2

    @staticmethod
    def is_rapid(answers: Answers) -> BoolArray:
        """Answers too fast to have been thought of, (answers,)."""
        rapid: BoolArray = answers.latency_ms < _RAPID_MS
        return rapid

    def mastery(self) -> FloatArray:
        """Mean success on each skill's reference items, column 0 is no skill, (students, 1 + k)."""
        return self._at(self.mean)

    def situation(self, students: IntArray, day: int) -> Situation:
        """All items for some students, as of a day."""
        n, n_items = len(students), len(self._a)
        item = np.tile(np.arange(n_items), n)
        p, information = self._expected(np.repeat(students, n_items), item)
        turn = self._turns[students, None] - self._last_turn[students]
        seen = self._n_responses[students] > 0
        sd = np.sqrt(self.variance[students])

        def where_seen(values: FloatArray) -> FloatArray:
            return np.where(seen, values, np.nan)

        ability = self.mean[students, 1:].mean(axis=1)
        with np.errstate(invalid="ignore"):
            helped = self._helped[students] / self._wrong[students]
            rapid = self._rapid[students] / self._turns[students]
        return Situation(
            catalogue=self.catalogue,
            knowledge=Knowledge(
                mastery=where_seen(self.mastery()[students]),
                low=where_seen(self._at(self.mean[students] - 1.96 * sd)),
                high=where_seen(self._at(self.mean[students] + 1.96 * sd)),
                n_responses=self._n_responses[students],
                days_since=day - self._last_day[students],
            ),
            ability=ability,
            help_rate=helped,
            rapid_rate=rapid,
            hard_run=self._hard_run[students],
            offsets=np.arange(n + 1) * n_items,
            item=item,
            is_recent=(turn <= _RECENT).ravel(),
            p_irt=p,
            p_sakt=np.full(len(item), np.nan),
            information=information,
        )

    def _take(self, answers: Answers, rows: IntArray) -> None:
        """One answer each of different students."""
        student, item = answers.student[rows], answers.item[rows]
        right = answers.right[rows].astype(np.float64)
        rapid = self.is_rapid(answers)[rows]
        p, _ = self._expected(student, item)
        self._hard_run[student] = np.where(p < 0.5, self._hard_run[student] + 1, 0)
        self._last_turn[student, item] = self._turns[student]
        self._turns[student] += 1
        self._rapid[student] += rapid
        self._wrong[student] += (1 - right) * ~rapid
        self._helped[student] += answers.explained[rows]
        earnest = np.flatnonzero(~rapid)
        self._move(student[earnest], item[earnest], (right - p)[earnest], p[earnest])
        skills = self.catalogue.skills[item]
        for column in skills.T:
            self._n_responses[student, column] += (column > 0) & ~rapid
            self._last_day[student, column] = answers.day[rows]
        self._last_day[:, 0] = np.nan

    def _move(self, student: IntArray, item: IntArray, surprise: FloatArray, p: FloatArray) -> None:
        skills = self.catalogue.skills[item]
        share = 1 / (skills > 0).sum(axis=1)
        a, c = self._a[item], self._c[item]
        weight = (p - c) / (1 - c) / p  # of the score of a 3PL response
        slope = a * share * weight
        curvature = slope**2 * p * (1 - p)
        for column in skills.T:
            on = column > 0
            s, k = student[on], column[on]
            variance = 1 / (1 / self.variance[s, k] + curvature[on])
            self.variance[s, k] = variance
            self.mean[s, k] += variance * (slope * surprise)[on]

    def _expected(self, student: IntArray, item: IntArray) -> tuple[FloatArray, FloatArray]:
        skills = self.catalogue.skills[item]
        theta = self.mean[student[:, None], skills] * (skills > 0)
        theta = theta.sum(axis=1) / (skills > 0).sum(axis=1)
        a, b, c = self._a[item], self._b[item], self._c[item]
        p = probability_3pl(theta, a, b, c)
        information = a**2 * ((p - c) / (1 - c)) ** 2 * (1 - p) / p
        return p, information

    def _at(self, theta: FloatArray) -> FloatArray:
        found = np.zeros_like(theta)
        for skill, items in enumerate(self._reference):
            if len(items):
                chance = probability_3pl(
                    theta[:, skill, None], self._a[items], self._b[items], self._c[items]
                )
                found[:, skill] = chance.mean(axis=1)
        return found


def _catalogue(world: LearningWorld) -> Catalogue:
    known, n = world.catalogue, world.n_items
    none = np.zeros(n, dtype=np.bool_)
    return Catalogue(
        item_ids=np.array([f"i{k:04}" for k in range(n)]),
        skill_ids=np.array(["", *(f"k{k:02}" for k in range(1, world.n_skills + 1))]),
        skill_names=np.array(["", *known.skill_names]),
        skills=known.item_skill,
        needs=csr_array(np.pad(known.prerequisites, (1, 0)).astype(np.float64)),
        difficulty=known.b,
        help_rate=known.has_help.astype(np.float64),
        is_blocked=none,
        is_unhealthy=none,
        is_guessed=none,
    )


def _references(item_skill: IntArray, b: FloatArray, n_skills: int) -> list[IntArray]:
    """Items of each skill alone that lie nearest its median difficulty."""
    alone = (item_skill > 0).sum(axis=1) == 1
    found = [np.zeros(0, dtype=np.int64)]
    for skill in range(1, n_skills):
        items = np.flatnonzero(alone & (item_skill[:, 0] == skill))
        away = np.abs(b[items] - np.median(b[items]))
        found.append(items[np.argsort(away, kind="stable")[:_REFERENCES]])
    return found
