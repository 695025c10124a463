"""Wide & Deep IRT finds the abilities and items that made the responses.

Bounds come from trials over several seeds; each is left some room.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit

from deepkt_irt.knowledge_tracing.baselines import item_means
from deepkt_irt.knowledge_tracing.histories import Histories, Split
from deepkt_irt.knowledge_tracing.metrics import scores
from deepkt_irt.knowledge_tracing.wide_deep_irt import WideDeepIrt
from deepkt_irt.knowledge_tracing.wide_deep_scale import mean_sigma_link
from deepkt_irt.settings import WideDeepSettings

pytestmark = pytest.mark.slow

N_STUDENTS, LENGTH, N_ITEMS = 600, 60, 60
GROWTH = 0.01  # logits a response
GUESSING = 0.2
QUICK = WideDeepSettings(learning_rate=0.01, max_epochs=20, patience=3)


@dataclass(frozen=True)
class World:
    """Made-up responses and what made them; items by index, entry 0 unknown."""

    data: Histories
    split: Split
    theta: np.ndarray
    p: np.ndarray
    b: np.ndarray
    guessable: np.ndarray


def world(seed, *, n_students=N_STUDENTS, visible=None):
    rng = np.random.default_rng(seed)
    n = n_students * LENGTH
    b = np.append(np.nan, rng.normal(size=N_ITEMS))
    guessable = np.append(np.nan, (rng.random(N_ITEMS) < 0.3).astype(float))
    item = rng.integers(1, N_ITEMS + 1, n)
    step = np.tile(np.arange(LENGTH), n_students)
    theta = np.repeat(rng.normal(size=n_students), LENGTH) + GROWTH * step
    c = GUESSING * guessable[item]
    p = c + (1 - c) * expit(theta - b[item])
    data = Histories.of(
        offsets=np.arange(0, n + 1, LENGTH),
        item=item,
        skills=(1 + item % 5)[:, None],
        correct=(rng.random(n) < p).astype(np.int64),
        visible=None if visible is None else np.tile(visible, n_students),
    )
    kind = data.segment % 10
    split = Split(train=kind < 6, validation=(kind == 6) | (kind == 7), test=kind > 7)
    return World(data, split, theta, p, b, guessable)


def fitted(made, **parts):
    model = WideDeepIrt(QUICK, seed=1, guessable=made.guessable, **parts)
    model.fit(made.data, made.split)
    return model


@pytest.fixture(scope="module")
def made():
    return world(5, n_students=1000)


@pytest.fixture(scope="module")
def model(made):
    return fitted(made)


def best_possible(made):
    """Predictions of one who knows the items, the growth and the spread of abilities."""
    nodes = np.linspace(-4, 4, 33)
    item, y = (x.reshape(-1, LENGTH) for x in (made.data.item, made.data.correct))
    c = (GUESSING * made.guessable[item])[..., None]
    growth = GROWTH * np.arange(LENGTH)[:, None]
    p = c + (1 - c) * expit(nodes + growth - made.b[item][..., None])
    log_chance = np.log(np.where(y[..., None] == 1, p, 1 - p))
    before = np.cumsum(log_chance, axis=1) - log_chance - nodes**2 / 2
    mass = np.exp(before - before.max(axis=-1, keepdims=True))
    return ((mass * p).sum(axis=-1) / mass.sum(axis=-1)).ravel()


def test_abilities_of_new_students_are_found(made, model):
    test = made.split.test
    theta = model.abilities(made.data).theta
    late = test & (made.data.position >= 20)

    assert np.corrcoef(theta[test], made.theta[test])[0, 1] > 0.80  # the first steps tell little
    assert np.corrcoef(theta[late], made.theta[late])[0, 1] > 0.88


def test_difficulties_are_found_and_their_intervals_are_honest(made, model):
    items = model.item_parameters()
    found, truth = items.difficulty[1:], made.b[1:]
    link = mean_sigma_link(found, truth)
    off = link.slope * found + link.intercept - truth
    covered = np.abs(off) < 1.96 * link.slope * items.difficulty_se[1:]

    assert np.corrcoef(found, truth)[0, 1] > 0.95
    assert 0.85 <= covered.mean() <= 0.99


def test_predictions_come_near_the_best_possible_and_are_calibrated(made, model):
    test, train = made.split.test, made.split.train
    y = made.data.correct
    ours = scores(y[test], model.predict(made.data, test))
    best = scores(y[test], best_possible(made)[test])
    means = item_means(made.data.item[train], y[train], n_items=N_ITEMS + 1)
    item_mean = scores(y[test], means[made.data.item[test]])

    assert ours.auc > best.auc - 0.01
    assert ours.log_loss < best.log_loss + 0.01
    assert ours.auc > item_mean.auc + 0.03
    assert ours.log_loss < item_mean.log_loss - 0.02
    assert ours.ece <= 0.02


def test_units_with_a_test_are_predicted_from_their_practice():
    practice = 40
    visible = np.where(np.arange(LENGTH) < practice, -1, practice)
    made = world(8, visible=visible)
    model = fitted(made)
    test = made.split.test & made.data.asked
    theta = model.abilities(made.data).theta

    assert np.corrcoef(theta[test], made.theta[test])[0, 1] > 0.85
    truth = scores(made.data.correct[test], made.p[test])
    assert scores(made.data.correct[test], model.predict(made.data, test)).auc > truth.auc - 0.025
    assert np.corrcoef(model.item_parameters().difficulty[1:], made.b[1:])[0, 1] > 0.95
