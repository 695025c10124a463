"""Task publish_report: one HTML page that needs no network."""

from datetime import UTC

from deepkt_irt.errors import BackendUnavailable
from deepkt_irt.jobs import (
    report_explanations,
    report_help,
    report_items,
    report_operations,
    report_policies,
    report_sources,
    report_students,
)
from deepkt_irt.jobs import report_parts as parts
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.item import dossiers
from deepkt_irt.jobs.report_students import spread_over_ability, student_pages
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.reporting.item_data import Attention, Curve
from deepkt_irt.reporting.report_data import Overview, ReportData
from deepkt_irt.reporting.run_report import render
from deepkt_irt.tables.gold import MODEL_EVALUATIONS
from deepkt_irt.tables.ops import INGEST_AUDIT, PIPELINE_RUNS, QUARANTINE
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS, USER_SPLITS, USERS

_STUDENTS = 12
_LAST_ANSWERS = 12
_FLAGGED_PAGES = 12
_READS = tuple(
    dict.fromkeys(
        (
            *report_students.READS,
            *report_items.READS,
            *report_help.READS,
            *report_policies.READS,
            *report_explanations.READS,
            *report_sources.READS,
            MODEL_EVALUATIONS,
            INGEST_AUDIT,
            QUARANTINE,
            PIPELINE_RUNS,
        )
    )
)


@task(reads=_READS, writes=(), remembers=report_operations.READS)
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
    calibration = report_items.latest_calibration(ctx.read)
    version = calibration.version if calibration else None
    known = report_items.items(ctx.read, version)
    curves = report_items.curves(ctx.read, version, known)
    attention = report_items.attention(ctx.read)
    heat_map = parts.heat_map(ctx)
    overview, missing = _overview(ctx)
    if heat_map is not None and not heat_map.classes_known:
        missing = (*missing, "No classes are named: all students stand together.")
    helped = report_help.help_today(ctx.read, ctx.settings)
    urgent = [student.key for each in helped or () for student in each.students]
    chosen = [*dict.fromkeys([*urgent, *spread_over_ability(ctx.read, n=_STUDENTS)])]
    return ReportData(
        overview=overview,
        files=parts.files(ctx),
        sources=report_sources.source_report(ctx.read),
        refusals=parts.refusals(ctx),
        items=tuple(known.values()),
        calibration=calibration,
        abilities=parts.abilities(ctx, version),
        ability_band=parts.ABILITY_BAND,
        curves=curves,
        attention=attention,
        item_pages=dossiers(ctx.read, _shown(attention, curves)),
        drift_cuts=(ctx.settings.drift.watch, ctx.settings.drift.act),
        missing_items=report_items.missing_items(ctx.read),
        wanted_error=report_items.WANTED_ERROR,
        evaluations=parts.evaluations(ctx),
        heat_map=heat_map,
        students=student_pages(
            ctx.read, chosen, last_answers=_LAST_ANSWERS, settings=ctx.settings.behaviour
        ),
        help_today=helped,
        help_settings=ctx.settings.help,
        policy=report_policies.policy_report(ctx.read, ctx.settings),
        explanations=report_explanations.explanation_report(ctx.read),
        operations=report_operations.operations(ctx.read),
        streaming=parts.streaming(ctx),
        missing=missing,
    )


def _shown(attention: Attention | None, curves: tuple[Curve, ...]) -> dict[str, str]:
    """Items with a page of their own, flagged ones first, each with why."""
    flagged = attention.flagged[:_FLAGGED_PAGES] if attention else ()
    shown = {each.item_id: "needs attention" for each in flagged}
    for curve in curves:
        before = shown.get(curve.item_id)
        shown[curve.item_id] = f"{before}, {curve.why}" if before else curve.why
    return shown


def _overview(ctx: JobContext) -> tuple[Overview, tuple[str, ...]]:
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
            ("files", ctx.read(INGEST_AUDIT).count()),
        ),
        period=(row["first"], row["last"]) if row["first"] else None,
        splits=tuple((each["split"], each["count"]) for each in splits),
        versions=tuple(
            (table.qualified_name, version)
            for table in _READS
            if table is not PIPELINE_RUNS
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
