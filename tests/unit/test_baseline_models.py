"""What all baselines have in common: they learn, they look at nothing to come, they fall back."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.baseline_models import BASELINES
from deepkt_irt.knowledge_tracing.histories import Histories, Split
from deepkt_irt.knowledge_tracing.metrics import auc

NAMES = tuple(BASELINES)
N_STUDENTS, LENGTH, N_ITEMS = 300, 30, 24
# of the way from the item mean to the chances that answers were drawn from, in AUC
LEAST_GAIN = {
    "item_mean": 0.0,
    "irt_1pl_skill": 0.65,  # it knows of no learning
    "pfa": 0.45,
    "best_lr": 0.7,
    "bkt": 0.4,
    "boosted_trees": 0.6,
}


def students_who_learn(seed=3, *, random_labels=False):
    """Rasch answers; ability rises with practice. Items 1, 3 ... are on skill 1, others on 2."""
    rng = np.random.default_rng(seed)
    item = rng.integers(1, N_ITEMS + 1, (N_STUDENTS, LENGTH))
    skill = 2 - item % 2
    easiness = np.concatenate([[0.0], rng.normal(scale=0.4, size=N_ITEMS)])
    ability = rng.normal(scale=1.3, size=(N_STUDENTS, 1)) + 0.05 * np.arange(LENGTH)
    chance = expit(ability + easiness[item] + np.where(skill == 1, 0.5, -1.2))
    if random_labels:
        chance = np.full(item.shape, 0.5)
    correct = (rng.random(item.shape) < chance).astype(np.int64)
    histories = Histories.of(
        offsets=np.arange(N_STUDENTS + 1) * LENGTH,
        item=item.ravel(),
        skills=np.stack([skill.ravel(), np.zeros(item.size, dtype=np.int64)], axis=1),
        correct=correct.ravel(),
        latency_ms=rng.lognormal(9, 1, item.size),
    )
    return histories, chance.ravel()


def by_student(histories):
    group = histories.student_of_response % 5
    return Split(train=group < 3, validation=group == 3, test=group == 4)


@pytest.fixture(scope="module")
def learners():
    return students_who_learn()


@pytest.fixture(scope="module")
def models(learners):
    """Each baseline, fitted once on students who learn."""
    histories, _ = learners
    fitted = {name: make(5) for name, make in BASELINES.items()}
    for model in fitted.values():
        model.fit(histories, by_student(histories))
    return fitted


@pytest.mark.parametrize("name", NAMES)
def test_baseline_comes_as_near_to_the_truth_as_it_can(name, models, learners):
    histories, chance = learners
    test = by_student(histories).test
    correct = histories.correct[test].astype(np.float64)

    item_mean, best = (
        auc(correct, predicted)
        for predicted in (models["item_mean"].predict(histories, test), chance[test])
    )
    found = auc(correct, models[name].predict(histories, test))

    assert best - item_mean > 0.1
    assert (found - item_mean) / (best - item_mean) >= LEAST_GAIN[name]
    assert found < best + 0.01


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_visible_changes_no_prediction(name, models, learners):
    histories, _ = learners
    rng = np.random.default_rng(8)
    visible = np.maximum(histories.position - rng.integers(0, 6, len(histories)), 0)
    histories = replace(histories, visible=visible)
    at = 17  # of every student; what it cannot see is asked, answered and timed otherwise
    asked = histories.position == at
    hidden = histories.position >= np.repeat(visible[asked], LENGTH)
    n = len(histories)
    changed = replace(
        histories,
        correct=np.where(hidden, 1 - histories.correct, histories.correct),
        item=np.where(hidden & ~asked, rng.integers(1, N_ITEMS + 1, n), histories.item),
        latency_ms=np.where(hidden, np.nan, histories.latency_ms),
        hint_count=np.where(hidden, 3.0, histories.hint_count),
        attempt_count=np.where(hidden, 9.0, histories.attempt_count),
        first_action=np.where(hidden, 2, histories.first_action),
    )

    before, after = (models[name].predict(each, asked) for each in (histories, changed))

    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "item_mean"])
def test_the_visible_past_changes_predictions(name, models, learners):
    histories, _ = learners
    asked = histories.position == 17
    turned = replace(histories, correct=np.where(histories.position < 17, 1, 0))

    before, after = (models[name].predict(each, asked) for each in (histories, turned))

    assert (after - before).mean() > 0.02


@pytest.mark.parametrize("name", NAMES)
def test_random_labels_cannot_be_predicted(name):
    histories, _ = students_who_learn(seed=21, random_labels=True)
    split = by_student(histories)
    model = BASELINES[name](5)
    model.fit(histories, split)

    found = auc(
        histories.correct[split.test].astype(np.float64), model.predict(histories, split.test)
    )

    assert found == pytest.approx(0.5, abs=0.045)  # 1800 answers: a standard error of .014


@pytest.mark.parametrize("name", NAMES)
def test_unseen_item_falls_back_to_its_skill(name, models):
    """Larger indexes and a narrower matrix of skills than in training; first responses."""
    newcomers = Histories.of(
        offsets=np.arange(6),
        item=np.array([0, 999, 0, 999, 999]),
        skills=np.array([[1], [1], [2], [2], [77]]),
        correct=np.zeros(5, dtype=np.int64),
    )

    predicted = models[name].predict(newcomers, newcomers.asked)

    assert predicted[0] == predicted[1] > predicted[2] + 0.03
    assert predicted[2] == predicted[3]
    assert predicted[3] <= predicted[4] <= predicted[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_wider_matrix_of_skills_changes_nothing(name, models, learners):
    histories, _ = learners
    wide = replace(histories, skills=np.pad(histories.skills, ((0, 0), (0, 3))))
    asked = histories.position == 9

    np.testing.assert_array_equal(
        models[name].predict(wide, asked), models[name].predict(histories, asked)
    )


@pytest.mark.parametrize("name", NAMES)
def test_predictions_keep_the_order_of_the_chosen(name, models, learners):
    histories, _ = learners
    every = models[name].predict(histories, histories.asked)
    chosen = np.random.default_rng(4).random(len(histories)) < 0.1

    np.testing.assert_allclose(models[name].predict(histories, chosen), every[chosen], rtol=1e-12)
    assert models[name].predict(histories, np.zeros(len(histories), dtype=bool)).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_answers_of_the_test_students_teach_nothing(name, models, learners):
    histories, _ = learners
    split = by_student(histories)
    turned = replace(
        histories, correct=np.where(split.test, 1 - histories.correct, histories.correct)
    )
    model = BASELINES[name](5)
    model.fit(turned, split)

    np.testing.assert_array_equal(
        model.predict(histories, split.test), models[name].predict(histories, split.test)
    )


@pytest.mark.parametrize("name", NAMES)
def test_no_training_responses_are_refused(name, learners):
    histories, _ = learners
    nothing = np.zeros(len(histories), dtype=bool)

    with pytest.raises(NoData, match="no training responses"):
        BASELINES[name](1).fit(histories, Split(train=nothing, validation=histories.asked))


@pytest.mark.parametrize("name", NAMES)
def test_context_is_never_predicted(name, models, learners):
    histories, _ = learners
    context = replace(histories, visible=np.where(histories.position < 5, -1, histories.position))

    with pytest.raises(ValueError, match="context"):
        models[name].predict(context, np.ones(len(context), dtype=bool))


@pytest.mark.parametrize("name", NAMES)
def test_predicting_before_fit_is_refused(name, learners):
    histories, _ = learners

    with pytest.raises(ValueError, match=f"fit {name}"):
        BASELINES[name](1).predict(histories, histories.asked)
