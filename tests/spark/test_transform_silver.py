"""The task transform_silver over bronze rows: what it writes, counts, refuses and repeats.

A run over a lake takes seconds, so one lake lives through all that can happen to it, and each
test looks at the moments it is about.
"""

import json
from datetime import UTC, datetime

import pytest

from conftest import AS_OF
from deepkt_irt.errors import QualityViolation, UsageError
from deepkt_irt.jobs.context import JobContext, Place
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.jobs.transform_silver import transform_silver
from deepkt_irt.settings import Settings
from deepkt_irt.tables.bronze import RAW_CONTENT, RAW_RESPONSES
from deepkt_irt.tables.ops import QUARANTINE
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    ITEMS,
    RESPONSE_BEHAVIOUR,
    SKILLS,
    STUDENT_KEYS,
    USER_SPLITS,
    USERS,
)
from deepkt_irt.tables.store import TableStore

pytestmark = pytest.mark.spark

WRITTEN = TASKS["transform_silver"].writes
ACCUMULATING = (STUDENT_KEYS, CANONICAL_LEARNING_EVENTS, QUARANTINE)


class Lake:
    """A lake whose bronze is written by hand."""

    def __init__(self, spark, folder):
        self.spark, self.folder, self.day = spark, folder, 1
        self.store = TableStore(spark, lake=folder)

    def land(self, file, *given, source="responses_csv", table=RAW_RESPONSES):
        provenance = {
            "_source": source,
            "_file": file,
            "_batch_id": self.day,
            "_ingested_at": AS_OF,
        }
        made = [provenance | {"_row": row} | values for row, values in enumerate(given, 1)]
        self.append(table, made, app_id=f"{source}/{file}")

    def append(self, table, given, *, app_id):
        schema = ", ".join(f"{column.name} {column.type}" for column in table.columns)
        values = [tuple(map(row.get, table.column_names)) for row in given]
        made = self.spark.createDataFrame(values, schema)
        self.store.append(table, made, app_id=app_id, version=1)

    def run(self):
        """Run the task, each time a day later, and give its metrics."""
        self.day += 1
        task = TASKS["transform_silver"]
        return transform_silver(
            JobContext(
                store=self.store,
                task=task,
                settings=Settings(),
                as_of=datetime(2026, 3, self.day, tzinfo=UTC),
                run_id="test",
                place=Place.of_lake(self.folder),
                spark=self.spark,
            )
        )

    def content(self):
        """All rows of the written tables, as text, by table."""
        text = "to_json(struct(*), map('ignoreNullFields', 'false'))"
        return {
            table: {row[0] for row in self.store.read(table).selectExpr(text).collect()}
            for table in WRITTEN
        }


def select(content, table, *columns):
    """Some columns of rows that were read once, as each reading takes a while."""
    return sorted(tuple(map(json.loads(row).get, columns)) for row in content[table])


def response(student, item, order, correct="1", **values):
    return {
        "student_id": student,
        "item_id": item,
        "response_order": str(order),
        "correct": correct,
    } | values


ANN = ("responses_csv", "ann")
K1_K2 = {"skill_ids": "k1~k2", "skill_separator": "~"}
FIRST = (
    response("ann", "i1", 1, answer=" B ", student_group="north", **K1_K2),
    response("ann", "i2", 2, correct="0", skill_ids="k1"),
    response("bob", "i1", 1, correct=None, score="0.5", **K1_K2),
    response("dan", None, 1),
)
SECOND = (
    FIRST[0] | {"answer": "C", "student_group": "south"},
    response("ann", "i2", 2, correct="1", skill_ids="k1"),
    response("cleo", "i3", 1),
    response(None, "i3", 1),
)
DRILLED = {"first_action": "1", "hint_count": "3", "bottom_hint": "1"}  # hints to the bottom first
REFUSED_BY_INGEST = {
    "stage": "ingest_bronze",
    "source": "responses_csv",
    "file": "a.csv",
    "row": 9,
    "table_name": "bronze.raw_responses",
    "reason": "too few fields",
    "received": "x",
    "batch_id": 0,
    "quarantined_at": AS_OF,
}
EDGES = (("1", "2"), ("2", "3"), ("3", "1"), ("3", "4"), ("9", "4"))


def skill(name):
    return {"kind": "skill", "content_id": name, "body": f'{{"name":"skill {name}"}}'}


def relation(before, after):
    body = f'{{"from_knowledgecomponent_id":"{before}","to_knowledgecomponent_id":"{after}"}}'
    return {"kind": "skill_relation", "content_id": f"{before}-{after}", "body": body}


@pytest.fixture(scope="module")
def history(spark, tmp_path_factory):
    """What the tables held, and the task reported, after each thing that happened."""
    lake = Lake(spark, tmp_path_factory.mktemp("silver"))
    lake.append(QUARANTINE, [REFUSED_BY_INGEST], app_id="ingest")
    moments = {}

    def remember(moment):
        metrics, content = lake.run(), lake.content()
        moments[moment] = {
            "metrics": metrics,
            "content": content,
            "keys": select(content, STUDENT_KEYS, "source", "student_id", "student_key"),
            "events": select(
                content,
                CANONICAL_LEARNING_EVENTS,
                "student_key",
                "sequence_number",
                "item_id",
                "correct",
            ),
            "answers": select(
                content, CANONICAL_LEARNING_EVENTS, "student_key", "sequence_number", "answer"
            ),
            "users": select(content, USERS, "student_key", "n_events"),
            "groups": select(content, USERS, "student_key", "student_group"),
            "splits": select(content, USER_SPLITS, "student_key"),
            "items": select(content, ITEMS, "item_id", "n_events"),
            "skills": select(content, SKILLS, "skill_id", "n_events", "prerequisite_ids"),
            "quarantine": select(content, QUARANTINE, "stage", "file", "row", "reason"),
            "behaviour": select(
                content, RESPONSE_BEHAVIOUR, "student_key", "item_id", "hint_chain", "is_excluded"
            ),
        }

    lake.land("a.csv", *FIRST)
    remember("first file")
    remember("nothing new")
    lake.land("b.csv", *SECOND)
    remember("second file")
    drilled = response("ann", "i2", 2, correct="0", **DRILLED)
    lake.land("a.csv", response("ann", "i1", 1), drilled, source="assistments")
    content = {"source": "dbe_kt22", "table": RAW_CONTENT}
    lake.land("kcs.csv", *map(skill, "1234"), **content)
    lake.land("relations.csv", *(relation(*edge) for edge in EDGES), **content)
    lake.land("interactions.csv", response("u", "q", 1, skill_ids="1"), source="dbe_kt22")
    remember("other sources")
    return moments


def test_transform_silver_responses_become_numbered_events(history):
    after = history["second file"]

    names = {key: student for _, student, key in after["keys"]}
    assert sorted((names[key], *rest) for key, *rest in after["events"]) == [
        ("ann", 1, "responses_csv:i1", True),
        ("ann", 2, "responses_csv:i2", False),
        ("bob", 1, "responses_csv:i1", None),
        ("cleo", 1, "responses_csv:i3", True),
    ]


def test_transform_silver_tables_speak_of_the_same_students_items_and_skills(history):
    after = history["first file"]

    keys = {student: key for _, student, key in after["keys"]}
    assert set(keys) == {"ann", "bob"}  # dan answered nothing that is named
    assert after["users"] == sorted([(keys["ann"], 2), (keys["bob"], 1)])
    assert after["splits"] == sorted((key,) for key in keys.values())
    assert after["items"] == [("responses_csv:i1", 2), ("responses_csv:i2", 1)]
    assert after["skills"] == [("responses_csv:k1", 3, []), ("responses_csv:k2", 2, [])]


@pytest.mark.parametrize(
    ("moment", "group"),
    [("first file", "north"), ("second file", "south"), ("other sources", "south")],
)
def test_transform_silver_second_delivery_changes_the_group_and_not_the_answer(
    history, moment, group
):
    after = history[moment]

    (ann,) = (key for *who, key in after["keys"] if tuple(who) == ANN)
    assert [row for row in after["groups"] if row[1] is not None] == [(ann, group)]
    assert [row for row in after["answers"] if row[2] is not None] == [(ann, 1, "B")]


def test_transform_silver_refused_rows_say_why_and_other_stages_keep_theirs(history):
    assert history["second file"]["quarantine"] == [
        ("ingest_bronze", "a.csv", 9, "too few fields"),
        ("transform_silver", "a.csv", 4, "item_id is missing"),
        ("transform_silver", "b.csv", 1, "repeats event of a.csv row 1"),
        ("transform_silver", "b.csv", 2, "contradicts event of a.csv row 2"),
        ("transform_silver", "b.csv", 4, "student_id is missing"),
    ]


def test_transform_silver_reports_what_there_is(history):
    assert history["second file"]["metrics"] == {
        "events": 4,
        "ungraded": 1,
        "students": 3,
        "items": 3,
        "items_not_in_catalogue": 0,
        "skills": 2,
        "rejected": 4,
        "duplicates": 2,
        "responses_judged": 0,
        "responses_excluded": 0,
        "responses_rapid_guess": 0,
        "responses_answer_before_attempt": 0,
        "responses_hint_chain": 0,
        "responses_wrong_then_answer": 0,
        "skill_edges_dropped": 0,
    }


def test_transform_silver_judges_how_questions_were_answered_where_a_source_tells(history):
    assert history["second file"]["behaviour"] == []  # neither times nor help
    after = history["other sources"]

    (ann,) = (key for *who, key in after["keys"] if tuple(who) == ("assistments", "ann"))
    assert after["behaviour"] == [(ann, "assistments:i2", True, True)]
    assert after["metrics"]["responses_hint_chain"] == 1
    assert after["metrics"]["responses_excluded"] == 1


def test_transform_silver_again_another_day_changes_no_row(history):
    assert history["nothing new"]["content"] == history["first file"]["content"]


def test_transform_silver_one_more_file_only_adds_rows(history):
    before, after = history["first file"]["content"], history["second file"]["content"]

    for table in ACCUMULATING:
        assert before[table] < after[table], table.qualified_name


def test_transform_silver_a_student_has_one_key_for_good(history):
    seen = {(source, student): key for source, student, key in history["first file"]["keys"]}

    for moment in history.values():
        assert len({row[:2] for row in moment["keys"]}) == len(moment["keys"])
        assert seen.items() <= {(s, i): key for s, i, key in moment["keys"]}.items()


def test_transform_silver_the_same_ids_in_two_sources_are_kept_apart(history):
    after = history["other sources"]

    assert len([key for _, student, key in after["keys"] if student == "ann"]) == 2
    assert {item for item, _ in after["items"]} >= {"assistments:i1", "responses_csv:i1"}
    assert after["metrics"]["duplicates"] == history["second file"]["metrics"]["duplicates"]


def test_transform_silver_prerequisites_come_without_cycles_and_are_counted(history):
    after = history["other sources"]

    assert [row for row in after["skills"] if row[0].startswith("dbe_kt22")] == [
        ("dbe_kt22:1", 1, []),
        ("dbe_kt22:2", 0, []),
        ("dbe_kt22:3", 0, []),
        ("dbe_kt22:4", 0, ["dbe_kt22:3"]),
    ]
    assert after["metrics"]["skill_edges_dropped"] == 4


def test_transform_silver_with_nothing_to_work_on_stops_and_writes_no_table(spark, tmp_path):
    lake = Lake(spark, tmp_path)
    with pytest.raises(QualityViolation, match="ingest_bronze"):
        lake.run()

    lake.land("a.csv", response(None, "i1", 1), response("ann", None, 1))
    with pytest.raises(QualityViolation, match="no event is left"):
        lake.run()

    assert lake.store.read(STUDENT_KEYS).count() == 0
    assert not lake.store.exists(CANONICAL_LEARNING_EVENTS)

    lake.land("b.csv", response("ann", "i1", 1), source="of another release")
    with pytest.raises(UsageError, match="of another release"):
        lake.run()
