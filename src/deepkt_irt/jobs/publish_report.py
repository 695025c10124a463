"""Task publish_report: one HTML page that needs no network."""

from datetime import UTC

from deepkt_irt.errors import BackendUnavailable
from deepkt_irt.jobs import report_parts as parts
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.report_students import READS, spread_over_ability, student_pages
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.reporting.report_data import Overview, ReportData
from deepkt_irt.reporting.run_report import render
from deepkt_irt.tables.gold import MODEL_EVALUATIONS
from deepkt_irt.tables.gold_items import ITEM_PARAMETERS
from deepkt_irt.tables.ops import INGEST_AUDIT, QUARANTINE
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS, USER_SPLITS, USERS

_STUDENTS = 12
_LAST_ANSWERS = 12
_READS = (*READS, ITEM_PARAMETERS, MODEL_EVALUATIONS, INGEST_AUDIT, QUARANTINE)


@task(reads=_READS, writes=())
def publish_report(ctx: JobContext) -> Metrics:
    """Write the report page from the tables as they stand.

    Safe to run again: the page is replaced whole. What the data does not hold is said on it.
    """
    page = render(_report_data(ctx)).encode()
    target = ctx.report_path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"_{target.name}.part")
        partial.write_bytes(page)
        partial.replace(target)
    except OSError as error:
        raise BackendUnavailable(f"report {target} cannot be written ({error.strerror})") from error
    return {"bytes": len(page)}


def _report_data(ctx: JobContext) -> ReportData:
    version = parts.latest_calibration(ctx)
    known = parts.items(ctx, version)
    files, heat_map = parts.files(ctx), parts.heat_map(ctx)
    overview, missing = _overview(ctx, n_files=len(files))
    if heat_map is not None and not heat_map.classes_known:
        missing = (*missing, "No classes are named: all students stand together.")
    chosen = spread_over_ability(ctx.read, n=_STUDENTS)
    return ReportData(
        overview=overview,
        files=files,
        refusals=parts.refusals(ctx),
        items=tuple(known.values()),
        calibration_version=version,
        abilities=parts.abilities(ctx, version),
        ability_band=parts.ABILITY_BAND,
        curves=parts.curves(ctx, version, known),
        evaluations=parts.evaluations(ctx),
        heat_map=heat_map,
        students=student_pages(ctx.read, chosen, last_answers=_LAST_ANSWERS),
        missing=missing,
    )


def _overview(ctx: JobContext, *, n_files: int) -> tuple[Overview, tuple[str, ...]]:
    """The lake in figures, and sentences about what it lacks."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    events = ctx.read(CANONICAL_LEARNING_EVENTS)
    row = events.agg(
        F.count("*").alias("events"),
        F.count("correct").alias("graded"),
        F.count("answered_at").alias("timed"),
        F.count("latency_ms").alias("with_latency"),
        F.count("hint_count").alias("with_hints"),
        F.date_format(F.min("answered_at"), "yyyy-MM-dd").alias("first"),
        F.date_format(F.max("answered_at"), "yyyy-MM-dd").alias("last"),
        F.array_sort(F.collect_set("source")).alias("sources"),
    ).collect()[0]
    splits = ctx.read(USER_SPLITS).groupBy("split").count().orderBy("split").collect()
    overview = Overview(
        as_of=f"{ctx.as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        run_id=ctx.run_id,
        sources=tuple(row["sources"]),
        counts=(
            ("students", ctx.read(USERS).count()),
            ("answered questions", row["events"]),
            ("of them graded", row["graded"]),
            ("items", ctx.read(ITEMS).count()),
            ("skills", ctx.read(SKILLS).count()),
            ("files", n_files),
        ),
        period=(row["first"], row["last"]) if row["first"] else None,
        splits=tuple((each["split"], each["count"]) for each in splits),
        versions=tuple(
            (table.qualified_name, version)
            for table in _READS
            if (version := ctx.version(table)) is not None
        ),
    )
    return overview, _missing(row["events"], row.asDict())


def _missing(events: int, known: dict[str, int]) -> tuple[str, ...]:
    """What the events do not say, in sentences."""
    sentences = {
        "timed": "have no time of day: only their order is known",
        "with_latency": "have no usable response time",
        "with_hints": "do not say whether hints were used",
        "graded": "are ungraded and count in no estimate",
    }
    gaps = {name: events - known[name] for name in sentences}
    return tuple(
        f"{'All' if gap == events else f'{gap:,} of {events:,}'} responses {sentences[name]}."
        for name, gap in gaps.items()
        if gap
    )
