"""The parts of the report, counted in Spark; only counts and a few chosen students come here."""

from datetime import datetime, timedelta
from typing import Any

from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.reading import look
from deepkt_irt.jobs.report_students import SHOWN_CLASSES, class_label
from deepkt_irt.reporting.report_data import (
    Cell,
    Evaluation,
    Evaluations,
    FileAccount,
    HeatMap,
    Refusal,
    StreamNote,
)
from deepkt_irt.tables.gold import MODEL_EVALUATIONS
from deepkt_irt.tables.gold_items import STUDENT_ABILITIES
from deepkt_irt.tables.marts_models import MODEL_QUALITY
from deepkt_irt.tables.marts_teaching import CLASS_MEMBERS, class_skill_mastery
from deepkt_irt.tables.ops import INGEST_AUDIT, PIPELINE_RUNS, QUARANTINE

ABILITY_BAND = 0.25
_TITLES = {"sakt": "Knowledge tracing: any next answer", "wd_irt": "Wide & Deep IRT"}
SHOWN_FILES = 50
_SKILLS = 12
_REFUSALS = 20


def files(ctx: JobContext) -> tuple[FileAccount, ...]:
    """The accounts of the landing files that came in last."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    order = (F.desc("ingested_at"), "source", "file")
    rows = ctx.read(INGEST_AUDIT).orderBy(*order).limit(SHOWN_FILES).collect()
    return tuple(
        FileAccount(r["source"], r["file"], r["rows_read"], r["rows_kept"], r["rows_quarantined"])
        for r in rows
    )


def streaming(ctx: JobContext) -> StreamNote | None:
    """What the stream did in the day before the report; None if it took in nothing."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    since = ctx.as_of - timedelta(days=1)
    rounds = ctx.read(PIPELINE_RUNS).filter(
        (F.col("task") == "stream_events")
        & (F.col("outcome") == "succeeded")
        & F.col("as_of").between(F.lit(since), F.lit(ctx.as_of))
    )
    told = {name: F.col("metrics")[name] for name in ("files", "events_late")}
    waited = {name: F.col("metrics")[f"to_silver_seconds_{name}"] for name in ("p50", "max")}
    row = (
        rounds.filter(told["files"] > 0)
        .agg(
            F.count("*").alias("n_rounds"),
            F.sum(told["files"]).cast("bigint").alias("n_files"),
            F.sum("rows_in").alias("n_rows"),
            F.sum(told["events_late"]).cast("bigint").alias("n_late"),
            F.percentile(waited["p50"], 0.5).alias("median_seconds"),
            F.max(waited["max"]).alias("worst_seconds"),
            F.date_format(F.max("as_of"), "yyyy-MM-dd HH:mm").alias("last"),
        )
        .collect()[0]
    )
    if row["median_seconds"] is None:
        return None
    return StreamNote(**row.asDict())


def refusals(ctx: JobContext) -> tuple[Refusal, ...]:
    """Refused rows by stage and column, most first, each with an example."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    kinds = ctx.read(QUARANTINE).groupBy(
        "stage", F.coalesce("column", F.lit("whole row")).alias("at")
    )
    counted = kinds.agg(F.count("*").alias("n"), F.min("reason").alias("example"))
    rows = counted.orderBy(F.desc("n"), "stage", "at").limit(_REFUSALS).collect()
    return tuple(Refusal(r["stage"], r["at"], r["example"][:200], r["n"]) for r in rows)


def abilities(ctx: JobContext, version: str | None) -> tuple[tuple[float, int], ...]:
    """Students in bands of ability."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    own = ctx.read(STUDENT_ABILITIES).filter(
        F.col("calibration_version").eqNullSafe(F.lit(version))
    )
    band = F.floor(F.col("ability") / ABILITY_BAND).alias("band")
    rows = own.groupBy(band).count().orderBy("band").collect()
    return tuple((r["band"] * ABILITY_BAND, r["count"]) for r in rows)


def evaluations(ctx: JobContext) -> tuple[Evaluations, ...]:
    """The latest evaluation of each registered model, the best model first."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    # a rollback changes who is champion after it was evaluated; the view knows
    now = look(MODEL_QUALITY, ctx.read).select(
        "evaluation_id", "model_name", "split", "is_champion"
    )
    plain = ctx.read(MODEL_EVALUATIONS).drop("parts", "is_champion")
    rows = plain.join(F.broadcast(now), ["evaluation_id", "model_name", "split"]).collect()
    latest: dict[str, tuple[datetime, str]] = {}
    for r in rows:
        if r["model_version"] is not None:
            key = (r["evaluated_at"], r["evaluation_id"])
            latest[r["model_name"]] = max(key, latest.get(r["model_name"], key))
    rows.sort(key=lambda r: r["evaluated_at"])
    champions = {r["model_name"]: r for r in rows if r["is_champion"]}
    return tuple(
        _evaluations(name, [r for r in rows if r["evaluation_id"] == last], champions.get(name))
        for name, (_, last) in sorted(latest.items())
    )


def _evaluations(name: str, own: list[Any], champion: Any) -> Evaluations:  # noqa: ANN401 - a row
    own.sort(key=lambda r: (-(r["auc"] or 0.0), r["model_name"]))
    before = champion is not None and champion["evaluation_id"] != own[0]["evaluation_id"]
    return Evaluations(
        title=_TITLES.get(name, name),
        protocol=own[0]["protocol"],
        data_version=own[0]["data_version"],
        seed=own[0]["seed"],
        models=tuple(_evaluation(r) for r in own),
        champion=_evaluation(champion) if before else None,
    )


def _evaluation(row: Any) -> Evaluation:  # noqa: ANN401 - a Spark row
    return Evaluation(
        model=row["model_name"],
        version=row["model_version"],
        run_id=row["mlflow_run_id"],
        auc=row["auc"],
        interval=None if row["auc_low"] is None else (row["auc_low"], row["auc_high"]),
        accuracy=row["accuracy"],
        log_loss=row["log_loss"],
        ece=row["ece"],
        n_students=row["n_students"],
        n_responses=row["n_responses"],
        is_champion=row["is_champion"],
        bins=tuple((b["mean_predicted"], b["observed"], b["n"]) for b in row["calibration"]),
    )


def heat_map(ctx: JobContext) -> HeatMap | None:
    """Mean mastery of classes on skills; the view withholds those of small groups."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    grouped = look(CLASS_MEMBERS, ctx.read).groupBy("class_key").count()
    sizes = {r["class_key"]: r["count"] for r in grouped.collect()}
    columns = (F.col("class_key").alias("class"), "skill_id", "skill", "mean_mastery", "n_students")
    rows = look(class_skill_mastery(ctx.settings), ctx.read).select(*columns).collect()
    if not rows:
        return None
    practised: dict[tuple[str, str], int] = {}
    for r in rows:
        skill = (r["skill"], r["skill_id"])
        practised[skill] = practised.get(skill, 0) + r["n_students"]
    skills = sorted(sorted(practised, key=lambda s: (-practised[s], s))[:_SKILLS])
    classes = sorted(sorted(sizes, key=lambda c: (-sizes[c], c))[:SHOWN_CLASSES])
    found = {(r["class"], r["skill_id"]): Cell(r["mean_mastery"], r["n_students"]) for r in rows}
    nobody = Cell(None, 0)
    return HeatMap(
        skills=tuple(name for name, _ in skills),
        rows=tuple(
            (
                class_label(each),
                sizes[each],
                tuple(found.get((each, s), nobody) for _, s in skills),
            )
            for each in classes
        ),
        n_skills_in_all=len(practised),
        n_classes_in_all=len(sizes),
        classes_known=any(sizes),
    )
