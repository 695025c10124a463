"""Landing files to bronze: nothing lost, nothing twice, whatever happens in between."""

import contextlib
import os
import shutil
import zipfile
from datetime import timedelta

import pytest

from conftest import AS_OF, rows
from deepkt_irt.azure.factory.emulator import run_pipeline
from deepkt_irt.azure.factory.world import World
from deepkt_irt.errors import BadFile, DamagedCheckpoint, QualityViolation
from deepkt_irt.jobs import ingest_bronze as job
from deepkt_irt.jobs.ingest_bronze import ingest_bronze
from deepkt_irt.jobs.source_stops import Stops
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.settings import IngestSettings, Settings
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.tables.bronze import RAW_ASSIGNMENT_RELATIONSHIPS, RAW_CONTENT, RAW_RESPONSES
from deepkt_irt.tables.ops import INGEST_AUDIT, LANDED_FILES, QUARANTINE
from district import BLOB, FACTORY, LAKE, MONDAY, ROWS, TOLD, database

pytestmark = pytest.mark.spark

HEADER = "user_id,item_id,correct,seq_pos,mood\n"
GOOD = HEADER + "s1,i1,1,1,fine\ns1,i2,0,2,\n"
MIXED = HEADER + "s2,i1,2,1,\ns2,i2,1,2\ns2,i3,1,3,\n"


class Cut(RuntimeError):
    """Stands for a process that dies here."""


@pytest.fixture
def ctx(context):
    return context(TASKS["ingest_bronze"])


@pytest.fixture
def put(ctx, tmp_path):
    """Land a file under the source."""

    def write(name, text, source="responses_csv"):
        folder = tmp_path / "data" / source
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (landed,) = land(source_named(source), folder / name, ctx.landing, mapping=None)
        return landed

    return write


@pytest.fixture
def drop_tables(store, tmp_path):
    """Deletes what the task has written, but not its checkpoint."""

    def drop():
        for table in (RAW_RESPONSES, RAW_CONTENT, LANDED_FILES, QUARANTINE, INGEST_AUDIT):
            folder = tmp_path / "lake" / "tables" / table.layer.value / table.name
            shutil.rmtree(folder, ignore_errors=True)
            store._known.discard(table.qualified_name)

    return drop


def kept(store, table=RAW_RESPONSES):
    names = [name for name in table.column_names if name != "_ingested_at"]
    return rows(store.read(table).na.fill(""), *names)


def accounts(store):
    return rows(
        store.read(INGEST_AUDIT), "source", "file", "rows_read", "rows_kept", "rows_quarantined"
    )


@pytest.mark.connect
def test_ingest_bronze_mixed_files_keeps_quarantines_and_accounts(ctx, store, put):
    put("good.csv", GOOD)
    put("mixed.csv", MIXED)

    metrics = ingest_bronze(ctx)

    counted = {"files_new": 2, "rows_read": 5, "rows_kept": 3, "rows_quarantined": 2}
    assert {name: value for name, value in metrics.items() if value} == counted
    read = store.read(RAW_RESPONSES)
    columns = ("_source", "_file", "_row", "student_id", "item_id", "correct", "response_order")
    assert rows(read, *columns) == [
        ("responses_csv", "good.csv", 1, "s1", "i1", "1", "1"),
        ("responses_csv", "good.csv", 2, "s1", "i2", "0", "2"),
        ("responses_csv", "mixed.csv", 3, "s2", "i3", "1", "3"),
    ]
    assert read.filter("_row = 1").first()["extras"] == '{"mood": "fine"}'
    assert {row["_ingested_at"].timestamp() for row in read.collect()} == {AS_OF.timestamp()}
    assert accounts(store) == [
        ("responses_csv", "good.csv", 2, 2, 0),
        ("responses_csv", "mixed.csv", 3, 1, 2),
    ]
    refused = store.read(QUARANTINE).filter("stage = 'ingest_bronze'")
    assert rows(refused, "table_name", "file", "row", "reason", "received") == [
        ("bronze.raw_responses", "mixed.csv", 1, "correct is '2', expected 0 or 1", "s2,i1,2,1,"),
        ("bronze.raw_responses", "mixed.csv", 2, "too few fields: 4 instead of 5", "s2,i2,1,2"),
    ]


def test_ingest_bronze_says_how_many_rows_of_a_file_were_refused_and_for_which_columns(
    ctx, put, monkeypatch
):
    said = []
    monkeypatch.setattr(ctx, "_on_progress", said.append)
    put("good.csv", GOOD)
    put("mixed.csv", MIXED)

    ingest_bronze(ctx)

    (line,) = (line for line in said if "refused" in line)
    assert line.startswith("responses_csv/mixed.csv: 2 of 3 rows refused (1 for the row, 1 for ")


def test_ingest_bronze_again_writes_nothing_and_with_one_more_file_only_that(ctx, store, put):
    put("good.csv", GOOD)
    ingest_bronze(ctx)
    before = kept(store), store.version(RAW_RESPONSES), store.version(INGEST_AUDIT)

    assert ingest_bronze(ctx)["files_new"] == 0
    assert (kept(store), store.version(RAW_RESPONSES), store.version(INGEST_AUDIT)) == before

    # older than the first: a stream by itself would pass over it
    late = put("more.csv", MIXED)
    os.utime(late, (0, (AS_OF - timedelta(days=4_000)).timestamp()))
    assert ingest_bronze(ctx)["rows_kept"] == 1
    assert len(accounts(store)) == 2
    assert set(before[0]) < set(kept(store))


def test_ingest_bronze_several_tables_and_sources_in_one_run(ctx, store, put):
    put("good.csv", GOOD)
    relations = "in_unit_assignment_log_id,unit_test_assignment_log_id\nb,a\n,a\n"
    put("assignment_relationships.csv", relations, "edm_cup")
    put("hint_details.csv", "hint_id,problem_id\nh,p\n", "edm_cup")

    metrics = ingest_bronze(ctx)

    assert metrics["rows_read"] == 5
    read = store.read(RAW_ASSIGNMENT_RELATIONSHIPS)
    columns = ("unit_test_assignment_log_id", "in_unit_assignment_log_id")
    assert rows(read, *columns) == [("a", "b")]
    assert rows(store.read(RAW_CONTENT), "kind", "content_id", "body") == [
        ("hint", "h", '{"problem_id": "p"}')
    ]
    assert rows(store.read(QUARANTINE), "table_name", "column") == [
        ("bronze.raw_assignment_relationships", "in_unit_assignment_log_id")
    ]


def test_ingest_bronze_changed_file_stops_naming_it(ctx, store, put):
    landed = put("good.csv", GOOD)
    ingest_bronze(ctx)
    put("new.csv", MIXED)
    landed.write_text(GOOD + "s9,i9,1,3,\n")

    with pytest.raises(BadFile, match=r"responses_csv/good\.csv: its content changed"):
        ingest_bronze(ctx)

    assert len(accounts(store)) == 1


def test_ingest_bronze_damaged_file_stops_before_anything_is_read(ctx, store, put):
    put("good.csv", GOOD)
    (ctx.landing / "responses_csv" / "other.csv").write_text("who,what\n1,2\n")

    with pytest.raises(BadFile, match=r"other\.csv: no student_id"):
        ingest_bronze(ctx)

    assert kept(store) == []
    assert accounts(store) == []


def test_ingest_bronze_file_without_a_usable_row_stops_until_it_is_taken_out(ctx, store, put):
    put("good.csv", GOOD)
    useless = put("useless.csv", HEADER + "s,i,7,1,\ns,i,8,2,\n")

    for _ in range(2):
        with pytest.raises(QualityViolation, match=r"useless\.csv: all 2 rows .* row 1 because"):
            ingest_bronze(ctx)
    assert store.read(QUARANTINE).count() == 2
    assert len(kept(store)) == 2

    useless.unlink()
    assert ingest_bronze(ctx)["files_new"] == 0


@pytest.mark.nightly
def test_ingest_bronze_cut_off_at_any_write_then_again_takes_each_row_once(
    ctx, store, put, monkeypatch
):
    put("hint_details.csv", "hint_id,problem_id\nh,p\n", "edm_cup")  # a second table at first
    append = type(ctx).append

    for writes in range(5):  # at first two bronze tables, quarantine, audit; then one table less
        put(f"good{writes}.csv", GOOD)
        put(f"mixed{writes}.csv", MIXED)
        done = []

        def cut_off(self, table, frame, *, after=writes, done=done, **once):
            if len(done) == after:
                raise Cut
            append(self, table, frame, **once)
            done.append(table)
            if len(done) == after:
                raise Cut

        monkeypatch.setattr(type(ctx), "append", cut_off)
        with contextlib.suppress(Cut):  # the fifth has only four writes left
            ingest_bronze(ctx)
        monkeypatch.setattr(type(ctx), "append", append)
        assert len(done) == min(writes, 3)

        ingest_bronze(ctx)

    sources = {(account[0], account[1]): account[2:] for account in accounts(store)}
    assert sources == {
        ("edm_cup", "hint_details.csv"): (1, 1, 0),
        **{("responses_csv", f"good{n}.csv"): (2, 2, 0) for n in range(5)},
        **{("responses_csv", f"mixed{n}.csv"): (3, 1, 2) for n in range(5)},
    }
    assert store.read(RAW_RESPONSES).count() == 15
    assert store.read(RAW_CONTENT).count() == 1
    assert store.read(QUARANTINE).count() == 10


def test_ingest_bronze_cut_off_while_planning_its_first_batch_starts_again(ctx, store, put):
    put("good.csv", GOOD)
    half_written = ctx.checkpoints / "ingest_bronze" / "offsets" / ".0.f0a1.tmp"
    half_written.parent.mkdir(parents=True)
    half_written.write_text("v1")

    assert ingest_bronze(ctx)["rows_kept"] == 2


def test_ingest_bronze_cut_off_then_again_with_another_file_takes_each_row_once(
    ctx, store, put, monkeypatch
):
    put("good.csv", GOOD)
    monkeypatch.setattr(job, "_audit", lambda *_: (_ for _ in ()).throw(Cut()))
    with pytest.raises(Cut):
        ingest_bronze(ctx)
    monkeypatch.undo()
    put("more.csv", MIXED)

    ingest_bronze(ctx)

    assert accounts(store) == [
        ("responses_csv", "good.csv", 2, 2, 0),
        ("responses_csv", "more.csv", 3, 1, 2),
    ]
    assert store.read(RAW_RESPONSES).count() == 3


def test_ingest_bronze_file_taken_away_after_a_cut_leaves_the_others(ctx, store, put, monkeypatch):
    put("good.csv", GOOD)
    gone = put("gone.csv", MIXED)
    monkeypatch.setattr(job, "_take_in", lambda *_: (_ for _ in ()).throw(Cut()))
    with pytest.raises(Cut):
        ingest_bronze(ctx)
    monkeypatch.undo()
    gone.unlink()

    ingest_bronze(ctx)

    assert [account[1] for account in accounts(store)] == ["good.csv"]


def test_ingest_bronze_damaged_checkpoint_says_what_to_delete_and_then_no_file_is_read_twice(
    ctx, store, put
):
    put("good.csv", GOOD)
    ingest_bronze(ctx)
    checkpoint = ctx.checkpoints / "ingest_bronze"
    planned = checkpoint / "offsets" / "0"
    planned.write_bytes(planned.read_bytes()[:40])
    put("more.csv", MIXED)

    with pytest.raises(DamagedCheckpoint, match=rf"{planned}: .* delete {checkpoint} and run"):
        ingest_bronze(ctx)
    shutil.rmtree(checkpoint)
    ingest_bronze(ctx)

    assert [account[1] for account in accounts(store)] == ["good.csv", "more.csv"]
    assert store.read(RAW_RESPONSES).count() == 3


def test_ingest_bronze_file_landing_after_the_look_round_is_read_too(ctx, store, put, monkeypatch):
    put("good.csv", GOOD)
    stops = Stops()
    looked = job.new_files(ctx, job.landing_files(ctx, stops), {}, stops)
    put("late.csv", MIXED)
    monkeypatch.setattr(job, "new_files", lambda *_: looked)

    ingest_bronze(ctx)

    assert [account[1] for account in accounts(store)] == ["good.csv", "late.csv"]


def test_ingest_bronze_odd_names_are_read_and_hidden_ones_passed_over(ctx, store, put):
    names = ["a b.csv", "a#1.csv", "a%20b.csv", "é.csv", "a+b&c.csv"]
    for name in names:
        put(name, GOOD)
    (ctx.landing / "responses_csv" / "_half.csv.part").write_text("user")
    (ctx.landing / "responses_csv" / ".hidden.csv").write_text("user")

    ingest_bronze(ctx)

    assert sorted(account[1] for account in accounts(store)) == sorted(names)


def test_ingest_bronze_folders_of_days_hold_files_of_one_name(ctx, store):
    folder = ctx.landing / "responses_csv"
    for day in ("2026-02-27", "2026-02-28", "_2026-03-01"):  # the last is still being copied
        (folder / day).mkdir(parents=True)
        (folder / day / "responses.csv").write_text(GOOD)
    (folder / "responses.csv").write_text(GOOD)

    assert ingest_bronze(ctx)["files_new"] == 3
    (folder / "_2026-03-01").rename(folder / "2026-03-01")
    assert ingest_bronze(ctx)["files_new"] == 1

    days = ("2026-02-27/", "2026-02-28/", "2026-03-01/", "")
    expected = [("responses_csv", f"{day}responses.csv", 2, 2, 0) for day in days]
    assert accounts(store) == sorted(expected)
    assert {row[0] for row in rows(store.read(RAW_RESPONSES), "_file")} == {
        f"{d}responses.csv" for d in days
    }


def test_ingest_bronze_zip_that_lands_as_it_is_has_an_account_for_every_file_in_it(ctx, store, put):
    for place in ("a.zip", "2026-03-01/a.ZIP"):
        path = ctx.landing / "responses_csv" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as out:
            out.writestr("good.csv", GOOD)
            out.writestr("export/mixed.csv", MIXED)
            out.writestr("__MACOSX/good.csv", "x")
    put("good.csv", GOOD)

    assert ingest_bronze(ctx)["files_new"] == 5
    assert ingest_bronze(ctx)["files_new"] == 0

    assert accounts(store) == sorted(
        ("responses_csv", f"{place}{name}", *counts)
        for place in ("a.zip/", "2026-03-01/a.ZIP/", "")
        for name, counts in (("good.csv", (2, 2, 0)), ("mixed.csv", (3, 1, 2)))
        if place or name == "good.csv"
    )
    assert store.read(RAW_RESPONSES).count() == 8


def test_ingest_bronze_same_content_under_two_names_is_said_early_and_nothing_is_lost(
    ctx, store, put, monkeypatch
):
    said = []
    monkeypatch.setattr(ctx, "_on_progress", said.append)
    put("good.csv", GOOD)
    assert ingest_bronze(ctx)["files_of_known_content"] == 0
    for n in range(7):
        put(f"again{n}.csv", GOOD)

    assert ingest_bronze(ctx)["files_of_known_content"] == 7

    told = [line for line in said if "has the content of" in line]
    assert told[0] == (
        "responses_csv/again0.csv has the content of good.csv: its rows are taken in, and silver "
        "refuses events that repeat"
    )
    assert len(told) == 5
    assert "so do 2 more files" in said
    assert store.read(RAW_RESPONSES).count() == 16


def test_ingest_bronze_takes_in_what_data_factory_copied(ctx, store, tmp_path):
    world = World(
        storage=tmp_path / "account",
        lake=LAKE,
        addresses={"data_lake": LAKE},
        global_parameters={"daily_ingestion_job_id": "17", **TOLD},
        sql=database(ROWS),
        faults=frozenset({"run_daily_ingestion"}),  # no workspace is needed to land
    )
    (world.storage / "bronze").mkdir(parents=True)  # a container, which the templates make
    given = {"scheduled_time": MONDAY, "sql_server": True, "data_lake_url": LAKE, "blob_url": BLOB}
    run_pipeline(FACTORY, "daily_ingestion", given, world=world)
    shutil.copytree(world.storage / "bronze" / "uploads", ctx.landing)

    assert ingest_bronze(ctx)["rows_kept"] == 5

    columns = ("_source", "_file", "student_id", "item_id", "correct", "skill_names")
    file = "2026-03-02/responses.csv"
    assert rows(store.read(RAW_RESPONSES), *columns) == sorted(
        ("sql_server", file, *(str(row[name]) for name in columns[2:])) for row in ROWS[:5]
    )


@pytest.mark.parametrize(
    "place", ["stray.csv", "responses_csv/2024/deep.csv", "responses_csv/2026-03-01/sub/deep.csv"]
)
def test_ingest_bronze_file_outside_a_source_folder_stops_naming_it(ctx, place):
    stray = ctx.landing / place
    stray.parent.mkdir(parents=True)
    stray.write_text(GOOD)

    with pytest.raises(BadFile, match=r"files lie in landing/<source>/"):
        ingest_bronze(ctx)


@pytest.mark.nightly
def test_ingest_bronze_checkpoint_without_its_tables_says_what_to_delete(
    ctx, store, put, drop_tables
):
    put("good.csv", GOOD)
    ingest_bronze(ctx)
    drop_tables()

    with pytest.raises(BadFile, match=r"good\.csv: .*delete .*checkpoints/ingest_bronze"):
        ingest_bronze(ctx)

    shutil.rmtree(ctx.checkpoints)
    assert ingest_bronze(ctx)["rows_kept"] == 2


def test_ingest_bronze_limit_of_characters_comes_from_the_settings(context, store, put):
    settings = Settings(ingest=IngestSettings(max_field_characters=100))
    ctx = context(TASKS["ingest_bronze"], settings=settings)
    put("long.csv", GOOD + "s3,i1,1,1," + "x" * 101 + "\n")

    assert ingest_bronze(ctx)["rows_quarantined"] == 1


@pytest.mark.nightly
@pytest.mark.data
@pytest.mark.slow
@pytest.mark.usefixtures("many_rows")
def test_ingest_bronze_research_files_read_equals_kept_plus_quarantined(ctx, store, shared_data):
    for source, name in (
        ("assistments", "assist2009/skill_builder_slice_10791.csv.gz"),
        ("dbe_kt22", "dbe_kt22"),
    ):
        land(source_named(source), shared_data / name, ctx.landing, mapping=None)

    metrics = ingest_bronze(ctx)

    assert metrics["rows_read"] == 10_791 + 158_342 + 1_670
    assert metrics["rows_quarantined"] == 0
    assert len(accounts(store)) == 7
