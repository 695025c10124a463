"""Calibrations of ASSISTments: what they foretell of held-out students, and how stable they are.

Reads the research data in place and gives figures only: no row and no id of it is written.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from deepkt_irt.irt.ability import sequential_probabilities
from deepkt_irt.irt.calibration import Calibration, calibrate
from deepkt_irt.irt.linking import Estimates, Link, link
from deepkt_irt.irt.responses import Responses
from deepkt_irt.irt.stability import Stability, stability
from deepkt_irt.knowledge_tracing.baselines import item_means
from deepkt_irt.settings import CalibrationSettings, DriftSettings, LinkingSettings
from held_out import INTERVALS, Comparison, FloatArray, IntArray
from page import REPOSITORY, CannotRunError, table

_HELD_OUT_PERCENT = 20
_HELD_OUT_FOLD = 5
_HALF_YEAR_S = 365 * 86_400 // 2
_ENOUGH = 100  # responses in each half year, for an item to count
_STRONGEST = 10
_LOOSE_CORRELATION = 0.5
_NEVER = 10**9
# a tenth of the accuracy that is the default halves the time and moves no log-loss by 0.00001
_TOLERANCE = 1e-3
_MODELS: dict[str, dict[str, int]] = {
    "1PL": {"min_responses_2pl": _NEVER, "min_responses_3pl": _NEVER},
    "defaults": {},
    "2PL, from 50 responses": {"min_responses_2pl": 50, "min_responses_3pl": _NEVER},
    "3PL, guessing from 100 responses": {"min_responses_2pl": 50, "min_responses_3pl": 100},
}


@dataclass(frozen=True)
class FirstAttempts:
    """First attempts of students on items, sorted by student and in order of time.

    Attributes:
        student: Index of the student, (responses,).
        item: Index of the item, (responses,).
        correct: 1 right, 0 wrong, (responses,).
        held_out: Responses of students that calibrations do not see, (responses,).
    """

    student: IntArray
    item: IntArray
    correct: IntArray
    held_out: np.ndarray

    @property
    def n_items(self) -> int:
        """Number of items."""
        return int(self.item.max()) + 1

    def of(self, which: np.ndarray, *, guessable: bool = False) -> Responses:
        """Some of them, for calibrate."""
        places, student = np.unique(self.student[which], return_inverse=True)
        may_guess = np.full(self.n_items, guessable)
        sizes = (len(places), self.n_items)
        item, correct = self.item[which], self.correct[which]
        return Responses(student, item, correct, *sizes, guessable=may_guess)


def section() -> str:
    """The section of the page."""
    folder = Path(os.environ.get("DEEPKT_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "assist2009").is_dir() or not (folder / "assist2012").is_dir():
        raise CannotRunError(f"ASSISTments 2009 and 2012 are not in {folder} (DEEPKT_SHARED_DATA)")
    year_2009 = _attempts_2009(folder / "assist2009" / "interactions.csv.gz")
    year_2012, seconds = _attempts_2012(folder / "assist2012" / "interactions.csv.gz")
    return f"""## Calibration of ASSISTments: held-out students, and two half years

Data: ASSISTments 2009-10 (skill builder, collapsed) and 2012-13, which are no part of the project;
the first attempt of each student on each item, in order. Protocol: items are calibrated on the
training students; each response of a held-out student is predicted from the student's earlier
responses, starting at the training students' distribution of ability. Held out are fold
{_HELD_OUT_FOLD} of 2009 and {_HELD_OUT_PERCENT}% of the students of 2012 by hash. An item that is
not calibrated is predicted as one of mean difficulty; the item mean is that of the training
students, to whom 5 responses of overall share are added. "Defaults" gives slopes from
{CalibrationSettings().min_responses_2pl} responses; the 3PL takes every item for guessable.
Calibrations here stop at changes below {_TOLERANCE}.
{INTERVALS}

### ASSISTments 2009

{_held_out(year_2009)}

### ASSISTments 2012

{_held_out(year_2012)}

### Two half years of ASSISTments 2012

{_half_years(year_2012, seconds)}
"""


def _attempts_2009(path: Path) -> FirstAttempts:
    columns = ["user_id", "seq_pos", "problem_id", "correct", "src_fold"]
    rows = pd.read_csv(path, usecols=columns).sort_values(["user_id", "seq_pos"])
    rows = rows.drop_duplicates(["user_id", "problem_id"])
    held_out = (rows["src_fold"] == _HELD_OUT_FOLD).to_numpy()
    return _first_attempts(rows["user_id"], rows["problem_id"], rows["correct"], held_out)


def _attempts_2012(path: Path) -> tuple[FirstAttempts, IntArray]:
    """First attempts and their time in seconds."""
    columns = ["user_id", "item_id", "timestamp", "correct"]
    rows = pd.read_csv(path, usecols=columns)
    rows = rows.sort_values(["user_id", "timestamp"], kind="stable")
    rows = rows.drop_duplicates(["user_id", "item_id"])
    users, place = np.unique(rows["user_id"], return_inverse=True)
    held_out = np.array([_bucket(user) < _HELD_OUT_PERCENT for user in users])[place]
    attempts = _first_attempts(rows["user_id"], rows["item_id"], rows["correct"], held_out)
    return attempts, rows["timestamp"].to_numpy()


def _bucket(user: int) -> int:
    """0 to 99, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"assist2012:{user}".encode()).digest()[:8]) % 100


def _first_attempts(
    user: pd.Series, item: pd.Series, correct: pd.Series, held_out: np.ndarray
) -> FirstAttempts:
    student, items = (np.unique(each, return_inverse=True)[1] for each in (user, item))
    return FirstAttempts(student, items, correct.to_numpy(dtype=np.int64), held_out)


def _held_out(attempts: FirstAttempts) -> str:
    """A row for the item mean and for each model, on the held-out students."""
    train, test = attempts.of(~attempts.held_out), attempts.of(attempts.held_out)
    means = item_means(train.item, train.level, n_items=attempts.n_items)
    predicted, chosen = {"item mean": means[test.item]}, {"item mean": ""}
    for name, given in _MODELS.items():
        data = attempts.of(~attempts.held_out, guessable=name.startswith("3PL"))
        found = calibrate(data, settings=CalibrationSettings(**given, tolerance=_TOLERANCE))
        predicted[name], chosen[name] = _predicted(test, found), _chosen(found)
    comparison = Comparison(test.student, test.level, predicted)
    header = ("prediction", "log-loss", "log-loss less 1PL's", "AUC", "AUC less 1PL's", "items")
    rows = [(name, *comparison.cells(name, beside="1PL"), chosen[name]) for name in predicted]
    n = np.bincount(train.item, minlength=attempts.n_items)
    known = (n[test.item] >= CalibrationSettings().min_responses).mean()
    return f"""Training: {train.n_students:,} students, {len(train.item):,} responses,
{(n > 0).sum():,} items of which the median has {np.median(n[n > 0]):.0f} responses. Held out:
{test.n_students:,} students, {len(test.item):,} responses, {known:.1%} of them on calibrated items.

{table(header, rows)}"""


def _predicted(test: Responses, found: Calibration) -> FloatArray:
    offsets = np.searchsorted(test.student, np.arange(test.n_students + 1))
    return sequential_probabilities(
        offsets,
        test.item,
        test.level,
        items=found.items,
        population_mean=found.population_mean,
        population_sd=found.population_sd,
    )


def _chosen(found: Calibration) -> str:
    names, counts = np.unique(found.model[found.model != ""], return_counts=True)
    return ", ".join(f"{n:,} {name}" for name, n in zip(names, counts, strict=True))


def _half_years(attempts: FirstAttempts, seconds: IntArray) -> str:
    early = seconds < _HALF_YEAR_S
    halves = [attempts.of(early), attempts.of(~early)]
    first, second = (calibrate(half, settings=CalibrationSettings()) for half in halves)
    found, said = _linked(first, second)
    enough = np.minimum(first.n_responses, second.n_responses) >= _ENOUGH
    linked = found.apply_to_estimates(_estimates(second))
    old, new = _among(_estimates(first), enough), _among(linked, enough)
    sizes = [f"{len(half.item):,} responses of {half.n_students:,} students" for half in halves]
    return f"""First attempts of the first half year ({sizes[0]}) and of the second ({sizes[1]}),
each calibrated by itself with default settings, then linked. {said} Compared are the items with at
least {_ENOUGH} responses in both.

{_stable(stability(old, new), corrected=_corrected_correlation(old, new))}"""


def _linked(first: Calibration, second: Calibration) -> tuple[Link, str]:
    """The link by default settings, or one that asks less of the anchors; and what to say of it."""
    population = {"population_mean": first.population_mean, "population_sd": first.population_sd}
    old, new = _estimates(first), _estimates(second)
    found, said = link(old, new, settings=LinkingSettings(), **population), "By default settings: "
    if found.refusal:
        settings = LinkingSettings(min_correlation=_LOOSE_CORRELATION)
        said = (
            f"Default settings refuse the link: {found.refusal}. "
            f"With min_correlation at {_LOOSE_CORRELATION} instead:\n"
        )
        found = link(old, new, settings=settings, **population)
    return found, said + (
        f"link ({found.method}): A {found.slope:.3f}, B {found.intercept:+.3f} logits (standard "
        f"error {found.intercept_se:.3f}), {found.anchors.sum():,} anchors, "
        f"{found.screened.sum():,} screened out."
    )


def _estimates(found: Calibration) -> Estimates:
    return Estimates(found.items, found.difficulty_se, found.discrimination_se)


def _among(estimates: Estimates, which: np.ndarray) -> Estimates:
    se = np.where(which, estimates.difficulty_se, np.nan)
    return Estimates(estimates.items, se, estimates.slope_se)


def _corrected_correlation(old: Estimates, new: Estimates) -> float:
    """Of true difficulties: of the estimates, over the root of both reliabilities."""
    both = np.isfinite(old.difficulty_se) & np.isfinite(new.difficulty_se)
    reliable = [
        1 - (each.difficulty_se[both] ** 2).mean() / each.items.difficulty[both].var()
        for each in (old, new)
    ]
    r = np.corrcoef(old.items.difficulty[both], new.items.difficulty[both])[0, 1]
    return float(r / np.sqrt(np.prod(reliable)))


def _stable(compared: Stability, *, corrected: float) -> str:
    act = DriftSettings().act
    moved = (compared.q < DriftSettings().false_discovery_rate) & (np.abs(compared.change) >= act)
    strongest = np.flatnonzero(moved)
    strongest = strongest[np.argsort(-np.abs(compared.change[strongest]))][:_STRONGEST]
    figures = table(
        ("figure", "value"),
        [
            ("items compared", f"{compared.n_items:,}"),
            ("correlation of difficulties", f"{compared.correlation:.3f}"),
            ("the same, corrected for standard errors", f"{corrected:.3f}"),
            ("RMSD of difficulties, logits", f"{compared.rmsd:.3f}"),
            ("RMSD that standard errors alone would give", f"{compared.rmsd_of_error:.3f}"),
            ("mean change, logits", f"{compared.mean_difference:+.3f}"),
            (f"drifted: q < 0.05 and a change of {act} logits or more", f"{moved.sum():,}"),
        ],
    )
    changes = [
        (rank + 1, f"{compared.change[item]:+.2f}", f"{compared.change_se[item]:.2f}")
        for rank, item in enumerate(strongest)
    ]
    listed = table(("rank", "change, logits", "standard error"), changes)
    return f"""{figures}

The strongest changes, without the items' ids:

{listed}"""


if __name__ == "__main__":
    print(section())
