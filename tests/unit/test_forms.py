"""Forms, the next item of an adaptive test, and missing items: laws, refusals, a simulated test."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from deepkt_irt.errors import NoData
from deepkt_irt.irt.forms import (
    coverage_gaps,
    form_information,
    next_best_item,
    normal_abilities,
    posterior_information,
    rank_items,
    shortest_form,
    standard_error,
)
from deepkt_irt.irt.items import ItemParameters

THETA = np.linspace(-3, 3, 13)


def rasch(*difficulty):
    return ItemParameters.dichotomous(np.array(difficulty, dtype=float))


def everything(items):
    return np.ones(len(items), dtype=bool)


def bank_of(n_items, seed=1):
    rng = np.random.default_rng(seed)
    return ItemParameters.dichotomous(rng.normal(size=n_items), rng.lognormal(0, 0.3, n_items))


# forms


def test_form_information_adds_up_over_items():
    items = bank_of(7)
    first, rest = items.take(np.arange(3)), items.take(np.arange(3, 7))

    together = form_information(items, THETA)

    assert together.shape == THETA.shape
    np.testing.assert_allclose(
        together, form_information(first, THETA) + form_information(rest, THETA)
    )


def test_form_information_does_not_count_an_item_without_a_curve():
    with_unknown = rasch(0.0, np.nan, 1.0)

    np.testing.assert_allclose(
        form_information(with_unknown, THETA), form_information(rasch(0.0, 1.0), THETA)
    )
    assert form_information(rasch(np.nan), 0.0) == 0


def test_standard_error_of_four_rasch_items_at_their_difficulty_is_one():
    """Each tells 1/4 there."""
    assert standard_error(rasch(0.5, 0.5, 0.5, 0.5), 0.5) == pytest.approx(1.0)


def test_standard_error_falls_with_every_item_and_with_a_population():
    items = bank_of(12)
    errors = [standard_error(items.take(np.arange(n)), THETA) for n in range(1, 13)]

    assert (np.diff(errors, axis=0) < 0).all()
    assert (standard_error(items, THETA, population_sd=1.0) < errors[-1]).all()


def test_standard_error_of_no_item_is_the_spread_of_the_population_or_infinite():
    nothing = rasch(np.nan)

    assert standard_error(nothing, 0.0) == np.inf
    np.testing.assert_allclose(standard_error(nothing, THETA, population_sd=1.3), 1.3)


@pytest.mark.parametrize("sd", [0.0, -1.0])
def test_a_population_without_spread_is_refused(sd):
    with pytest.raises(ValueError, match="population_sd"):
        standard_error(rasch(0.0), 0.0, population_sd=sd)


# the next item


def test_next_best_rasch_item_is_the_one_nearest_the_ability():
    items = rasch(-2.0, -0.4, 0.7, 2.5)

    for ability, best in ((-1.9, 0), (-0.1, 1), (0.5, 2), (4.0, 3)):
        assert next_best_item(items, ability, 0.4, everything(items)) == best


def test_next_best_item_leaves_out_what_is_not_eligible_or_has_no_curve():
    items = rasch(0.0, np.nan, 1.0)

    assert next_best_item(items, 0.0, 0.5, np.array([False, True, True])) == 2
    assert next_best_item(items, 0.0, 0.5, np.array([False, True, False])) is None


def test_next_best_item_of_equally_good_ones_is_the_first():
    items = rasch(1.0, 0.3, -0.3, 0.3)  # 0.3 and -0.3 tell the same at 0

    assert rank_items(items, 0.0, 0.8, everything(items)).tolist() == [1, 2, 3, 0]


def test_doubt_about_the_ability_changes_the_choice():
    """A steep item 1.3 logits off tells less than a broad one, unless the student may be there."""
    items = ItemParameters.dichotomous([0.0, 0.0], [4.0, 1.2])

    assert posterior_information(items, 0.0, 0.0) == pytest.approx([4.0, 0.36])
    assert next_best_item(items, 1.3, 0.0, everything(items)) == 1
    assert next_best_item(items, 1.3, 0.05, everything(items)) == 1
    assert next_best_item(items, 1.3, 0.8, everything(items)) == 0


def test_posterior_information_is_the_mean_over_the_posterior():
    items = bank_of(4)
    drawn = np.random.default_rng(2).normal(0.4, 0.7, size=200_000)

    expected = items.information(drawn).mean(axis=0)
    np.testing.assert_allclose(posterior_information(items, 0.4, 0.7), expected, rtol=0.01)


def test_posterior_information_of_a_graded_item_and_of_none():
    items = ItemParameters(
        np.array([[-1.0, 1.0], [np.nan, np.nan]]), np.array([1.5, 1.0]), np.zeros(2)
    )

    known, unknown = posterior_information(items, 0.0, 0.5)

    assert known > 0
    assert np.isnan(unknown)


@pytest.mark.parametrize(("ability", "sd"), [(np.nan, 1.0), (0.0, np.nan), (0.0, -0.1)])
def test_an_unknown_ability_is_refused(ability, sd):
    with pytest.raises(ValueError, match="no posterior"):
        next_best_item(rasch(0.0), ability, sd, np.array([True]))


def test_eligibility_of_other_items_is_refused():
    with pytest.raises(ValueError, match="eligible"):
        rank_items(rasch(0.0, 1.0), 0.0, 1.0, np.array([True]))
    with pytest.raises(ValueError, match="eligible"):
        shortest_form(rasch(0.0, 1.0), 1.0, 0.0, eligible=np.array([True]))


def items_needed(items, theta, rng, *, adaptive, target_sd):
    """Items of a simulated test until the posterior is as narrow as wanted."""
    grid = np.linspace(-5, 5, 101)
    mass = np.exp(-0.5 * grid**2)
    left = everything(items)
    order = rng.permutation(len(items))
    for n in range(len(items)):
        mass /= mass.sum()
        mean = mass @ grid
        sd = np.sqrt(mass @ grid**2 - mean**2)
        if sd < target_sd:
            return n
        item = next_best_item(items, mean, sd, left) if adaptive else order[n]
        left[item] = False
        p = items.take(np.array([item])).expected_score(grid)[:, 0]
        right = rng.random() < items.take(np.array([item])).expected_score(theta)[0]
        mass *= p if right else 1 - p
    return len(items)


def test_an_adaptive_test_needs_far_fewer_items_than_a_random_order():
    items = bank_of(120, seed=6)
    needed = {
        adaptive: [
            items_needed(
                items, theta, np.random.default_rng(seed), adaptive=adaptive, target_sd=0.4
            )
            for seed, theta in enumerate(np.linspace(-2, 2, 15))
        ]
        for adaptive in (True, False)
    }

    assert max(needed[True]) < 60
    assert np.mean(needed[True]) < 0.75 * np.mean(needed[False])


# the shortest form


def test_shortest_form_of_equal_items_takes_just_as_many_as_are_needed():
    items = rasch(*np.zeros(30))  # each tells 1/4 at 0

    form = shortest_form(items, 0.5, 0.0)

    assert form.items.tolist() == list(range(16))
    assert form.is_reached
    np.testing.assert_allclose(form.standard_error, [0.5])


def test_shortest_form_reaches_the_error_everywhere_asked_and_needs_all_its_items():
    items = bank_of(200, seed=9)
    at = np.array([-1.5, 0.0, 1.5])

    form = shortest_form(items, 0.45, at)

    assert form.is_reached
    assert (form.standard_error <= 0.45).all()
    np.testing.assert_allclose(form.standard_error, standard_error(items.take(form.items), at))
    assert (np.diff(form.items) > 0).all()
    for item in form.items:
        without = items.take(form.items[form.items != item])
        assert (standard_error(without, at) > 0.45).any()


def test_shortest_form_is_shorter_than_taking_items_as_they_come():
    items = bank_of(200, seed=9)
    at = np.array([-1.0, 0.0, 1.0])
    as_they_come = next(
        n for n in range(200) if (standard_error(items.take(np.arange(n)), at) <= 0.4).all()
    )

    assert len(shortest_form(items, 0.4, at).items) < 0.7 * as_they_come


def test_shortest_form_out_of_reach_says_so_and_gives_all_that_help():
    items = rasch(0.0, np.nan, 0.5)

    form = shortest_form(items, 0.2, [0.0, 1.0])

    assert not form.is_reached
    assert form.items.tolist() == [0, 2]
    assert (form.standard_error > 0.2).all()


def test_shortest_form_keeps_to_the_eligible_items():
    items = rasch(*np.zeros(40))
    eligible = np.arange(40) >= 20

    assert shortest_form(items, 0.5, 0.0, eligible=eligible).items.tolist() == list(range(20, 36))


def test_shortest_form_within_a_population_needs_less_and_perhaps_nothing():
    items = rasch(*np.zeros(40))

    assert len(shortest_form(items, 0.5, 0.0, population_sd=1.0).items) == 12
    assert not len(shortest_form(items, 1.1, 0.0, population_sd=1.0).items)


@pytest.mark.parametrize("target", [0.0, -0.3])
def test_a_standard_error_of_nothing_is_refused(target):
    with pytest.raises(ValueError, match="target_se"):
        shortest_form(rasch(0.0), target, 0.0)
    with pytest.raises(ValueError, match="target_se"):
        coverage_gaps(rasch(0.0), np.ones((1, 1), dtype=bool), abilities=THETA, target_se=target)


# missing items


def one_skill(n_items):
    return np.ones((n_items, 1), dtype=bool)


def test_coverage_gaps_counts_the_items_that_are_missing_where_students_are():
    """Four items at 0.5 tell 1 of the 4 that are wanted at 0.5."""
    abilities = np.full(50, 0.5)

    (gap,) = coverage_gaps(
        rasch(0.5, 0.5, 0.5, 0.5), one_skill(4), abilities=abilities, target_se=0.5
    )

    assert (gap.skill, gap.low, gap.high) == (0, 0.0, 1.0)
    assert (gap.n_items, gap.n_skill_items) == (4, 4)
    assert gap.student_share == 1.0
    assert gap.information == pytest.approx(1.0, rel=0.01)
    assert gap.n_short == 13  # students count at the middle of a tenth of a logit
    assert gap.urgency == 13


def test_coverage_gaps_close_when_the_missing_items_are_added():
    items = rasch(-1.2, 0.1, 0.4)
    abilities = np.random.default_rng(3).normal(size=3000)
    gaps = coverage_gaps(items, one_skill(3), abilities=abilities, target_se=0.6)
    worst = gaps[0]

    added = rasch(*items.difficulty, *np.full(worst.n_short, worst.low + 0.5))
    after = coverage_gaps(added, one_skill(len(added)), abilities=abilities, target_se=0.6)

    assert worst.n_short > 1
    assert worst.low not in [gap.low for gap in after]
    nearly = added.take(np.arange(len(added) - 1))
    almost = coverage_gaps(nearly, one_skill(len(nearly)), abilities=abilities, target_se=0.6)
    assert [gap.n_short for gap in almost if gap.low == worst.low] == [1]


def test_coverage_gaps_of_a_skill_with_enough_items_are_none():
    items = rasch(*np.linspace(-3, 3, 150))

    assert not coverage_gaps(
        items, one_skill(150), abilities=normal_abilities(0.0, 1.0), target_se=0.5
    )


def test_coverage_gaps_look_only_where_students_are():
    abilities = np.concatenate([np.full(99, 2.3), [-3.0]])

    gaps = coverage_gaps(rasch(2.5), one_skill(1), abilities=abilities, target_se=0.5)

    assert [gap.low for gap in gaps] == [2.0]


def test_coverage_gaps_come_most_urgent_first_and_name_the_reason():
    items = rasch(*np.full(30, -3.0), *np.full(30, 3.5), *np.linspace(-2.2, 2.2, 24), 0.2, np.nan)
    q_matrix = np.zeros((86, 5), dtype=bool)
    q_matrix[:30, 0] = True  # easy
    q_matrix[30:60, 1] = True  # hard
    q_matrix[60:84, 2] = True  # some everywhere
    q_matrix[84, 3] = True  # one
    q_matrix[85, 4] = True  # not calibrated

    gaps = coverage_gaps(
        items, q_matrix, abilities=normal_abilities(0.0, 1.5), target_se=0.6, min_share=0.05
    )

    urgency = [gap.urgency for gap in gaps]
    assert urgency == sorted(urgency, reverse=True)
    assert gaps[0].skill == 4
    at_mean = {gap.skill: gap.reason for gap in gaps if gap.low == 0.0}
    assert at_mean == {
        0: "all calibrated items are easier",
        1: "all calibrated items are harder",
        3: "the skill has few calibrated items",
        4: "the skill has no calibrated item",
    }
    off = {gap.reason for gap in gaps if gap.skill == 2}
    assert off == {"few calibrated items are of this difficulty"}


def test_coverage_gaps_an_item_counts_for_each_of_its_skills():
    q_matrix = np.array([[True, True], [False, True]])

    gaps = coverage_gaps(rasch(0.5, 0.5), q_matrix, abilities=np.full(9, 0.5), target_se=0.5)

    assert {gap.skill: gap.n_skill_items for gap in gaps} == {0: 1, 1: 2}
    sparse = coverage_gaps(
        rasch(0.5, 0.5), csr_array(q_matrix), abilities=np.full(9, 0.5), target_se=0.5
    )
    assert sparse == gaps


def test_coverage_gaps_without_any_calibrated_item_expect_items_of_slope_one():
    (gap,) = coverage_gaps(rasch(np.nan), one_skill(1), abilities=np.full(4, 0.55), target_se=0.5)

    assert gap.n_short == 17
    assert gap.information == 0


def test_coverage_gaps_leave_out_students_without_an_ability():
    abilities = np.array([0.5, np.nan, 0.5, np.nan])

    (gap,) = coverage_gaps(rasch(0.5), one_skill(1), abilities=abilities, target_se=0.5)

    assert gap.student_share == 1.0
    with pytest.raises(NoData, match="ability"):
        coverage_gaps(rasch(0.5), one_skill(1), abilities=np.array([np.nan]), target_se=0.5)


def test_coverage_gaps_of_other_items_are_refused():
    with pytest.raises(ValueError, match="Q-matrix"):
        coverage_gaps(rasch(0.5, 1.0), one_skill(3), abilities=THETA, target_se=0.5)


def test_normal_abilities_have_the_mean_and_spread_of_the_population():
    abilities = normal_abilities(0.4, 1.5)

    assert abilities.mean() == pytest.approx(0.4)
    assert abilities.std() == pytest.approx(1.5, rel=0.01)
