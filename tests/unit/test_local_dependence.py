"""Q3 against a plain loop over pairs, and what it leaves out."""

from itertools import combinations

import numpy as np
import pytest
from scipy.special import expit, ndtr, ndtri

from deepkt_irt.irt import local_dependence
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.local_dependence import q3
from deepkt_irt.irt.predictive import leave_one_out

B = np.array([-1.0, -0.3, 0.0, 0.4, 1.2, np.nan])
STUDENTS = 300


def drawn(seen, seed=1, twins=False):
    """Responses, of which the first two items are the same question if twins."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=STUDENTS)
    right = rng.random((STUDENTS, 6)) < expit(theta[:, None] - np.nan_to_num(B))
    if twins:
        right[:, 1] = np.where(rng.random(STUDENTS) < 0.9, right[:, 0], right[:, 1])
    student, item = np.nonzero(rng.random((STUDENTS, 6)) < seen)
    return student, item, right[student, item].astype(float)


def found(answers, min_pair=50):
    items = ItemParameters.dichotomous(B)
    predicted = leave_one_out(
        *answers, n_students=STUDENTS, items=items, population_mean=0, population_sd=1
    )
    return q3(*answers, predicted=predicted, min_pair=min_pair), predicted


def plain(answers, predicted, first, second):
    """n in common and q3 of two items, student by student."""
    student, item, score = answers
    residual = score - predicted.expected
    rows = [{s: at for at, s in enumerate(student) if item[at] == i} for i in (first, second)]
    scale = []
    for i in (first, second):
        own = residual[item == i]
        residual[item == i] = own - own.mean()
        scale.append(own.var() / predicted.variance[item == i].mean())
    top, bottom, n = 0.0, 0.0, 0
    for s in rows[0].keys() & rows[1].keys():
        one, two = rows[0][s], rows[1][s]
        common = predicted.covariance[one] * predicted.covariance[two]
        top += residual[one] * residual[two] + common / predicted.student_sd[s] ** 2
        bottom += predicted.variance[one] * predicted.variance[two]
        n += 1
    return n, top / np.sqrt(n * bottom * scale[0] * scale[1])


@pytest.mark.parametrize("seen", [0.7, 1.1])
def test_q3_equals_a_plain_loop_over_pairs(seen):
    answers = drawn(seen)
    result, predicted = found(answers)

    pairs = {pair: plain(answers, predicted, *pair) for pair in combinations(range(5), 2)}
    margin = -ndtri(0.025 / 4)
    for item in range(5):
        own = {sum(pair) - item: value for pair, value in pairs.items() if item in pair}
        surely = {other: abs(r) - margin / np.sqrt(n) for other, (n, r) in own.items()}
        best = max(surely, key=surely.get)
        n, r = own[best]
        assert result.partner[item] == best
        assert result.n_common[item] == n
        assert result.q3[item] == pytest.approx(r)
        assert result.n_partners[item] == 4
        assert result.p[item] == pytest.approx(min(1, 4 * 2 * ndtr(-abs(r) * np.sqrt(n))))


def test_q3_names_twins_as_each_others_partner():
    result, _ = found(drawn(0.8, twins=True))

    assert result.partner[:2].tolist() == [1, 0]
    assert (result.q3[:2] > 0.5).all()
    assert (result.p[:2] < 1e-6).all()
    assert (np.abs(result.q3[2:5]) < 0.35).all()


def test_q3_of_a_calibrated_item_only():
    result, _ = found(drawn(0.7))

    assert result.partner[5] == -1
    assert np.isnan(result.q3[5])
    assert np.isnan(result.p[5])
    assert result.n_common[5] == result.n_partners[5] == 0
    assert 5 not in result.partner


def test_q3_leaves_out_pairs_with_too_few_students_in_common():
    student, item, score = drawn(1.1)
    apart = np.where(item == 0, student < 100, student >= 60)  # 40 have answered item 0 too

    result, _ = found((student[apart], item[apart], score[apart]), min_pair=50)

    assert result.partner[0] == -1
    assert result.n_partners[:5].tolist() == [0, 3, 3, 3, 3]


def test_q3_without_any_pair_is_unknown():
    one_each = np.arange(STUDENTS), np.arange(STUDENTS) % 5, np.arange(STUDENTS) % 2 * 1.0

    result, _ = found(one_each)

    assert (result.partner == -1).all()
    assert np.isnan(result.q3).all()


@pytest.mark.parametrize(("name", "value"), [("_DENSE", 0.0), ("_DENSE", 2.0), ("_PAIRS", 10)])
def test_q3_is_the_same_by_plain_and_sparse_products_and_in_blocks(monkeypatch, name, value):
    answers = drawn(0.7)
    before, _ = found(answers)
    monkeypatch.setattr(local_dependence, name, value)
    after, _ = found(answers)

    assert after.partner.tolist() == before.partner.tolist()
    np.testing.assert_allclose(after.q3, before.q3)
    np.testing.assert_array_equal(after.n_partners, before.n_partners)


def test_q3_with_an_item_all_get_right_stays_a_correlation():
    student, item, score = drawn(1.1)

    result, _ = found((student, item, np.where(item == 2, 1.0, score)))

    assert np.isfinite(result.q3[[0, 1, 3, 4]]).all()
    assert (np.abs(result.q3[:5]) <= 1).all()


def test_q3_refuses_pairs_of_one():
    with pytest.raises(ValueError, match="min_pair=1"):
        found(drawn(0.7), min_pair=1)
