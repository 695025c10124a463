"""One item as text and as JSON: what is known is shown, what is not is said."""

import json
import math
from dataclasses import replace

import pytest

from deepkt_irt.reporting.item_dossier import as_json, render_text
from deepkt_irt.reporting.item_facts import ItemFacts
from deepkt_irt.reporting.item_figures import use_figures
from made_up_items import BARE, FLAGGED, GRADED, ONE_PL, START, ItemVersion, window


def lines_with(text, *words):
    return [line for line in text.splitlines() if all(word in line for word in words)]


def test_text_shows_who_what_is_amiss_and_what_to_do():
    text = render_text(FLAGGED)

    assert text.startswith("Item s:q1 (s): Which is <larger>?\n")
    assert "multiple choice, options offered, Fractions, Ratios" in text
    assert lines_with(text, "status: act", "2026-03-01")
    assert [line[4:10] for line in lines_with(text, "  - ")] == ["harder", "12% of"]
    assert lines_with(text, "do next:", "see what changed")


def test_text_shows_parameters_with_their_intervals():
    text = render_text(FLAGGED)

    assert lines_with(text, "difficulty", "+0.52 logits (95%: +0.40 to +0.64)")
    assert lines_with(text, "discrimination", "1.31 (95%: 1.11 to 1.51)")
    assert lines_with(text, "guessing", "0.18 (95%: 0.12 to 0.24)")
    assert lines_with(text, "20260201T020000Z", "2PL", "own scale")


def test_text_says_what_a_model_does_not_estimate():
    text = render_text(replace(FLAGGED, versions=(ItemVersion("v", None, "none", ONE_PL),)))

    assert lines_with(text, "discrimination", "not estimated (1PL)")
    assert lines_with(text, "guessing", "not estimated (1PL)")
    assert "Earlier calibrations" not in text


def test_text_of_a_graded_item_speaks_of_credit_and_names_the_steps():
    text = render_text(replace(FLAGGED, versions=(ItemVersion("v", "u", "fixed", GRADED),)))

    assert lines_with(text, "steps of the score", "-1.00, +0.20, +1.10")
    assert "Expected share of credit by ability" in text
    assert not lines_with(text, "guessing")


def test_text_holds_observed_shares_against_the_curve():
    (line,) = lines_with(render_text(FLAGGED), "ability +0.40", "students")

    assert line.strip() == "ability +0.40: 55% of 40 students (95%: 45% to 65%), expected 56%"


def test_text_shows_use_fairness_and_answers():
    text = render_text(FLAGGED)

    assert lines_with(text, "mean credit", "55% (95%: 52% to 58%)")
    assert lines_with(text, "median response time", "21 s (middle 80%: 6.4 s to 80.5 s)")
    assert lines_with(text, "had the answer shown", "not known")
    assert lines_with(text, "group blue: class C, delta -1.8 ± 0.7, q 0.004, 400 responses")
    assert lines_with(text, "“2/3”: 40% (560), counts as wrong")
    assert lines_with(text, "“no idea”", "key not known", "mean ability not known")


def test_timeline_has_a_mark_by_status_where_the_change_is():
    text = render_text(FLAGGED)

    assert lines_with(text, "2025-09-01", " ..........o..........  stable")
    assert lines_with(text, "2025-09-29", " .........o|..........  stable")
    assert lines_with(text, "2025-11-24", "..........|...!......  watch, harder, content")
    assert lines_with(text, "2026-01-19", "..........|......#...  act, harder")
    assert lines_with(text, "2025-10-27", "n 12", "too few responses")


def test_change_beyond_a_logit_stays_on_the_line():
    text = render_text(replace(FLAGGED, windows=(window(0, -2.4, "act", direction="easier"),)))

    assert lines_with(text, "-2.40", "#.........|..........  act, easier")


def test_text_of_an_item_of_which_nothing_is_known_says_so():
    text = render_text(BARE)

    for said in (
        "type not known, options: not known, no skill known",
        "its health has not been checked",
        "not calibrated",
        "no window has been checked",
    ):
        assert said in text


def test_text_says_that_no_window_or_band_has_enough():
    text = render_text(replace(FLAGGED, windows=(window(0), window(1)), dots=()))

    assert "no window has enough responses" in text
    assert "too few students in any band of ability" in text


def test_text_with_all_figures_missing_invents_none():
    text = render_text(replace(FLAGGED, facts=ItemFacts(n_responses=3), reasons=(), action=None))

    figures = text.split("\nFit\n")[1].split("\nFairness")[0].split("Use\n")
    assert all(line.endswith("not known") for line in figures[0].strip().splitlines())
    known = [line for line in figures[1].strip().splitlines() if not line.endswith("not known")]
    assert [line.split()[0] for line in known] == ["first", "met"]
    assert "nothing is amiss" in text
    assert "the source does not tell which answers were given" in text


def test_json_holds_everything_and_the_curve():
    found = json.loads(json.dumps(as_json(FLAGGED), allow_nan=False))

    assert found["item_id"] == "s:q1"
    assert found["versions"][0]["item"]["c"] == 0.18
    assert found["facts"]["dif"][0]["group_name"] == "blue"
    assert found["windows"][0]["start"] == START.isoformat()
    assert found["windows"][2]["delta"] is None
    middle = min(found["curve"], key=lambda point: abs(point["ability"] - 0.52))
    assert middle["expected"] == pytest.approx(0.59, abs=0.03)  # (1 + c) / 2
    assert all(0 < point["information"] < 1.31**2 / 4 for point in found["curve"])


def test_json_of_a_bare_item_has_null_where_nothing_is_known():
    found = as_json(BARE)

    assert found["curve"] is None
    assert found["facts"] is None
    assert found["windows"] == []


def test_json_writes_a_number_that_is_none_as_null():
    odd = replace(FLAGGED, facts=replace(FLAGGED.facts, rmsd=math.nan, infit=math.inf))

    found = json.loads(json.dumps(as_json(odd), allow_nan=False))

    assert found["facts"]["rmsd"] is None
    assert found["facts"]["infit"] is None


@pytest.mark.parametrize(
    ("share", "said"), [(0.003, "below 1%"), (0.0, "0%"), (0.0099, "below 1%"), (0.01, "1%")]
)
def test_a_share_of_a_few_is_not_said_to_be_nobody(share, said):
    figures = dict(use_figures(replace(FLAGGED.facts, exposure=share)))

    assert figures["students who met it"] == said
