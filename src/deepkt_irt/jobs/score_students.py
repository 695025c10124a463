"""Task score_students: next-answer predictions and mastery from the champion."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepkt_irt.gold.mastery import mastery_interval, reference_items, spread_items
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.tables.gold import (
    ITEM_VOCABULARY,
    SAKT_PREDICTIONS,
    SAKT_SEQUENCES,
    SKILL_VOCABULARY,
    STUDENT_MASTERY,
)
from deepkt_irt.tables.gold_items import ITEM_PARAMETERS
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from deepkt_irt.knowledge_tracing.scoring import Scorer

MODEL = "sakt"
_POPULAR_SKILLS = 3  # offered beside the practised ones where no prerequisites say what is next
_CHUNK_WINDOWS = 512

_EVENT_ROWS = (
    "student_key string, sequence_number bigint, item_index int, event_id string, split string, "
    "p_correct double, correct boolean, item_known boolean"
)
_MASTERY_ROWS = (
    "student_key string, skill_index int, mastery double, mastery_low double, "
    "mastery_high double, n_reference_items int"
)


@dataclass(frozen=True)
class _Catalogue:
    """What the workers must know of items and skills; small beside students and events.

    Attributes:
        item_skills: Skill indexes of every item index, 0 where fewer, (items + 1, skills).
        candidates: Item indexes by skill index, to be offered.
        references: Item indexes by skill index, to judge the skill by.
    """

    item_skills: NDArray[np.int64]
    candidates: dict[int, list[int]]
    references: dict[int, list[int]]


@task(
    reads=(
        SAKT_SEQUENCES,
        ITEM_VOCABULARY,
        SKILL_VOCABULARY,
        ITEMS,
        SKILLS,
        CANONICAL_LEARNING_EVENTS,
        ITEM_PARAMETERS,
    ),
    writes=(SAKT_PREDICTIONS, STUDENT_MASTERY),
    uses_models=(MODEL,),
)
def score_students(ctx: JobContext) -> Metrics:
    """Predict every answer before it, candidates to ask next, and mastery per practised skill.

    Safe to run again: both tables are replaced, each in one commit. Until a version has become
    champion, as before the first weekly training, nobody is scored and the tables stay as they are.
    """
    if ctx.models.champion(MODEL) is None:
        ctx.progress("no model has become champion yet, so that nobody is scored")
        return {"students": 0}
    catalogue = _catalogue(ctx)
    with tempfile.TemporaryDirectory() as scratch:
        version, files = ctx.models.champion_files(MODEL, Path(scratch))
        known = {"model_version": version.number, "at": ctx.as_of}
        ctx.overwrite(SAKT_PREDICTIONS, _predictions(ctx, catalogue, files, known))
        ctx.overwrite(STUDENT_MASTERY, _mastery(ctx, catalogue, files, known))
    written = ctx.read(SAKT_SEQUENCES).select("student_key").distinct().count()
    return {"students": written, "model_version": float(version.number)}


def _catalogue(ctx: JobContext) -> _Catalogue:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    latest = (
        ctx.read(ITEM_PARAMETERS)
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
    largest = ctx.read(ITEM_VOCABULARY).agg(F.max("item_index")).first()
    settings = ctx.settings.scoring
    return _Catalogue(
        item_skills=_skill_matrix(pairs, int(largest[0] or 0) if largest else 0),
        candidates=spread_items(pairs, per_skill=settings.max_items_per_skill),
        references=reference_items(pairs, per_skill=settings.items_per_skill),
    )


def _skill_matrix(pairs: pd.DataFrame, n_items: int) -> NDArray[np.int64]:
    """Skills of each item, sorted as in the sequences, 0 where there are fewer."""
    place = pairs.groupby("item_index").cumcount().to_numpy()
    matrix = np.zeros((n_items + 1, int(place.max(initial=0)) + 1), dtype=np.int64)
    matrix[pairs["item_index"].to_numpy(), place] = pairs["skill_index"].to_numpy()
    return matrix


def _predictions(
    ctx: JobContext, catalogue: _Catalogue, files: Path, known: dict[str, object]
) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    sequences = ctx.read(SAKT_SEQUENCES)
    latest = _latest_windows(sequences).join(_open_skills(ctx), "student_key", "left")
    answered = sequences.mapInPandas(_on(files, _answered), _EVENT_ROWS)
    offered = latest.mapInPandas(_on(files, _offered(catalogue)), _EVENT_ROWS)
    items = ctx.read(ITEM_VOCABULARY).select("item_index", "item_id")
    return (
        answered.unionByName(offered)
        .join(items, "item_index")
        .drop("item_index")
        .withColumns(
            {
                "model_version": F.lit(known["model_version"]),
                "scored_at": F.lit(known["at"]),
            }
        )
    )


def _mastery(
    ctx: JobContext, catalogue: _Catalogue, files: Path, known: dict[str, object]
) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    practised = _practised(ctx)
    per_student = practised.groupBy("student_key").agg(
        F.array_sort(F.collect_list(F.struct("skill_index", "n_responses"))).alias("practised")
    )
    latest = _latest_windows(ctx.read(SAKT_SEQUENCES)).join(per_student, "student_key")
    flat = latest.withColumns(
        {
            "practised_skills": F.col("practised.skill_index"),
            "practised_counts": F.col("practised.n_responses"),
        }
    ).drop("practised")
    judged = flat.mapInPandas(_on(files, _judged(catalogue)), _MASTERY_ROWS)
    return (
        judged.join(practised, ["student_key", "skill_index"])
        .drop("skill_index")
        .withColumns(
            {
                "model_version": F.lit(known["model_version"]),
                "scored_at": F.lit(known["at"]),
            }
        )
    )


def _latest_windows(sequences: "DataFrame") -> "DataFrame":
    """The last window of each student: the recent past, whole."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    last = sequences.groupBy("student_key").agg(F.max("window_index").alias("window_index"))
    return sequences.join(last, ["student_key", "window_index"])


def _practised(ctx: JobContext) -> "DataFrame":
    """Counts per student and skill over the graded events."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    graded = ctx.read(CANONICAL_LEARNING_EVENTS).filter("correct IS NOT NULL")
    each = graded.select("*", F.explode("skill_ids").alias("skill_id"))
    counts = each.groupBy("student_key", "skill_id").agg(
        F.count("*").alias("n_responses"),
        F.count_if("correct").alias("n_correct"),
        F.max("sequence_number").alias("last_sequence_number"),
        F.max("answered_at").alias("last_answered_at"),
    )
    return counts.join(ctx.read(SKILL_VOCABULARY).select("skill_id", "skill_index"), "skill_id")


def _open_skills(ctx: JobContext) -> "DataFrame":
    """Skills to offer items of: practised ones, and those whose prerequisites were all practised.

    Where no skill of the source has prerequisites, its most practised skills stand in.
    """
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    practised = _practised(ctx).select("student_key", "skill_id", "skill_index")
    skills = ctx.read(SKILLS).join(ctx.read(SKILL_VOCABULARY), "skill_id")
    edges = skills.select(
        "skill_index", F.explode("prerequisite_ids").alias("skill_id"),
        F.size("prerequisite_ids").alias("needed"),
    )  # fmt: skip
    met = edges.join(practised.select("student_key", "skill_id"), "skill_id")
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
        practised.select(*columns)
        .unionByName(opened.select(*columns))
        .unionByName(students.join(popular, "source").select(*columns))
    )
    return every.groupBy("student_key").agg(
        F.array_sort(F.collect_set("skill_index")).alias("open_skills")
    )


Work = Callable[["Scorer", pd.DataFrame], pd.DataFrame]


def _on(files: Path, work: Work) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Work on chunks of windows in a Spark worker, with the model loaded once."""

    def run(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        scorer = _loaded(str(files))
        for frame in frames:
            for begin in range(0, len(frame), _CHUNK_WINDOWS):
                yield work(scorer, frame.iloc[begin : begin + _CHUNK_WINDOWS])

    return run


@cache
def _loaded(folder: str) -> "Scorer":
    import torch  # noqa: PLC0415 - in the worker only

    from deepkt_irt.knowledge_tracing.scoring import Scorer  # noqa: PLC0415 - imports torch

    torch.set_num_threads(1)  # Spark runs one worker per core
    return Scorer.load(Path(folder))


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(["student_key", "window_index"], ignore_index=True)


def _answered(scorer: "Scorer", frame: pd.DataFrame) -> pd.DataFrame:
    """Every scored event of some windows with its probability."""
    from deepkt_irt.knowledge_tracing.sequences import windows_in_order  # noqa: PLC0415
    from deepkt_irt.knowledge_tracing.training import predict  # noqa: PLC0415

    ordered = _sorted(frame)
    windows = windows_in_order(ordered)
    chosen = np.arange(len(windows))
    steps = windows.scored_steps(chosen)
    scored = windows.lengths - windows.context
    items = windows.item[steps]
    return pd.DataFrame(
        {
            "student_key": np.repeat(ordered["student_key"].to_numpy(), scored),
            "sequence_number": np.concatenate(ordered["sequence_numbers"].to_list())[steps],
            "item_index": items,
            "event_id": np.concatenate(ordered["event_ids"].to_list())[steps],
            "split": np.repeat(ordered["split"].to_numpy(), scored),
            "p_correct": predict(scorer.model, windows, chosen),
            "correct": windows.correct[steps] == 1,
            "item_known": scorer.knows(items),
        }
    )


def _offered(catalogue: _Catalogue) -> Work:
    """Candidates of the open skills, as if asked next."""

    def work(scorer: "Scorer", frame: pd.DataFrame) -> pd.DataFrame:
        from deepkt_irt.knowledge_tracing.scoring import score_candidates  # noqa: PLC0415
        from deepkt_irt.knowledge_tracing.sequences import windows_in_order  # noqa: PLC0415

        ordered = _sorted(frame)
        asked = [_items_of(skills, catalogue.candidates) for skills in ordered["open_skills"]]
        windows = windows_in_order(ordered)
        found = score_candidates(scorer, windows, asked, catalogue.item_skills)
        n = [len(each) for each in asked]
        items = np.concatenate([np.zeros(0, dtype=np.int64), *asked])
        last = np.array([numbers[-1] for numbers in ordered["sequence_numbers"]], dtype=np.int64)
        return pd.DataFrame(
            {
                "student_key": np.repeat(ordered["student_key"].to_numpy(), n),
                "sequence_number": np.repeat(last + 1, n),
                "item_index": items,
                "event_id": None,
                "split": np.repeat(ordered["split"].to_numpy(), n),
                "p_correct": np.concatenate([np.zeros(0), *found]),
                "correct": None,
                "item_known": scorer.knows(items),
            }
        )

    return work


def _judged(catalogue: _Catalogue) -> Work:
    """Mastery of practised skills: the mean chance on each skill's reference items."""

    def work(scorer: "Scorer", frame: pd.DataFrame) -> pd.DataFrame:
        from deepkt_irt.knowledge_tracing.scoring import score_candidates  # noqa: PLC0415
        from deepkt_irt.knowledge_tracing.sequences import windows_in_order  # noqa: PLC0415

        ordered = _sorted(frame)
        asked = [_items_of(skills, catalogue.references) for skills in ordered["practised_skills"]]
        windows = windows_in_order(ordered)
        found = score_candidates(scorer, windows, asked, catalogue.item_skills)
        rows = []
        for student, skills, counts, items, p in zip(
            ordered["student_key"],
            ordered["practised_skills"],
            ordered["practised_counts"],
            asked,
            found,
            strict=True,
        ):
            chance = dict(zip(items.tolist(), p.tolist(), strict=True))
            for skill, n in zip(skills, counts, strict=True):
                used = catalogue.references.get(int(skill), [])
                mean = float(np.mean([chance[item] for item in used]))
                rows.append((student, int(skill), mean, int(n), len(used)))
        columns = ["student_key", "skill_index", "mastery", "n", "n_reference_items"]
        judged = pd.DataFrame(rows, columns=columns)
        low, high = mastery_interval(
            judged["mastery"].to_numpy(dtype=float), judged["n"].to_numpy(dtype=float)
        )
        return judged.drop(columns="n").assign(mastery_low=low, mastery_high=high)

    return work


def _items_of(skills: object, by_skill: dict[int, list[int]]) -> NDArray[np.int64]:
    """Distinct items of some skills, in order; none if there is no skill."""
    listed = [] if skills is None else np.asarray(skills, dtype=np.int64).tolist()
    found = sorted({item for skill in listed for item in by_skill.get(skill, [])})
    return np.array(found, dtype=np.int64)
