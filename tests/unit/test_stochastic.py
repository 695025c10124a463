"""Propensities by hand, by law and by frequency; slates that keep their promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from deepkt_irt.bandit.offers import Eligible
from deepkt_irt.bandit.propensities import propensities_in_spreads
from deepkt_irt.bandit.stochastic import choose, draw_slates
from deepkt_irt.settings import BanditSettings

THOMPSON = BanditSettings(exploration="thompson", floor=0.1)


def eligible(sizes, *, item=None, skill=None) -> Eligible:
    """Sets of these sizes; items count from 0 in each, without a skill, unless given."""
    numbers = np.concatenate([np.arange(size) for size in sizes]) if sum(sizes) else np.array([])
    item = numbers.astype(np.int64) if item is None else np.asarray(item)
    skill = np.full(len(item), -1) if skill is None else np.asarray(skill)
    return Eligible(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), item, skill)


def by_decision(values, sets: Eligible):
    return np.split(values, sets.offsets[1:-1])


def propensities(scores, sets, *, open_rows=None, **settings):
    """Chances of scores that are in spreads already; every row is open unless told."""
    is_open = np.ones(len(sets.item), dtype=bool) if open_rows is None else open_rows
    return propensities_in_spreads(scores, sets, BanditSettings(**settings), is_open, between=None)


def test_softmax_propensities_are_odds_of_the_scores_above_a_floor():
    sets = eligible([2, 0, 1])
    scores = np.array([0.0, 0.1 * np.log(3), -4.0])

    found = propensities(scores, sets, temperature=0.1, floor=0.2)

    np.testing.assert_allclose(found, [0.8 * 0.25 + 0.1, 0.8 * 0.75 + 0.1, 1.0])


def test_thompson_propensities_are_shares_of_draws_won_and_ties_are_shared():
    sets = eligible([3, 1])
    draws = np.array([[1.0, 5.0, 2.0, 0.0], [0.0, 5.0, 3.0, 0.0], [0.0, 1.0, 0.0, 0.0], [7.0] * 4])

    found = propensities(draws, sets, floor=0.3)

    won = np.array([1 + 1 / 2 + 1 / 3, 1 / 2 + 1 + 1 / 3, 1 / 3]) / 4
    np.testing.assert_allclose(found, [*(0.7 * won + 0.1), 1.0])


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    seed=st.integers(0, 999),
    scale=st.sampled_from([0.0, 1.0, 1e6]),
    floor=st.sampled_from([1e-6, 0.05, 1.0]),
    thompson=st.booleans(),
)
def test_propensities_lie_above_the_floor_and_sum_to_one(sizes, seed, scale, floor, thompson):
    rng, sets = np.random.default_rng(seed), eligible(sizes)
    is_open = rng.random(sum(sizes)) < 0.8
    scores = scale * rng.normal(size=(sum(sizes), 7))

    found = propensities(
        scores if thompson else scores[:, 0],
        sets,
        temperature=0.05,
        floor=floor,
        open_rows=is_open,
    )

    for chance, opened in zip(by_decision(found, sets), by_decision(is_open, sets), strict=True):
        assert (chance[~opened] == 0).all()
        if opened.any():
            assert abs(chance.sum() - 1) < 1e-12
            assert (chance[opened] >= floor / opened.sum() * (1 - 1e-12)).all()
            assert (chance <= 1).all()


def test_choose_inverts_the_distribution_and_skips_closed_rows():
    sets = eligible([3, 0, 2, 1])
    propensity = np.array([0.25, 0.0, 0.75, 0.5, 0.5, 0.0])

    low = choose(propensity, sets, np.array([0.0, 0.0, 0.499, 0.5]))
    high = choose(propensity, sets, np.array([0.25, 0.9, np.nextafter(1, 0), 0.5]))

    assert low.row.tolist() == [0, -1, 3, -1]
    assert high.row.tolist() == [2, -1, 4, -1]
    np.testing.assert_array_equal(high.propensity, [0.75, np.nan, 0.5, np.nan])
    assert high.n_open.tolist() == [2, 0, 2, 0]


def test_choose_frequencies_are_the_propensities_logged():
    rng, size, n = np.random.default_rng(4), 6, 4_000
    sets = eligible([size] * n)
    scores = np.tile(rng.normal(0, 0.05, size), n)
    propensity = propensities(scores, sets, temperature=0.05, floor=0.05)

    found = choose(propensity, sets, rng.random(n))

    counts = np.bincount(found.row % size, minlength=size)
    assert chisquare(counts, n * propensity[:size]).pvalue > 0.001
    assert chisquare(counts, np.full(size, n / size)).pvalue < 1e-6  # it could have told
    np.testing.assert_array_equal(found.propensity, propensity[found.row])


def test_draw_slates_same_numbers_draw_the_same():
    sets, scores = eligible([5, 3]), np.linspace(0, 0.1, 8)
    uniform = np.random.default_rng(2).random((2, 3))
    how = {"settings": BanditSettings(), "max_per_skill": 1}

    one, again = (draw_slates(scores, sets, uniform, **how) for _ in range(2))

    np.testing.assert_array_equal(one.row, again.row)
    np.testing.assert_array_equal(one.propensity, again.propensity)
    other = draw_slates(scores, sets, 1 - uniform, **how)
    assert (other.row != one.row).any()


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    n_slots=st.integers(1, 4),
    most=st.integers(1, 3),
    seed=st.integers(0, 999),
    thompson=st.booleans(),
)
def test_draw_slates_never_repeat_an_item_nor_exceed_a_skill(sizes, n_slots, most, seed, thompson):
    rng, n = np.random.default_rng(seed), sum(sizes)
    item = np.concatenate([rng.permutation(9)[:size] for size in sizes]).astype(np.int64)
    sets = eligible(sizes, item=item, skill=(item % 4) - 1)  # a quarter has no skill
    scores = rng.normal(size=(n, 5) if thompson else n)

    found = draw_slates(
        scores,
        sets,
        rng.random((len(sizes), n_slots)),
        settings=THOMPSON if thompson else BanditSettings(),
        max_per_skill=most,
    )

    for decision, rows in enumerate(found.row):
        chosen = rows[rows >= 0]
        assert ((sets.offsets[decision] <= chosen) & (chosen < sets.offsets[decision + 1])).all()
        assert len(np.unique(sets.item[chosen])) == len(chosen)
        skills = sets.skill[chosen]
        assert np.bincount(skills[skills >= 0], minlength=1).max() <= most
        own = slice(*sets.offsets[decision : decision + 2])
        by_skill = np.bincount(sets.skill[own] + 1, minlength=4)
        assert len(chosen) == min(n_slots, by_skill[0] + np.minimum(by_skill[1:], most).sum())
    drawn = found.row >= 0
    assert ((found.propensity[drawn] > 0) & (found.propensity[drawn] <= 1)).all()
    assert np.isnan(found.propensity[~drawn]).all()
    assert (found.n_open[~drawn] == 0).all()


def test_draw_slates_pairs_are_as_frequent_as_the_product_of_their_propensities():
    rng, n = np.random.default_rng(8), 6_000
    sets = eligible([3] * n, skill=[0, 0, 1] * n)
    how = BanditSettings(temperature=0.1, diversity=0.1, floor=0.1)

    found = draw_slates(
        np.tile([0.05, 0.02, 0.0], n), sets, rng.random((n, 2)), settings=how, max_per_skill=2
    )

    pair = found.row[:, 0] % 3 * 3 + found.row[:, 1] % 3
    chance = found.propensity.prod(axis=1)
    kinds, first, counts = np.unique(pair, return_index=True, return_counts=True)
    assert kinds.tolist() == [1, 2, 3, 5, 6, 7]
    assert chance[first].sum() == pytest.approx(1, abs=1e-12)
    assert chisquare(counts, n * chance[first]).pvalue > 0.001


@pytest.mark.parametrize("vectors", [None, np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])])
def test_draw_slates_a_twin_of_what_is_chosen_loses_by_its_similarity(vectors):
    sets = eligible([3], skill=[0, 0, 1])
    how = BanditSettings(temperature=0.1, diversity=0.2, floor=0.06)
    uniform = np.array([[0.0, 0.0]])  # the first open row each time: item 0, then its twin

    found = draw_slates(np.zeros(3), sets, uniform, settings=how, max_per_skill=2, vectors=vectors)

    assert found.row.tolist() == [[0, 1]]
    twin = np.exp(-2) / (np.exp(-2) + 1)
    np.testing.assert_allclose(found.propensity, [[1 / 3, 0.94 * twin + 0.03]])


def test_draw_slates_opposite_and_empty_vectors_are_not_alike():
    vectors = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])

    found = draw_slates(
        np.zeros(3),
        eligible([3]),
        np.array([[0.0, 0.0]]),
        settings=BanditSettings(),
        max_per_skill=1,
        vectors=vectors,
    )

    np.testing.assert_allclose(found.propensity, [[1 / 3, 1 / 2]])


def test_draw_slates_of_thompson_lower_the_draws_of_a_twin():
    sets = eligible([3], skill=[0, 0, 1])
    draws = np.array([[9.0, 9.0], [0.15, 0.15], [0.1, 0.0]])

    near = draw_slates(
        draws,
        sets,
        np.array([[0.0, 0.0]]),
        settings=THOMPSON.model_copy(update={"diversity": 0.1 / draws.mean(axis=1).std()}),
        max_per_skill=2,
    )

    # lowered to 0.05 it wins one of two draws
    np.testing.assert_allclose(near.propensity, [[0.9 + 0.1 / 3, 0.9 / 2 + 0.05]])


def test_nothing_eligible_anywhere_chooses_nothing():
    sets = eligible([0, 0])

    found = draw_slates(
        np.zeros(0), sets, np.zeros((2, 3)), settings=BanditSettings(), max_per_skill=1
    )

    assert (found.row == -1).all()
    assert found.row.shape == (2, 3)
    assert np.isnan(found.propensity).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: propensities(np.array([0, np.nan]), s), "finite"),
        (lambda s: propensities(np.zeros(3), s), "2 rows"),
        (lambda s: propensities(np.zeros((2, 0)), s), "draws"),
        (lambda s: choose(np.full(2, 0.5), s, np.array([1.0])), r"\[0, 1\)"),
        (lambda s: choose(np.full(2, 0.5), s, np.zeros(2)), "1 decisions"),
        (lambda s: choose(np.full(3, 0.5), s, np.zeros(1)), "2 rows"),
    ],
)
def test_impossible_scores_and_numbers_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(eligible([2]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_per_skill": 0}, "max_per_skill=0"),
        ({"uniform": np.zeros(1)}, "slots"),
        ({"vectors": np.ones((1, 2))}, "1 vectors"),
        ({"vectors": np.full((2, 2), np.nan)}, "finite"),
    ],
)
def test_impossible_slates_are_refused(change, message):
    good = {
        "uniform": np.zeros((1, 1)),
        "settings": BanditSettings(),
        "max_per_skill": 1,
        "vectors": None,
    }
    with pytest.raises(ValueError, match=message):
        draw_slates(np.zeros(2), eligible([2]), **(good | change))


@pytest.mark.parametrize(
    ("offsets", "item", "skill", "message"),
    [
        ([0, 1], [0, 1], [0, 0], "2 rows"),
        ([1, 2], [0, 1], [0, 0], "2 rows"),
        ([0, 2, 1, 2], [0, 1], [0, 0], "fall"),
        ([0, 2], [0, 1], [0], "1 skills"),
        ([0, 2], [0, -1], [0, 0], "count from"),
    ],
)
def test_sets_that_do_not_fit_their_rows_are_refused(offsets, item, skill, message):
    with pytest.raises(ValueError, match=message):
        Eligible(np.array(offsets), np.array(item), np.array(skill))
