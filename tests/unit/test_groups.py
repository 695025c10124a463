"""Distributions of ability by group, and who is matched with whom."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from deepkt_irt.irt import groups
from deepkt_irt.irt.groups import group_populations, match_takers
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.predictive import leave_one_out

B = np.linspace(-1.5, 1.5, 12)
ITEMS = ItemParameters.dichotomous(B)


def drawn(means, sds, n=150, seed=3):
    """Responses to all items by n students of each group; the last group is unknown."""
    rng = np.random.default_rng(seed)
    group = np.repeat([*range(len(means) - 1), -1], n)
    theta = rng.normal(np.repeat(means, n), np.repeat(sds, n))
    right = rng.random((len(theta), len(B))) < expit(theta[:, None] - B)
    student, item = np.nonzero(np.ones_like(right))
    return student, item, right[student, item].astype(float), group


def estimated(answers, items=ITEMS, **more):
    *columns, group = answers
    return group_populations(
        *columns, group=group, items=items, population_mean=0.0, population_sd=1.0, **more
    )


def test_group_populations_maximise_the_marginal_likelihood(monkeypatch):
    monkeypatch.setattr(groups, "_WORTH", 0.0)
    answers = drawn([0.6, -0.8], [0.7, 1.4])
    found = estimated(answers)
    theta = np.linspace(-8, 8, 401)

    for code, rows in ((0, slice(0, 150)), (-1, slice(150, 300))):
        right = answers[2].reshape(300, 12)[rows]
        p = expit(theta - B[:, None])
        likelihood = np.exp(right @ np.log(p) + (1 - right) @ np.log(1 - p))

        def minus_fit(mean_and_log_sd, likelihood=likelihood):
            mean, sd = mean_and_log_sd[0], np.exp(mean_and_log_sd[1])
            prior = np.exp(-0.5 * ((theta - mean) / sd) ** 2) / sd
            return -np.log(likelihood @ prior).sum()

        best = minimize(minus_fit, [0.0, 0.0]).x
        assert found.mean[code] == pytest.approx(best[0], abs=2e-3)
        assert found.sd[code] == pytest.approx(np.exp(best[1]), abs=2e-3)


def test_group_populations_few_students_stay_near_the_population():
    student, item, score, group = drawn([2.5, 0.0], [0.3, 1.0])
    few = (student < 2) | (student >= 150)

    found = estimated((student[few], item[few], score[few], group))

    assert 0.2 < found.mean[0] < 1.2
    assert found.mean[-1] == pytest.approx(0, abs=0.25)


def test_group_populations_without_responses_are_the_population():
    *columns, group = drawn([1.0, 0.0], [1.0, 1.0])
    known = columns[0] >= 150

    found = estimated((*(column[known] for column in columns), group))

    assert found.mean[0] == pytest.approx(0)
    assert found.sd[0] == pytest.approx(1)


def test_group_populations_ignore_what_is_no_evidence():
    *columns, group = drawn([1.0, 0.0], [1.0, 1.0])
    counts = columns[1] < 8
    spoilt = np.where(counts, columns[2], 1.0)

    found = estimated((columns[0], columns[1], spoilt, group), is_evidence=counts)
    without = estimated((*(column[counts] for column in columns), group))

    assert found.mean == pytest.approx(without.mean)


def test_group_populations_of_many_students_need_a_part_of_them(monkeypatch):
    answers = drawn([1.0, 0.0], [1.0, 1.0], n=600)
    whole = estimated(answers)
    monkeypatch.setattr(groups, "_STUDENTS", 200)
    part = estimated(answers)

    assert part.mean != pytest.approx(whole.mean)
    assert part.mean == pytest.approx(whole.mean, abs=0.2)


@pytest.mark.parametrize("group", [[-2, 0], [0]])
def test_group_populations_refuse_groups_that_are_no_codes(group):
    with pytest.raises(ValueError, match=r"numbered from 0|student index"):
        estimated((np.array([0, 1]), np.array([0, 0]), np.ones(2), np.array(group)))


def test_match_takers_of_known_group_who_answered_another_calibrated_item():
    items = ItemParameters.dichotomous([0.0, 1.0, np.nan])
    student = np.array([0, 0, 1, 2, 2, 2])
    item = np.array([1, 0, 0, 1, 0, 2])
    score = np.array([0.0, 1, 1, 1, 0, 1])
    group = np.array([1, 0, -1])
    predicted = leave_one_out(
        student, item, score, n_students=3, items=items, population_mean=0, population_sd=1
    )

    takers = match_takers(student, item, score, group=group, predicted=predicted)

    # student 1 answered nothing else, student 2 has no group
    assert takers.item.tolist() == [0, 1]
    assert takers.group.tolist() == [1, 1]
    assert takers.right.tolist() == [1, 0]
    assert takers.matching == pytest.approx(logit(predicted.expected[[1, 0]]))
    assert takers.n_groups == 2
    own, others = takers.sizes()
    assert own.tolist() == [[0, 0, 0], [1, 1, 0]]
    assert others.tolist() == [[1, 1, 0], [0, 0, 0]]


def test_match_takers_count_half_of_the_credit_as_right():
    items = ItemParameters(np.array([[-1.0, 0.0, 1.0]] * 2), np.ones(2), np.zeros(2))
    student, item = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    score = np.array([1 / 3, 2 / 3, 1, 0])
    predicted = leave_one_out(
        student, item, score, n_students=2, items=items, population_mean=0, population_sd=1
    )

    takers = match_takers(student, item, score, group=np.zeros(2, dtype=int), predicted=predicted)

    assert takers.right.tolist() == [0, 1, 1, 0]  # item 0 first
