"""The models learn what there is to learn, and nothing where there is nothing."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from deepkt_irt.knowledge_tracing.baselines import item_means
from deepkt_irt.knowledge_tracing.histories import Split
from deepkt_irt.knowledge_tracing.metrics import auc
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.settings import SaktSettings
from made_up_histories import ABILITY_SD, rasch

pytestmark = pytest.mark.slow

N_STUDENTS, N_STEPS, N_ITEMS = 500, 50, 40
DEFAULT = SaktSettings(
    width=16, heads=2, min_steps=250, context=50, learning_rate=5e-3, device="cpu"
)
PUBLISHED = DEFAULT.model_copy(update={"architecture": "sakt"})
architectures = pytest.mark.parametrize(
    "settings", [DEFAULT, PUBLISHED], ids=["default", "published"]
)


def district(seed):
    """Rasch answers, their difficulties and a split: two fifths of the students are tested.

    That is so many that an AUC on them is exact to half a hundredth.
    """
    histories, _, difficulty = rasch(
        [N_STEPS] * N_STUDENTS, seed=seed, n_items=N_ITEMS, n_skills=N_ITEMS
    )
    part = histories.student_of_response % 5
    return histories, difficulty, Split(part < 2, part == 2, part > 2)


def best_possible(histories, difficulty):
    """Chance of a right answer given the past, by Bayes, with all but the abilities known."""
    theta = np.linspace(-5, 5, 41)
    chance = expit(theta - difficulty[:, None]).reshape(N_STUDENTS, N_STEPS, -1)
    correct = histories.correct.reshape(N_STUDENTS, N_STEPS, 1)
    log_likelihood = np.log(np.where(correct == 1, chance, 1 - chance)).cumsum(axis=1)
    before = np.pad(log_likelihood[:, :-1], ((0, 0), (1, 0), (0, 0)))
    posterior = np.exp(before - before.max(axis=2, keepdims=True)) * norm.pdf(theta / ABILITY_SD)
    return ((posterior * chance).sum(axis=2) / posterior.sum(axis=2)).ravel()


def auc_of(settings, histories, split):
    model = KnowledgeTracer(settings)
    model.fit(histories, split)
    correct = histories.correct[split.test].astype(np.float64)
    return auc(correct, model.predict(histories, split.test))


@architectures
def test_model_on_random_answers_finds_nothing(settings):
    histories, _, split = district(5)
    coins = np.random.default_rng(9).random(len(histories)) < 0.6
    random = replace(histories, correct=coins.astype(np.int64))

    assert abs(auc_of(settings, random, split) - 0.5) < 0.02


@pytest.mark.parametrize(
    ("settings", "slack"), [(DEFAULT, 0.01), (PUBLISHED, 0.025)], ids=["default", "published"]
)
def test_model_on_rasch_answers_comes_near_the_best_possible(settings, slack):
    histories, difficulty, split = district(6)

    found = auc_of(settings, histories, split)

    correct = histories.correct[split.test].astype(np.float64)
    best = auc(correct, best_possible(histories, difficulty)[split.test])
    means = item_means(
        histories.item[split.train], histories.correct[split.train], n_items=N_ITEMS + 1
    )
    assert best - slack < found < best + 0.005
    assert found > auc(correct, means[histories.item[split.test]]) + 0.05
