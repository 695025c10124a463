"""The runner records every run, skips what is up to date and stops at the first failure."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from conftest import AS_OF, rows
from deepkt_irt.errors import NoData, UndeclaredAccess
from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.opening import parse_settings
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.jobs.task import Task
from deepkt_irt.settings import Settings
from deepkt_irt.tables.bronze import RAW_CONTENT
from deepkt_irt.tables.gold import SKILL_VOCABULARY
from deepkt_irt.tables.ops import ERASURES, PIPELINE_RUNS
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, SKILLS, USER_SPLITS
from deepkt_irt.tables.store import TableStore

pytestmark = pytest.mark.spark


@pytest.fixture
def make_runner(spark, store, tmp_path):
    def make(settings=None, as_of=AS_OF, **more):
        return Runner(
            spark=spark,
            store=store,
            place=Place.of_lake(tmp_path / "lake"),
            settings=settings or Settings(),
            as_of=as_of,
            **more,
        )

    return make


def one_split(ctx):
    """Write one student."""
    row = [("s1", "train", 0, 1)]
    ctx.overwrite(
        USER_SPLITS,
        ctx.spark.createDataFrame(row, "student_key string, split string, fold int, bucket int"),
    )
    return {"students": 1.0}


def vocabulary(ctx):
    """Copy the students' splits into indexes."""
    ctx.read(USER_SPLITS)
    row = [(1, "a", ctx.as_of)]
    ctx.overwrite(
        SKILL_VOCABULARY,
        ctx.spark.createDataFrame(row, "skill_index int, skill_id string, added_at timestamp"),
    )
    return {}


def failing(ctx):
    """Fail on purpose."""
    raise NoData("nothing\nat all")


# reads SKILLS, so that the runner can tell from table versions whether it has work
WRITE = Task("one_split", one_split, (SKILLS,), (USER_SPLITS,), (), ())
COPY = Task("vocabulary", vocabulary, (USER_SPLITS,), (SKILL_VOCABULARY,), (), ())
FAIL = Task("failing", failing, (SKILLS,), (USER_SPLITS,), (), ())


def outcomes(store):
    return rows(store.read(PIPELINE_RUNS), "task", "outcome")


@pytest.mark.connect
def test_run_records_rows_metrics_and_outcome(make_runner, store):
    make_runner().run([WRITE, COPY])

    recorded = store.read(PIPELINE_RUNS).orderBy("started_at").collect()
    assert [row["task"] for row in recorded] == ["one_split", "vocabulary"]
    assert recorded[0]["metrics"] == {"students": 1.0}
    assert (recorded[1]["rows_in"], recorded[1]["rows_out"]) == (1, 1)
    assert recorded[0]["run_id"] == "20260301T020000Z"


def test_run_failure_is_recorded_and_stops_the_run(make_runner, store):
    with pytest.raises(NoData):
        make_runner().run([FAIL, COPY])

    assert outcomes(store) == [("failing", "failed")]
    assert store.read(PIPELINE_RUNS).first()["error"] == "nothing"


def test_run_again_without_change_runs_nothing(make_runner, store):
    make_runner().run([WRITE, COPY])
    later = datetime(2026, 3, 2, tzinfo=UTC)

    make_runner(as_of=later).run([WRITE, COPY])

    assert len(outcomes(store)) == 2


def test_run_after_failure_resumes_behind_the_last_finished_task(make_runner, store):
    with pytest.raises(NoData):
        make_runner().run([WRITE, FAIL])

    make_runner(as_of=datetime(2026, 3, 2, tzinfo=UTC)).run([WRITE, COPY])

    assert outcomes(store) == [
        ("failing", "failed"),
        ("one_split", "succeeded"),
        ("vocabulary", "succeeded"),
    ]


def test_run_changed_settings_run_again(make_runner, store):
    make_runner().run([COPY])

    changed = Settings.model_validate({"sakt": {"max_epochs": 1}})
    make_runner(settings=changed, as_of=datetime(2026, 3, 2, tzinfo=UTC)).run([COPY])

    assert len(outcomes(store)) == 2


@pytest.mark.parametrize("upkeep", ["stream.score_seconds=5", "maintenance.many_small_files=3"])
def test_run_under_other_settings_of_stream_or_upkeep_runs_nothing_again(
    make_runner, store, upkeep
):
    make_runner().run([COPY])

    changed = parse_settings([upkeep])
    make_runner(settings=changed, as_of=datetime(2026, 3, 2, tzinfo=UTC)).run([COPY])

    assert len(outcomes(store)) == 1


@pytest.fixture
def told(store, spark):
    """A task that notes which content changed since it last succeeded, and a way to land some."""
    notes = []

    def watch(ctx):
        """Note what changed."""
        changed = ctx.changes(RAW_CONTENT)
        names = None if changed is None else sorted(r[0] for r in changed.select("_file").collect())
        notes.append(names)
        if notes[-1] == ["broken"]:
            raise NoData("cannot go on")
        return {}

    def land(name):
        row = {
            "_source": "dbe_kt22",
            "_file": name,
            "_row": 1,
            "_batch_id": 1,
            "_ingested_at": AS_OF,
        }
        frame = spark.createDataFrame(
            [tuple(map(row.get, RAW_CONTENT.column_names))],
            ", ".join(f"{column.name} {column.type}" for column in RAW_CONTENT.columns),
        )
        store.append(RAW_CONTENT, frame, app_id=name, version=1)

    return Task("watch", watch, (RAW_CONTENT,), (USER_SPLITS,), (), ()), land, notes


def test_changes_are_those_since_the_task_last_succeeded(make_runner, told):
    task, land, notes = told
    land("first")
    days = (make_runner(as_of=datetime(2026, 3, day, tzinfo=UTC)) for day in range(2, 30))
    next(days).run([task])  # nothing is known yet
    land("second")
    next(days).run([task])
    next(days).run([task], always=True)  # nothing new
    land("broken")
    with pytest.raises(NoData):
        next(days).run([task])
    land("third")
    next(days).run([task])
    next(days).run([task], force=True)

    assert notes == [None, ["second"], [], ["broken"], ["broken", "third"], None]


def test_changes_are_unknown_under_other_settings_and_after_an_erasure(
    make_runner, told, store, spark
):
    task, land, notes = told
    land("first")
    make_runner().run([task])
    changed = Settings.model_validate({"sakt": {"max_epochs": 1}})
    make_runner(settings=changed).run([task])
    row = [("e1", "found", "place", None, "detail", None, AS_OF)]
    schema = ", ".join(f"{column.name} {column.type}" for column in ERASURES.columns)
    store.append(ERASURES, spark.createDataFrame(row, schema), app_id="e1", version=1)
    make_runner(settings=changed).run([task], always=True)

    assert notes == [None, None, None]


def test_run_changed_input_runs_the_readers_again(make_runner, store):
    make_runner().run([WRITE, COPY])

    make_runner(as_of=datetime(2026, 3, 2, tzinfo=UTC)).run([WRITE], force=True)
    make_runner(as_of=datetime(2026, 3, 3, tzinfo=UTC)).run([WRITE, COPY])

    names = [task for task, _ in outcomes(store)]
    assert names.count("one_split") == 2
    assert names.count("vocabulary") == 2


def test_context_undeclared_read_and_write_are_refused(context):
    ctx = context(COPY)

    with pytest.raises(UndeclaredAccess, match=r"vocabulary reads silver\.skills"):
        ctx.read(SKILLS)
    with pytest.raises(UndeclaredAccess, match=r"vocabulary writes silver\.user_splits"):
        ctx.overwrite(USER_SPLITS, ctx.read(USER_SPLITS))
    with pytest.raises(UndeclaredAccess, match="model registry"):
        _ = ctx.models


def test_task_whose_table_was_deleted_runs_again_and_works_out_everything(
    make_runner, spark, store, frame
):
    knows_changes = []

    def noting(ctx):
        """Note whether changes are known, and write one student."""
        knows_changes.append(ctx.changes(CANONICAL_LEARNING_EVENTS) is not None)
        return one_split(ctx)

    noted = Task("noted", noting, (CANONICAL_LEARNING_EVENTS,), (USER_SPLITS,), (), ())
    store.create(CANONICAL_LEARNING_EVENTS)
    make_runner().run([noted])
    event = {"event_id": "a-1", "source": "s", "student_key": "a", "sequence_number": 1}
    event |= {"item_id": "s:q", "skill_ids": [], "event_kind": "practice", "batch_id": 0}
    store.overwrite(CANONICAL_LEARNING_EVENTS, frame(CANONICAL_LEARNING_EVENTS, [event]))
    make_runner().run([noted])
    make_runner().run([noted])  # up to date

    shutil.rmtree(store.folder(USER_SPLITS))
    emptied = TableStore(spark, lake=store.folder(USER_SPLITS).parents[2])
    replace(make_runner(), store=emptied).run([noted])

    assert knows_changes == [False, True, False]
    assert emptied.read(USER_SPLITS).count() == 1
