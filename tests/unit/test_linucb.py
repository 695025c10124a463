"""The hybrid bandit against a dense solution of the same ridge regression, and its state."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.bandit.grid import Factors, Grid
from deepkt_irt.bandit.linear_state import ABOUT_FILE, ARRAYS_FILE, LinearState, Rewards
from deepkt_irt.bandit.linucb import OnlinePosterior, Posterior
from deepkt_irt.errors import BadFile
from deepkt_irt.settings import BanditSettings

Z_NAMES, X_NAMES = ("ability", "difficulty", "gap"), ("one", "recent")
ITEMS = ("a", "b", "c", "d")
ARRAYS = ("shared_precision", "shared_target", "own_precision", "own_cross", "own_target")
SETTINGS = BanditSettings(prior_precision=0.7, item_prior_precision=3.0, min_item_updates=8)


def fresh(bandit=SETTINGS, *, shared=Z_NAMES, own=X_NAMES, items=ITEMS) -> LinearState:
    return LinearState.fresh(shared_names=shared, own_names=own, item_ids=items, settings=bandit)


def rewards(n=60, *, seed=1, n_shared=3, n_own=2, n_items=4) -> Rewards:
    """Rewards on items of falling popularity, so that some have too few."""
    rng = np.random.default_rng(seed)
    item = np.minimum(rng.geometric(0.5, n) - 1, n_items - 1)
    return Rewards(
        shared=rng.normal(size=(n, n_shared)),
        own=np.column_stack([np.ones(n), rng.normal(size=(n, n_own))])[:, :n_own],
        item=item,
        reward=rng.random(n),
        weight=rng.uniform(0.2, 2.0, n),
    )


def part(data: Rewards, rows) -> Rewards:
    return Rewards(*(getattr(data, name)[rows] for name in data.__dataclass_fields__))


def dense_scores(state: LinearState, data: Rewards, shared, own, item):
    """Mean and width by one dense ridge regression on [z, block of x per item with enough data]."""
    used = np.flatnonzero(state.n_rewards >= state.settings.min_item_updates)

    def design(z, x, which):
        return np.column_stack([z, *(x * (which == each)[:, None] for each in used)])

    table, asked = design(data.shared, data.own, data.item), design(shared, own, item)
    n_own = table.shape[1] - shared.shape[1]
    prior = np.r_[
        np.full(shared.shape[1], state.settings.prior_precision),
        np.full(n_own, state.settings.item_prior_precision),
    ]
    precision = np.diag(prior) + (table * data.weight[:, None]).T @ table
    weights = np.linalg.solve(precision, table.T @ (data.weight * data.reward))
    square = np.einsum("ri,ir->r", asked, np.linalg.solve(precision, asked.T))
    unknown = np.where(np.isin(item, used), 0, np.square(own).sum(axis=1))
    return asked @ weights, np.sqrt(square + unknown / state.settings.item_prior_precision)


def assert_same(one: LinearState, other: LinearState, *, rtol=1e-12):
    np.testing.assert_array_equal(one.n_rewards, other.n_rewards)
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol, 1e-12, name)


@pytest.mark.parametrize("least", [0, 8, 1_000])
def test_scores_equal_the_dense_ridge_regression(least):
    data, asked = rewards(), rewards(20, seed=2)
    state = fresh(SETTINGS.model_copy(update={"min_item_updates": least})).updated(data)

    found = Posterior.of(state).scores(asked.shared, asked.own, asked.item)

    mean, width = dense_scores(state, data, asked.shared, asked.own, asked.item)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(found.width, width, rtol=1e-10)
    np.testing.assert_allclose(found.upper(2.0), mean + 2 * width, rtol=1e-10)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(0, 40),
    n_shared=st.integers(1, 4),
    n_own=st.integers(1, 3),
    least=st.integers(0, 6),
    seed=st.integers(0, 1_000),
)
def test_scores_equal_the_dense_ridge_regression_at_any_size(n, n_shared, n_own, least, seed):
    sizes = {"n_shared": n_shared, "n_own": n_own}
    data, asked = rewards(n, seed=seed, **sizes), rewards(5, seed=seed + 1, **sizes)
    bandit = SETTINGS.model_copy(update={"min_item_updates": least})
    names = {"shared": [f"z{k}" for k in range(n_shared)], "own": [f"x{k}" for k in range(n_own)]}
    state = fresh(bandit, **names).updated(data)

    found = Posterior.of(state).scores(asked.shared, asked.own, asked.item)

    mean, width = dense_scores(state, data, asked.shared, asked.own, asked.item)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.width, width, rtol=1e-8, atol=1e-10)


def test_scores_in_blocks_are_the_same_rows():
    data = rewards(9_000)  # more rows than a block
    posterior = Posterior.of(fresh().updated(data))

    whole = posterior.scores(data.shared, data.own, data.item)
    late = posterior.scores(data.shared[8_990:], data.own[8_990:], data.item[8_990:])

    np.testing.assert_allclose(whole.mean[8_990:], late.mean, rtol=1e-12)
    np.testing.assert_allclose(whole.width[8_990:], late.width, rtol=1e-12)


def test_theta_is_the_item_part_of_the_mean():
    posterior = Posterior.of(fresh().updated(rewards()))
    x = np.array([[1.0, 0.3]])

    found = posterior.scores(np.zeros((1, 3)), x, np.array([0]))

    assert posterior.theta[0].any()
    np.testing.assert_allclose(found.mean, x @ posterior.theta[0], rtol=1e-12)


def test_item_below_the_least_count_is_judged_by_the_shared_part_alone():
    data = rewards()
    few = data.item == 3
    state = fresh().updated(data)
    posterior = Posterior.of(state)
    z, x = np.array([[0.4, -1.0, 0.2]]), np.array([[1.0, 0.5]])

    found = posterior.scores(z, x, np.array([3]))

    assert 0 < few.sum() < SETTINGS.min_item_updates
    np.testing.assert_allclose(found.mean, z @ posterior.beta)
    square = np.square(z @ posterior.root).sum() + np.square(x).sum() / 3.0
    np.testing.assert_allclose(found.width**2, square)


def test_item_gets_its_own_part_with_the_reward_that_is_enough():
    data = rewards(8, n_items=1)
    one_less, enough = fresh().updated(part(data, slice(7))), fresh().updated(data)

    assert not Posterior.of(one_less).theta.any()
    assert Posterior.of(enough).theta[0].any()
    assert not Posterior.of(enough).theta[1:].any()


def test_fresh_state_expects_nothing_and_knows_nothing():
    z, x = np.array([[1.0, 2.0, 0.0]]), np.array([[1.0, -1.0]])

    found = Posterior.of(fresh()).scores(z, x, np.array([2]))

    assert found.mean == 0
    np.testing.assert_allclose(found.width, np.sqrt(5 / 0.7 + 2 / 3.0))


def test_disjoint_case_is_linucb_by_its_formula():
    bandit = BanditSettings(item_prior_precision=1.0, min_item_updates=0)
    data = rewards(n_shared=0)
    data = Rewards(data.shared, data.own, data.item, data.reward, np.ones(60))
    state = fresh(bandit, shared=()).updated(data)
    x = np.array([[1.0, 0.7]])

    for arm in range(4):
        own, reward = data.own[data.item == arm], data.reward[data.item == arm]
        inverse = np.linalg.inv(np.eye(2) + own.T @ own)
        theta = inverse @ own.T @ reward
        expected = x[0] @ theta + 1.5 * np.sqrt(x[0] @ inverse @ x[0])

        found = Posterior.of(state).scores(np.zeros((1, 0)), x, np.array([arm]))

        np.testing.assert_allclose(found.upper(1.5), expected, rtol=1e-12)


def test_updated_order_and_batches_do_not_matter():
    data = rewards()
    shuffled = np.random.default_rng(3).permutation(60)
    parts = fresh()
    for rows in np.split(shuffled, [1, 30]):
        parts = parts.updated(part(data, rows))

    assert_same(parts, fresh().updated(data))


def test_updated_leaves_the_state_before_as_it_was_and_nothing_changes_nothing():
    before = fresh()

    before.updated(rewards())
    after = before.updated(part(rewards(), slice(0)))

    assert_same(before, fresh())
    assert_same(after, fresh())


def test_weight_counts_as_so_many_rewards_and_weight_zero_as_none():
    data = rewards(6)
    twice = Rewards(data.shared, data.own, data.item, data.reward, np.full(6, 2.0))
    once = Rewards(data.shared, data.own, data.item, data.reward, np.ones(6))
    never = Rewards(data.shared, data.own, data.item, data.reward, np.zeros(6))

    heavy, repeated = fresh().updated(twice), fresh().updated(once).updated(once)

    for name in ARRAYS:
        np.testing.assert_allclose(getattr(heavy, name), getattr(repeated, name))
    assert_same(fresh().updated(never), fresh())


@pytest.mark.parametrize("least", [0, 8])
@pytest.mark.parametrize("refactor_every", [17, 10_000])
def test_online_rewards_one_by_one_give_the_same_as_a_batch(least, refactor_every):
    data = rewards()
    start = fresh(SETTINGS.model_copy(update={"min_item_updates": least}))
    online = OnlinePosterior(start, refactor_every=refactor_every)
    for z, x, item, reward, weight in zip(
        data.shared, data.own, data.item, data.reward, data.weight, strict=True
    ):
        online.update(z, x, int(item), reward, weight=weight)
    online.update(data.shared[0], data.own[0], 0, 1.0, weight=0.0)

    expected = start.updated(data)
    assert_same(online.state(), expected)
    assert_same(start, fresh(start.settings))
    solved, asked = Posterior.of(expected), rewards(20, seed=2)
    np.testing.assert_allclose(online.posterior.beta, solved.beta, rtol=1e-9)
    np.testing.assert_allclose(online.posterior.theta, solved.theta, rtol=1e-9, atol=1e-12)
    found = online.posterior.scores(asked.shared, asked.own, asked.item)
    by_batch = solved.scores(asked.shared, asked.own, asked.item)
    np.testing.assert_allclose(found.width, by_batch.width, rtol=1e-9)


def test_discounted_fades_the_evidence_but_never_the_prior():
    bandit = SETTINGS.model_copy(update={"discount_per_day": 0.9})
    state = fresh(bandit).updated(rewards())

    day = state.discounted()

    prior = 0.7 * np.eye(3)
    np.testing.assert_allclose(day.shared_precision, 0.9 * state.shared_precision + 0.1 * prior)
    np.testing.assert_allclose(day.own_precision, 0.9 * state.own_precision + 0.3 * np.eye(2))
    for name in ("shared_target", "own_cross", "own_target"):
        np.testing.assert_allclose(getattr(day, name), 0.9 * getattr(state, name))
    assert_same(day.discounted().discounted(), state.discounted(3))
    assert_same(state.discounted(0), state)
    forgotten = Posterior.of(state.discounted(10_000))
    np.testing.assert_allclose(forgotten.beta, 0, atol=1e-12)
    np.testing.assert_allclose(forgotten.own_covariance, np.tile(np.eye(2) / 3, (4, 1, 1)))


def test_with_settings_is_as_if_the_prior_had_been_so_from_the_start():
    other = BanditSettings(prior_precision=2.0, item_prior_precision=0.5, min_item_updates=3)
    data = rewards()

    assert_same(fresh().updated(data).with_settings(other), fresh(other).updated(data))


def test_with_items_appends_new_ones_and_keeps_those_that_vanish():
    state = fresh().updated(rewards())

    more = state.with_items(["e", "b", "e", "0"])

    assert more.item_ids.tolist() == [*ITEMS, "e", "0"]
    np.testing.assert_array_equal(more.own_cross[:4], state.own_cross)
    np.testing.assert_array_equal(more.own_precision[4:], np.tile(3 * np.eye(2), (2, 1, 1)))
    assert more.n_rewards[4:].tolist() == [0, 0]
    assert more.positions(["0", "a", "0"]).tolist() == [5, 0, 5]


def test_positions_of_unknown_items_are_refused_by_name():
    with pytest.raises(ValueError, match="unknown items: x, y"):
        fresh().positions(["y", "a", "x"])
    with pytest.raises(ValueError, match="unknown items: a"):
        fresh(items=()).positions(["a"])


FACTORS = Factors(  # constant, u1, u3, v1, v2, u1 v1, u3 v2; x: constant and u3
    student=np.array([0, 1, 3, 0, 0, 1, 3]),
    item=np.array([0, 0, 0, 1, 2, 1, 2]),
    own=np.array([0, 3]),
)


@pytest.fixture(scope="module")
def district():
    """Posterior over 12 items, students' and items' features, and the scored items' positions."""
    rng = np.random.default_rng(5)
    students, items = rng.normal(size=(9, 3)), rng.normal(size=(12, 2))
    who, item = rng.integers(0, 9, 200), np.minimum(rng.geometric(0.3, 200) - 1, 11)
    shared, own = FACTORS.rows(students[who], items[item])
    data = Rewards(shared, own, item, rng.random(200), np.ones(200))
    start = fresh(shared=[f"z{k}" for k in range(7)], items=[f"i{k}" for k in range(12)])
    state = start.updated(data)
    assert 0 < (state.n_rewards >= SETTINGS.min_item_updates).sum() < 12
    position = np.array([11, 0, 3, 2, 7])
    return Posterior.of(state), students, items[position], position


def by_rows(district):
    posterior, students, items, position = district
    who, column = np.divmod(np.arange(len(students) * len(items)), len(items))
    shared, own = FACTORS.rows(students[who], items[column])
    return posterior.scores(shared, own, position[column])


def test_factors_rows_are_products_of_the_named_features():
    z, x = FACTORS.rows(np.array([[2.0, 9.0, 3.0]]), np.array([[5.0, 7.0]]))

    assert z.tolist() == [[1, 2, 3, 5, 7, 10, 21]]
    assert x.tolist() == [[1, 3]]


def test_grid_equals_the_scores_of_rows(district):
    posterior, students, items, position = district
    expected = by_rows(district)

    found = Grid.of(posterior, FACTORS, items, position).scores(students)

    assert found.mean.shape == (9, 5)
    np.testing.assert_allclose(found.mean.ravel(), expected.mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.width.ravel(), expected.width, rtol=1e-10)


def test_grid_in_blocks_and_ragged_rows_are_cells_of_the_whole(district):
    posterior, students, items, position = district
    grid = Grid.of(posterior, FACTORS, items, position)
    whole = grid.scores(students)
    offsets, column = np.array([0, 2, 2, 5, 6, 6, 6, 6, 6, 7]), np.array([4, 0, 1, 2, 3, 2, 0])
    who = np.array([0, 0, 2, 2, 2, 3, 8])

    ragged = grid.rows(students, offsets, column, block=4)
    stacked = np.concatenate([scores.width for _, scores in grid.blocks(students, block=4)])

    np.testing.assert_allclose(stacked, whole.width, rtol=1e-12)
    np.testing.assert_allclose(ragged.mean, whole.mean[who, column], rtol=1e-12)
    np.testing.assert_allclose(ragged.width, whole.width[who, column], rtol=1e-12)


def test_grid_in_float32_is_close(district):
    posterior, students, items, position = district
    expected = by_rows(district)

    found = Grid.of(posterior, FACTORS, items, position, dtype=np.float32).scores(students)

    assert found.mean.dtype == found.width.dtype == np.float32
    np.testing.assert_allclose(found.mean.ravel(), expected.mean, atol=1e-5)
    np.testing.assert_allclose(found.width.ravel(), expected.width, atol=1e-4)


def test_grid_without_shared_features_scores_by_items_alone():
    posterior = Posterior.of(fresh(shared=()).updated(rewards(n_shared=0)))
    nothing = np.array([], dtype=np.int64)
    factors, students = Factors(nothing, nothing, np.array([0, 1])), np.array([[0.3], [-2.0]])

    found = Grid.of(posterior, factors, np.zeros((4, 0)), np.arange(4)).scores(students)

    x = np.array([[1.0, -2.0]] * 4)
    expected = posterior.scores(np.zeros((4, 0)), x, np.arange(4))
    np.testing.assert_allclose(found.mean[1], expected.mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.width[1], expected.width, rtol=1e-10)


def test_draws_have_the_mean_width_and_correlation_of_the_posterior():
    posterior = Posterior.of(fresh().updated(rewards()))
    asked = rewards(6, seed=2)
    item = np.r_[asked.item[:1], asked.item[:1], asked.item[2:]]  # one theta for two rows
    scores = posterior.scores(asked.shared, asked.own, item)

    drawn = posterior.draws(
        asked.shared, asked.own, item, rng=np.random.default_rng(1), n_draws=20_000, scale=0.5
    )

    deviation = 0.5 * scores.width
    away = (drawn.mean(axis=1) - scores.mean) / deviation
    np.testing.assert_allclose(away, 0, atol=5 / np.sqrt(20_000))
    np.testing.assert_allclose(drawn.std(axis=1) / deviation, 1, atol=5 / np.sqrt(40_000))
    gap = posterior.scores(
        asked.shared[:1] - asked.shared[1:2], asked.own[:1] - asked.own[1:2], item[:1]
    )
    spread = (drawn[0] - drawn[1]).std() / 0.5
    assert spread == pytest.approx(gap.width[0], rel=0.03)
    assert spread > 1.05 * np.hypot(*scores.width[:2])  # what rows drawn apart would have


def test_saved_state_comes_back_with_everything(tmp_path):
    state = fresh().updated(rewards()).with_items(["long item name"])

    state.save(tmp_path / "state")
    back = LinearState.load(tmp_path / "state", shared_names=Z_NAMES, own_names=X_NAMES)

    assert_same(back, state, rtol=0)
    assert back.item_ids.tolist() == state.item_ids.tolist()
    assert (back.settings, back.shared_names, back.own_names) == (SETTINGS, Z_NAMES, X_NAMES)


@pytest.mark.parametrize(
    ("shared", "own"),
    [
        (("difficulty", "ability", "gap"), X_NAMES),
        (("ability", "difficulty"), X_NAMES),
        (Z_NAMES, ("recent", "one")),
    ],
)
def test_load_for_other_names_or_order_names_both_lists(tmp_path, shared, own):
    fresh().save(tmp_path)

    with pytest.raises(BadFile) as refused:
        LinearState.load(tmp_path, shared_names=shared, own_names=own)

    saved, asked = (Z_NAMES, shared) if shared != Z_NAMES else (X_NAMES, own)
    assert str(list(saved)) in str(refused.value)
    assert str(list(asked)) in str(refused.value)


def _remove_arrays(folder):
    (folder / ARRAYS_FILE).unlink()


def _cut_arrays(folder):
    (folder / ARRAYS_FILE).write_bytes((folder / ARRAYS_FILE).read_bytes()[:200])


def _add_setting(folder):
    about = json.loads((folder / ABOUT_FILE).read_text())
    about["settings"]["luck"] = 1
    (folder / ABOUT_FILE).write_text(json.dumps(about))


def _lengthen_names(folder):
    about = json.loads((folder / ABOUT_FILE).read_text())
    about["own_names"].append("more")
    (folder / ABOUT_FILE).write_text(json.dumps(about))


@pytest.mark.parametrize("damage", [_remove_arrays, _cut_arrays, _add_setting, _lengthen_names])
def test_load_of_a_damaged_state_says_so(tmp_path, damage):
    fresh().save(tmp_path)
    damage(tmp_path)

    with pytest.raises(BadFile, match="no state of a linear bandit"):
        LinearState.load(tmp_path, shared_names=Z_NAMES, own_names=X_NAMES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward": np.array([np.nan, 1.0])}, "pending"),
        ({"weight": np.array([-1.0, 1.0])}, "at least 0"),
        ({"reward": np.zeros(3)}, "shape"),
        ({"shared": np.zeros((3, 3))}, "expected"),
        ({"own": np.full((2, 2), np.inf)}, "finite"),
    ],
)
def test_impossible_rewards_are_refused(change, message):
    good = {
        "shared": np.zeros((2, 3)),
        "own": np.zeros((2, 2)),
        "item": np.array([0, 1]),
        "reward": np.zeros(2),
        "weight": np.ones(2),
    }
    with pytest.raises(ValueError, match=message):
        Rewards(**(good | change))


def test_rows_of_another_state_are_refused():
    state, posterior = fresh(), Posterior.of(fresh())
    z, x = np.zeros((1, 3)), np.zeros((1, 2))

    with pytest.raises(ValueError, match="0 to 3"):
        posterior.scores(z, x, np.array([4]))
    with pytest.raises(ValueError, match="own and shared features"):
        posterior.scores(x, z, np.array([0]))
    with pytest.raises(ValueError, match="own and shared features"):
        state.updated(rewards(n_shared=2))
    with pytest.raises(ValueError, match="n_draws=0"):
        posterior.draws(z, x, np.array([0]), rng=np.random.default_rng(1), n_draws=0, scale=1.0)


def test_impossible_states_factors_and_steps_are_refused(district):
    posterior, students, items, position = district
    with pytest.raises(ValueError, match="items must each"):
        fresh(items=("a", "a"))
    with pytest.raises(ValueError, match="days=-1"):
        fresh().discounted(-1)
    with pytest.raises(ValueError, match="refactor_every=0"):
        OnlinePosterior(fresh(), refactor_every=0)
    for z, x, item, reward, message in (
        (np.zeros(3), np.zeros(2), 0, np.nan, "finite"),
        (np.array([0.0, np.inf, 0.0]), np.zeros(2), 0, 1.0, "finite"),
        (np.zeros(3), np.zeros(2), -1, 1.0, "item=-1"),
        (np.zeros(2), np.zeros(3), 0, 1.0, "shapes"),
    ):
        with pytest.raises(ValueError, match=message):
            OnlinePosterior(fresh()).update(z, x, item, reward)
    with pytest.raises(ValueError, match="there twice"):
        Factors(np.array([0]), np.array([0]), np.array([1, 1]))
    with pytest.raises(ValueError, match="7 factors, 3 weights"):
        Grid.of(Posterior.of(fresh()), FACTORS, items, position)
    with pytest.raises(ValueError, match="one row per item"):
        Grid.of(posterior, FACTORS, items[:2], position)
    grid = Grid.of(posterior, FACTORS, items, position)
    with pytest.raises(ValueError, match="feature 3 of a student"):
        grid.scores(students[:, :2])
    with pytest.raises(ValueError, match="block=0"):
        grid.rows(students, np.zeros(10, int), np.array([], int), block=0)
