"""What views let through, by who asks."""

import re

import pytest

from conftest import rows
from deepkt_irt.governance.access import (
    Kind,
    Roles,
    may_see_student,
    rows_seen,
    statements,
)
from deepkt_irt.tables.contract import Layer
from deepkt_irt.tables.rosters import CLASS_MEMBERSHIPS, ROSTER_TEACHERS
from deepkt_irt.tables.silver import CLASS_TEACHERS, USERS

pytestmark = pytest.mark.spark

ROLES = Roles("engineers", "analysts", "teachers", "officers", "pipeline-id")
SCHEMAS = {layer: layer.value for layer in Layer}
STUDENTS = {"ann": ["class-1", "class-2"], "bob": ["class-2"], "cid": ["class-3"], "dan": []}


@pytest.fixture
def user(spark):
    """The account name of who asks, as Spark gives it."""
    return spark.sql("SELECT current_user()").first()[0]


@pytest.fixture
def member_of(spark):
    """Puts who asks into groups; only Databricks has the function itself."""

    def join(*groups):
        known = ", ".join(f"'{group}'" for group in ("nobody", *groups))
        spark.sql(
            "CREATE OR REPLACE TEMPORARY FUNCTION is_account_group_member(g STRING) "
            f"RETURNS BOOLEAN RETURN g IN ({known})"
        )

    join()
    yield join
    spark.sql("DROP TEMPORARY FUNCTION IF EXISTS is_account_group_member")


@pytest.fixture
def teach(spark, user):
    """Fills the mapping: classes of who asks; another teacher has all of them.

    Views stand for the tables that the filter reads by the names a catalog gives them.
    """
    nobody = "('nobody', 'class-1', DATE'2026-01-01', CAST(NULL AS date))"

    def view(table, columns, values):
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS {table.layer.value}")
        rows = f"SELECT * FROM VALUES {', '.join(values)} AS v({columns})"  # noqa: S608
        spark.sql(f"CREATE OR REPLACE VIEW {table.qualified_name} AS {rows}")

    def fill(*classes):
        taught = [(key, user) for key in classes]
        taught += [(f"class-{i}", "someone.else@district") for i in (1, 2, 3)]
        view(CLASS_TEACHERS, "class_key, teacher", [str(each) for each in taught])

    classes = {key: ", ".join(map(repr, each)) for key, each in STUDENTS.items()}
    users = [f"('{key}', CAST(array({each}) AS array<string>))" for key, each in classes.items()]
    view(USERS, "student_key, class_keys", users)
    view(CLASS_MEMBERSHIPS, "student_key, class_key, member_from, member_until", [nobody])
    view(ROSTER_TEACHERS, "teacher, class_key, teaches_from, teaches_until", [nobody])
    fill()
    yield fill
    for table in (USERS, CLASS_TEACHERS, CLASS_MEMBERSHIPS, ROSTER_TEACHERS):
        spark.sql(f"DROP VIEW {table.qualified_name}")


@pytest.fixture
def seen(spark, teach, member_of):
    """The students a filtered table shows, one of them met nowhere else."""

    def ask(roles=ROLES):
        keys = [(key,) for key in (*STUDENTS, "unknown")]
        marks = spark.createDataFrame(keys, "student_key string").alias("m")
        condition = may_see_student(roles, "m.student_key", schemas=SCHEMAS)
        return [key for (key,) in rows(marks.filter(condition), "student_key")]

    return ask


def test_may_see_student_shows_a_teacher_the_own_classes_once(seen, teach, member_of):
    member_of("teachers")
    teach("class-1", "class-2")

    assert seen() == ["ann", "bob"]


PAST, NOW, OPEN = (-9, 0), (0, 1), (None, None)  # days from today; the end is exclusive


@pytest.fixture
def listed(spark, user, teach):
    """Lets a roster say when dan is in a class, and when who asks teaches it."""

    def view(table, who, value, period):
        asked = (f"current_date() + {each}" if each is not None else "NULL" for each in period)
        days = ", ".join(f"CAST({each} AS date)" for each in asked)
        first, end = table.column_names[-2:]
        row = f"VALUES ('{value}', 'class-roster', {days}) AS v({who}, class_key, {first}, {end})"
        name = table.qualified_name
        spark.sql(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {row}")  # noqa: S608

    def say(member, teacher):
        view(CLASS_MEMBERSHIPS, "student_key", "dan", member)
        view(ROSTER_TEACHERS, "teacher", user.lower(), teacher)

    return say


@pytest.mark.parametrize(
    ("member", "teacher", "shown"),
    [
        (NOW, OPEN, ["dan"]),
        (OPEN, NOW, ["dan"]),
        (PAST, OPEN, []),
        (OPEN, PAST, []),
        ((1, None), OPEN, []),  # begins tomorrow
    ],
)
def test_may_see_student_follows_a_roster_to_the_day(
    seen, listed, member_of, member, teacher, shown
):
    listed(member, teacher)
    member_of("teachers")

    assert seen() == shown


@pytest.mark.parametrize("classes", [(), ("class-9",)])
def test_may_see_student_shows_nobody_to_a_teacher_without_students(
    seen, teach, member_of, classes
):
    member_of("teachers")
    teach(*classes)

    assert seen() == []


def test_may_see_student_shows_strangers_nothing(seen):
    assert seen() == []


@pytest.mark.parametrize("group", ["engineers", "analysts", "officers", "pipeline-id"])
def test_may_see_student_shows_everybody_to_trusted_groups(seen, member_of, group):
    member_of(group)

    assert seen() == ["ann", "bob", "cid", "dan", "unknown"]


def test_may_see_student_knows_the_pipeline_by_its_own_name(seen, user):
    pipeline = Roles("engineers", "analysts", "teachers", "officers", user)

    assert seen(pipeline) == ["ann", "bob", "cid", "dan", "unknown"]


@pytest.fixture
def functions(spark, teach):
    """The functions as temporary ones: a local catalog keeps none that ask a table."""
    made = [each for each in statements([], ROLES, SCHEMAS) if each.kind is Kind.FUNCTION]
    names = [each.subject.rpartition(".")[2] for each in made]
    for each, name in zip(made, names, strict=True):
        schema = each.subject.rpartition(".")[0]
        sql = each.sql.replace("FUNCTION", "TEMPORARY FUNCTION", 1)
        spark.sql(sql.replace(f"`{schema}`.`{name}`", name, 1))
    yield lambda sql: re.sub(r"`\w+`\.`(may_see_\w+)`", r"\1", sql)
    for name in names:
        spark.sql(f"DROP TEMPORARY FUNCTION {name}")


def test_a_view_shows_of_a_students_classes_the_own_ones(spark, teach, member_of, functions):
    def asked():
        found = spark.sql(f"SELECT * FROM {functions(rows_seen(USERS, SCHEMAS))}")  # noqa: S608
        return {row["student_key"]: sorted(row["class_keys"]) for row in found.collect()}

    everything = {key: sorted(classes) for key, classes in STUDENTS.items()}
    member_of("teachers")
    teach("class-1")

    own = asked()

    assert own == {key: ["class-1"] for key, each in everything.items() if "class-1" in each}
    member_of("analysts")
    assert asked() == everything
