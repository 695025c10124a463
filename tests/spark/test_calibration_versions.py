"""calibrate_items beyond one version: score levels, links, sums on the workers."""

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.special import expit

from conftest import rows
from deepkt_irt.jobs.attempts import first_attempts, with_levels
from deepkt_irt.jobs.calibrate_items import calibrate_items
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.settings import CalibrationSettings, LinkingSettings, Settings
from deepkt_irt.tables.gold_items import (
    CALIBRATIONS,
    ITEM_DRIFT,
    ITEM_PARAMETERS,
    STUDENT_ABILITIES,
)
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS

pytestmark = pytest.mark.spark

TASK = TASKS["calibrate_items"]
LATER = datetime(2026, 3, 8, 2, 0, tzinfo=UTC)
FIRST, SECOND = "20260301T020000Z", "20260308T020000Z"
B = np.linspace(-2, 2, 20)


@pytest.fixture
def events(frame):
    """Events from records of what matters; one after the other for each student."""

    def build(records):
        count: dict[str, int] = {}
        filled = []
        for record in records:
            student = record["student_key"]
            count[student] = count.get(student, 0) + 1
            filled.append(
                {
                    "event_id": f"{student}-{count[student]}",
                    "source": "s",
                    "skill_ids": [],
                    "sequence_number": count[student],
                    "event_kind": "practice",
                    "batch_id": 0,
                    **record,
                }
            )
        return frame(CANONICAL_LEARNING_EVENTS, filled)

    return build


def school(seed, *, prefix, b, mean=0.0, n_students=200):
    rng = np.random.default_rng(seed)
    theta = rng.normal(mean, 1, n_students)
    right = rng.random((n_students, len(b))) < expit(theta[:, None] - b)
    return [
        {"student_key": f"{prefix}{s:03}", "item_id": f"s:item{i:02}", "correct": bool(right[s, i])}
        for s in range(n_students)
        for i in range(len(b))
    ]


def test_with_levels_finds_the_steps_of_partial_credit(events):
    shares = {
        "half": [0.0, 0.5, 1.0],
        "third": [0.0, 1 / 3, 2 / 3],
        "any": [0.1, 0.77, 1.0],
        "two": [0.0, 1.0],
    }
    given = events(
        {"student_key": f"s{n}", "item_id": item, "score": share}
        for item, each in shares.items()
        for n, share in enumerate(each)
    )

    found = with_levels(first_attempts(given), CalibrationSettings())

    assert rows(found, "item_id", "n_steps", "level") == [
        ("any", 1, 0),
        ("any", 1, 0),
        ("any", 1, 1),
        ("half", 2, 0),
        ("half", 2, 1),
        ("half", 2, 2),
        ("third", 3, 0),
        ("third", 3, 1),
        ("third", 3, 2),
        ("two", 1, 0),
        ("two", 1, 1),
    ]


@pytest.mark.nightly
def test_calibrate_items_later_version_comes_on_the_scale_of_the_first(
    store, context, events, frame
):
    """Abler students and two items that moved do not move the scale."""
    store.overwrite(CANONICAL_LEARNING_EVENTS, events(school(1, prefix="a", b=B)))
    calibrate_items(context(TASK))
    moved = B + np.where(np.arange(20) < 2, 2.0, 0.0)
    store.overwrite(CANONICAL_LEARNING_EVENTS, events(school(2, prefix="b", b=moved, mean=1.0)))
    store.overwrite(ITEM_DRIFT, frame(ITEM_DRIFT, [drifted("s:item10")]))

    metrics = calibrate_items(context(TASK, as_of=LATER))

    head = {row["calibration_version"]: row for row in store.read(CALIBRATIONS).collect()}
    assert head[FIRST]["link_method"] == "none"
    assert head[FIRST]["reference_version"] is None
    link = head[SECOND]
    assert (link["link_method"], link["reference_version"]) == ("mean_mean", FIRST)
    assert link["link_slope"] == 1.0
    assert link["link_intercept"] == pytest.approx(1.0, abs=4 * link["link_intercept_se"])
    assert 0 < link["link_intercept_se"] < 0.25
    assert link["population_mean"] == pytest.approx(1.0, abs=0.4)
    parameters = store.read(ITEM_PARAMETERS)
    old = dict(rows(parameters.filter(f"calibration_version = '{FIRST}'"), "item_id", "difficulty"))
    new = dict(
        rows(parameters.filter(f"calibration_version = '{SECOND}'"), "item_id", "difficulty")
    )
    change = np.array([new[item] - old[item] for item in sorted(old)])
    assert abs(np.median(change)) < 0.2
    assert (change[:2] > 1.2).all()
    anchors = {row[0] for row in rows(parameters.filter("is_anchor"), "item_id")}
    assert not anchors & {"s:item00", "s:item01", "s:item10"}
    assert len(anchors) == metrics["anchors"] == 17
    assert link["n_anchors_screened"] == 2
    abilities = store.read(STUDENT_ABILITIES).filter(f"calibration_version = '{SECOND}'")
    mean = np.mean([row[0] for row in rows(abilities, "ability")])
    assert mean == pytest.approx(1.0, abs=0.4)


@pytest.mark.nightly
def test_calibrate_items_fixed_anchors_keep_their_parameters(store, context, events):
    store.overwrite(CANONICAL_LEARNING_EVENTS, events(school(1, prefix="a", b=B)))
    calibrate_items(context(TASK))
    store.overwrite(CANONICAL_LEARNING_EVENTS, events(school(2, prefix="b", b=B, mean=1.0)))
    fixed = Settings(linking=LinkingSettings(method="fixed"))

    calibrate_items(context(TASK, settings=fixed, as_of=LATER))

    head = store.read(CALIBRATIONS).filter(f"calibration_version = '{SECOND}'").collect()[0]
    assert (head["link_method"], head["reference_version"]) == ("fixed", FIRST)
    assert head["population_mean"] == pytest.approx(1.0, abs=0.4)
    parameters = store.read(ITEM_PARAMETERS)
    kept = ["item_id", "difficulty", "difficulty_se", "model"]
    anchors = rows(parameters.filter("is_anchor"), *kept)
    assert anchors
    first = rows(parameters.filter(f"calibration_version = '{FIRST}'"), *kept)
    assert set(anchors) <= set(first)


@pytest.mark.nightly
def test_calibrate_items_too_few_anchors_keep_their_own_scale_and_say_why(store, context, events):
    store.overwrite(CANONICAL_LEARNING_EVENTS, events(school(1, prefix="a", b=B[:8])))
    calibrate_items(context(TASK))

    calibrate_items(context(TASK, as_of=LATER))

    head = store.read(CALIBRATIONS).filter(f"calibration_version = '{SECOND}'").collect()[0]
    assert (head["link_method"], head["reference_version"]) == ("none", None)
    assert "anchors" in head["link_refusal"]


@pytest.mark.nightly
@pytest.mark.connect
def test_calibrate_items_sums_on_the_workers_are_those_in_memory(store, context, events, frame):
    """Guessing, slopes, partial credit: all of it within 1e-6."""
    records = school(3, prefix="a", b=B, n_students=150)
    for record in records[::20]:
        record |= {"correct": None, "score": (0.0, 0.5, 1.0)[hash_of(record) % 3]}
    store.overwrite(CANONICAL_LEARNING_EVENTS, events(records))
    guessable = [f"s:item{i:02}" for i in range(5, 10)]
    store.overwrite(ITEMS, frame(ITEMS, [item(each) for each in guessable]))
    small = CalibrationSettings(min_responses_2pl=100, min_responses_3pl=100)

    calibrate_items(context(TASK, settings=Settings(calibration=small)))
    workers = small.model_copy(update={"max_in_memory_responses": 0})
    no_link = LinkingSettings(method="none")
    calibrate_items(
        context(TASK, settings=Settings(calibration=workers, linking=no_link), as_of=LATER)
    )

    parameters = store.read(ITEM_PARAMETERS).toPandas().sort_values("item_id")
    assert set(parameters["model"]) == {"2PL", "3PL", "GRM"}
    columns = ["difficulty", "difficulty_se", "discrimination", "discrimination_se", "slope"]
    same(parameters, [*columns, "guessing", "guessing_se"])
    abilities = store.read(STUDENT_ABILITIES).toPandas().sort_values("student_key")
    same(abilities, ["ability", "ability_sd", "n_responses"])
    heads = store.read(CALIBRATIONS).toPandas()
    same(heads, ["log_likelihood", "reliability", "population_sd", "n_students", "iterations"])


def same(table, columns):
    first = table[table["calibration_version"] == FIRST]
    second = table[table["calibration_version"] == SECOND]
    for column in columns:
        np.testing.assert_allclose(
            first[column].to_numpy(dtype=float),
            second[column].to_numpy(dtype=float),
            atol=1e-6,
            err_msg=column,
        )


def hash_of(record):
    return int(record["student_key"][1:]) + record["correct"]


def item(item_id):
    return {
        "item_id": item_id,
        "source": "s",
        "source_item_id": item_id.removeprefix("s:"),
        "is_guessable": True,
        "skill_ids": [],
        "in_catalogue": True,
        "n_events": 0,
    }


def drifted(item_id):
    instant = datetime(2026, 2, 1, tzinfo=UTC)
    return {
        "item_id": item_id,
        "window_start": instant,
        "window_end": LATER,
        "calibration_version": FIRST,
        "n_responses": 100,
        "status": "act",
        "direction": "harder",
        "is_anchor": False,
        "checked_at": instant,
    }
