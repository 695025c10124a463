"""Abilities that follow a student's answers."""

import itertools

import numpy as np
from scipy.special import expit

from deepkt_irt.irt.ability import predict_sequentially

OFFSETS = np.array([0, 3, 3, 5])  # the second student has no responses
ITEM = np.array([0, 1, 2, 1, 0])
CORRECT = np.array([1, 0, 1, 1, 1])
DIFFICULTY = np.array([-0.5, 0.4, np.nan])
SLOPES = np.array([np.nan, 1.7, np.nan])
SPREAD = 1.3


def predicted(correct=CORRECT, item=ITEM):
    return predict_sequentially(
        OFFSETS, item, correct, difficulty=DIFFICULTY, discrimination=SLOPES, population_sd=SPREAD
    )


def test_predict_sequentially_equals_a_plain_loop():
    theta = np.linspace(-5, 5, 161) * SPREAD
    expected = []
    for start, end in itertools.pairwise(OFFSETS):
        mass = np.exp(-0.5 * (theta / SPREAD) ** 2)
        for at in range(start, end):
            b = DIFFICULTY[ITEM[at]]
            a = 1.7 if ITEM[at] == 1 else 1.0
            p = expit(a * (theta - (np.nanmean(DIFFICULTY) if np.isnan(b) else b)))
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
