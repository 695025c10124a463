"""The EM's parts against brute force: posterior, information, order of rows, blocks."""

import numpy as np
import pytest
from scipy.special import expit

from deepkt_irt.irt.blocks import Block, InMemory, in_blocks
from deepkt_irt.irt.calibration import Population, fit_items
from deepkt_irt.irt.curves import ItemCurves
from deepkt_irt.irt.em import Design, ItemEm, State, tables
from deepkt_irt.irt.quadrature import nodes, prior_weights
from deepkt_irt.irt.responses import Responses, select
from deepkt_irt.irt.standard_errors import sampling_error
from deepkt_irt.settings import CalibrationSettings

Z = nodes(41, 5.0)
NONE = np.full(3, -np.inf)
GUESSES = np.array([False, True, False])
FLAT = CalibrationSettings(prior_sd_difficulty=1e6, prior_sd_log_slope=1e6, prior_guessing_n=1e-9)
# right or wrong; with guessing; graded with three levels
CURVES = ItemCurves(
    slope=np.array([0.8, 1.4, 1.0]),
    intercept=np.array([[0.3, np.nan], [-0.6, np.nan], [1.1, -0.4]]),
    guess_logit=np.array([-np.inf, -1.2, -np.inf]),
)
STATE = State(CURVES, mean=np.zeros(1), sd=np.ones(1))


def chance(curves, item, level, z):
    """Of a level at the nodes, written out."""
    above = [np.ones_like(z)]
    for intercept in curves.intercept[item]:
        if np.isfinite(intercept):
            p = expit(curves.slope[item] * z + intercept)
            c = expit(curves.guess_logit[item])
            above.append(c + (1 - c) * p)
    above.append(np.zeros_like(z))
    return above[level] - above[level + 1]


def drawn(n_students=60, *, seen=0.7):
    rng = np.random.default_rng(11)
    answered = rng.random((n_students, 3)) < seen
    answered[:, 0] = True
    theta = rng.normal(size=n_students)
    student, item = np.nonzero(answered)
    draw = rng.random(len(student))
    reached = np.zeros(len(student), dtype=np.int64)
    for level in (1, 2):
        top = np.array(
            [
                sum(
                    chance(CURVES, i, k, theta[s : s + 1])[0]
                    for k in range(level, 3)
                    if k < limit(i)
                )
                for s, i in zip(student, item, strict=True)
            ]
        )
        reached += draw < top
    return Responses(
        student, item, reached, n_students, 3, guessable=np.array([False, True, False])
    )


def limit(item):
    """Levels of an item."""
    return 3 if item == 2 else 2


def block_of(data):
    selection = select(
        data.level_counts(),
        CalibrationSettings(min_level_responses=1, min_responses=1),
        guessable=data.guessable,
    )
    return Block(data.cells(selection), np.zeros(data.n_students, dtype=np.int64))


def likelihood(data, curves):
    """Of each student's responses at each node, (students, nodes)."""
    product = np.ones((data.n_students, len(Z)))
    for student, item, level in zip(data.student, data.item, data.level, strict=True):
        product[student] *= chance(curves, item, level, Z)
    return product


def test_posterior_equals_the_product_over_responses():
    data = drawn()

    mass, log_likelihood = block_of(data).posterior(tables(STATE, Z))

    joint = likelihood(data, CURVES) * prior_weights(Z)
    np.testing.assert_allclose(mass, joint / joint.sum(axis=1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(log_likelihood, np.log(joint.sum(axis=1)), atol=1e-12)


def test_expected_counts_are_sums_of_posteriors_by_level():
    data = drawn()
    block = block_of(data)
    mass, _ = block.posterior(tables(STATE, Z))

    counts = block.expected(tables(STATE, Z)).counts.reshape(3, 3, len(Z))

    for item in range(3):
        for level in range(3):
            own = data.student[(data.item == item) & (data.level == level)]
            np.testing.assert_allclose(counts[item, level], mass[own].sum(axis=0), atol=1e-9)


def test_scores_are_the_derivatives_of_the_log_chances():
    h = 1e-6
    _, scores = CURVES.chances_and_scores(Z)

    for item in range(3):
        for parameter in range(4):
            if not has(item, parameter):
                assert (scores[parameter, item] == 0).all()
                continue
            up = moved(item, parameter, h).chances(Z)[item]
            down = moved(item, parameter, -h).chances(Z)[item]
            levels = limit(item)
            slope = (np.log(up) - np.log(down))[:levels] / (2 * h)
            np.testing.assert_allclose(scores[parameter, item, :levels], slope, atol=1e-6)


def has(item, parameter):
    """Whether an item has slope (0), first and second intercept (1, 2), guessing (3)."""
    return parameter < 2 or (parameter == 2 and item == 2) or (parameter == 3 and item == 1)


def moved(item, parameter, by):
    slope, intercept = CURVES.slope.copy(), CURVES.intercept.copy()
    guess = CURVES.guess_logit.copy()
    if parameter == 0:
        slope[item] += by
    elif parameter == 3:
        guess[item] += by
    else:
        intercept[item, parameter - 1] += by
    return ItemCurves(slope, intercept, guess)


def fitted_em(data, settings):
    own = np.ones(3, dtype=bool)
    design = Design(own, GUESSES & own, ~own, n_groups=1, scale=None, spread_is_free=True)
    return ItemEm(InMemory([block_of(data)]), STATE, design, settings)


def test_sampling_error_is_the_inverse_of_the_numerical_hessian_at_the_maximum():
    data = drawn(600, seen=1.1)
    em = fitted_em(data, FLAT.model_copy(update={"tolerance": 1e-7, "max_iterations": 5000}))
    state, _ = em.fit()
    at = em.tables(state)
    scores = state.curves.chances_and_scores(Z)[1].reshape(4, -1, len(Z))
    statistics = InMemory([block_of(data)])
    error = sampling_error(
        em, state, statistics.expected(at), statistics.score_products(at, scores, Z)
    )

    for item in (0, 2):  # the guessing of few responses lies too near its edge
        free = [p for p in range(4) if has(item, p)]
        hessian = numerical_hessian(data, state.curves, item, free)
        found = error.covariance[item][np.ix_(free, free)]
        np.testing.assert_allclose(found, np.linalg.inv(-hessian), rtol=0.05, atol=2e-4)


def numerical_hessian(data, curves, item, free):
    h = 1e-3
    n = len(free)
    others = [[p, q] for p in range(n) for q in range(n)]
    found = np.zeros((n, n))

    def objective(steps):
        slope, intercept = curves.slope.copy(), curves.intercept.copy()
        for parameter, step in zip(free, steps, strict=True):
            if parameter == 0:
                slope[item] += step
            else:
                intercept[item, parameter - 1] += step
        state = State(ItemCurves(slope, intercept, curves.guess_logit), np.zeros(1), np.ones(1))
        return block_of(data).posterior(tables(state, Z))[1].sum()

    for p, q in others:
        e_p, e_q = h * np.eye(n)[p], h * np.eye(n)[q]
        found[p, q] = (
            objective(e_p + e_q)
            - objective(e_p - e_q)
            - objective(e_q - e_p)
            + objective(-e_p - e_q)
        ) / (4 * h**2)
    return found


def test_sampling_error_of_a_fixed_item_is_none():
    data = drawn(200)
    own = np.array([False, True, True])
    design = Design(own, GUESSES & own, ~own, n_groups=1, scale=1.0, spread_is_free=True)
    em = ItemEm(InMemory([block_of(data)]), STATE, design, CalibrationSettings())
    at = em.tables(STATE)
    scores = CURVES.chances_and_scores(Z)[1].reshape(4, -1, len(Z))
    statistics = InMemory([block_of(data)])

    error = sampling_error(
        em, STATE, statistics.expected(at), statistics.score_products(at, scores, Z)
    )

    assert (error.covariance[0] == 0).all()
    assert (np.diag(error.covariance[1])[[0, 1, 3]] > 0).all()
    assert error.location == 0


def test_location_is_what_the_items_blocks_miss():
    """A student who answers one item only leaves nothing for the items to share."""
    rng = np.random.default_rng(3)
    alone = location_of(Responses(np.arange(90), np.arange(90) % 3, rng.integers(0, 2, 90), 90, 3))
    student, item = (x.ravel() for x in np.indices((90, 3)))
    together = location_of(Responses(student, item, rng.integers(0, 2, 270), 90, 3))

    assert alone == pytest.approx(0, abs=1e-3)
    assert together > 5e-3


def location_of(data):
    settings = CalibrationSettings(min_responses=1)
    selection = select(data.level_counts(), settings)
    block = Block(data.cells(selection), np.zeros(data.n_students, dtype=np.int64))
    shared = np.zeros(3, dtype=bool)
    design = Design(shared, shared, shared, n_groups=1, scale=None, spread_is_free=False)
    curves = ItemCurves(np.ones(3), np.array([[0.3], [-0.6], [1.1]]), NONE)
    state = State(curves, np.zeros(1), np.ones(1))
    em = ItemEm(InMemory([block]), state, design, settings)
    at = em.tables(state)
    scores = curves.chances_and_scores(Z)[1].reshape(2, -1, len(Z))
    return sampling_error(
        em, state, block.expected(at), block.score_products(at, scores, Z)
    ).location


@pytest.mark.parametrize("share", [0.05, 1.0])
def test_dense_and_sparse_blocks_say_the_same_in_any_cut(share):
    rng = np.random.default_rng(5)
    student, item = np.nonzero(rng.random((300, 30)) < share)
    data = Responses(student, item, rng.integers(0, 2, len(student)), 300, 30)
    selection = select(data.level_counts(), CalibrationSettings(min_responses=1))
    cells = data.cells(selection)
    answered = np.diff(cells.indptr) > 0
    group = rng.integers(0, 2, 300)[answered]
    curves = ItemCurves(rng.lognormal(0, 0.3, 30), rng.normal(size=(30, 1)), np.full(30, -np.inf))
    state = State(curves, np.array([0, 0.5]), np.array([1, 0.8]))
    at = tables(state, Z)
    scores = curves.chances_and_scores(Z)[1].reshape(2, -1, len(Z))

    whole = Block(cells[answered], group)
    cut = [Block(whole.cells[:40], group[:40]), Block(whole.cells[40:], group[40:])]

    for name in ("counts", "group_mass", "log_likelihood"):
        np.testing.assert_allclose(
            getattr(InMemory(cut).expected(at), name), getattr(whole.expected(at), name)
        )
    products = InMemory(cut).score_products(at, scores, Z)
    expected = by_hand(whole, at, scores)
    np.testing.assert_allclose(products.products, expected, atol=1e-9)


def by_hand(block, at, scores):
    mass, _ = block.posterior(at)
    total = np.zeros((3, scores.shape[1]))
    rows, columns = block.cells.nonzero()
    for student, cell in zip(rows, columns, strict=True):
        slope, intercept = scores[:, cell] @ mass[student]
        total[:, cell] += [slope**2, slope * intercept, intercept**2]
    return total


def test_in_blocks_loses_no_student_and_keeps_their_order():
    rng = np.random.default_rng(2)
    data = Responses(
        np.arange(50_000), np.zeros(50_000, int), rng.integers(0, 2, 50_000), 50_000, 1
    )
    cells = data.cells(select(data.level_counts(), CalibrationSettings()))

    blocks = in_blocks(cells, np.arange(50_000), n_nodes=41)

    assert len(blocks) > 1
    assert np.concatenate([block.group for block in blocks]).tolist() == list(range(50_000))


def test_fit_gives_the_same_answer_from_any_order_of_rows():
    data = drawn(400)
    order = np.random.default_rng(5).permutation(len(data.student))
    shuffled = Responses(data.student[order], data.item[order], data.level[order], 400, 3)

    found = []
    for given in (Responses(data.student, data.item, data.level, 400, 3), shuffled):
        selection = select(given.level_counts(), CalibrationSettings())
        blocks = [Block(given.cells(selection), np.zeros(400, dtype=np.int64))]
        state, _ = fit_items(
            InMemory(blocks),
            selection,
            Population(np.array([400]), spread_is_free=True),
            settings=CalibrationSettings(),
        )
        found.append(state.curves)

    assert (found[0].slope == found[1].slope).all()
    np.testing.assert_array_equal(found[0].intercept, found[1].intercept)
