"""The parts of the report, counted in Spark; only counts and a few chosen students come here."""

import math
from typing import TYPE_CHECKING, Any

from deepkt_irt.irt.response import probability_3pl
from deepkt_irt.jobs.calibrate_items import first_attempts
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.report_students import class_label
from deepkt_irt.reporting.report_data import (
    SMALL_GROUP,
    Cell,
    Curve,
    Dot,
    Evaluation,
    Evaluations,
    FileAccount,
    HeatMap,
    Item,
    Refusal,
)
from deepkt_irt.tables.gold import MODEL_EVALUATIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_items import ITEM_PARAMETERS, STUDENT_ABILITIES
from deepkt_irt.tables.ops import INGEST_AUDIT, QUARANTINE
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS, USERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ABILITY_BAND = 0.25
_DOT_BAND = 0.75
_MIN_DOT = 10  # students in a band, below which a share says little
_CURVE_ITEMS = 300  # of these, most answered ones, the worst fitting is shown
_SKILLS = 12
_CLASSES = 20
_REFUSALS = 20


def files(ctx: JobContext) -> tuple[FileAccount, ...]:
    """The account of every landing file."""
    rows = ctx.read(INGEST_AUDIT).orderBy("source", "file").collect()
    return tuple(
        FileAccount(r["source"], r["file"], r["rows_read"], r["rows_kept"], r["rows_quarantined"])
        for r in rows
    )


def refusals(ctx: JobContext) -> tuple[Refusal, ...]:
    """Refused rows by stage and column, most first, each with an example."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    kinds = ctx.read(QUARANTINE).groupBy(
        "stage", F.coalesce("column", F.lit("whole row")).alias("at")
    )
    counted = kinds.agg(F.count("*").alias("n"), F.min("reason").alias("example"))
    rows = counted.orderBy(F.desc("n"), "stage", "at").limit(_REFUSALS).collect()
    return tuple(Refusal(r["stage"], r["at"], r["example"][:200], r["n"]) for r in rows)


def latest_calibration(ctx: JobContext) -> str | None:
    """Version of the latest calibration; None if there is none."""
    row = ctx.read(ITEM_PARAMETERS).agg({"calibration_version": "max"}).first()
    return row[0] if row else None


def items(ctx: JobContext, version: str | None) -> dict[str, Item]:
    """Items of a calibration by item id."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    parameters = ctx.read(ITEM_PARAMETERS).filter(
        F.col("calibration_version").eqNullSafe(F.lit(version))
    )
    about = labelled_items(ctx)
    rows = parameters.join(about, "item_id").orderBy("item_id").collect()
    return {
        r["item_id"]: Item(
            label=r["label"],
            skill=r["skill"] or "",
            b=r["difficulty"],
            se=r["difficulty_se"],
            a=r["discrimination"],
            n=r["n_responses"],
            p=r["p_value"],
        )
        for r in rows
    }


def labelled_items(ctx: JobContext) -> "DataFrame":
    """item_id with a label for people and the name of its first skill."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    skills = ctx.read(SKILLS).select(
        F.col("skill_id").alias("first_skill"), F.col("name").alias("skill")
    )
    own = ctx.read(ITEMS).select(
        "item_id",
        F.coalesce("title", "source_item_id").alias("label"),
        F.get("skill_ids", F.lit(0)).alias("first_skill"),
    )
    return own.join(skills, "first_skill", "left").select("item_id", "label", "skill")


def abilities(ctx: JobContext, version: str | None) -> tuple[tuple[float, int], ...]:
    """Students in bands of ability."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    own = ctx.read(STUDENT_ABILITIES).filter(
        F.col("calibration_version").eqNullSafe(F.lit(version))
    )
    band = F.floor(F.col("ability") / ABILITY_BAND).alias("band")
    rows = own.groupBy(band).count().orderBy("band").collect()
    return tuple((r["band"] * ABILITY_BAND, r["count"]) for r in rows)


def curves(ctx: JobContext, version: str | None, known: dict[str, Item]) -> tuple[Curve, ...]:
    """Six telling items: across the range of difficulty, and the one that fits worst."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    most = sorted(known, key=lambda item: (-known[item].n, item))[:_CURVE_ITEMS]
    ability = ctx.read(STUDENT_ABILITIES).filter(
        F.col("calibration_version").eqNullSafe(F.lit(version))
    )
    attempts = first_attempts(ctx.read(CANONICAL_LEARNING_EVENTS)).filter(
        F.col("item_id").isin(most)
    )
    bands = attempts.join(ability, "student_key").groupBy(
        "item_id", F.floor(F.col("ability") / _DOT_BAND).alias("band")
    )
    rows = bands.agg(
        F.avg("ability").alias("ability"), F.avg("correct").alias("share"), F.count("*").alias("n")
    ).collect()
    dots: dict[str, list[Dot]] = {}
    for r in sorted(rows, key=lambda row: (row["item_id"], row["band"])):
        if r["n"] >= _MIN_DOT:
            low, high = wilson(r["share"], r["n"])
            dot = Dot(r["ability"], r["share"], low, high, r["n"])
            dots.setdefault(r["item_id"], []).append(dot)
    found = [
        Curve("", known[item], tuple(own), _misfit(known[item], own))
        for item, own in dots.items()
        if len(own) > 2
    ]
    return _telling(found)


def _telling(found: list[Curve]) -> tuple[Curve, ...]:
    if not found:
        return ()
    by_b = sorted(found, key=lambda curve: (curve.item.b, curve.item.label))
    last = len(by_b) - 1
    picks = [
        ("easiest", by_b[0]),
        ("easier than most", by_b[last // 4]),
        ("of middle difficulty", by_b[last // 2]),
        ("harder than most", by_b[3 * last // 4]),
        ("hardest", by_b[last]),
        ("fits worst", max(found, key=lambda curve: (curve.misfit, curve.item.label))),
    ]
    shown: dict[str, Curve] = {}
    for why, curve in picks:
        before = shown.get(curve.item.label)
        reason = f"{before.why}, {why}" if before else why
        shown[curve.item.label] = Curve(reason, curve.item, curve.dots, curve.misfit)
    return tuple(shown.values())


def _misfit(item: Item, dots: list[Dot]) -> float:
    slope = item.a if item.a is not None else 1.0
    total = sum(dot.n for dot in dots)
    squared = (
        dot.n * (dot.share - float(probability_3pl(dot.ability, slope, item.b))) ** 2
        for dot in dots
    )
    return math.sqrt(sum(squared) / total)


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share.

    Reference:
        Wilson (1927), Journal of the American Statistical Association 22, 209-212.
    """
    z = 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return middle - half, middle + half


def evaluations(ctx: JobContext) -> Evaluations | None:
    """The latest evaluation, the best model first."""
    rows = ctx.read(MODEL_EVALUATIONS).collect()
    if not rows:
        return None
    last = max((r["evaluated_at"], r["evaluation_id"]) for r in rows)[1]
    own = [r for r in rows if r["evaluation_id"] == last]
    own.sort(key=lambda r: (-(r["auc"] or 0.0), r["model_name"]))
    return Evaluations(
        protocol=own[0]["protocol"],
        data_version=own[0]["data_version"],
        seed=own[0]["seed"],
        models=tuple(_evaluation(r) for r in own),
    )


def _evaluation(row: Any) -> Evaluation:  # noqa: ANN401 - a Spark row
    return Evaluation(
        model=row["model_name"],
        version=row["model_version"],
        run_id=row["mlflow_run_id"],
        auc=row["auc"],
        accuracy=row["accuracy"],
        log_loss=row["log_loss"],
        ece=row["ece"],
        n_students=row["n_students"],
        n_responses=row["n_responses"],
        is_champion=row["is_champion"],
        bins=tuple((b["mean_predicted"], b["observed"], b["n"]) for b in row["calibration"]),
    )


def heat_map(ctx: JobContext) -> HeatMap | None:
    """Mean mastery of classes on skills; small groups are withheld here, not in the page."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    everyone = F.array(F.lit(""))
    known = F.when(F.size("class_keys") > 0, F.col("class_keys")).otherwise(everyone)
    students = ctx.read(USERS).select("student_key", F.explode(known).alias("class"))
    sizes = {r["class"]: r["count"] for r in students.groupBy("class").count().collect()}
    mastery = ctx.read(STUDENT_MASTERY).join(students, "student_key")
    cells = mastery.groupBy("class", "skill_id").agg(
        F.avg("mastery").alias("mean"), F.count("*").alias("n")
    )
    names = ctx.read(SKILLS).select("skill_id", "name")
    rows = cells.join(names, "skill_id").collect()
    if not rows:
        return None
    practised: dict[tuple[str, str], int] = {}
    for r in rows:
        skill = (r["name"], r["skill_id"])
        practised[skill] = practised.get(skill, 0) + r["n"]
    skills = sorted(sorted(practised, key=lambda s: (-practised[s], s))[:_SKILLS])
    classes = sorted(sorted(sizes, key=lambda c: (-sizes[c], c))[:_CLASSES])
    found = {(r["class"], r["skill_id"]): (r["mean"], r["n"]) for r in rows}
    return HeatMap(
        skills=tuple(name for name, _ in skills),
        rows=tuple(
            (
                class_label(each) or "All students",
                sizes[each],
                tuple(_cell(found, each, s) for _, s in skills),
            )
            for each in classes
        ),
        n_skills_in_all=len(practised),
        n_classes_in_all=len(sizes),
        classes_known=any(sizes),
    )


def _cell(found: dict[tuple[str, str], tuple[float, int]], group: str, skill: str) -> Cell:
    mean, n = found.get((group, skill), (0.0, 0))
    return Cell(mean if n >= SMALL_GROUP else None, n)
