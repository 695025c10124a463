"""Mantel-Haenszel against tables worked by hand, classes, and the comparison of all groups."""

import numpy as np
import pytest
from scipy.special import chdtrc, expit

from deepkt_irt.irt.dif import compare_groups, mantel_haenszel
from deepkt_irt.irt.groups import MatchedTakers
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.settings import DifSettings

SETTINGS = DifSettings(n_strata=3, min_group=10)


def tabled(tables):
    """Takers of one item from tables (others right, wrong, group right, wrong), one a band."""
    rows = [
        (band, group, right)
        for band, (a, b, c, d) in enumerate(tables)
        for group, right, n in ((0, 1, a), (0, 0, b), (1, 1, c), (1, 0, d))
        for _ in range(n)
    ]
    band, group, right = np.array(rows).T
    return MatchedTakers(
        np.zeros(len(rows), dtype=int), group, right * 1.0, band * 1.0, n_items=1, n_groups=2
    )


TABLES = [(10, 20, 6, 24), (18, 12, 14, 16), (25, 5, 20, 10)]
UNEVEN = [(3, 3, 2, 4), (20, 12, 14, 14), (12, 6, 8, 10)]  # the second begins in the first third


def by_hand(tables):
    """Odds ratio, variance of its logarithm (Robins, Breslow and Greenland), chi-square."""
    top = bottom = pr = both = qs = away = spread = 0.0
    for a, b, c, d in tables:
        t = a + b + c + d
        top, bottom = top + a * d / t, bottom + b * c / t
        pr += (a + d) / t * a * d / t
        both += (a + d) / t * b * c / t + (b + c) / t * a * d / t
        qs += (b + c) / t * b * c / t
        away += a - (a + b) * (a + c) / t
        spread += (a + b) * (c + d) * (a + c) * (b + d) / (t**2 * (t - 1))
    variance = pr / (2 * top**2) + both / (2 * top * bottom) + qs / (2 * bottom**2)
    return top / bottom, variance, (abs(away) - 0.5) ** 2 / spread


@pytest.mark.parametrize("tables", [TABLES, UNEVEN])
def test_mantel_haenszel_worked_by_hand(tables):
    alpha, variance, chi2 = by_hand(tables)

    found = mantel_haenszel(tabled(tables), settings=SETTINGS)

    assert found.n[1, 0] == sum(c + d for _, _, c, d in tables)
    assert found.delta[1, 0] == pytest.approx(-2.35 * np.log(alpha))
    assert found.delta_se[1, 0] == pytest.approx(2.35 * np.sqrt(variance))
    assert found.chi2[1, 0] == pytest.approx(chi2)
    assert found.p[1, 0] == pytest.approx(chdtrc(1, chi2))
    assert found.delta[1, 0] < 0  # harder for the group


def test_mantel_haenszel_two_groups_mirror_each_other():
    found = mantel_haenszel(tabled(TABLES), settings=SETTINGS)

    assert found.delta[0] == pytest.approx(-found.delta[1])
    assert found.delta_se[0] == pytest.approx(found.delta_se[1])
    assert found.p[0] == pytest.approx(found.p[1])


def test_mantel_haenszel_one_band_has_the_variance_of_a_single_table():
    found = mantel_haenszel(tabled([(30, 20, 15, 25)] * 3), settings=SETTINGS)

    single = 1 / 90 + 1 / 60 + 1 / 45 + 1 / 75
    assert found.delta_se[0, 0] == pytest.approx(2.35 * np.sqrt(single), rel=0.02)


@pytest.mark.parametrize("order_seed", range(3))
def test_mantel_haenszel_equal_matches_share_a_band_in_any_order(order_seed):
    data = tabled(TABLES)
    order = np.random.default_rng(order_seed).permutation(len(data.item))
    mixed = MatchedTakers(
        data.item[order], data.group[order], data.right[order], data.matching[order], 1, 2
    )

    plain, again = (mantel_haenszel(x, settings=SETTINGS) for x in (data, mixed))

    assert again.delta == pytest.approx(plain.delta)


def test_mantel_haenszel_bands_hold_equally_many_takers_of_each_item():
    """A second item, whose takers are all abler, is cut into bands of its own."""
    one = tabled(TABLES)
    two = MatchedTakers(
        np.concatenate([one.item, one.item + 1]),
        np.tile(one.group, 2),
        np.tile(one.right, 2),
        np.concatenate([one.matching, one.matching + 10]),
        n_items=3,
        n_groups=2,
    )

    found = mantel_haenszel(two, settings=SETTINGS)

    assert found.delta[:, 0] == pytest.approx(found.delta[:, 1])
    assert np.isnan(found.delta[:, 2]).all()
    assert (found.ets_class[:, 2] == "").all()


@pytest.mark.parametrize(
    "tables",
    [
        [(9, 20, 3, 5)] * 3,  # fewer than 30 of group 1
        [(10, 0, 10, 0)] * 3,  # all right
        [(10, 10, 10, 0)] * 3,  # odds without end
    ],
)
def test_mantel_haenszel_without_enough_to_compare_is_not_tested(tables):
    found = mantel_haenszel(tabled(tables), settings=DifSettings(n_strata=3, min_group=30))

    for name in ("delta", "delta_se", "chi2", "p", "q"):
        assert np.isnan(getattr(found, name)[1, 0])
    assert found.ets_class[1, 0] == ""


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ([(100, 100, 95, 105)] * 3, "A"),  # hardly any difference
        ([(500, 500, 420, 580)] * 3, "A"),  # significant and small
        ([(6, 5, 3, 8)] * 3, "A"),  # large and not significant
        ([(120, 80, 90, 110)] * 3, "B"),  # delta 1.4
        ([(8, 7, 4, 11)] * 3, "B"),  # delta 2.7, not surely above 1
        ([(150, 50, 80, 120)] * 3, "C"),
        ([(80, 120, 150, 50)] * 3, "C"),  # easier for the group
    ],
)
def test_mantel_haenszel_ets_class(tables, expected):
    found = mantel_haenszel(tabled(tables), settings=SETTINGS)

    assert found.ets_class[1, 0] == expected


def drawn(shift, seed=8, impact=0.8):
    """900 students in two groups and an unknown one, 14 items; two are harder for group 1."""
    rng = np.random.default_rng(seed)
    b = np.linspace(-1.5, 1.5, 14)
    group = np.repeat([0, 1, -1], [400, 400, 100])
    theta = rng.normal(size=900) - impact * (group == 1)
    harder = np.where((np.arange(14) < 2) & (group == 1)[:, None], shift, 0.0)
    right = rng.random((900, 14)) < expit(theta[:, None] - b - harder)
    student, item = np.nonzero(rng.random((900, 14)) < 0.9)
    return (student, item, right[student, item] * 1.0), group, ItemParameters.dichotomous(b)


def compared(shift, **more):
    columns, group, items = drawn(shift)
    return compare_groups(
        *columns,
        group=group,
        items=items,
        population_mean=-0.35,
        population_sd=1.1,
        settings=DifSettings(),
        **more,
    )


def test_compare_groups_finds_the_items_and_matches_by_the_others():
    found = compared(1.2)

    assert found.is_anchor.tolist() == [False] * 2 + [True] * 12
    assert (found.mantel_haenszel.delta[1, :2] < -1.5).all()
    assert (found.mantel_haenszel.ets_class[:, 2:] == "A").all()
    assert (found.logistic.q[1, :2] < 0.01).all()
    difference = found.populations.mean[0] - found.populations.mean[1]
    assert difference == pytest.approx(0.8, abs=0.15)


def test_compare_groups_once_matches_by_all_items():
    """Items that differ make the group seem less able, and the other items too easy for it."""
    once, repeated = compared(1.2, max_rounds=1), compared(1.2)

    assert once.is_anchor.all()
    gap = [x.populations.mean[0] - x.populations.mean[1] for x in (once, repeated)]
    assert gap[0] > gap[1] + 0.1
    rest = [np.median(x.mantel_haenszel.delta[1, 2:]) for x in (once, repeated)]
    assert rest[0] > rest[1] + 0.2


def test_compare_groups_item_without_a_curve_is_not_tested():
    columns, group, items = drawn(0.0)
    thresholds = items.thresholds.copy()
    thresholds[5] = np.nan

    found = compare_groups(
        *columns,
        group=group,
        items=ItemParameters(thresholds, items.slope, items.guessing),
        population_mean=0.0,
        population_sd=1.0,
        settings=DifSettings(),
    )

    assert np.isnan(found.mantel_haenszel.p[:, 5]).all()
    assert not found.is_anchor[5]
    assert found.is_anchor.sum() == 13


def test_compare_groups_without_a_known_group_compares_nothing():
    columns, group, items = drawn(0.0)

    found = compare_groups(
        *columns,
        group=np.full_like(group, -1),
        items=items,
        population_mean=0.0,
        population_sd=1.0,
        settings=DifSettings(),
    )

    assert found.mantel_haenszel.delta.shape == found.logistic.p.shape == (0, 14)


def test_compare_groups_refuses_no_round():
    with pytest.raises(ValueError, match="max_rounds=0"):
        compared(0.0, max_rounds=0)
