"""Abilities that follow a student's answers, and abilities of new students."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from deepkt_irt.irt import student_chunks
from deepkt_irt.irt.ability import (
    estimate_abilities,
    estimate_population,
    predict_sequentially,
    sequential_probabilities,
)
from deepkt_irt.irt.items import ItemParameters

NAN = np.nan
# 1PL, 2PL, 3PL, graded in three steps, not calibrated
ITEMS = ItemParameters(
    thresholds=np.array(
        [[-0.5, NAN, NAN], [0.4, NAN, NAN], [0.2, NAN, NAN], [-1.0, 0.1, 0.9], [NAN, NAN, NAN]]
    ),
    slope=np.array([1.0, 1.7, 1.2, 0.9, 1.0]),
    guessing=np.array([0.0, 0.0, 0.2, 0.0, 0.0]),
)
OFFSETS = np.array([0, 4, 4, 7])  # the second student has no responses
ITEM = np.array([0, 3, 4, 2, 1, 3, 0])
SCORE = np.array([1, 2 / 3, NAN, 0, 1, 1 / 3, 1])
MEAN, SD = 0.3, 1.3
THETA = np.linspace(MEAN - 6 * SD, MEAN + 6 * SD, 2001)


def chances(item):
    """Of each level at each node by the definition of the model, (levels, nodes)."""
    b = ITEMS.thresholds[item][np.isfinite(ITEMS.thresholds[item])]
    c = ITEMS.guessing[item]
    reached = c + (1 - c) * expit(ITEMS.slope[item] * (THETA - b[:, None]))
    edges = np.concatenate([np.ones((1, len(THETA))), reached, np.zeros((1, len(THETA)))])
    return edges[:-1] - edges[1:]


def prior():
    density = np.exp(-0.5 * ((THETA - MEAN) / SD) ** 2)
    return density / density.sum()


def followed():
    """Predictions of the responses above, one by one."""
    found = []
    for start, end in itertools.pairwise(OFFSETS):
        mass, n_before = prior(), 0
        for at in range(start, end):
            ability = (mass * THETA).sum()
            sd = np.sqrt((mass * THETA**2).sum() - ability**2)
            moments = [NAN, NAN, NAN]
            after = mass
            if ITEM[at] != 4:
                p = chances(ITEM[at])
                share = np.linspace(0, 1, len(p))
                given_theta = share @ p
                expected = (mass * given_theta).sum()
                variance = (mass * (share**2 @ p)).sum() - expected**2
                slope = -(mass * np.gradient(given_theta, THETA)).sum()
                moments = [expected, variance, slope]
                after = mass * p[round(SCORE[at] * (len(p) - 1))]
            found.append([*moments, ability, sd, n_before])
            n_before += ITEM[at] != 4
            mass = after / after.sum()
    return np.array(found).T


def predicted(score=SCORE, item=ITEM, offsets=OFFSETS, mean=MEAN, sd=SD):
    return predict_sequentially(
        offsets, item, score, items=ITEMS, population_mean=mean, population_sd=sd
    )


def test_predict_sequentially_equals_a_plain_loop_for_all_models():
    found = predicted()

    expected, variance, slope, ability, sd, n_before = followed()
    np.testing.assert_allclose(found.expected, expected, atol=1e-5)
    np.testing.assert_allclose(found.variance, variance, atol=1e-5)
    np.testing.assert_allclose(found.expected_slope, slope, atol=1e-4)
    np.testing.assert_allclose(found.ability, ability, atol=1e-4)
    np.testing.assert_allclose(found.ability_sd, sd, atol=1e-4)
    np.testing.assert_array_equal(found.n_before, n_before)


def test_predict_sequentially_slope_is_the_change_of_the_expectation_with_b():
    h = 1e-4
    for item in range(4):
        ends = [
            predict_sequentially(
                np.array([0, 1]),
                np.array([0]),
                np.array([1.0]),
                items=ItemParameters(
                    ITEMS.thresholds[[item]] + step, ITEMS.slope[[item]], ITEMS.guessing[[item]]
                ),
            ).expected[0]
            for step in (-h, h)
        ]
        slope = predict_sequentially(
            np.array([0, 1]), np.array([item]), np.array([1.0]), items=ITEMS
        ).expected_slope[0]

        assert slope == pytest.approx((ends[1] - ends[0]) / (2 * h), rel=1e-4)
        assert slope < 0


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    n=st.integers(2, 12),
    at=st.integers(0, 11),
    seed=st.integers(0, 10_000),
)
def test_predict_sequentially_nothing_said_of_a_response_depends_on_it_or_later_ones(n, at, seed):
    rng = np.random.default_rng(seed)
    at = min(at, n - 1)
    item = rng.integers(0, 4, n)
    steps = ITEMS.n_steps[item]
    score, other = (rng.integers(0, steps + 1) / steps for _ in range(2))
    offsets = np.array([0, n])
    later = np.arange(n) >= at
    changed_item = np.where(np.arange(n) > at, rng.integers(0, 3, n), item)

    first = predicted(score, item, offsets)
    again = predicted(np.where(later, np.rint(other), score), changed_item, offsets)

    for name in ("expected", "variance", "expected_slope", "ability", "ability_sd", "n_before"):
        np.testing.assert_array_equal(
            getattr(first, name)[: at + 1], getattr(again, name)[: at + 1]
        )


def test_predict_sequentially_answer_moves_what_the_same_student_does_later():
    score = SCORE.copy()
    score[0] = 0
    moved = np.abs(predicted(score).ability - predicted().ability) > 1e-3

    assert moved.tolist() == [False, True, True, True, False, False, False]


def test_predict_sequentially_item_without_a_curve_has_no_expectation_and_moves_nothing():
    found = predicted()
    without = predicted(np.delete(SCORE, 2), np.delete(ITEM, 2), np.array([0, 3, 3, 6]))

    assert np.isnan([found.expected[2], found.variance[2], found.expected_slope[2]]).all()
    np.testing.assert_allclose(np.delete(found.ability, 2), without.ability)
    np.testing.assert_array_equal(np.delete(found.n_before, 2), without.n_before)


def test_predict_sequentially_does_not_depend_on_the_size_of_chunks(monkeypatch):
    whole = predicted()
    monkeypatch.setattr(student_chunks, "_CHUNK", 1)

    apart = predicted()

    np.testing.assert_allclose(apart.expected, whole.expected, rtol=1e-12)
    np.testing.assert_array_equal(apart.n_before, whole.n_before)


def test_predict_sequentially_students_start_at_their_own_population():
    mean, sd = np.array([1.0, 0.0, -0.5]), np.array([0.3, 1.0, 0.8])

    together = predicted(mean=mean, sd=sd)

    first = predicted(SCORE[:4], ITEM[:4], np.array([0, 4]), mean[0], sd[0])
    last = predicted(SCORE[4:], ITEM[4:], np.array([0, 3]), mean[2], sd[2])
    np.testing.assert_allclose(
        together.ability, np.concatenate([first.ability, last.ability]), atol=1e-4
    )
    np.testing.assert_allclose(
        together.expected, np.concatenate([first.expected, last.expected]), atol=1e-5
    )


def test_predict_sequentially_long_history_reaches_the_students_ability():
    rng = np.random.default_rng(1)
    n, theta = 4_000, 0.37
    b = rng.normal(size=n)
    score = (rng.random(n) < expit(theta - b)).astype(np.int64)

    found = predict_sequentially(
        np.array([0, n]), np.arange(n), score, items=ItemParameters.dichotomous(b)
    )

    np.testing.assert_allclose(found.expected[-500:], expit(theta - b[-500:]), atol=0.03)
    assert found.ability_sd[-1] == pytest.approx(2.3 / np.sqrt(n), rel=0.2)


def test_predict_sequentially_no_responses_gives_nothing():
    found = predicted(np.zeros(0), np.zeros(0, dtype=np.int64), np.array([0, 0, 0]))

    assert len(found.expected) == len(found.n_before) == 0


def test_sequential_probabilities_shows_an_unknown_item_as_one_of_mean_difficulty():
    b, slopes, spread = np.array([-0.5, 0.4, NAN]), np.array([NAN, 1.7, NAN]), 1.3
    offsets, item = np.array([0, 3, 3, 5]), np.array([0, 1, 2, 1, 0])
    correct = np.array([1, 0, 1, 1, 1])

    found = sequential_probabilities(
        offsets,
        item,
        correct,
        items=ItemParameters.dichotomous(b, slopes),
        population_sd=spread,
    )

    theta = np.linspace(-5, 5, 161) * spread
    expected = []
    for start, end in itertools.pairwise(offsets):
        mass = np.exp(-0.5 * (theta / spread) ** 2)
        for at in range(start, end):
            known = np.isfinite(b[item[at]])
            a = 1.7 if item[at] == 1 else 1.0
            p = expit(a * (theta - (b[item[at]] if known else np.nanmean(b))))
            mass = mass / mass.sum()
            expected.append((mass * p).sum())
            if known:
                mass = mass * (p if correct[at] else 1 - p)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": np.full(7, 0.5)}, "none of the shares"),
        ({"score": np.full(7, 2.0)}, "share of credit"),
        ({"score": np.full(7, NAN)}, "share of credit"),
        ({"score": np.ones(6)}, "length"),
        ({"item": np.array([0, 3, 4, 2, 1, 3, 5])}, "item index"),
        ({"offsets": np.array([0, 4, 6])}, "offsets"),
        ({"mean": NAN}, "population"),
        ({"sd": 0.0}, "population"),
    ],
)
def test_predict_sequentially_refuses_what_does_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        predicted(**change)


STUDENT = np.repeat([0, 2], [4, 3])


def estimated(student=STUDENT, item=ITEM, score=SCORE):
    return estimate_abilities(
        student,
        item,
        score,
        n_students=4,
        items=ITEMS,
        population_mean=MEAN,
        population_sd=SD,
    )


def test_estimate_abilities_equals_the_dense_posterior():
    found = estimated()

    for student in (0, 2):
        mass = prior()
        for item, score in zip(ITEM[student == STUDENT], SCORE[student == STUDENT], strict=True):
            if item != 4:
                p = chances(item)
                mass = mass * p[round(score * (len(p) - 1))]
        mass = mass / mass.sum()
        mean = (mass * THETA).sum()
        assert found.ability[student] == pytest.approx(mean, abs=1e-4)
        sd = np.sqrt((mass * (THETA - mean) ** 2).sum())
        assert found.ability_sd[student] == pytest.approx(sd, abs=1e-4)
        assert found.ability_map[student] == pytest.approx(THETA[mass.argmax()], abs=5e-3)
    assert found.student_n.tolist() == [3, 0, 3, 0]


def test_estimate_abilities_student_without_a_response_that_counts_has_none():
    found = estimated(np.array([0, 1]), np.array([0, 4]), np.array([1.0, 1.0]))

    assert np.isfinite(found.ability[0])
    for values in (found.ability, found.ability_sd, found.ability_map):
        assert np.isnan(values[1:]).all()


def test_estimate_abilities_does_not_depend_on_the_order_of_rows():
    order = np.random.default_rng(3).permutation(len(ITEM))

    found = estimated(STUDENT[order], ITEM[order], SCORE[order])

    np.testing.assert_allclose(found.ability, estimated().ability, rtol=1e-10)


def test_estimate_abilities_agrees_with_what_is_known_before_one_more_response():
    item, score = np.append(ITEM[:4], 1), np.append(SCORE[:4], 0)

    before = predicted(score, item, np.array([0, 5]))

    assert estimated().ability[0] == pytest.approx(before.ability[-1], abs=1e-4)
    assert estimated().ability_sd[0] == pytest.approx(before.ability_sd[-1], abs=1e-4)


def test_estimate_abilities_refuses_a_student_outside():
    with pytest.raises(ValueError, match="student index outside 0 to 3"):
        estimated(student=np.array([0, 0, 0, 0, 4, 4, 4]))


def drawn(theta, per_student, seed=5):
    rng = np.random.default_rng(seed)
    b = rng.normal(size=60)
    student = np.repeat(np.arange(len(theta)), per_student)
    item = np.argsort(rng.random((len(theta), 60)), axis=1)[:, :per_student].ravel()
    score = (rng.random(len(student)) < expit(theta[student] - b[item])).astype(float)
    return {
        "student": student,
        "item": item,
        "score": score,
        "n_students": len(theta),
        "items": ItemParameters.dichotomous(b),
    }


def test_estimate_population_finds_where_a_cohort_lies():
    theta = np.random.default_rng(1).normal(0.8, 0.6, 2_000)

    move, factor = estimate_population(**drawn(theta, 15), population_sd=1.2)

    assert move == pytest.approx(0.8, abs=0.06)
    assert 1.2 * factor == pytest.approx(0.6, abs=0.06)


def test_estimate_population_moves_and_stretches_what_was_known_of_each_student():
    rng = np.random.default_rng(2)
    mean = rng.normal(size=2_000)
    theta = mean + rng.normal(0.3, 0.5, 2_000)  # grown by 0.3, thought to be known to 0.25

    move, factor = estimate_population(
        **drawn(theta, 15), population_mean=mean, population_sd=np.full(2_000, 0.25)
    )

    assert move == pytest.approx(0.3, abs=0.05)
    assert factor == pytest.approx(2.0, abs=0.25)


def test_estimate_population_one_response_each_says_nothing_of_the_spread():
    _, factor = estimate_population(**drawn(np.random.default_rng(1).normal(size=300), 1))

    assert factor == 1.0


def test_estimate_population_without_responses_that_count_changes_nothing():
    found = estimate_population(
        np.array([0]), np.array([4]), np.array([1.0]), n_students=2, items=ITEMS
    )

    assert found == (0.0, 1.0)
