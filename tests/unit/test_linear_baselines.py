"""Logistic baselines: designs by hand, the optimum, abilities, and planted weights."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import Histories, Split
from deepkt_irt.knowledge_tracing.linear_baselines import (
    PFA,
    BestLR,
    Columns,
    Part,
    RaschSkill,
    Rows,
    ability_so_far,
    design,
    fit_logistic,
)


def histories_of(item, skills, correct, *, n_students, **given):
    per = len(item) // n_students
    return Histories.of(
        offsets=np.arange(n_students + 1) * per,
        item=np.asarray(item),
        skills=np.asarray(skills),
        correct=np.asarray(correct),
        **given,
    )


def halves(histories):
    """Even students train, odd ones validate."""
    even = histories.student_of_response % 2 == 0
    return Split(train=even, validation=~even)


def test_columns_of_what_training_never_met_are_none():
    columns = Columns.of(np.array([[5, 0], [2, 5]]))

    assert columns.n == 2
    assert columns(np.array([[0, 2], [5, 3], [6, 900]])).tolist() == [[-1, 0], [1, -1], [-1, -1]]


def test_design_puts_parts_side_by_side():
    x = design(
        [
            Part.dense(np.array([3.0, 4.0])),
            Part(np.array([[1, -1], [0, 1]]), np.array([[5.0, 6.0], [7.0, 8.0]]), 2),
        ]
    )

    assert x.toarray().tolist() == [[3, 0, 5], [4, 7, 8]]


def drawn_rows(rng, n, weights):
    x = rng.normal(size=(n, len(weights)))
    dense = Part.dense(*x.T)
    return Rows(design([dense]), (rng.random(n) < expit(x @ weights)).astype(np.int64))


def test_fit_logistic_is_at_the_maximum_of_the_posterior():
    rng = np.random.default_rng(3)
    train = drawn_rows(rng, 400, np.array([1.0, -0.5, 0.0]))
    nothing = Rows(train.x[:0], train.correct[:0])

    model = fit_logistic(train, nothing)

    residual = train.correct - expit(model.logit(train.x))
    assert model.strength == 1.0
    np.testing.assert_allclose(train.x.T @ residual, model.weights / model.strength, atol=0.02)
    assert residual.sum() == pytest.approx(0, abs=0.02)


def test_fit_logistic_prior_is_the_one_that_validation_likes():
    rng = np.random.default_rng(4)
    weights = np.array([3.0, -3.0])
    train = drawn_rows(rng, 60, weights)

    strong = fit_logistic(train, drawn_rows(rng, 2000, weights))
    none = fit_logistic(train, drawn_rows(rng, 2000, np.zeros(2)))

    assert strong.strength > none.strength


def test_ability_so_far_equals_the_expected_value_over_the_visible_answers():
    rng = np.random.default_rng(5)
    n = 12
    easiness, visible = rng.normal(size=n), np.array([-1, 0, 2, 1, 4, 0, 0, 1, 2, 1, -1, 5])
    histories = histories_of(
        np.ones(n, dtype=np.int64),
        np.zeros((n, 1), dtype=np.int64),
        rng.integers(0, 2, n),
        n_students=2,
        visible=visible,
    )

    found = ability_so_far(histories, histories.asked, easiness)

    theta = np.linspace(-4, 4, 21)
    for at, value in zip(np.flatnonzero(histories.asked), found, strict=True):
        start = histories.offsets[histories.segment[at]]
        weight = norm.pdf(theta)
        for past in range(start, start + visible[at]):
            right = expit(theta + easiness[past])
            weight = weight * (right if histories.correct[past] else 1 - right)
        assert value == pytest.approx((theta * weight).sum() / weight.sum())


def test_ability_so_far_of_a_very_long_history_stays_finite():
    n = 5000
    histories = histories_of(
        np.ones(n, dtype=np.int64),
        np.zeros((n, 1), dtype=np.int64),
        np.ones(n, dtype=np.int64),
        n_students=1,
    )

    found = ability_so_far(histories, histories.asked, np.zeros(n))

    assert found[0] == pytest.approx(0, abs=1e-12)
    assert (np.diff(found) >= -1e-9).all()
    assert found[-1] == pytest.approx(4.0, abs=1e-3)


def rasch(rng, *, n_students=400, n_items=40):
    theta, easiness = rng.normal(size=n_students), rng.normal(size=n_items)
    item = np.array([rng.permutation(n_items) for _ in range(n_students)])
    right = rng.random(item.shape) < expit(theta[:, None] + easiness[item])
    skills = 1 + item.reshape(-1, 1) % 2
    return easiness, histories_of(
        item.ravel() + 1, skills, right.ravel().astype(np.int64), n_students=n_students
    )


def test_rasch_skill_recovers_planted_easinesses_and_the_scale_of_ability():
    easiness, histories = rasch(np.random.default_rng(6))
    model = RaschSkill()
    model.fit(histories, halves(histories))

    one_each = histories_of(
        np.arange(40) + 1, 1 + np.arange(40).reshape(-1, 1) % 2, np.zeros(40), n_students=40
    )
    # a student never seen has ability 0
    predicted = model.predict(one_each, one_each.asked)

    found = np.log(predicted / (1 - predicted))
    assert np.corrcoef(found, easiness)[0, 1] > 0.97
    assert np.sqrt(np.mean((found - easiness) ** 2)) < 0.3
    assert model._state[3].weights[-1] == pytest.approx(1.0, abs=0.15)


def practised(rng, *, learn, n_students=300, length=30):
    """Two skills in turn; the log odds of the first rise with each success on it."""
    skill = 1 + rng.integers(0, 2, (n_students, length))
    successes = np.zeros((n_students, 3))
    correct = np.zeros(skill.shape, dtype=np.int64)
    rows = np.arange(n_students)
    for t in range(length):
        at = skill[:, t]
        gain = np.where(at == 1, learn, 0.0) * np.log1p(successes[rows, at])
        correct[:, t] = rng.random(n_students) < expit(-0.5 + gain)
        successes[rows, at] += correct[:, t]
    n = n_students * length
    return histories_of(
        np.arange(n) % 7 + 1, skill.reshape(-1, 1), correct.ravel(), n_students=n_students
    )


def test_pfa_recovers_the_planted_slope_of_success_and_its_skill():
    histories = practised(np.random.default_rng(7), learn=0.8)
    model = PFA()
    model.fit(histories, halves(histories))

    _, weights, _ = model._state
    first_success, second_success = weights.weights[2:4]
    assert first_success == pytest.approx(0.8, abs=0.15)
    assert second_success == pytest.approx(0.0, abs=0.15)


def test_pfa_without_a_known_skill_predicts_the_overall_share():
    histories = practised(np.random.default_rng(8), learn=0.5, n_students=20)
    split = halves(histories)
    model = PFA()
    model.fit(histories, split)

    other = histories_of([1, 1], [[0, 0], [3, 0]], [1, 1], n_students=1)

    overall = histories.correct[split.train].mean()
    assert model.predict(other, other.asked) == pytest.approx([overall, overall])


@pytest.mark.parametrize("model", [PFA, RaschSkill])
def test_models_without_any_item_or_skill_still_predict(model):
    histories = histories_of(
        np.zeros(8, dtype=np.int64),
        np.zeros((8, 1), dtype=np.int64),
        [1, 1, 1, 0, 1, 0, 1, 1],
        n_students=2,
    )
    fitted = model()
    fitted.fit(histories, halves(histories))

    predicted = fitted.predict(histories, histories.asked)

    assert predicted[[0, 4]] == pytest.approx([0.75, 0.75], abs=0.1)


def test_best_lr_uses_the_counts_on_the_same_item():
    """Items asked twice are answered alike: only their own past tells."""
    rng = np.random.default_rng(9)
    answers = rng.integers(0, 2, (300, 10))
    item = np.tile(np.arange(10) + 1, (300, 2))
    histories = histories_of(
        item.ravel(),
        np.ones((6000, 1), dtype=np.int64),
        np.tile(answers, (1, 2)).ravel(),
        n_students=300,
    )
    model = BestLR()
    model.fit(histories, halves(histories))

    again = histories.position >= 10
    predicted = model.predict(histories, again)

    assert ((predicted > 0.5) == (histories.correct[again] == 1)).mean() > 0.99


@pytest.mark.parametrize("model", [BestLR, PFA, RaschSkill])
def test_models_of_answers_that_are_all_alike_are_refused(model):
    histories = histories_of([1, 2, 1, 2], [[1], [1], [1], [1]], [1, 1, 1, 1], n_students=2)

    with pytest.raises(NoData, match="all right or all wrong"):
        model().fit(histories, halves(histories))
