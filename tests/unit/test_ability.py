"""Abilities that follow a student's answers."""

import itertools

import numpy as np
import pytest
from scipy.special import expit

from deepkt_irt.irt.ability import eap, predict_sequentially
from deepkt_irt.irt.calibration import Responses, calibrate
from deepkt_irt.settings import CalibrationSettings

OFFSETS = np.array([0, 3, 3, 5])  # the second student has no responses
ITEM = np.array([0, 1, 2, 1, 0])
CORRECT = np.array([1, 0, 1, 1, 1])
DIFFICULTY = np.array([-0.5, 0.4, np.nan])
SLOPES = np.full(3, np.nan)


def predicted(correct=CORRECT, item=ITEM):
    return predict_sequentially(
        OFFSETS, item, correct, difficulty=DIFFICULTY, discrimination=SLOPES, population_sd=1.0
    )


def test_predict_sequentially_equals_a_plain_loop():
    theta = np.linspace(-5, 5, 161)
    expected = []
    for start, end in itertools.pairwise(OFFSETS):
        mass = np.exp(-0.5 * theta**2)
        for at in range(start, end):
            b = DIFFICULTY[ITEM[at]]
            p = expit(theta - (np.nanmean(DIFFICULTY) if np.isnan(b) else b))
            mass = mass / mass.sum()
            expected.append((mass * p).sum())
            if not np.isnan(b):
                mass = mass * (p if CORRECT[at] else 1 - p)

    np.testing.assert_allclose(predicted(), expected)


def test_predict_sequentially_answer_moves_only_what_the_same_student_does_later():
    moved = np.abs(predicted(np.array([0, 0, 1, 1, 1])) - predicted()) > 1e-9

    assert moved.tolist() == [False, True, True, False, False]


def test_predict_sequentially_uncalibrated_item_tells_nothing_of_ability():
    item = np.array([2, 1, 0, 1, 0])

    assert (
        predicted(np.array([1, 0, 1, 1, 1]), item)[1]
        == predicted(np.array([0, 0, 1, 1, 1]), item)[1]
    )


def test_predict_sequentially_long_history_reaches_the_students_ability():
    rng = np.random.default_rng(1)
    n, theta = 4_000, 0.37
    b = rng.normal(size=n)
    correct = (rng.random(n) < expit(theta - b)).astype(np.int64)

    p = predict_sequentially(
        np.array([0, n]),
        np.arange(n),
        correct,
        difficulty=b,
        discrimination=np.full(n, np.nan),
        population_sd=1.0,
    )

    np.testing.assert_allclose(p[-500:], expit(theta - b[-500:]), atol=0.03)


def test_eap_equals_a_plain_loop():
    responses = Responses(np.array([0, 0, 0, 2, 2]), ITEM, CORRECT, 3, 3)
    slopes = np.array([np.nan, 1.7, np.nan])
    theta = np.linspace(-10, 10, 2_001)

    found = eap(responses, difficulty=DIFFICULTY, discrimination=slopes, population_sd=1.3)

    for student in (0, 2):
        mass = np.exp(-0.5 * (theta / 1.3) ** 2)
        for item, y in zip(
            ITEM[responses.student == student], CORRECT[responses.student == student], strict=True
        ):
            if item != 2:  # which is not calibrated
                p = expit((1.7 if item == 1 else 1.0) * (theta - DIFFICULTY[item]))
                mass *= p if y else 1 - p
        mass /= mass.sum()
        mean = mass @ theta
        assert found.ability[student] == pytest.approx(mean, abs=1e-4)
        assert found.ability_sd[student] == pytest.approx(
            np.sqrt(mass @ theta**2 - mean**2), abs=1e-4
        )
    assert np.isnan(found.ability[1])
    assert found.student_n.tolist() == [2, 0, 2]


def test_eap_under_a_calibration_gives_its_abilities_back():
    rng = np.random.default_rng(2)
    student, item = (x.ravel() for x in np.indices((200, 10)))
    right = rng.random(2_000) < expit(rng.normal(size=200)[student] - np.linspace(-1, 1, 10)[item])
    responses = Responses(student, item, right.astype(np.int64), 200, 10)
    fitted = calibrate(responses, settings=CalibrationSettings(min_responses_2pl=200))

    found = eap(
        responses,
        difficulty=fitted.difficulty,
        discrimination=fitted.discrimination,
        population_sd=fitted.population_sd,
    )

    np.testing.assert_allclose(found.ability, fitted.ability)
    np.testing.assert_allclose(found.ability_sd, fitted.ability_sd)
