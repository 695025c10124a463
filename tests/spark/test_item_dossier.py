"""What is read of items, for `deepkt item` and the report, from rows that are known."""

from datetime import UTC, datetime

import pytest

from conftest import AS_OF
from deepkt_irt.errors import NoData, UsageError
from deepkt_irt.jobs import report_items
from deepkt_irt.jobs.item import dossiers, find_item, read_dossier
from deepkt_irt.reporting.item_dossier import render_text
from deepkt_irt.tables.gold_items import (
    CALIBRATIONS,
    ITEM_DRIFT,
    ITEM_HEALTH,
    ITEM_PARAMETERS,
    STUDENT_ABILITIES,
)
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    ITEMS,
    RESPONSE_BEHAVIOUR,
    SKILLS,
)
from looking import InMemory
from made_up_items import BEFORE, CALIBRATION, NOW

pytestmark = pytest.mark.spark

COMMON = {
    ITEMS: {"source": "s", "skill_ids": [], "in_catalogue": True, "n_events": 1},
    SKILLS: {"source": "s", "prerequisite_ids": [], "n_events": 1},
    CALIBRATIONS: CALIBRATION,
    ITEM_PARAMETERS: {
        "calibration_version": NOW,
        "model": "1PL",
        "difficulty": 0.0,
        "difficulty_se": 0.1,
        "slope": 1.0,
        "asymptote": 0.0,
        "thresholds": [0.0],
        "n_responses": 100,
        "p_value": 0.5,
        "is_anchor": False,
        "calibrated_at": AS_OF,
    },
    STUDENT_ABILITIES: {
        "calibration_version": NOW,
        "ability_sd": 0.3,
        "n_responses": 20,
        "calibrated_at": AS_OF,
    },
    ITEM_DRIFT: {
        "calibration_version": NOW,
        "n_responses": 80,
        "status": "stable",
        "is_anchor": True,
        "checked_at": AS_OF,
    },
    ITEM_HEALTH: {
        "n_responses": 400,
        "exposure": 0.5,
        "dif": [],
        "options": [],
        "status": "good",
        "reasons": [],
        "checked_at": AS_OF,
    },
    CANONICAL_LEARNING_EVENTS: {
        "source": "s",
        "skill_ids": [],
        "event_kind": "practice",
        "batch_id": 0,
    },
    RESPONSE_BEHAVIOUR: {},
}


@pytest.fixture
def store(frame):
    """These tests only read."""
    return InMemory(frame)


@pytest.fixture
def lake(store, frame):
    """Writes rows of tables; each row names only what matters to the test."""

    def write(table, *given):
        filled = [COMMON[table] | row for row in given]
        for row in filled:
            if table is ITEMS:
                row.setdefault("source_item_id", row["item_id"].removeprefix("s:"))
            if table is SKILLS:
                row.setdefault("name", row["skill_id"].title())
        store.overwrite(table, frame(table, filled))

    return write


def answers(item, *, ability, right, wrong, start=0, **more):
    """Events of students of one ability on one item, and the students' abilities."""
    keys = [f"{item}-{ability}-{n}" for n in range(start, start + right + wrong)]
    events = [
        {
            "event_id": f"e-{key}",
            "student_key": key,
            "item_id": item,
            "sequence_number": 1,
            "correct": n < right,
        }
        | more
        for n, key in enumerate(keys)
    ]
    return events, [{"student_key": key, "ability": ability} for key in keys]


def rapid_guess(event):
    same = ("event_id", "student_key", "item_id", "sequence_number")
    return {name: event[name] for name in same} | {"rapid_guess": True, "is_excluded": True}


def write_answers(lake, *groups):
    lake(CANONICAL_LEARNING_EVENTS, *(event for events, _ in groups for event in events))
    lake(STUDENT_ABILITIES, *(student for _, students in groups for student in students))


@pytest.fixture
def bank(lake):
    lake(
        ITEMS,
        {"item_id": "s:q1", "title": "Halves and quarters"},
        {"item_id": "s:q10", "title": "Quarters, again"},
        {"item_id": "s:Q2", "title": "Quarters"},
        {"item_id": "t:x", "source": "t", "source_item_id": "q7"},
        {"item_id": "u:x", "source": "u", "source_item_id": "q7"},
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("s:q1", "s:q1"),  # not s:q10
        ("q1", "s:q1"),
        ("q2", "s:Q2"),
        ("quarters", "s:Q2"),  # a whole title before parts of others
        ("HALVES AND", "s:q1"),
        ("q10", "s:q10"),
    ],
)
def test_find_item_by_id_source_id_or_title(store, bank, text, found):
    assert find_item(store.read, text) == found


@pytest.mark.parametrize(
    ("text", "named"), [("q7", ["t:x (no title)", "u:x (no title)"]), ("arters", ["s:Q2 (Qu"])]
)
def test_find_item_that_may_be_several_lists_them(store, bank, text, named):
    with pytest.raises(UsageError, match=r"may be one of [23] items") as refused:
        find_item(store.read, text)

    assert [each for each in named if each not in str(refused.value)] == []


def test_find_item_lists_at_most_ten_on_one_line(store, lake):
    lake(ITEMS, *({"item_id": f"s:{n:02}", "title": "Half\n" + "x" * 99} for n in range(12)))

    with pytest.raises(UsageError, match=r"may be one of 12 items: .* and 2 more;") as refused:
        find_item(store.read, "half")

    assert "\n" not in str(refused.value)
    assert "s:09 (Half xx" in str(refused.value)
    assert "s:10" not in str(refused.value)


def test_find_item_that_is_not_there_says_what_to_give(store, bank):
    with pytest.raises(NoData, match="no item like 'q99' in this lake"):
        find_item(store.read, "q99")


def test_dossier_holds_all_calibrations_latest_first(store, lake):
    lake(ITEMS, {"item_id": "s:q1", "title": "Halves", "skill_ids": ["b", "a"]})
    lake(SKILLS, {"skill_id": "a"}, {"skill_id": "b"})
    lake(
        CALIBRATIONS,
        {"calibration_version": BEFORE},
        {
            "calibration_version": NOW,
            "reference_version": BEFORE,
            "link_method": "stocking_lord",
        },
    )
    lake(
        ITEM_PARAMETERS,
        {"item_id": "s:q1", "calibration_version": BEFORE, "difficulty": 0.4, "thresholds": [0.4]},
        {
            "item_id": "s:q1",
            "model": "3PL",
            "difficulty": 0.5,
            "thresholds": [0.5],
            "discrimination": 1.5,
            "discrimination_se": 0.2,
            "slope": 1.5,
            "asymptote": 0.2,
            "guessing": 0.2,
            "guessing_se": 0.05,
        },
        {"item_id": "s:other"},
    )

    found = read_dossier(store.read, "s:q1")

    assert found.skills == ("A", "B")
    versions = [(each.version, each.reference, each.link, each.item.b) for each in found.versions]
    assert versions == [(NOW, BEFORE, "stocking_lord", 0.5), (BEFORE, None, "none", 0.4)]
    assert found.item.expected(0.5) == pytest.approx(0.6)
    assert (found.facts, found.status, found.windows, found.dots) == (None, None, (), ())
    assert "its health has not been checked" in render_text(found)


def test_dossier_holds_health_and_drift(store, lake):
    lake(ITEMS, {"item_id": "s:q1", "is_guessable": True}, {"item_id": "s:q2"})
    starts = [datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4)]
    details = (
        {"status": "insufficient_data", "n_responses": 3},
        {"delta": 0.1},
        {"delta": 0.7, "status": "act", "direction": "harder", "likely_cause": "content changed"},
    )
    lake(
        ITEM_DRIFT,
        *(
            {"item_id": "s:q1", "window_start": start, "window_end": end} | more
            for start, end, more in zip(starts[:3], starts[1:], details, strict=True)
        ),
        {"item_id": "s:q2", "window_start": starts[0], "window_end": starts[1]},
    )
    lake(
        ITEM_HEALTH,
        {
            "item_id": "s:q1",
            "p_value": 0.55,
            "first_seen_at": starts[0],
            "last_seen_at": starts[3],
            "dif": [
                {
                    "group_name": "x",
                    "n": 60,
                    "delta": -1.8,
                    "delta_se": 0.5,
                    "p": 0.01,
                    "q": 0.02,
                    "ets_class": "C",
                    "r2_change": None,
                }
            ],
            "options": [
                {
                    "answer": "B",
                    "n": 200,
                    "share": 0.5,
                    "mean_ability": 0.3,
                    "point_biserial": 0.4,
                    "is_key": True,
                }
            ],
            "drift_status": "act",
            "status": "act",
            "reasons": ["harder than calibrated", "unfair"],
            "suggested_action": "mend it",
        },
    )

    (found,) = dossiers(store.read, {"s:q1": "asked for"})

    assert [(w.start, w.delta, w.status) for w in found.windows] == [
        (starts[0], None, "insufficient_data"),
        (starts[1], 0.1, "stable"),
        (starts[2], 0.7, "act"),
    ]
    assert (found.status, found.action) == ("act", "mend it")
    assert found.reasons == ("harder than calibrated", "unfair")
    assert found.checked_at == "2026-03-01 02:00 UTC"
    facts = found.facts
    assert (facts.n_responses, facts.p_value, facts.is_guessable) == (400, 0.55, True)
    assert (facts.first_seen_at, facts.last_seen_at) == (starts[0], starts[3])
    assert (facts.drift_delta, facts.drift_since) == (0.7, starts[2])
    assert (facts.dif[0].group_name, facts.dif[0].delta, facts.dif[0].r2_change) == (
        "x",
        -1.8,
        None,
    )
    assert (facts.options[0].answer, facts.options[0].is_key) == ("B", True)
    assert facts.rmsd is None


def test_dossiers_keep_the_order_and_pass_over_items_that_are_gone(store, lake):
    lake(ITEMS, {"item_id": "s:a"}, {"item_id": "s:b"})
    wanted = {"s:b": "first", "s:gone": "none", "s:a": "second"}

    found = dossiers(store.read, wanted)

    assert [(each.item_id, each.why) for each in found] == [("s:b", "first"), ("s:a", "second")]
    assert dossiers(store.read, {}) == ()


def test_observed_shares_by_band_on_attempts_that_count(store, lake):
    lake(ITEM_PARAMETERS, {"item_id": "s:q1"})
    low = answers("s:q1", ability=-0.3, right=3, wrong=9)
    high = answers("s:q1", ability=0.3, right=9, wrong=1)
    few = answers("s:q1", ability=1.0, right=9, wrong=0)
    shown = answers("s:q1", ability=0.3, right=5, wrong=0, start=50, answer_requested=True)
    rapid = answers("s:q1", ability=0.3, right=0, wrong=5, start=60)
    write_answers(lake, low, high, few, shown, rapid)
    lake(RESPONSE_BEHAVIOUR, *(rapid_guess(event) for event in rapid[0]))

    found = report_items.observed_shares(store.read, ["s:q1", "s:none"], version=NOW)

    assert list(found) == ["s:q1"]
    dots = [(dot.ability, dot.share, dot.n) for dot in found["s:q1"]]
    assert dots == [
        (pytest.approx(-0.3), pytest.approx(0.25), 12),
        (pytest.approx(0.3), pytest.approx(0.9), 10),
    ]
    assert all(dot.low < dot.share < dot.high for dot in found["s:q1"])


def test_observed_shares_count_partial_credit_only_where_the_curve_has_steps(store, lake):
    lake(
        ITEM_PARAMETERS,
        {"item_id": "s:graded", "model": "GRM", "thresholds": [-1.0, 1.0]},
        {"item_id": "s:plain"},
    )
    half = {"correct": None, "score": 0.5}
    write_answers(
        lake,
        answers("s:graded", ability=0.1, right=0, wrong=10, **half),
        answers("s:plain", ability=0.1, right=0, wrong=10, **half),
    )

    found = report_items.observed_shares(store.read, ["s:graded", "s:plain"], version=NOW)

    assert {item: dots[0].share for item, dots in found.items()} == {
        "s:graded": pytest.approx(0.5),
        "s:plain": 0.0,
    }


def test_attention_puts_act_first_then_those_with_most_findings(store, lake):
    lake(
        ITEMS,
        {"item_id": "s:b", "title": "B", "skill_ids": ["k"]},
        *({"item_id": f"s:{name}"} for name in "acdef"),
    )
    lake(SKILLS, {"skill_id": "k", "name": "Ratios"})
    lake(
        ITEM_HEALTH,
        {"item_id": "s:a", "status": "watch", "reasons": ["x", "y", "z"]},
        {"item_id": "s:b", "status": "act", "reasons": ["x"], "suggested_action": "mend it"},
        {"item_id": "s:c", "status": "act", "reasons": ["x", "y"]},
        {"item_id": "s:d", "status": "act", "reasons": ["x"], "n_responses": 900},
        {"item_id": "s:e"},
        {"item_id": "s:f", "status": "insufficient_data", "reasons": ["few"]},
    )

    found = report_items.attention(store.read)

    assert [each.item_id for each in found.flagged] == ["s:c", "s:d", "s:b", "s:a"]
    assert found.counts == (("act", 3), ("watch", 1), ("good", 1), ("insufficient_data", 1))
    third = found.flagged[2]
    assert (third.label, third.skill, third.action, third.n) == ("B", "Ratios", "mend it", 400)


def test_attention_without_any_check_is_none(store):
    assert report_items.attention(store.read) is None


def test_latest_calibration_says_how_it_was_linked(store, lake):
    assert report_items.latest_calibration(store.read) is None

    lake(
        CALIBRATIONS,
        {"calibration_version": BEFORE, "reliability": 0.1},
        {
            "calibration_version": NOW,
            "reference_version": BEFORE,
            "link_method": "mean_sigma",
            "n_anchors": 40,
            "n_anchors_screened": 3,
        },
    )

    found = report_items.latest_calibration(store.read)
    assert (found.version, found.reference, found.link) == (NOW, BEFORE, "mean_sigma")
    assert (found.reliability, found.n_anchors, found.n_screened) == (0.8, 40, 3)
    assert found.refusal is None


def test_missing_items_names_practised_skills_worst_band_only(store, lake):
    assert report_items.missing_items(store.read) is None

    lake(
        SKILLS,
        {"skill_id": "full", "n_events": 9},
        {"skill_id": "thin", "n_events": 9},
        {"skill_id": "never", "n_events": 0},
    )
    many = [(f"s:f{n}-{b}", float(b), "full") for n in range(20) for b in range(-3, 4)]
    known = [*many, ("s:t", 0.0, "thin")]
    lake(ITEMS, *({"item_id": item, "skill_ids": [skill]} for item, _, skill in known))
    lake(CALIBRATIONS, {"calibration_version": NOW})
    lake(
        ITEM_PARAMETERS,
        *({"item_id": item, "difficulty": b, "thresholds": [b]} for item, b, _ in known),
    )

    (found,) = report_items.missing_items(store.read)

    assert (found.skill, found.n_skill_items) == ("Thin", 1)
    assert (found.low, found.high) in {(-1.0, 0.0), (0.0, 1.0)}  # where most students are
    assert found.n_bands >= 4
    assert found.n_short > 5
    assert found.standard_error > 1.5  # of one item


def test_curves_show_telling_items_once_each(store, lake):
    difficulties = {f"s:{n}": float(n - 2) for n in range(5)}
    lake(ITEMS, *({"item_id": item} for item in difficulties))
    lake(
        ITEM_PARAMETERS,
        *({"item_id": i, "difficulty": b, "thresholds": [b]} for i, b in difficulties.items()),
    )
    write_answers(
        lake,
        *(
            answers(item, ability=ability, right=5, wrong=5)
            for item in difficulties
            for ability in (-1.0, 0.0, 1.0)
        ),
    )
    known = report_items.items(store.read, NOW)

    found = report_items.curves(store.read, NOW, known)

    assert [curve.item_id for curve in found] == ["s:0", "s:1", "s:2", "s:3", "s:4"]
    reasons = [curve.why for curve in found]
    assert reasons[0].startswith("easiest")
    assert sum("fits worst" in why for why in reasons) == 1
    assert all(len(curve.dots) == 3 for curve in found)
    assert report_items.curves(store.read, None, {}) == ()
