"""Drift of items: false alarms, power and delay, beside rules that do not look at ability."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from deepkt_irt.irt.ability import estimate_abilities
from deepkt_irt.irt.drift import EASIER, HARDER, Drift, detect_drift
from deepkt_irt.irt.drift_evidence import Reference, WindowResponses
from deepkt_irt.irt.drift_state import DriftState
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.multiple_testing import benjamini_hochberg
from deepkt_irt.irt.response import probability_3pl
from deepkt_irt.settings import DriftSettings
from page import table

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Routing = Literal["at random", "by ability", "by past results"]

_SEEDS = 50
_SEEDS_ASIDE = 10  # of the smaller tables
_SLOW_SEEDS = 6
_ITEMS = 500
_TAKERS = 200  # responses to an item in a window
_PER_STUDENT = 30  # responses a student gives in a window, on average
_HISTORY = 30  # and gave before
_DRIFTED = 0.05  # of the items
_STEP = 0.6  # logits
_STRATA = 10  # of Mantel and Haenszel
_THIN = 0.2  # standard error of b in a thin calibration
_SLOW_ITEMS = 200
_SLOW_WINDOWS = 12
_SLOW_STEP = 0.1  # logits a window
_EXACT_SD = 0.02  # of abilities known as good as exactly


@dataclass(frozen=True)
class Bank:
    """Items, arrays of shape (items,).

    Attributes:
        items: True curves at the calibration.
        calibrated: What the calibration made of them.
        error: Standard error of its difficulties.
        drift: Change of difficulty since, 0 for most, logits.
    """

    items: ItemParameters
    calibrated: ItemParameters
    error: float
    drift: FloatArray


@dataclass(frozen=True)
class Cohort:
    """Students and what is known of them before the window, arrays of shape (students,).

    Attributes:
        theta: Abilities.
        mean: What they are thought to be.
        sd: How sure that is.
        n_known: Responses it rests on.
    """

    theta: FloatArray
    mean: FloatArray
    sd: FloatArray
    n_known: IntArray


def bank_of(
    rng: np.random.Generator, n_items: int = _ITEMS, *, step: float = _STEP, error: float = 0.0
) -> Bank:
    """Items as the section says; half of those that drift get harder, half easier, by chance."""
    items = _items(rng, n_items)
    drift = np.zeros(n_items)
    moved = rng.choice(n_items, round(_DRIFTED * n_items), replace=False)
    drift[moved] = step * rng.choice([-1, 1], len(moved))
    b = items.difficulty + error * rng.normal(size=n_items)
    return Bank(items, ItemParameters.dichotomous(b, items.slope, items.guessing), error, drift)


def _items(rng: np.random.Generator, n: int) -> ItemParameters:
    guessing = np.where(rng.random(n) < 0.3, 0.2, 0.0)
    return ItemParameters.dichotomous(rng.normal(size=n), rng.lognormal(0.0, 0.25, n), guessing)


def cohort_of(
    rng: np.random.Generator,
    n_items: int,
    *,
    mean: float = 0.0,
    history: int = _HISTORY,
    takers: int = _TAKERS,
) -> Cohort:
    """As many students as the items need, theta ~ N(mean, 1), thought to be N(0, 1) at first."""
    n = n_items * takers // _PER_STUDENT
    theta = rng.normal(mean, 1.0, n)
    if not history:
        return Cohort(theta, np.zeros(n), np.ones(n), np.zeros(n, dtype=np.int64))
    other = _items(rng, _ITEMS)  # items of the time before
    student = np.repeat(np.arange(n), history)
    item = rng.integers(0, len(other), len(student))
    score = _answers(rng, other.take(item), theta[student])
    known = estimate_abilities(student, item, score, n_students=n, items=other)
    return Cohort(theta, known.ability, known.ability_sd, known.student_n)


def window_of(
    rng: np.random.Generator,
    bank: Bank,
    cohort: Cohort,
    *,
    drift: FloatArray,
    routing: Routing = "at random",
    takers: int = _TAKERS,
) -> WindowResponses:
    """So many responses to each item, in random order.

    Routing makes students likelier to get items near them: near their ability, or near what
    their earlier results make one think of it.
    """
    wait = rng.random((len(bank.items), len(cohort.theta)), dtype=np.float32)
    if routing != "at random":
        place = cohort.theta if routing == "by ability" else cohort.mean
        away = (bank.items.difficulty[:, None] - place).astype(np.float32)
        wait = -np.log1p(-wait) * np.exp(0.5 * away**2)  # exponential, longer for the distant
    first = np.argpartition(wait, takers, axis=1)[:, :takers]
    order = rng.permutation(first.size)
    student = first.ravel()[order]
    item = np.repeat(np.arange(len(bank.items)), takers)[order]
    score = _answers(rng, bank.items.take(item), cohort.theta[student] - drift[item])
    return WindowResponses(student, item, score, np.zeros(len(item), np.int64), len(cohort.theta))


def _answers(rng: np.random.Generator, items: ItemParameters, theta: FloatArray) -> FloatArray:
    p = probability_3pl(theta, items.slope, items.difficulty, items.guessing)
    return (rng.random(len(p)) < p).astype(np.float64)


def reference_of(bank: Bank, cohort: Cohort, *, error: float | None = None) -> Reference:
    """What the window is held against; `error` is the error of b that is admitted."""
    admitted = bank.error if error is None else error
    return Reference(
        bank.calibrated,
        population_mean=cohort.mean,
        population_sd=cohort.sd,
        n_known=cohort.n_known,
        difficulty_se=np.full(len(bank.items), admitted),
    )


@dataclass(frozen=True)
class Case:
    """One item bank and window, and students and window of the time of the calibration."""

    bank: Bank
    cohort: Cohort
    now: WindowResponses
    past: Cohort
    before: WindowResponses


def signs_of(found: Drift) -> IntArray:
    """1 for items flagged as harder, -1 as easier, 0 for the others, (items,)."""
    signs: IntArray = np.where(found.direction == HARDER, 1, 0) - (found.direction == EASIER)
    return signs


def by_drift(case: Case) -> IntArray:
    """This package."""
    return signs_of(detect_drift(case.now, reference_of(case.bank, case.cohort)))


def by_logit(case: Case) -> IntArray:
    """|-logit p - b| above 0.5."""
    change = _minus_logit(case.now) - case.bank.calibrated.difficulty
    return np.where(np.abs(change) > 0.5, np.sign(change), 0).astype(np.int64)


def by_z(case: Case) -> IntArray:
    """|z| above 1.5 of the difficulty estimated anew as -logit p, across items."""
    b = _minus_logit(case.now)
    z = (b - b.mean()) / b.std()
    return np.where(np.abs(z) > 1.5, np.sign(z), 0).astype(np.int64)


def by_mantel_haenszel(case: Case) -> IntArray:
    """Common odds ratio of window and calibration in tenths of earlier ability; cuts as ours."""
    cuts = np.quantile(case.cohort.mean, np.arange(1, _STRATA) / _STRATA)
    a, b = _right_and_wrong(case.now, np.searchsorted(cuts, case.cohort.mean))
    c, d = _right_and_wrong(case.before, np.searchsorted(cuts, case.past.mean))
    n = np.maximum(a + b + c + d, 2)
    same, other = (np.maximum((x / n).sum(axis=1), 0.5) for x in (a * d, b * c))
    log_odds = np.log(same / other)
    expected = ((a + b) * (a + c) / n).sum(axis=1)
    variance = ((a + b) * (c + d) * (a + c) * (b + d) / (n**2 * (n - 1))).sum(axis=1)
    statistic = (np.abs(a.sum(axis=1) - expected) - 0.5) ** 2 / variance
    cuts_of = DriftSettings()
    significant = benjamini_hochberg(chi2.sf(statistic, 1)) < cuts_of.watch_false_discovery_rate
    flagged = significant & (np.abs(log_odds) >= cuts_of.watch)
    return np.where(flagged, -np.sign(log_odds), 0).astype(np.int64)


def _minus_logit(responses: WindowResponses) -> FloatArray:
    n = np.bincount(responses.item)
    right = np.clip(np.bincount(responses.item, weights=responses.score), 0.5, n - 0.5)
    return np.log((n - right) / right)


def _right_and_wrong(
    responses: WindowResponses, stratum: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Counts, (items, strata) each."""
    cell = responses.item * _STRATA + stratum[responses.student]
    right = np.bincount(cell, weights=responses.score, minlength=_ITEMS * _STRATA)
    n = np.bincount(cell, minlength=_ITEMS * _STRATA)
    return right.reshape(-1, _STRATA), (n - right).reshape(-1, _STRATA)


_METHODS: dict[str, Callable[[Case], IntArray]] = {
    "deepkt-irt": by_drift,
    "difference of -logit p and b above 0.5": by_logit,
    "z of new difficulty above 1.5": by_z,
    "Mantel-Haenszel over time": by_mantel_haenszel,
}
_CONDITIONS: tuple[tuple[str, float, Routing], ...] = (
    ("no shift", 0.0, "at random"),
    ("cohort +0.5", 0.5, "at random"),
    ("cohort +0.5, items routed by ability", 0.5, "by ability"),
    ("cohort +0.5, items routed by past results", 0.5, "by past results"),
)


def rates(signs: IntArray, drift: FloatArray) -> tuple[float, float, float]:
    """Share of steady items flagged, of drifted ones flagged with the right direction, precision.

    Precision is NaN where nothing is flagged.
    """
    steady = drift == 0
    right = (signs == np.sign(drift)) & ~steady
    flagged = (signs != 0).sum()
    precision = right.sum() / flagged if flagged else np.nan
    return float((signs[steady] != 0).mean()), float(right[~steady].mean()), float(precision)


def conditions(seeds: int = _SEEDS) -> str:
    """The table of methods under shift and routing."""
    rows = []
    for number, (name, mean, routing) in enumerate(_CONDITIONS):
        found: dict[str, list[tuple[float, float, float]]] = {each: [] for each in _METHODS}
        for seed in range(seeds):
            rng = np.random.default_rng([number, seed])
            bank = bank_of(rng)
            cohort = cohort_of(rng, _ITEMS, mean=mean)
            now = window_of(rng, bank, cohort, drift=bank.drift, routing=routing)
            past = cohort_of(rng, _ITEMS)
            before = window_of(rng, bank, past, drift=np.zeros(_ITEMS), routing=routing)
            case = Case(bank, cohort, now, past, before)
            for method, decide in _METHODS.items():
                found[method].append(rates(decide(case), bank.drift))
        rows += [(name, method, *_means(each)) for method, each in found.items()]
    return table(("condition", "method", "false positives", "power", "precision"), rows)


def _means(found: Sequence[tuple[float, float, float]]) -> tuple[str, str, str]:
    false, power, precision = np.nanmean(np.array(found), axis=0)
    return f"{100 * false:.1f}%", f"{power:.2f}", f"{precision:.2f}"


def knowledge(seeds: int = _SEEDS_ASIDE) -> str:
    """The table of what is known of students before the window."""
    settings = DriftSettings()
    cuts = (settings.false_discovery_rate, settings.watch_false_discovery_rate)
    rows = []
    for name, history in _KNOWLEDGE.items():
        found: dict[float, list[tuple[float, float, float]]] = {cut: [] for cut in cuts}
        for seed in range(seeds):
            rng = np.random.default_rng([10, seed])
            bank = bank_of(rng)
            cohort = cohort_of(rng, _ITEMS, history=history or 0)
            if history is None:
                exact = np.full(len(cohort.theta), _EXACT_SD)
                cohort = Cohort(cohort.theta, cohort.theta, exact, np.full(len(exact), 99))
            now = window_of(rng, bank, cohort, drift=bank.drift)
            drift = detect_drift(now, reference_of(bank, cohort), settings=settings)
            for cut in cuts:
                signs = _signs_at(drift, cut, settings)
                found[cut].append(rates(signs, bank.drift))
        rows.append((name, *(cell for cut in cuts for cell in _means(found[cut])[:2])))
    header = [f"{what}, q below {cut:.2f}" for cut in cuts for what in ("false positives", "power")]
    return table(("known of a student before", *header), rows)


def exposure(seeds: int = _SEEDS_ASIDE) -> str:
    """The table of responses to an item in a window."""
    rows = []
    for takers in _EXPOSURES:
        found = []
        for seed in range(seeds):
            rng = np.random.default_rng([50, seed])
            bank = bank_of(rng)
            cohort = cohort_of(rng, _ITEMS, takers=takers)
            now = window_of(rng, bank, cohort, drift=bank.drift, takers=takers)
            found.append(rates(signs_of(detect_drift(now, reference_of(bank, cohort))), bank.drift))
        rows.append((takers, *_means(found)))
    return table(("responses to an item", "false positives", "power", "precision"), rows)


_EXPOSURES = (100, 200, 300, 500)
_KNOWLEDGE: dict[str, int | None] = {
    "nothing (5 responses of the window are spent on it)": 0,
    "30 responses": 30,
    "the ability itself": None,
}


def _signs_at(found: Drift, cut: float, settings: DriftSettings) -> IntArray:
    """Signs of the items whose window alone flags them at this false discovery rate."""
    flagged = (found.q < cut) & (np.abs(found.delta) >= settings.watch)
    return np.where(flagged, np.sign(found.delta), 0).astype(np.int64)


@dataclass(frozen=True)
class Run:
    """Windows in a row of one bank, each with students of its own; arrays (windows, items).

    Attributes:
        signs: As `signs_of`.
        by_sum: Whether a running sum is over its limit and the item flagged.
    """

    signs: IntArray
    by_sum: NDArray[np.bool_]


def run_of(
    rng: np.random.Generator, bank: Bank, drifts: FloatArray, *, error: float | None = None
) -> Run:
    """Judge windows one after the other, handing the state on; drifts: (windows, items)."""
    settings = DriftSettings()
    state: DriftState | None = None
    signs, by_sum = [], []
    for drift in drifts:
        cohort = cohort_of(rng, len(bank.items))
        now = window_of(rng, bank, cohort, drift=drift)
        reference = reference_of(bank, cohort, error=error)
        found = detect_drift(now, reference, settings=settings, state=state)
        state = found.state
        signs.append(signs_of(found))
        over = np.maximum(found.cusum_harder, found.cusum_easier) > settings.cusum_limit
        by_sum.append(over & (signs[-1] != 0))
    return Run(np.array(signs), np.array(by_sum))


def lasting(seeds: int = _SEEDS_ASIDE, windows: int = 3) -> str:
    """The table of a change that stays: what has been flagged by the end of each window."""
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng([20, seed])
        bank = bank_of(rng)
        run = run_of(rng, bank, np.tile(bank.drift, (windows, 1)))
        steady = bank.drift == 0
        right = np.logical_or.accumulate(run.signs == np.sign(bank.drift))[:, ~steady]
        wrong = (run.signs != 0)[:, steady]
        found.append((right.mean(axis=1), wrong.mean(axis=1)))
    power, false = np.mean(found, axis=0)
    rows = [
        (window + 1, f"{power[window]:.2f}", f"{100 * false[window]:.1f}%")
        for window in range(windows)
    ]
    return table(("window", "power by its end", "false positives in it"), rows)


def thin(seeds: int = _SEEDS_ASIDE) -> str:
    """The table of a calibration with errors."""
    rows = []
    for name, error, admitted in _CALIBRATIONS[1:]:
        found = []
        for seed in range(seeds):
            rng = np.random.default_rng([30, seed])
            bank = bank_of(rng, error=error)
            cohort = cohort_of(rng, _ITEMS)
            now = window_of(rng, bank, cohort, drift=bank.drift)
            reference = reference_of(bank, cohort, error=admitted)
            found.append(rates(signs_of(detect_drift(now, reference)), bank.drift))
        rows.append((name, *_means(found)))
    return table(("difficulties", "false positives", "power", "precision"), rows)


_CALIBRATIONS = (
    ("known exactly", 0.0, 0.0),
    ("SE 0.2, admitted", _THIN, _THIN),
    ("SE 0.2, taken as exact", _THIN, 0.0),
)


def slow(seeds: int = _SLOW_SEEDS) -> str:
    """The table of slow drift."""
    rows = []
    for name, error, admitted in _CALIBRATIONS[:2]:
        delays, delays_of_sum, false, false_of_sum = [], [], [], []
        for seed in range(seeds):
            rng = np.random.default_rng([40, seed])
            bank = bank_of(rng, _SLOW_ITEMS, step=_SLOW_STEP, error=error)
            drifts = np.arange(1, _SLOW_WINDOWS + 1)[:, None] * bank.drift
            run = run_of(rng, bank, drifts, error=admitted)
            moves = bank.drift != 0
            right = (run.signs == np.sign(bank.drift))[:, moves]
            delays.append(_first(right))
            delays_of_sum.append(_first(right & run.by_sum[:, moves]))
            false.append((run.signs != 0)[:, ~moves].mean())
            false_of_sum.append(run.by_sum[:, ~moves].mean())
        rows += [
            (name, "running sums", _quartiles(delays_of_sum), f"{100 * np.mean(false_of_sum):.2f}"),
            (name, "sums or single windows", _quartiles(delays), f"{100 * np.mean(false):.2f}"),
        ]
    return table(
        ("difficulties", "flagged by", "windows until flagged", "false alarms in 100"), rows
    )


def _first(flagged: NDArray[np.bool_]) -> FloatArray:
    """Number of the first window in which each item is flagged; infinite if none, (items,)."""
    return np.where(flagged.any(axis=0), flagged.argmax(axis=0) + 1.0, np.inf)


def _quartiles(delays: list[FloatArray]) -> str:
    low, middle, high = np.quantile(np.concatenate(delays), (0.25, 0.5, 0.75), method="higher")
    return f"{middle:.0f} (quartiles {low:.0f} to {high:.0f})"


_HEAD = f"""## Drift of items

{_ITEMS} items a window, b ~ N(0, 1), a log-normal (0, 0.25), 30% with c = 0.2; {_TAKERS} responses
to each, {_PER_STUDENT} a student on average; {_HISTORY} responses of each student from before are
known. {100 * _DRIFTED:.0f}% of the items drifted by {_STEP} logits, up or down. Power is the share
of these that one window flags (watch or act) with the right direction, false positives are the
share of the others that it flags. Default settings, difficulties known exactly where nothing else
is said. Items routed by ability go to students near them in truth, by past results to students
whose earlier responses place them near; Mantel-Haenszel compares with a window of the calibration's
time within tenths of earlier ability."""

_READING = """The rules that do not look at ability flag a large share of sound items as soon as the
cohort changes. What limits power here is the number of responses: with abilities known exactly it
is hardly higher. Likely drift is watched at a false discovery rate that costs few false alarms and
finds more; what is to be acted on must be surer; a change that stays is found by the next windows.
A thin calibration hides changes of its own size, as it must, and does not add up to slow drift."""


def section() -> str:
    """What is measured, the tables, and how to read them."""
    aside = f"no shift, {_SEEDS_ASIDE} seeds"
    slowly = f"{_SLOW_ITEMS} items, {_SLOW_WINDOWS} windows, {_SLOW_SEEDS} seeds"
    alarms = "false alarms are flagged windows of steady items"
    parts = (
        _HEAD,
        f"Means over {_SEEDS} seeds:",
        conditions(),
        f"What is known of students ({aside}):",
        knowledge(),
        f"How often an item is answered in a window ({aside}):",
        exposure(),
        f"A change that stays ({aside}):",
        lasting(),
        f"A calibration with errors ({aside}):",
        thin(),
        f"Slow drift of {_SLOW_STEP} logits a window ({slowly}; {alarms}):",
        slow(),
        _READING,
    )
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(section())
