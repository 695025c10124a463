"""The task calibrate_items: what counts as a first attempt, and versions that stay."""

from datetime import UTC, datetime

import numpy as np
import pytest

from conftest import AS_OF, rows
from deepkt_irt.errors import NoData
from deepkt_irt.jobs.attempts import first_attempts
from deepkt_irt.jobs.calibrate_items import calibrate_items
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.tables.gold_items import CALIBRATIONS, ITEM_PARAMETERS, STUDENT_ABILITIES
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, RESPONSE_BEHAVIOUR

pytestmark = pytest.mark.spark

TASK = TASKS["calibrate_items"]
LATER = datetime(2026, 3, 8, 2, 0, tzinfo=UTC)
VERSION = "20260301T020000Z"


@pytest.fixture
def events(frame):
    """Events as (student, item, sequence number, correct, answer requested)."""

    def build(*given):
        return frame(
            CANONICAL_LEARNING_EVENTS,
            [
                {
                    "event_id": f"{student}-{number}",
                    "source": "s",
                    "student_key": student,
                    "item_id": item,
                    "skill_ids": [],
                    "sequence_number": number,
                    "correct": correct,
                    "answer_requested": shown,
                    "event_kind": "practice",
                    "batch_id": 0,
                }
                for student, item, number, correct, shown in given
            ],
        )

    return build


def class_of(n_students=12, n_items=6):
    rng = np.random.default_rng(1)
    return [
        (f"student{s:02}", f"s:item{i}", i + 1, bool(rng.random() < 0.3 + 0.1 * i), False)
        for s in range(n_students)
        for i in range(n_items)
    ]


def test_first_attempts_takes_the_first_graded_event_that_is_evidence(events):
    given = events(
        ("a", "twice", 1, False, None),
        ("a", "twice", 2, True, None),
        ("b", "abandoned, then answered", 1, None, False),
        ("b", "abandoned, then answered", 2, True, False),
        ("c", "answer shown before", 1, None, True),
        ("c", "answer shown before", 2, True, False),
        ("d", "answer shown with it", 1, False, True),
        ("d", "answer shown with it", 2, True, False),
        ("e", "answer shown only later", 1, False, False),
        ("e", "answer shown only later", 2, True, True),
        ("f", "never graded", 1, None, None),
    )

    attempts = first_attempts(given).filter("is_evidence")

    found = rows(attempts, "student_key", "item_id", "share")

    assert found == [
        ("a", "twice", 0),
        ("b", "abandoned, then answered", 1),
        ("e", "answer shown only later", 0),
    ]


def test_calibrate_items_writes_calibrated_items_and_counts_what_is_left_out(
    store, context, events
):
    shown = [("student00", "s:rare", 7, True, False), ("student01", "s:shown", 7, True, True)]
    store.overwrite(CANONICAL_LEARNING_EVENTS, events(*class_of(), *shown))

    metrics = calibrate_items(context(TASK))

    parameters = store.read(ITEM_PARAMETERS)
    found = rows(parameters, "calibration_version", "item_id", "model", "n_responses")
    assert found == [(VERSION, f"s:item{i}", "1PL", 12) for i in range(6)]
    assert rows(parameters.filter("discrimination IS NOT NULL"), "item_id") == []
    b = [row[1] for row in rows(parameters, "item_id", "difficulty")]
    p = [row[1] for row in rows(parameters, "item_id", "p_value")]
    assert np.argsort(b).tolist() == np.argsort(-np.array(p), kind="stable").tolist()
    assert store.read(STUDENT_ABILITIES).count() == 12
    assert metrics["responses"] == 72  # the one on an item with too few does not count
    assert metrics["responses_after_answer_shown"] == 1
    assert metrics["items_too_few_responses"] == 1


@pytest.mark.nightly
def test_calibrate_items_again_changes_nothing_and_a_later_run_adds_a_version(
    store, context, events
):
    store.overwrite(CANONICAL_LEARNING_EVENTS, events(*class_of()))
    calibrate_items(context(TASK))
    first = rows(store.read(ITEM_PARAMETERS), *ITEM_PARAMETERS.column_names)
    abilities = rows(store.read(STUDENT_ABILITIES), *STUDENT_ABILITIES.column_names)

    # the same events from other files in another order
    store.overwrite(CANONICAL_LEARNING_EVENTS, events(*reversed(class_of())))
    calibrate_items(context(TASK))

    assert rows(store.read(ITEM_PARAMETERS), *ITEM_PARAMETERS.column_names) == first
    assert rows(store.read(STUDENT_ABILITIES), *STUDENT_ABILITIES.column_names) == abilities

    calibrate_items(context(TASK, as_of=LATER))

    versions = {row[0] for row in rows(store.read(ITEM_PARAMETERS), "calibration_version")}
    assert versions == {VERSION, "20260308T020000Z"}
    kept = store.read(ITEM_PARAMETERS).filter(f"calibration_version = '{VERSION}'")
    assert rows(kept, *ITEM_PARAMETERS.column_names) == first


def test_calibrate_items_without_graded_events_is_refused(store, context, events):
    store.overwrite(CANONICAL_LEARNING_EVENTS, events(("a", "s:item", 1, None, False)))

    with pytest.raises(NoData, match="first attempts"):
        calibrate_items(context(TASK, as_of=AS_OF))


def test_calibrate_items_leaves_out_what_was_no_evidence(store, context, events, frame):
    given = [*class_of(), ("student00", "s:item0", 7, True, False)]
    store.overwrite(CANONICAL_LEARNING_EVENTS, events(*given))
    calibrate_items(context(TASK))  # of a lake in which nothing was judged yet
    guessed = [(f"student{s:02}", "s:item1", 2) for s in range(3)]
    judged = [behaviour(*each, excluded=True) for each in guessed]
    judged.append(behaviour("student00", "s:item0", 7, excluded=True))  # no first attempt
    judged.append(behaviour("student01", "s:item0", 1, excluded=False))
    store.overwrite(RESPONSE_BEHAVIOUR, frame(RESPONSE_BEHAVIOUR, judged))

    metrics = calibrate_items(context(TASK, as_of=LATER))

    assert (metrics["responses"], metrics["responses_rapid"]) == (72 - 3, 3)
    assert rows(store.read(CALIBRATIONS), "n_rapid", "n_responses") == [(0, 72), (3, 69)]
    items = store.read(ITEM_PARAMETERS).filter(f"calibration_version <> '{VERSION}'")
    counted = dict(rows(items, "item_id", "n_responses"))
    assert counted == {f"s:item{i}": 9 if i == 1 else 12 for i in range(6)}


def behaviour(student, item, number, *, excluded):
    return {
        "event_id": f"{student}-{number}",
        "student_key": student,
        "item_id": item,
        "sequence_number": number,
        "rapid_guess": excluded,
        "is_excluded": excluded,
    }
