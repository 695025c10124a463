"""Bootstrap-t intervals against resampling written out, and against what must hold."""

import numpy as np
import pytest

from deepkt_irt.bandit.student_bootstrap import Bootstrap, Ratios, _draws, student_intervals


def figure(n_students=30, terms=2, seed=5):
    rng = np.random.default_rng(seed)
    bottom = rng.gamma(2.0, 1.0, (terms, n_students))
    top = bottom * rng.normal(0.5, 0.3, (terms, n_students))
    return Ratios(top, bottom, np.array([1.0, -1.0, 1.0])[:terms])


def standard_error(made):
    """Delta method by students, each term written out."""
    below = made.bottom.sum(axis=1)
    ratio = made.top.sum(axis=1) / below
    each = sum(
        made.sign[k] * (made.top[k] - ratio[k] * made.bottom[k]) / below[k]
        for k in range(len(below))
    )
    return np.sqrt(np.sum(each**2))


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_interval_is_that_of_the_resamples_written_out(terms):
    made, bootstrap = figure(terms=terms), Bootstrap(n_resamples=60, confidence=0.9, seed=3)
    t = []
    for counts in np.concatenate(list(_draws(30, bootstrap))):
        drawn = np.repeat(np.arange(30), counts.astype(int))
        again = Ratios(made.top[:, drawn], made.bottom[:, drawn], made.sign)
        t.append((again.value - made.value) / standard_error(again))
    below, above = np.quantile(t, [0.05, 0.95])
    error = standard_error(made)

    [found] = student_intervals([made], bootstrap)

    assert found == pytest.approx((made.value - above * error, made.value - below * error))


def test_draws_take_as_many_students_as_there_are(monkeypatch):
    monkeypatch.setattr("deepkt_irt.bandit.student_bootstrap._CHUNK", 24)  # several chunks

    counts = np.concatenate(list(_draws(12, Bootstrap(n_resamples=5))))

    assert counts.shape == (5, 12)
    assert counts.sum(axis=1).tolist() == [12] * 5
    assert counts.max() > 1


def test_interval_same_seed_is_the_same_and_another_seed_is_not():
    made = figure()

    first, again, other = (
        student_intervals([made], Bootstrap(n_resamples=50, seed=seed)) for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_interval_does_not_depend_on_the_figures_beside_it():
    made, bootstrap = figure(), Bootstrap(n_resamples=50)

    together = student_intervals([figure(seed=1), made], bootstrap)

    assert together[1] == pytest.approx(student_intervals([made], bootstrap)[0])


def test_interval_more_confidence_is_wider():
    [low], [high] = (
        student_intervals([figure()], Bootstrap(n_resamples=200, confidence=c)) for c in (0.8, 0.99)
    )

    assert high[0] < low[0] < figure().value < low[1] < high[1]


def test_figure_that_no_draw_moves_has_an_interval_of_no_length():
    made = figure(terms=1)
    constant = Ratios(0.3 * made.bottom, made.bottom, made.sign)
    bootstrap = Bootstrap(n_resamples=20)

    assert student_intervals([constant], bootstrap)[0] == pytest.approx((0.3, 0.3))
    assert student_intervals([made.minus(made)], bootstrap) == [(0.0, 0.0)]


def test_figure_with_nothing_below_its_line_is_unknown():
    made = figure(terms=1)
    void = Ratios(made.top, np.zeros_like(made.bottom), made.sign)

    assert np.isnan(void.value)
    assert np.isnan(student_intervals([void], Bootstrap(n_resamples=5))).all()


@pytest.mark.parametrize("wrong", [{"n_resamples": 0}, {"confidence": 1.0}, {"confidence": 0.0}])
def test_bootstrap_impossible_value_is_refused(wrong):
    with pytest.raises(ValueError, match="n_resamples="):
        Bootstrap(**wrong)
