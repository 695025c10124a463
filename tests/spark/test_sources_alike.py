"""What holds for every source alike, from landing files to canonical frames, and in an erasure."""

import pytest

from conftest import AS_OF, rows
from deepkt_irt.jobs import erasing
from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.forget_student import forget_all, request_erasure
from deepkt_irt.jobs.opening import Opened, Target
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.settings import Settings
from deepkt_irt.sources import canonical
from deepkt_irt.sources.catalogue import SOURCES
from deepkt_irt.sources.landing import land
from deepkt_irt.tables import bronze
from deepkt_irt.tables.ops import INGEST_AUDIT, QUARANTINE
from deepkt_irt.tables.rosters import (
    CLASS_MEMBERSHIPS,
    CLASSES,
    ROSTER_STUDENTS,
    ROSTER_TEACHERS,
)
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, STUDENT_KEYS, USERS
from deepkt_irt.tables.store import TableStore
from made_up_sources import ANN, ANSWER, BEN, NO_RESPONSES, files, student

pytestmark = pytest.mark.spark

SHAPES = {
    "responses": canonical.RESPONSES,
    "items": canonical.ITEMS,
    "skills": canonical.SKILLS,
    "rejected": canonical.REJECTED,
}


class Lake:
    """A lake in which some sources have landed their files."""

    def __init__(self, spark, folder, sources):
        self.spark, self.folder = spark, folder / "lake"
        self.place = Place.of_lake(self.folder)
        self.store = TableStore(spark, lake=self.folder)
        for source in sources:
            data = folder / source.name
            data.mkdir()
            for name, text in files(source).items():
                (data / name).write_text(text)
            land(source, data, self.place.landing, mapping=None)

    def run(self, *names):
        runner = Runner(self.spark, self.store, self.place, Settings(), AS_OF)
        runner.run([TASKS[name] for name in names])

    def raw(self, source):
        frames = {table.qualified_name: self.store.read(table) for table in bronze.TABLES}
        return {name: frame.filter(f"_source = '{source}'") for name, frame in frames.items()}

    def accounts(self):
        counts = ("rows_read", "rows_kept", "rows_quarantined")
        told = rows(self.store.read(INGEST_AUDIT), "source", "file", *counts)
        return {(source, file): tuple(n) for source, file, *n in told}


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    made = Lake(spark, tmp_path_factory.mktemp("alike"), SOURCES.values())
    made.run("ingest_bronze")
    return made


def test_every_file_of_every_source_is_taken_in_whole_and_once(lake):
    before = {table: lake.store.version(table) for table in bronze.TABLES}

    lake.run("ingest_bronze")

    assert {table: lake.store.version(table) for table in bronze.TABLES} == before
    assert lake.accounts().keys() == {(s, file) for s in SOURCES for file in files(SOURCES[s])}
    assert all(read == kept > refused == 0 for read, kept, refused in lake.accounts().values())


@pytest.mark.parametrize("source", [name for name in SOURCES if name not in NO_RESPONSES])
def test_every_source_gives_two_responses_a_student_in_frames_of_one_shape(lake, source):
    found = SOURCES[source].canonical(lake.raw(source))

    for name, ddl in SHAPES.items():
        assert getattr(found, name).dtypes == [tuple(part.split()) for part in ddl.split(",")]
    counted = found.responses.groupBy("student_id", "item_id").count()
    assert rows(counted, "student_id", "count") == sorted(
        (student(source, name), 1) for name in (ANN, BEN) for _ in range(2)
    )
    # what students answer stands with what they did, not with the item
    told = [str(row) for frame in (found.items, found.skills) for row in frame.collect()]
    assert told
    assert [text for text in told if ANSWER in text] == []


@pytest.mark.parametrize("source", NO_RESPONSES)
def test_source_without_responses_gives_empty_frames_of_the_same_shape(lake, source):
    found = SOURCES[source].canonical(lake.raw(source))

    for name, ddl in SHAPES.items():
        assert getattr(found, name).dtypes == [tuple(part.split()) for part in ddl.split(",")]
        assert getattr(found, name).count() == 0


@pytest.mark.nightly
def test_forgotten_student_stands_in_no_statement_and_others_stay(spark, tmp_path):
    made = Lake(spark, tmp_path, [SOURCES["xapi"]])
    with (made.place.landing / "xapi" / "statements.jsonl").open("a") as file:
        file.write(f'{{"id": "x", "actor": {{"account": {{"name": "{ANN}"}}\n')  # refused
    made.run("ingest_bronze", "transform_silver")
    assert made.accounts() == {("xapi", "statements.jsonl"): (9, 8, 1)}
    site = erasing.Site(Opened(spark, made.store, made.place), made.folder, Settings(), AS_OF)
    request_erasure(site, student("xapi", ANN), "xapi")

    (proof,) = forget_all(site, Target(lake=made.folder))

    assert [line["place"] for line in proof.report["rewritten"]] == ["xapi/statements.jsonl"]
    (file,) = made.place.landing.glob("*/*.json*")
    assert ANN not in file.read_text()
    for table, column in ((bronze.RAW_STATEMENTS, "statement"), (QUARANTINE, "received")):
        assert [text for (text,) in rows(made.store.read(table), column) if ANN in text] == []
    assert rows(made.store.read(STUDENT_KEYS), "student_id") == [(student("xapi", BEN),)]
    assert made.store.read(CANONICAL_LEARNING_EVENTS).count() == 2
    made.run("ingest_bronze")  # neither refuses the file nor reads it again
    assert made.accounts() == {("xapi", "statements.jsonl"): (5, 5, 0)}


@pytest.fixture
def rostered(spark, tmp_path):
    """A lake with a learning system and a roster of its students."""
    made = Lake(spark, tmp_path, [SOURCES["responses_csv"], SOURCES["one_roster"]])
    made.run("ingest_bronze", "transform_silver")
    return made


def _keys(lake):
    return dict(rows(lake.store.read(STUDENT_KEYS), "student_id", "student_key"))


def _users(lake, *tables):
    """Of whom tables tell, by table."""
    found = {}
    for table in tables:
        column = "user_id" if "user_id" in table.column_names else "student_key"
        told = rows(lake.store.read(table).filter(f"{column} IS NOT NULL"), column)
        found[table.name] = sorted({each for (each,) in told})
    return found


@pytest.mark.nightly
def test_students_of_a_roster_are_placed_and_nobody_else_becomes_a_student(rostered):
    keys = _keys(rostered)
    assert set(keys) == {ANN, BEN}
    (a_class,) = rostered.store.read(CLASSES).collect()
    assert (a_class.n_students, a_class.n_known, a_class.grades) == (2, 2, ["07"])
    users = rostered.store.read(USERS)
    assert rows(users, "grades", "school_keys") == [(["07"], [a_class.school_key])] * 2
    (teacher,) = rostered.store.read(ROSTER_TEACHERS).collect()
    assert (teacher.teacher, teacher.class_key) == ("miller@district.example", a_class.class_key)
    members = rostered.store.read(CLASS_MEMBERSHIPS)
    assert rows(members, "student_key", "class_key") == sorted(
        (key, a_class.class_key) for key in keys.values()
    )


@pytest.mark.nightly
def test_change_of_a_roster_reaches_a_student_without_new_answers(rostered, tmp_path):
    keys, changed = _keys(rostered), f"active,{AS_OF.isoformat()}"
    (tmp_path / "users-2.csv").write_text(
        f"sourcedId,status,dateLastModified,username,grades\n{BEN},{changed},{BEN},08\n"
    )
    land(SOURCES["one_roster"], tmp_path / "users-2.csv", rostered.place.landing, mapping=None)

    rostered.run("ingest_bronze", "transform_silver")

    grades = dict(rows(rostered.store.read(USERS), "student_key", "grades"))
    assert grades == {keys[ANN]: ["07"], keys[BEN]: ["08"]}


@pytest.mark.nightly
@pytest.mark.parametrize("source", ["one_roster", "responses_csv"])
def test_forgotten_student_leaves_the_roster_and_what_it_was_matched_with(spark, rostered, source):
    key = _keys(rostered)[BEN]
    opened = Opened(spark, rostered.store, rostered.place)
    site = erasing.Site(opened, rostered.folder, Settings(), AS_OF)
    request_erasure(site, ANN, source)

    (proof,) = forget_all(site, Target(lake=rostered.folder))

    of_roster = {f"one_roster/{name}.csv" for name in ("enrollments", "roles", "users")}
    rewritten = {line["place"] for line in proof.report["rewritten"]}
    assert rewritten == {"responses_csv/answers.csv"} | of_roster
    assert _users(rostered, bronze.RAW_ROSTERS, ROSTER_STUDENTS, CLASS_MEMBERSHIPS, USERS) == {
        "raw_rosters": [BEN, "t-1"],  # nor the guardian, whose record names the student
        "roster_students": [BEN],
        "class_memberships": [key],
        "users": [key],
    }
    assert _keys(rostered) == {BEN: key}
    rostered.run("ingest_bronze", "transform_silver")
    assert _users(rostered, USERS) == {"users": [key]}
