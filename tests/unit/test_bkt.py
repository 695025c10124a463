"""Bayesian knowledge tracing: filtering by hand, EM against enumeration, planted parameters."""

from itertools import product

import numpy as np
import pytest

from deepkt_irt.knowledge_tracing.bkt import (
    BKT,
    Parameters,
    _backward,
    _em_step,
    _forward,
    _Likelihood,
    _Panel,
)
from deepkt_irt.knowledge_tracing.histories import Histories, Split

INIT, LEARN, SLIP, GUESS = 0.4, 0.15, 0.1, 0.25
ONE = Parameters(*(np.array([value]) for value in (INIT, LEARN, SLIP, GUESS)))


def histories_of(skills, correct, *, n_segments=1, **given):
    skills = np.asarray(skills)
    return Histories.of(
        offsets=np.arange(n_segments + 1) * (len(skills) // n_segments),
        item=np.ones(len(skills), dtype=np.int64),
        skills=skills.reshape(len(skills), -1),
        correct=np.asarray(correct),
        **given,
    )


def everything(histories):
    return Split(train=histories.asked, validation=np.zeros(len(histories), dtype=bool))


def with_parameters(*skills):
    """A model with (init, learn, slip, guess) of skills 1, 2 ..., NaN not trained."""
    model = BKT()
    columns = np.array([[np.nan] * 4, *skills]).T
    model._state = Parameters(*columns), 0.6
    return model


def paths(n):
    """Chance of each way of being unknown, then known, over n responses: all (times known, p)."""
    for at in range(n + 1):  # first response at which the skill is known; n: never
        chance = INIT if at == 0 else (1 - INIT) * (1 - LEARN) ** (at - 1)
        if 0 < at < n:
            chance *= LEARN
        yield at, chance


def joint(answers, at):
    """Likelihood of answers, None unobserved, if the skill is known from response `at` on."""
    p = 1.0
    for t, right in enumerate(answers):
        good = 1 - SLIP if t >= at else GUESS
        if right is not None:
            p *= good if right else 1 - good
    return p


@pytest.mark.parametrize(
    "answers", [*product((0, 1), repeat=3), (1, None, 0, None), (None, 0), (1,)]
)
def test_smoothed_chances_equal_the_enumeration_of_all_paths(answers):
    n = len(answers)
    right = np.array([np.nan if a is None else float(a) for a in answers])
    panel = _Panel.of(np.arange(n), np.zeros(n, dtype=np.int64))
    likelihood = _Likelihood.of(right, ONE.at(panel.run))

    known, learned = _backward(panel, likelihood, ONE, _forward(panel, likelihood, ONE))

    weights = {at: chance * joint(answers, at) for at, chance in paths(n)}
    total = sum(weights.values())
    by_hand = [sum(w for at, w in weights.items() if at <= t) / total for t in range(n)]
    np.testing.assert_allclose(known, by_hand)
    np.testing.assert_allclose(learned, [*(weights[t + 1] / total for t in range(n - 1)), 0.0])


def test_runs_of_unequal_length_side_by_side_equal_each_alone():
    rng = np.random.default_rng(2)
    lengths = [3, 1, 7, 7, 2]
    place = np.concatenate([np.arange(n) for n in lengths])
    right = rng.integers(0, 2, len(place)).astype(np.float64)

    def smoothed(place, right):
        panel = _Panel.of(place, np.zeros(len(place), dtype=np.int64))
        at = ONE.at(panel.skill)
        likelihood = _Likelihood.of(right[panel.order], at.at(panel.run))
        known, _ = _backward(panel, likelihood, at, _forward(panel, likelihood, at))
        found = np.empty(len(place))
        found[panel.order] = known
        return found

    alone = [
        smoothed(np.arange(n), part)
        for n, part in zip(lengths, np.split(right, np.cumsum(lengths)[:-1]), strict=True)
    ]
    np.testing.assert_allclose(smoothed(place, right), np.concatenate(alone))


def test_em_never_lowers_the_likelihood():
    rng = np.random.default_rng(3)
    n_runs, length = 40, 6
    panel = _Panel.of(np.tile(np.arange(length), n_runs), np.zeros(n_runs * length, dtype=int))
    right = rng.integers(0, 2, n_runs * length).astype(np.float64)
    now = Parameters(*(np.array([value]) for value in (0.9, 0.5, 0.4, 0.05)))

    seen = []
    for _ in range(30):
        at = now.at(panel.skill)
        likelihood = _Likelihood.of(right, at.at(panel.run))
        forward = _forward(panel, likelihood, at)
        before = np.concatenate([at.init, forward.ready[: -panel.bounds[1]]])
        chance = before * likelihood.known + (1 - before) * likelihood.unknown
        seen.append(np.log(chance).sum())
        now = _em_step(panel, right, now, now, 0.0)

    assert (np.diff(seen) > -1e-9).all()
    assert seen[-1] > seen[0] + 1


def test_prediction_is_the_filtered_chance_after_the_visible_responses_on_the_skill():
    model = with_parameters((INIT, LEARN, SLIP, GUESS), (0.9, 0.2, 0.05, 0.1))
    histories = histories_of([1, 2, 1, 1, 1], [1, 0, 0, 1, 1], visible=np.array([0, 0, 1, 1, 3]))

    predicted = model.predict(histories, histories.asked)

    def right(known):
        return known * (1 - SLIP) + (1 - known) * GUESS

    after_right = INIT * (1 - SLIP) / right(INIT)
    ready = after_right + (1 - after_right) * LEARN
    after_wrong = ready * SLIP / (1 - right(ready))
    then = after_wrong + (1 - after_wrong) * LEARN
    second = 0.9 * 0.95 + 0.1 * 0.1
    expected = [right(INIT), second, right(ready), right(ready), right(then)]
    assert predicted == pytest.approx(expected)


def test_prediction_on_several_skills_is_the_mean_over_those_that_training_met():
    model = with_parameters((0.2, 0.1, 0.1, 0.2), (0.8, 0.1, 0.1, 0.2), (np.nan,) * 4)
    histories = histories_of([[1, 2], [2, 3], [3, 0], [9, 0], [0, 0]], [1] * 5, n_segments=5)

    predicted = model.predict(histories, histories.asked)

    low, high = 0.2 * 0.9 + 0.8 * 0.2, 0.8 * 0.9 + 0.2 * 0.2
    assert predicted == pytest.approx([(low + high) / 2, high, 0.6, 0.6, 0.6])


def simulated(rng, *, init, learn, slip, guess, n_students=1500, length=12):
    known = rng.random(n_students) < init
    correct = np.zeros((n_students, length), dtype=np.int64)
    for t in range(length):
        correct[:, t] = rng.random(n_students) < np.where(known, 1 - slip, guess)
        known |= rng.random(n_students) < learn
    return correct


def test_fit_recovers_planted_parameters_of_two_skills():
    rng = np.random.default_rng(4)
    planted = ((0.3, 0.12, 0.08, 0.2), (0.6, 0.25, 0.2, 0.1))
    answers = [simulated(rng, init=i, learn=learn, slip=s, guess=g) for i, learn, s, g in planted]
    correct = np.stack(answers, axis=2)  # in turn: (students, times, skills)
    histories = histories_of(
        np.tile([1, 2], correct.size // 2), correct.ravel(), n_segments=len(correct)
    )
    model = BKT(max_iterations=300, tolerance=1e-4)
    model.fit(histories, everything(histories))

    found = model.parameters
    for skill, truth in enumerate(planted, start=1):
        got = [found.init[skill], found.learn[skill], found.slip[skill], found.guess[skill]]
        np.testing.assert_allclose(got, truth, atol=0.05)
    assert np.isnan(found.init[0])


def test_fit_keeps_slip_and_guess_below_one_half():
    """Students who get worse would be told best by a state turned upside down."""
    correct = np.tile([1, 1, 1, 0, 0, 0], 50)
    histories = histories_of(np.ones(300, dtype=np.int64), correct, n_segments=50)
    model = BKT()
    model.fit(histories, everything(histories))

    assert model.parameters.slip[1] < 0.5
    assert model.parameters.guess[1] < 0.5


def test_fit_skill_of_few_responses_is_drawn_to_all_skills_together():
    rng = np.random.default_rng(5)
    common = simulated(rng, init=0.3, learn=0.1, slip=0.1, guess=0.2, n_students=200)
    skills = np.where(np.arange(12) == 11, 2, 1)  # the last response is on the rare skill
    common[:, 11] = 0
    histories = histories_of(np.tile(skills, 200), common.ravel(), n_segments=200)
    few = histories.segment < 2
    train = (histories.skills[:, 0] == 1) | few
    model = BKT()
    model.fit(histories, Split(train=train, validation=~train))

    assert model.parameters.guess[2] == pytest.approx(model.parameters.guess[1], abs=0.06)


def test_fit_answers_outside_training_change_no_parameter():
    rng = np.random.default_rng(6)
    skills = rng.integers(1, 4, 400)
    correct = rng.integers(0, 2, 400)
    train = rng.random(400) < 0.6
    found = []
    for answers in (correct, np.where(train, correct, 1 - correct)):
        histories = histories_of(skills, answers, n_segments=20)
        model = BKT()
        model.fit(histories, Split(train=train, validation=~train))
        found.append(model.parameters)

    for name in ("init", "learn", "slip", "guess"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name))


def test_fit_context_before_a_training_response_counts_as_observed():
    skills = np.ones(40, dtype=np.int64)
    visible = np.tile([-1, -1, 2, 3], 10)
    found = []
    for answer in (0, 1):
        correct = np.tile([answer, answer, 1, 0], 10)
        histories = histories_of(skills, correct, n_segments=10, visible=visible)
        model = BKT()
        model.fit(histories, everything(histories))
        found.append(model.parameters.init[1])

    assert found[1] > found[0] + 0.2


def test_without_any_skill_the_overall_share_is_predicted():
    histories = histories_of(np.zeros(4, dtype=np.int64), [1, 1, 1, 0])
    model = BKT()
    model.fit(histories, everything(histories))

    assert model.predict(histories, histories.asked).tolist() == [0.75] * 4
