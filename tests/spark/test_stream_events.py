"""A stream in rounds and one run over all files leave the same rows, whatever landed when.

A run over a lake takes seconds, so one lake lives through three rounds, and each test looks at
what it is about.
"""

import shutil
from datetime import UTC, datetime

import pytest
from mlflow.pyfunc.model import PythonModel

from conftest import rows
from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.jobs.stream_events import Rounds
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.settings import Settings, StreamSettings
from deepkt_irt.tables import bronze, gold, ops, silver
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS
from deepkt_irt.tables.store import TableStore
from deepkt_irt.tracking import ModelStore, Training
from made_up_stream import PORTIONS, content, land

# rounds, and models for them, take minutes
pytestmark = [pytest.mark.spark, pytest.mark.nightly]

COMPARED = (
    silver.CANONICAL_LEARNING_EVENTS,
    silver.USERS,
    silver.USER_SPLITS,
    silver.ITEMS,
    silver.SKILLS,
    ops.QUARANTINE,
    gold.SAKT_SEQUENCES,
    gold.WDIRT_FEATURES,
    gold.SAKT_PREDICTIONS,
    gold.STUDENT_MASTERY,
)
SCORED_LAST = {"ann", "cleo", "dan"}  # of bob nothing new is known since the first round


class Half(PythonModel):
    """Stands where MLflow wants to be told how to serve a model."""

    def predict(self, context, model_input, params=None):
        return [0.5] * len(model_input)


def runner_of(spark, lake):
    settings = Settings(stream=StreamSettings(score_seconds=3600, late_days=1))
    store, place = TableStore(spark, lake=lake), Place.of_lake(lake)
    return Runner(spark, store, place, settings, datetime.now(UTC).replace(microsecond=0))


def with_champion(lake):
    """A registry with a model that no training made: what it says is no matter here."""
    from made_up_histories import untrained  # where sessions are remote there is no torch

    place = Place.of_lake(lake)
    lake.mkdir(parents=True, exist_ok=True)
    models = ModelStore(place.tracking_uri, place.artifacts)
    training = Training("key", {}, {}, [], [])
    version = models.register("sakt", training, save=untrained().save, service=Half())
    models.set_champion(version)


@pytest.fixture(scope="module")
def streamed(spark, tmp_path_factory):
    """A lake after three rounds of a stream, which was started again before the last."""
    lake = tmp_path_factory.mktemp("streamed") / "lake"
    with_champion(lake)
    first, second, third = PORTIONS
    rounds = Rounds(runner_of(spark, lake))
    for files in (first, second):  # students wait for their interval, so not in the second round
        land(lake, files)
        rounds.run()
    rounds.run()  # nothing has landed, so this leaves no record
    land(lake, third)
    Rounds(runner_of(spark, lake)).run()
    return TableStore(spark, lake=lake)


@pytest.fixture(scope="module")
def at_once(spark, streamed, tmp_path_factory):
    """A lake after one run over the same files, with the same pseudonyms."""
    lake, other = tmp_path_factory.mktemp("at_once") / "lake", streamed.folder(silver.USERS)
    source = other.parents[2]
    keys = streamed.folder(silver.STUDENT_KEYS).relative_to(source)
    shutil.copytree(source / keys, lake / keys)
    shutil.copy(source / "mlflow.db", lake)
    for files in PORTIONS:
        land(lake, files)
    runner = runner_of(spark, lake)
    names = ("ingest_bronze", "transform_silver", "engineer_features", "score_students")
    runner.run([TASKS[name] for name in names])
    return runner.store


def named(store, table, *columns):
    """Rows with the student's id in place of the key."""
    keys = store.read(silver.STUDENT_KEYS).select("student_key", "student_id")
    return rows(store.read(table).join(keys, "student_key"), "student_id", *columns)


@pytest.mark.parametrize("table", COMPARED, ids=lambda table: table.name)
def test_three_rounds_leave_the_rows_of_one_run(table, streamed, at_once):
    found = content(streamed, table)

    assert found == content(at_once, table)
    assert found


def test_nothing_is_lost_and_nothing_doubled(streamed):
    landed = sum(len(found) for files in PORTIONS for found in files.values())
    events = streamed.read(silver.CANONICAL_LEARNING_EVENTS)

    assert streamed.read(bronze.RAW_RESPONSES).count() == landed
    assert events.count() == landed - 3  # two repeats, and an answer that contradicts one
    assert events.select("event_id").distinct().count() == landed - 3
    reasons = [row[0] for row in rows(streamed.read(ops.QUARANTINE), "reason")]
    assert [reason.split(" event of ")[0] for reason in reasons] == [
        "contradicts",
        "repeats",
        "repeats",
    ]


def test_late_event_is_placed_by_its_time(streamed):
    events = named(streamed, silver.CANONICAL_LEARNING_EVENTS, "sequence_number", "answered_at")
    of_ann = [at for student, _, at in events if student == "ann"]

    assert of_ann == sorted(of_ann)
    assert len(of_ann) == 13


def test_each_round_with_files_has_a_record_with_its_waits(streamed):
    runs = streamed.read(ops.PIPELINE_RUNS).filter("task = 'stream_events'").orderBy("started_at")
    found = runs.select("rows_in", "metrics", "outcome").collect()

    assert [row["outcome"] for row in found] == ["succeeded"] * 3
    assert [row["metrics"]["files"] for row in found] == [1, 2, 1]
    assert [row["rows_in"] for row in found] == [15, 10, 3]
    assert [row["metrics"]["events"] for row in found] == [15, 8, 2]
    assert all(row["metrics"]["events_late"] == row["metrics"]["events"] for row in found)
    for row in found:
        waits = [row["metrics"][f"to_silver_seconds_{name}"] for name in ("p50", "p99", "max")]
        assert waits == sorted(waits)
        assert 0 < waits[0] < 600


def test_only_students_with_something_new_are_scored_and_advised_again(streamed):
    rounds = streamed.read(ops.PIPELINE_RUNS).filter("task = 'stream_events'")
    last = max(row[0] for row in rounds.select("as_of").collect())

    scored = {(s, at == last) for s, at in named(streamed, gold.SAKT_PREDICTIONS, "scored_at")}
    assert scored == {("bob", False), *((student, True) for student in SCORED_LAST)}
    decided = {s for s, at in named(streamed, BANDIT_DECISIONS, "decided_at") if at == last}
    assert decided == SCORED_LAST
    advised = named(streamed, gold.BANDIT_RECOMMENDATIONS, "decided_at", "rank")
    assert len({(s, at) for s, at, _ in advised}) == len({s for s, _, _ in advised})
    assert {s for s, at, _ in advised if at == last} <= SCORED_LAST
