"""Rosters to classes, who is in them and who teaches them, and what they add to users."""

from typing import TYPE_CHECKING

from deepkt_irt.silver.events import class_key, no_ids, qualified
from deepkt_irt.silver.roster_records import account
from deepkt_irt.tables.rosters import CLASS_MEMBERSHIPS, CLASSES, ROSTER_TEACHERS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_DIGITS = 16  # of a pseudonym, as of a class


def memberships(told: "DataFrame", known: "DataFrame") -> "DataFrame":
    """Rows of silver.class_memberships: of matched students; nobody else has a key.

    Args:
        told: What `records` gives.
        known: Rows of restricted.roster_students.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    matched = known.filter("outcome = 'matched'").select("source", "user_id", "student_key")
    periods = _periods(told, "student").join(matched, ["source", "user_id"])
    return periods.withColumns(
        {"member_from": F.col("first"), "member_until": F.col("until")}
    ).select(*CLASS_MEMBERSHIPS.column_names)


def teachers(told: "DataFrame", *, by: str) -> "DataFrame":
    """Rows of restricted.roster_teachers: those of whom an account is known and not closed.

    Args:
        told: What `records` gives.
        by: Setting `roster.teacher`.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    people = told.filter("kind = 'users' AND coalesce(lower(enabled), 'true') <> 'false'")
    named = people.select(
        "source", F.col("id").alias("user_id"), F.lower(account(by)).alias("teacher")
    )
    periods = _periods(told, "teacher").join(named.na.drop(), ["source", "user_id"])
    return periods.withColumns(
        {"teaches_from": F.col("first"), "teaches_until": F.col("until")}
    ).select(*ROSTER_TEACHERS.column_names)


def classes(told: "DataFrame", known: "DataFrame") -> "DataFrame":
    """Rows of silver.classes.

    Args:
        told: What `records` gives.
        known: Rows of restricted.roster_students.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    courses = told.filter("kind = 'courses'").select(
        "source",
        F.col("id").alias("course_id"),
        F.col("grades").alias("course_grades"),
        F.col("subjects").alias("course_subjects"),
    )
    found = (
        told.filter("kind = 'classes'")
        .withColumn("class_id", F.col("id"))
        .join(courses, ["source", "course_id"], "left")
        .join(_terms(told).drop("class_ended_on"), ["source", "class_id"], "left")
        .join(_members(told, known), ["source", "class_id"], "left")
    )
    return found.select(
        class_key("class_id").alias("class_key"),
        "source",
        _pseudonym("school-", "org_ids").alias("school_key"),
        F.col("type").alias("class_type"),
        _listed(F.coalesce("grades", "course_grades")).alias("grades"),
        _listed(F.coalesce("subjects", "course_subjects")).alias("subjects"),
        "begins_on",
        F.least("ends_on", "ended_on").alias("ends_on"),
        F.coalesce("n_students", F.lit(0)).cast("bigint").alias("n_students"),
        F.coalesce("n_known", F.lit(0)).cast("bigint").alias("n_known"),
    ).select(*CLASSES.column_names)


def people(told: "DataFrame", known: "DataFrame") -> "DataFrame":
    """What rosters tell of matched students: student_key, grades, school_keys.

    Args:
        told: What `records` gives.
        known: Rows of restricted.roster_students.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    placed = told.filter("kind IN ('users', 'roles') AND ended_on IS NULL").select(
        "source", "user_id", F.explode(_listed("org_ids")).alias("org_id")
    )
    schools = told.filter("kind = 'orgs' AND lower(type) = 'school'").select(
        "source", F.col("id").alias("org_id")
    )
    of = placed.join(schools, ["source", "org_id"], "left_semi").groupBy("source", "user_id")
    keys = F.array_sort(F.collect_set(_pseudonym("school-", "org_id"))).alias("school_keys")
    users = told.filter("kind = 'users'").select("source", "user_id", "grades")
    matched = known.filter("outcome = 'matched'").select("source", "user_id", "student_key")
    joined = matched.join(users, ["source", "user_id"]).join(
        of.agg(keys), ["source", "user_id"], "left"
    )
    grades = F.when(F.col("grades").isNotNull(), _listed("grades"))
    return joined.select("student_key", grades.alias("grades"), "school_keys")


def with_people(users: "DataFrame", people: "DataFrame | None") -> "DataFrame":
    """Users with what rosters tell of them beside.

    Args:
        users: Rows of silver.users without grades and school_keys.
        people: What `people` gives; None where there is no roster.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    if people is not None:
        return users.join(people, "student_key", "left")
    unknown = F.lit(None).cast("array<string>")
    return users.withColumns({"grades": unknown, "school_keys": unknown})


def _members(told: "DataFrame", known: "DataFrame") -> "DataFrame":
    """How many students a class has, and of how many answers are known."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    matched = known.filter("outcome = 'matched'").select("source", "user_id").distinct()
    listed = _periods(told, "student").filter("stands").select("source", "class_id", "user_id")
    marked = listed.distinct().join(
        matched.withColumn("met", F.lit(1)), ["source", "user_id"], "left"
    )
    return marked.groupBy("source", "class_id").agg(
        F.count("*").alias("n_students"), F.count("met").alias("n_known")
    )


def _periods(told: "DataFrame", role: str) -> "DataFrame":
    """Enrolments of a role with the days they hold: of their own, else of the class's terms."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    enrolments = told.filter(f"kind = 'enrollments' AND lower(role) = '{role}'").select(
        "source", "id", "user_id", "class_id", "begin_date", "end_date", "ended_on"
    )
    users = told.filter("kind = 'users'").select(
        "source", F.col("id").alias("user_id"), F.col("ended_on").alias("user_ended_on")
    )
    timed = enrolments.join(_terms(told), ["source", "class_id"], "left").join(
        users, ["source", "user_id"], "left"
    )
    first = F.coalesce(F.to_date("begin_date"), "begins_on")
    planned = F.coalesce(F.to_date("end_date"), "ends_on")
    until = F.least(planned, "ended_on", "class_ended_on", "user_ended_on")
    periods = timed.select(
        "source",
        "user_id",
        "class_id",
        _pseudonym("enrolment-", "id").alias("membership_id"),
        class_key("class_id").alias("class_key"),
        first.alias("first"),
        until.alias("until"),
        F.col("ended_on").isNull().alias("stands"),
    )
    return periods.filter("coalesce(first < until, true)")  # else it ended before it began


def _terms(told: "DataFrame") -> "DataFrame":
    """Classes with the days of their terms, and when the class itself ended."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    classes = told.filter("kind = 'classes'").select(
        "source",
        F.col("id").alias("class_id"),
        F.col("ended_on").alias("class_ended_on"),
        F.explode_outer(_listed("term_ids")).alias("term_id"),
    )
    terms = told.filter("kind = 'academicSessions' AND ended_on IS NULL").select(
        "source",
        F.col("id").alias("term_id"),
        F.to_date("begin_date").alias("begins_on"),
        F.to_date("end_date").alias("ends_on"),
    )
    return (
        classes.join(terms, ["source", "term_id"], "left")
        .groupBy("source", "class_id", "class_ended_on")
        .agg(F.min("begins_on").alias("begins_on"), F.max("ends_on").alias("ends_on"))
    )


def _listed(values: "Column | str") -> "Column":
    """A list with commas as an array, trimmed, without empty parts; of null, an empty one."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    parts = F.split(F.trim(values), r"\s*,\s*")
    return F.coalesce(F.filter(parts, lambda part: part != ""), no_ids())


def _pseudonym(prefix: str, column: str) -> "Column":
    """What stands for an id of the source; null stays null."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.concat(F.lit(prefix), F.substring(F.sha2(qualified(column), 256), 1, _DIGITS))
