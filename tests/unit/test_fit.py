"""Item statistics against plain loops and hand-made cases."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from deepkt_irt.irt.fit import information_summary, item_fit, option_statistics, wilson
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.predictive import leave_one_out

# the fifth has no curve, and nobody met the sixth
ITEMS = ItemParameters.dichotomous([-1.0, 0.0, 0.7, 1.5, np.nan, 0.0], [1, 1.6, 0.8, 1, 1, 1])
STUDENTS = 60


@pytest.fixture(scope="module")
def answers():
    rng = np.random.default_rng(4)
    theta = rng.normal(size=STUDENTS)
    student, item = np.nonzero(rng.random((STUDENTS, 5)) < 0.8)
    b = np.append(ITEMS.difficulty[:4], 0.0)
    score = (rng.random(len(item)) < expit(theta[student] - b[item])).astype(float)
    return student, item, score


@pytest.fixture(scope="module")
def predicted(answers):
    return leave_one_out(
        *answers, n_students=STUDENTS, items=ITEMS, population_mean=0, population_sd=1
    )


@pytest.fixture(scope="module")
def fitted(answers, predicted):
    _, item, score = answers
    return item_fit(item, score, predicted=predicted, difficulty_estimated=False)


def test_wilson_worked_by_hand():
    low, high = wilson([0.5, 0.0, 1.0], [10, 10, 10])

    assert low == pytest.approx([0.2366, 0, 0.7225], abs=1e-4)
    assert high == pytest.approx([0.7634, 0.2775, 1], abs=1e-4)


def test_wilson_of_no_observation_is_unknown():
    low, high = wilson(np.nan, 0)

    assert np.isnan(low)
    assert np.isnan(high)


@given(st.floats(0, 1), st.integers(1, 10_000))
def test_wilson_holds_the_share_and_narrows_with_observations(share, n):
    low, high = wilson(share, n)
    low_more, high_more = wilson(share, 4 * n)

    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1
    assert high_more - low_more < high - low


@pytest.fixture(scope="module")
def pinned(answers, predicted):
    return item_fit(*answers[1:], predicted=predicted, difficulty_estimated=True)


@pytest.mark.parametrize("estimated", [False, True])
@pytest.mark.parametrize("item", range(4))
def test_item_fit_mean_squares_equal_their_definition(
    answers, predicted, fitted, pinned, item, estimated
):
    own = answers[1] == item
    square = (answers[2] - predicted.expected)[own] ** 2
    variance, fourth = predicted.variance[own], predicted.fourth[own]

    infit, outfit = square.sum() / variance.sum(), (square / variance).mean()
    q_in = np.sqrt((fourth - variance**2).sum()) / variance.sum()
    q_out = np.sqrt((fourth / variance**2 - 1).sum()) / own.sum()
    if estimated:
        fitted = pinned
        third = predicted.third[own]
        q_in = np.sqrt(q_in**2 - third.sum() ** 2 / variance.sum() ** 3)
        shared = (third / variance).sum() ** 2 / variance.sum()
        q_out = np.sqrt(q_out**2 - shared / own.sum() ** 2)
    assert fitted.infit[item] == pytest.approx(infit)
    assert fitted.outfit[item] == pytest.approx(outfit)
    assert fitted.infit_z[item] == pytest.approx((infit ** (1 / 3) - 1) * 3 / q_in + q_in / 3)
    assert fitted.outfit_z[item] == pytest.approx((outfit ** (1 / 3) - 1) * 3 / q_out + q_out / 3)


def test_item_fit_rmsd_is_the_excess_of_the_curves_over_chance(predicted, fitted):
    curves = predicted.curves
    for item in range(4):
        w = curves.mass[item]
        distance = curves.residual[item] / w
        chance = curves.variance[item] / w**2
        square = (w * (distance**2 - chance)).sum() / w.sum()
        assert fitted.rmsd[item] == pytest.approx(np.sqrt(max(square, 0)))


def test_item_fit_rmsd_sees_a_curve_far_from_the_observed(answers, predicted):
    student, item, score = answers
    wrong = ItemParameters.dichotomous([-1.0, 0.0, 0.7, -2.0, np.nan])
    found = leave_one_out(
        student, item, score, n_students=STUDENTS, items=wrong, population_mean=0, population_sd=1
    )

    rmsd = item_fit(item, score, predicted=found).rmsd
    assert rmsd[3] > 0.4
    assert (rmsd[:3] < 0.2).all()


def test_item_fit_correlation_is_that_with_the_ability_from_other_items(answers, predicted, fitted):
    _, item, score = answers
    for at in range(5):
        own = (item == at) & (predicted.n_others > 0)
        expected = np.corrcoef(score[own], predicted.ability[own])[0, 1]
        assert fitted.item_theta_correlation[at] == pytest.approx(expected)


def test_item_fit_item_without_a_curve_has_classical_statistics_only(answers, fitted):
    _, item, score = answers

    assert fitted.n[4] == (item == 4).sum()
    assert fitted.p_value[4] == pytest.approx(score[item == 4].mean())
    assert fitted.p_low[4] < fitted.p_value[4] < fitted.p_high[4]
    for name in ("infit", "infit_z", "outfit", "outfit_z", "rmsd"):
        assert np.isnan(getattr(fitted, name)[4])


def test_item_fit_item_nobody_met_is_unknown(fitted):
    assert fitted.n[5] == 0
    for name in ("p_value", "p_low", "infit", "outfit_z", "item_theta_correlation", "rmsd"):
        assert np.isnan(getattr(fitted, name)[5])


def test_item_fit_correlation_of_an_item_all_get_right_is_unknown(answers, predicted):
    _, item, _ = answers
    fitted = item_fit(item, np.ones(len(item)), predicted=predicted)

    assert np.isnan(fitted.item_theta_correlation).all()
    assert (fitted.p_value[:5] == 1).all()


def test_item_fit_correlation_leaves_out_who_answered_nothing_else(answers, predicted):
    _, item, score = answers
    first = np.flatnonzero(item == 0)[0]
    alone = predicted.n_others.copy()
    alone[first] = 0
    changed = score.copy()
    changed[first] = 1 - changed[first]

    found = replace(predicted, n_others=alone)
    one, other = (item_fit(item, y, predicted=found) for y in (score, changed))
    assert one.item_theta_correlation[0] == other.item_theta_correlation[0]


def test_option_statistics_worked_by_hand():
    answer = ["A", "B", "A", None, "C", "C"]
    item = np.array([0, 0, 0, 0, 0, 1])
    correct = np.array([1, 0, 1, 0, 0, 1])
    ability = np.array([1.0, -1.0, 0.0, 5.0, np.nan, 0.3])

    found = option_statistics(answer, item, correct, ability)

    assert found.item.tolist() == [0, 0, 0, 1]
    assert found.answer.tolist() == ["A", "B", "C", "C"]
    assert found.n.tolist() == [2, 1, 1, 1]
    assert found.share == pytest.approx([0.5, 0.25, 0.25, 1])
    assert found.mean_ability == pytest.approx([0.5, -1, np.nan, 0.3], nan_ok=True)
    chose_a, theta = [1, 0, 1], [1.0, -1.0, 0.0]
    correlation = np.corrcoef(chose_a, theta)[0, 1]
    assert found.point_biserial[:2] == pytest.approx([correlation, -correlation])
    assert np.isnan(found.point_biserial[2:]).all()
    assert found.is_correct.tolist() == [True, False, False, True]


def test_option_statistics_equal_a_plain_grouping():
    rng = np.random.default_rng(2)
    table = pd.DataFrame(
        {
            "item": rng.integers(0, 7, 800),
            "answer": rng.integers(1, 5, 800),
            "ability": rng.normal(size=800),
        }
    )
    found = option_statistics(
        table["answer"], table["item"].to_numpy(), np.zeros(800), table["ability"].to_numpy()
    )

    for at, (item, answer) in enumerate(zip(found.item, found.answer, strict=True)):
        own = table[table["item"] == item]
        chose = own["answer"] == answer
        assert found.n[at] == chose.sum()
        assert found.mean_ability[at] == pytest.approx(own["ability"][chose].mean())
        expected = np.corrcoef(chose, own["ability"])[0, 1]
        assert found.point_biserial[at] == pytest.approx(expected)
    assert np.bincount(found.item, weights=found.share) == pytest.approx(1)


@pytest.mark.parametrize("answer", [[], [None, None]])
def test_option_statistics_without_known_answers_are_empty(answer):
    n = len(answer)

    found = option_statistics(answer, np.zeros(n, dtype=int), np.zeros(n), np.zeros(n))

    assert len(found.item) == len(found.share) == len(found.answer) == 0


def test_option_statistics_refuses_columns_that_differ_in_length():
    with pytest.raises(ValueError, match="differ in length"):
        option_statistics(["A"], np.array([0, 1]), np.array([1]), np.array([0.0]))


def test_information_summary_of_a_1pl_item_peaks_at_its_difficulty():
    found = information_summary(ItemParameters.dichotomous([0.4, np.nan]), target=0.4)

    assert found.peak_at == pytest.approx([0.4, np.nan], nan_ok=True)
    assert found.peak == pytest.approx([0.25, np.nan], nan_ok=True)
    assert found.at_target == pytest.approx([0.25, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    "item",
    [
        ItemParameters.dichotomous([0.5], [1.7], [0.3]),
        ItemParameters(np.array([[-1.0, 0.2, 0.5]]), np.array([1.5]), np.zeros(1)),
        ItemParameters(np.array([[-3.0, 2.9]]), np.array([3.0]), np.zeros(1)),  # two peaks
    ],
)
def test_information_summary_finds_the_highest_point_of_a_fine_grid(item):
    theta = np.linspace(-8, 8, 160_001)
    information = item.information(theta)[:, 0]

    found = information_summary(item, target=1.0)

    assert found.peak[0] == pytest.approx(information.max(), rel=1e-6)
    assert item.information(found.peak_at)[0, 0] == pytest.approx(found.peak[0], rel=1e-9)
    assert found.at_target[0] == pytest.approx(item.information(1.0)[0])


def test_information_summary_guessing_moves_the_peak_to_the_able():
    found = information_summary(ItemParameters.dichotomous([0.0, 0.0], 1.0, [0.0, 0.25]))

    assert found.peak_at[1] > found.peak_at[0] + 0.2
    assert found.peak[1] < found.peak[0]
