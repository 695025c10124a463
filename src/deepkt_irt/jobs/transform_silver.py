"""Task transform_silver: bronze to events, users, items, skills, splits, behaviour and classes."""

from functools import reduce
from typing import TYPE_CHECKING

from deepkt_irt.errors import QualityViolation
from deepkt_irt.governance.pseudonyms import new_student_keys
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.silver import dimensions, roster_records, rosters
from deepkt_irt.silver.behaviour import PATTERNS, response_behaviour
from deepkt_irt.silver.events import DELIVERED_BEFORE, events, identified, named, refused
from deepkt_irt.silver.splits import user_splits
from deepkt_irt.sources.canonical import Canonical
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.tables import bronze
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.ops import QUARANTINE
from deepkt_irt.tables.rosters import CLASS_MEMBERSHIPS, CLASSES, ROSTER_STUDENTS, ROSTER_TEACHERS
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    ITEMS,
    RESPONSE_BEHAVIOUR,
    SKILLS,
    STUDENT_KEYS,
    USER_SPLITS,
    USERS,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_STAGE = "transform_silver"
_WRITES = (
    STUDENT_KEYS,
    CANONICAL_LEARNING_EVENTS,
    RESPONSE_BEHAVIOUR,
    USERS,
    USER_SPLITS,
    ITEMS,
    SKILLS,
    ROSTER_STUDENTS,
    ROSTER_TEACHERS,
    CLASSES,
    CLASS_MEMBERSHIPS,
    QUARANTINE,
)


@task(reads=(*bronze.TABLES, *_WRITES), writes=_WRITES)
def transform_silver(ctx: JobContext) -> Metrics:
    """Rebuild the silver tables from all of bronze, under pseudonyms.

    Safe to run again: each table is replaced in one commit; a student's key is made once and
    never changes. Responses that name no student, repeat an event or contradict one go to
    ops.quarantine. How questions were answered is judged beside all events so far, and responses
    that are no evidence of ability are marked, not taken out. A roster makes nobody a student: who
    is known by no answer is counted, and stands in restricted.roster_students. Stops with
    QualityViolation, leaving the old tables, if no event is left.
    """
    found = _canonical(ctx)
    students = named(found.responses)
    keys = new_student_keys(students, ctx.read(STUDENT_KEYS), created_at=ctx.as_of)
    ctx.insert_new(STUDENT_KEYS, keys)
    # a student has a key only through a response that becomes an event: no need to map all again
    if ctx.read(STUDENT_KEYS).isEmpty():
        raise QualityViolation(
            CANONICAL_LEARNING_EVENTS.qualified_name,
            "no event is left: no response names a student and an item",
        )
    # read back: the keys above are random, another evaluation would give others
    owned = identified(found.responses, ctx.read(STUDENT_KEYS))
    ctx.overwrite(CANONICAL_LEARNING_EVENTS, events(owned))
    behaviour = response_behaviour(ctx.read(CANONICAL_LEARNING_EVENTS), ctx.settings.behaviour)
    ctx.overwrite(RESPONSE_BEHAVIOUR, behaviour)
    _quarantine(ctx, _union([refused(owned), found.rejected]))
    met, people = _rosters(ctx)
    dropped = _dimensions(ctx, found, people)
    return {**_metrics(ctx), "skill_edges_dropped": dropped, **met}


def _canonical(ctx: JobContext) -> Canonical:
    """What every source present in bronze says, put together."""
    raw = {table.qualified_name: ctx.read(table) for table in bronze.TABLES}
    sources = _union([frame.select("_source").distinct() for frame in raw.values()])
    present = sorted(row[0] for row in sources.distinct().collect())
    if not present:
        raise QualityViolation("bronze", "there are no rows; run ingest_bronze on some files first")
    each = [
        source_named(name).canonical(
            {table: frame.filter(frame["_source"] == name) for table, frame in raw.items()}
        )
        for name in present
    ]
    return Canonical(
        responses=_union([one.responses for one in each]),
        items=_union([one.items for one in each]),
        skills=_union([one.skills for one in each]),
        rejected=_union([one.rejected for one in each]),
    )


def _union(frames: list["DataFrame"]) -> "DataFrame":
    return reduce(lambda a, b: a.unionByName(b), frames)


def _quarantine(ctx: JobContext, rejected: "DataFrame") -> None:
    """Write the refused rows; one refused in an earlier run keeps the instant of that run."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    row = [name for name in QUARANTINE.key if name != "stage"]
    mine = ctx.read(QUARANTINE).filter(f"stage = '{_STAGE}'")
    noted = mine.groupBy(*row).agg(F.min("quarantined_at").alias("before"))
    rows = (
        rejected.distinct()
        .join(noted, row, "left")
        .withColumns(
            {"stage": F.lit(_STAGE), "quarantined_at": F.coalesce("before", F.lit(ctx.as_of))}
        )
    )
    ctx.replace(QUARANTINE, rows.drop("before"), where=f"stage = '{_STAGE}'")


def _rosters(ctx: JobContext) -> tuple[Metrics, "DataFrame | None"]:
    """Write what rosters say; returns figures, and what users gain: None where there is none."""
    if not (_has_rows(ctx, bronze.RAW_ROSTERS) or _has_rows(ctx, ROSTER_STUDENTS)):
        return {}, None
    by, keys = ctx.settings.roster, ctx.read(STUDENT_KEYS)
    told = roster_records.records(ctx.read(bronze.RAW_ROSTERS))
    ctx.overwrite(ROSTER_STUDENTS, roster_records.students(told, keys, by=by.student))
    students = ctx.read(ROSTER_STUDENTS)
    ctx.overwrite(ROSTER_TEACHERS, rosters.teachers(told, by=by.teacher))
    ctx.overwrite(CLASSES, rosters.classes(told, students))
    ctx.overwrite(CLASS_MEMBERSHIPS, rosters.memberships(told, students))
    outcomes = students.groupBy("known_source", "outcome").count().collect()
    figures = {f"roster_{row[1]}_{row[0]}": float(row[2]) for row in outcomes}
    return figures, rosters.people(told, students)


def _has_rows(ctx: JobContext, table: Table) -> bool:
    return ctx.version(table) is not None and not ctx.read(table).isEmpty()


def _dimensions(ctx: JobContext, found: Canonical, people: "DataFrame | None") -> int:
    """Write users, splits, items and skills; returns how many prerequisites were unusable."""
    written = ctx.read(CANONICAL_LEARNING_EVENTS)
    present = written.select("student_key").distinct()
    groups = dimensions.student_groups(found.responses, ctx.read(STUDENT_KEYS))
    users = dimensions.users(written, groups)
    ctx.overwrite(USERS, rosters.with_people(users, people))
    students = ctx.read(STUDENT_KEYS).join(present, "student_key")
    ctx.overwrite(USER_SPLITS, user_splits(students, ctx.settings.split))
    ctx.overwrite(ITEMS, dimensions.items(found.items, written))
    # skills are few: the search for cycles needs them all at once
    skills = dimensions.skills(found.skills, written).orderBy("skill_id").toPandas()
    usable, dropped = dimensions.with_usable_prerequisites(skills)
    ctx.overwrite(SKILLS, ctx.frame(SKILLS, usable))
    return dropped


def _metrics(ctx: JobContext) -> Metrics:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    def counts(frame: "DataFrame", **conditions: str) -> Metrics:
        """Rows that meet each condition."""
        asked = [F.count_if(F.expr(text)).alias(name) for name, text in conditions.items()]
        row = frame.agg(*asked).first()
        return {name: float(row[name]) if row else 0.0 for name in conditions}

    mine = ctx.read(QUARANTINE).filter(f"stage = '{_STAGE}'")
    seen = {f"responses_{pattern}": pattern for pattern in PATTERNS}
    return {
        **counts(ctx.read(CANONICAL_LEARNING_EVENTS), events="true", ungraded="correct IS NULL"),
        **counts(ctx.read(ITEMS), items="true", items_not_in_catalogue="NOT in_catalogue"),
        **counts(mine, rejected="true", duplicates=f"reason RLIKE '{DELIVERED_BEFORE}'"),
        **counts(
            ctx.read(RESPONSE_BEHAVIOUR),
            responses_judged="true",
            responses_excluded="is_excluded",
            **seen,
        ),
        "students": ctx.read(USERS).count(),
        "skills": ctx.read(SKILLS).count(),
    }
