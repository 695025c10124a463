"""Mastery says what success on any item of the skill is to be expected."""

import numpy as np
import pytest

from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.skill_scale import SkillScale

ITEMS = ItemParameters.dichotomous([0.0, 0.5, 2.0, np.nan, -1.0], guessing=[0, 0, 0.2, np.nan, 0])
SCALE = SkillScale.of(ITEMS, {1: [0], 2: [0, 1], 3: [3]})


def rows(*values):
    return np.array(values)


def test_ability_gives_the_mastery_on_the_reference_items():
    theta = SCALE.ability(rows(2, 2), rows(0.3, 0.8))

    mean = ITEMS.take(np.array([0, 1])).expected_score(theta).mean(axis=1)
    assert mean == pytest.approx([0.3, 0.8], abs=1e-3)


def test_ability_beyond_the_curves_reach_is_taken_at_its_end():
    assert SCALE.ability(rows(1, 1), rows(0.0, 1.0)).tolist() == [-6.0, 6.0]
    assert np.isnan(SCALE.ability(rows(3, 9, -1), rows(0.5, 0.5, 0.5))).all()


def simulated(theta, items, seed=0):
    p = ITEMS.take(items).paired(np.full(len(items), theta))[0]
    return (np.random.default_rng(seed).random(len(items)) < p).astype(float)


@pytest.mark.parametrize("items", [[0], [1, 4], [2], [0, 1, 2, 4]])
def test_gain_is_what_ability_rose_by_whichever_probes_came(items):
    """Mastery was 0.6; the ability behind it has risen by 0.4 logits since."""
    before = SCALE.ability(rows(1), rows(0.6))[0]
    probes = np.resize(np.array(items), 6_000)
    correct = simulated(before + 0.4, probes)

    found = SCALE.gain(rows(1), rows(0.6), np.zeros(6_000, dtype=int), probes, correct)

    after = ITEMS.take(rows(0)).expected_score(before + 0.4)[0]
    assert found[0] == pytest.approx(after - 0.6, abs=0.02)


def test_gain_of_several_decisions_is_each_ones_own():
    decision = rows(0, 0, 0, 1, 1, 1)
    correct = rows(1.0, 1.0, 1.0, 0.0, 0.0, 0.0)

    up, down, none = SCALE.gain(
        rows(1, 1, 1), rows(0.6, 0.6, 0.6), decision, rows(0, 0, 0, 0, 0, 0), correct
    )

    assert up > 0.2
    assert down < -0.2
    assert np.isnan(none)


@pytest.mark.parametrize(
    ("skill", "item"), [(3, 0), (1, 3), (1, -1), (-1, 0)],
    ids=["no calibrated reference", "item not calibrated", "unknown item", "unknown skill"],
)  # fmt: skip
def test_gain_without_a_curve_is_the_share_of_right_answers_less_the_mastery(skill, item):
    correct = rows(1.0, 1.0, 0.0, 1.0)

    found = SCALE.gain(rows(skill), rows(0.5), np.zeros(4, int), np.full(4, item), correct)

    assert found == pytest.approx([0.25])
