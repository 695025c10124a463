"""Marginal maximum likelihood calibration of items on sparse responses.

Scale: theta ~ N(0, sigma^2) with sigma estimated, and 1PL items have slope 1 by definition, so
1PL and 2PL items share one scale in logits and a slope is reported only where it was estimated.
Where every item is 2PL, sigma is 1, since the slopes then carry the scale.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.errors import NoData
from deepkt_irt.irt.em import ItemCurves, ItemEm, ResponseMatrix, nodes
from deepkt_irt.settings import CalibrationSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# a student with hundreds of responses has a posterior narrower than the nodes of the EM are apart
_FINER = 4


@dataclass(frozen=True)
class Responses:
    """First attempts in long form, all arrays of shape (responses,).

    Attributes:
        student: Index of the student, 0 to n_students - 1.
        item: Index of the item, 0 to n_items - 1; a student answers an item once.
        correct: 1 right, 0 wrong.
        n_students: Number of students.
        n_items: Number of items.
    """

    student: IntArray
    item: IntArray
    correct: IntArray
    n_students: int
    n_items: int

    def __post_init__(self) -> None:
        if not len(self.student) == len(self.item) == len(self.correct):
            raise ValueError("student, item and correct differ in length")
        if not len(self.correct):
            raise NoData("no graded first attempts to calibrate items on")
        if self.student.min() < 0 or self.student.max() >= self.n_students:
            raise ValueError(f"student index outside 0 to {self.n_students - 1}")
        if self.item.min() < 0 or self.item.max() >= self.n_items:
            raise ValueError(f"item index outside 0 to {self.n_items - 1}")
        if not np.isin(self.correct, (0, 1)).all():
            raise ValueError("correct must be 0 or 1")

    def matrix(self, kept: IntArray) -> ResponseMatrix:
        """The responses on some items, which are renumbered in the order given.

        Raises:
            ValueError: If a student has two responses to an item.
        """
        place = np.full(self.n_items, -1)
        place[kept] = np.arange(len(kept))
        item = place[self.item]
        inside = item >= 0
        matrix = ResponseMatrix(
            self.student[inside],
            item[inside],
            self.correct[inside],
            shape=(self.n_students, len(kept)),
        )
        if matrix.right.nnz < inside.sum():
            raise ValueError("a student has several responses to one item; keep the first")
        return matrix


@dataclass(frozen=True)
class _Abilities:
    """Abilities of students, arrays of shape (students,).

    Attributes:
        ability: EAP of theta in logits; NaN for a student without responses on calibrated items.
        ability_sd: Posterior standard deviation; NaN likewise.
        student_n: Responses of the student that count.
        log_likelihood: Marginal, of all responses that count.
    """

    ability: FloatArray
    ability_sd: FloatArray
    student_n: IntArray
    log_likelihood: float


@dataclass(frozen=True)
class Calibration:
    """What was estimated; item arrays have shape (items,), student arrays (students,).

    Attributes:
        difficulty: b in logits; NaN for an item with too few responses.
        difficulty_se: Its standard error.
        discrimination: a; NaN unless estimated for the item (2PL).
        discrimination_se: Its standard error.
        is_2pl: Whether the item has a slope of its own.
        n_responses: First attempts on the item.
        p_value: Share of them right; NaN without any.
        ability: EAP of theta in logits; NaN for a student without responses on calibrated items.
        ability_sd: Posterior standard deviation.
        student_n: Responses of the student that count.
        population_sd: sigma.
        log_likelihood: Marginal, of the data under the estimates.
        n_iterations: EM steps.
        reliability: Empirical reliability of the abilities, 0 to 1.
    """

    difficulty: FloatArray
    difficulty_se: FloatArray
    discrimination: FloatArray
    discrimination_se: FloatArray
    is_2pl: NDArray[np.bool_]
    n_responses: IntArray
    p_value: FloatArray
    ability: FloatArray
    ability_sd: FloatArray
    student_n: IntArray
    population_sd: float
    log_likelihood: float
    n_iterations: int
    reliability: float


def calibrate(responses: Responses, *, settings: CalibrationSettings) -> Calibration:
    """Estimate item parameters and abilities.

    Args:
        responses: First attempts.
        settings: Quadrature, priors, and how many responses a model needs.

    Returns:
        The calibration.

    Raises:
        NoData: If no item has enough responses.
        NoConvergence: If the parameters still move after the allowed iterations.
        ValueError: If a student has two responses to an item.
    """
    n = np.bincount(responses.item, minlength=responses.n_items)
    right = np.bincount(responses.item, weights=responses.correct, minlength=responses.n_items)
    kept = np.flatnonzero(n >= settings.min_responses)
    if not len(kept):
        raise NoData(f"no item has {settings.min_responses} first attempts")
    is_2pl = (n >= settings.min_responses_2pl) & (right > 0) & (right < n)
    matrix = responses.matrix(kept)
    em = ItemEm(matrix, is_2pl[kept], settings)
    curves, iterations = em.fit()
    sigma = em.shared_slope(curves)
    z = nodes(_FINER * (settings.n_nodes - 1) + 1, settings.theta_max)
    found = _abilities(matrix, curves, population_sd=sigma, z=z)

    def all_items(values: FloatArray) -> FloatArray:
        whole = np.full(responses.n_items, np.nan)
        whole[kept] = values
        return whole

    parameters = _parameters(em, curves, is_2pl[kept])
    return Calibration(
        **{name: all_items(values) for name, values in parameters.items()},
        is_2pl=is_2pl,
        n_responses=n,
        p_value=np.divide(right, n, out=np.full(len(n), np.nan), where=n > 0),
        ability=found.ability,
        ability_sd=found.ability_sd,
        student_n=found.student_n,
        population_sd=sigma,
        log_likelihood=found.log_likelihood,
        n_iterations=iterations,
        reliability=_reliability(found),
    )


def _abilities(
    matrix: ResponseMatrix, curves: ItemCurves, *, population_sd: float, z: FloatArray
) -> _Abilities:
    """Abilities under given curves; z are the nodes in standard deviations, (nodes,).

    Reference:
        Bock and Mislevy (1982), Applied Psychological Measurement 6, 431-444 (EAP).
    """
    posterior = matrix.posterior(curves, z)
    mean = posterior.mass @ z
    variance = np.maximum(posterior.mass @ z**2 - mean**2, np.finfo(float).tiny)
    answered = matrix.n_by_student > 0
    return _Abilities(
        ability=np.where(answered, population_sd * mean, np.nan),
        ability_sd=np.where(answered, population_sd * np.sqrt(variance), np.nan),
        student_n=matrix.n_by_student,
        log_likelihood=float(posterior.log_likelihood[answered].sum()),
    )


def _parameters(em: ItemEm, curves: ItemCurves, is_2pl: NDArray[np.bool_]) -> dict[str, FloatArray]:
    """Item parameters in logits with standard errors by the delta method: b = -sigma d / slope."""
    sigma, error = em.shared_slope(curves), em.sampling_error(curves)
    b = -curves.intercept / curves.slope  # in standard deviations, as its variance
    own = error.intercept + 2 * b * error.covariance + b**2 * np.nan_to_num(error.slope)
    variance = own / curves.slope**2 + error.location
    return {
        "difficulty": sigma * b,
        "difficulty_se": sigma * np.sqrt(variance),
        "discrimination": np.where(is_2pl, curves.slope / sigma, np.nan),
        "discrimination_se": np.sqrt(error.slope) / sigma,
    }


def _reliability(found: _Abilities) -> float:
    """Variance of the EAPs over it plus the mean posterior variance."""
    answered = found.student_n > 0
    spread = float(found.ability[answered].var())
    return spread / (spread + float((found.ability_sd[answered] ** 2).mean()))
