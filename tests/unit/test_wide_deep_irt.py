"""Wide & Deep IRT: its formula, causality, scale, storage, and what it refuses."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.special import expit

from deepkt_irt.errors import NoData, NotTrained
from deepkt_irt.knowledge_tracing.histories import Histories, Split
from deepkt_irt.knowledge_tracing.metrics import scores
from deepkt_irt.knowledge_tracing.wide_deep_features import step_features, step_tables
from deepkt_irt.knowledge_tracing.wide_deep_irt import WideDeepIrt
from deepkt_irt.knowledge_tracing.wide_deep_items import (
    Curves,
    Responses,
    derivatives,
    first_curves,
    fitted_curves,
    log_posterior,
    standard_errors,
)
from deepkt_irt.knowledge_tracing.wide_deep_network import (
    AbilityNetwork,
    abilities,
    negative_log_likelihood,
    pieces_of,
)
from deepkt_irt.knowledge_tracing.wide_deep_scale import mean_sigma_link
from deepkt_irt.settings import WideDeepSettings

N_ITEMS, N_SKILLS = 12, 4
SMALL = WideDeepSettings(window=7, max_epochs=2, batch_size=8, discrimination=True)
GUESSABLE = np.array([np.nan] + [1, 0, np.nan] * 4)


def histories(n_segments=40, *, longest=25, seed=3):
    """Made-up histories of differing length with every column, some values missing."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, longest, n_segments))])
    n = offsets[-1]
    item = rng.integers(1, N_ITEMS, n)  # the last item is never met
    ability = np.repeat(rng.normal(size=n_segments), np.diff(offsets))
    right = rng.random(n) < expit(ability - np.linspace(-1, 1, N_ITEMS)[item - 1])
    maybe = lambda values: np.where(rng.random(n) < 0.2, np.nan, values)  # noqa: E731
    return Histories.of(
        offsets=offsets,
        item=item,
        skills=np.stack([1 + item % N_SKILLS, np.where(item > 9, 1 + (item + 1) % N_SKILLS, 0)], 1),
        correct=right.astype(np.int64),
        latency_ms=maybe(rng.lognormal(9, 1, n)),
        hint_count=maybe(rng.integers(0, 3, n)),
        attempt_count=maybe(rng.integers(1, 4, n)),
        first_action=rng.integers(0, 4, n),
    )


def split_of(data):
    kind = data.segment % 4
    return Split(train=kind < 2, validation=kind == 2, test=kind == 3)


def fitted(data, *, seed=1, settings=SMALL, **parts):
    model = WideDeepIrt(settings, seed=seed, **parts)
    model.fit(data, split_of(data))
    return model


@pytest.fixture(scope="module")
def data():
    return histories()


@pytest.fixture(scope="module")
def model(data):
    return fitted(data, guessable=GUESSABLE)


def network_by_hand(network, features, data, segment, visible):
    """Abilities straight from the formula, one prediction after another."""
    with torch.no_grad():
        centre, gain = network.centre.numpy(), network.gain.numpy()
        evidence = network.evidence(torch.from_numpy((features - centre) * gain))[:, 0].double()
        evidence = evidence.numpy()
        weights = network.lag_weights().double().numpy()
        mean_weight = float(network.log_mean_weight.exp())
    found = []
    for s, v in zip(segment, visible, strict=True):
        total, weight = 0.0, mean_weight
        for j in range(max(0, v - len(weights)), v):
            total += weights[v - 1 - j] * evidence[data.offsets[s] + j]
            weight += weights[v - 1 - j]
        found.append(total / weight)
    return np.array(found)


def random_network(n_features, *, window, seed):
    torch.manual_seed(seed)
    settings = WideDeepSettings(window=window, dropout=0.5)
    network = AbilityNetwork(n_features, settings)
    with torch.no_grad():
        network.log_weight.normal_()
        network.centre.normal_()
        network.gain.uniform_(0.5, 2)
    return network.eval()


@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    window=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
@hypothesis_settings(max_examples=25, deadline=None)
def test_abilities_equal_the_formula_for_any_lengths_windows_and_visible_pasts(
    lengths, window, seed
):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    data = Histories.of(
        offsets=offsets,
        item=np.ones(offsets[-1], int),
        skills=np.ones((offsets[-1], 1), int),
        correct=np.ones(offsets[-1], int),
    )
    features = rng.normal(size=(len(data), 5)).astype(np.float32)
    segment = rng.integers(0, len(lengths), 40)
    visible = rng.integers(0, data.lengths[segment] + 1)
    network = random_network(5, window=window, seed=seed)

    pieces = pieces_of(offsets, segment, visible, window=window)
    theta = abilities(network, features, pieces, n=40)

    expected = network_by_hand(network, features, data, segment, visible)
    np.testing.assert_allclose(theta, expected, atol=2e-6)


def test_predictions_equal_the_formula_written_out(data, model):
    chosen = split_of(data).test
    found = model.fitted
    features = step_features(data, found.tables)
    theta = network_by_hand(
        found.network, features, data, data.segment[chosen], data.visible[chosen]
    )
    b, log_a, logit_c = found.items.curves.values[:, data.item[chosen]]
    c = expit(logit_c)
    expected = c + (1 - c) / (1 + np.exp(-np.exp(log_a) * (theta - b)))

    np.testing.assert_allclose(model.predict(data, chosen), expected, atol=2e-6)


def test_features_that_never_vary_in_training_are_ignored():
    features = np.random.default_rng(1).normal(size=(50, 5)).astype(np.float32)
    features[:, 2] = 1.0
    network = random_network(5, window=3, seed=1)
    network.standardise(features)
    other = features.copy()
    other[:, 2] = 0.0
    pieces = pieces_of(np.array([0, 50]), np.zeros(50, int), np.arange(50), window=3)

    np.testing.assert_array_equal(
        abilities(network, features, pieces, n=50), abilities(network, other, pieces, n=50)
    )


@pytest.mark.parametrize("seed", range(5))
def test_network_of_few_units_can_learn_from_any_start(seed):
    features = np.tile([[0.0, -0.6], [1.0, 0.4]], (20, 1)).astype(np.float32)
    torch.manual_seed(seed)
    network = AbilityNetwork(2, WideDeepSettings(hidden=2))
    network.standardise(features)
    pieces = pieces_of(np.array([0, 40]), np.zeros(40, int), np.arange(40), window=200)

    assert np.ptp(abilities(network, features, pieces, n=40)[1:]) > 0


def edited(data, at):
    """Other items, skills, answers, times, help and actions at some responses."""
    return replace(
        data,
        item=np.where(at, data.item % (N_ITEMS - 1) + 1, data.item),
        skills=np.where(at[:, None], data.skills % N_SKILLS + 1, data.skills),
        correct=np.where(at, 1 - data.correct, data.correct),
        latency_ms=np.where(at, 77.0, data.latency_ms),
        hint_count=np.where(at, 5.0, data.hint_count),
        attempt_count=np.where(at, 9.0, data.attempt_count),
        first_action=np.where(at, 3, data.first_action),
    )


@pytest.mark.parametrize("t", [0, 1, 6, 7, 15])
def test_abilities_ignore_this_response_and_all_later_ones(data, model, t):
    changed = edited(data, data.position >= t)

    before, after = model.abilities(data), model.abilities(changed)

    up_to_now = data.position <= t
    np.testing.assert_array_equal(before.theta[up_to_now], after.theta[up_to_now])


@pytest.mark.parametrize("t", [0, 6, 15])
def test_predictions_ignore_answer_time_and_help_of_this_response_but_not_its_item(data, model, t):
    at = data.position == t
    own = replace(edited(data, at), item=data.item, skills=data.skills)
    other_item = replace(data, item=edited(data, at).item)

    before = model.predict(data, at)

    np.testing.assert_array_equal(before, model.predict(own, at))
    assert (before != model.predict(other_item, at)).all()


def test_abilities_follow_what_came_before(data, model):
    changed = edited(data, data.position == 2)
    before, after = model.abilities(data).theta, model.abilities(changed).theta

    within = (data.position > 2) & (data.position <= 2 + SMALL.window)
    assert (before[within] != after[within]).all()
    beyond = data.position > 2 + SMALL.window
    np.testing.assert_allclose(before[beyond], after[beyond], atol=1e-6)


def test_test_items_rest_on_the_practice_alone(data, model):
    practice = np.repeat(data.lengths // 2, data.lengths)
    is_test = data.position >= practice
    units = replace(data, visible=np.where(is_test, practice, -1))

    theta = model.abilities(units).theta
    np.testing.assert_array_equal(theta, model.abilities(edited(units, is_test)).theta)
    assert np.isnan(theta[~is_test]).all()
    first = data.offsets[:-1] + data.lengths // 2
    np.testing.assert_allclose(theta[is_test], theta[first][data.segment[is_test]], atol=1e-6)


def test_practice_of_training_students_alone_is_learned_from(data):
    practice = np.repeat(data.lengths // 2, data.lengths)
    units = replace(data, visible=np.where(data.position >= practice, practice, -1))
    split = split_of(units)
    is_practice = units.position < practice
    # tests without help: only practice shows what hints mean
    units = replace(units, hint_count=np.where(is_practice, units.hint_count, 0.0))
    only_tests = Split(*(x & ~is_practice for x in (split.train, split.validation, split.test)))
    model = WideDeepIrt(SMALL, seed=1)
    model.fit(units, only_tests)
    others = WideDeepIrt(SMALL, seed=1)
    others.fit(edited(units, split.test), only_tests)

    rows = split.train  # every practice step of these students is seen by their test items
    expected = step_tables(units, rows, prior_responses=10, min_latency_responses=30)
    np.testing.assert_array_equal(model.fitted.tables.item_share, expected.item_share)
    assert model.fitted.network.gain[10] > 0  # hints
    np.testing.assert_array_equal(
        model.predict(units, only_tests.validation), others.predict(units, only_tests.validation)
    )


def test_abilities_count_what_they_rest_on(data, model):
    found = model.abilities(data)

    np.testing.assert_array_equal(found.n_visible, np.minimum(data.visible, SMALL.window))
    np.testing.assert_array_equal(found.n_now, np.minimum(data.lengths, SMALL.window))
    longer = Histories.of(
        offsets=np.array([0, data.lengths[0] + 1]),
        item=np.append(data.item[: data.lengths[0]], 1),
        skills=np.append(data.skills[: data.lengths[0]], [[1, 0]], axis=0),
        correct=np.append(data.correct[: data.lengths[0]], 1),
        **{
            name: np.append(getattr(data, name)[: data.lengths[0]], 1)
            for name in ("latency_ms", "hint_count", "attempt_count", "first_action")
        },
    )
    assert model.abilities(longer).theta[-1] == pytest.approx(found.theta_now[0], abs=1e-6)


def test_scale_told_leaves_predictions_as_they_are(data, model):
    ability, items = model.abilities(data), model.item_parameters()
    a, b, c = (x[data.item] for x in (items.discrimination, items.difficulty, items.guessing))

    train = split_of(data).train
    assert ability.theta[train].mean() == pytest.approx(0, abs=1e-6)
    assert ability.theta[train].std() == pytest.approx(1, abs=1e-6)
    told = c + (1 - c) * expit(a * (ability.theta - b))
    np.testing.assert_allclose(told, model.predict(data, data.asked), atol=1e-6)


def test_saved_and_loaded_model_says_the_same(data, model, tmp_path):
    model.save(tmp_path / "model")
    loaded = WideDeepIrt.load(tmp_path / "model")

    np.testing.assert_array_equal(model.predict(data, data.asked), loaded.predict(data, data.asked))
    for each in fields(model.item_parameters()):
        np.testing.assert_array_equal(
            getattr(model.item_parameters(), each.name),
            getattr(loaded.item_parameters(), each.name),
        )
    assert loaded.n_parameters == model.n_parameters
    loaded.fit(data, split_of(data))  # all it was given came along
    np.testing.assert_array_equal(model.predict(data, data.asked), loaded.predict(data, data.asked))


def test_same_seed_gives_the_same_model_and_leaves_the_global_generator_alone(data):
    state = torch.get_rng_state()
    settings = SMALL.model_copy(update={"dropout": 0.2})
    one, two, three = (
        fitted(data, seed=seed, settings=settings).predict(data, data.asked) for seed in (5, 5, 6)
    )

    np.testing.assert_array_equal(one, two)
    assert (one != three).any()
    assert torch.equal(state, torch.get_rng_state())


def test_guessing_stands_only_where_an_item_can_be_guessed(data, model):
    items = model.item_parameters()
    guessed = GUESSABLE == 1

    np.testing.assert_array_equal(items.guessing > 0, guessed)
    np.testing.assert_array_equal(np.isfinite(items.guessing_se), guessed & items.known)
    assert (fitted(data).item_parameters().guessing == 0).all()
    fixed = SMALL.model_copy(update={"guessing": False})
    found = fitted(data, settings=fixed, guessable=GUESSABLE).item_parameters()
    np.testing.assert_allclose(found.guessing[guessed], 0.2)


def test_discrimination_is_one_for_all_unless_estimated(data, model):
    plain = fitted(data, settings=SMALL.model_copy(update={"discrimination": False}))
    found = plain.item_parameters()

    assert np.ptp(found.discrimination) == 0
    assert np.isnan(found.discrimination_se).all()
    own = model.item_parameters()
    assert np.isfinite(own.discrimination_se[own.known]).all()
    assert np.ptp(own.discrimination) > 0


def test_item_without_training_responses_has_the_mean_of_its_skills(data):
    unseen = data.item == 5
    split = split_of(data)
    model = WideDeepIrt(SMALL, seed=1)
    model.fit(data, Split(split.train & ~unseen, split.validation & ~unseen))
    items = model.item_parameters()
    skill = 1 + 5 % N_SKILLS
    told = model.fitted.scale.told(model.fitted.items.population.skill_difficulty)

    assert not items.known[5]
    assert items.difficulty[5] == pytest.approx(told[skill])
    assert items.difficulty_se[5] > items.difficulty_se[items.known].mean()
    stranger = replace(data, item=np.where(unseen, 99, data.item))
    np.testing.assert_allclose(
        model.predict(stranger, unseen & data.asked & (data.position == 0)),
        model.predict(data, unseen & data.asked & (data.position == 0)),
    )


def test_item_never_met_has_no_difficulty(model):
    items = model.item_parameters()

    assert np.isnan(items.difficulty[[0, N_ITEMS]]).all()
    assert not items.known[[0, N_ITEMS]].any()


def test_best_epoch_is_kept_and_its_loss_reproduced(data):
    told = []
    settings = SMALL.model_copy(update={"max_epochs": 12, "patience": 2, "learning_rate": 0.05})
    model = WideDeepIrt(settings, seed=1, guessable=GUESSABLE)
    split = split_of(data)
    model.fit(data, split, on_epoch=told.append)

    best = min(told, key=lambda epoch: epoch.validation_loss)
    assert model.fitted.best == best
    assert told[-1].number - best.number in ({2} if len(told) < 12 else {0, 1, 2})
    found = scores(data.correct[split.validation], model.predict(data, split.validation))
    assert found.log_loss == pytest.approx(best.validation_loss, rel=1e-5)


def test_validation_and_test_answers_do_not_enter_the_model_but_by_when_it_stops(data):
    split = split_of(data)
    other = replace(data, correct=np.where(split.test, 1 - data.correct, data.correct))

    np.testing.assert_array_equal(
        fitted(data).predict(data, split.validation), fitted(other).predict(other, split.validation)
    )


def test_n_parameters_counts_the_network_and_no_items(data):
    # right or wrong, residual, share, unseen, 6 actions, hints, attempts (2 each), 11 deciles
    n_features = 4 + 6 + 4 + 11
    perceptron = n_features * 8 + 8 + 8 * 4 + 4 + 4 + 1
    weights = 4 + 1  # at lags 1, 2, 4 and 6; of the mean

    assert fitted(data).n_parameters == perceptron + weights


@pytest.mark.parametrize("guessing", [0.0, 0.3])
def test_loss_is_the_log_of_the_probability_even_far_out(guessing):
    theta = torch.tensor([-200.0, -1.0, 0.5, 200.0], dtype=torch.float64, requires_grad=True)
    one, c = torch.ones(4, dtype=torch.float64), torch.full((4,), guessing, dtype=torch.float64)

    right = negative_log_likelihood(one, theta, 1.5 * one, 0.2 * one, c)
    wrong = negative_log_likelihood(0 * one, theta, 1.5 * one, 0.2 * one, c)
    (right + wrong).sum().backward()

    p = guessing + (1 - guessing) * expit(1.5 * (theta.detach().numpy()[1:3] - 0.2))
    np.testing.assert_allclose(right.detach().numpy()[1:3], -np.log(p))
    np.testing.assert_allclose(wrong.detach().numpy()[1:3], -np.log(1 - p))
    assert torch.isfinite(theta.grad).all()
    assert torch.isfinite(right).all()


def few_responses(n=400, seed=2):
    rng = np.random.default_rng(seed)
    item = rng.integers(1, 4, n)
    return Responses(item, rng.integers(0, 2, n).astype(float), rng.normal(size=n))


def some_curves():
    settings = WideDeepSettings(discrimination=True)
    trained = np.array([False, True, True, True])
    curves = first_curves(3, trained, settings, guessable=np.array([np.nan, 1, 0, 1]))
    values = np.array([[0, 0.3, -0.5, 1.0], [0, 0.2, -0.3, 0.1], [0, -1.2, 0, -1.6]])
    return replace(curves, values=np.where(curves.free, values, curves.values))


def test_derivatives_of_the_log_posterior_are_right():
    curves, seen, h = some_curves(), few_responses(), 1e-4

    def moved(steps):
        step = np.where(curves.free, np.array(steps)[:, None], 0.0)
        return log_posterior(replace(curves, values=curves.values + step), seen)

    gradient, expected, observed = derivatives(curves, seen)
    unit = h * np.eye(3)
    for i in range(3):
        slope = (moved(unit[i]) - moved(-unit[i])) / (2 * h)
        np.testing.assert_allclose(gradient[:, i], slope, atol=1e-5)
        for j in range(3):
            bend = moved(unit[i] + unit[j]) - moved(unit[i] - unit[j])
            bend -= moved(unit[j] - unit[i]) - moved(-unit[i] - unit[j])
            free = curves.free[i] & curves.free[j]
            np.testing.assert_allclose(
                observed[free, i, j], -(bend / (4 * h**2))[free], rtol=1e-3, atol=1e-3
            )
    assert (np.linalg.eigvalsh(expected) > 0).all()


def test_fitted_curves_lie_where_the_log_posterior_is_flat():
    seen = few_responses()
    curves = fitted_curves(some_curves(), seen)
    gradient, _, observed = derivatives(curves, seen)
    errors = standard_errors(curves, seen)

    assert np.abs(gradient).max() < 0.05
    by_hand = np.sqrt(np.diag(np.linalg.inv(observed[1])))
    np.testing.assert_allclose(errors[:, 1], by_hand)
    np.testing.assert_array_equal(np.isfinite(errors), curves.free)


@given(right=st.integers(0, 30), wrong=st.integers(0, 30), middle=st.floats(-3, 3))
@hypothesis_settings(max_examples=30, deadline=None)
def test_difficulty_lies_between_its_priors_middle_and_what_the_responses_say(right, wrong, middle):
    trained = np.array([False, right + wrong > 0])
    curves = first_curves(1, trained, WideDeepSettings())
    mean = np.stack([np.full(2, middle), *curves.prior_mean[1:]])
    curves = replace(curves, values=mean, prior_mean=mean, prior_sd=curves.prior_sd / 2)
    n = right + wrong
    seen = Responses(np.ones(n, dtype=np.int64), np.repeat([1.0, 0.0], [right, wrong]), np.zeros(n))

    b = fitted_curves(curves, seen).difficulty[1]

    with np.errstate(divide="ignore"):
        alone = np.log(np.float64(wrong)) - np.log(np.float64(right)) if n else middle
    low, high = sorted([middle, alone])
    assert low - 1e-3 <= b <= high + 1e-3


def test_latency_deciles_are_the_items_own_where_it_has_enough(data):
    n = 60
    plain = Histories.of(
        offsets=np.array([0, 2 * n]),
        item=np.repeat([1, 2], n),
        skills=np.ones((2 * n, 1), int),
        correct=np.tile([0, 1], n),
        latency_ms=np.concatenate([np.arange(1.0, n + 1), 1000 + np.arange(n)]),
    )
    rows = np.ones(2 * n, dtype=bool)
    rows[n + 20 :] = False  # too few of item 2
    tables = step_tables(plain, rows, prior_responses=10, min_latency_responses=30)
    asked = replace(plain, latency_ms=np.where(np.arange(2 * n) == 3, -1.0, plain.latency_ms))
    deciles = step_features(asked, tables)[:, -11:].argmax(axis=1)

    assert deciles[0] == 0
    assert deciles[n // 2] == 5
    assert deciles[n - 1] == 9
    assert deciles[3] == 10  # not above 0: missing
    assert (deciles[n:] >= 7).all()  # slow among all


def test_residual_of_a_response_is_against_its_items_share_right(data):
    train = split_of(data).train
    tables = step_tables(data, train, prior_responses=1e-9, min_latency_responses=30)
    features = step_features(data, tables)

    of_item = data.item == 3
    share = data.correct[train & of_item].mean()
    np.testing.assert_allclose(features[of_item, 1], data.correct[of_item] - share, atol=1e-6)


def test_text_of_past_items_enters_and_missing_text_is_flagged(data):
    text = np.random.default_rng(1).normal(size=(N_ITEMS, 3))
    text[4] = np.nan
    tables = step_tables(data, data.asked, prior_responses=10, min_latency_responses=30)
    features = step_features(data, tables, text=text)

    np.testing.assert_array_equal(features[:, -1] == 1, data.item == 4)
    np.testing.assert_allclose(features[data.item == 2][0, -4:-1], text[2], atol=1e-6)
    model = fitted(data, text=text)
    assert np.isfinite(model.predict(data, data.asked)).all()


def test_link_finds_the_line_and_its_errors_shrink_with_more_items():
    rng = np.random.default_rng(4)
    exact = mean_sigma_link(np.array([-1.0, 0, 2, np.nan]), np.array([-1.5, 0.5, 4.5, 3.0]))
    assert (exact.slope, exact.intercept, exact.n_items) == (
        pytest.approx(2),
        pytest.approx(0.5),
        3,
    )
    assert exact.slope_se == pytest.approx(0, abs=1e-9)

    few, many = (
        mean_sigma_link(b, 1.2 * b - 0.3 + 0.1 * rng.normal(size=len(b)))
        for b in (rng.normal(size=20), rng.normal(size=2000))
    )
    assert many.slope == pytest.approx(1.2, abs=0.03)
    assert many.intercept == pytest.approx(-0.3, abs=0.02)
    assert many.slope_se < few.slope_se / 5
    assert many.intercept_se == pytest.approx(0.1 / np.sqrt(2000), rel=0.2)


def test_predict_of_nothing_is_nothing(data, model):
    assert model.predict(data, np.zeros(len(data), dtype=bool)).shape == (0,)


def test_untrained_model_refuses_to_answer(data, tmp_path):
    model = WideDeepIrt(SMALL)
    for ask in (
        lambda: model.predict(data, data.asked),
        lambda: model.abilities(data),
        model.item_parameters,
        lambda: model.save(tmp_path),
    ):
        with pytest.raises(NotTrained):
            ask()


def test_context_is_not_predicted(data, model):
    context = replace(data, visible=np.full(len(data), -1))
    with pytest.raises(ValueError, match="context"):
        model.predict(context, np.ones(len(data), dtype=bool))


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("kind", ["none", "context", "alike"])
def test_fit_without_telling_responses_is_refused(data, part, kind):
    split = split_of(data)
    chosen = getattr(split, part)
    if kind == "none":
        split = replace(split, **{part: np.zeros(len(data), dtype=bool)})
    elif kind == "context":
        data = replace(data, visible=np.where(chosen, -1, data.visible))
    else:
        data = replace(data, correct=np.where(chosen, 1, data.correct))

    with pytest.raises(NoData, match=part):
        WideDeepIrt(SMALL).fit(data, split)


def test_students_without_a_past_have_no_scale(data):
    nothing_visible = replace(data, visible=np.zeros(len(data), dtype=np.int64))
    with pytest.raises(NoData, match="same ability"):
        fitted(nothing_visible)


def test_impossible_parts_are_refused():
    with pytest.raises(ValueError, match="guessable"):
        WideDeepIrt(SMALL, guessable=np.array([np.nan, 0.5]))
    with pytest.raises(ValueError, match="text"):
        WideDeepIrt(SMALL, text=np.zeros(3))
    with pytest.raises(NoData, match="link"):
        mean_sigma_link(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="largest index"):
        first_curves(1, np.ones(2, dtype=bool), SMALL, guessable=np.ones(5))


def test_curves_keep_what_is_not_free():
    curves = some_curves()
    fixed = Curves(curves.values, np.zeros_like(curves.free), curves.prior_mean, curves.prior_sd)

    np.testing.assert_array_equal(fitted_curves(fixed, few_responses()).values, curves.values)
