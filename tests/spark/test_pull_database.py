"""Pulls from a real database server through JDBC: what is there becomes events, each once."""

import argparse
from datetime import UTC, datetime, timedelta

import pytest

from conftest import rows
from deepkt_irt.errors import BackendUnavailable, BadFile
from deepkt_irt.java import jdbc_driver
from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.pull_sources import pull_sources
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.pulling import pull as pulling
from deepkt_irt.pulling.connection import Database
from deepkt_irt.pulling.pull import Pull
from deepkt_irt.settings import Settings
from deepkt_irt.tables.bronze import RAW_RESPONSES
from deepkt_irt.tables.ops import INGEST_AUDIT
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS
from deepkt_irt.tables.store import TableStore
from postgres_server import PASSWORD, USER, running

pytestmark = pytest.mark.spark

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
START = datetime(2026, 3, 1, tzinfo=UTC)
TABLES = """
CREATE TABLE responses (
    "Row Id" bigint PRIMARY KEY, recorded_at timestamptz, student_id text, item_id text,
    correct boolean, score numeric(3, 2), answered_at timestamp, skill_ids text[], answer text
);
CREATE SCHEMA "School A";
CREATE VIEW "School A"."answers of pupils" AS
    SELECT "Row Id" AS number, recorded_at, student_id AS pupil, item_id, correct, answered_at
    FROM responses;
"""


@pytest.fixture(scope="module")
def server():
    try:
        jdbc_driver("postgresql")
    except BackendUnavailable as error:
        pytest.skip(f"no JDBC driver: {error}")
    with running() as found:
        found.sql(TABLES)
        yield found


@pytest.fixture
def table(server, monkeypatch):
    """The server with an empty table; `add` puts rows into it."""
    monkeypatch.setenv("SCHOOL_PASSWORD", PASSWORD)
    server.sql("TRUNCATE responses")
    return server


def add(server, *numbers, minutes=None, answer="NULL"):
    """Rows written so many minutes after START; by default their number of minutes."""
    for n in numbers:
        server.sql(
            f"INSERT INTO responses SELECT {n}, timestamptz '2026-03-01 00:00Z' + interval "
            f"'{minutes or n} min', 's{n % 3}', 'i{n}', {n % 2 == 1}, NULL, timestamp "
            f"'2026-03-01 08:00:00.25' + interval '{n} min', ARRAY['adding', 'tens'], {answer}"
        )


def connection(server, **changes):
    given = {
        "name": "school",
        "product": "postgresql",
        "host": "127.0.0.1",
        "port": server.port,
        "database": "postgres",
        "table": "public.responses",
        "user": USER,
        "password": {"env": "SCHOOL_PASSWORD"},
        "watermark": {
            "kind": "time",
            "column": "recorded_at",
            "start": START,
            "overlap_seconds": 3_600,
        },
    }
    return Database.model_validate(given | changes)


class Lake:
    """A lake that pulls and then takes in what landed."""

    def __init__(self, spark, folder):
        self.spark, self.place = spark, Place.of_lake(folder)
        self.store = TableStore(spark, lake=folder)

    def pull(self, found, now=MONDAY):
        folder = self.place.landing / "sql_server"
        return Pull(found, folder=folder, now=now, open_spark=lambda: self.spark).run()

    def run(self, *names):
        runner = Runner(self.spark, self.store, self.place, Settings(), MONDAY)
        runner.run([TASKS[name] for name in names], force=True)

    @property
    def items(self):
        """Items of the events, each as often as it is there."""
        found = rows(self.store.read(CANONICAL_LEARNING_EVENTS), "item_id")
        return sorted(int(item.removeprefix("sql_server:i")) for (item,) in found)

    @property
    def files(self):
        return sorted(each.name for each in self.place.landing.rglob("*") if each.is_file())


@pytest.fixture
def lake(spark, tmp_path):
    return Lake(spark, tmp_path / "lake")


def test_a_window_is_read_in_parts_by_the_server_and_lands_as_files(table, lake):
    add(table, *range(24))
    add(table, 24, answer="""E'a;"b"\\r\\nc, d'""")
    before = len(table.statements)

    landed = lake.pull(connection(table, rows_per_file=10))
    lake.run("ingest_bronze")

    assert len(landed) == 3
    assert lake.files == [each.name for each in landed]
    assert {each.parent.name for each in landed} == {"2026-03-02"}
    read = lake.store.read(RAW_RESPONSES).filter("item_id = 'i24'")
    columns = ("student_id", "correct", "score", "answered_at", "skill_ids", "skill_separator")
    assert rows(read, *columns, "answer") == [
        ("s0", "false", None, "2026-03-01T08:24:00.25Z", "adding;tens", ";", 'a;"b"\r\nc, d')
    ]
    accounts = rows(lake.store.read(INGEST_AUDIT), "rows_read", "rows_kept")
    assert sum(n_read for n_read, _ in accounts) == sum(kept for _, kept in accounts) == 25
    asked = [line for line in table.statements[before:].splitlines() if '"student_id"' in line]
    conditions = {line.partition("WHERE")[2] for line in asked}
    assert len(conditions) == 3
    assert all('"recorded_at" >= CAST' in each for each in conditions)


@pytest.mark.nightly
def test_a_pull_that_was_killed_and_rows_that_came_late_lose_and_double_nothing(
    table, lake, monkeypatch
):
    add(table, *range(20))
    put, n = pulling.put_in_place, iter(range(9))

    def killed(*names):
        if next(n) == 1:
            raise KeyboardInterrupt
        return put(*names)

    monkeypatch.setattr(pulling, "put_in_place", killed)
    with pytest.raises(KeyboardInterrupt):
        lake.pull(connection(table, rows_per_file=5))
    assert len(lake.files) == 1
    lake.run("ingest_bronze")  # between the killed pull and the next

    add(table, 20, 21)
    lake.pull(connection(table, rows_per_file=5))
    add(table, 22, minutes=24 * 60 + 90)  # as recorded within the overlap of the last pull
    add(table, 23, minutes=30 * 60)
    lake.pull(connection(table), now=MONDAY + timedelta(days=1))
    lake.run("ingest_bronze", "transform_silver")

    assert lake.items == list(range(24))
    assert not [name for name in lake.files if name.endswith(".part")]


def test_numbers_grow_from_pull_to_pull_and_names_are_quoted(table, lake):
    found = connection(
        table,
        table="School A.answers of pupils",
        columns={"student_id": "pupil"},
        watermark={"kind": "number", "column": "number", "overlap": 2},
    )
    add(table, 1, 2, 3)
    (first,) = lake.pull(found)
    assert lake.pull(found) == []
    add(table, 4)
    (second,) = lake.pull(found)
    lake.run("ingest_bronze", "transform_silver")

    assert [first.name, second.name] == ["school_n0_n4.csv", "school_n2_n5.csv"]
    assert lake.items == [1, 2, 3, 4]


def test_times_without_zone_are_utc_whatever_zone_the_server_is_in(table, lake):
    add(table, *range(3))
    watermark = {"kind": "time", "column": "answered_at", "start": START}

    (landed,) = lake.pull(
        connection(table, watermark=watermark), now=START + timedelta(hours=8, minutes=3)
    )

    # 08:00:00.25 and 08:01:00.25 are before 08:02, when a minute has settled; 08:02:00.25 is not
    assert [line.split(",")[1] for line in landed.read_text().splitlines()[1:]] == ["i0", "i1"]


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"user": "nobody"}, BackendUnavailable, "password authentication failed"),
        ({"table": "public.none"}, BackendUnavailable, 'relation "public.none" does not exist'),
        ({"port": 1}, BackendUnavailable, "postgresql at 127.0.0.1: .*refused"),
        ({"columns": {"answer": "given"}}, BadFile, "school: public.responses has no column given"),
        ({"table": "pg_catalog.pg_class"}, BackendUnavailable, "recorded_at.* does not exist"),
    ],
)
def test_what_the_server_refuses_is_told_in_one_line_and_nothing_lands(
    table, lake, changes, error, told
):
    add(table, 1)

    with pytest.raises(error, match=told) as refused:
        lake.pull(connection(table, **changes))

    assert "\n" not in str(refused.value)
    assert PASSWORD not in str(refused.value)
    assert lake.files == []


def test_a_connection_that_fails_leaves_the_others_running(table, lake, tmp_path):
    add(table, 1, 2)
    folder = lake.place.connections / "sql_server"
    folder.mkdir(parents=True)
    text = f"""
        product = "postgresql"
        host = "127.0.0.1"
        port = {table.port}
        database = "postgres"
        table = "public.TABLE"
        user = "{USER}"
        password = {{env = "SCHOOL_PASSWORD"}}
        watermark = {{kind = "number", column = "Row Id"}}
    """
    (folder / "a.toml").write_text('name = "a"\n' + text.replace("TABLE", "none"))
    (folder / "b.toml").write_text('name = "b"\n' + text.replace("TABLE", "responses"))
    (folder / "c.toml").write_text('name = "b"\n' + text.replace("TABLE", "responses"))
    flags = argparse.Namespace(
        lake=tmp_path / "lake", catalog=None, schemas="", as_of="2026-03-02T01:00"
    )

    with pytest.raises(BackendUnavailable) as refused:
        pull_sources(flags)

    assert lake.files == ["b_n0_n3.csv"]
    assert str(refused.value).startswith("2 not pulled: sql_server/a.toml: a: postgresql at")
    assert "sql_server/c.toml: c.toml: another connection is named b" in str(refused.value)
