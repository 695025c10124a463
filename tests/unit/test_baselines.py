"""Item means: what is known of an item without knowing the student."""

import numpy as np
import pytest

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.baselines import ItemMean, Shares, item_means, looked_up
from deepkt_irt.knowledge_tracing.histories import Histories, Split

ITEM = np.array([1, 1, 1, 1, 2, 3, 3, 3])
CORRECT = np.array([1, 1, 1, 0, 1, 0, 0, 1])
OVERALL = 5 / 8


def test_item_means_equal_the_shares_worked_out_by_hand():
    means = item_means(ITEM, CORRECT, n_items=5, prior_responses=2.0)

    by_hand = [OVERALL, (3 + 1.25) / 6, (1 + 1.25) / 3, (1 + 1.25) / 5, OVERALL]
    assert means == pytest.approx(by_hand)


def test_item_means_few_responses_are_drawn_further_to_the_overall_share():
    item, correct = np.repeat([1, 2, 3], [1, 20, 30]), np.repeat([1, 1, 0], [1, 20, 30])

    means = item_means(item, correct, n_items=4)

    overall = 21 / 51
    assert overall < means[1] < means[2] < 1


def test_item_means_stronger_prior_draws_further():
    weak = item_means(ITEM, CORRECT, n_items=5, prior_responses=1.0)
    strong = item_means(ITEM, CORRECT, n_items=5, prior_responses=100.0)

    answered = np.array([1, 2, 3])
    distance = np.abs(strong - OVERALL)[answered]
    assert (distance < np.abs(weak - OVERALL)[answered]).all()
    assert distance.max() < 0.02


def test_item_means_order_of_the_responses_does_not_matter():
    shuffled = np.random.default_rng(2).permutation(len(ITEM))

    np.testing.assert_array_equal(
        item_means(ITEM[shuffled], CORRECT[shuffled], n_items=5),
        item_means(ITEM, CORRECT, n_items=5),
    )


@pytest.mark.parametrize("answer", [0, 1])
def test_item_means_answers_all_alike_give_that_answer(answer):
    means = item_means(ITEM, np.full(len(ITEM), answer), n_items=5)

    assert means.tolist() == [answer] * 5


# item 1 and 2 are on skill 1, item 3 on skill 2; item 4 is met in the test only
HISTORIES = Histories.of(
    offsets=np.array([0, 4, 8]),
    item=np.array([1, 2, 3, 1, 4, 1, 0, 9]),
    skills=np.array([[1, 0], [1, 0], [2, 0], [1, 0], [1, 2], [1, 0], [2, 0], [7, 0]]),
    correct=np.array([1, 1, 0, 0, 0, 0, 0, 0]),
)
TRAIN = np.arange(8) < 4
SPLIT = Split(train=TRAIN, validation=np.zeros(8, dtype=bool), test=~TRAIN)


def smoothed(right, n):
    return (right + 5 * 0.5) / (n + 5)


def test_item_mean_unseen_item_gets_the_mean_of_its_skills_and_no_skill_the_overall_share():
    model = ItemMean()
    model.fit(HISTORIES, SPLIT)

    predicted = model.predict(HISTORIES, ~TRAIN)

    skill_1, skill_2 = smoothed(2, 3), smoothed(0, 1)
    expected = [(skill_1 + skill_2) / 2, smoothed(1, 2), skill_2, 0.5]
    assert predicted == pytest.approx(expected)


def test_shares_of_what_training_never_met_stay_missing():
    shares = Shares.of(HISTORIES, TRAIN & (HISTORIES.item != 2))

    assert np.isnan(shares.item[[0, 2]]).all()
    assert shares.item[3] == pytest.approx((0 + 5 / 3) / 6)


def test_shares_without_any_skill_are_the_overall_share():
    plain = Histories.of(
        offsets=np.array([0, 2]),
        item=np.array([1, 0]),
        skills=np.zeros((2, 0), dtype=np.int64),
        correct=np.array([1, 0]),
    )

    shares = Shares.of(plain, np.ones(2, dtype=bool))

    assert shares.of_skills(plain.skills).tolist() == [0.5, 0.5]


def test_looked_up_index_0_and_beyond_the_table_is_missing():
    found = looked_up(np.array([7.0, 8.0, 9.0]), np.array([[0, 1], [2, 3]]))

    np.testing.assert_array_equal(found, [[np.nan, 8.0], [9.0, np.nan]])


def test_item_mean_without_training_responses_is_refused():
    nothing = np.zeros(8, dtype=bool)

    with pytest.raises(NoData, match="no training responses"):
        ItemMean().fit(HISTORIES, Split(train=nothing, validation=TRAIN))


def test_item_mean_trained_on_context_is_refused():
    context = Histories.of(
        offsets=np.array([0, 2]),
        item=np.array([1, 1]),
        skills=np.zeros((2, 1), dtype=np.int64),
        correct=np.array([1, 0]),
        visible=np.array([-1, 1]),
    )
    both = np.ones(2, dtype=bool)

    with pytest.raises(ValueError, match="context"):
        ItemMean().fit(context, Split(train=both, validation=~both))


def test_item_mean_before_fit_is_refused():
    with pytest.raises(ValueError, match="fit item_mean"):
        ItemMean().predict(HISTORIES, TRAIN)
