"""Drift that a simulation planted is found, and what is no drift is not taken for it."""

from dataclasses import dataclass

import numpy as np
import pytest

from deepkt_irt.irt.ability import estimate_abilities
from deepkt_irt.irt.drift import Drift, detect_drift
from deepkt_irt.irt.drift_evidence import Reference, WindowResponses
from deepkt_irt.irt.drift_state import DriftState
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.response import probability_3pl

N_ITEMS, TAKERS, PER_STUDENT, HISTORY = 120, 200, 30, 30
N_STUDENTS = N_ITEMS * TAKERS // PER_STUDENT
SEEDS = range(4)


@dataclass(frozen=True)
class Found:
    """One window judged, and the truth."""

    drift: Drift
    truth: np.ndarray

    @property
    def flagged(self):
        return np.isin(self.drift.status, ["watch", "act"])

    @property
    def false_positives(self):
        return self.flagged[self.truth == 0].mean()

    @property
    def false_acts(self):
        return (self.drift.status == "act")[self.truth == 0].mean()

    @property
    def power(self):
        direction = np.where(self.truth > 0, "harder", "easier")
        right = self.flagged & (self.drift.direction == direction)
        return right[self.truth != 0].mean()


def items_of(rng):
    guessing = np.where(rng.random(N_ITEMS) < 0.3, 0.2, 0.0)
    return ItemParameters.dichotomous(
        rng.normal(size=N_ITEMS), rng.lognormal(0, 0.25, N_ITEMS), guessing
    )


def answers(rng, items, theta):
    p = probability_3pl(theta, items.slope, items.difficulty, items.guessing)
    return (rng.random(len(p)) < p).astype(float)


def cohort_of(rng, mean):
    """Students, and what 30 responses before tell of them under a N(0, 1) prior."""
    theta, other = rng.normal(mean, 1, N_STUDENTS), items_of(rng)
    student = np.repeat(np.arange(N_STUDENTS), HISTORY)
    item = rng.integers(0, N_ITEMS, len(student))
    score = answers(rng, other.take(item), theta[student])
    known = estimate_abilities(student, item, score, n_students=N_STUDENTS, items=other)
    return theta, known


def window_of(rng, items, theta, place):
    """200 takers of each item, likelier where the place is close to its difficulty."""
    wait = rng.exponential(size=(N_ITEMS, N_STUDENTS))
    if place is not None:
        wait *= np.exp(0.5 * (items.difficulty[:, None] - place) ** 2)
    student = np.argpartition(wait, TAKERS, axis=1)[:, :TAKERS].ravel()
    item = np.repeat(np.arange(N_ITEMS), TAKERS)
    order = rng.permutation(len(item))
    return student[order], item[order]


def judged(seed, *, cohort=0.0, routed_by=None, step=0.0, share=0.05, error=0.0, admitted=None):
    rng = np.random.default_rng(seed)
    items = items_of(rng)
    truth = np.zeros(N_ITEMS)
    moved = rng.choice(N_ITEMS, round(share * N_ITEMS), replace=False)
    truth[moved] = step * rng.choice([-1, 1], len(moved))
    theta, known = cohort_of(rng, cohort)
    place = {None: None, "ability": theta, "past results": known.ability}[routed_by]
    student, item = window_of(rng, items, theta, place)
    score = answers(rng, items.take(item), theta[student] - truth[item])
    b = items.difficulty + rng.normal(0, error, N_ITEMS) if error else items.difficulty
    reference = Reference(
        ItemParameters.dichotomous(b, items.slope, items.guessing),
        population_mean=known.ability,
        population_sd=known.ability_sd,
        n_known=known.student_n,
        difficulty_se=np.full(N_ITEMS, error if admitted is None else admitted),
    )
    responses = WindowResponses(student, item, score, np.zeros(len(item), int), N_STUDENTS)
    return Found(detect_drift(responses, reference), truth)


@pytest.mark.parametrize(
    ("cohort", "routed_by"), [(0.0, None), (0.8, None), (0.8, "ability"), (0.8, "past results")]
)
def test_another_cohort_and_routing_are_no_drift(cohort, routed_by):
    runs = [judged(seed, cohort=cohort, routed_by=routed_by) for seed in SEEDS]

    assert np.mean([run.false_positives for run in runs]) < 0.015
    assert np.mean([run.false_acts for run in runs]) < 0.005
    for run in runs:
        scatter = run.drift.delta / run.drift.delta_se
        assert 0.85 < scatter.std() < 1.15
        assert abs(np.corrcoef(run.drift.delta, run.drift.expected)[0, 1]) < 0.25


@pytest.mark.parametrize(("cohort", "routed_by"), [(0.0, None), (0.5, None), (0.5, "ability")])
def test_planted_drift_is_found_with_its_direction_and_size(cohort, routed_by):
    runs = [judged(seed, cohort=cohort, routed_by=routed_by, step=0.8) for seed in SEEDS]

    assert np.mean([run.power for run in runs]) > 0.7
    # a fifth of what is flagged may be false, a twentieth of what must be acted on
    assert np.mean([run.false_positives for run in runs]) < 0.03
    assert np.mean([run.false_acts for run in runs]) < 0.005
    sizes = np.concatenate([(run.drift.delta * np.sign(run.truth))[run.truth != 0] for run in runs])
    assert np.mean(sizes) == pytest.approx(0.8, abs=0.1)


def test_a_fifth_of_the_items_drifting_hides_neither_them_nor_the_shift():
    runs = [judged(seed, cohort=0.5, step=0.8, share=0.2) for seed in SEEDS]

    assert np.mean([run.power for run in runs]) > 0.65
    assert np.mean([run.false_positives for run in runs]) < 0.07
    assert np.mean([run.false_acts for run in runs]) < 0.02
    assert np.mean([abs(run.drift.shifts[0].shift) for run in runs]) < 0.1


def test_errors_of_a_thin_calibration_are_no_drift_admitted_or_not():
    admitted = [judged(seed, error=0.2) for seed in SEEDS]
    denied = [judged(seed, error=0.2, admitted=0.0) for seed in SEEDS]

    assert np.mean([run.false_positives for run in admitted]) < 0.005
    for run in admitted:
        assert 0.85 < (run.drift.delta / run.drift.delta_se).std() < 1.15
    # who takes them as exact is still protected by the scatter of the anchors
    assert np.mean([run.false_positives for run in denied]) < 0.04
    assert np.mean([run.false_acts for run in denied]) < 0.02
    assert np.mean([run.drift.shifts[0].dispersion for run in denied]) > 1.15
    assert np.mean([run.drift.shifts[0].dispersion for run in admitted]) < 1.05


def windows_of(seed, n_windows, step, *, error=0.0):
    """Statuses and directions, (windows, items); the first ten items drift by step a window."""
    rng = np.random.default_rng(seed)
    items = items_of(rng)
    mistake = rng.normal(0, error, N_ITEMS) if error else np.zeros(N_ITEMS)
    thought = ItemParameters.dichotomous(items.difficulty + mistake, items.slope, items.guessing)
    sign = np.where(np.arange(N_ITEMS) < 10, np.where(np.arange(N_ITEMS) % 2, 1, -1), 0)
    state = DriftState.start(np.full(N_ITEMS, error))
    found = []
    for window in range(1, n_windows + 1):
        theta, known = cohort_of(rng, 0.0)
        student, item = window_of(rng, items, theta, None)
        score = answers(rng, items.take(item), theta[student] - window * step * sign[item])
        reference = Reference(
            thought,
            population_mean=known.ability,
            population_sd=known.ability_sd,
            n_known=known.student_n,
            difficulty_se=np.full(N_ITEMS, error),
        )
        responses = WindowResponses(student, item, score, np.full(len(item), window), N_STUDENTS)
        found.append(detect_drift(responses, reference, state=state))
        state = found[-1].state
    return found, sign


@pytest.mark.parametrize(("error", "latest"), [(0.0, 7), (0.2, 10)])
def test_slow_drift_is_found_within_some_windows_and_called_slow(error, latest):
    found, sign = windows_of(3, 10, 0.1, error=error)

    moves = sign != 0
    direction = np.where(sign > 0, "harder", "easier")[moves]
    right = [each.direction[moves] == direction for each in found]
    assert np.mean(right[latest - 1]) > 0.6
    assert np.mean(right[1]) < 0.3
    steady = np.concatenate([each.status[~moves] != "stable" for each in found])
    assert steady.mean() < 0.01
    causes = found[latest - 1].likely_cause[moves][right[latest - 1]]
    slow = ("curriculum or teaching may be moving", "answers may be spreading")
    assert np.mean([cause.startswith(slow) for cause in causes]) > 0.6
    assert (found[-1].change * sign)[moves].mean() > 0.4
