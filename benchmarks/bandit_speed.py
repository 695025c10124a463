"""Speed, memory and exactness of the linear bandit, and mabwiser's LinUCB beside it."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from deepkt_irt.bandit.grid import Factors, Grid
from deepkt_irt.bandit.linear_state import LinearState, Rewards
from deepkt_irt.bandit.linucb import OnlinePosterior, Posterior
from deepkt_irt.settings import BanditSettings
from page import table
from peer import ONE_THREAD, require_peer, run_peer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SEED = 20_260_109
_OF_STUDENT, _OF_ITEM = 8, 4
_BEST = 5
_BLOCK = 256  # students whose scores are held at a time
_ALPHA = 0.5
_CHECKED = 100  # students whose scores by both tools are compared
_UPDATE_ITEMS = 500
_REWARDS_PER_ITEM = 10
# constant, student, item, and each of eight products; an item's own level and slope on ability
_HYBRID = Factors(
    student=np.array([0, *range(1, 9), 0, 0, 0, 0, *range(1, 9)]),
    item=np.array([0, *[0] * 8, 1, 2, 3, 4, *(1, 2, 3, 4) * 2]),
    own=np.array([0, 1]),
)
_NONE = np.zeros(0, dtype=np.int64)
_DISJOINT = Factors(student=_NONE, item=_NONE, own=np.arange(1 + _OF_STUDENT))


@dataclass(frozen=True)
class World:
    """Rewards of students on items drawn at random.

    Attributes:
        student: Features of the student of each reward, N(0, 1), (rewards, student features).
        items: Features of all items, N(0, 1), (items, item features).
        item: Item of each reward, (rewards,).
        reward: 0 or 1, (rewards,).
    """

    student: FloatArray
    items: FloatArray
    item: IntArray
    reward: FloatArray

    @classmethod
    def drawn(cls, n_items: int, n_rewards: int) -> "World":
        """The same for the same numbers, in whichever process."""
        rng = np.random.default_rng(_SEED)
        student = rng.normal(size=(n_rewards, _OF_STUDENT))
        items = rng.normal(size=(n_items, _OF_ITEM))
        item = rng.integers(0, n_items, n_rewards)
        logit = 0.5 * student[:, 0] - 0.8 * items[item, 0] + rng.normal(0, 0.5, n_items)[item]
        reward = (rng.random(n_rewards) < expit(logit)).astype(np.float64)
        return cls(student, items, item, reward)

    def state(self, factors: Factors, settings: BanditSettings) -> LinearState:
        """A state before any reward, whose items are those of this world."""
        return LinearState.fresh(
            shared_names=[f"z{k}" for k in range(len(factors.student))],
            own_names=[f"x{k}" for k in range(len(factors.own))],
            item_ids=[f"i{k}" for k in range(len(self.items))],
            settings=settings,
        )

    def rewards(self, factors: Factors) -> Rewards:
        """All rewards with their features."""
        shared, own = factors.rows(self.student, self.items[self.item])
        return Rewards(shared, own, self.item, self.reward, np.ones(len(self.item)))

    def learnt(self, factors: Factors, settings: BanditSettings) -> Posterior:
        """What all rewards teach."""
        return Posterior.of(self.state(factors, settings).updated(self.rewards(factors)))


@dataclass(frozen=True)
class Decided:
    """Decisions of one tool in one process.

    Attributes:
        single: Seconds of each decision that was asked for alone, (decisions,).
        batch: Seconds of a decision in a call for many.
        upper: Upper confidence bounds, (checked, items).
    """

    single: FloatArray
    batch: float
    upper: FloatArray


@dataclass(frozen=True)
class Scored:
    """Scoring of many students by all items.

    Attributes:
        seconds: From learnt weights to the best items of each student.
        before_mb: Largest resident memory until then.
        peak_mb: And in the end.
    """

    seconds: float
    before_mb: float
    peak_mb: float


def section(
    *,
    items: int = 2_000,
    students: int = 100_000,
    updates: int = 100_000,
    singles: int = 100,
    batch: int = 1_000,
    repeats: int = 3,
) -> str:
    """The section of the page.

    Args:
        items: To choose from.
        students: Scored for time and memory.
        updates: Rewards taken one by one.
        singles: Decisions asked for one at a time, of each tool and run.
        batch: Decisions of one call, of each tool and run.
        repeats: Runs of each, in turns.

    Raises:
        CannotRunError: If mabwiser is absent.
    """
    require_peer("mabwiser")
    os.environ.update(ONE_THREAD)
    ours, mabwiser = [], []
    for _ in range(repeats):
        mabwiser.append(_decided_by_mabwiser(items, singles, batch))
        ours.append(_fresh(_decided, items, singles, batch))
    seconds, errors = _fresh(_exactness, updates)
    upper = mabwiser[0].upper
    return f"""## Speed and exactness of the bandit, beside mabwiser

Data: {items:,} items, all eligible; students with {_OF_STUDENT} features and items with {_OF_ITEM},
N(0, 1); {_REWARDS_PER_ITEM} rewards an item to learn from, right or wrong; seed {_SEED}.

Beside mabwiser: its disjoint LinUCB and the same model here (no shared part, lambda 1, alpha
{_ALPHA}), a constant and the student's features as context. mabwiser 2.7.4, `MAB.predict`, in an
environment of its own; it returns the best item, this package the best {_BEST}. One thread of the
CPU each, {repeats} runs of each in turns, each in a new process that decides once before;
{singles:,} decisions one at a time, whose median counts, and {batch:,} in one call.

{_comparison(ours, mabwiser)}

One at a time is how a service decides. mabwiser goes through its items in a loop, which one call
for many students does once for all of them, so that the ratio is much smaller there. Scores of
{len(upper):,} students by all items differ by {np.abs(ours[0].upper - upper).max():.0e} at most;
they run from {upper.min():.2f} to {upper.max():.2f}.

The hybrid model that recommendations use ({len(_HYBRID.student)} shared features of student, item
and their products, {len(_HYBRID.own)} of an item's own), for {students:,} students by all {items:,}
items, of whom each gets the {_BEST} items with the highest upper bound: {students * items:,}
scores, {_BLOCK} students of each worker at a time, so that no table of all scores is ever held (it
would take {students * items * 8 / 1e6:,.0f} MB each for means and widths). From learnt weights to
chosen items, each row in a new process; memory is the largest of the whole process, with
interpreter and libraries, before scoring and in the end.

{_large(items, students)}

{updates:,} rewards on {_UPDATE_ITEMS} items taken one by one, with a block of each item's own from
its {BanditSettings().min_item_updates}th reward on and without any solution from the sums in
between (by default there is one every 10,000 rewards): {1e6 * seconds / updates:.0f} microseconds
each. Held against one direct solution of the whole ridge regression, largest difference in relation
to the largest value:

{table(("compared", "difference"), [(name, f"{error:.0e}") for name, error in errors.items()])}
"""


def _fresh[Result](function: Callable[..., Result], *given: object) -> Result:
    """What a function returns in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        return fresh.submit(function, *given).result()


def _decided_by_mabwiser(n_items: int, singles: int, batch: int) -> Decided:
    world = World.drawn(n_items, _REWARDS_PER_ITEM * n_items)
    arrays = {
        "item": world.item,
        "reward": world.reward,
        "context": _with_constant(world.student),
        "asked": _with_constant(_students(batch)),
    }
    checked = min(_CHECKED, batch)
    settings = {"items": n_items, "alpha": _ALPHA, "singles": singles, "checked": checked}
    found = run_peer("mabwiser_linucb.py", arrays, settings)
    return Decided(found["single"], float(found["whole"]) / batch, found["upper"])


def _decided(n_items: int, singles: int, batch: int) -> Decided:
    settings = BanditSettings(item_prior_precision=1.0, min_item_updates=0)
    world = World.drawn(n_items, _REWARDS_PER_ITEM * n_items)
    posterior, asked = world.learnt(_DISJOINT, settings), _students(batch)
    grid = Grid.of(posterior, _DISJOINT, world.items, np.arange(n_items))
    _best(grid, asked[:2])  # a first call costs more
    single = [_seconds(partial(_best, grid, asked[k : k + 1])) for k in range(singles)]
    whole = _seconds(partial(_best, grid, asked))
    return Decided(np.array(single), whole / batch, grid.scores(asked[:_CHECKED]).upper(_ALPHA))


def _students(n: int) -> FloatArray:
    """Features of students who want a decision, (students, student features)."""
    return np.random.default_rng([_SEED, 1]).normal(size=(n, _OF_STUDENT))


def _with_constant(features: FloatArray) -> FloatArray:
    return np.column_stack([np.ones(len(features)), features])


def _best(grid: Grid, students: FloatArray) -> IntArray:
    """Items with the highest upper bounds, in any order, (students, best)."""
    best = np.empty((len(students), _BEST), dtype=np.int64)
    for rows, found in grid.blocks(students, block=_BLOCK):
        best[rows] = np.argpartition(found.upper(_ALPHA), -_BEST, axis=1)[:, -_BEST:]
    return best


def _seconds(function: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def _large(n_items: int, n_students: int) -> str:
    rows = []
    for dtype, workers in (("float64", 1), ("float64", 2), ("float32", 2)):
        run = _fresh(_scored, n_items, n_students, dtype, workers)
        rows.append(
            (
                dtype,
                workers,
                f"{run.seconds:.1f}",
                f"{1_000 * run.seconds / n_students:.3f}",
                f"{run.before_mb:,.0f}",
                f"{run.peak_mb:,.0f}",
            )
        )
    header = ("numbers", "threads", "seconds", "ms a student", "MB before", "MB in the end")
    return table(header, rows)


def _scored(n_items: int, n_students: int, dtype: str, workers: int) -> Scored:
    world = World.drawn(n_items, _REWARDS_PER_ITEM * n_items)
    posterior = world.learnt(_HYBRID, BanditSettings(min_item_updates=0))
    parts = np.array_split(_students(n_students), workers)
    before = _peak_mb()
    begin = time.perf_counter()
    grid = Grid.of(posterior, _HYBRID, world.items, np.arange(n_items), dtype=dtype)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(_best, grid), parts))
    seconds = time.perf_counter() - begin
    return Scored(seconds, before, _peak_mb())


def _peak_mb() -> float:
    """Largest resident memory of this process so far."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _exactness(n: int) -> tuple[float, dict[str, float]]:
    """Seconds of updates one by one, and how far they end from one direct solution."""
    settings = BanditSettings()
    world = World.drawn(_UPDATE_ITEMS, n)
    data = world.rewards(_HYBRID)
    online = OnlinePosterior(world.state(_HYBRID, settings), refactor_every=n + 1)
    seconds = _seconds(partial(_take_all, online, data))
    if (online.state().n_rewards < settings.min_item_updates).any():
        raise ValueError(f"{n} rewards are too few for a block of each of {_UPDATE_ITEMS} items")
    weights, covariance = _direct(data, settings)
    d, now = data.shared.shape[1], online.posterior
    asked = data.shared[-2_000:], data.own[-2_000:], data.item[-2_000:]
    found, design = now.scores(*asked), _design(*asked).toarray()
    square = np.einsum("ri,ir->r", design, covariance @ design.T)
    return seconds, {
        "shared weights": _error(now.beta, weights[:d]),
        "items' own weights": _error(now.theta.ravel(), weights[d:]),
        "covariance of the shared weights": _error(now.root @ now.root.T, covariance[:d, :d]),
        "expected rewards": _error(found.mean, design @ weights),
        "widths": _error(found.width, np.sqrt(square)),
    }


def _take_all(online: OnlinePosterior, data: Rewards) -> None:
    each = zip(data.shared, data.own, data.item.tolist(), data.reward.tolist(), strict=True)
    for shared, own, item, reward in each:
        online.update(shared, own, item, reward)


def _design(shared: FloatArray, own: FloatArray, item: IntArray) -> sparse.csr_array:
    """Rows of the whole regression: shared features, then a block for each item."""
    width = own.shape[1]
    columns = item[:, None] * width + np.arange(width)
    place = np.repeat(np.arange(len(item)), width), columns.ravel()
    blocks = sparse.csr_array((own.ravel(), place), (len(item), _UPDATE_ITEMS * width))
    return sparse.hstack([sparse.csr_array(shared), blocks], format="csr")


def _direct(data: Rewards, settings: BanditSettings) -> tuple[FloatArray, FloatArray]:
    """Weights and covariance of one ridge regression, (weights,) and (weights, weights)."""
    design = _design(data.shared, data.own, data.item)
    prior = np.full(design.shape[1], settings.item_prior_precision)
    prior[: data.shared.shape[1]] = settings.prior_precision
    precision = (design.T @ design).toarray() + np.diag(prior)
    return np.linalg.solve(precision, design.T @ data.reward), np.linalg.inv(precision)


def _error(found: FloatArray, direct: FloatArray) -> float:
    return float(np.abs(found - direct).max() / np.abs(direct).max())


def _comparison(ours: Sequence[Decided], mabwiser: Sequence[Decided]) -> str:
    figures: dict[str, Callable[[Decided], float]] = {
        "one at a time": lambda run: float(np.median(run.single)),
        "in one call": lambda run: run.batch,
    }
    rows = []
    for name, seconds in figures.items():
        theirs, mine = ([1_000 * seconds(run) for run in tool] for tool in (mabwiser, ours))
        runs = (", ".join(f"{run:.3f}" for run in each) for each in (theirs, mine))
        rows.append((name, *runs, f"{median(theirs) / median(mine):,.0f}"))
    header = ("decisions", "mabwiser, ms each by run", "deepkt-irt, ms each by run", "ratio")
    return table(header, rows)


if __name__ == "__main__":
    print(section())
