"""Drift of items: the statistic, the shift, the running sums, and what is said of them."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm

from deepkt_irt.errors import NoData
from deepkt_irt.irt.ability import predict_sequentially
from deepkt_irt.irt.drift import Shift, _causes, _robust_slope, _weighted_median, detect_drift
from deepkt_irt.irt.drift_evidence import Reference, WindowResponses, window_evidence
from deepkt_irt.irt.drift_state import DriftState, state_of_history
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.multiple_testing import benjamini_hochberg
from deepkt_irt.settings import DriftSettings

NAN = np.nan
SETTINGS = DriftSettings()
FEW = DriftSettings(min_history=1, min_responses=10)
PROPERTY = hypothesis_settings(deadline=None, derandomize=True, max_examples=30)

# right-or-wrong with and without guessing, graded in two steps, not calibrated
ITEMS = ItemParameters(
    thresholds=np.array([[-0.6, NAN], [0.3, NAN], [-0.4, 0.8], [0.0, NAN], [NAN, NAN]]),
    slope=np.array([1.0, 1.4, 0.9, 0.7, 1.0]),
    guessing=np.array([0.0, 0.2, 0.0, 0.0, 0.0]),
)
STUDENT = np.array([0, 1, 0, 1, 0, 1, 0, 2, 2, 1, 0])
ITEM = np.array([0, 2, 1, 0, 4, 3, 2, 3, 2, 4, 3])
SCORE = np.array([1, 0.5, 0, 1, 1, 0, 1.0, 1, 0, 0, 0])


def of_one_window(student=STUDENT, item=ITEM, score=SCORE, **more):
    window = np.zeros(len(student), dtype=np.int64)
    return WindowResponses(student, item, score, window, n_students=3, **more)


def test_window_evidence_equals_sums_response_by_response():
    reference = Reference(
        ITEMS,
        population_mean=np.array([0.5, 0.0, -0.3]),
        population_sd=np.array([0.6, 1.0, 0.8]),
        n_known=np.array([0, 0, 7]),  # the third student was known before
    )

    found = window_evidence(of_one_window(), reference, settings=FEW)

    rows = {item: [] for item in range(5)}
    for student in range(3):
        own = student == STUDENT
        known = predict_sequentially(
            np.array([0, own.sum()]),
            ITEM[own],
            SCORE[own],
            items=ITEMS,
            population_mean=reference.population_mean[student],
            population_sd=reference.population_sd[student],
        )
        before = known.n_before + reference.n_known[student]
        for at, (item, score) in enumerate(zip(ITEM[own], SCORE[own], strict=True)):
            if before[at] >= 1 and item != 4:
                rows[item].append(
                    [
                        score,
                        known.expected[at],
                        known.variance[at],
                        known.expected_slope[at],
                        known.ability[at],
                    ]
                )
    assert found.item.tolist() == [0, 1, 2, 3, 4]
    assert found.n.tolist() == [1, 1, 2, 3, 0]
    for item in range(4):
        y, e, v, d, ability = np.array(rows[item]).T
        information = (d**2 / v).sum()
        assert found.observed[item] == pytest.approx(y.mean())
        assert found.expected[item] == pytest.approx(e.mean(), abs=1e-5)
        assert found.z[item] == pytest.approx((y - e).sum() / np.sqrt(v.sum()), abs=1e-4)
        delta = (d * (y - e) / v).sum() / information
        assert found.delta_b[item] == pytest.approx(delta, rel=1e-3)
        assert found.variance[item] == pytest.approx(1 / information, rel=1e-3)
        assert found.ability[item] == pytest.approx(ability.mean(), abs=1e-3)


def test_window_evidence_item_without_a_curve_counts_nothing():
    found = window_evidence(of_one_window(), Reference(ITEMS), settings=FEW)

    last = found.item == 4
    assert found.n[last] == 0
    assert np.isnan([found.observed[last], found.delta_b[last], found.variance[last]]).all()


@PROPERTY
@given(seed=st.integers(0, 10_000), at=st.integers(0, 9))
def test_window_evidence_later_responses_change_no_earlier_expectation(seed, at):
    """Each item is answered in the same place by all, so later places are later items."""
    rng = np.random.default_rng(seed)
    student, item = np.repeat(np.arange(8), 10), np.tile(np.arange(10), 8)
    items = ItemParameters.dichotomous(rng.normal(size=10))
    score = rng.integers(0, 2, 80)
    other = np.where(item >= at, 1 - score, score)
    window = np.zeros(80, dtype=np.int64)
    evidence = [
        window_evidence(
            WindowResponses(student, item, each, window, 8), Reference(items), settings=FEW
        )
        for each in (score, other)
    ]

    for name in ("expected", "variance", "ability"):
        first, again = (getattr(each, name)[: at + 1] for each in evidence)
        np.testing.assert_array_equal(first, again)


def test_window_evidence_earlier_responses_do_change_what_is_expected():
    score = SCORE.copy()
    score[0] = 0

    before, after = (
        window_evidence(of_one_window(score=each), Reference(ITEMS), settings=FEW)
        for each in (SCORE, score)
    )

    assert after.expected[1] < before.expected[1]


def test_window_evidence_times_are_held_against_the_other_items():
    n = 12
    student, item = np.repeat(np.arange(n), 3), np.tile(np.arange(3), n)
    log_time = np.tile([0.1, -0.5, 0.3], n) + 0.01 * np.repeat(np.arange(n), 3)
    log_time[:6] = NAN  # two students' times are not known
    responses = WindowResponses(
        student, item, np.ones(3 * n), np.zeros(3 * n, dtype=np.int64), n, log_time
    )

    found = window_evidence(
        responses, Reference(ItemParameters.dichotomous(np.zeros(3))), settings=FEW
    )
    fewer = replace(responses, log_time=np.where(student < 3, NAN, log_time))

    np.testing.assert_allclose(found.time_change, [0.0, -0.6, 0.2])
    spread = np.std(0.01 * np.arange(2, n)) / np.sqrt(10)
    np.testing.assert_allclose(found.time_z, [0.0, -0.6 / spread, 0.2 / spread])
    too_few = window_evidence(
        fewer, Reference(ItemParameters.dichotomous(np.zeros(3))), settings=FEW
    )
    assert np.isnan(too_few.time_change).all()


# running sums


def updated(state, *deltas, variance=1.0, settings=SETTINGS):
    """States after windows in which the only item showed these changes."""
    states = []
    for delta in deltas:
        state = state.updated(
            np.array([0]), np.array([delta]), np.array([variance]), settings=settings
        )
        states.append(state)
    return states


def test_state_running_sums_follow_the_sequence_worked_out_by_hand():
    settings = DriftSettings(cusum_allowance=0.5, cusum_limit=5)

    states = updated(
        DriftState.start(np.zeros(1)), 1.0, -0.2, 2.5, 3.0, -1.5, -2.0, settings=settings
    )

    harder = [state.cusum_harder[0] for state in states]
    easier = [state.cusum_easier[0] for state in states]
    np.testing.assert_allclose(harder, [0.5, 0.0, 2.0, 4.5, 2.5, 0.0])
    np.testing.assert_allclose(easier, [0.0, 0.0, 0.0, 0.0, 1.0, 2.5])


def test_state_running_sums_are_in_standard_errors():
    (state,) = updated(DriftState.start(np.zeros(1)), 0.3, variance=0.01)

    assert state.cusum_harder[0] == pytest.approx(0.3 / 0.1 - SETTINGS.cusum_allowance)


def test_state_error_of_a_thin_calibration_does_not_add_up_to_drift():
    thin = updated(DriftState.start(np.array([0.3])), *[0.5] * 20, variance=0.02)
    exact = updated(DriftState.start(np.zeros(1)), *[0.5] * 20, variance=0.02)

    assert max(state.cusum_harder[0] for state in thin) < SETTINGS.cusum_limit
    assert exact[1].cusum_harder[0] > SETTINGS.cusum_limit
    assert thin[-1].offset[0] == pytest.approx(0.5, abs=0.02)
    assert thin[-1].change[0] == pytest.approx(0.0, abs=0.03)


def test_state_drift_after_a_thin_calibration_is_still_found_and_not_learned_away():
    deltas = [0.1 * window for window in range(25)]

    states = updated(DriftState.start(np.array([0.2])), *deltas, variance=0.03)

    over = [state.cusum_harder[0] > SETTINGS.cusum_limit for state in states]
    first = over.index(True)
    assert first <= 10
    assert all(over[first:])
    assert states[-1].offset[0] == states[first].offset[0]
    assert states[-1].change[0] > SETTINGS.act


def test_state_without_drift_the_sums_see_independent_standard_normals():
    """Whatever the calibration's error, which every window shares."""
    rng = np.random.default_rng(7)
    n, error = 4_000, 0.3
    settings = DriftSettings(cusum_allowance=0, cusum_limit=1e9)
    state, item = DriftState.start(np.full(n, error)), np.arange(n)
    mistake = rng.normal(0, error, n)
    steps = []
    for _ in range(4):
        before = state.offset
        se = np.sqrt(0.04 + state.offset_se**2)
        delta = mistake + rng.normal(0, 0.2, n)
        steps.append((delta - before) / se)
        state = state.updated(item, delta, np.full(n, 0.04), settings=settings)

    np.testing.assert_allclose(np.corrcoef(steps), np.eye(4), atol=0.06)
    np.testing.assert_allclose(np.std(steps, axis=1), 1.0, atol=0.05)


def test_state_items_not_judged_keep_theirs():
    state = DriftState.start(np.array([0.1, NAN, 0.2]))

    after = state.updated(np.array([2]), np.array([0.9]), np.array([0.04]), settings=SETTINGS)

    for each in fields(DriftState):
        before, now = getattr(state, each.name), getattr(after, each.name)
        np.testing.assert_array_equal(before[:2], now[:2])
    assert after.cusum_harder[2] > 0


def test_state_of_history_equals_the_state_that_was_handed_on():
    rng = np.random.default_rng(3)
    error = np.array([0.1, 0.0, 0.3])
    state, kept = DriftState.start(error), []
    for window in range(6):
        item = np.flatnonzero(rng.random(3) < 0.8)
        delta, variance = rng.normal(0, 0.4, len(item)), rng.uniform(0.02, 0.1, len(item))
        state = state.updated(item, delta, variance, settings=SETTINGS)
        se = np.sqrt(variance + error[item] ** 2)
        kept.append(np.stack([item, np.full(len(item), window), delta, se]))
    kept.append(np.array([[1], [6], [NAN], [NAN]]))  # a window with too few responses
    item, window, delta, se = np.concatenate(kept, axis=1)[:, ::-1]

    found = state_of_history(
        item.astype(int), window.astype(int), delta, se, difficulty_se=error, settings=SETTINGS
    )

    for each in fields(DriftState):
        np.testing.assert_allclose(getattr(found, each.name), getattr(state, each.name))


def test_state_of_history_refuses_errors_of_another_calibration():
    with pytest.raises(ValueError, match="another calibration"):
        state_of_history(
            np.array([0]),
            np.array([0]),
            np.array([0.1]),
            np.array([0.2]),
            difficulty_se=np.array([0.3]),
            settings=SETTINGS,
        )


# a small world, judged whole

N_ITEMS, N_STUDENTS, PER_STUDENT = 60, 300, 40


def world(seed=1, *, windows=1, drift=0.0, cohort=0.0):
    """Responses of new students each window; items 0 and 1 have moved by the drift."""
    rng = np.random.default_rng(seed)
    b = np.linspace(-1.5, 1.5, N_ITEMS)
    moved = np.where(np.arange(N_ITEMS) < 2, drift, 0.0)
    n = windows * N_STUDENTS
    theta = rng.normal(cohort, 1.0, n)
    student = np.repeat(np.arange(n), PER_STUDENT)
    item = np.argsort(rng.random((n, N_ITEMS)), axis=1)[:, :PER_STUDENT].ravel()
    score = (rng.random(len(student)) < expit(theta[student] - (b + moved)[item])).astype(float)
    responses = WindowResponses(student, item, score, student // N_STUDENTS, n)
    return responses, Reference(ItemParameters.dichotomous(b))


def test_detect_drift_large_change_is_told_with_direction_and_cause():
    harder = detect_drift(*world(drift=1.2))
    easier = detect_drift(*world(drift=-1.2))

    assert set(harder.status[:2]) == {"act"}
    assert set(harder.direction[:2]) == {"harder"}
    assert set(harder.likely_cause[:2]) == {"content, display or curriculum changed"}
    assert set(easier.direction[:2]) == {"easier"}
    assert set(easier.likely_cause[:2]) == {"answers may have leaked or it was over-exposed"}
    np.testing.assert_allclose(np.abs(harder.delta[:2]), 1.2, atol=0.5)
    for found in (harder, easier):
        assert np.mean(found.status[2:] == "stable") > 0.95
        assert found.direction[found.status == "stable"].tolist() == [None] * sum(
            found.status == "stable"
        )


def test_detect_drift_parts_fit_together():
    found = detect_drift(*world(drift=0.8, cohort=0.4))

    np.testing.assert_allclose(found.delta, found.delta_b - found.shift)
    np.testing.assert_allclose(found.p, 2 * norm.sf(np.abs(found.delta / found.delta_se)))
    np.testing.assert_allclose(found.q, benjamini_hochberg(found.p))
    likely = found.q < SETTINGS.watch_false_discovery_rate
    flagged = likely & (np.abs(found.delta) >= SETTINGS.watch)
    np.testing.assert_array_equal(flagged, np.isin(found.status, ["watch", "act"]))
    certain = found.q < SETTINGS.false_discovery_rate
    np.testing.assert_array_equal(
        certain & (np.abs(found.delta) >= SETTINGS.act), found.status == "act"
    )
    assert found.is_anchor.all()
    assert found.shifts[0].n_anchors == N_ITEMS


def test_detect_drift_change_of_all_items_is_told_apart_and_is_no_drift():
    responses, reference = world()
    theta = np.random.default_rng(1).normal(0.0, 1.0, N_STUDENTS)  # as in the world
    harder = replace(
        reference,
        items=ItemParameters.dichotomous(reference.items.difficulty - 0.7),
        population_mean=theta,
        population_sd=0.3,
        n_known=np.full(N_STUDENTS, 20),
    )

    found = detect_drift(responses, harder)

    (shift,) = found.shifts
    # no one can tell harder items from students who all lost as much
    assert shift.shift - shift.growth == pytest.approx(0.7, abs=0.06)
    assert np.isnan(shift.cohort)
    assert np.mean(found.status == "stable") > 0.95


def test_detect_drift_another_cohort_is_told_apart_and_is_no_shift():
    (shift,) = detect_drift(*world(cohort=0.6)).shifts

    assert shift.cohort == pytest.approx(0.6, abs=0.15)
    assert np.isnan(shift.growth)
    assert shift.shift == pytest.approx(0.0, abs=0.1)


def test_detect_drift_shift_that_only_the_anchors_tell_is_taken_off():
    """Half of the items got harder; the anchors did not, so the others did."""
    responses, reference = world()
    b = reference.items.difficulty
    anchor = np.arange(N_ITEMS) % 2 == 0
    moved = ItemParameters.dichotomous(np.where(anchor, b, b - 0.8))

    found = detect_drift(responses, replace(reference, items=moved, is_anchor=anchor))

    assert abs(found.shifts[0].shift) > 0.2  # abilities met both halves in the middle
    assert np.mean(found.delta[anchor]) == pytest.approx(0.0, abs=0.08)
    assert np.mean(found.delta[~anchor]) == pytest.approx(0.8, abs=0.1)
    assert np.mean(found.status[anchor] == "stable") > 0.85
    assert np.mean(found.direction[~anchor] == "harder") > 0.8


def test_detect_drift_error_of_the_calibration_widens_what_is_still_stable():
    responses, reference = world(drift=0.7)
    doubtful = replace(reference, difficulty_se=np.full(N_ITEMS, 0.5))

    exact, thin = detect_drift(responses, reference), detect_drift(responses, doubtful)

    np.testing.assert_allclose(thin.delta_se**2 - exact.delta_se**2, 0.25, atol=0.01)
    assert (thin.p[:2] > exact.p[:2]).all()
    assert set(exact.status[:2]) == {"act"}
    assert set(thin.status) == {"stable"}


def test_detect_drift_states_handed_on_equal_one_pass():
    responses, reference = world(windows=4, drift=0.5)
    reference = replace(reference, difficulty_se=np.full(N_ITEMS, 0.1))
    early = responses.window < 2

    whole = detect_drift(responses, reference)
    first = detect_drift(part(responses, early), reference)
    second = detect_drift(part(responses, ~early), reference, state=first.state)

    for name in ("item", "window", "n", "delta", "q", "cusum_harder", "cusum_easier", "change"):
        joined = np.concatenate([getattr(first, name), getattr(second, name)])
        np.testing.assert_allclose(joined, getattr(whole, name), rtol=1e-9)
    joined = np.concatenate([first.status, second.status])
    np.testing.assert_array_equal(joined, whole.status)
    assert [shift.window for shift in whole.shifts] == [0, 1, 2, 3]


def test_detect_drift_state_follows_from_the_cells_that_were_judged():
    responses, reference = world(windows=3, drift=0.6)
    thin = (responses.item != 7) | (responses.window != 1) | (responses.student % 5 == 0)
    reference = replace(reference, difficulty_se=np.full(N_ITEMS, 0.15))

    found = detect_drift(part(responses, thin), reference)

    kept = found.status != "insufficient_data"
    assert (~kept).sum() == 1
    again = state_of_history(
        found.item[kept],
        found.window[kept],
        found.delta[kept],
        found.delta_se[kept],
        difficulty_se=reference.difficulty_se,
        settings=SETTINGS,
    )
    for each in fields(DriftState):
        np.testing.assert_allclose(
            getattr(again, each.name), getattr(found.state, each.name), atol=1e-12
        )


def part(responses, which):
    return WindowResponses(
        responses.student[which],
        responses.item[which],
        responses.score[which],
        responses.window[which],
        responses.n_students,
    )


def test_detect_drift_few_responses_are_said_to_be_insufficient():
    responses, reference = world()
    _, first = np.unique(responses.item, return_index=True)
    rare = responses.item != 5
    rare[first[5]] = True
    rare[np.flatnonzero(responses.item == 5)[:20]] = True

    found = detect_drift(part(responses, rare), reference)

    cell = found.item == 5
    assert found.status[cell] == "insufficient_data"
    assert found.n[cell] < SETTINGS.min_responses
    assert np.isfinite(found.delta_b[cell])
    assert np.isnan([found.p[cell], found.q[cell]]).all()
    assert found.cusum_harder[cell] == found.cusum_easier[cell] == 0
    assert found.direction[cell] == np.array([None])
    assert not found.is_anchor[cell]


def test_detect_drift_without_anchors_says_so_and_judges_nothing():
    responses, reference = world(drift=1.5)
    anchors = np.arange(N_ITEMS) >= N_ITEMS - 4

    found = detect_drift(responses, replace(reference, is_anchor=anchors))

    assert set(found.status) == {"insufficient_data"}
    assert np.isnan(found.delta).all()
    assert np.isfinite(found.delta_b).all()
    (shift,) = found.shifts
    assert shift.n_anchors == 4
    assert shift.note.startswith("only 4 anchors have 50 responses, 10 are needed")
    assert (found.state.level == 0).all()
    assert not found.is_anchor.any()


def test_detect_drift_only_anchors_carry_the_shift():
    responses, reference = world(drift=1.2)
    anchors = np.arange(N_ITEMS) >= 20

    found = detect_drift(responses, replace(reference, is_anchor=anchors))

    assert found.shifts[0].n_anchors == 40
    np.testing.assert_array_equal(found.is_anchor, anchors)
    assert set(found.status[:2]) == {"act"}


def test_detect_drift_item_without_a_curve_has_insufficient_data():
    responses, reference = world()
    b = np.append(reference.items.difficulty[:-1], NAN)

    found = detect_drift(responses, Reference(ItemParameters.dichotomous(b)))

    assert found.status[-1] == "insufficient_data"
    assert found.n[-1] == 0


# the shift


def test_shift_is_the_weighted_median():
    values, weight = np.array([3.0, 1.0, 2.0, 100.0]), np.ones(4)

    assert _weighted_median(values, weight) == pytest.approx(2.5)
    assert _weighted_median(values, np.array([1, 1, 10, 1.0])) == pytest.approx(2.0, abs=0.1)


def test_robust_slope_is_not_bent_by_drifted_anchors():
    rng = np.random.default_rng(4)
    x = rng.normal(size=200)
    y = -0.3 * x + rng.normal(0, 0.2, 200)
    y[np.argsort(x)[-15:]] += 1.5  # those of the ablest students

    slope, se, center = _robust_slope(x, y, np.full(200, 25.0))

    assert slope == pytest.approx(-0.3, abs=0.1)
    assert np.polyfit(x, y, 1)[0] > -0.1
    assert se == pytest.approx(0.2 / np.sqrt(200), rel=0.2)
    assert center == pytest.approx(x.mean(), abs=0.2)


def test_robust_slope_of_anchors_with_like_takers_stays_near_zero():
    rng = np.random.default_rng(4)
    slopes = [
        _robust_slope(rng.normal(0, 0.05, 10), rng.normal(0, 0.2, 10), np.full(10, 25.0))[0]
        for _ in range(100)
    ]

    assert np.std(slopes) < 0.5


def test_shift_at_grows_less_certain_away_from_the_anchors():
    shift = Shift(0, 0.2, 0.05, -0.3, 0.1, 0.5, 1.0, 40, None, NAN, NAN)

    value, variance = shift.at(np.array([0.5, 1.5]))

    np.testing.assert_allclose(value, [0.2, -0.1])
    np.testing.assert_allclose(variance, [0.05**2, 0.05**2 + 0.1**2])


# causes


@pytest.mark.parametrize(
    ("direction", "jump", "time_z", "cause"),
    [
        (1, 4.0, NAN, "content, display or curriculum changed"),
        (1, 1.0, NAN, "curriculum or teaching may be moving away"),
        (1, -4.0, -5.0, "curriculum or teaching may be moving away"),
        (-1, -4.0, NAN, "answers may have leaked or it was over-exposed"),
        (
            -1,
            -4.0,
            -3.0,
            "answers may have leaked or it was over-exposed: answers also come faster",
        ),
        (
            -1,
            -1.0,
            -3.0,
            "answers may have leaked or it was over-exposed: answers also come faster",
        ),
        (-1, -4.0, 0.5, "content, display or help changed; answers come no faster"),
        (-1, -1.0, NAN, "answers may be spreading, or teaching covers it better"),
        (-1, -1.0, 0.5, "teaching may cover it better; answers come no faster"),
    ],
)
def test_causes_follow_from_direction_speed_and_times(direction, jump, time_z, cause):
    (found,) = _causes(np.array([direction]), np.array([jump]), np.array([time_z]))

    assert found.startswith(cause)


def test_causes_of_stable_items_are_not_invented():
    assert _causes(np.array([0]), np.array([5.0]), np.array([-9.0])).tolist() == [None]


# refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item": np.where(STUDENT == 0, 0, ITEM)}, "keep the first"),
        ({"score": SCORE[:-1]}, "length"),
        ({"log_time": np.zeros(3)}, "length"),
        ({"student": STUDENT + 1}, "student index outside 0 to 2"),
    ],
)
def test_window_responses_refuse_what_does_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        of_one_window(**change)


def test_window_responses_refuse_to_be_empty():
    none = np.zeros(0, dtype=np.int64)

    with pytest.raises(NoData, match="no first attempts"):
        of_one_window(none, none, none)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"difficulty_se": np.full(5, NAN)}, "difficulty_se"),
        ({"difficulty_se": np.full(5, -0.1)}, "difficulty_se"),
        ({"difficulty_se": np.zeros(4)}, "difficulty_se has 4 entries for 5 items"),
        ({"is_anchor": np.ones(3, dtype=bool)}, "is_anchor has 3 entries for 5 items"),
        ({"n_known": np.zeros(2, dtype=int)}, "not given for 3 students"),
        ({"population_mean": np.zeros(7)}, "not given for 3 students"),
        ({"population_sd": -1.0}, "population"),
    ],
)
def test_reference_refuses_what_does_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        detect_drift(of_one_window(), Reference(ITEMS, **change), settings=FEW)


def test_detect_drift_refuses_the_state_of_other_items_and_items_unheard_of():
    with pytest.raises(ValueError, match="state of 4 items for 5"):
        detect_drift(of_one_window(), Reference(ITEMS), state=DriftState.start(np.zeros(4)))
    with pytest.raises(ValueError, match="item index outside 0 to 4"):
        detect_drift(of_one_window(item=ITEM + 1), Reference(ITEMS))
    with pytest.raises(ValueError, match="none of the shares"):
        detect_drift(of_one_window(score=np.full(11, 0.3)), Reference(ITEMS))
