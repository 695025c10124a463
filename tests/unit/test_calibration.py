"""Calibration against brute force on little data, what it survives, and what it refuses."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from deepkt_irt.errors import NoConvergence, NoData
from deepkt_irt.irt.calibration import calibrate
from deepkt_irt.irt.responses import Responses
from deepkt_irt.settings import CalibrationSettings

SETTINGS = CalibrationSettings(min_responses=2, tolerance=1e-6)


def drawn(seed, *, n_students, b, seen=1.0, a=1.0, spread=1.0):
    """Responses of N(0, spread^2) students to items of difficulty b, some missing."""
    rng = np.random.default_rng(seed)
    theta = spread * rng.normal(size=(n_students, 1))
    answered = rng.random((n_students, len(b))) < seen
    right = rng.random(answered.shape) < expit(a * (theta - b))
    student, item = np.nonzero(answered)
    return Responses(student, item, right[answered].astype(np.int64), n_students, len(b))


def dense_minimum(data, is_2pl):
    """Penalised likelihood maximised by a general optimiser: b, a and sigma of mixed items."""
    z = np.linspace(-5, 5, 41)
    weights = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()
    items = len(is_2pl)

    def unpacked(x):
        return x[:items], np.where(is_2pl, x[items : 2 * items], 0.0), x[-1]

    def objective(x):
        d, log_a, log_sigma = unpacked(x)
        eta = np.exp(log_a + log_sigma)[:, None] * z + d[:, None]  # (items, nodes)
        logs = np.zeros((data.n_students, len(z)))
        signed = np.where(data.level[:, None] == 1, eta[data.item], -eta[data.item])
        np.add.at(logs, data.student, log_expit(signed))
        mean = d.sum() / (items + 1)
        penalty = (((d - mean) ** 2).sum() + mean**2) / (2 * 2.0**2)
        penalty += (log_a[is_2pl] ** 2).sum() / (2 * 0.5**2) + log_sigma**2 / 2
        return penalty - np.log(np.exp(logs) @ weights).sum()

    d, log_a, log_sigma = unpacked(minimize(objective, np.zeros(2 * items + 1), tol=1e-9).x)
    return -d / np.exp(log_a), np.exp(log_a), np.exp(log_sigma)


def test_calibrate_1pl_equals_a_general_optimiser():
    data = drawn(1, n_students=60, b=np.array([-1.0, 0.0, 0.8]), seen=0.8)

    fitted = calibrate(data, settings=SETTINGS)

    b, _, sigma = dense_minimum(data, np.zeros(3, dtype=bool))
    np.testing.assert_allclose(fitted.difficulty, b, atol=1e-3)
    assert fitted.population_sd == pytest.approx(sigma, abs=1e-3)


def test_calibrate_mixed_models_equal_a_general_optimiser():
    data = drawn(2, n_students=300, b=np.array([-1.0, 0.0, 0.8, 0.3]), a=np.array([1, 2, 0.5, 1]))
    thin = (data.item != 3) | (data.student % 4 == 0)
    cut = Responses(data.student[thin], data.item[thin], data.level[thin], 300, 4)

    fitted = calibrate(cut, settings=CalibrationSettings(min_responses_2pl=100, tolerance=1e-6))

    assert fitted.model.tolist() == ["2PL", "2PL", "2PL", "1PL"]
    b, a, sigma = dense_minimum(cut, fitted.model == "2PL")
    np.testing.assert_allclose(fitted.difficulty, b, atol=2e-3)
    np.testing.assert_allclose(fitted.discrimination[:3], a[:3], atol=2e-3)
    assert np.isnan(fitted.discrimination[3])
    assert np.isnan(fitted.discrimination_se[3])
    assert fitted.population_sd == pytest.approx(sigma, abs=2e-3)


def test_calibrate_few_responses_report_no_slope():
    fitted = calibrate(drawn(2, n_students=300, b=np.linspace(-1, 1, 8)), settings=SETTINGS)

    assert np.isnan(fitted.discrimination).all()
    assert not (fitted.model == "2PL").any()


def test_calibrate_item_with_one_kind_of_answer_gets_no_slope():
    data = drawn(3, n_students=200, b=np.zeros(4))
    correct = np.where(data.item == 0, 1, data.level)

    fitted = calibrate(
        Responses(data.student, data.item, correct, 200, 4),
        settings=CalibrationSettings(min_responses_2pl=100),
    )

    assert (fitted.model == "2PL").tolist() == [False, True, True, True]
    assert np.isfinite(fitted.discrimination).tolist() == (fitted.model == "2PL").tolist()
    assert np.isfinite(fitted.discrimination_se).tolist() == (fitted.model == "2PL").tolist()


def test_calibrate_thin_items_that_are_all_easy_do_not_drag_the_scale():
    """A prior around 0 on each of many thin items would move abilities instead of items."""
    easy = np.random.default_rng(4).normal(-1.5, 1, size=2_000)
    data = drawn(4, n_students=200, b=easy, seen=0.04)

    fitted = calibrate(data, settings=CalibrationSettings())

    kept = np.isfinite(fitted.difficulty)
    assert abs((fitted.difficulty - easy)[kept].mean()) < 0.2
    assert abs(fitted.students.ability.mean()) < 0.05
    assert fitted.population_sd == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_calibrate_finds_a_narrow_and_a_wide_spread_of_abilities(spread):
    data = drawn(5, n_students=600, b=np.linspace(-1, 1, 40), spread=spread)

    fitted = calibrate(data, settings=CalibrationSettings(min_responses_2pl=10_000))

    assert fitted.population_sd == pytest.approx(spread, rel=0.1)


def test_calibrate_abilities_without_any_spread_stay_finite():
    rng = np.random.default_rng(6)
    student, item = (x.ravel() for x in np.indices((100, 20)))
    coins = Responses(student, item, rng.integers(0, 2, 2_000), 100, 20)

    fitted = calibrate(coins, settings=SETTINGS)

    assert 0 < fitted.population_sd < 0.3
    assert fitted.students.reliability < 0.2
    assert np.isfinite(fitted.difficulty_se).all()


def test_calibrate_one_response_a_student_leaves_the_spread_at_one():
    student = np.arange(2_000)
    right = np.random.default_rng(8).integers(0, 2, 2_000)

    fitted = calibrate(Responses(student, student % 20, right, 2_000, 20), settings=SETTINGS)

    assert fitted.population_sd == 1


def test_calibrate_student_with_hundreds_of_responses_gets_an_honest_spread():
    """Nodes farther apart than the posterior is wide would say all but certain."""
    data = drawn(7, n_students=60, b=np.random.default_rng(7).normal(size=1_000))

    fitted = calibrate(data, settings=CalibrationSettings())

    typical = 1 / np.sqrt(1_000 * 0.18)
    assert fitted.students.ability_sd.min() > 0.9 * typical
    assert fitted.students.ability_sd.max() < 2 * typical


def test_calibrate_item_below_the_minimum_is_left_out_and_the_others_stay():
    data = drawn(3, n_students=100, b=np.zeros(4))
    thin = (data.item != 2) | (data.student < 3)
    cut = Responses(data.student[thin], data.item[thin], data.level[thin], 100, 4)

    fitted = calibrate(cut, settings=CalibrationSettings(min_responses=5))

    assert np.isnan(fitted.difficulty).tolist() == [False, False, True, False]
    assert fitted.n_responses.tolist() == [100, 100, 3, 100]


@pytest.mark.parametrize(("answer", "sign"), [(1, -1), (0, 1)])
def test_calibrate_item_everyone_answers_alike_stays_finite_and_unsure(answer, sign):
    data = drawn(4, n_students=100, b=np.zeros(4))
    correct = np.where(data.item == 0, answer, data.level)

    fitted = calibrate(Responses(data.student, data.item, correct, 100, 4), settings=SETTINGS)

    assert 3 < sign * fitted.difficulty[0] < 10
    assert fitted.difficulty_se[0] > 2 * fitted.difficulty_se[1]


def test_calibrate_nothing_but_right_answers_stays_finite():
    student, item = (x.ravel() for x in np.indices((50, 10)))

    fitted = calibrate(Responses(student, item, np.ones(500, dtype=int), 50, 10), settings=SETTINGS)

    assert np.isfinite(fitted.difficulty).all()
    assert np.isfinite(fitted.difficulty_se).all()


def test_calibrate_out_of_iterations_says_what_to_change():
    impatient = CalibrationSettings(max_iterations=10, tolerance=1e-12)

    with pytest.raises(NoConvergence, match="max_iterations"):
        calibrate(drawn(5, n_students=200, b=np.linspace(-2, 2, 10)), settings=impatient)


def test_calibrate_no_item_with_enough_responses_is_refused():
    with pytest.raises(NoData, match="5 first attempts"):
        calibrate(drawn(5, n_students=4, b=np.zeros(3)), settings=CalibrationSettings())


def test_calibrate_two_responses_of_a_student_to_an_item_are_refused():
    twice = Responses(*(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]), np.ones(4, int)), 2, 2)

    with pytest.raises(ValueError, match="several responses"):
        calibrate(twice, settings=SETTINGS)


@pytest.mark.parametrize(
    ("student", "item", "correct", "problem"),
    [
        ([0], [0], [0.5], "whole numbers"),
        ([0], [0], [-1], "levels start at 0"),
        ([0], [5], [1], "item index"),
        ([0], [-1], [1], "item index"),
        ([7], [0], [1], "student index"),
        ([0, 1], [0], [1], "differ in length"),
    ],
)
def test_responses_that_cannot_be_are_refused(student, item, correct, problem):
    arrays = (np.array(x) for x in (student, item, correct))

    with pytest.raises(ValueError, match=problem):
        Responses(*arrays, n_students=2, n_items=2)


def test_responses_none_at_all_are_refused():
    nothing = np.zeros(0, dtype=np.int64)

    with pytest.raises(NoData):
        Responses(nothing, nothing, nothing, 1, 1)
