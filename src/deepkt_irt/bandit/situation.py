"""What is known at the instant of a decision: items, students, and which items each may be offered.

Students and their candidate items lie in flat arrays, one row per pair, so that every rule and
every feature is worked out for all students at once. Items count from 0, skills from 1; skill 0
stands for none. What is not known is NaN.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_NEW = -1.0  # a skill never practised counts as the least mastered


@dataclass(frozen=True)
class Catalogue:
    """Items that may be recommended, and how skills hang together.

    Attributes:
        item_ids: Of the items, (items,).
        skill_ids: Of the skills, "" for none, (skills + 1,).
        skill_names: For people, (skills + 1,).
        skills: Sorted skills of each item, 0 where there are fewer, (items, most).
        needs: 1 where the skill of a row needs that of a column first, (skills + 1, skills + 1).
        difficulty: Of the latest calibration, logits; NaN if not calibrated, (items,).
        help_rate: Share of responses in which help was used; NaN if unknown, (items,).
        is_blocked: Teachers do not want it offered, (items,).
        is_unhealthy: Its health says that somebody must act, (items,).
        is_guessed: Too many answer it too fast to have read it, (items,).
    """

    item_ids: NDArray[np.str_]
    skill_ids: NDArray[np.str_]
    skill_names: NDArray[np.str_]
    skills: IntArray
    needs: csr_array
    difficulty: FloatArray
    help_rate: FloatArray
    is_blocked: BoolArray
    is_unhealthy: BoolArray
    is_guessed: BoolArray

    def __post_init__(self) -> None:
        n, n_skills = len(self.item_ids), len(self.skill_ids)
        for name in ("difficulty", "help_rate", "is_blocked", "is_unhealthy", "is_guessed"):
            if np.shape(getattr(self, name)) != (n,):
                raise ValueError(f"{n} items, but {name} has shape {np.shape(getattr(self, name))}")
        if len(self.skills) != n or self.skills.ndim != 2 or not self.skills.shape[1]:
            raise ValueError(f"skills must be ({n}, 1 or more), not {self.skills.shape}")
        if n and not 0 <= self.skills.min() <= self.skills.max() < n_skills:
            raise ValueError(f"skills of items must lie in 0 to {n_skills - 1}")
        if self.needs.shape != (n_skills, n_skills) or len(self.skill_names) != n_skills:
            raise ValueError(f"{n_skills} skills, but needs has shape {self.needs.shape}")

    @property
    def n_skills(self) -> int:
        """Skills, without the 0 that stands for none."""
        return len(self.skill_ids) - 1


@dataclass(frozen=True)
class Knowledge:
    """What students know by skill; column 0 is nobody's. All (students, skills + 1).

    Attributes:
        mastery: 0 to 1; NaN where never practised.
        low: Lower end of its 95% interval; NaN likewise.
        high: Upper end.
        n_responses: Graded responses on the skill, 0 where never practised.
        days_since: Since it was last practised; NaN where that is not known.
    """

    mastery: FloatArray
    low: FloatArray
    high: FloatArray
    n_responses: FloatArray
    days_since: FloatArray


@dataclass(frozen=True)
class Situation:
    """Students with the items they may be offered, one row a pair, students one after another.

    Attributes:
        catalogue: Items and skills.
        knowledge: Of the students, by skill.
        ability: Logits; NaN if not estimated, (students,).
        help_rate: Share of own responses with help used; NaN if unknown, (students,).
        rapid_rate: Share of own timed responses that were rapid guesses; NaN likewise, (students,).
        hard_run: Latest answers in a row that were to hard items, (students,).
        offsets: Where each student's rows begin, and the end, (students + 1,).
        item: Of each row, (rows,).
        is_recent: The student met the item lately, (rows,).
        p_irt: Chance of a right answer by ability and item; NaN if unknown, (rows,).
        p_sakt: The same by the student's history; NaN if unknown, (rows,).
        information: Of an answer about the ability; NaN if unknown, (rows,).
    """

    catalogue: Catalogue
    knowledge: Knowledge
    ability: FloatArray
    help_rate: FloatArray
    rapid_rate: FloatArray
    hard_run: IntArray
    offsets: IntArray
    item: IntArray
    is_recent: BoolArray
    p_irt: FloatArray
    p_sakt: FloatArray
    information: FloatArray

    def __post_init__(self) -> None:
        n, rows = len(self.offsets) - 1, len(self.item)
        if n < 0 or self.offsets[0] != 0 or self.offsets[-1] != rows:
            raise ValueError(f"offsets must run from 0 to the number of rows, {rows}")
        if self.knowledge.mastery.shape != (n, self.catalogue.n_skills + 1):
            raise ValueError(
                f"{n} students and {self.catalogue.n_skills} skills, but mastery has shape "
                f"{self.knowledge.mastery.shape}"
            )
        for name in ("is_recent", "p_irt", "p_sakt", "information"):
            if np.shape(getattr(self, name)) != (rows,):
                raise ValueError(f"{rows} rows, but {name} has {np.shape(getattr(self, name))}")
        for name in ("ability", "help_rate", "rapid_rate", "hard_run"):
            if np.shape(getattr(self, name)) != (n,):
                raise ValueError(f"{n} students, but {name} has {np.shape(getattr(self, name))}")

    @property
    def n_students(self) -> int:
        """Students, also those without any row."""
        return len(self.offsets) - 1

    @cached_property
    def student(self) -> IntArray:
        """The student of each row, (rows,)."""
        return np.repeat(np.arange(self.n_students), np.diff(self.offsets))

    @cached_property
    def p_correct(self) -> FloatArray:
        """Mean of the chances there are; NaN where there is none, (rows,)."""
        both = np.stack([self.p_irt, self.p_sakt])
        known = np.isfinite(both)
        n = known.sum(axis=0)
        total = np.where(known, both, 0.0).sum(axis=0)
        mean: FloatArray = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
        return mean

    @cached_property
    def skill(self) -> IntArray:
        """The skill each row would practise: its item's least mastered, a new one first, (rows,).

        Of equals the one with the lower number; 0 where the item has no skill.
        """
        skills = self.catalogue.skills[self.item]
        value = self.knowledge.mastery[self.student[:, None], skills]
        value = np.where(np.isnan(value), _NEW, value)
        value[skills == 0] = np.inf
        least = np.argmin(value, axis=1)
        found: IntArray = skills[np.arange(len(skills)), least]
        return found

    def only(self, chosen: BoolArray) -> "Situation":
        """The same students with some of the rows.

        Args:
            chosen: Which, (rows,).
        """
        n = np.bincount(self.student[chosen], minlength=self.n_students)
        rows = {
            name: getattr(self, name)[chosen]
            for name in ("item", "is_recent", "p_irt", "p_sakt", "information")
        }
        return replace(self, offsets=np.concatenate([[0], np.cumsum(n)]), **rows)

    def of_skill(self, values: FloatArray) -> FloatArray:
        """Values by student and skill at each row's skill, (students, skills + 1) to (rows,)."""
        found: FloatArray = values[self.student, self.skill]
        return found
