"""Replay and backfill: who is worked out again from bronze, and that order of landing is no matter.

One lake has its silver and gold damaged in several places; a replay mends those it was asked for
and touches nobody else, and a replay of everybody gives the tables of a lake that was never hurt.
"""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.replay import parse_replay
from deepkt_irt.jobs.replay_students import REPLAYED, replay_from_bronze
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.settings import Settings
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.tables.gold import SAKT_SEQUENCES, WDIRT_FEATURES
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    RESPONSE_BEHAVIOUR,
    STUDENT_KEYS,
    USERS,
)
from deepkt_irt.tables.store import TableStore

pytestmark = pytest.mark.spark

HEADER = "user_id,item_id,correct,answered_at\n"
EARLY = HEADER + "".join(
    f"{who},i{n},{n % 2},2026-01-0{n}T10:00:00Z\n" for n in (1, 2, 3) for who in ("ann", "cat")
)
LATE = HEADER + "".join(
    f"{who},i{n},{n % 2},2026-02-0{n}T10:00:00Z\n" for n in (1, 2, 3) for who in ("ann", "ben")
)
COMPARED = (CANONICAL_LEARNING_EVENTS, RESPONSE_BEHAVIOUR, USERS, SAKT_SEQUENCES, WDIRT_FEATURES)
# made from the random key, or by which file came in when
VOLATILE = {"event_id", "event_ids", "batch_id", "split", "bucket"}
INGEST = TASKS["ingest_bronze"]


class Lake:
    """A lake that files land in, run day by day."""

    def __init__(self, spark, folder: Path):
        self.spark, self.folder, self.day = spark, folder, 1
        self.store = TableStore(spark, lake=folder)

    def land(self, name: str, text: str) -> None:
        data = self.folder.parent / f"{self.folder.name} {name}"
        data.mkdir()
        (data / name).write_text(text)
        land(source_named("responses_csv"), data, self.folder / "landing", mapping=None)

    def runner(self) -> Runner:
        self.day += 1
        at = datetime(2026, 3, self.day, tzinfo=UTC)
        place = Place.of_lake(self.folder)
        return Runner(self.spark, self.store, place, Settings(), at)

    def run(self) -> None:
        self.runner().run([INGEST, *REPLAYED])

    def replay(self, first="", last="", *, every=False) -> None:
        wanted = parse_replay(first=first, last=last, source="", every=every)
        replay_from_bronze(self.runner(), wanted)

    def content(self, *, named=False) -> dict[str, list[str]]:
        """All rows as text by table; with students by name, since keys are random per lake."""
        keys = dict(self.store.read(STUDENT_KEYS).select("student_key", "student_id").collect())
        text = "to_json(struct(*), map('ignoreNullFields', 'false'))"
        found = {}
        for table in COMPARED:
            columns = (
                [name for name in table.column_names if name not in VOLATILE] if named else "*"
            )
            rows = self.store.read(table).select(columns).selectExpr(text).collect()
            lines = [row[0] for row in rows]
            if named:
                for key, student in keys.items():
                    lines = [line.replace(key, student) for line in lines]
            found[table.qualified_name] = sorted(lines)
        return found

    def of(self, student: str) -> dict[str, list[str]]:
        """What there is of one student."""
        key = self.key(student)
        return {
            table: [line for line in lines if key in line]
            for table, lines in self.content().items()
        }

    def lose(self, table, student: str, *, since: str = "") -> None:
        """Delete a student's rows of a table behind the pipeline's back."""
        rows = self.store.read(table)
        theirs = rows.filter(rows["student_key"] == self.key(student))
        if since:
            theirs = theirs.filter(theirs["answered_at"] >= since)
        self.store.delete_matching(table, theirs.select(*table.key))

    def spoil(self, student: str) -> None:
        """Change a student's answers behind the pipeline's back."""
        rows = self.store.read(CANONICAL_LEARNING_EVENTS)
        theirs = rows.filter(rows["student_key"] == self.key(student))
        changed = theirs.withColumn("score", theirs["score"] / 2)
        self.store.update_matching(CANONICAL_LEARNING_EVENTS, changed)

    def key(self, student: str) -> str:
        keys = self.store.read(STUDENT_KEYS).filter(f"student_id = '{student}'")
        return keys.select("student_key").first()[0]


@pytest.fixture(scope="module")
def whole(spark, tmp_path_factory) -> dict[str, list[str]]:
    """Tables of a lake that got both files at once."""
    lake = Lake(spark, tmp_path_factory.mktemp("whole") / "lake")
    lake.land("early.csv", EARLY)
    lake.land("late.csv", LATE)
    lake.run()
    return lake.content(named=True)


@pytest.fixture(scope="module")
def backfilled(spark, tmp_path_factory) -> Lake:
    """A lake that got the later answers first, and the earlier ones a day after."""
    lake = Lake(spark, tmp_path_factory.mktemp("backfilled") / "lake")
    lake.land("late.csv", LATE)
    lake.run()
    lake.land("early.csv", EARLY)
    lake.run()
    return lake


@pytest.mark.nightly
def test_files_that_land_out_of_order_are_placed_by_time(backfilled, whole):
    assert backfilled.content(named=True) == whole


@pytest.mark.nightly
def test_replay_mends_whom_it_is_asked_for_and_touches_nobody_else(backfilled):
    lake, healthy = backfilled, backfilled.content()
    events = CANONICAL_LEARNING_EVENTS
    lake.lose(events, "ann", since="2026-02-01")
    lake.lose(SAKT_SEQUENCES, "ben")
    lake.spoil("cat")  # who answered in January
    hurt = lake.of("cat")[events.qualified_name]

    lake.replay("2026-02-01", "2026-02-28")

    assert hurt != [line for line in healthy[events.qualified_name] if lake.key("cat") in line]
    for student in ("ann", "ben"):
        key = lake.key(student)
        for table, lines in lake.of(student).items():
            assert lines == [line for line in healthy[table] if key in line], (student, table)
    assert lake.of("cat")[events.qualified_name] == hurt

    lake.replay(every=True)

    assert lake.content() == healthy


@pytest.mark.nightly
def test_replay_of_a_healthy_lake_changes_no_row_and_writes_none(backfilled):
    lake = backfilled
    lake.replay("2026-01-01", "2026-02-28")
    before = lake.content(), [lake.store.data_version(table) for table in COMPARED]

    lake.replay("2026-01-01", "2026-02-28")

    assert (lake.content(), [lake.store.data_version(table) for table in COMPARED]) == before


@pytest.mark.nightly
def test_replay_takes_in_what_came_meanwhile_and_the_next_run_finds_nothing_to_do(backfilled):
    lake = backfilled
    lake.land("more.csv", HEADER + "dan,i1,1,2026-02-09T10:00:00Z\n")
    lake.runner().run([INGEST])
    lake.replay("2026-01-01", "2026-01-01")
    events = lake.store.data_version(CANONICAL_LEARNING_EVENTS)

    lake.run()

    assert len(lake.of("dan")[CANONICAL_LEARNING_EVENTS.qualified_name]) == 1
    assert lake.store.data_version(CANONICAL_LEARNING_EVENTS) == events


@pytest.mark.nightly
def test_replay_of_another_source_touches_nobody(backfilled):
    lake = backfilled
    wanted = parse_replay(first="2026-01-01", last="2026-02-28", source="xapi", every=False)
    lake.lose(SAKT_SEQUENCES, "ann")

    replay_from_bronze(lake.runner(), wanted)
    assert lake.of("ann")[SAKT_SEQUENCES.qualified_name] == []

    replay_from_bronze(lake.runner(), replace(wanted, source="responses_csv"))
    assert lake.of("ann")[SAKT_SEQUENCES.qualified_name]
