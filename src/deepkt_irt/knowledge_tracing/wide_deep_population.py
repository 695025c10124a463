"""What items have in common: the difficulty an item is expected to have from its skills."""

from dataclasses import dataclass, replace

import numpy as np

from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, IntArray
from deepkt_irt.knowledge_tracing.wide_deep_features import shares_by_skills
from deepkt_irt.knowledge_tracing.wide_deep_items import Curves

_SKILL_PRIOR_ITEMS = 2.0  # items of mean difficulty that each skill has beforehand
_LEAST_SD = 0.05  # of difficulties around their skills', logits


@dataclass(frozen=True)
class ItemSkills:
    """Skills of each item as first met, by item index.

    Attributes:
        skills: Skill indexes, 0 where fewer, (items + 1, most).
        met: Whether the item occurs at all, (items + 1,).
    """

    skills: IntArray
    met: BoolArray

    @classmethod
    def of(cls, histories: Histories, n_items: int) -> "ItemSkills":
        """From all responses, also those of other students: they say nothing of right or wrong."""
        item, first = np.unique(histories.item, return_index=True)
        skills = np.zeros((n_items + 1, histories.skills.shape[1]), dtype=np.int64)
        skills[item] = histories.skills[first]
        met = np.zeros(n_items + 1, dtype=bool)
        met[item] = True
        skills[0], met[0] = 0, False
        return cls(skills, met)


@dataclass(frozen=True)
class Population:
    """Difficulties of items scatter around the mean of their skills.

    Attributes:
        skill_difficulty: Mean of the skill's items, drawn to that of all; row 0: of all,
            (skills + 1,).
        sd: Of items around it, logits.
    """

    skill_difficulty: FloatArray
    sd: float

    def expected(self, skills: IntArray) -> FloatArray:
        """Difficulty from skills alone, (responses or items,)."""
        return shares_by_skills(self.skill_difficulty, skills)


def estimated_population(
    curves: Curves, errors: FloatArray, of: ItemSkills, *, n_skills: int
) -> Population:
    """One step of EM for the means of skills and the spread around them.

    Args:
        curves: At their modes.
        errors: Standard errors of b, NaN where it is fixed, (items + 1,).
        of: Skills of the items.
        n_skills: Largest skill index.

    Reference:
        Laird and Ware (1982), Biometrics 38, 963-974.
    """
    counted = curves.free[0]
    b = curves.difficulty[counted]
    overall = float(b.mean())
    skills = of.skills[counted]
    n = np.bincount(skills.ravel(), minlength=n_skills + 1)
    total = np.bincount(
        skills.ravel(), weights=np.repeat(b, skills.shape[1]), minlength=n_skills + 1
    )
    means = (total + _SKILL_PRIOR_ITEMS * overall) / (n + _SKILL_PRIOR_ITEMS)
    means[0] = overall
    population = Population(means, 1.0)
    off = b - population.expected(skills)
    sd = float(np.sqrt((off**2 + errors[counted] ** 2).mean()))
    return replace(population, sd=max(sd, _LEAST_SD))


def with_population(curves: Curves, population: Population, of: ItemSkills) -> Curves:
    """The curves with these priors of b.

    Items without training responses move to what their skills say; items never met have NaN.
    """
    expected = population.expected(of.skills)
    mean, sd, values = curves.prior_mean.copy(), curves.prior_sd.copy(), curves.values.copy()
    mean[0], sd[0] = expected, population.sd
    untrained = np.where(of.met, expected, np.nan)
    values[0] = np.where(curves.free[0], values[0], untrained)
    return replace(curves, values=values, prior_mean=mean, prior_sd=sd)


def curves_of(
    curves: Curves, population: Population, item: IntArray, skills: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """a, b and c of the items of responses; items without a difficulty have their skills' one.

    Args:
        curves: By item index.
        population: Of the items.
        item: Item indexes, also beyond those of the curves, (responses,).
        skills: Skill indexes of the responses, (responses, most).
    """
    inside = (item > 0) & (item < curves.values.shape[1])
    at = np.where(inside, item, 0)
    own = inside & np.isfinite(curves.difficulty[at])
    b = np.where(own, curves.difficulty[at], population.expected(skills))
    return np.where(inside, curves.slope[at], 1.0), b, np.where(inside, curves.guessing[at], 0.0)
