"""Recovery of known item parameters: bias, error, coverage of intervals, models chosen."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from deepkt_irt.irt.calibration import Calibration, calibrate
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.responses import Responses
from deepkt_irt.settings import CalibrationSettings
from page import table
from simulated import (
    Drawn,
    FloatArray,
    IntArray,
    answers,
    dichotomous,
    everyone,
    exposed,
    graded,
)

_REPLICATIONS = 50
_SLOPE_SD = 0.3
_STEPS = 3  # of graded items
_MODELS = ("1PL", "2PL", "3PL", "graded")
_SIZES = (30, 50, 100, 200, 500, 1_000, 2_000, 5_000)
_PER_SIZE = 8  # items of each kind
_NEVER = 10**9


@dataclass(frozen=True)
class Condition:
    """Who meets which items.

    Attributes:
        name: As on the page.
        n_students: Number of students.
        n_by_item: Responses of each item, (items,).
    """

    name: str
    n_students: int
    n_by_item: IntArray

    def pairs(self, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Student and item of each response."""
        if (self.n_by_item == self.n_students).all():
            return everyone(self.n_students, len(self.n_by_item))
        return exposed(rng, self.n_students, self.n_by_item)


@dataclass(frozen=True)
class Errors:
    """Estimates minus the truth, with their standard errors, of many items and replications."""

    error: FloatArray
    se: FloatArray

    @classmethod
    def of(cls, found: FloatArray, se: FloatArray, truth: FloatArray) -> "Errors":
        """Where there is an estimate."""
        kept = np.isfinite(found)
        return cls((found - truth)[kept], se[kept])

    @classmethod
    def joined(cls, parts: Iterable["Errors"]) -> "Errors":
        """Of all replications."""
        both = [(part.error, part.se) for part in parts]
        error, se = (np.concatenate(each) for each in zip(*both, strict=True))
        return cls(error, se)

    def cells(self) -> tuple[str, str, str]:
        """Bias, RMSE and coverage of 95% intervals, for a table."""
        if not len(self.error):
            return "", "", ""
        inside = np.abs(self.error) < 1.96 * self.se
        rmse = np.sqrt((self.error**2).mean())
        return f"{self.error.mean():+.3f}", f"{rmse:.3f}", f"{inside.mean():.3f}"


@dataclass(frozen=True)
class Recovered:
    """One calibration and the truth, both with ability of standard deviation 1."""

    found: Calibration
    truth: ItemParameters

    def b(self, which: slice) -> Errors:
        """Of difficulties, of graded items of every threshold."""
        found, truth, scale = self.found, self.truth, self.found.scale
        if truth.thresholds.shape[1] == 1:
            b, se = found.difficulty[which] / scale, found.difficulty_se[which] / scale
            return Errors.of(b, se, truth.difficulty[which])
        whole = found.model[which] == "GRM"
        b, se = found.items.thresholds / scale, found.thresholds_se / scale
        return Errors.of(*(x[which][whole].ravel() for x in (b, se, truth.thresholds)))

    def a(self, which: slice) -> Errors:
        """Of the slopes that were estimated."""
        found, scale = self.found, self.found.scale
        a, se = found.discrimination[which] * scale, found.discrimination_se[which] * scale
        return Errors.of(a, se, self.truth.slope[which])

    def c(self, which: slice) -> Errors:
        """Of the lower asymptotes that were estimated."""
        c, se = self.found.guessing[which], self.found.guessing_se[which]
        return Errors.of(c, se, self.truth.guessing[which])


def section() -> str:
    """The section of the page."""
    settings = CalibrationSettings()
    rows = [_row(model, condition) for model in _MODELS for condition in _conditions()]
    header = ("model", "condition", *_headed("b"), *_headed("a"), *_headed("c"), "models")
    return f"""## Recovery of item parameters

Data: simulated; theta and b are N(0, 1), log a is N(0, {_SLOPE_SD}^2), c is Beta(5, 17); graded
items have {_STEPS + 1} levels. Protocol: {_REPLICATIONS} replications with seeds 0 to
{_REPLICATIONS - 1}, each with new items and students; calibration with default settings, except
that the 1PL is kept from estimating slopes. Estimates are compared with ability in standard
deviations, as the truth has it. Figures are over all items of all replications that have the
estimate, for graded items over all thresholds of those that were calibrated as graded. Conditions:
{_described()}. "Models" are those chosen by number of responses.

{table(header, rows)}

{_by_size(settings)}
"""


def _headed(parameter: str) -> tuple[str, str, str]:
    return f"bias {parameter}", f"RMSE {parameter}", f"95% {parameter}"


def _conditions() -> tuple[Condition, ...]:
    rank = np.arange(1, 401)
    zipf = np.round(5_000 * rank ** -(np.log(5_000 / 30) / np.log(400))).astype(np.int64)
    return (
        Condition("complete", 2_000, np.full(40, 2_000)),
        Condition("sparse", 20_000, np.full(200, 1_000)),
        Condition("unbalanced", 5_000, zipf),
    )


def _described() -> str:
    complete, sparse, unbalanced = _conditions()
    return (
        f"{complete.name}, {complete.n_students:,} students by {len(complete.n_by_item)} items; "
        f"{sparse.name}, {sparse.n_students:,} students by {len(sparse.n_by_item)} items of which "
        f"5% are seen; {unbalanced.name}, {unbalanced.n_students:,} students by "
        f"{len(unbalanced.n_by_item)} items with {unbalanced.n_by_item.max():,} to "
        f"{unbalanced.n_by_item.min()} responses by Zipf's law, median "
        f"{np.median(unbalanced.n_by_item):.0f}"
    )


def _row(model: str, condition: Condition) -> tuple[str, ...]:
    runs = [_recovered(model, condition, seed) for seed in range(_REPLICATIONS)]
    return (
        model,
        condition.name,
        *_cells(runs, slice(None)),
        _chosen(runs, slice(None)),
    )


def _cells(runs: list[Recovered], which: slice) -> tuple[str, ...]:
    parts = ((run.b(which), run.a(which), run.c(which)) for run in runs)
    by_parameter = zip(*parts, strict=True)
    return tuple(cell for errors in by_parameter for cell in Errors.joined(errors).cells())


def _chosen(runs: list[Recovered], which: slice) -> str:
    """Share of the items of each model; a GRM has a slope of its own or the shared one."""
    fitted = np.concatenate([run.found.model[which] for run in runs])
    names, counts = np.unique(fitted, return_counts=True)
    shares = counts / counts.sum()
    return ", ".join(f"{name} {share:.0%}" for name, share in zip(names, shares, strict=True))


def _recovered(model: str, condition: Condition, seed: int) -> Recovered:
    rng = np.random.default_rng(seed)
    n_items = len(condition.n_by_item)
    if model == "graded":
        truth = graded(rng, n_items, slope_sd=_SLOPE_SD, n_steps=_STEPS)
    else:
        slope_sd = 0.0 if model == "1PL" else _SLOPE_SD
        truth = dichotomous(rng, n_items, slope_sd=slope_sd, guessing=model == "3PL")
    drawn = answers(rng, truth, condition.pairs(rng), n_students=condition.n_students)
    settings = CalibrationSettings()
    if model == "1PL":
        settings = CalibrationSettings(min_responses_2pl=_NEVER)
    guessable = np.full(n_items, model == "3PL")
    return Recovered(calibrate(_responses(drawn, guessable), settings=settings), truth)


def _responses(drawn: Drawn, guessable: np.ndarray) -> Responses:
    sizes = (drawn.n_students, drawn.n_items)
    return Responses(drawn.student, drawn.item, drawn.level, *sizes, guessable=guessable)


def _by_size(settings: CalibrationSettings) -> str:
    runs = [_sized(seed) for seed in range(_REPLICATIONS)]
    rows = []
    for kind, name in enumerate(("2PL", "3PL")):
        for place, n in enumerate(_SIZES):
            which = slice(place + kind * len(_SIZES), None, 2 * len(_SIZES))
            rows.append((name, f"{n:,}", *_cells(runs, which), _chosen(runs, which)))
    header = ("truth", "responses", *_headed("b"), *_headed("a"), *_headed("c"), "models")
    return f"""By number of responses, with items of all sizes in one calibration: 5,000 students,
{2 * _PER_SIZE} items of each size, half of them 2PL, half 3PL and known to be guessable; drawn as
above, {_REPLICATIONS} replications. By default a slope is refused below
{settings.min_responses_2pl:,} responses and guessing below {settings.min_responses_3pl:,}.

{table(header, rows)}

Where c is not estimated on an item that has it, it is assumed, b lies a little low and its interval
is too narrow; where a slope is refused, the interval knows how much the slopes differ that were
estimated beside it."""


def _sized(seed: int) -> Recovered:
    """Items of all sizes: the sizes of 2PL items, then those of 3PL items, again and again."""
    rng = np.random.default_rng(seed)
    n_by_item = np.tile(_SIZES, 2 * _PER_SIZE)
    guessable = np.tile(np.repeat([False, True], len(_SIZES)), _PER_SIZE)
    truth = dichotomous(rng, len(n_by_item), slope_sd=_SLOPE_SD, guessing=True)
    truth = ItemParameters(truth.thresholds, truth.slope, np.where(guessable, truth.guessing, 0.0))
    drawn = answers(rng, truth, exposed(rng, 5_000, n_by_item), n_students=5_000)
    return Recovered(calibrate(_responses(drawn, guessable), settings=CalibrationSettings()), truth)


if __name__ == "__main__":
    print(section())
