"""The EM's parts against brute force: posterior, observed information, order of rows."""

import numpy as np
import pytest
from scipy.special import expit

from deepkt_irt.irt.em import ItemCurves, ItemEm, ResponseMatrix, nodes, prior_weights
from deepkt_irt.settings import CalibrationSettings

Z = nodes(41, 5.0)
CURVES = ItemCurves(slope=np.array([0.8, 1.4, 1.0]), intercept=np.array([0.3, -0.6, 1.1]))


def drawn(n_students=50, *, seen=0.7):
    rng = np.random.default_rng(11)
    answered = rng.random((n_students, 3)) < seen
    p = expit(CURVES.slope * rng.normal(size=(n_students, 1)) + CURVES.intercept)
    right = rng.random(answered.shape) < p
    student, item = np.nonzero(answered)
    return student, item, right[answered].astype(np.int64)


def likelihood(slope, intercept, *, n_students=50):
    """Of each student's responses at each node, (students, nodes)."""
    product = np.ones((n_students, len(Z)))
    for student, item, y in zip(*drawn(n_students), strict=True):
        p = expit(slope[item] * Z + intercept[item])
        product[student] *= p if y else 1 - p
    return product


def test_posterior_equals_the_product_over_responses():
    found = ResponseMatrix(*drawn(), shape=(50, 3)).posterior(CURVES, Z)

    joint = likelihood(CURVES.slope, CURVES.intercept) * prior_weights(Z)
    np.testing.assert_allclose(found.mass, joint / joint.sum(axis=1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(found.log_likelihood, np.log(joint.sum(axis=1)), atol=1e-12)


def test_posterior_student_without_responses_stays_at_the_prior():
    matrix = ResponseMatrix(np.array([0]), np.array([1]), np.array([1]), shape=(2, 3))

    found = matrix.posterior(CURVES, Z)

    np.testing.assert_allclose(found.mass[1], prior_weights(Z))
    assert found.log_likelihood[1] == pytest.approx(0)


def test_sampling_error_is_the_inverse_of_the_numerical_hessian():
    flat = CalibrationSettings(prior_sd_difficulty=1e6, prior_sd_log_slope=1e6)
    em = ItemEm(ResponseMatrix(*drawn(), shape=(50, 3)), np.ones(3, dtype=bool), flat)
    error = em.sampling_error(CURVES)

    def objective(item, slope_step, intercept_step):
        slope, intercept = CURVES.slope.copy(), CURVES.intercept.copy()
        slope[item] += slope_step
        intercept[item] += intercept_step
        return np.log(likelihood(slope, intercept) @ prior_weights(Z)).sum()

    h = 1e-3
    for item in range(3):
        at = {(i, j): objective(item, i * h, j * h) for i in (-1, 0, 1) for j in (-1, 0, 1)}
        ss = (at[1, 0] - 2 * at[0, 0] + at[-1, 0]) / h**2
        dd = (at[0, 1] - 2 * at[0, 0] + at[0, -1]) / h**2
        sd = (at[1, 1] - at[1, -1] - at[-1, 1] + at[-1, -1]) / (4 * h**2)
        covariance = np.linalg.inv(-np.array([[ss, sd], [sd, dd]]))
        found = [
            [error.slope[item], error.covariance[item]],
            [error.covariance[item], error.intercept[item]],
        ]
        np.testing.assert_allclose(found, covariance, rtol=1e-3)


def test_sampling_error_location_is_what_the_blocks_miss():
    """A student who answers one item only leaves nothing for the items to share."""
    rng = np.random.default_rng(3)
    one_each = ResponseMatrix(
        np.arange(90), np.arange(90) % 3, rng.integers(0, 2, 90), shape=(90, 3)
    )
    shared = np.zeros(3, dtype=bool)
    curves = ItemCurves(slope=np.ones(3), intercept=CURVES.intercept)

    alone = ItemEm(one_each, shared, CalibrationSettings()).sampling_error(curves)
    full = ResponseMatrix(*drawn(seen=1.1), shape=(50, 3))
    together = ItemEm(full, shared, CalibrationSettings()).sampling_error(curves)

    assert alone.location == pytest.approx(0, abs=0.01 * alone.intercept.mean())
    assert together.location > 0.05 * together.intercept.mean()


def test_fit_gives_the_same_answer_from_any_order_of_rows():
    student, item, correct = drawn(400)
    order = np.random.default_rng(5).permutation(len(student))
    settings, own = CalibrationSettings(), np.array([True, False, False])

    first, _ = ItemEm(ResponseMatrix(student, item, correct, shape=(400, 3)), own, settings).fit()
    again, _ = ItemEm(
        ResponseMatrix(student[order], item[order], correct[order], shape=(400, 3)), own, settings
    ).fit()

    assert (first.slope == again.slope).all()
    assert (first.intercept == again.intercept).all()
