"""Task transform_silver: bronze to events, users, items, skills, splits, behaviour and classes."""

from typing import TYPE_CHECKING

from deepkt_irt.errors import QualityViolation
from deepkt_irt.governance.pseudonyms import new_student_keys
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.reading import counts, held_if_few
from deepkt_irt.jobs.silver_input import Found, found_in_bronze
from deepkt_irt.jobs.silver_rosters import ROSTER_TABLES, refresh_people, write_rosters
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.jobs.together import together
from deepkt_irt.silver import dimensions
from deepkt_irt.silver.behaviour import (
    PATTERNS,
    judged_otherwise,
    response_behaviour,
    usual_times,
)
from deepkt_irt.silver.events import DELIVERED_BEFORE, events, identified, named, refused
from deepkt_irt.silver.rosters import with_people
from deepkt_irt.silver.splits import user_splits
from deepkt_irt.sources.canonical import OWNER, owner
from deepkt_irt.tables import bronze
from deepkt_irt.tables.ops import QUARANTINE
from deepkt_irt.tables.quality import matching
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    CANONICAL_RESPONSES,
    ITEM_TIMES,
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
    CANONICAL_RESPONSES,
    STUDENT_KEYS,
    CANONICAL_LEARNING_EVENTS,
    ITEM_TIMES,
    RESPONSE_BEHAVIOUR,
    USERS,
    USER_SPLITS,
    ITEMS,
    SKILLS,
    *ROSTER_TABLES,
    QUARANTINE,
)


@task(reads=(*bronze.TABLES, *_WRITES), writes=_WRITES)
def transform_silver(ctx: JobContext) -> Metrics:
    """Bring the silver tables up to date with bronze, under pseudonyms.

    Only students whom new bronze rows can concern are worked out again; everybody is at the first
    run, after other settings, another version of the package or an erasure. The tables are the
    same either way. Safe to run again: each table is written in one commit, and a student's key
    is made once and never changes. Responses that name no student, repeat an event or contradict
    one go to ops.quarantine. How questions were answered is judged beside all events so far, and
    responses that are no evidence of ability are marked, not taken out. A roster makes nobody a
    student: whose answers are not known is counted, and stands in restricted.roster_students.
    Stops with QualityViolation, leaving the old tables, if no event is left.
    """
    found = found_in_bronze(ctx)
    # written, so that all that follows reads what was worked out once
    ctx.overwrite(CANONICAL_RESPONSES, found.told)
    told = ctx.read(CANONICAL_RESPONSES)
    keys = new_student_keys(named(told), ctx.read(STUDENT_KEYS), created_at=ctx.as_of)
    ctx.insert_new(STUDENT_KEYS, keys)
    # a student has a key only through a response that becomes an event: no need to map all again
    if ctx.read(STUDENT_KEYS).isEmpty():
        raise QualityViolation(
            CANONICAL_LEARNING_EVENTS.qualified_name,
            "no event is left: no response names a student and an item",
        )
    # read back: the keys above are random, another evaluation would give others
    owned = identified(told, ctx.read(STUDENT_KEYS))
    students = _students(ctx, found)
    ctx.refresh(CANONICAL_LEARNING_EVENTS, events(owned), within=students)
    of_rosters, of_skills, *_ = together(
        lambda: _people(ctx, students),
        lambda: _skills(ctx, found),
        lambda: _items(ctx, found),
        lambda: _behaviour(ctx, students),
        lambda: _quarantine(ctx, refused(owned), found.owners),
    )
    return {**_metrics(ctx), **of_skills, **of_rosters}


def _students(ctx: JobContext, found: Found) -> "list[DataFrame] | None":
    """Keys of the students worked out again; None: of all."""
    if found.owners is None:
        return None
    keys = ctx.read(STUDENT_KEYS).select("source", owner("student_id"), "student_key")
    return [keys.join(found.owners, ["source", OWNER], "left_semi").select("student_key")]


def _behaviour(ctx: JobContext, students: "list[DataFrame] | None") -> Metrics:
    """Judge how questions were answered: of those students, and where usual times moved.

    By which times events were judged is noted last, so that a run that is cut off judges again.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    all_events, settings = ctx.read(CANONICAL_LEARNING_EVENTS), ctx.settings.behaviour
    before = ctx.read(ITEM_TIMES).select("item_id", "judged_ms")
    now = usual_times(all_events, settings).join(before, "item_id", "full")
    ctx.overwrite(
        ITEM_TIMES, now.withColumn("n_times", F.coalesce("n_times", F.lit(0).cast("bigint")))
    )
    times = ctx.read(ITEM_TIMES)
    if students is not None:
        moved = judged_otherwise(all_events, times, settings)
        students = [*students, held_if_few(moved)]
    theirs = all_events if students is None else matching(all_events, students)
    ctx.refresh(RESPONSE_BEHAVIOUR, response_behaviour(theirs, times, settings), within=students)
    ctx.overwrite(
        ITEM_TIMES, times.filter("usual_ms IS NOT NULL").withColumn("judged_ms", F.col("usual_ms"))
    )
    return {}


def _quarantine(ctx: JobContext, rejected: "DataFrame", owners: "DataFrame | None") -> Metrics:
    """Write the refused rows; one refused in an earlier run keeps the instant of that run."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    stage = F.lit(_STAGE).alias("stage")
    row = [name for name in QUARANTINE.key if name != "stage"]
    mine = ctx.read(QUARANTINE).filter(f"stage = '{_STAGE}'")
    noted = mine.groupBy(*row).agg(F.min("quarantined_at").alias("before"))
    rows = (
        rejected.distinct()
        .join(noted, row, "left")
        .withColumns({"stage": stage, "quarantined_at": F.coalesce("before", F.lit(ctx.as_of))})
        .drop("before")
    )
    if owners is None:
        ctx.replace(QUARANTINE, rows, where=f"stage = '{_STAGE}'")
    else:
        ctx.refresh(QUARANTINE, rows, within=[owners.withColumn("stage", stage)])
    return {}


def _people(ctx: JobContext, students: "list[DataFrame] | None") -> Metrics:
    """Write rosters, users and splits."""
    rostered = write_rosters(ctx)
    written, keys = ctx.read(CANONICAL_LEARNING_EVENTS), ctx.read(STUDENT_KEYS)
    theirs = written if students is None else matching(written, students)
    groups = dimensions.student_groups(ctx.read(CANONICAL_RESPONSES), keys)
    users = with_people(dimensions.users(theirs, groups), rostered.people)
    ctx.refresh(USERS, users, within=students)
    if students is not None:
        refresh_people(ctx, rostered.people)
    present = keys.join(theirs.select("student_key").distinct(), "student_key")
    ctx.refresh(USER_SPLITS, user_splits(present, ctx.settings.split), within=students)
    return rostered.metrics


def _items(ctx: JobContext, found: Found) -> Metrics:
    ctx.overwrite(ITEMS, dimensions.items(found.items, ctx.read(CANONICAL_LEARNING_EVENTS)))
    return {}


def _skills(ctx: JobContext, found: Found) -> Metrics:
    """Write the skills; returns how many prerequisites were unusable."""
    listed = dimensions.skills(found.skills, ctx.read(CANONICAL_LEARNING_EVENTS))
    # they are few, and the search for cycles needs them all at once
    usable, dropped = dimensions.with_usable_prerequisites(listed.orderBy("skill_id").toPandas())
    ctx.overwrite(SKILLS, ctx.frame(SKILLS, usable))
    return {"skill_edges_dropped": dropped}


def _metrics(ctx: JobContext) -> Metrics:
    mine = ctx.read(QUARANTINE).filter(f"stage = '{_STAGE}'")
    seen = {f"responses_{pattern}": pattern for pattern in PATTERNS}
    return counts(
        (ctx.read(CANONICAL_LEARNING_EVENTS), {"events": "true", "ungraded": "correct IS NULL"}),
        (ctx.read(ITEMS), {"items": "true", "items_not_in_catalogue": "NOT in_catalogue"}),
        (mine, {"rejected": "true", "duplicates": f"reason RLIKE '{DELIVERED_BEFORE}'"}),
        (
            ctx.read(RESPONSE_BEHAVIOUR),
            {"responses_judged": "true", "responses_excluded": "is_excluded", **seen},
        ),
        (ctx.read(USERS), {"students": "true"}),
        (ctx.read(SKILLS), {"skills": "true"}),
    )
