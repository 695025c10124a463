"""Laws of the item response functions."""

import numpy as np
import pytest

from deepkt_irt.irt.response import information_3pl, probability_3pl


@pytest.mark.parametrize("c", [0.0, 0.2])
def test_probability_at_the_difficulty_lies_halfway(c):
    assert probability_3pl(0.7, 1.3, 0.7, c) == pytest.approx((1 + c) / 2)


def test_probability_rises_with_ability_and_stays_between_guessing_and_one():
    p = probability_3pl(np.linspace(-8, 8, 50), 1.2, 0.0, 0.25)

    assert (np.diff(p) > 0).all()
    assert p.min() > 0.25
    assert p.max() < 1


def test_information_without_guessing_peaks_at_the_difficulty():
    theta = np.linspace(-3, 3, 601)
    information = information_3pl(theta, 1.5, 0.5)

    assert theta[information.argmax()] == pytest.approx(0.5, abs=0.01)
    assert information.max() == pytest.approx(1.5**2 / 4, rel=1e-4)


def test_information_falls_with_guessing():
    assert information_3pl(0.0, 1.0, 0.0, 0.3) < information_3pl(0.0, 1.0, 0.0)
