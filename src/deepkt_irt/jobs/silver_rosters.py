"""What transform_silver writes of rosters: worked out anew each time, written where it differs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics
from deepkt_irt.silver import rosters
from deepkt_irt.silver.roster_records import records, students
from deepkt_irt.sources import one_roster
from deepkt_irt.tables.bronze import RAW_ROSTERS
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.rosters import CLASS_MEMBERSHIPS, CLASSES, ROSTER_STUDENTS, ROSTER_TEACHERS
from deepkt_irt.tables.silver import STUDENT_KEYS, USERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROSTER_TABLES = (ROSTER_STUDENTS, ROSTER_TEACHERS, CLASSES, CLASS_MEMBERSHIPS)


@dataclass(frozen=True)
class Rostered:
    """What rosters say.

    Attributes:
        people: What users gain, as `rosters.people` gives it; None where there is no roster.
        metrics: Students of rosters by learning system and outcome of looking for them there.
    """

    people: "DataFrame | None"
    metrics: Metrics


def write_rosters(ctx: JobContext) -> Rostered:
    """Write the tables that are made of rosters, if there ever was one."""
    if not (_has_rows(ctx, RAW_ROSTERS) or _has_rows(ctx, ROSTER_STUDENTS)):
        return Rostered(None, {})
    by, keys, told = ctx.settings.roster, ctx.read(STUDENT_KEYS), records(ctx.read(RAW_ROSTERS))
    _write(ctx, ROSTER_STUDENTS, students(told, keys, by=by.student))
    known = ctx.read(ROSTER_STUDENTS)
    _write(ctx, ROSTER_TEACHERS, rosters.teachers(told, by=by.teacher))
    _write(ctx, CLASSES, rosters.classes(told, known))
    _write(ctx, CLASS_MEMBERSHIPS, rosters.memberships(told, known))
    outcomes = known.groupBy("known_source", "outcome").count().collect()
    metrics = {f"roster_{row[1]}_{row[0]}": float(row[2]) for row in outcomes}
    return Rostered(rosters.people(told, known), metrics)


def _has_rows(ctx: JobContext, table: Table) -> bool:
    return ctx.version(table) is not None and not ctx.read(table).isEmpty()


def _write(ctx: JobContext, table: Table, rows: "DataFrame") -> None:
    """Write what differs: a whole roster says mostly what it said the day before."""
    source = ctx.spark.createDataFrame([(one_roster.SOURCE.name,)], "source string")
    ctx.refresh(table, rows, within=[source])


def refresh_people(ctx: JobContext, people: "DataFrame | None") -> None:
    """Bring what rosters tell of users up to date, for those without a new response, too."""
    if people is None:
        return
    users = ctx.read(USERS)
    told = rosters.with_people(users.drop("grades", "school_keys"), people)
    before = users.select(
        "student_key", users["grades"].alias("g"), users["school_keys"].alias("s")
    )
    both = told.join(before, "student_key")
    moved = both.filter("NOT (grades <=> g AND school_keys <=> s)").select("student_key")
    ctx.refresh(USERS, told, within=[moved])
