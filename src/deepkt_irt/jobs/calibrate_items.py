"""Task calibrate_items: difficulty of every item and ability of every student, by version."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from deepkt_irt.errors import NoData
from deepkt_irt.irt.calibration import Calibration, Responses, calibrate
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.tables.gold_items import ITEM_PARAMETERS, STUDENT_ABILITIES
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@task(reads=(CANONICAL_LEARNING_EVENTS,), writes=(ITEM_PARAMETERS, STUDENT_ABILITIES))
def calibrate_items(ctx: JobContext) -> Metrics:
    """Calibrate items on first attempts and estimate abilities, as a new version.

    Earlier versions stay. Safe to run again: the version is named by the run's instant and
    replaced in one commit. Stops with NoConvergence if the estimates do not settle.
    """
    events = ctx.read(CANONICAL_LEARNING_EVENTS)
    responses = _first_responses(events).toPandas()
    attempts = responses[responses["is_evidence"]]
    if attempts.empty:
        raise NoData("no graded first attempts to calibrate items on")
    item_codes, items = pd.factorize(attempts["item_id"], sort=True)
    student_codes, students = pd.factorize(attempts["student_key"], sort=True)
    fitted = calibrate(
        Responses(
            student=student_codes,
            item=item_codes,
            correct=attempts["correct"].to_numpy(dtype=np.int64),
            n_students=len(students),
            n_items=len(items),
        ),
        settings=ctx.settings.calibration,
    )
    version = ctx.as_of.strftime("%Y%m%dT%H%M%SZ")
    this = f"calibration_version = '{version}'"
    parameters = _versioned(ctx, _parameters(fitted, items), version)
    ctx.replace(ITEM_PARAMETERS, ctx.frame(ITEM_PARAMETERS, parameters), where=this)
    abilities = _versioned(ctx, _abilities(fitted, students), version)
    ctx.replace(STUDENT_ABILITIES, ctx.frame(STUDENT_ABILITIES, abilities), where=this)
    return {
        "items": len(parameters),
        "items_2pl": int(fitted.is_2pl.sum()),
        "items_too_few_responses": len(items) - len(parameters),
        "students": len(abilities),
        "responses": len(attempts),
        "responses_after_answer_shown": len(responses) - len(attempts),
        "iterations": fitted.n_iterations,
        "population_sd": fitted.population_sd,
        "reliability": fitted.reliability,
    }


def first_attempts(events: "DataFrame") -> "DataFrame":
    """Each student's first graded event on each item: student_key, item_id, correct (0 or 1).

    Where the answer was shown at or before it, it is no evidence of ability and left out; nor do
    later tries count, which are no first attempts.
    """
    return _first_responses(events).filter("is_evidence").drop("is_evidence")


def _first_responses(events: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    position = F.col("sequence_number")
    graded_at = F.when(F.col("correct").isNotNull(), position)
    shown_at = F.when(F.col("answer_requested"), position)
    first = events.groupBy("student_key", "item_id").agg(
        F.min_by("correct", graded_at).alias("correct"),
        F.min(graded_at).alias("graded_at"),
        F.min(shown_at).alias("shown_at"),
    )
    return first.filter("graded_at IS NOT NULL").select(
        "student_key",
        "item_id",
        F.col("correct").cast("int").alias("correct"),
        F.expr("coalesce(shown_at > graded_at, true)").alias("is_evidence"),
    )


def _parameters(fitted: Calibration, items: pd.Index) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "item_id": items,
            "model": np.where(fitted.is_2pl, "2PL", "1PL"),
            "difficulty": fitted.difficulty,
            "difficulty_se": fitted.difficulty_se,
            "discrimination": _null_where_missing(fitted.discrimination),
            "discrimination_se": _null_where_missing(fitted.discrimination_se),
            "n_responses": fitted.n_responses,
            "p_value": fitted.p_value,
            "log_likelihood": fitted.log_likelihood,
            "reliability": fitted.reliability,
        }
    )
    return frame[np.isfinite(fitted.difficulty)]


def _abilities(fitted: Calibration, students: pd.Index) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "student_key": students,
            "ability": fitted.ability,
            "ability_sd": fitted.ability_sd,
            "n_responses": fitted.student_n,
        }
    )
    return frame[np.isfinite(fitted.ability)]


def _versioned(ctx: JobContext, frame: pd.DataFrame, version: str) -> pd.DataFrame:
    return frame.assign(calibration_version=version, calibrated_at=ctx.as_of)


def _null_where_missing(values: np.ndarray) -> pd.Series:
    """NaN means not estimated, which a table says with null."""
    return pd.Series([None if np.isnan(value) else float(value) for value in values], dtype=object)
