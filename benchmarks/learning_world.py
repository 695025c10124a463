"""A simulated school in which practice teaches, for trying policies that recommend items.

Skills, items and students come from the package's simulator of logs. Planted on top of it:

* Practice is worth most at a challenge of its own for each learner: a bump in the expected
  success (zone of proximal development, Vygotsky 1978; an optimum below certain success: Wilson
  et al. 2019, Nature Communications 10), near 0.62 for some and 0.78 for those who need support
  (novices do more often: Kalyuga et al. 2003, Educational Psychologist 38(1)), and higher where an
  item can be guessed. So no target fits all. Those who need support know less on average and read
  explanations more often, which is all that tells them apart.
* Items teach more or less well whatever their difficulty, as their tutoring does (Patikorn and
  Heffernan 2020, Learning at Scale), on average better with an explanation. No calibration finds
  that: only rewards show it.
* A wrong answer teaches as much as a right one if its explanation is read, less otherwise (Pavlik,
  Cen and Koedinger 2009, AIED). A rapid guess teaches nothing (Baker et al. 2004, CHI).
* A skill is learned slowly before its prerequisites are mastered.
* Gains shrink with what is learned: exponential learning curves (Heathcote, Brown and Mewhort
  2000, Psychonomic Bulletin & Review 7(2)).
* What is not practised is forgotten by a half-life that grows with practice (Ebbinghaus 1885;
  Settles and Meeder 2016, ACL).
* Everybody also does work that is assigned without regard to any policy.

The rule that aims at one success, a bandit over items and one over contexts can each find a part
of this. Chance depends on the seed, the student, the day and the number of the answer that day:
what is chosen for one student leaves the others' noise, and the noise of later days, as it was.

Skills count from 1 as in histories, 0 stands for none; skill s is column s - 1 of arrays over
skills. Items and students count from 0. A policy may read `catalogue`, `present`, `history`,
`assigned_skill` and probes; all else is for the judge. Nothing here chooses for a policy.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from deepkt_irt.irt.response import probability_3pl
from learning_answers import Answers, joined, turns, uniforms
from learning_school import HELP_EFFECT, School, ability_at, draw_school

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

REACH = 2.0  # logits above the start that endless practice leads to
UNREADY = 0.2  # of the gain, while a prerequisite is not mastered
UNEXPLAINED = 0.4  # of the gain, after a wrong answer without its explanation

_GUESSABLE_SHIFT = 0.06  # chance adds to the success of those who know as little
_ZONE_SD = 0.13
_MASTERED_AT = 0.6  # success at reference difficulty that opens what follows
_HALF_LIFE_DAYS = 25.0  # of a skill practised never; grows with the root of practice
_ASSIGNED_A_DAY, _DAYS_PER_SKILL = 2, 5
_LATENCY_SD, _RAPID_LOG_SECONDS, _RAPID_SD = 0.4, float(np.log(2.0)), 0.3  # as in the simulator
_SHORTEST_MS, _LONGEST_MS = 300, 600_000

_PRESENT, _BUSY, _ASSIGNED, _PROBE_ITEM, _PROBE, _WORK = range(6)  # what a number is drawn for
_RAPID, _RIGHT, _READ, _LATENCY = range(4)


@dataclass(frozen=True)
class _Prospect:
    """What practising items would do, before chance decides; shapes as those of the pairs asked.

    `gain` has a last axis of the item's skills: what a right answer adds to each, logits.
    """

    skill: IntArray
    success: FloatArray
    explained: FloatArray
    gain: FloatArray


class LearningWorld:
    """Students who answer, learn and forget, from the first day on.

    A day: `present`, any number of calls of `practise_assigned` and `answer`, then `end_of_day`.

    Args:
        seed: Of all chance in answers, attendance and assigned work, 0 or more.
        school: Who learns what.
    """

    def __init__(self, seed: int, school: School) -> None:
        self.catalogue, self.items, self.learners = school.catalogue, school.items, school.learners
        self.day = 0
        self.n_students: int = len(self.learners.start)
        self.n_skills = len(self.catalogue.prerequisites)
        self.n_items = len(self.items.a)
        self._seed = seed
        # column 0 belongs to no skill, so that padded skills can be looked up like all others
        self._start = np.pad(self.learners.start, ((0, 0), (1, 0)))
        self._theta = self._start.copy()
        self._needs = np.pad(self.catalogue.prerequisites, (1, 0)).astype(np.float64)
        self._mastered_from = np.append(-np.inf, ability_at(self.items, _MASTERED_AT))
        self._practised = np.zeros(self._theta.shape, dtype=np.int64)
        self._practised_today = np.zeros(self._theta.shape, dtype=np.bool_)
        self._answered_today = np.zeros((2, self.n_students), dtype=np.int64)
        self._history: list[Answers] = []

    @classmethod
    def drawn(
        cls,
        seed: int,
        *,
        n_students: int,
        n_items: int,
        n_skills: int,
        help_effect: float = HELP_EFFECT,
    ) -> Self:
        """A school on its first day; arguments and errors are those of `draw_school`."""
        size = {"n_students": n_students, "n_items": n_items, "n_skills": n_skills}
        return cls(seed, draw_school(seed, **size, help_effect=help_effect))

    @property
    def history(self) -> Answers:
        """All answers so far."""
        return joined(self._history)

    @property
    def theta(self) -> FloatArray:
        """For the judge: true abilities now, logits, (students, skills)."""
        return self._theta[:, 1:].copy()

    def present(self, day: int) -> IntArray:
        """Students who are there on a day, sorted; on some days more are than on others.

        Raises:
            ValueError: If the day is below 0.
        """
        if day < 0:
            raise ValueError(f"day={day} is below 0")
        everybody = np.arange(self.n_students)
        share = 0.7 + 0.3 * uniforms(self._seed, _BUSY, day)
        drawn = uniforms(self._seed, _PRESENT, everybody, day)
        return np.flatnonzero(drawn < share * self.learners.diligence)

    def assigned_skill(self, day: int) -> int:
        """The skill that is taught on a day: one after the other, prerequisites first."""
        return 1 + day // _DAYS_PER_SKILL % self.n_skills

    def practise_assigned(self, student: IntArray) -> Answers:
        """Students do today's assigned work: two random items of the skill that is taught.

        Raises:
            ValueError: If there is no such student.
        """
        (student,) = _flat(("student", student, self.n_students))
        of_skill = self.catalogue.item_skill == self.assigned_skill(self.day)
        items = np.flatnonzero(of_skill.any(axis=1))
        student = np.repeat(student, _ASSIGNED_A_DAY)
        slot = self._answered_today[1, student] + turns(student)
        drawn = uniforms(self._seed, _ASSIGNED, student, self.day, slot)
        chosen = items[(drawn * len(items)).astype(np.int64)]
        return self._work(student, chosen, assigned=True)

    def answer(self, student: IntArray, item: IntArray) -> Answers:
        """Students answer items and learn from it; a student's own rows are taken in their order.

        Args:
            student: May come more than once, (rows,).
            item: One each, (rows,).

        Returns:
            The answers, in the order of the rows.

        Raises:
            ValueError: If lengths differ, or there is no such student or item.
        """
        student, item = _flat(("student", student, self.n_students), ("item", item, self.n_items))
        return self._work(student, item, assigned=False)

    def probe(self, student: IntArray, skill: IntArray, *, n_items: int = 4) -> BoolArray:
        """Answers to random reference items of a skill; nobody learns or games.

        Their expected mean is the true mastery. A probe made again before the student answers
        anything else that day has the same answers.

        Args:
            student: (rows,).
            skill: From 1, one each, (rows,).
            n_items: From 1 to the number of reference items.

        Returns:
            Whether each answer is right, (rows, n_items).

        Raises:
            ValueError: If lengths differ or a value is outside its range.
        """
        n_reference = self.items.reference.shape[1]
        if not 1 <= n_items <= n_reference:
            raise ValueError(f"n_items={n_items} must be from 1 to {n_reference}")
        student, place = _flat(
            ("student", student, self.n_students), ("skill", np.asarray(skill) - 1, self.n_skills)
        )
        done = self._answered_today.sum(axis=0)[student]
        keys = (student[:, None], self.day, done[:, None], place[:, None], np.arange(n_reference))
        order = np.argsort(uniforms(self._seed, _PROBE_ITEM, *keys), axis=1)[:, :n_items]
        item = self.items.reference[place[:, None], order]
        theta = self._theta[student, place + 1][:, None]
        chance = probability_3pl(theta, *self._parameters(item))
        right: BoolArray = uniforms(self._seed, _PROBE, *keys)[:, :n_items] < chance
        return right

    def end_of_day(self) -> None:
        """Skills that were not practised today are forgotten a little; the next day begins."""
        half_life = _HALF_LIFE_DAYS * np.sqrt(1.0 + self._practised)
        kept = np.where(self._practised_today, 1.0, np.exp2(-1 / half_life))
        self._theta = self._start + (self._theta - self._start) * kept
        self._practised_today[:] = False
        self._answered_today[:] = 0
        self.day += 1

    def true_mastery(self) -> FloatArray:
        """For the judge: mean success over a skill's reference items now, (students, skills)."""
        parameters = self._parameters(self.items.reference)
        mastery: FloatArray = probability_3pl(self.theta[:, :, None], *parameters).mean(axis=2)
        return mastery

    def true_success(self, student: IntArray, item: IntArray) -> FloatArray:
        """For the judge: chance of a right answer that is no rapid guess, of pairs that broadcast.

        Items with several skills take their mean ability.
        """
        skill = self.catalogue.item_skill[item]
        theta = self._theta[np.asarray(student)[..., None], skill].sum(axis=-1)
        return probability_3pl(theta / (skill > 0).sum(axis=-1), *self._parameters(item))

    def expected_gain(self, student: IntArray, item: IntArray) -> FloatArray:
        """For the judge: what practising an item now adds to abilities on average, logits.

        Args:
            student: Broadcasts with item: `(students, 1)` and `(items,)` give all pairs.
            item: The same.

        Returns:
            Summed over the item's skills.
        """
        prospect = self._prospect(student, item)
        p, read = prospect.success, prospect.explained
        taught = p + (1 - p) * (read + (1 - read) * UNEXPLAINED)
        earnest = 1 - self.learners.rapid_rate[student]
        gain: FloatArray = earnest * taught * prospect.gain.sum(axis=-1)
        return gain

    def _parameters(self, item: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self.items.a[item], self.items.b[item], self.items.c[item]

    def _openness(self) -> FloatArray:
        """What is left to learn, less where prerequisites are missing, (students, 1 + skills)."""
        missing = (self._theta < self._mastered_from).astype(np.float64) @ self._needs.T
        room = 1 - (self._theta - self._start) / REACH
        openness: FloatArray = room * np.where(missing > 0, UNREADY, 1.0)
        openness[:, 0] = 0.0
        return openness

    def _prospect(self, student: IntArray, item: IntArray) -> _Prospect:
        known, who = self.catalogue, self.learners
        student, skill = np.asarray(student), known.item_skill[item]
        success = self.true_success(student, item)
        centre = who.centre[student] + _GUESSABLE_SHIFT * known.guessable[item]
        zone = np.exp(-0.5 * ((success - centre) / _ZONE_SD) ** 2)
        gain = who.rate[student] * self.items.quality[item] * zone / (skill > 0).sum(axis=-1)
        return _Prospect(
            skill=skill,
            success=success,
            explained=who.reads[student] * known.has_help[item],
            gain=gain[..., None] * self._openness()[student[..., None], skill],
        )

    def _work(self, student: IntArray, item: IntArray, *, assigned: bool) -> Answers:
        """Answers one by one for a student, all students at once."""
        turn = turns(student)
        slot = self._answered_today[int(assigned), student] + turn
        chance = np.stack(
            [
                uniforms(self._seed, _WORK, student, self.day, slot, int(assigned), use)
                for use in (_RAPID, _RIGHT, _READ, _LATENCY)
            ]
        )
        rapid: BoolArray = chance[_RAPID] < self.learners.rapid_rate[student]
        right, explained = np.zeros((2, len(item)), dtype=np.bool_)
        for each in range(int(turn.max(initial=-1)) + 1):
            rows = np.flatnonzero(turn == each)
            right[rows], explained[rows] = self._learn(
                student[rows], item[rows], rapid[rows], chance[:, rows]
            )
        self._answered_today[int(assigned)] += np.bincount(student, minlength=self.n_students)
        latency_ms = self._latency_ms(student, item, rapid, chance[_LATENCY])
        day, was_assigned = np.full(len(item), self.day), np.full(len(item), assigned)
        made = Answers(day, student, item, right, latency_ms, explained, was_assigned)
        self._history.append(made)
        return made

    def _learn(
        self, student: IntArray, item: IntArray, rapid: BoolArray, chance: FloatArray
    ) -> tuple[BoolArray, BoolArray]:
        """One answer each of different students: right, explained."""
        prospect = self._prospect(student, item)
        right = chance[_RIGHT] < np.where(rapid, self.items.c[item], prospect.success)
        explained = ~right & ~rapid & (chance[_READ] < prospect.explained)
        taught = np.where(right | explained, 1.0, UNEXPLAINED) * ~rapid
        of_skill = student[:, None], prospect.skill
        self._theta[of_skill] += taught[:, None] * prospect.gain
        earnest = ~rapid[:, None] & (prospect.skill > 0)
        self._practised[of_skill] += earnest
        self._practised_today[of_skill] |= earnest
        return right, explained

    def _latency_ms(
        self, student: IntArray, item: IntArray, rapid: BoolArray, chance: FloatArray
    ) -> IntArray:
        normal: FloatArray = ndtri(chance)
        usual = self.items.log_seconds[item] - self.learners.speed[student] + _LATENCY_SD * normal
        log_seconds = np.where(rapid, _RAPID_LOG_SECONDS + _RAPID_SD * normal, usual)
        latency = np.round(1_000 * np.exp(log_seconds))
        return np.clip(latency, _SHORTEST_MS, _LONGEST_MS).astype(np.int64)


def _flat(*columns: tuple[str, IntArray, int]) -> tuple[IntArray, ...]:
    """Indexes as arrays of one length, each in 0 to its size - 1."""
    made = [np.asarray(values) for _, values, _ in columns]
    shapes = {each.shape for each in made}
    names = " and ".join(name for name, _, _ in columns)
    if len(shapes) > 1 or made[0].ndim != 1:
        raise ValueError(f"{names} must have one dimension and one length, not {shapes}")
    for values, (name, _, size) in zip(made, columns, strict=True):
        if len(values) and not (np.issubdtype(values.dtype, np.integer)):
            raise ValueError(f"{name} must hold whole numbers")
        if len(values) and (values.min() < 0 or values.max() >= size):
            raise ValueError(f"{name} must be one of {size} there are")
    return tuple(each.astype(np.int64) for each in made)
