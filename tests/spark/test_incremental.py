"""Days of deliveries: after them, the tables are what working everything out again would make.

One lake lives through all days. Each day's run knows what changed since the one before; in the end
the same tasks run again on everything, and no row of a table may differ.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from conftest import AS_OF
from deepkt_irt.jobs import runner
from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.engineer_features import engineer_features
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.jobs.transform_silver import transform_silver
from deepkt_irt.settings import BehaviourSettings, Settings
from deepkt_irt.tables import bronze
from deepkt_irt.tables.gold import SAKT_SEQUENCES, WDIRT_FEATURES
from deepkt_irt.tables.ops import QUARANTINE
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    ITEM_TIMES,
    ITEMS,
    RESPONSE_BEHAVIOUR,
    SKILLS,
    STUDENT_KEYS,
    USER_SPLITS,
    USERS,
)
from deepkt_irt.tables.store import TableStore

pytestmark = [pytest.mark.spark, pytest.mark.nightly]

BY_STUDENT = (
    CANONICAL_LEARNING_EVENTS,
    RESPONSE_BEHAVIOUR,
    USERS,
    USER_SPLITS,
    QUARANTINE,
    SAKT_SEQUENCES,
    WDIRT_FEATURES,
)
TABLES = (*BY_STUDENT, ITEMS, ITEM_TIMES, SKILLS)
PIPELINE = [TASKS[each.__name__] for each in (transform_silver, engineer_features)]
# two latencies make an item's usual time, so that a third moves it
SETTINGS = Settings(behaviour=BehaviourSettings(min_latencies=2))


class Lake:
    """A lake whose bronze is written by hand, a file a day and table."""

    def __init__(self, spark, folder):
        self.spark, self.day = spark, 0
        store = TableStore(spark, lake=folder)
        self.runner = Runner(
            spark=spark,
            store=store,
            place=Place.of_lake(folder),
            settings=SETTINGS,
            as_of=AS_OF,
        )
        self.store = store

    def land(self, source, table, *given, file=""):
        file = file or f"{table.name}_{self.day:03d}"
        rows = []
        for number, values in enumerate(given, 1):
            made = dict.fromkeys(table.column_names) | values
            made |= {"_source": source, "_file": file, "_row": number, "_batch_id": self.day}
            rows.append(tuple((made | {"_ingested_at": AS_OF}).values()))
        schema = ", ".join(f"{column.name} {column.type}" for column in table.columns)
        frame = self.spark.createDataFrame(rows, schema)
        self.store.append(table, frame, app_id=f"{source}/{file}", version=1)

    def run(self, *, force=False):
        self.day += 1
        as_of = datetime(2026, 3, self.day, tzinfo=UTC)
        replace(self.runner, as_of=as_of).run(PIPELINE, force=force)

    def content(self):
        """Rows of the tables as text, by table."""
        text = "to_json(struct(*), map('ignoreNullFields', 'false'))"
        read = {table: self.store.read(table).selectExpr(text).collect() for table in TABLES}
        return {t.qualified_name: sorted(row[0] for row in rows) for t, rows in read.items()}

    def students_changed(self, *, after):
        """Ids of the students of whom an event came, went or changed after a version."""
        changes = self.store.changes(CANONICAL_LEARNING_EVENTS, after=after)
        keys = self.store.read(STUDENT_KEYS).select("student_id", "student_key")
        return {row[0] for row in changes.join(keys, "student_key").select("student_id").collect()}


def response(student, item, order, correct="1", **values):
    return {
        "student_id": student,
        "item_id": item,
        "response_order": str(order),
        "correct": correct,
        "skill_ids": "k1",
    } | values


def log(name):
    return {"assignment_log_id": name}


def action(name, problem, second, what):
    return {
        **log(name),
        "problem_id": problem,
        "timestamp": str(1_700_000_000 + second),
        "action": what,
    }


def detail(name, student):
    return {**log(name), "student_id": student, "class_id": "c1"}


def problem(name, skill):
    return {"problem_id": name, "problem_skill_code": skill, "problem_type": "Number"}


def statement(name, student, item, minute, **values):
    return {
        "statement_id": name,
        "student_id": student,
        "verb": "answered",
        "role": "response",
        "object_id": item,
        "answered_at": f"2026-01-05T08:{minute:02d}:00Z",
        "success": "true",
        "statement": "{}",
    } | values


def void(name, target, minute):
    return statement(name, "teacher", target, minute, verb="voided", role="void", success=None)


def csv(lake, *rows, **values):
    lake.land("responses_csv", bronze.RAW_RESPONSES, *rows, **values)


def cup(lake, table, *rows, **values):
    lake.land("edm_cup", table, *rows, **values)


def xapi(lake, *rows):
    lake.land("xapi", bronze.RAW_STATEMENTS, *rows)


def first_day(lake):
    csv(
        lake,
        response("ann", "i1", 1, latency_ms="9000"),
        response("ann", "i2", 2, "0", latency_ms="8000"),
        response("bob", "i1", 1, latency_ms="500"),
        response("cy", "i2", 1, student_group="north"),
        response("lea", "i1", 1),
        response("lea", "i2", 2),
        response("con", "i2", 2, "0"),
        response("rob", "i1", 1),
        response(None, "i1", 1),
    )
    owners = {"l1": "s1", "l2": "s2", "l3": " s3 ", "l4": "s4", "l5": "s5", "t6": "s6", "l6": "s6"}
    cup(lake, bronze.RAW_ASSIGNMENT_DETAILS, *(detail(*pair) for pair in owners.items()))
    cup(lake, bronze.RAW_PROBLEM_DETAILS, problem("p1", "k1"), problem("p2", None))
    cup(
        lake,
        bronze.RAW_ACTION_LOGS,
        action("l1", "p1", 0, "problem_started"),
        action("l1", "p1", 5, "wrong_response"),
        action("l2", "p1", 9, "correct_response"),
        action("l3", "p1", 9, "hint_requested"),
        action("l4", "p2", 9, "correct_response"),
        action("l5", "p1", 9, "correct_response"),
        action("l6", "p1", 9, "correct_response"),
        action("l8", "p1", 4, "correct_response"),
        action("l9", "p1", 3, "correct_response"),
    )
    cup(lake, bronze.RAW_UNIT_TEST_SCORES, {**log("t6"), "problem_id": "p1", "score": "1"})
    xapi(
        lake,
        statement("a", "xi", "q1", 1),
        statement("b", "yo", "q1", 2),
        statement("c", "yo", "q2", 3, success="false"),
        statement("d", "zed", "q1", 2),
        void("v1", "f", 4),
        statement("z", "xi", "q9", 5, verb="looked", role=None),
    )


def second_day(lake):
    csv(
        lake,
        response("dan", "i3", 1),
        response("lea", "i0", 0),  # before all others: everything is numbered anew
        response("rob", "i1", 1),  # again
        response("con", "i2", 2, "1"),  # contradicts
        response("", "i7", 3),
        response("cy", "i1", 2, latency_ms="60000", student_group="south"),  # i1 takes longer now
    )
    cup(
        lake,
        bronze.RAW_ACTION_LOGS,
        action("l1", "p1", 2, "hint_requested"),  # before the response there is
        action("l3", "p1", 12, "wrong_response"),
        action("l9", "p2", 1, "correct_response"),  # still of nobody
    )
    told = {"unit_test_assignment_log_id": "t6", "in_unit_assignment_log_id": "l6"}
    cup(lake, bronze.RAW_ASSIGNMENT_RELATIONSHIPS, told)
    xapi(
        lake,
        void("v2", "b", 20),  # by a teacher
        statement("f", "wu", "q1", 6),  # voided before it came
        statement("A", "xi", "q1", 1),  # again, in capitals
    )


def third_day(lake):
    csv(lake, response("bob", "i2", 5, skill_ids="k9", skill_names="new skill"))
    cup(lake, bronze.RAW_ASSIGNMENT_DETAILS, detail("l9", "s9"))
    # of two owners the first received counts: a file whose name stands before the other
    cup(lake, bronze.RAW_ASSIGNMENT_DETAILS, detail("l5", "s2"), file="a_file_before")
    cup(lake, bronze.RAW_PROBLEM_DETAILS, problem("p2", "k5"), file="a_catalogue_before")


TOUCHED = {
    "second_day": {"dan", "lea", "cy", "s1", " s3 ", "s6", "yo"},
    "third_day": {"bob", "s9", "s5", "s2", "s4"},
}


@dataclass(frozen=True)
class Days:
    """What days left.

    Attributes:
        touched: By day, ids of the students of whom an event came, went or changed.
        by_day: Content of the tables after the last of them, each of which worked out changes.
        whole: The same after everything was worked out again.
    """

    touched: dict[str, set[str]]
    by_day: dict[str, list[str]]
    whole: dict[str, list[str]]


class Earlier(datetime):
    """The clock of a machine that was set back."""

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) - timedelta(days=2)


@pytest.fixture(
    scope="module",
    params=[(second_day,), (second_day, third_day)],
    ids=["two", "three"],
)
def days(spark, tmp_path_factory, request):
    """No student is touched on two days: what one of them gets wrong is there at the end.

    Of three days, the second is by a clock that was set back: the third takes the first for the
    last that ran.
    """
    lake = Lake(spark, tmp_path_factory.mktemp("days"))
    first_day(lake)
    lake.run()
    touched = {}
    for day in request.param:
        before = lake.store.version(CANONICAL_LEARNING_EVENTS)
        day(lake)
        with pytest.MonkeyPatch.context() as patched:
            if day is not request.param[-1]:
                patched.setattr(runner, "datetime", Earlier)
            lake.run()
        touched[day.__name__] = lake.students_changed(after=before)
    by_day = lake.content()
    lake.run(force=True)
    return Days(touched, by_day, lake.content())


@pytest.mark.parametrize("table", [table.qualified_name for table in TABLES])
def test_days_leave_what_working_everything_out_leaves(days, table):
    assert days.by_day[table] == days.whole[table]
    assert days.whole[table]


def test_only_events_that_differ_are_written(days):
    """Of those whose rows were worked out again, some come out as they were: rob, con, xi.

    Were changes told from the run before the last, the third day would hold the second's, too.
    """
    assert days.touched == {day: TOUCHED[day] for day in days.touched}
    assert not TOUCHED["second_day"] & TOUCHED["third_day"]
