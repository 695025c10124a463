"""Marginal maximum likelihood calibration of items on sparse responses, 1PL to 3PL and graded.

Scale: theta ~ N(0, sigma^2) with sigma estimated, and 1PL items have slope 1 by definition, so
all items share one scale in logits and a slope is reported only where it was estimated. Where
every item has a slope of its own, sigma is 1, since the slopes then carry the scale. With several
groups of students this holds of group 0; with fixed items their scale is kept.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import logit

from deepkt_irt.errors import NoData
from deepkt_irt.irt.blocks import InMemory, Statistics, in_blocks
from deepkt_irt.irt.curves import ItemCurves
from deepkt_irt.irt.em import Design, ItemEm, State
from deepkt_irt.irt.fitted import Estimate, FittedItems, in_logits
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.posterior import Abilities, abilities
from deepkt_irt.irt.responses import Responses, Selection, select
from deepkt_irt.irt.standard_errors import sampling_error
from deepkt_irt.settings import CalibrationSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_CHANCE = 0.02  # starting proportions stay this far from 0 and 1


@dataclass(frozen=True)
class FixedItems:
    """Items whose parameters are given and stay, so that their scale is kept.

    Attributes:
        items: One row for each item of the responses; NaN thresholds for those to estimate.
        population_sd: Spread of ability of the calibration they come from, logits.

    Reference:
        Kim (2006), Journal of Educational Measurement 43, 355-381.
    """

    items: ItemParameters
    population_sd: float


@dataclass(frozen=True)
class Calibration(FittedItems):
    """Items and students of one calibration, on one scale.

    Attributes:
        students: Their abilities.
    """

    students: Abilities


def calibrate(
    responses: Responses,
    *,
    settings: CalibrationSettings | None = None,
    fixed: FixedItems | None = None,
) -> Calibration:
    """Estimate item parameters and abilities.

    Args:
        responses: First attempts.
        settings: Quadrature, priors, and how many responses a model needs.
        fixed: Items whose parameters are known; the others come onto their scale.

    Returns:
        The calibration.

    Raises:
        NoData: If no item has enough responses.
        NoConvergence: If the parameters still move after the allowed iterations.
        ValueError: If a student has two responses to an item.
    """
    settings = settings or CalibrationSettings()
    selection = select(
        responses.level_counts(),
        settings,
        guessable=responses.guessable,
        n_steps=responses.n_steps,
    )
    nobody = np.zeros(responses.n_students, dtype=np.int64)
    group = nobody if responses.group is None else responses.group
    return calibrate_cells(
        responses.cells(selection), group, selection, settings=settings, fixed=fixed
    )


def calibrate_cells(
    cells: csr_array,
    group: IntArray,
    selection: Selection,
    *,
    settings: CalibrationSettings,
    fixed: FixedItems | None = None,
) -> Calibration:
    """Estimate item parameters and abilities from responses that are a matrix already.

    Abilities have one prior for all students, so that equal answers mean equal abilities
    whatever the group.

    Args:
        cells: 1 at the level reached, (students, kept items x levels).
        group: Group of each student, (students,).
        selection: Kept items and their models.
        settings: Quadrature and priors.
        fixed: See calibrate.

    Raises:
        NoConvergence: If the parameters still move after the allowed iterations.
    """
    n = np.diff(cells.indptr).astype(np.int64)
    answered = n > 0
    blocks = in_blocks(cells[answered], group[answered], n_nodes=settings.n_nodes)
    population = Population(np.bincount(group[answered]), spread_is_free=bool((n > 1).any()))
    state, fitted = fit_items(
        InMemory(blocks), selection, population, settings=settings, fixed=fixed
    )
    everyone = state.pooled(population.group_sizes)
    found = [abilities(block, everyone, fitted.scale, settings) for block in blocks]
    whole = np.full((3, len(n)), np.nan)
    whole[:, answered] = np.concatenate(found, axis=1)
    mean, sd, mode = whole
    return Calibration(**vars(fitted), students=Abilities(mean, sd, mode, student_n=n))


@dataclass(frozen=True)
class Population:
    """Who answered.

    Attributes:
        group_sizes: Students of each group, (groups,); none is empty.
        spread_is_free: Whether any student answered two items: one response each tells nothing
            of how students differ, and the spread stays at 1.
    """

    group_sizes: IntArray
    spread_is_free: bool

    def __post_init__(self) -> None:
        if not (self.group_sizes > 0).all():
            empty = int(np.flatnonzero(self.group_sizes <= 0)[0])
            raise ValueError(f"group {empty} has no student with a response")


def fit_items(
    statistics: Statistics,
    selection: Selection,
    population: Population,
    *,
    settings: CalibrationSettings,
    fixed: FixedItems | None = None,
) -> tuple[State, FittedItems]:
    """Estimate items and groups from wherever the sums over students come.

    Args:
        statistics: The E-step over all students with a response on a kept item.
        selection: Kept items and their models.
        population: Who answered.
        settings: Quadrature, priors and when to stop.
        fixed: See calibrate.

    Returns:
        The state on standardised ability, and the same in logits for all items.

    Raises:
        NoConvergence: If the parameters still move after the allowed iterations.
        NoData: If items are to be fixed and none of the kept ones is among them.
    """
    given = np.zeros(len(selection.kept), dtype=bool)
    if fixed is not None:
        given = fixed.items.is_calibrated[selection.kept]
        if not given.any():
            raise NoData("none of the fixed items has enough responses to carry the scale")
    design = Design(
        has_slope=selection.has_slope & ~given,
        has_guessing=selection.has_guessing & ~given,
        is_fixed=given,
        n_groups=len(population.group_sizes),
        scale=None if fixed is None else fixed.population_sd,
        spread_is_free=population.spread_is_free,
    )
    start = _start(selection, design, fixed, usual_guessing=settings.prior_guessing)
    em = ItemEm(statistics, start, design, settings)
    state, iterations = em.fit()
    at = em.tables(state)
    found = statistics.expected(at)
    _, scores = state.curves.chances_and_scores(em.z)
    products = statistics.score_products(at, scores.reshape(len(scores), -1, len(em.z)), em.z)
    error = sampling_error(em, state, found, products)
    estimate = Estimate(em, state, error, population.group_sizes)
    return state, in_logits(estimate, selection, iterations, found.log_likelihood)


def _start(
    selection: Selection,
    design: Design,
    fixed: FixedItems | None,
    *,
    usual_guessing: float,
) -> State:
    """Slopes 1, intercepts from the shares that reached each level."""
    n_steps = selection.n_levels - 1
    reached = selection.counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    share = reached / selection.counts.sum(axis=1, keepdims=True)
    steps = np.arange(1, n_steps + 1)
    p = np.clip(share, _CHANCE, 1 - _CHANCE)
    intercept = logit(p) - 1e-2 * steps  # levels beyond the clip stay apart
    intercept = np.where(steps > selection.n_steps[:, None], np.nan, intercept)
    scale = design.scale if design.scale is not None else 1.0
    slope = np.full(len(p), scale)
    has_asymptote = selection.has_guessing | selection.assumes_guessing
    guess = np.where(has_asymptote & ~design.is_fixed, logit(usual_guessing), -np.inf)
    if fixed is not None:
        given = fixed.items.take(selection.kept[design.is_fixed])
        width = min(n_steps, given.thresholds.shape[1])
        slope[design.is_fixed] = scale * given.slope
        intercept[design.is_fixed] = np.nan
        intercept[design.is_fixed, :width] = -(given.slope[:, None] * given.thresholds)[:, :width]
        with np.errstate(divide="ignore"):
            guess[design.is_fixed] = logit(given.guessing)
    zero, one = np.zeros(design.n_groups), np.ones(design.n_groups)
    return State(ItemCurves(slope, intercept, guess), mean=zero, sd=one)
