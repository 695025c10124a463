"""Planted weights are found, chosen items near the best ones, and long runs stay exact."""

import numpy as np
import pytest

from deepkt_irt.bandit.grid import Factors, Grid
from deepkt_irt.bandit.linear_state import LinearState, Rewards
from deepkt_irt.bandit.linucb import OnlinePosterior, Posterior
from deepkt_irt.bandit.offers import Eligible
from deepkt_irt.bandit.stochastic import draw_slates
from deepkt_irt.settings import BanditSettings

pytestmark = pytest.mark.slow

N_STUDENTS, N_ITEMS = 60, 40
FACTORS = Factors(  # constant, u1, u2, v1, v2, u1 v1, u2 v2; each item has a level of its own
    student=np.array([0, 1, 2, 0, 0, 1, 2]),
    item=np.array([0, 0, 0, 1, 2, 1, 2]),
    own=np.array([0]),
)
BETA = np.array([0.5, 0.05, -0.05, 0.04, 0.03, 0.12, -0.1])
# rewards here tell far more than those of real students, for whom the defaults are made
SETTINGS = BanditSettings(
    alpha=0.5,
    prior_precision=1.0,
    item_prior_precision=5.0,
    min_item_updates=20,
    discount_per_day=1.0,
    temperature=0.1,
)


class World:
    """Rewards with the noise of a right or wrong answer around a planted mean."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.students = self.rng.normal(size=(N_STUDENTS, 2))
        self.items = self.rng.normal(size=(N_ITEMS, 2))
        self.level = self.rng.normal(0, 0.1, N_ITEMS)
        who, item = np.divmod(np.arange(N_STUDENTS * N_ITEMS), N_ITEMS)
        shared, _ = FACTORS.rows(self.students[who], self.items[item])
        self.mean = (shared @ BETA).reshape(N_STUDENTS, N_ITEMS) + self.level

    def rewards(self, who, item, *, sign: float = 1.0) -> Rewards:
        shared, own = FACTORS.rows(self.students[who], self.items[item])
        reward = sign * self.mean[who, item] + self.rng.normal(0, 0.4, len(who))
        return Rewards(shared, own, item, reward, np.ones(len(who)))

    def at_random(self, n: int):
        return self.rng.integers(0, N_STUDENTS, n), self.rng.integers(0, N_ITEMS, n)

    def fresh(self, settings=SETTINGS) -> LinearState:
        return LinearState.fresh(
            shared_names=[f"z{k}" for k in range(7)],
            own_names=["one"],
            item_ids=[f"i{k:02}" for k in range(N_ITEMS)],
            settings=settings,
        )

    def grid(self, state: LinearState):
        grid = Grid.of(Posterior.of(state), FACTORS, self.items, np.arange(N_ITEMS))
        return grid.scores(self.students)


def test_posterior_finds_planted_weights_and_knows_how_well():
    world = World(1)
    few = world.fresh().updated(world.rewards(*world.at_random(500)))
    many = few.updated(world.rewards(*world.at_random(40_000)))

    error = [np.sqrt(np.mean((world.grid(each).mean - world.mean) ** 2)) for each in (few, many)]

    found = Posterior.of(many)
    assert error[1] < 0.02 < error[0] / 2
    np.testing.assert_allclose(found.beta[[1, 2, 5, 6]], BETA[[1, 2, 5, 6]], atol=0.01)
    assert np.corrcoef(found.theta[:, 0], world.level)[0, 1] > 0.9
    scores = world.grid(many)
    within = np.abs(scores.mean - world.mean) < 1.96 * 0.4 * scores.width
    assert within.mean() > 0.85


def test_linucb_regret_is_far_below_random_and_falls():
    world, state = World(2), None
    state = world.fresh()
    sets = Eligible(
        np.arange(0, (N_STUDENTS + 1) * N_ITEMS, N_ITEMS),
        np.tile(np.arange(N_ITEMS), N_STUDENTS),
        np.full(N_STUDENTS * N_ITEMS, -1),
    )
    best, who = world.mean.max(axis=1), np.arange(N_STUDENTS)
    regret = []
    for _ in range(60):
        upper = world.grid(state).upper(SETTINGS.alpha)
        numbers = world.rng.random((N_STUDENTS, 1))
        slate = draw_slates(upper.ravel(), sets, numbers, settings=SETTINGS, max_per_skill=1)
        item = sets.item[slate.row[:, 0]]
        regret.append(float(np.mean(best - world.mean[who, item])))
        state = state.discounted().updated(world.rewards(who, item))

    random = float(np.mean(best[:, None] - world.mean))
    assert np.mean(regret[:5]) > np.mean(regret[-20:]) * 1.5
    assert np.mean(regret[-20:]) < 0.4 * random


def test_discount_follows_a_change_that_undiscounted_evidence_drowns():
    world, states = World(3), {}
    for keep in (1.0, 0.8):
        settings = SETTINGS.model_copy(update={"discount_per_day": keep})
        state, world.rng = world.fresh(settings), np.random.default_rng(5)
        for day in range(40):
            sign = 1.0 if day < 25 else -1.0
            state = state.discounted().updated(world.rewards(*world.at_random(400), sign=sign))
        states[keep] = np.sqrt(np.mean((world.grid(state).mean + world.mean) ** 2))

    assert states[0.8] < 0.3 * states[1.0]


def test_hundred_thousand_rewards_one_by_one_equal_a_direct_solution():
    world = World(4)
    n = 100_000
    data = world.rewards(*world.at_random(n))
    online = OnlinePosterior(world.fresh(), refactor_every=n + 1)  # so that nothing is solved anew
    for z, x, item, reward in zip(
        data.shared, data.own, data.item.tolist(), data.reward.tolist(), strict=True
    ):
        online.update(z, x, item, reward)

    table = np.column_stack([data.shared, np.eye(N_ITEMS)[data.item]])
    prior = np.r_[np.full(7, SETTINGS.prior_precision), np.full(N_ITEMS, 5.0)]
    precision = np.diag(prior) + table.T @ table
    weights = np.linalg.solve(precision, table.T @ data.reward)
    covariance = np.linalg.inv(precision)
    found = online.posterior
    for one, direct in (
        (found.beta, weights[:7]),
        (found.theta[:, 0], weights[7:]),
        (found.root @ found.root.T, covariance[:7, :7]),
        (online.state().shared_precision, precision[:7, :7]),
    ):
        assert np.linalg.norm(one - direct) < 1e-8 * np.linalg.norm(direct)
