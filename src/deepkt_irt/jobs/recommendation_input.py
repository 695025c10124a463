"""What recommendations are decided from: items and skills, and one row a student."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from deepkt_irt.bandit.situation import Catalogue
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.jobs.calibrated import item_parameters, last_judged, marginal, of_latest
from deepkt_irt.recommending import needs_of
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.gold import SAKT_PREDICTIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_items import (
    CALIBRATIONS,
    ITEM_DRIFT,
    ITEM_HEALTH,
    ITEM_PARAMETERS,
    STUDENT_ABILITIES,
)
from deepkt_irt.tables.quality import matching
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    ITEMS,
    RESPONSE_BEHAVIOUR,
    SKILLS,
    USER_SPLITS,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

READS = (
    STUDENT_MASTERY,
    SAKT_PREDICTIONS,
    CALIBRATIONS,
    ITEM_PARAMETERS,
    STUDENT_ABILITIES,
    ITEM_DRIFT,
    ITEM_HEALTH,
    CANONICAL_LEARNING_EVENTS,
    RESPONSE_BEHAVIOUR,
    ITEMS,
    SKILLS,
    USER_SPLITS,
)
"""Tables that decide on recommendations."""

_DAY_SECONDS = 86_400.0


class Known(Protocol):
    """What is read, by which settings, as of when; a task's context is one."""

    @property
    def settings(self) -> Settings:
        """Of the run."""
        ...

    @property
    def as_of(self) -> datetime:
        """Instant that is spoken about, UTC."""
        ...

    def read(self, table: Table) -> "DataFrame":
        """Rows of a table."""
        ...


@dataclass(frozen=True)
class Of:
    """What is known, of some students alone.

    Attributes:
        known: Of all.
        students: student_key of those meant.
    """

    known: Known
    students: "DataFrame"

    @property
    def settings(self) -> Settings:
        """Of the run."""
        return self.known.settings

    @property
    def as_of(self) -> datetime:
        """Instant that is spoken about, UTC."""
        return self.known.as_of

    def read(self, table: Table) -> "DataFrame":
        """Rows of a table; of one about students, theirs."""
        rows = self.known.read(table)
        if "student_key" not in table.column_names:
            return rows
        return matching(rows, [self.students])


def catalogue_of(ctx: Known) -> tuple[Catalogue, ItemParameters]:
    """Items and skills as they stand, and the curves of the items in the same order."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    settings = ctx.settings.recommendation
    items = ctx.read(ITEMS).select("item_id", "skill_ids")
    help_rates = _events_with_help(ctx).groupBy("item_id").agg(F.avg("help").alias("help_rate"))
    rapid = ctx.read(RESPONSE_BEHAVIOUR).groupBy("item_id").agg(
        F.count("rapid_guess").alias("n_timed"),
        F.avg(F.col("rapid_guess").cast("double")).alias("rapid_share"),
    )  # fmt: skip
    known = (
        items.join(help_rates, "item_id", "left")
        .join(rapid, "item_id", "left")
        .join(_unhealthy(ctx).withColumn("unhealthy", F.expr("true")), "item_id", "left")
        .orderBy("item_id")
        .toPandas()
    )
    skills = (
        ctx.read(SKILLS)
        .select("skill_id", "name", "prerequisite_ids")
        .orderBy("skill_id")
        .toPandas()
    )
    number = pd.Index(["", *skills["skill_id"]])
    curves = _curves(ctx, known["item_id"])
    guessed = (known["rapid_share"] > settings.max_rapid_share) & (
        known["n_timed"] >= settings.min_rapid_responses
    )
    catalogue = Catalogue(
        item_ids=known["item_id"].to_numpy(dtype=np.str_),
        skill_ids=number.to_numpy(dtype=np.str_),
        skill_names=np.array(["", *skills["name"]], dtype=np.str_),
        skills=_padded([number.get_indexer(pd.Index(each)) for each in known["skill_ids"]]),
        needs=_needs(skills, number),
        difficulty=curves.difficulty,
        help_rate=known["help_rate"].to_numpy(dtype=np.float64, na_value=np.nan),
        is_blocked=known["item_id"].isin(settings.blocked_items).to_numpy(dtype=np.bool_),
        is_unhealthy=known["unhealthy"].notna().to_numpy(dtype=np.bool_),
        is_guessed=guessed.to_numpy(dtype=np.bool_, na_value=False),
    )
    return catalogue, curves


def students_of(ctx: Known) -> "DataFrame":
    """One row a student with something on offer: columns of `recommending`, bucket, last event."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    abilities = of_latest(ctx.read(STUDENT_ABILITIES), ctx.read(CALIBRATIONS))
    rapid = (
        ctx.read(RESPONSE_BEHAVIOUR)
        .groupBy("student_key")
        .agg(F.avg(F.col("rapid_guess").cast("double")).alias("rapid_rate"))
    )
    help_rates = _events_with_help(ctx).groupBy("student_key").agg(F.avg("help").alias("help_rate"))
    return (
        _candidates(ctx)
        .join(_mastery(ctx), "student_key", "left")
        .join(_lately(ctx), "student_key", "left")
        .join(abilities.select("student_key", "ability"), "student_key", "left")
        .join(rapid, "student_key", "left")
        .join(help_rates, "student_key", "left")
        .join(ctx.read(USER_SPLITS).select("student_key", "bucket"), "student_key", "left")
        .withColumns(
            {
                "hard_run": F.coalesce("hard_run", F.lit(0)),
                "last_sequence_number": F.coalesce("last_sequence_number", F.lit(0).cast("bigint")),
                "bucket": F.coalesce("bucket", F.lit(0)),
            }
        )
    )


def _curves(ctx: Known, item_ids: "pd.Series[str]") -> ItemParameters:
    parameters = marginal(ctx.read(ITEM_PARAMETERS))
    rows = of_latest(parameters, ctx.read(CALIBRATIONS)).toPandas()
    place = pd.Index(rows["item_id"]).get_indexer(pd.Index(item_ids))
    return item_parameters(rows).placed(place)


def _unhealthy(ctx: Known) -> "DataFrame":
    """item_id of items whose health, or last judged window of drift, says that one must act."""
    drifted = last_judged(ctx.read(ITEM_DRIFT)).filter("status = 'act'").select("item_id")
    health = ctx.read(ITEM_HEALTH).filter("status = 'act'").select("item_id")
    return drifted.unionByName(health).distinct()


def _events_with_help(ctx: Known) -> "DataFrame":
    """Events with `help`: 1.0 where hints, the answer or an explanation were used, else 0.0."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    asked = [F.col("hint_count") > 0, F.col("answer_requested"), F.col("explanation_requested")]
    told = F.coalesce(*asked).isNotNull()
    used = F.greatest(*(each.cast("double") for each in asked))  # skips what is unknown
    return ctx.read(CANONICAL_LEARNING_EVENTS).filter(told).withColumn("help", used)


def _candidates(ctx: Known) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    offered = ctx.read(SAKT_PREDICTIONS).filter("event_id IS NULL")
    each = F.array_sort(F.collect_list(F.struct("item_id", "p_correct")))
    return (
        offered.groupBy("student_key")
        .agg(each.alias("c"))
        .select(
            "student_key",
            F.col("c.item_id").alias("candidate_items"),
            F.col("c.p_correct").alias("candidate_chances"),
        )
    )


def _mastery(ctx: Known) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    unknown = F.lit(float("nan"))
    rested = F.lit(ctx.as_of).cast("double") - F.col("last_answered_at").cast("double")
    columns = {
        "skills": F.col("skill_id"),
        "mastery": F.col("mastery"),
        "mastery_low": F.col("mastery_low"),
        "mastery_high": F.col("mastery_high"),
        "skill_responses": F.col("n_responses").cast("double"),
        "skill_days": F.coalesce(F.greatest(rested / _DAY_SECONDS, F.lit(0.0)), unknown),
    }
    each = F.struct(*(column.alias(name) for name, column in columns.items()))
    return (
        ctx.read(STUDENT_MASTERY)
        .groupBy("student_key")
        .agg(F.array_sort(F.collect_list(each)).alias("m"))
        .select("student_key", *(F.col(f"m.{name}").alias(name) for name in columns))
    )


def _lately(ctx: Known) -> "DataFrame":
    """Items among each student's last events, graded or not, and how many were hard in a row."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    settings = ctx.settings.recommendation
    events = ctx.read(CANONICAL_LEARNING_EVENTS).select(
        "student_key", "sequence_number", "item_id", "event_id"
    )
    last = events.groupBy("student_key").agg(F.max("sequence_number").alias("last"))
    seen = F.col("last") - F.col("sequence_number")
    reach = max(settings.recent_events, settings.max_hard_run)
    recent = events.join(last, "student_key").withColumn("ago", seen).filter(F.col("ago") < reach)
    predicted = ctx.read(SAKT_PREDICTIONS).filter("event_id IS NOT NULL")
    hard = F.col("p_correct") < settings.hard_below
    judged = recent.join(predicted.select("event_id", "p_correct"), "event_id", "left")
    return (
        judged.groupBy("student_key", F.col("last").alias("last_sequence_number"))
        .agg(
            F.array_sort(
                F.collect_set(F.when(F.col("ago") < settings.recent_events, F.col("item_id")))
            ).alias("recent_items"),
            F.min(F.when(~hard, F.col("ago"))).alias("not_hard"),
            F.collect_list(F.when(hard, F.col("ago"))).alias("hard"),
        )
        .withColumn("hard_run", F.size(F.filter("hard", _later_than_the_last_easy_one)))
        .drop("not_hard", "hard")
    )


def _later_than_the_last_easy_one(ago: "Column") -> "Column":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.col("not_hard").isNull() | (ago < F.col("not_hard"))


def _padded(lists: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Sorted numbers of lists as rows, 0 where there are fewer."""
    table = np.zeros((len(lists), max([1, *map(len, lists)])), dtype=np.int64)
    for row, each in zip(table, lists, strict=True):
        row[: len(each)] = np.sort(each)
    return table


def _needs(skills: pd.DataFrame, number: pd.Index) -> csr_array:
    edges = [
        (number.get_loc(skill), number.get_loc(before))
        for skill, needed in zip(skills["skill_id"], skills["prerequisite_ids"], strict=True)
        for before in needed
        if before in number
    ]
    return needs_of(np.array(edges, dtype=np.int64).reshape(-1, 2).T, len(number))
