"""The task recommend_items: different students get different items, each with its reason."""

import math
from datetime import UTC, datetime

import pytest

from conftest import AS_OF, rows
from deepkt_irt.jobs.recommend_items import recommend_items
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, SAKT_PREDICTIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_items import ITEM_DRIFT, ITEM_PARAMETERS, STUDENT_ABILITIES
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS

pytestmark = pytest.mark.spark

NOW, BEFORE = "20260301T020000Z", "20260201T020000Z"
TASK = TASKS["recommend_items"]


@pytest.fixture
def lake(store, frame):
    """Writes rows of tables; each row names only what matters to the test."""
    common = {
        ITEM_PARAMETERS: {
            "calibration_version": NOW,
            "model": "1PL",
            "difficulty_se": 0.1,
            "n_responses": 100,
            "p_value": 0.5,
            "slope": 1.0,
            "asymptote": 0.0,
            "is_anchor": False,
            "calibrated_at": AS_OF,
        },
        STUDENT_ABILITIES: {
            "calibration_version": NOW,
            "ability_sd": 0.3,
            "n_responses": 20,
            "calibrated_at": AS_OF,
        },
        SAKT_PREDICTIONS: {
            "sequence_number": 100,
            "split": "train",
            "item_known": True,
            "model_version": "1",
            "scored_at": AS_OF,
        },
        STUDENT_MASTERY: {
            "mastery_low": 0.0,
            "mastery_high": 1.0,
            "n_responses": 8,
            "n_correct": 4,
            "n_reference_items": 5,
            "last_sequence_number": 9,
            "model_version": "1",
            "scored_at": AS_OF,
        },
        CANONICAL_LEARNING_EVENTS: {
            "source": "s",
            "skill_ids": [],
            "event_kind": "practice",
            "batch_id": 0,
        },
        ITEMS: {"source": "s", "in_catalogue": True, "n_events": 1},
        SKILLS: {"source": "s", "prerequisite_ids": [], "n_events": 1},
    }

    def write(table, *given):
        filled = [common[table] | row for row in given]
        for row in filled:
            if table is ITEM_PARAMETERS:
                row["thresholds"] = [row["difficulty"]]
            if table is ITEMS:
                row["source_item_id"] = row["item_id"]
            if table is SKILLS:
                row.setdefault("name", row["skill_id"].title())
        store.overwrite(table, frame(table, filled))

    return write


def seen(student, *items):
    return [
        {"event_id": f"{student}{n}", "student_key": student, "sequence_number": n, "item_id": item}
        for n, item in enumerate(items, 1)
    ]


def offered(student, **chances):
    return [{"student_key": student, "item_id": i, "p_correct": p} for i, p in chances.items()]


def recommended(store, *columns):
    return rows(store.read(BANDIT_RECOMMENDATIONS), *columns)


def test_recommend_items_students_of_different_ability_get_items_of_different_difficulty(
    store, lake, context
):
    difficulties = {f"i{n:02}": -2.0 + 0.2 * n for n in range(21)}
    abilities = {"strong": 1.5, "weak": -0.5}
    lake(ITEMS, *({"item_id": i, "skill_ids": [f"k{n % 3}"]} for n, i in enumerate(difficulties)))
    lake(SKILLS, *({"skill_id": f"k{n}"} for n in range(3)))
    lake(ITEM_PARAMETERS, *({"item_id": i, "difficulty": b} for i, b in difficulties.items()))
    lake(STUDENT_ABILITIES, *({"student_key": s, "ability": t} for s, t in abilities.items()))
    lake(
        SAKT_PREDICTIONS,
        *(
            row
            for student, theta in abilities.items()
            for row in offered(
                student, **{i: 1 / (1 + math.exp(b - theta)) for i, b in difficulties.items()}
            )
        ),
    )

    recommend_items(context(TASK))

    got = {student: [] for student in abilities}
    for student, item, p in recommended(store, "student_key", "item_id", "p_correct"):
        got[student].append(difficulties[item])
        assert p == pytest.approx(0.7, abs=0.1)
    assert [len(each) for each in got.values()] == [5, 5]
    assert min(got["strong"]) > max(got["weak"])


@pytest.mark.connect
def test_recommend_items_combines_both_models_and_leaves_unknown_null(store, lake, context):
    lake(ITEMS, *({"item_id": i, "skill_ids": [i[0]]} for i in ("a1", "b1", "c1")))
    lake(SKILLS, {"skill_id": "a", "name": "Ratios"}, {"skill_id": "b"}, {"skill_id": "c"})
    lake(
        ITEM_PARAMETERS,
        {"item_id": "a1", "difficulty": 0.0},
        {
            "item_id": "b1",
            "difficulty": 0.0,
            "discrimination": 2.0,
            "discrimination_se": 0.1,
            "slope": 2.0,
            "model": "2PL",
        },
    )
    lake(STUDENT_ABILITIES, {"student_key": "x", "ability": 1.0})
    lake(SAKT_PREDICTIONS, *offered("x", a1=0.7, b1=0.7, c1=0.7), *offered("y", a1=0.7))
    lake(
        STUDENT_MASTERY,
        {
            "student_key": "x",
            "skill_id": "a",
            "mastery": 0.5,
            "mastery_low": 0.3,
            "mastery_high": 0.6,
        },
    )

    recommend_items(context(TASK))

    found = {
        (student, item): (p, p_irt, p_sakt, bits)
        for student, item, p, p_irt, p_sakt, bits in recommended(
            store, "student_key", "item_id", "p_correct", "p_irt", "p_sakt", "information"
        )
    }
    one, two = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-2))
    assert found["x", "a1"] == pytest.approx(((one + 0.7) / 2, one, 0.7, one * (1 - one)))
    assert found["x", "b1"] == pytest.approx(((two + 0.7) / 2, two, 0.7, 4 * two * (1 - two)))
    assert found["x", "c1"] == (0.7, None, 0.7, None)  # item never calibrated
    assert found["y", "a1"] == (0.7, None, 0.7, None)  # student without an ability
    reasons = dict(recommended(store, "item_id", "reason")[:1])
    assert reasons["a1"] == (
        "Practise Ratios: mastery 0.50 (0.30 to 0.60, 8 answers); expected success 0.72 "
        "(ability and difficulty 0.73, history 0.70), near the target 0.70 among 3 eligible items."
    )


def test_recommend_items_latest_calibration_decides_whole(store, lake, context):
    lake(ITEMS, {"item_id": "i1", "skill_ids": ["a"]}, {"item_id": "i2", "skill_ids": ["a"]})
    lake(SKILLS, {"skill_id": "a"})
    lake(
        ITEM_PARAMETERS,
        {"item_id": "i1", "difficulty": 9.0, "calibration_version": BEFORE},
        {"item_id": "i2", "difficulty": 9.0, "calibration_version": BEFORE},
        {"item_id": "i1", "difficulty": 0.0},
    )
    lake(
        STUDENT_ABILITIES,
        {"student_key": "x", "ability": 9.0, "calibration_version": BEFORE},
        {"student_key": "x", "ability": 0.0},
    )
    lake(SAKT_PREDICTIONS, *offered("x", i1=0.7, i2=0.7))

    recommend_items(context(TASK))

    assert recommended(store, "item_id", "p_irt") == [("i1", 0.5), ("i2", None)]


def test_recommend_items_offers_neither_recent_nor_closed_nor_mastered_items(store, lake, context):
    skills = {"done": [], "weak": [], "after_weak": ["weak"], "after_done": ["done"]}
    lake(ITEMS, *({"item_id": f"i_{s}", "skill_ids": [s]} for s in skills))
    lake(SKILLS, *({"skill_id": s, "prerequisite_ids": p} for s, p in skills.items()))
    lake(
        STUDENT_MASTERY,
        {"student_key": "x", "skill_id": "done", "mastery": 0.9},
        {"student_key": "x", "skill_id": "weak", "mastery": 0.4},
        {"student_key": "y", "skill_id": "done", "mastery": 0.9},
        {"student_key": "y", "skill_id": "weak", "mastery": 0.4},
    )
    every = {f"i_{s}": 0.7 for s in skills}
    lake(SAKT_PREDICTIONS, *offered("x", **every), *offered("y", **every))
    # the last two of three events are recent; the answered event is no candidate
    lake(
        CANONICAL_LEARNING_EVENTS,
        *seen("x", "i_weak", "i_done", "i_done"),
        *seen("y", "i_done", "i_weak", "i_after_done"),
    )

    settings = Settings.model_validate({"recommendation": {"recent_events": 2}})
    metrics = recommend_items(context(TASK, settings=settings))

    assert recommended(store, "student_key", "item_id") == [("x", "i_after_done"), ("x", "i_weak")]
    assert metrics == {"students": 1, "students_without": 1, "recommendations": 2}


def test_recommend_items_answered_events_are_no_candidates(store, lake, context):
    lake(ITEMS, {"item_id": "i1", "skill_ids": ["a"]})
    lake(SKILLS, {"skill_id": "a"})
    lake(
        SAKT_PREDICTIONS,
        {
            "student_key": "x",
            "item_id": "i1",
            "p_correct": 0.7,
            "event_id": "e1",
            "sequence_number": 1,
            "correct": True,
        },
    )

    metrics = recommend_items(context(TASK))

    assert recommended(store, "item_id") == []
    assert metrics["students_without"] == 1


def test_recommend_items_again_changes_no_row(store, lake, context):
    lake(ITEMS, *({"item_id": f"i{n}", "skill_ids": ["a", "b"]} for n in range(9)))
    lake(SKILLS, {"skill_id": "a"}, {"skill_id": "b"})
    lake(SAKT_PREDICTIONS, *offered("x", **{f"i{n}": 0.7 for n in range(9)}))
    every = BANDIT_RECOMMENDATIONS.column_names

    recommend_items(context(TASK))
    first = recommended(store, *every)
    recommend_items(context(TASK))

    assert recommended(store, *every) == first
    assert [row[2] for row in first] == ["i0", "i1"]


def test_recommend_items_offers_no_item_that_has_drifted_too_far(store, lake, context, frame):
    lake(ITEMS, *({"item_id": i, "skill_ids": ["a"]} for i in ("i1", "i2", "i3")))
    lake(SKILLS, {"skill_id": "a"})
    lake(SAKT_PREDICTIONS, *offered("x", i1=0.7, i2=0.7, i3=0.7))
    windows = {"i1": ["act"], "i2": ["act", "stable"], "i3": ["watch", "insufficient_data"]}
    drift = [
        {
            "item_id": item,
            "window_start": datetime(2026, 1, 1 + n, tzinfo=UTC),
            "window_end": datetime(2026, 1, 2 + n, tzinfo=UTC),
            "n_responses": 100,
            "status": status,
            "direction": "harder",
            "is_anchor": False,
            "checked_at": AS_OF,
        }
        for item, statuses in windows.items()
        for n, status in enumerate(statuses)
    ]
    store.overwrite(ITEM_DRIFT, frame(ITEM_DRIFT, drift))

    recommend_items(context(TASK))

    assert [row[0] for row in recommended(store, "item_id")] == ["i2", "i3"]
