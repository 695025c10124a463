"""The model learns what there is to learn, and nothing where there is nothing."""

import numpy as np
import pytest
import torch

from deepkt_irt.knowledge_tracing.baselines import item_means
from deepkt_irt.knowledge_tracing.metrics import auc
from deepkt_irt.knowledge_tracing.sequences import Windows
from deepkt_irt.knowledge_tracing.training import predict, train
from deepkt_irt.settings import SaktSettings

pytestmark = pytest.mark.slow

N_STUDENTS, N_STEPS, N_ITEMS, N_SKILLS = 500, 60, 60, 6
SETTINGS = SaktSettings(width=32, heads=4, max_epochs=4, min_steps=1)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def district(rng, chance) -> tuple[Windows, np.ndarray]:
    """Windows of students who answer with the given chances, and those chances.

    Every second student is a test student, so that an AUC is exact to half a hundredth.
    """
    item = rng.integers(1, N_ITEMS + 1, size=(N_STUDENTS, N_STEPS))
    p = chance(rng, item)
    split = np.array(["train", "test", "train", "test", "validation"] * (N_STUDENTS // 5))
    return Windows(
        offsets=np.arange(0, (N_STUDENTS + 1) * N_STEPS, N_STEPS),
        item=item.ravel(),
        skills=((item - 1) % N_SKILLS + 1).reshape(-1, 1),
        correct=(rng.random(item.shape) < p).astype(np.int64).ravel(),
        context=np.zeros(N_STUDENTS, dtype=np.int64),
        student=np.arange(N_STUDENTS),
        split=split,
    ), p.ravel()


def test_train_on_random_labels_finds_nothing():
    windows, _ = district(np.random.default_rng(5), lambda rng, item: np.full(item.shape, 0.6))

    trained = train(windows, SETTINGS, n_items=N_ITEMS, n_skills=N_SKILLS)

    test = windows.of_split("test")
    correct = windows.correct[windows.scored_steps(test)].astype(float)
    assert abs(auc(correct, predict(trained.model, windows, test)) - 0.5) < 0.02


def rasch(rng, item):
    theta = rng.normal(0, 1.2, size=(N_STUDENTS, 1))
    b = np.concatenate([[0], rng.normal(0, 1, size=N_ITEMS)])
    return 1 / (1 + np.exp(-(theta - b[item])))


def test_train_on_rasch_answers_comes_near_the_best_possible():
    windows, chances = district(np.random.default_rng(6), rasch)
    longer = SETTINGS.model_copy(update={"min_steps": 400, "patience": 10})

    trained = train(windows, longer, n_items=N_ITEMS, n_skills=N_SKILLS)

    test, training = windows.of_split("test"), windows.scored_steps(windows.of_split("train"))
    steps = windows.scored_steps(test)
    correct = windows.correct[steps].astype(float)
    found = auc(correct, predict(trained.model, windows, test))
    means = item_means(windows.item[training], windows.correct[training], n_items=N_ITEMS + 1)
    assert found > auc(correct, means[windows.item[steps]]) + 0.05
    assert found > auc(correct, chances[steps]) - 0.05
