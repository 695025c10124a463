"""Metrics against figures worked out by hand."""

import numpy as np
import pytest

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.baselines import item_means
from deepkt_irt.knowledge_tracing.metrics import scores


def test_scores_auc_counts_ties_half():
    # pairs (right, wrong): .8>.5, .8>.2, .5=.5, .5>.2
    assert scores([1, 1, 0, 0], [0.8, 0.5, 0.5, 0.2]).auc == pytest.approx(3.5 / 4)


def test_scores_one_class_has_no_auc():
    assert scores([1, 1], [0.4, 0.6]).auc is None


def test_scores_log_loss_and_accuracy():
    found = scores([1, 0], [0.8, 0.6])

    assert found.log_loss == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2)
    assert found.accuracy == 0.5


def test_scores_ece_weighs_bins_by_their_responses():
    # bin .2: predicted .25, observed .5 (2 responses); bin .9: predicted .95, observed 1 (2)
    found = scores([1, 0, 1, 1], [0.25, 0.25, 0.95, 0.95])

    assert found.ece == pytest.approx(0.5 * 0.25 + 0.5 * 0.05)
    assert [(b.n, b.observed) for b in found.bins] == [(2, 0.5), (2, 1.0)]


@pytest.mark.parametrize(
    ("correct", "predicted", "error"),
    [
        ([], [], NoData),
        ([2], [0.5], ValueError),
        ([1], [1.5], ValueError),
        ([1], [0.5, 0.5], ValueError),
    ],
)
def test_scores_impossible_input_is_refused(correct, predicted, error):
    with pytest.raises(error):
        scores(correct, predicted)


def test_item_means_unseen_item_gets_the_overall_share_and_others_are_drawn_to_it():
    means = item_means(np.array([1, 1, 2, 2]), np.array([1, 1, 0, 1]), n_items=4)

    assert means[3] == pytest.approx(0.75)
    assert 0.75 < means[1] < 1
    assert means[2] == pytest.approx((1 + 5 * 0.75) / 7)
