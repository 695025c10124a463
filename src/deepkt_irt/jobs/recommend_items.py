"""Task recommend_items: what each student should practise next, by the transparent rule."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from deepkt_irt.bandit.eligibility import Mastery, Student
from deepkt_irt.bandit.rule_policy import POLICY, Candidate, Choice, recommend
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.jobs.calibrated import item_parameters, last_judged, marginal
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.settings import RecommendationSettings
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, SAKT_PREDICTIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_items import ITEM_DRIFT, ITEM_PARAMETERS, STUDENT_ABILITIES
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ROWS = (
    "student_key string, rank int, item_id string, skill_id string, p_correct double, "
    "p_irt double, p_sakt double, information double, reason string"
)


@dataclass(frozen=True)
class _World:
    """What every worker must know; small beside students.

    Attributes:
        skills: Skill ids by item.
        items: Calibrated items.
        place: Index of each of them by item id.
        prerequisites: By skill.
        names: By skill.
        settings: Of the rule.
    """

    skills: dict[str, list[str]]
    items: ItemParameters
    place: dict[str, int]
    prerequisites: dict[str, list[str]]
    names: dict[str, str]
    settings: RecommendationSettings


@task(
    reads=(
        STUDENT_MASTERY,
        SAKT_PREDICTIONS,
        ITEM_PARAMETERS,
        STUDENT_ABILITIES,
        ITEM_DRIFT,
        CANONICAL_LEARNING_EVENTS,
        ITEMS,
        SKILLS,
        BANDIT_RECOMMENDATIONS,
    ),
    writes=(BANDIT_RECOMMENDATIONS,),
)
def recommend_items(ctx: JobContext) -> Metrics:
    """Recommend items to every student, each with its reason.

    Eligible are items whose prerequisites are met, not seen recently, on skills not mastered, and
    that have not drifted so far that somebody must act.
    A student for whom nothing is eligible gets no row and is counted. Safe to run again: the
    table is replaced in one commit.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    students = _students(ctx)
    chosen = students.mapInPandas(_choosing(_world(ctx)), _ROWS).withColumns(
        {"policy": F.lit(POLICY), "decided_at": F.lit(ctx.as_of)}
    )
    ctx.overwrite(BANDIT_RECOMMENDATIONS, chosen)
    served = ctx.read(BANDIT_RECOMMENDATIONS).filter("rank = 1").count()
    asked = ctx.read(SAKT_PREDICTIONS).select("student_key").distinct().count()
    return {
        "students": served,
        "students_without": asked - served,
        "recommendations": ctx.access.rows_written,
    }


def _world(ctx: JobContext) -> _World:
    items = ctx.read(ITEMS).select("item_id", "skill_ids").toPandas()
    skills = ctx.read(SKILLS).select("skill_id", "name", "prerequisite_ids").toPandas()
    parameters = _latest(marginal(ctx.read(ITEM_PARAMETERS))).toPandas()
    return _World(
        skills=_lists(items["item_id"], items["skill_ids"]),
        items=item_parameters(parameters),
        place={item: place for place, item in enumerate(parameters["item_id"])},
        prerequisites=_lists(skills["skill_id"], skills["prerequisite_ids"]),
        names=dict(zip(skills["skill_id"], skills["name"], strict=True)),
        settings=ctx.settings.recommendation,
    )


def _latest(calibrations: "DataFrame") -> "DataFrame":
    """Rows of the latest calibration; scales of different calibrations do not mix."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    last = calibrations.agg(F.max("calibration_version").alias("calibration_version"))
    return calibrations.join(F.broadcast(last), "calibration_version")


def _lists(keys: "pd.Series[Any]", values: "pd.Series[Any]") -> dict[str, list[str]]:
    return {key: list(value) for key, value in zip(keys, values, strict=True)}


def _students(ctx: JobContext) -> "DataFrame":
    """One row per student: candidates, mastery, recent items, ability."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    candidates = (
        ctx.read(SAKT_PREDICTIONS)
        .filter("event_id IS NULL")
        .join(_drifted(ctx), "item_id", "left_anti")
        .groupBy("student_key")
        .agg(F.array_sort(F.collect_list(F.struct("item_id", "p_correct"))).alias("candidates"))
    )
    mastery = (
        ctx.read(STUDENT_MASTERY)
        .groupBy("student_key")
        .agg(
            F.array_sort(
                F.collect_list(
                    F.struct("skill_id", "mastery", "mastery_low", "mastery_high", "n_responses")
                )
            ).alias("mastery")
        )
    )
    ability = _latest(ctx.read(STUDENT_ABILITIES)).select("student_key", "ability")
    return (
        candidates.join(mastery, "student_key", "left")
        .join(_recent_items(ctx), "student_key", "left")
        .join(ability, "student_key", "left")
    )


def _drifted(ctx: JobContext) -> "DataFrame":
    """item_id of items that were at act when they were last judged: they are not offered."""
    return last_judged(ctx.read(ITEM_DRIFT)).filter("status = 'act'").select("item_id")


def _recent_items(ctx: JobContext) -> "DataFrame":
    """Items among each student's last events, whether those were graded or not."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    events = ctx.read(CANONICAL_LEARNING_EVENTS).select("student_key", "sequence_number", "item_id")
    last = events.groupBy("student_key").agg(F.max("sequence_number").alias("last"))
    oldest = F.col("last") - ctx.settings.recommendation.recent_events
    return (
        events.join(last, "student_key")
        .filter(F.col("sequence_number") > oldest)
        .groupBy("student_key")
        .agg(F.array_sort(F.collect_set("item_id")).alias("recent_items"))
    )


def _choosing(world: _World) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Apply the rule to chunks of students in a Spark worker."""
    columns = [part.split()[0] for part in _ROWS.split(", ")]

    def run(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            rows = [
                (record["student_key"], *_row(choice))
                for record in frame.to_dict("records")
                for choice in _choices(record, world)
            ]
            yield pd.DataFrame(rows, columns=columns)

    return run


def _choices(record: dict[Any, Any], world: _World) -> list[Choice]:
    student = Student(
        mastery={
            each["skill_id"]: Mastery(
                each["mastery"], each["mastery_low"], each["mastery_high"], each["n_responses"]
            )
            for each in _listed(record["mastery"])
        },
        recent_items=set(_listed(record["recent_items"])),
    )
    return recommend(
        _candidates(_listed(record["candidates"]), record["ability"], world),
        student,
        prerequisites=world.prerequisites,
        skill_names=world.names,
        settings=world.settings,
    )


def _candidates(predicted: list[Any], ability: float | None, world: _World) -> list[Candidate]:
    at = np.array([world.place.get(each["item_id"], -1) for each in predicted], dtype=np.int64)
    p_irt, information = np.full((2, len(at)), np.nan)
    if ability is not None and np.isfinite(ability):
        known = at >= 0
        items = world.items.take(at[known])
        p_irt[known], information[known] = items.expected_score(ability), items.information(ability)
    return [
        Candidate(
            item_id=each["item_id"],
            skills=world.skills.get(each["item_id"], []),
            p_irt=_known(p),
            p_sakt=each["p_correct"],
            information=_known(bits),
        )
        for each, p, bits in zip(predicted, p_irt, information, strict=True)
    ]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _listed(values: Any) -> list[Any]:  # noqa: ANN401 - arrays come as numpy arrays, or as None
    return [] if values is None else list(values)


def _row(choice: Choice) -> tuple[object, ...]:
    candidate = choice.candidate
    return (
        choice.rank,
        candidate.item_id,
        choice.skill_id,
        candidate.p_correct,
        candidate.p_irt,
        candidate.p_sakt,
        candidate.information,
        choice.reason,
    )
