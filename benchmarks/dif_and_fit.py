"""Measures how often DIF and misfit that were planted are found, and how often some that are not.

python benchmarks/dif_and_fit.py
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from deepkt_irt.irt.dif import compare_groups, mantel_haenszel
from deepkt_irt.irt.fit import item_fit
from deepkt_irt.irt.groups import MatchedTakers, match_takers
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.local_dependence import q3
from deepkt_irt.irt.predictive import LeaveOneOut, leave_one_out
from deepkt_irt.settings import DifSettings, HealthSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Columns = tuple[IntArray, IntArray, FloatArray]

REPLICATIONS = 12
FIT_REPLICATIONS = 20
SEED = 20_000
DIF, HEALTH = DifSettings(), HealthSettings()
BY_SCORE = DifSettings(n_strata=200)  # so many bands that each raw score has its own

# items of the fit simulation that are not as the model has them
GUESSING, RANDOM, STEEP, PAIR = 45, 24, 36, (18, 19)


_DIF_TEXT = f"""\
## Differential item functioning: false alarms and power

Simulated, {REPLICATIONS} replications a row, seeds from {SEED}; true item parameters. Two groups of
equal size; impact is the difference of their mean abilities in SD. A tenth of the items is harder
for the second group by 0.3 logits, a tenth by 0.5 (delta -0.7 and -1.2), the others are not.
*All*: 30 items, a = logN(0, 0.2), answered by everyone. *Routed*: 12 of 50 items each, those
nearest to the student's ability plus noise of SD 1. n: answers of a group on an item, on average.

*Raw*: Mantel-Haenszel within raw scores (share of credit, where routed). *One population*:
Mantel-Haenszel within bands of leave-one-out ability, with the same prior for both groups. *MH*
and *logistic* (uniform): `compare_groups`, with a population for each group, differing items taken
out of the match, and the default settings. False: share of items without DIF with p < .05, .05
expected; power: of those with it. Flagged: class B or C and q < .05 (Benjamini-Hochberg), which a
DIF of 0.3 is too small for.

| items | impact | n | false: raw | one population | MH | logistic \
| power at .3: raw | MH | logistic | at .5: raw | MH | logistic | flagged: none | .3 | .5 |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"""

_DIF_READING = """
One population for both groups draws the abler students down and the others up, so DIF appears
where there is none; raw scores do no better once items are routed, and let the items with DIF
spoil the match of the others. With a population for each group and a match free of differing items,
false alarms stay near what was asked for in every row.
"""

_FIT_TEXT = f"""\
## Item fit: false alarms and power

Simulated, {FIT_REPLICATIONS} replications a row, seeds from {SEED}. 60 items with b from -2 to 2,
30 of them met by each student at random, theta ~ N(0, 1); all are fitted as 1PL, difficulties
estimated from the same answers. Planted: a hard item with guessing (c = .25), one answered at
random, one with slope 2.5, and a pair that shares a second trait of SD 1.5. Cuts are the defaults:
mean square outside {HEALTH.fit_low}-{HEALTH.fit_high}, |z| > {HEALTH.fit_z:g},
RMSD > {HEALTH.max_rmsd}, |Q3| > {HEALTH.max_q3} with p < .05 over an item's partners,
item-theta correlation below {HEALTH.correlation_weak}. Each cell is the share of items pointed out.

| n per item | item | infit | its z | outfit | its z | RMSD | Q3 | item-theta |
|---|---|---|---|---|---|---|---|---|"""

_FIT_READING = f"""
The z finds misfit that the cuts of mean square and RMSD are too wide for, at the rate of false
alarms that a cut of 2 promises; whether it matters is for the cuts to say. A dependent pair shows
in Q3, which needs some hundred students in common (n / 2 here), and only faintly elsewhere.

Means of the same statistics where every item fits, beside the usual ones, which judge a student by
all answers (expected a posteriori), the one in question included; {FIT_REPLICATIONS} replications
of 1,000 students who answer all items, true parameters:

| items | infit: usual | leave-one-out | outfit: usual | leave-one-out | Q3: usual | corrected |
|---|---|---|---|---|---|---|"""

_NULL_READING = """
The usual ones need other cuts for each length of a test; leave-one-out mean squares and the
corrected Q3 lie at 1 and 0 whatever the number of answers."""


@dataclass(frozen=True)
class Groups:
    """Answers of two groups, of which the second is less able; some items are harder for it."""

    columns: Columns
    group: IntArray
    items: ItemParameters
    shift: FloatArray


def main() -> None:
    """Print the section."""
    print(section(), end="")


def section() -> str:
    """The part of the page of benchmarks on DIF and fit."""
    return "\n".join([*_dif_section(), *_fit_section()]) + "\n"


def _dif_section() -> list[str]:
    return [_DIF_TEXT, *_dif_rows(), _DIF_READING]


def _dif_rows() -> list[str]:
    rows = []
    designs = [(routed, impact) for routed in (False, True) for impact in (0.0, 1.0)]
    for design, (routed, impact) in enumerate(designs):
        for n in (250, 500, 1000):
            found: dict[str, list[float]] = defaultdict(list)
            for replication in range(REPLICATIONS):
                seed = SEED + 10_000 * design + 10 * n + replication
                for name, value in _detected(_two_groups(seed, n, impact, routed=routed)):
                    found[name].append(value)
            cells = [f"{np.mean(found[name]):.2f}" for name in _DIF_COLUMNS]
            where = "routed" if routed else "all"
            rows.append(f"| {where} | {impact:g} | {n} | " + " | ".join(cells) + " |")
    return rows


_DIF_COLUMNS = (
    *("raw 0", "one 0", "mh 0", "logistic 0"),
    *("raw 0.3", "mh 0.3", "logistic 0.3", "raw 0.5", "mh 0.5", "logistic 0.5"),
    *("flagged 0", "flagged 0.3", "flagged 0.5"),
)


def _two_groups(seed: int, n: int, impact: float, *, routed: bool) -> Groups:
    rng = np.random.default_rng(seed)
    n_items, met = (50, 12) if routed else (30, 30)
    n_students = 2 * n * n_items // met
    b, a = rng.permutation(np.linspace(-2, 2, n_items)), rng.lognormal(0, 0.2, n_items)
    group = np.arange(n_students) % 2
    theta = rng.normal(size=n_students) + impact * (0.5 - group)
    shift = np.zeros(n_items)
    central = np.argsort(np.abs(b))[: n_items // 5]
    shift[central[::2]], shift[central[1::2]] = 0.3, 0.5
    near = np.abs(b - theta[:, None] - rng.normal(size=(n_students, n_items)))
    student, item = np.nonzero(near.argsort(axis=1).argsort(axis=1) < met)
    chance = expit(a[item] * (theta[student] - b[item] - shift[item] * group[student]))
    score = (rng.random(len(item)) < chance).astype(np.float64)
    items = ItemParameters.dichotomous(b + shift / 2, a)  # calibrated on both groups together
    return Groups((student, item, score), group, items, shift)


def _detected(data: Groups) -> list[tuple[str, float]]:
    """Shares of items with p < .05 by method, and of those flagged, by size of their DIF."""
    student, item, score = data.columns
    raw = np.bincount(student, weights=score) / np.bincount(student)
    order = np.argsort(item, kind="stable")
    by_score = MatchedTakers(
        item[order],
        data.group[student][order],
        score[order],
        raw[student][order],
        n_items=len(data.items),
        n_groups=2,
    )
    pooled = leave_one_out(
        *data.columns,
        n_students=len(data.group),
        items=data.items,
        population_mean=0,
        population_sd=1.1,
    )
    one = match_takers(*data.columns, group=data.group, predicted=pooled)
    package = compare_groups(
        *data.columns,
        group=data.group,
        items=data.items,
        population_mean=0,
        population_sd=1.1,
        settings=DIF,
    )
    mh = package.mantel_haenszel
    significant = {
        "raw": mantel_haenszel(by_score, settings=BY_SCORE).p[1] < 0.05,
        "one": mantel_haenszel(one, settings=DIF).p[1] < 0.05,
        "mh": mh.p[1] < 0.05,
        "logistic": package.logistic.p_uniform[1] < 0.05,
        "flagged": np.isin(mh.ets_class[1], ("B", "C")) & (mh.q[1] < 0.05),
    }
    return [
        (f"{name} {size:g}", float(found[data.shift == size].mean()))
        for name, found in significant.items()
        for size in (0, 0.3, 0.5)
    ]


def _fit_section() -> list[str]:
    return [_FIT_TEXT, *_fit_rows(), _FIT_READING, *_null_rows(), _NULL_READING]


def _fit_rows() -> list[str]:
    kinds = {
        "fits": ~np.isin(np.arange(60), [GUESSING, RANDOM, STEEP, *PAIR]),
        "guessing": np.arange(60) == GUESSING,
        "random": np.arange(60) == RANDOM,
        "steep": np.arange(60) == STEEP,
        "dependent pair": np.isin(np.arange(60), PAIR),
    }
    rows = []
    for n in (100, 250, 500, 1000):
        flags = np.mean(
            [_pointed_out(2 * n, SEED + n + seed) for seed in range(FIT_REPLICATIONS)], axis=0
        )
        for kind, which in kinds.items():
            cells = " | ".join(f"{share:.2f}" for share in flags[:, which].mean(axis=1))
            rows.append(f"| {n} | {kind} | {cells} |")
    return rows


def _pointed_out(n_students: int, seed: int) -> NDArray[np.bool_]:
    """Which items each statistic points out, (statistics, items)."""
    columns = _misfitting(n_students, seed)
    predicted = _calibrated(columns, n_students)
    fit = item_fit(columns[1], columns[2], predicted=predicted)
    pairs = q3(*columns, predicted=predicted, min_pair=HEALTH.min_pair)

    def outside(square: FloatArray) -> NDArray[np.bool_]:
        return (square < HEALTH.fit_low) | (square > HEALTH.fit_high)

    return np.stack(
        [
            outside(fit.infit),
            np.abs(fit.infit_z) > HEALTH.fit_z,
            outside(fit.outfit),
            np.abs(fit.outfit_z) > HEALTH.fit_z,
            fit.rmsd > HEALTH.max_rmsd,
            (np.abs(pairs.q3) > HEALTH.max_q3) & (pairs.p < 0.05),
            fit.item_theta_correlation < HEALTH.correlation_weak,
        ]
    )


def _misfitting(n_students: int, seed: int) -> Columns:
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=(n_students, 1)), np.linspace(-2, 2, 60)
    chance = expit(theta - b)
    chance[:, GUESSING] = 0.25 + 0.75 * chance[:, GUESSING]
    chance[:, RANDOM] = 0.5
    chance[:, STEEP] = expit(2.5 * (theta[:, 0] - b[STEEP]))
    chance[:, PAIR] = expit(theta + 1.5 * rng.normal(size=(n_students, 1)) - b[list(PAIR)])
    student, item = np.nonzero(rng.random(chance.shape).argsort(axis=1) < 30)
    score = (rng.random(len(item)) < chance[student, item]).astype(np.float64)
    return student, item, score


def _calibrated(columns: Columns, n_students: int) -> LeaveOneOut:
    """Predictions under difficulties that make each item's residuals add up to 0."""
    _, item, score = columns
    share = np.bincount(item, weights=score) / np.bincount(item)
    b = -1.2 * np.log(share / (1 - share))
    for _ in range(6):
        predicted = leave_one_out(
            *columns,
            n_students=n_students,
            items=ItemParameters.dichotomous(b),
            population_mean=0,
            population_sd=1,
        )
        residual = np.bincount(item, weights=score - predicted.expected)
        b = b - residual / np.bincount(item, weights=predicted.variance)
    return predicted


def _null_rows() -> list[str]:
    rows = []
    for n_items in (5, 10, 20, 40):
        values = [_usual_and_ours(n_items, SEED + seed) for seed in range(FIT_REPLICATIONS)]
        mean = np.mean(values, axis=0)
        cells = [f"{x:.2f}" for x in mean[:4]] + [
            f"{round(float(x), 3) + 0.0:.3f}" for x in mean[4:]
        ]
        rows.append(f"| {n_items} | " + " | ".join(cells) + " |")
    return rows


def _usual_and_ours(n_items: int, seed: int) -> list[float]:
    """Infit, outfit and Q3, each as usual and as in the package, averaged over items or pairs."""
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=(1000, 1)), np.linspace(-2, 2, n_items)
    right = rng.random((1000, n_items)) < expit(theta - b)
    student, item = np.nonzero(np.ones_like(right))
    columns = student, item, right.ravel().astype(np.float64)
    found = leave_one_out(
        *columns,
        n_students=1000,
        items=ItemParameters.dichotomous(b),
        population_mean=0,
        population_sd=1,
    )
    residual = columns[2] - found.expected
    # for right or wrong answers the step from leave-one-out to all answers is exact
    ability = found.ability + found.covariance / found.variance * residual
    p = expit(ability - b[item])
    usual = (columns[2] - p).reshape(right.shape)
    spread = (p * (1 - p)).reshape(right.shape)
    fit = item_fit(item, columns[2], predicted=found)
    common = (found.covariance / found.student_sd[student]).reshape(right.shape)
    ours = residual.reshape(right.shape)
    corrected = ours.T @ ours + common.T @ common
    scale = np.sqrt((ours**2).sum(axis=0))
    off = np.triu_indices(n_items, k=1)
    return [
        ((usual**2).sum(axis=0) / spread.sum(axis=0)).mean(),
        fit.infit.mean(),
        (usual**2 / spread).mean(),
        fit.outfit.mean(),
        np.corrcoef(usual.T)[off].mean(),
        (corrected / np.outer(scale, scale))[off].mean(),
    ]


if __name__ == "__main__":
    main()
