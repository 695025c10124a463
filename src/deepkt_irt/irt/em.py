"""Expectation-maximisation: curves of the items and abilities of the groups.

Ability is standardised, z ~ N(0, 1) in group 0. Items without a slope of their own share one,
which is the spread of ability in logits.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.errors import NoConvergence
from deepkt_irt.irt.blocks import Expected, Statistics, Tables
from deepkt_irt.irt.curves import ItemCurves
from deepkt_irt.irt.quadrature import nodes, prior_weights
from deepkt_irt.settings import CalibrationSettings

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_NEWTON_STEPS = 2
_LONGEST_STEPS = (0.5, 1.0, 0.5)  # of slopes, of intercepts, of the logit of c
_SPREAD_RANGE = (0.05, 10.0)  # logits; below, no spread can be told from none
_SLOPE_RANGE = (0.1, 5.0)  # times the shared slope
_GUESS_RANGE = (-6.0, 0.0)  # logit of c
_KEPT_GAP = 0.25  # of the distance of two intercepts, in one step
_SMALLEST_GAP = 1e-3
_FALL = 1.0  # of the log likelihood that a leap may cost, since the prior counts, too
_TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Design:
    """What is estimated of each item, arrays over items.

    Attributes:
        has_slope: A slope of its own.
        has_guessing: A lower asymptote to estimate; one that is not stays as it starts.
        is_fixed: Parameters are given and stay.
        n_groups: Groups of students; group 0 sets the scale unless items are fixed.
        scale: Logits per unit of z where items are fixed; None where it is estimated.
        spread_is_free: Whether the responses say how students differ.
    """

    has_slope: BoolArray
    has_guessing: BoolArray
    is_fixed: BoolArray
    n_groups: int
    scale: float | None
    spread_is_free: bool

    @property
    def shares_slope(self) -> BoolArray:
        """Items whose slope is the shared one, which is free."""
        return ~self.has_slope & ~self.is_fixed


@dataclass(frozen=True)
class State:
    """All that the EM moves.

    Attributes:
        curves: Of the items.
        mean: Of each group's ability, (groups,).
        sd: Its standard deviation, (groups,).
    """

    curves: ItemCurves
    mean: FloatArray
    sd: FloatArray

    def pooled(self, sizes: NDArray[np.int64]) -> "State":
        """The same with the abilities of all students together in place of each group's.

        Args:
            sizes: Students of each group, (groups,).
        """
        share = sizes / sizes.sum()
        mean = float(share @ self.mean)
        sd = float(np.sqrt(share @ (self.sd**2 + self.mean**2) - mean**2))
        return replace(self, mean=np.full_like(self.mean, mean), sd=np.full_like(self.sd, sd))


@dataclass(frozen=True)
class Step:
    """A Newton system of all items: gradient (items, p), information (items, p, p)."""

    gradient: FloatArray
    information: FloatArray


class ItemEm:
    """Penalised marginal maximum likelihood.

    Log slopes are N(log shared slope, prior_sd_log_slope^2), or around their own mean where no
    slope is shared. Intercepts are N(their mean, prior_sd_difficulty^2): a fixed mean would drag
    thousands of thin items, and all abilities with them, towards it. A mean itself weighs as one
    more item at 0. The log of the shared slope
    is N(0, prior_sd_log_spread^2), which matters only where hardly any spread can be seen. c has
    a Beta prior with its mode at prior_guessing.

    Args:
        statistics: The E-step over all students with a response.
        start: Where to begin; fixed items have their parameters in it.
        design: What is estimated.
        settings: Quadrature, priors and when to stop.
    """

    def __init__(
        self, statistics: Statistics, start: State, design: Design, settings: CalibrationSettings
    ) -> None:
        self._statistics, self._at, self.design = statistics, start, design
        self._settings = settings
        self.z = nodes(settings.n_nodes, settings.theta_max)
        self._spread_precision = 1 / settings.prior_sd_log_spread**2
        right = settings.prior_guessing * settings.prior_guessing_n
        self._guess_prior = (right + 1, settings.prior_guessing_n - right + 1)

    def scale(self, curves: ItemCurves) -> float:
        """Logits per unit of z: the slope of the items without their own; 1 if there are none."""
        if self.design.scale is not None:
            return self.design.scale
        return float(curves.slope[~self.design.has_slope][0]) if self._is_mixed else 1.0

    def usual_log_slope(self, curves: ItemCurves) -> float:
        """Where the prior of log slopes has its middle."""
        if self.design.scale is not None or self._is_mixed:
            return float(np.log(self.scale(curves)))
        return float(np.log(curves.slope).sum() / (len(curves.slope) + 1))

    def tables(self, state: State) -> Tables:
        """Log chances and priors at the nodes."""
        return tables(state, self.z)

    def fit(self) -> tuple[State, int]:
        """State that maximises the penalised likelihood, and the EM steps it took.

        Raises:
            NoConvergence: If it still moves after the allowed steps.

        Reference:
            Bock and Aitkin (1981), Psychometrika 46, 443-459; steps lengthened after Varadhan and
            Roland (2008), Scandinavian Journal of Statistics 35, 335-353 (SQUAREM, scheme S3).
        """
        at, change = self._at, np.inf
        safe, reached = at, -np.inf
        for step in range(2, self._settings.max_iterations + 1, 2):
            once, fit = self._improved(at)
            if fit < reached - _FALL:  # the leap went too far
                at, (once, fit) = safe, self._improved(safe)
            change = float(np.abs(self._vector(once) - self._vector(at)).max())
            if change < self._settings.tolerance:
                return once, step
            safe, reached = self._improved(once)
            at = self._leap(at, once, safe)
        raise NoConvergence(
            f"calibration moved by {change:.2g} in iteration {self._settings.max_iterations}; "
            "raise calibration.max_iterations or calibration.tolerance"
        )

    def newton_step(self, curves: ItemCurves, counts: FloatArray) -> Step:
        """Gradient and expected information of the complete data, priors included.

        The shared slope is not yet taken together; its items have their own column of it.
        """
        chances, scores = curves.chances_and_scores(self.z)
        counts = counts.reshape(chances.shape)
        gradient = np.einsum("ilq,pilq->ip", counts, scores)
        weighted = counts.sum(axis=1, keepdims=True) * chances
        p = len(scores)
        information = np.empty((len(counts), p, p))
        for row in range(p):
            for column in range(row, p):
                product = np.einsum("ilq,ilq,ilq->i", weighted, scores[row], scores[column])
                information[:, row, column] = information[:, column, row] = product
        prior_gradient, prior_information = self.prior(curves)
        at = np.arange(p)
        information[:, at, at] += prior_information
        return Step(gradient + prior_gradient, information)

    def prior(self, curves: ItemCurves) -> tuple[FloatArray, FloatArray]:
        """Gradient of the log prior and its curvature, both (items, parameters)."""
        settings, design = self._settings, self.design
        n_items, n_steps = curves.intercept.shape
        p = 1 + n_steps + bool(curves.has_guessing.any())
        gradient, curvature = np.zeros((n_items, p)), np.zeros((n_items, p))
        precision = 1 / settings.prior_sd_log_slope**2
        pull = precision * (np.log(curves.slope) - self.usual_log_slope(curves))
        own = design.has_slope
        gradient[:, 0] = np.where(own, -pull / curves.slope, 0.0)
        curvature[:, 0] = np.where(own, precision / curves.slope**2, 0.0)
        has_step = np.isfinite(curves.intercept)
        away = np.where(has_step, curves.intercept - self._mean_intercept(curves), 0.0)
        gradient[:, 1 : 1 + n_steps] = -away / settings.prior_sd_difficulty**2
        curvature[:, 1 : 1 + n_steps] = has_step / settings.prior_sd_difficulty**2
        if curves.has_guessing.any():
            c = 1 / (1 + np.exp(-curves.guess_logit))
            right, total = self._guess_prior[0], sum(self._guess_prior)
            gradient[:, -1] = np.where(design.has_guessing, right - total * c, 0.0)
            curvature[:, -1] = np.where(design.has_guessing, total * c * (1 - c), 0.0)
        return gradient, curvature

    @property
    def _is_mixed(self) -> bool:
        return not self.design.has_slope.all()

    def _mean_intercept(self, curves: ItemCurves) -> float:
        first = np.nanmean(curves.intercept, axis=1)
        return float(first.sum() / (len(first) + 1))

    def _improved(self, state: State) -> tuple[State, float]:
        """One EM step, and the log likelihood before it."""
        found = self._statistics.expected(self.tables(state))
        curves = state.curves
        for _ in range(_NEWTON_STEPS):
            curves = self._moved(curves, self.newton_step(curves, found.counts))
        return replace(self._groups(state, found), curves=curves), found.log_likelihood

    def _groups(self, state: State, found: Expected) -> State:
        """Means and SDs of the groups; group 0 stays at N(0, 1) where it sets the scale."""
        share = found.group_mass / found.group_mass.sum(axis=1, keepdims=True)
        mean = share @ self.z
        sd = np.sqrt(np.maximum(share @ self.z**2 - mean**2, _SPREAD_RANGE[0] ** 2))
        if self.design.scale is None:
            mean[0], sd[0] = 0.0, 1.0
        return replace(state, mean=mean, sd=sd)

    def _moved(self, curves: ItemCurves, step: Step) -> ItemCurves:
        """Curves after a Newton step; the shared slope with everything else profiled out."""
        gradient, information = step.gradient, step.information
        n_steps = curves.intercept.shape[1]
        absent = ~np.isfinite(curves.intercept)
        free = np.concatenate([absent, ~self.design.has_guessing[:, None]], axis=1)
        free = ~free[:, : gradient.shape[1] - 1]
        rest = np.where(free[:, :, None] & free[:, None, :], information[:, 1:, 1:], 0.0)
        at = np.arange(rest.shape[1])
        rest[:, at, at] = np.where(free, rest[:, at, at], 1.0)
        across = np.where(free, information[:, 0, 1:], 0.0)
        solved = np.linalg.solve(
            rest, np.stack([np.where(free, gradient[:, 1:], 0.0), across], axis=2)
        )
        top = gradient[:, 0] - (across * solved[:, :, 0]).sum(axis=1)
        bottom = information[:, 0, 0] - (across * solved[:, :, 1]).sum(axis=1)
        slope = self._slope_step(curves, top, bottom)
        moved = solved[:, :, 0] - solved[:, :, 1] * slope[:, None]
        moved[:, :n_steps] = np.clip(moved[:, :n_steps], -_LONGEST_STEPS[1], _LONGEST_STEPS[1])
        moved[:, n_steps:] = np.clip(moved[:, n_steps:], -_LONGEST_STEPS[2], _LONGEST_STEPS[2])
        moved = np.where(self.design.is_fixed[:, None], 0.0, moved)
        intercept = curves.intercept + _in_order(curves.intercept, moved[:, :n_steps])
        guess = curves.guess_logit + (moved[:, -1] if moved.shape[1] > n_steps else 0.0)
        return self._bounded(ItemCurves(curves.slope + slope, intercept, guess))

    def _slope_step(self, curves: ItemCurves, top: FloatArray, bottom: FloatArray) -> FloatArray:
        step = top / np.maximum(bottom, _TINY)  # 0 where every chance is 0 or 1
        design, settings = self.design, self._settings
        shared = design.shares_slope
        if shared.any() and design.scale is None:
            scale, own = self.scale(curves), design.has_slope
            precision = 1 / settings.prior_sd_log_slope**2
            pull = precision * np.log(curves.slope[own] / scale).sum()
            to_own = (pull - self._spread_precision * np.log(scale)) / scale
            prior = (precision * own.sum() + self._spread_precision) / scale**2
            together = (top[shared].sum() + to_own) / (bottom[shared].sum() + prior)
            step = np.where(shared, together if design.spread_is_free else 0.0, step)
        elif shared.any():
            step = np.where(shared, 0.0, step)
        step = np.where(design.is_fixed, 0.0, step)
        return np.clip(step, -_LONGEST_STEPS[0], _LONGEST_STEPS[0])

    def _bounded(self, curves: ItemCurves) -> ItemCurves:
        design, slope = self.design, curves.slope
        shared = design.shares_slope
        if design.scale is None and shared.any():
            slope = np.where(shared, np.clip(slope[shared][0], *_SPREAD_RANGE), slope)
        scale = self.scale(replace(curves, slope=slope))
        low, high = _SLOPE_RANGE
        own = design.has_slope & ~design.is_fixed
        slope = np.where(own, np.clip(slope, low * scale, high * scale), slope)
        guess = np.where(
            design.has_guessing,
            np.clip(curves.guess_logit, *_GUESS_RANGE),
            curves.guess_logit,
        )
        return ItemCurves(slope, curves.intercept, guess)

    def _vector(self, state: State) -> FloatArray:
        curves = state.curves
        return np.concatenate(
            [
                np.log(curves.slope),
                np.nan_to_num(curves.intercept).ravel(),
                np.where(self.design.has_guessing, curves.guess_logit, 0.0),
                state.mean,
                np.log(state.sd),
            ]
        )

    def _leap(self, at: State, once: State, twice: State) -> State:
        """Extrapolates two EM steps; no shorter than they are."""
        start, first, second = (self._vector(state) for state in (at, once, twice))
        step = first - start
        bend = second - first - step
        length = max(1.0, np.linalg.norm(step) / max(np.linalg.norm(bend), _TINY))
        target = start + 2 * length * step + length**2 * bend
        n_items, n_steps = at.curves.intercept.shape
        sizes = np.cumsum([n_items, n_items * n_steps, n_items, len(at.mean)])
        log_slope, intercept, guess, mean, log_sd = np.split(target, sizes)
        curves = ItemCurves(
            slope=np.exp(np.clip(log_slope, -10, 10)),
            intercept=_ordered(intercept.reshape(n_items, n_steps), or_else=twice.curves.intercept),
            guess_logit=np.where(self.design.has_guessing, guess, at.curves.guess_logit),
        )
        # a group far outside the nodes could not come back
        reach = self.z[-1]
        within = (np.abs(mean) < reach) & (np.abs(log_sd) < np.log(reach))
        return State(
            self._bounded(curves),
            np.where(within, mean, twice.mean),
            np.where(within, np.exp(np.clip(log_sd, -10, 10)), twice.sd),
        )


def tables(state: State, z: FloatArray) -> Tables:
    """Log chances and log priors at any nodes, (nodes,) in standard deviations."""
    chances = state.curves.chances(z)
    prior = np.maximum(prior_weights(z, state.mean, state.sd), _TINY)
    return Tables(np.log(chances).reshape(-1, len(z)), np.log(prior))


def _in_order(intercept: FloatArray, step: FloatArray) -> FloatArray:
    """The step, cut so that no two intercepts of an item come too near each other."""
    gap = intercept[:, :-1] - intercept[:, 1:]
    closing = step[:, 1:] - step[:, :-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        allowed = np.where(closing > 0, (1 - _KEPT_GAP) * gap / closing, np.inf)
    allowed = np.where(np.isnan(allowed), np.inf, allowed)
    share = np.minimum(1.0, allowed.min(axis=1, initial=np.inf))
    cut: FloatArray = step * share[:, None]
    return cut


def _ordered(intercept: FloatArray, *, or_else: FloatArray) -> FloatArray:
    """Intercepts of items that fall in order; of the others what they were before."""
    kept = np.where(np.isnan(or_else), np.nan, intercept)
    gap = kept[:, :-1] - kept[:, 1:]
    broken = (gap < _SMALLEST_GAP).any(axis=1)  # NaN compares as not broken
    return np.where(broken[:, None], or_else, kept)
