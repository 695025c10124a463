"""The guard's parts: what is edited and what is not, which rows repeat, what is refused."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from deepkt_irt.errors import NoData, QualityViolation
from deepkt_irt.knowledge_tracing.guard import Finding, GuardReport, GuardSettings, examine
from deepkt_irt.knowledge_tracing.histories import Histories, Split
from deepkt_irt.knowledge_tracing.probes import (
    choose_probes,
    random_labels,
    repeats_question,
    sample_students,
)
from leaking_models import ItemAndPast, district, less_visible, one_row_per_skill

BEHAVIOUR = ("correct", "latency_ms", "hint_count", "attempt_count", "first_action")
EVERYTHING = (*BEHAVIOUR, "item", "skills", "answered_at")


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def probes_of(histories, split, rng, **changed):
    sizes = {"n_segments": 8, "n_positions": 5, "max_responses": 10_000} | changed
    return choose_probes(histories, split, rng, **sizes)


def changed_rows(before, after, name):
    one, other = getattr(before, name), getattr(after, name)
    rows = ~((one == other) | (np.isnan(one) & np.isnan(other)))
    return rows.any(axis=1) if rows.ndim == 2 else rows


# --- probes ---------------------------------------------------------------------------------


def test_probes_are_copies_of_whole_test_segments_with_first_and_last_among_the_asked(rng):
    histories, split = district(1, n_students=20)

    probes = probes_of(histories, split, rng)

    copies = probes.histories
    assert probes.asked.sum() == len(probes) == copies.n_segments
    test_students = set(histories.student_of_response[split.test].tolist())
    assert set(copies.student.tolist()) == test_students  # 4 of 20
    for student in test_students:
        whole = histories.segments(histories.student == student)
        own = copies.segments(copies.student == student)
        for name in EVERYTHING:
            np.testing.assert_array_equal(
                getattr(own, name), np.tile(getattr(whole, name).T, own.n_segments).T
            )
        asked_at = copies.position[probes.asked][copies.student == student]
        assert asked_at.min() == 0
        assert asked_at.max() == 39
        assert len(set(asked_at)) == len(asked_at) >= 3


def test_probes_ask_a_response_of_most_skills_in_each_segment(rng):
    histories, split = district(1, n_students=20)

    probes = probes_of(histories, split, rng, n_positions=3)

    n_skills = (probes.histories.skills[probes.asked] > 0).sum(axis=1)
    for student in np.unique(probes.histories.student):
        assert n_skills[probes.histories.student == student].max() == 2


def test_probes_never_ask_context(rng):
    histories, split = district(1, n_students=20)
    context = histories.position >= 38
    histories = replace(histories, visible=np.where(context, -1, histories.visible))
    split = Split(split.train & ~context, split.validation & ~context, split.test & ~context)

    probes = probes_of(histories, split, rng)

    assert (probes.histories.visible[probes.asked] >= 0).all()
    assert probes.histories.position[probes.asked].max() == 37


def test_probes_pass_over_segments_that_are_too_long(rng):
    histories, split = district(1, n_students=20)

    assert len(probes_of(histories, split, rng, max_responses=210).histories) <= 210
    with pytest.raises(NoData, match="no segment"):
        probes_of(histories, split, rng, max_responses=100)


def test_own_edit_changes_all_of_the_asked_response_but_what_is_known_when_it_is_asked(rng):
    probes = probes_of(*district(1), rng)

    edited = probes.own_edited()

    for name in BEHAVIOUR:
        np.testing.assert_array_equal(changed_rows(probes.histories, edited, name), probes.asked)
    for name in ("item", "skills", "answered_at", "visible", "offsets", "student"):
        np.testing.assert_array_equal(getattr(probes.histories, name), getattr(edited, name))
    assert set(np.unique(edited.correct)) == {0, 1}


def test_own_edit_fills_in_what_is_unknown(rng):
    histories, split = district(1)
    unknown = np.full(len(histories), np.nan)
    histories = replace(
        histories, latency_ms=unknown, hint_count=unknown, first_action=0 * histories.first_action
    )

    probes = probes_of(histories, split, rng)
    edited = probes.own_edited()

    assert np.isfinite(edited.latency_ms[probes.asked]).all()
    assert np.isnan(edited.latency_ms[~probes.asked]).all()
    assert (edited.first_action[probes.asked] > 0).all()


@pytest.mark.parametrize("fewer", [0, 4])
def test_future_edit_leaves_the_visible_past_and_the_question_alone(rng, fewer):
    histories, split = district(1)
    probes = probes_of(less_visible(histories, fewer), split, rng)
    base = probes.histories

    edited = probes.future_edited(rng)

    hidden = base.position >= base.visible[probes.asked][base.segment]
    assert hidden.sum() > probes.asked.sum()
    for name in BEHAVIOUR:
        np.testing.assert_array_equal(changed_rows(base, edited, name), hidden)
    np.testing.assert_array_equal(changed_rows(base, edited, "answered_at"), hidden & ~probes.asked)
    for name in ("item", "skills"):
        changed = changed_rows(base, edited, name)
        assert not changed[~hidden | probes.asked].any()
        assert changed[hidden & ~probes.asked].mean() > 0.5


def test_other_item_asks_another_question_of_other_skills_and_changes_nothing_else(rng):
    probes = probes_of(*district(1), rng)

    edited = probes.other_item(rng)

    for name in ("item", "skills"):
        np.testing.assert_array_equal(changed_rows(probes.histories, edited, name), probes.asked)
    for name in (*BEHAVIOUR, "answered_at", "visible"):
        assert not changed_rows(probes.histories, edited, name).any()


def test_other_item_without_another_item_is_refused(rng):
    histories, split = district(1)
    one = replace(histories, item=np.full_like(histories.item, 3), skills=histories.skills * 0 + 1)

    with pytest.raises(NoData, match="2 items"):
        probes_of(one, split, rng).other_item(rng)


# --- rows of one question -------------------------------------------------------------------


def rows(item, skill, correct, *, at=None, latency=None, offsets=None):
    return Histories.of(
        offsets=np.array([0, len(item)] if offsets is None else offsets),
        item=np.array(item),
        skills=np.array(skill)[:, None],
        correct=np.array(correct),
        answered_at=None if at is None else np.array(at, dtype=float),
        latency_ms=None if latency is None else np.array(latency, dtype=float),
    )


NAN = np.nan


@pytest.mark.parametrize(
    ("histories", "expected"),
    [
        pytest.param(rows([7, 7, 7], [1, 2, 3], [1, 1, 1]), [0, 1, 1], id="a row per skill"),
        pytest.param(rows([7, 7], [1, 1], [1, 1]), [0, 0], id="answered again"),
        pytest.param(rows([7, 7], [1, 2], [0, 1]), [0, 0], id="another answer"),
        pytest.param(rows([7, 8], [1, 2], [1, 1]), [0, 0], id="another item"),
        pytest.param(rows([7, 7], [1, 2], [1, 1], at=[5, 5]), [0, 1], id="the same instant"),
        pytest.param(rows([7, 7], [1, 2], [1, 1], at=[5, 9]), [0, 0], id="another instant"),
        pytest.param(rows([7, 7], [1, 2], [1, 1], at=[5, NAN]), [0, 1], id="one instant unknown"),
        pytest.param(rows([7, 7], [1, 2], [1, 1], latency=[4, 5]), [0, 0], id="another time taken"),
        pytest.param(rows([7, 7], [1, 1], [1, 1], at=[5, 5]), [0, 0], id="time taken unknown"),
        pytest.param(
            rows([7, 7], [1, 1], [1, 1], at=[5, 5], latency=[4, 4]), [0, 1], id="a doubled row"
        ),
        pytest.param(rows([7, 7], [1, 2], [1, 1], offsets=[0, 1, 2]), [0, 0], id="two students"),
        pytest.param(rows([0, 0], [1, 2], [1, 1]), [0, 0], id="unknown items"),
        pytest.param(rows([0, 0], [1, 2], [1, 1], at=[5, 5]), [0, 1], id="unknown, at once"),
    ],
)
def test_rows_of_one_question_are_told_from_a_question_answered_again(histories, expected):
    assert repeats_question(histories).astype(int).tolist() == expected


def test_expansion_is_found_in_full_and_not_before():
    histories, split = district(2)
    expanded, _ = one_row_per_skill(histories, split)

    assert not repeats_question(histories).any()
    assert repeats_question(expanded).sum() == len(expanded) - len(histories)


@given(st.integers(0, 1_000))
@hypothesis_settings(max_examples=15, deadline=None)
def test_random_labels_are_alike_within_a_question_and_else_at_the_base_rate(seed):
    expanded, _ = one_row_per_skill(*district(2, n_students=60))

    flipped = random_labels(expanded, np.random.default_rng(seed))

    repeats = np.flatnonzero(repeats_question(expanded))
    assert (flipped.correct[repeats] == flipped.correct[repeats - 1]).all()
    firsts = np.flatnonzero(~repeats_question(expanded))
    correlation = np.corrcoef(flipped.correct[firsts], expanded.correct[firsts])[0, 1]
    assert abs(correlation) < 0.1
    assert flipped.correct.mean() == pytest.approx(expanded.correct.mean(), abs=0.06)
    unchanged = [each.name for each in fields(expanded) if each.name != "correct"]
    assert all(getattr(flipped, name) is getattr(expanded, name) for name in unchanged)


# --- sampling -------------------------------------------------------------------------------


def test_sample_takes_whole_students_until_there_are_enough(rng):
    histories, split = district(1, n_students=100)  # 40 each

    sample, of_sample = sample_students(histories, split, 200, rng)

    sizes = [int(m.sum()) for m in (of_sample.train, of_sample.validation, of_sample.test)]
    assert sizes == [400, 80, 200]
    assert (sample.lengths == 40).all()
    for part in ("train", "validation", "test"):
        of_all, chosen = getattr(split, part), getattr(of_sample, part)
        before = set(histories.student_of_response[of_all].tolist())
        assert set(sample.student_of_response[chosen].tolist()) <= before


def test_sample_has_all_test_students_and_twice_the_training_where_all_are_wanted(rng):
    histories, split = district(1, n_students=40)

    sample, of_sample = sample_students(histories, split, 10**6, rng)

    assert of_sample.test.sum() == split.test.sum() == of_sample.train.sum() / 2
    test_students = histories.student_of_response[split.test]
    assert set(sample.student_of_response[of_sample.test]) == set(test_students)


# --- examine --------------------------------------------------------------------------------


def test_examine_repeats_by_seed_and_names_its_checks():
    report = examine(ItemAndPast, *district(4), seed=9)

    assert report == examine(ItemAndPast, *district(4), seed=9)
    assert [each.name for each in report.findings] == [
        "random_labels",
        "future_edits",
        "own_answer",
        "next_item",
        "duplicated_rows",
    ]


def test_examine_probes_the_fitted_model_where_there_is_one():
    class Constant:
        def predict(self, histories, chosen):
            return np.full(int(chosen.sum()), 0.5)

    report = examine(ItemAndPast, *district(4), seed=9, fitted=Constant())

    assert report.finding("next_item").figure == 0
    assert report.finding("random_labels").passed


def test_examine_fits_on_sampled_students_only():
    seen = []

    class Watched(ItemAndPast):
        def fit(self, histories, split):
            seen.append(len(histories))
            super().fit(histories, split)

    settings = GuardSettings(sample_responses=400)
    examine(Watched, *district(4), seed=9, settings=settings)

    assert seen == [1320, 1320]  # 800 to train on, 400 held out, 100 and the rest of a student


def test_report_gives_the_sentences_of_failed_checks_with_their_figures():
    good = Finding("a", passed=True, figure=0, limit=1, sentence="a: fine")
    bad = Finding("b", passed=False, figure=2, limit=1, sentence="b: 2, allowed 1")

    assert GuardReport((good,)).passed
    assert not GuardReport((good, bad)).passed
    assert GuardReport((good, bad)).reasons == ("b: 2, allowed 1",)
    with pytest.raises(KeyError):
        GuardReport((good,)).finding("c")


def test_examine_refuses_data_it_can_say_nothing_about():
    histories, split = district(4)
    few = np.flatnonzero(split.test)[:50]
    test = np.isin(np.arange(len(histories)), few)

    with pytest.raises(NoData, match="at least 100 test responses, but there are 50"):
        examine(ItemAndPast, histories, Split(split.train, split.validation, test), seed=1)
    with pytest.raises(ValueError, match="a mask of 0"):
        examine(ItemAndPast, histories, Split(split.train, split.validation), seed=1)
    right = replace(histories, correct=np.ones_like(histories.correct))
    with pytest.raises(NoData, match="all came out alike"):
        examine(Half, right, split, seed=1)


class Half:
    """Says 0.5 of everything; or, as Wild, what is no probability."""

    value = 0.5

    def __init__(self, seed):
        pass

    def fit(self, histories, split):
        pass

    def predict(self, histories, chosen):
        return np.full(int(chosen.sum()), self.value)


class Wild(Half):
    value = np.nan


def test_examine_refuses_predictions_that_are_no_probabilities():
    with pytest.raises(QualityViolation, match="no probability"):
        examine(Wild, *district(4), seed=1)
