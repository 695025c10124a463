"""DIF that was planted is found, and none where groups only differ in ability."""

import numpy as np
import pytest
from scipy.special import expit

from deepkt_irt.irt.dif import compare_groups, mantel_haenszel
from deepkt_irt.irt.groups import match_takers
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.predictive import leave_one_out
from deepkt_irt.settings import DifSettings

SETTINGS = DifSettings()
N_ITEMS, PER_STUDENT = 30, 15
SEEDS = range(8)


def drawn(seed, *, n=500, impact, shift=0.0, n_harder=0, guessing=0.0):
    """Two groups of n; some items are harder for the second by shift logits."""
    rng = np.random.default_rng(seed)
    b, a = np.linspace(-1.5, 1.5, N_ITEMS), rng.lognormal(0, 0.2, N_ITEMS)
    rng.shuffle(b)
    group = np.repeat([0, 1], n)
    theta = rng.normal(size=2 * n) - impact * group
    harder = shift * ((np.arange(N_ITEMS) < n_harder) & (group == 1)[:, None])
    chance = guessing + (1 - guessing) * expit(a * (theta[:, None] - b - harder))
    met = rng.random(chance.shape).argsort(axis=1) < PER_STUDENT
    student, item = np.nonzero(met)
    score = (rng.random(len(item)) < chance[student, item]).astype(float)
    return (student, item, score), group, ItemParameters.dichotomous(b, a, guessing)


def compared(seed, max_rounds=5, **design):
    columns, group, items = drawn(seed, **design)
    return compare_groups(
        *columns,
        group=group,
        items=items,
        population_mean=-design["impact"] / 2,
        population_sd=np.sqrt(1 + design["impact"] ** 2 / 4),
        settings=SETTINGS,
        max_rounds=max_rounds,
    )


@pytest.mark.parametrize(
    "design",
    [{"impact": 0.0}, {"impact": 1.0}, {"impact": 1.0, "guessing": 0.2}],
    ids=["no impact", "impact", "impact and guessing"],
)
def test_groups_that_differ_in_ability_alone_show_no_dif(design):
    runs = [compared(seed, **design) for seed in SEEDS]

    p = np.concatenate([run.mantel_haenszel.p[1] for run in runs])
    delta = np.concatenate([run.mantel_haenszel.delta[1] for run in runs])
    classes = np.concatenate([run.mantel_haenszel.ets_class[1] for run in runs])
    assert (p < 0.05).mean() < 0.08
    assert abs(np.median(delta)) < 0.15
    assert (classes == "C").mean() < 0.01
    for name in ("p_uniform", "p_nonuniform", "p"):
        chance = np.concatenate([getattr(run.logistic, name)[1] for run in runs])
        assert 0.01 < (chance < 0.05).mean() < 0.09
    found = np.mean([run.populations.mean[0] - run.populations.mean[1] for run in runs])
    assert found == pytest.approx(design["impact"], abs=0.06)


def test_one_population_for_both_groups_shows_dif_that_is_not_there():
    """Why groups have populations of their own."""
    p = []
    for seed in SEEDS:
        columns, group, items = drawn(seed, impact=1.0)
        predicted = leave_one_out(
            *columns,
            n_students=len(group),
            items=items,
            population_mean=-0.5,
            population_sd=np.sqrt(1.25),
        )
        takers = match_takers(*columns, group=group, predicted=predicted)
        p.append(mantel_haenszel(takers, settings=SETTINGS).p[1])

    assert (np.concatenate(p) < 0.05).mean() > 0.10


def test_planted_dif_is_found_with_its_size_and_direction():
    runs = [compared(seed, impact=0.5, shift=1.0, n_harder=3) for seed in SEEDS]

    delta = np.stack([run.mantel_haenszel.delta[1, :3] for run in runs])
    log_odds = np.stack([run.logistic.log_odds[1, :3] for run in runs])
    q = np.stack([run.mantel_haenszel.q[1, :3] for run in runs])
    assert delta.mean() == pytest.approx(-2.35, abs=0.4)
    assert log_odds.mean() == pytest.approx(-1.0, abs=0.2)
    assert (q < 0.05).mean() > 0.65  # about 250 responses of a group on an item
    assert np.mean([run.is_anchor[:3].mean() for run in runs]) < 0.35
    clean = np.stack([run.mantel_haenszel.p[1, 3:] for run in runs])
    assert (clean < 0.05).mean() < 0.08


def test_matching_by_items_without_dif_frees_the_others_of_it():
    design = {"impact": 0.5, "shift": 0.8, "n_harder": 9}
    once = [compared(seed, max_rounds=1, **design) for seed in SEEDS[:5]]
    repeated = [compared(seed, **design) for seed in SEEDS[:5]]

    before, after = (
        np.median([run.mantel_haenszel.delta[1, 9:] for run in runs]) for runs in (once, repeated)
    )
    assert before > 0.3
    assert abs(after) < 0.5 * before


@pytest.mark.parametrize(("n_items", "off"), [(6, 1.0), (16, 0.5)])
def test_short_test_of_equal_slopes_still_compares_groups(n_items, off):
    """Each group has few matches of its own: in 20 bands most would hold one group only."""
    b, group = np.linspace(-1.5, 1.5, n_items), np.repeat([0, 1], 160)
    student, item = (x.ravel() for x in np.indices((320, n_items)))
    planted, sound = [], []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        theta = rng.normal(size=320) - 0.3 * group
        harder = np.where((item == 2) & (group[student] == 1), 1.5, 0.0)
        right = rng.random(len(item)) < expit(theta[student] - b[item] - harder)
        found = compare_groups(
            student,
            item,
            right.astype(float),
            group=group,
            items=ItemParameters.dichotomous(b),
            population_mean=-0.15,
            population_sd=1.0,
            settings=SETTINGS,
        ).mantel_haenszel
        planted.append(found.delta[1, 2])
        sound.append(np.delete(found.p[1], 2))
    # six items match coarsely, which leaves a part of the difference in ability
    assert np.mean(planted) == pytest.approx(-2.35 * 1.5, abs=off)
    assert np.mean(np.concatenate(sound) < 0.05) < 0.1
