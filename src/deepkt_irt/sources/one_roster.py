"""OneRoster 1.1 and 1.2: the CSV files a student information system says who is in which class by.

A roster has no responses. What it tells of classes and students is worked out in silver, because
what a record says depends on the deliveries before and after it. Names, telephone numbers and
passwords are not read; files that nothing is made of, such as demographics, have no layout.
"""

from typing import TYPE_CHECKING

from deepkt_irt.sources.canonical import (
    ITEMS,
    RESPONSES,
    SKILLS,
    Canonical,
    Raw,
    Scope,
    conform,
    owner,
    rejected_rows,
    told,
)
from deepkt_irt.sources.layout import Field, Layout, Source, day, instant
from deepkt_irt.tables.bronze import RAW_ROSTERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_TABLE = RAW_ROSTERS.qualified_name
_STATUS = frozenset({"active", "inactive", "tobedeleted"})  # inactive: 1.0, and files in the wild
_REFERENCES = {"class_id": "classes", "user_id": "users"}  # of an enrolment, to another file


def status(value: str) -> str | None:
    """A rule: the value is a status of a record."""
    is_known = value.strip(" ").lower() in _STATUS
    return None if is_known else "expected active or tobedeleted"


def _read(header: str, column: str) -> Field:
    """A column that a version or an exporter may leave out."""
    return Field(header, column, required=False)


_DAYS = (
    Field("beginDate", "begin_date", required=False, rule=day),
    Field("endDate", "end_date", required=False, rule=day),
)


def _file(name: str, *fields: Field, id_column: str = "sourced_id") -> Layout:
    """A file of the specification, also with an ending to its name: users-2026-09-01.csv."""
    stem = name.lower()
    return Layout(
        table=RAW_ROSTERS,
        patterns=(f"{stem}.csv", f"{stem}-*.csv", f"{stem}_*.csv"),
        fields=(
            Field("sourcedId", id_column, filled=True),
            Field("status", "status", required=False, rule=status),
            Field("dateLastModified", "date_last_modified", required=False, rule=instant),
            *fields,
        ),
        constants={"kind": name},
    )


_MANIFEST = Layout(
    table=RAW_ROSTERS,
    patterns=("manifest.csv", "manifest-*.csv", "manifest_*.csv"),
    fields=(Field("propertyName", "property", filled=True), Field("value", "value")),
    constants={"kind": "manifest"},
)

LAYOUTS = (
    _MANIFEST,
    _file("orgs", _read("type", "type")),
    _file(
        "academicSessions",
        _read("type", "type"),
        Field("startDate", "begin_date", rule=day),
        Field("endDate", "end_date", rule=day),
    ),
    _file("courses", _read("grades", "grades"), _read("subjects", "subjects")),
    _file(
        "classes",
        _read("grades", "grades"),
        _read("subjects", "subjects"),
        _read("courseSourcedId", "course_id"),
        _read("classType", "type"),
        Field("schoolSourcedId", "org_ids"),
        _read("termSourcedIds", "term_ids"),
    ),
    _file(
        "users",
        _read("enabledUser", "enabled"),
        _read("orgSourcedIds", "org_ids"),  # 1.1; since 1.2 roles.csv says it
        _read("role", "role"),  # 1.1; since 1.2 roles.csv says it
        _read("username", "username"),
        _read("userIds", "user_ids"),
        _read("identifier", "identifier"),
        _read("email", "email"),
        _read("agentSourcedIds", "agent_ids"),
        _read("grades", "grades"),
        id_column="user_id",
    ),
    _file(
        "roles",
        Field("userSourcedId", "user_id", filled=True),
        Field("role", "role", filled=True),
        *_DAYS,
        _read("orgSourcedId", "org_ids"),
    ),
    _file(  # one to be deleted may come with nothing but its id, and has to be heard
        "enrollments",
        Field("userSourcedId", "user_id"),
        Field("classSourcedId", "class_id"),
        Field("role", "role"),
        *_DAYS,
    ),
)


def canonical(raw: Raw) -> Canonical:
    """No response, item or skill. Refused are enrolments in a class or of a user nobody told of."""
    rosters = raw[_TABLE]
    nothing = rosters.filter("false")
    return Canonical(
        told=told(conform(nothing, RESPONSES), *_dangling(rosters)),
        items=conform(nothing, ITEMS),
        skills=conform(nothing, SKILLS),
    )


def _dangling(rosters: "DataFrame") -> "list[DataFrame]":
    """Enrolments that name what no file has, by the column at fault."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    standing = (
        "kind = 'enrollments' AND NOT lower(coalesce(status, '')) IN ('tobedeleted', 'inactive')"
    )
    enrolments = rosters.filter(standing).withColumn(
        "student_id",
        F.lit(None).cast("string"),  # nobody's, as the roster is judged as a whole
    )
    refused = []
    for column, file in _REFERENCES.items():
        there = rosters.filter(F.col("kind") == file)
        known = there.select(F.trim(F.coalesce("sourced_id", "user_id")).alias("known")).distinct()
        missing = enrolments.join(known, F.trim(column) == F.col("known"), "left_anti")
        reason = f"coalesce(concat('no {file}.csv has ', {column}), '{column} is empty')"
        refused.append(rejected_rows(missing, table_name=_TABLE, column=column, reason=reason))
    return refused


def touched(_: Raw, new: Raw) -> "DataFrame":
    """No student: a roster is judged as a whole."""
    return new[_TABLE].filter("false").select(owner("user_id"))


def of_owners(raw: Raw, _: "DataFrame") -> Raw:
    """The whole roster, of which nobody owns a part."""
    return raw


SOURCE = Source(
    name="one_roster", layouts=LAYOUTS, canonical=canonical, scope=Scope(touched, of_owners)
)
