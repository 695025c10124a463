"""Calibration as a library: tables in, tables out; what cannot be read is named by its row."""

import doctest
import re

import numpy as np
import pandas as pd
import pytest

from conftest import REPOSITORY
from deepkt_irt.irt import ItemParameters, calibrate, library
from deepkt_irt.settings import CalibrationSettings

PAGE = REPOSITORY / "docs" / "item_models.md"
B = np.linspace(-1.5, 1.5, 8)
SMALL = CalibrationSettings(min_responses_2pl=10_000)


def answers(*, n_students=300, items=None, mean=0.0, seed=1):
    items = items or ItemParameters.dichotomous(B)
    rng = np.random.default_rng(seed)
    p = items.probabilities(rng.normal(mean, 1, n_students))
    level = (rng.random(p.shape[:2])[..., None] > p.cumsum(axis=-1)[..., :-1]).sum(axis=-1)
    student, item = (x.ravel() for x in np.indices(level.shape))
    return pd.DataFrame(
        {
            "student": [f"s{each:03}" for each in student],
            "item": [f"i{each}" for each in item],
            "score": level.ravel(),
        }
    )


def test_examples_of_the_module_hold():
    assert doctest.testmod(library).failed == 0


def test_examples_of_the_page_hold():
    """One block after the other, in one namespace, as a reader would type them."""
    namespace: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), namespace)  # noqa: S102 - our own page


def test_calibrate_frame_array_and_renamed_columns_say_the_same():
    frame = answers()
    renamed = frame.rename(columns={"student": "pupil", "item": "task", "score": "ok"})

    first = calibrate(frame, settings=SMALL)
    second = calibrate(frame.to_numpy(), settings=SMALL)
    third = calibrate(renamed, student="pupil", item="task", score="ok", settings=SMALL)

    pd.testing.assert_frame_equal(first.items, second.items)
    np.testing.assert_array_equal(first.items["difficulty"], third.items["difficulty"])
    assert (third.items.index.name, third.students.index.name) == ("task", "pupil")
    assert (np.abs(first.items["difficulty"] - B) < 4 * first.items["difficulty_se"]).all()


def test_calibrate_first_answer_counts_and_a_missing_score_is_no_answer():
    frame = answers()
    again = frame.assign(score=1 - frame["score"])
    unanswered = pd.DataFrame({"student": ["s000"], "item": ["new"], "score": [None]})

    found = calibrate(pd.concat([frame, again, unanswered]), settings=SMALL)

    pd.testing.assert_frame_equal(found.items, calibrate(frame, settings=SMALL).items)
    assert found.n_repeated == len(frame)
    assert "new" not in found.items.index


def test_calibrate_levels_and_shares_of_credit_are_one():
    thresholds = np.array([[-0.6, 0.6], [-0.2, 0.9], [-1.0, 0.1], [0.0, 1.0]])
    levels = answers(items=ItemParameters(thresholds, np.ones(4), np.zeros(4)), n_students=500)

    by_level = calibrate(levels, settings=SMALL)
    by_share = calibrate(levels.assign(score=levels["score"] / 2), settings=SMALL)

    again = by_level.abilities(levels)
    np.testing.assert_allclose(again["ability"], by_level.students["ability"], atol=2e-3)
    halves = by_share.abilities(levels.assign(score=levels["score"] / 2))
    np.testing.assert_allclose(halves["ability"], again["ability"])
    assert by_level.items["model"].tolist() == ["GRM"] * 4
    pd.testing.assert_frame_equal(by_level.items, by_share.items)
    np.testing.assert_allclose(by_level.parameters.thresholds, thresholds, atol=0.4)


def test_calibrate_takes_as_many_levels_as_the_settings_allow():
    thresholds = np.tile(np.linspace(-1.5, 1.5, 7), (4, 1))
    items = ItemParameters(thresholds, np.ones(4), np.zeros(4))
    shares = answers(items=items, n_students=900).assign(score=lambda f: f["score"] / 7)
    more = SMALL.model_copy(update={"max_levels": 9})

    assert calibrate(shares, settings=SMALL).items["model"].tolist() == ["1PL"] * 4
    assert calibrate(shares, settings=more).items["model"].tolist() == ["GRM"] * 4


def test_abilities_of_scores_above_full_credit_are_refused():
    found = calibrate(answers(), settings=SMALL)

    with pytest.raises(ValueError, match=r"row 1 .*above full credit"):
        found.abilities([("x", "i0", 1), ("x", "i1", 2)])


def test_calibrate_groups_and_guessable_items_are_taken_up():
    frame = pd.concat(
        [
            answers(n_students=600),
            answers(n_students=600, mean=1.0, seed=2).assign(student=lambda f: "t" + f["student"]),
        ]
    )
    frame = frame.assign(school=np.where(frame["student"].str[0] == "s", "A", "B"))

    found = calibrate(frame, group="school", guessable=["i0", "i1"])

    assert found.groups.index.tolist() == ["A", "B"]
    assert found.groups["mean"].tolist() == pytest.approx([0, 1], abs=0.2)
    assert found.items["model"].tolist() == ["3PL"] * 2 + ["2PL"] * 6
    assert found.items["guessing"].notna().tolist() == [True] * 2 + [False] * 6


def test_fit_and_abilities_of_new_students():
    found = calibrate(answers(), settings=SMALL)

    fit = found.fit()
    new = found.abilities([("x", "i0", 1), ("x", "i7", 1), ("y", "i0", 0), ("y", "never", 1)])

    assert fit.index.tolist() == found.items.index.tolist()
    assert fit["infit"].between(0.8, 1.2).all()
    assert new["n_responses"].to_dict() == {"x": 2, "y": 1}
    assert new.loc["x", "ability"] > 0.3 > -0.3 > new.loc["y", "ability"]
    same = found.abilities(answers())
    np.testing.assert_allclose(same["ability"], found.students["ability"], atol=2e-3)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f.drop(columns="item"), "no column item among student, score"),
        (lambda f: f.assign(score=f["score"].astype(object).mask(f.index == 3, "yes")), "row 3"),
        (lambda f: f.assign(score=f["score"].mask(f.index == 5, -1)), "row 5 .*below 0"),
        (lambda f: f.assign(student=f["student"].mask(f.index == 2)), "row 2 .*'student' is empty"),
        (
            lambda f: f.assign(score=f["score"].astype(float).mask(f.index == 1, 2.5)),
            "whole levels",
        ),
        (lambda f: f.to_numpy()[:, :2], "three columns"),
    ],
)
def test_calibrate_what_cannot_be_read_is_refused_by_row(change, problem):
    with pytest.raises(ValueError, match=problem):
        calibrate(change(answers(n_students=20)))


def test_calibrate_student_in_two_groups_is_refused():
    frame = answers(n_students=30)
    frame["group"] = np.where(frame.index == 9, "B", "A")

    with pytest.raises(ValueError, match=r"row 9 .*another group"):
        calibrate(frame, group="group")
