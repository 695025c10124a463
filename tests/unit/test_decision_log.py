"""What a log of decisions must be."""

from dataclasses import replace

import numpy as np
import pytest

from deepkt_irt.bandit.decision_log import DecisionLog

NAN = float("nan")


def two_decisions():
    """Student 4 chose the second of two items, student 9 the first of three."""
    return DecisionLog(
        student=np.array([4, 9]),
        offsets=np.array([0, 2, 5]),
        item=np.array([7, 8, 7, 8, 9]),
        chosen=np.array([1, 2]),
        propensity=np.array([0.5, NAN]),
        reward=np.array([NAN, 2.5]),
    )


def test_log_knows_what_is_pending_and_what_was_not_logged():
    log = two_decisions()

    assert log.sizes.tolist() == [2, 3]
    assert log.has_reward.tolist() == [False, True]
    assert log.has_propensity.tolist() == [True, False]
    assert log.per_decision(np.array([1.0, 2, 3, 4, 5])).tolist() == [3, 12]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("offsets", [0, 0, 5], "decision 0: offsets leave no eligible item"),
        ("offsets", [0, 2, 4], "offsets must run from 0 to the number of rows, 5"),
        ("offsets", [0, 5], r"offsets must be \(3,\), not \(2,\)"),
        ("chosen", [2, 2], "decision 0: chosen is none of the decision's eligible rows"),
        ("chosen", [1, 5], "decision 1: chosen"),
        ("chosen", [2, 5], r"decision 0 \(and 1 more\): chosen"),
        ("chosen", [0.0, 2.0], "chosen must hold whole numbers"),
        ("student", [4, -1], "decision 1: student is below 0"),
        ("propensity", [0.0, 0.5], r"decision 0: propensity is outside \(0, 1\]"),
        ("propensity", [0.5, 1.01], r"decision 1: propensity is outside \(0, 1\]"),
        ("propensity", [0.5, -np.inf], "decision 1: propensity"),
        ("reward", [1.0, np.inf], "decision 1: reward is infinite"),
        ("reward", [1.0], r"reward must be \(2,\), not \(1,\)"),
    ],
)
def test_log_that_cannot_be_is_refused_with_decision_and_column(column, values, message):
    with pytest.raises(ValueError, match=message):
        replace(two_decisions(), **{column: np.array(values)})


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        ([0.5, 0.5, 0.2, 0.2, 0.5], "decision 1: candidate does not sum to 1"),
        ([1.5, -0.5, 0.2, 0.3, 0.5], "decision 0: candidate has a probability below 0"),
        ([0.5, NAN, 0.2, 0.3, 0.5], "decision 0: candidate is not finite"),
        ([0.5, 0.5], r"candidate must be \(5,\), one per row, not \(2,\)"),
    ],
)
def test_policy_that_cannot_be_is_refused_with_decision_and_name(probabilities, message):
    with pytest.raises(ValueError, match=message):
        two_decisions().checked_policy(np.array(probabilities), "candidate")


def test_policy_stored_in_32_bits_passes():
    stored = np.array([0.1, 0.9, 0.7, 0.2, 0.1], dtype=np.float32)

    assert two_decisions().checked_policy(stored, "candidate").dtype == np.float64
