"""The task monitor_items: drift found in time, kept as found, and what becomes of each item."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.special import expit

from conftest import rows
from deepkt_irt.jobs.calibrate_items import calibrate_items
from deepkt_irt.jobs.monitor_items import monitor_items
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.settings import DifSettings, DriftSettings, Settings
from deepkt_irt.tables.gold_items import ITEM_DRIFT, ITEM_HEALTH
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, RESPONSE_BEHAVIOUR, USERS

pytestmark = pytest.mark.spark

MONITOR, CALIBRATE = TASKS["monitor_items"], TASKS["calibrate_items"]
FIRST_DAY = datetime(2025, 1, 16, tzinfo=UTC)  # windows of 28 days begin here, counted from 1970
B = np.linspace(-1.8, 1.8, 16)
DRIFTED, LEAKED = 5, 9
SMALL = Settings(
    drift=DriftSettings(min_responses=40, min_anchors=5, min_history=4),
    dif=DifSettings(min_group=40),
)


def cohort(seed, name, *, b, day, mean=0.0, n_students=160, quick=None):
    """Everybody answers every item once, in an order of their own, within two weeks.

    One item may be answered in a third of the time.
    """
    rng = np.random.default_rng(seed)
    theta = rng.normal(mean, 1, n_students)
    events = []
    for s in range(n_students):
        for place, i in enumerate(rng.permutation(len(b))):
            right = bool(rng.random() < expit(theta[s] - b[i]))
            events.append(
                {
                    "event_id": f"{name}{s:03}-{place}",
                    "source": "s",
                    "student_key": f"{name}{s:03}",
                    "item_id": f"s:item{i:02}",
                    "skill_ids": [],
                    "sequence_number": place + 1,
                    "correct": right,
                    "answered_at": FIRST_DAY + timedelta(days=day + place * 0.5, minutes=s),
                    "latency_ms": int(rng.lognormal(9, 0.4)) // (3 if i == quick else 1),
                    "hint_count": int(i == 2),
                    "answer": "A" if right else ("B" if rng.random() < 0.7 else f"typed by {s}"),
                    "event_kind": "practice",
                    "batch_id": 0,
                }
            )
    return events


@pytest.fixture
def write(store, frame):
    """Writes events with their items and users; a student's group is the seed's parity."""

    def events(*cohorts, groups=None):
        given = [event for each in cohorts for event in each]
        store.overwrite(CANONICAL_LEARNING_EVENTS, frame(CANONICAL_LEARNING_EVENTS, given))
        students = sorted({event["student_key"] for event in given})
        users = [
            {
                "student_key": student,
                "source": "s",
                "class_keys": [],
                "n_events": 1,
                "student_group": (groups or {}).get(student),
            }
            for student in students
        ]
        store.overwrite(USERS, frame(USERS, users))
        items = sorted({event["item_id"] for event in given})
        catalogue = [
            {
                "item_id": item,
                "source": "s",
                "source_item_id": item.removeprefix("s:"),
                "skill_ids": [],
                "in_catalogue": False,
                "n_events": 1,
            }
            for item in items
        ]
        store.overwrite(ITEMS, frame(ITEMS, catalogue))

    return events


def test_monitor_items_finds_what_moved_and_keeps_what_it_found(store, context, write):
    before = cohort(1, "a", b=B, day=0)
    write(before)
    calibrate_items(context(CALIBRATE, as_of=FIRST_DAY + timedelta(days=20)))
    moved = B + np.where(np.arange(16) == DRIFTED, 1.6, 0.0)
    after = cohort(2, "b", b=moved, day=30, mean=0.8)
    write(before, after)
    as_of = FIRST_DAY + timedelta(days=57)

    metrics = monitor_items(context(MONITOR, settings=SMALL, as_of=as_of))

    drift = store.read(ITEM_DRIFT)
    second = FIRST_DAY + timedelta(days=28)
    flagged = rows(drift.filter("status = 'act'"), "item_id", "direction", "window_start")
    assert flagged == [(f"s:item{DRIFTED:02}", "harder", second.replace(tzinfo=None))]
    assert metrics["windows"] == 2
    assert drift.count() == 32
    assert not rows(drift.filter("status = 'insufficient_data'"), "item_id")
    delta = rows(drift.filter("status = 'act'"), "delta")[0][0]
    assert delta == pytest.approx(1.6, abs=0.6)
    # the cohort is abler: that is no drift of the items
    others = drift.filter(f"item_id <> 's:item{DRIFTED:02}'")
    assert abs(np.mean([row[0] for row in rows(others, "delta")])) < 0.15

    health = {row["item_id"]: row for row in store.read(ITEM_HEALTH).collect()}
    bad, hinted, good = (health[f"s:item{i:02}"] for i in (DRIFTED, 2, 9))
    assert (bad["status"], bad["drift_status"]) == ("act", "act")
    assert "harder" in bad["reasons"][0]
    assert bad["suggested_action"]
    assert hinted["hint_rate"] == 1.0
    assert good["exposure"] == 1.0
    assert good["omit_rate"] == 0.0
    assert good["n_responses"] == 320
    assert 0.7 < good["infit"] < 1.3
    assert good["item_theta_correlation"] > 0.2
    assert good["latency_p10_ms"] < good["latency_median_ms"] < good["latency_p90_ms"]

    kept = rows(drift, *ITEM_DRIFT.column_names)
    monitor_items(context(MONITOR, settings=SMALL, as_of=as_of + timedelta(days=1)))
    assert rows(store.read(ITEM_DRIFT), *ITEM_DRIFT.column_names) == kept

    easier = moved - np.where(np.arange(16) == LEAKED, 1.6, 0.0)
    write(before, after, knowing := cohort(3, "c", b=easier, day=58, quick=LEAKED))
    metrics = monitor_items(context(MONITOR, settings=SMALL, as_of=FIRST_DAY + timedelta(days=90)))
    assert metrics["windows"] == 1
    drift = store.read(ITEM_DRIFT)
    assert set(kept) < set(rows(drift, *ITEM_DRIFT.column_names))
    third = drift.filter("window_start > '2025-03-01'")
    assert rows(third.filter("status = 'act'"), "item_id", "likely_cause") == [
        (f"s:item{DRIFTED:02}", "content, display or curriculum changed"),
        (
            f"s:item{LEAKED:02}",
            "answers may have leaked or it was over-exposed: answers also come faster",
        ),
    ]
    assert not rows(third.filter(f"item_id = 's:item{DRIFTED:02}'"), "is_anchor")[0][0]

    # a window with too few responses says nothing, so what was found before stands
    few = cohort(8, "d", b=moved, day=86, n_students=10)
    write(before, after, knowing, few)
    monitor_items(context(MONITOR, settings=SMALL, as_of=FIRST_DAY + timedelta(days=120)))
    drift, health = store.read(ITEM_DRIFT), store.read(ITEM_HEALTH)
    last = drift.filter(f"item_id = 's:item{DRIFTED:02}'").orderBy("window_start").collect()[-1]
    assert last["status"] == "insufficient_data"
    assert rows(health.filter("drift_status = 'act'"), "item_id") == [
        (f"s:item{i:02}",) for i in (DRIFTED, LEAKED)
    ]


@pytest.mark.nightly
def test_monitor_items_names_groups_and_answers_of_enough_students_only(store, context, write):
    """Item 3 is harder for one of two groups; a group of four students is not named."""
    against = B + np.where(np.arange(16) == 3, 1.8, 0.0)
    north, south = cohort(4, "a", b=B, day=0), cohort(5, "b", b=against, day=0)
    tiny = cohort(6, "c", b=B, day=0, n_students=4)
    keys = {event["student_key"]: event["student_key"][0] for event in (*north, *south, *tiny)}
    names = {"a": "north", "b": "south", "c": "tiny"}
    write(north, south, tiny, groups={key: names[letter] for key, letter in keys.items()})
    calibrate_items(context(CALIBRATE, as_of=FIRST_DAY + timedelta(days=20)))

    monitor_items(context(MONITOR, settings=SMALL, as_of=FIRST_DAY + timedelta(days=21)))

    health = {row["item_id"]: row for row in store.read(ITEM_HEALTH).collect()}
    dif = {each["group_name"]: each for each in health["s:item03"]["dif"]}
    assert set(dif) == {"north", "south"}
    assert (dif["south"]["ets_class"], dif["north"]["ets_class"]) == ("C", "C")
    assert dif["south"]["delta"] < -1.5 < 1.5 < dif["north"]["delta"]
    assert health["s:item03"]["status"] == "act"
    classes = [each["ets_class"] for item in health.values() for each in item["dif"]]
    assert classes.count("C") == 2
    answers = {each["answer"]: each for each in health["s:item08"]["options"]}
    assert set(answers) == {"A", "B"}  # what single students typed is not shown
    assert (answers["A"]["is_key"], answers["B"]["is_key"]) == (True, False)
    assert answers["A"]["point_biserial"] > 0.2


def test_monitor_items_leaves_out_what_was_no_evidence(store, context, write, frame):
    """A third of a class answered item 3 in a hurry and wrong: that is no drift of the item."""
    size = {"b": B[:10], "n_students": 90}
    before, after = cohort(1, "a", day=0, **size), cohort(2, "b", day=30, **size)
    hurried = [e for e in after if e["item_id"] == "s:item03" and int(e["student_key"][1:]) < 30]
    for event in hurried:
        event |= {"correct": False, "latency_ms": 700}
    write(before, after)
    calibrate_items(context(CALIBRATE, as_of=FIRST_DAY + timedelta(days=20)))  # knows everybody
    same = ("event_id", "student_key", "item_id", "sequence_number")
    judged = [
        {name: event[name] for name in same} | {"rapid_guess": True, "is_excluded": True}
        for event in hurried
    ]
    store.overwrite(RESPONSE_BEHAVIOUR, frame(RESPONSE_BEHAVIOUR, judged))

    metrics = monitor_items(context(MONITOR, settings=SMALL, as_of=FIRST_DAY + timedelta(days=57)))

    assert metrics["responses_left_out"] == len(hurried) == 30
    last = store.read(ITEM_DRIFT).filter("window_start > '2025-02-01'")
    counted = dict(rows(last, "item_id", "n_responses"))
    assert counted == {f"s:item{i:02}": 60 if i == 3 else 90 for i in range(10)}
    assert rows(last.filter("status = 'act'"), "item_id") == []
    health = store.read(ITEM_HEALTH)
    assert rows(health.filter("item_id = 's:item03'"), "n_responses") == [(180 - 30,)]


def test_monitor_items_without_a_calibration_counts_and_says_no_more(store, context, write):
    events = cohort(7, "a", b=B[:3], day=0, n_students=40)
    for event in events[:30]:
        event["correct"] = None
    write(events)

    metrics = monitor_items(context(MONITOR, as_of=FIRST_DAY + timedelta(days=60)))

    assert metrics["windows"] == 0
    assert store.read(ITEM_DRIFT).count() == 0
    health = store.read(ITEM_HEALTH)
    assert rows(health.filter("calibration_version IS NOT NULL OR infit IS NOT NULL")) == []
    # ten of forty were not graded on each: that is said without any curve
    assert {row[0] for row in rows(health, "status")} == {"watch"}
    assert [row[0] for row in rows(health, "omit_rate")] == pytest.approx([0.25] * 3, abs=0.2)
    assert all(row[0] is not None for row in rows(health, "p_value"))
