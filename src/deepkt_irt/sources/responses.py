"""Graded responses in bronze.raw_responses to canonical responses, whatever file they came from."""

from typing import TYPE_CHECKING

from deepkt_irt.sources.canonical import (
    ITEMS,
    REJECTED,
    RESPONSES,
    SKILLS,
    Canonical,
    Raw,
    conform,
    rejected_rows,
)
from deepkt_irt.tables.bronze import RAW_RESPONSES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_TABLE = RAW_RESPONSES.qualified_name
_EPOCH_MILLISECONDS_FROM = 1e11  # as seconds this is the year 5138
_ACTIONS = {"0": "attempt", "1": "hint", "2": "scaffold"}  # ASSISTments codes


def canonical(raw: Raw) -> Canonical:
    """All four frames from bronze.raw_responses alone."""
    typed = _typed(raw[_TABLE])
    responses, contradictions = _one_per_response(typed)
    return Canonical(
        responses=conform(responses, RESPONSES),
        items=_items(typed),
        skills=_skills(typed),
        rejected=conform(contradictions.unionByName(_missing_latencies(typed)), REJECTED),
    )


def instant(value: "Column") -> "Column":
    """Epoch seconds, epoch milliseconds or ISO 8601 text as a timestamp; else null."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    seconds = value.try_cast("double")
    seconds = F.when(seconds >= _EPOCH_MILLISECONDS_FROM, seconds / 1000).otherwise(seconds)
    return F.coalesce(seconds.cast("timestamp"), value.try_cast("timestamp"))


def _typed(raw: "DataFrame") -> "DataFrame":
    """Values as what they are; the text columns stay beside for what is refused later."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    action = F.lower("first_action")
    for code, name in _ACTIONS.items():
        action = F.when(F.regexp_replace("first_action", r"\.0$", "") == code, name).otherwise(
            action
        )
    known = F.when(action.isin("attempt", "hint", "answer", "explanation", "scaffold"), action)
    latency = F.col("latency_ms").try_cast("double").cast("bigint")
    right = F.lower("correct").isin("1", "1.0", "true")
    bottom = F.col("bottom_hint").try_cast("double")
    return raw.select(
        "*",
        F.col("_source").alias("source"),
        known.alias("action"),
        F.when(latency > 0, latency).alias("latency"),
        latency.alias("latency_received"),
        right.alias("right"),
        F.coalesce(F.col("score").try_cast("double"), right.cast("double")).alias("credit"),
        instant(F.col("answered_at")).alias("time"),
        F.col("response_order").try_cast("double").alias("order"),
        F.when(bottom.isNotNull(), (bottom == 1) & (known == "hint")).alias("answer_shown"),
        _parts("skill_ids").alias("skills"),
    )


def _parts(column: str) -> "Column":
    """A joined text as an array, empty parts left out; no text gives an empty array."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    pattern = F.concat(F.lit(r"\Q"), F.col("skill_separator"), F.lit(r"\E"))
    whole = F.array(F.col(column))
    split = F.when(F.col("skill_separator").isNull(), whole).otherwise(F.split(column, pattern))
    trimmed = F.transform(split, lambda part: F.regexp_replace(F.trim(part), r"\.0$", ""))
    return F.coalesce(F.filter(trimmed, lambda part: part != ""), F.array().cast("array<string>"))


def _one_per_response(typed: "DataFrame") -> tuple["DataFrame", "DataFrame"]:
    """One row per response; rows that repeat it once per skill give it several skills.

    A repeated row with another result cannot be the same response: it is refused.
    """
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    same = Window.partitionBy("_file", "student_id", "item_id", "order", "time").orderBy("_row")
    marked = typed.withColumn("first_right", F.first("right").over(same)).withColumn(
        "first_row", F.first("_row").over(same)
    )
    contradicting = rejected_rows(
        marked.filter("right <> first_right"),
        table_name=_TABLE,
        column="correct",
        reason="concat('contradicts row ', first_row, ': the same response with another result')",
    )
    kept = marked.filter("right = first_right")
    values = {
        "source": "source", "class_id": "class_id", "assignment_id": "assignment_id",
        "answered_at": "time", "response_order": "order", "correct": "right", "score": "credit",
        "attempt_count": "attempt_count", "first_action": "action", "latency_ms": "latency",
        "hint_count": "hint_count", "answer_requested": "answer_shown", "batch_id": "_batch_id",
    }  # fmt: skip
    numbers = ("attempt_count", "hint_count")
    one = kept.groupBy("_file", "student_id", "item_id", "first_row").agg(
        F.array_sort(F.array_distinct(F.flatten(F.collect_list("skills")))).alias("skill_ids"),
        *(
            F.min_by(
                F.col(column).try_cast("double").cast("int") if name in numbers else F.col(column),
                "_row",
            ).alias(name)
            for name, column in values.items()
        ),
    )
    one = one.withColumnsRenamed({"_file": "file", "first_row": "row"})
    return one.withColumn("event_kind", F.lit("practice")), contradicting


def _missing_latencies(typed: "DataFrame") -> "DataFrame":
    return rejected_rows(
        typed.filter("latency_received <= 0"),
        table_name=_TABLE,
        column="latency_ms",
        reason="concat('latency ', latency_ms, ' is not above 0: the response is kept, "
        "its latency is missing')",
    )


def _items(typed: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    kinds = typed.groupBy("source", "item_id").agg(
        F.min("item_type").alias("item_type"),
        F.array_sort(F.array_distinct(F.flatten(F.collect_set("skills")))).alias("skill_ids"),
    )
    choice = F.lower("item_type").isin("choose_1", "choose_n", "rank", "multiple choice")
    return conform(kinds.withColumn("is_guessable", choice), ITEMS)


def _skills(typed: "DataFrame") -> "DataFrame":
    """Skills with the names that stand in the same place; an unnamed one keeps a null name."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    pattern = F.concat(F.lit(r"\Q"), F.col("skill_separator"), F.lit(r"\E"))
    # names may use another separator than ids: ASSISTments joins ids by _ and names by ;
    own = F.when(F.col("skill_names").contains(";"), F.split("skill_names", ";")).otherwise(
        F.when(F.col("skill_separator").isNull(), F.array("skill_names")).otherwise(
            F.split("skill_names", pattern)
        )
    )
    same_length = F.when(F.size(own) == F.size("skills"), own)
    pairs = typed.select(
        "source",
        F.explode(
            F.arrays_zip(
                F.col("skills").alias("skill_id"),
                F.coalesce(
                    same_length, F.transform("skills", lambda _: F.lit(None).cast("string"))
                ).alias("name"),
            )
        ).alias("pair"),
    )
    named = pairs.groupBy("source", F.col("pair.skill_id").alias("skill_id")).agg(
        F.min(F.nullif(F.trim("pair.name"), F.lit(""))).alias("name")
    )
    empty = F.array().cast("array<string>")
    return conform(named.withColumn("prerequisite_ids", empty), SKILLS)
