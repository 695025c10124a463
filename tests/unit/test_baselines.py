"""Item means: what is known of an item without knowing the student."""

import numpy as np
import pytest

from deepkt_irt.knowledge_tracing.baselines import item_means

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
