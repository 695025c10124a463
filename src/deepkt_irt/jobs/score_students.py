"""Task score_students: next-answer predictions and mastery from the champion."""

import tempfile
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepkt_irt.gold.mastery import reference_items, spread_items
from deepkt_irt.gold.practice import practised
from deepkt_irt.jobs.calibrated import marginal
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.score_basis import (
    BASIS,
    Chosen,
    common_hash,
    outdated,
    skill_hashes,
    with_basis,
)
from deepkt_irt.jobs.student_scoring import (
    EVENT_ROWS,
    INFLUENCE_ROWS,
    MASTERY_ROWS,
    Catalogue,
    answered,
    by_student,
    explained,
    judged,
    offered,
)
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.tables.gold import (
    ITEM_VOCABULARY,
    SAKT_ATTENTION,
    SAKT_PREDICTIONS,
    SAKT_SEQUENCES,
    SKILL_VOCABULARY,
    STUDENT_MASTERY,
)
from deepkt_irt.tables.gold_items import ITEM_PARAMETERS
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


MODEL = "sakt"
_POPULAR_SKILLS = 3  # offered beside the practised ones where no prerequisites say what is next
_SHARES = 100  # of the students that are worked on together


@task(
    reads=(
        SAKT_SEQUENCES,
        ITEM_VOCABULARY,
        SKILL_VOCABULARY,
        ITEMS,
        SKILLS,
        CANONICAL_LEARNING_EVENTS,
        ITEM_PARAMETERS,
        SAKT_PREDICTIONS,
    ),
    writes=(SAKT_PREDICTIONS, SAKT_ATTENTION, STUDENT_MASTERY),
    uses_models=(MODEL,),
)
def score_students(ctx: JobContext) -> Metrics:
    """Predict every answer before it, candidates to ask next, mastery, and what moves predictions.

    Scores those students of whom something changed that their scores rest on: answers, the
    champion, items of their skills. Safe to run again: each table is written in one commit,
    predictions last, which say what they rest on. Until a version has become champion, as before
    the first weekly training, nobody is scored and the tables stay as they are.
    """
    if ctx.models.champion(MODEL) is None:
        ctx.progress("no model has become champion yet, so that nobody is scored")
        return {"students": 0}
    catalogue = _catalogue(ctx)
    with tempfile.TemporaryDirectory() as scratch:
        version, files = ctx.models.champion_files(MODEL, Path(scratch))
        known = {"model_version": version.number, "at": ctx.as_of}
        common = common_hash(package_version("deepkt-irt"), version.number)
        every = with_basis(
            _students(ctx), ctx.read(SAKT_SEQUENCES), skill_hashes(catalogue), common
        )
        few = _outdated(ctx, every, version.number)
        if few is not None and few.isEmpty():
            return {"students": 0, "model_version": float(version.number)}
        chosen = Chosen(every, few)
        mastery = _mastery(ctx, chosen, catalogue, files, known)
        ctx.refresh(STUDENT_MASTERY, mastery, within=chosen.scope)
        attention = _attention(ctx, chosen, catalogue, files, known)
        ctx.refresh(SAKT_ATTENTION, attention, within=chosen.scope)
        predictions = _predictions(ctx, chosen, catalogue, files, known)
        ctx.refresh(SAKT_PREDICTIONS, predictions, within=chosen.scope)
    scored = chosen.basis.filter(f"{BASIS} IS NOT NULL").count()
    return {"students": scored, "model_version": float(version.number)}


def _outdated(ctx: JobContext, every: "DataFrame", champion: str) -> "DataFrame | None":
    """Students to be scored by themselves; None: all, as after a new champion or if asked to."""
    if ctx.changes(CANONICAL_LEARNING_EVENTS) is None:
        return None
    scored = ctx.read(SAKT_PREDICTIONS)
    any_row = scored.select("model_version").first()
    if any_row is None or any_row[0] != champion:
        return None
    return outdated(every, scored, at_most=ctx.settings.scoring.max_changed)


def _catalogue(ctx: JobContext) -> Catalogue:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    latest = (
        marginal(ctx.read(ITEM_PARAMETERS))
        .groupBy("item_id")
        .agg(F.max_by("difficulty", "calibration_version").alias("difficulty"))
    )
    skills = ctx.read(SKILL_VOCABULARY).select("skill_index", F.col("skill_id"))
    tagged = (
        ctx.read(ITEMS)
        .select("item_id", F.explode("skill_ids").alias("skill_id"))
        .join(ctx.read(ITEM_VOCABULARY).select("item_id", "item_index"), "item_id")
        .join(skills, "skill_id")
        .join(latest, "item_id", "left")
        .select("item_index", "skill_index", "difficulty")
    )
    pairs = tagged.orderBy("item_index", "skill_index").toPandas()
    items = ctx.read(ITEM_VOCABULARY).select("item_index", "item_id").toPandas()
    item_ids = items.set_index("item_index")["item_id"].reindex(
        range(len(items) + 1), fill_value=""
    )
    settings = ctx.settings.scoring
    return Catalogue(
        item_ids=item_ids.to_numpy(dtype=object),
        item_skills=_skill_matrix(pairs, len(items)),
        candidates=spread_items(pairs, per_skill=settings.max_items_per_skill),
        references=reference_items(pairs, per_skill=settings.items_per_skill),
    )


def _skill_matrix(pairs: pd.DataFrame, n_items: int) -> NDArray[np.int64]:
    """Skills of each item, sorted as in the sequences, 0 where there are fewer."""
    place = pairs.groupby("item_index").cumcount().to_numpy()
    matrix = np.zeros((n_items + 1, int(place.max(initial=0)) + 1), dtype=np.int64)
    matrix[pairs["item_index"].to_numpy(), place] = pairs["skill_index"].to_numpy()
    return matrix


def _students(ctx: JobContext) -> "DataFrame":
    """By student, what scores rest on beside the sequence: skills that are open, and counts."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    counts = _practised(ctx)
    others = [name for name in counts.columns if name not in ("student_key", "skill_index")]
    own = counts.groupBy("student_key").agg(
        F.array_sort(F.collect_list(F.struct("skill_index", *others))).alias("counts")
    )
    every = F.array_union(
        F.coalesce("open_skills", F.array().cast("array<int>")),
        F.coalesce("counts.skill_index", F.array().cast("array<int>")),
    )
    return (
        _open_skills(ctx)
        .join(own, "student_key", "full")
        .withColumn("basis_skills", F.array_sort(every))
    )


def _predictions(
    ctx: JobContext, chosen: Chosen, catalogue: Catalogue, files: Path, known: dict[str, object]
) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    sequences = chosen.of(ctx.read(SAKT_SEQUENCES))
    opened = sequences.join(chosen.of(_open_skills(ctx)), "student_key", "left")
    seen = by_student(sequences, files, answered, EVENT_ROWS)
    asked = by_student(opened, files, offered(catalogue), EVENT_ROWS)
    items = ctx.read(ITEM_VOCABULARY).select("item_index", "item_id")
    return (
        seen.unionByName(asked)
        .join(items, "item_index")
        .join(chosen.basis, "student_key")
        .drop("item_index")
        .withColumns(
            {
                "model_version": F.lit(known["model_version"]),
                "scored_at": F.lit(known["at"]),
            }
        )
    )


def _mastery(
    ctx: JobContext, chosen: Chosen, catalogue: Catalogue, files: Path, known: dict[str, object]
) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    counts = chosen.of(_practised(ctx))
    moved = F.expr("n_earlier > 0 AND n_earlier < n_responses")
    per_student = counts.groupBy("student_key").agg(
        F.array_sort(F.collect_list(F.struct("skill_index", "n_responses"))).alias("practised"),
        F.array_sort(F.collect_list(F.when(moved, F.struct("skill_index", "n_earlier")))).alias(
            "earlier"
        ),
        F.first("earlier_until").alias("earlier_until"),
    )
    sequences = chosen.of(ctx.read(SAKT_SEQUENCES)).join(per_student, "student_key")
    flat = sequences.withColumns(
        {
            "practised_skills": F.col("practised.skill_index"),
            "practised_counts": F.col("practised.n_responses"),
            "earlier_skills": F.col("earlier.skill_index"),
            "earlier_counts": F.col("earlier.n_earlier"),
            "earlier_until": F.coalesce("earlier_until", F.lit(0)),
        }
    ).drop("practised", "earlier")
    mastery = by_student(flat, files, judged(catalogue), MASTERY_ROWS)
    return (
        mastery.join(counts, ["student_key", "skill_index"])
        .drop("skill_index", "n_earlier", "earlier_until")
        .withColumns(
            {
                "model_version": F.lit(known["model_version"]),
                "scored_at": F.lit(known["at"]),
            }
        )
    )


def _attention(
    ctx: JobContext, chosen: Chosen, catalogue: Catalogue, files: Path, known: dict[str, object]
) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    sequences = chosen.of(ctx.read(SAKT_SEQUENCES))
    found = by_student(sequences, files, explained(catalogue), INFLUENCE_ROWS)
    skills = ctx.read(SKILL_VOCABULARY).select("skill_index", "skill_id")
    return found.join(skills, "skill_index").select(
        "student_key",
        "skill_id",
        "influences",
        F.lit(known["model_version"]).alias("model_version"),
        F.lit(known["at"]).alias("scored_at"),
    )


def _practised(ctx: JobContext) -> "DataFrame":
    """Counts per student and skill that the models know."""
    settings = ctx.settings.scoring
    counts = practised(
        ctx.read(CANONICAL_LEARNING_EVENTS),
        trend_days=settings.trend_days,
        trend_responses=settings.trend_responses,
    )
    return counts.join(ctx.read(SKILL_VOCABULARY).select("skill_id", "skill_index"), "skill_id")


def _open_skills(ctx: JobContext) -> "DataFrame":
    """Skills to offer items of: practised ones, and those whose prerequisites were all practised.

    Where no skill of the source has prerequisites, its most practised skills stand in.
    """
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    own = (
        ctx.read(CANONICAL_LEARNING_EVENTS)
        .filter("correct IS NOT NULL")
        .select("student_key", F.explode("skill_ids").alias("skill_id"))
        .distinct()
        .join(ctx.read(SKILL_VOCABULARY).select("skill_id", "skill_index"), "skill_id")
    )
    skills = ctx.read(SKILLS).join(ctx.read(SKILL_VOCABULARY), "skill_id")
    edges = skills.select(
        "skill_index", F.explode("prerequisite_ids").alias("skill_id"),
        F.size("prerequisite_ids").alias("needed"),
    )  # fmt: skip
    met = edges.join(own.select("student_key", "skill_id"), "skill_id")
    opened = (
        met.groupBy("student_key", "skill_index", "needed")
        .agg(F.count("*").alias("there"))
        .filter("there = needed")
    )
    by_use = Window.partitionBy("source").orderBy(F.desc("n_events"), "skill_id")
    without = skills.groupBy("source").agg(F.sum(F.size("prerequisite_ids")).alias("edges"))
    popular = (
        skills.withColumn("place", F.row_number().over(by_use))
        .filter(F.col("place") <= _POPULAR_SKILLS)
        .join(without.filter("edges = 0"), "source")
        .select("source", "skill_index")
    )
    students = ctx.read(CANONICAL_LEARNING_EVENTS).select("student_key", "source").distinct()
    columns = ("student_key", "skill_index")
    every = (
        own.select(*columns)
        .unionByName(opened.select(*columns))
        .unionByName(students.join(popular, "source").select(*columns))
    )
    return every.groupBy("student_key").agg(
        F.array_sort(F.collect_set("skill_index")).alias("open_skills")
    )
