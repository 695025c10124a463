"""First attempts: the responses that speak for an item and a student, and how far each counts."""

from functools import reduce
from typing import TYPE_CHECKING

from deepkt_irt.settings import CalibrationSettings

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_ROUNDING = 1e-3  # of a share of credit
_HASH_RANGE = 100_000


def first_attempts(events: "DataFrame") -> "DataFrame":
    """Each student's first graded event on each item.

    Later tries are no first attempts. Where the answer was shown at or before the first graded
    event, that is no evidence of ability.

    Returns:
        student_key, item_id, sequence_number, event_id, share (of credit, 0 to 1), answered_at,
        latency_ms, answer, is_evidence.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    position = F.col("sequence_number")
    share = F.coalesce(F.col("correct").cast("double"), "score")
    graded_at = F.when(share.isNotNull(), position)
    shown_at = F.when(F.col("answer_requested"), position)
    about = F.struct("event_id", share.alias("share"), "answered_at", "latency_ms", "answer")
    first = events.groupBy("student_key", "item_id").agg(
        F.min_by(about, graded_at).alias("first"),
        F.min(graded_at).alias("sequence_number"),
        F.min(shown_at).alias("shown_at"),
    )
    graded = first.filter("sequence_number IS NOT NULL")
    return graded.select(
        "student_key",
        "item_id",
        "sequence_number",
        "first.*",
        F.expr("coalesce(shown_at > sequence_number, true)").alias("is_evidence"),
    )


def with_exclusions(attempts: "DataFrame", behaviour: "DataFrame") -> "DataFrame":
    """The attempts with is_excluded: how they were answered makes them no evidence of ability.

    False where nothing is known of that. What follows an excluded first attempt is no first one.

    Args:
        attempts: From `first_attempts`.
        behaviour: Rows of silver.response_behaviour.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    excluded = behaviour.filter("is_excluded").select("event_id", "is_excluded")
    joined = attempts.join(excluded, "event_id", "left")
    return joined.withColumn("is_excluded", F.coalesce("is_excluded", F.expr("false")))


def with_levels(attempts: "DataFrame", settings: CalibrationSettings) -> "DataFrame":
    """The attempts with the item's n_steps and the score level reached.

    An item has K steps if every share of credit on it is one of 0, 1/K … 1, for the smallest such
    K. Without one, or with too many, full credit is right and anything less wrong.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    candidates = range(1, settings.max_levels)

    def fits(k: int) -> "Column":
        exact = k * F.col("share")
        return F.every(F.abs(exact - F.round(exact)) < _ROUNDING)

    found = attempts.groupBy("item_id").agg(*(fits(k).alias(f"k{k}") for k in candidates))
    steps = reduce(
        lambda other, k: F.when(F.col(f"k{k}"), k).otherwise(other), reversed(candidates), F.lit(1)
    )
    return attempts.join(found.select("item_id", steps.alias("n_steps")), "item_id").withColumn(
        "level", level_reached()
    )


def level_reached() -> "Column":
    """Level that a share of credit is, by the columns share and n_steps, 0 to n_steps.

    On an item with one step full credit is right and anything less wrong.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    graded = F.round(F.col("n_steps") * F.col("share"))
    full = F.col("share") > 1 - _ROUNDING
    return F.when(F.col("n_steps") > 1, graded).otherwise(full.cast("int")).cast("int")


def share_of_students(attempts: "DataFrame", most: int, *, n: int) -> "DataFrame":
    """The n attempts, or those of as many students as give about `most` of them.

    Students are chosen by a hash of their key, so the same ones every day.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    if n <= most:
        return attempts
    kept = int(_HASH_RANGE * most / n)
    return attempts.filter(F.pmod(F.xxhash64("student_key"), F.lit(_HASH_RANGE)) < kept)
