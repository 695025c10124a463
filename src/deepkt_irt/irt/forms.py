"""What a set of items tells of abilities: forms, the next item of an adaptive test, missing items.

Information is that of one response each. An item without a curve is never chosen, and what it
would add to a form is not known and not counted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.stats import norm

from deepkt_irt.errors import NoData
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.quadrature import nodes, prior_weights

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_NODES = 61
_REACH = 5.0  # standard deviations of ability
_STRIPS = 10  # parts of a band of 1 logit whose students count as one
_STUDENTS = 2001  # that stand for a whole population
_DIGITS = 12  # of information in which two items are equally good
_ROUNDING = 1e-9  # part of an item, or of the information wanted, that is not counted as missing


def form_information(items: ItemParameters, theta: ArrayLike) -> FloatArray:
    """Fisher information of all items together at each ability, theta's shape.

    Reference:
        Birnbaum (1968), in Lord and Novick, Statistical Theories of Mental Test Scores.
    """
    known = items.take(items.is_calibrated)
    total: FloatArray = known.information(theta).sum(axis=-1)
    return total


def standard_error(
    items: ItemParameters, theta: ArrayLike, *, population_sd: float = np.inf
) -> FloatArray:
    """Standard error of an ability estimated from all items, logits, theta's shape.

    1 / sqrt(information + 1 / population_sd^2): that of the posterior in a population of this
    spread; without one that of the maximum likelihood estimate, infinite where nothing is known.

    Raises:
        ValueError: If population_sd is not above 0.
    """
    total = np.asarray(form_information(items, theta) + _precision(population_sd))
    unknown = np.full(total.shape, np.inf)
    error: FloatArray = np.divide(1.0, np.sqrt(total), out=unknown, where=total > 0)
    return error


def posterior_information(items: ItemParameters, ability: float, ability_sd: float) -> FloatArray:
    """Information of each item expected of a student, (items,); NaN for one without a curve.

    Args:
        items: The items.
        ability: Posterior mean of the student, logits; the population's where nothing is known.
        ability_sd: Posterior standard deviation, 0 or more.

    Raises:
        ValueError: If the ability is not a number or its SD below 0.
    """
    if not (np.isfinite(ability) and np.isfinite(ability_sd) and ability_sd >= 0):
        raise ValueError(f"ability={ability} with ability_sd={ability_sd} is no posterior")
    z = nodes(_NODES, _REACH)
    return prior_weights(z) @ items.information(ability + ability_sd * z)


def rank_items(
    items: ItemParameters, ability: float, ability_sd: float, eligible: BoolArray
) -> IntArray:
    """Indexes of the eligible items with a curve, most informative of the student first.

    Information is averaged over the posterior of the ability: at the start of a test, where the
    estimate is poor, the best item at the estimate alone may be one that tells little of the
    student. Equally good items come in the order of their indexes.

    Args:
        items: The bank.
        ability: Posterior mean of the student, logits; the population's where nothing is known.
        ability_sd: Posterior standard deviation, 0 or more.
        eligible: Whether an item may come next, (items,).

    Raises:
        ValueError: If eligible does not fit the items or the posterior is none.

    Reference:
        van der Linden (1998), Psychometrika 63, 201-216: maximum posterior-weighted information.
    """
    if eligible.shape != (len(items),):
        raise ValueError(f"eligible has the shape {eligible.shape} for {len(items)} items")
    told = posterior_information(items, ability, ability_sd).round(_DIGITS)
    order = np.argsort(-told, kind="stable")
    return order[(eligible & items.is_calibrated)[order]]


def next_best_item(
    items: ItemParameters, ability: float, ability_sd: float, eligible: BoolArray
) -> int | None:
    """Index of the item to give next, as in `rank_items`; None if none is eligible."""
    ranked = rank_items(items, ability, ability_sd, eligible)
    return int(ranked[0]) if len(ranked) else None


@dataclass(frozen=True)
class Form:
    """Items chosen for a test.

    Attributes:
        items: Their indexes in the bank, ascending.
        standard_error: Of an ability estimated from them, at each ability asked for, logits.
        is_reached: Whether the wanted standard error is met at all of them.
    """

    items: IntArray
    standard_error: FloatArray
    is_reached: bool


def shortest_form(
    items: ItemParameters,
    target_se: float,
    at: ArrayLike,
    *,
    eligible: BoolArray | None = None,
    population_sd: float = np.inf,
) -> Form:
    """Few items that reach a standard error over a range of abilities.

    The item that adds most of what is still missing comes next; in the end items that have become
    superfluous are dropped. Such a form is short, though not always the shortest there is.

    Args:
        items: The bank.
        target_se: Standard error wanted, logits, above 0.
        at: Abilities at which it is wanted, (abilities,).
        eligible: Whether an item may be chosen, (items,); None: all may.
        population_sd: Of ability, logits, if posterior means will be reported; see
            `standard_error`.

    Returns:
        The form; if the bank cannot reach the standard error, all items that help.

    Raises:
        ValueError: If target_se or population_sd is not above 0, or eligible does not fit.
    """
    if not target_se > 0:
        raise ValueError(f"target_se={target_se} must be above 0")
    if eligible is not None and eligible.shape != (len(items),):
        raise ValueError(f"eligible has the shape {eligible.shape} for {len(items)} items")
    theta = np.atleast_1d(np.asarray(at, dtype=np.float64))
    free = items.is_calibrated if eligible is None else items.is_calibrated & eligible
    told = np.where(free, items.information(theta), 0.0)  # (abilities, items)
    wanted = (target_se**-2 - _precision(population_sd)) * (1 - _ROUNDING)
    chosen = _without_superfluous(_greedy(told, wanted), told, wanted)
    error = standard_error(items.take(chosen), theta, population_sd=population_sd)
    return Form(chosen, error, is_reached=_suffices(chosen, told, wanted))


def _greedy(told: FloatArray, wanted: float) -> list[int]:
    """Items in the order of choice, until every ability has the information wanted."""
    chosen: list[int] = []
    left = told.copy()
    missing = np.full(len(told), wanted)
    while (missing > 0).any():
        adds = np.minimum(left, np.maximum(missing, 0.0)[:, None]).sum(axis=0)
        best = int(adds.argmax())
        if adds[best] <= 0:
            break
        chosen.append(best)
        missing = wanted - told[:, chosen].sum(axis=1)
        left[:, best] = 0.0
    return chosen


def _without_superfluous(chosen: list[int], told: FloatArray, wanted: float) -> IntArray:
    """The items that are needed, ascending; those that tell least are tried first."""
    kept = sorted(chosen)
    for item in sorted(chosen, key=lambda item: (told[:, item].sum(), item)):
        others = [other for other in kept if other != item]
        if _suffices(others, told, wanted):
            kept = others
    return np.array(kept, dtype=np.int64)


def _suffices(chosen: list[int] | IntArray, told: FloatArray, wanted: float) -> bool:
    return bool((told[:, np.asarray(chosen, dtype=np.int64)].sum(axis=1) >= wanted).all())


@dataclass(frozen=True)
class Gap:
    """A skill whose items tell too little of the students in a band of ability.

    Attributes:
        skill: Index of the skill.
        low: Lower end of the band, logits; the band is 1 logit wide.
        high: Upper end.
        n_items: Calibrated items of the skill with a difficulty in the band.
        n_skill_items: Calibrated items of the skill altogether.
        student_share: Share of the students whose ability lies in the band, 0 to 1.
        information: Of the skill's items together, mean over the students in the band.
        n_short: How many new items of the band's difficulty would close the gap.
        reason: What is wrong with the items there are.
    """

    skill: int
    low: float
    high: float
    n_items: int
    n_skill_items: int
    student_share: float
    information: float
    n_short: int
    reason: str

    @property
    def urgency(self) -> float:
        """Items short, times the share of the students who would need them."""
        return self.n_short * self.student_share


def normal_abilities(mean: float, sd: float) -> FloatArray:
    """Abilities that stand for a normal population, where those of its students are not known."""
    return norm.ppf((np.arange(_STUDENTS) + 0.5) / _STUDENTS, loc=mean, scale=sd)


def coverage_gaps(
    items: ItemParameters,
    q_matrix: BoolArray | csr_array,
    *,
    abilities: FloatArray,
    target_se: float,
    min_share: float = 0.02,
) -> list[Gap]:
    """Which items are missing: by skill and band of 1 logit, what keeps students from being known.

    A skill is short in a band where students are, if all its items together leave the ability
    of those students, estimated from this skill alone, a larger standard error than wanted. What
    a new item would tell follows from the median slope of the calibrated items.

    Args:
        items: The bank.
        q_matrix: Which skills an item is on, (items, skills).
        abilities: Of the students, logits, NaN if unknown; see `normal_abilities`. Posterior
            means of students with few responses lie closer together than the abilities do.
        target_se: Standard error wanted, logits, above 0.
        min_share: Bands with fewer of the students are left out, 0 to 1.

    Returns:
        The gaps, most urgent first.

    Raises:
        ValueError: If target_se is not above 0 or the Q-matrix does not fit.
        NoData: If no ability is known.
    """
    q = csr_array(q_matrix).astype(bool).astype(np.float64)
    if q.shape[0] != len(items):
        raise ValueError(f"the Q-matrix has {q.shape[0]} rows for {len(items)} items")
    if not target_se > 0:
        raise ValueError(f"target_se={target_se} must be above 0")
    known = abilities[np.isfinite(abilities)]
    if not len(known):
        raise NoData("no student has an ability, so no gap can be found")
    gaps: list[Gap] = []
    for low in np.arange(np.floor(known.min()), np.floor(known.max()) + 1):
        there = known[(known >= low) & (known < low + 1)]
        if len(there) and len(there) >= min_share * len(known):
            gaps += _gaps_of_band(items, q, float(low), there, target_se**-2, len(known))
    return sorted(gaps, key=lambda gap: (-gap.urgency, gap.skill, gap.low))


def _gaps_of_band(
    items: ItemParameters,
    q: csr_array,
    low: float,
    there: FloatArray,
    wanted: float,
    n_students: int,
) -> list[Gap]:
    """Gaps of all skills between low and low + 1, where some students are."""
    counts, edges = np.histogram(there, _STRIPS, range=(low, low + 1))
    share = counts / counts.sum()
    theta = (edges[:-1] + edges[1:]) / 2
    calibrated, b = items.is_calibrated, items.difficulty
    told = q.T @ np.where(calibrated, share @ items.information(theta), 0.0)  # (skills,)
    slope = np.median(items.slope[calibrated]) if calibrated.any() else 1.0
    new = ItemParameters.dichotomous(low + 0.5, slope)
    each = float(share @ form_information(new, theta))
    n_short = np.ceil((wanted - told) / each - _ROUNDING).astype(np.int64)
    inside = q.T @ (calibrated & (b >= low) & (b < low + 1)).astype(np.float64)
    easier = q.T @ (calibrated & (b < low)).astype(np.float64)
    on_skill = q.T @ calibrated.astype(np.float64)
    return [
        Gap(
            skill=int(skill),
            low=low,
            high=low + 1,
            n_items=int(inside[skill]),
            n_skill_items=int(on_skill[skill]),
            student_share=len(there) / n_students,
            information=float(told[skill]),
            n_short=int(n_short[skill]),
            reason=_reason(
                int(inside[skill]),
                int(easier[skill]),
                int(on_skill[skill]),
                n_needed=int(np.ceil(wanted / each)),
            ),
        )
        for skill in np.flatnonzero(n_short > 0)
    ]


def _reason(n_inside: int, n_easier: int, n_on_skill: int, *, n_needed: int) -> str:
    """What is wrong with a skill's items, seen from a band."""
    if not n_on_skill:
        return "the skill has no calibrated item"
    if n_easier == n_on_skill:
        return "all calibrated items are easier"
    if not n_inside and not n_easier:
        return "all calibrated items are harder"
    if n_on_skill < n_needed:
        return "the skill has few calibrated items"
    return "few calibrated items are of this difficulty"


def _precision(population_sd: float) -> float:
    if not population_sd > 0:
        raise ValueError(f"population_sd={population_sd} must be above 0")
    return 1.0 / population_sd**2
