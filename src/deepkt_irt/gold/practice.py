"""How often students practised each skill, and how often until some time ago."""

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def practised(events: "DataFrame", *, trend_days: float, trend_responses: int) -> "DataFrame":
    """Counts per student and skill over the graded events.

    Args:
        events: Rows of silver.canonical_learning_events.
        trend_days: What "some time ago" is, counted back from the newest event of all, as files
            may come days late.
        trend_responses: The same for students without times, from each one's last event.

    Returns:
        By student_key and skill_id: n_responses, n_correct, last_sequence_number,
        last_answered_at, wrong_in_a_row; n_earlier, the responses until some time ago, and
        earlier_until, the student's last event of then (null if there was none).
    """
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    graded = events.filter("correct IS NOT NULL")
    earlier = _earlier(graded, trend_days, trend_responses)
    each = graded.select("*", F.explode("skill_ids").alias("skill_id")).join(earlier, "student_key")
    in_order = Window.partitionBy("student_key", "skill_id").orderBy("sequence_number")
    last_right = F.coalesce(F.max(F.expr("IF(correct, place, NULL)")), F.lit(0))
    return (
        each.withColumn("place", F.row_number().over(in_order))
        .groupBy("student_key", "skill_id")
        .agg(
            F.count("*").alias("n_responses"),
            F.count_if("correct").alias("n_correct"),
            F.max("sequence_number").alias("last_sequence_number"),
            F.max("answered_at").alias("last_answered_at"),
            (F.count("*") - last_right).alias("wrong_in_a_row"),
            F.count_if(F.expr("sequence_number <= earlier_until")).alias("n_earlier"),
            F.first("earlier_until").alias("earlier_until"),
        )
    )


def _earlier(graded: "DataFrame", days: float, responses: int) -> "DataFrame":
    """Each student's last event of some time ago: by the clock, or by order where none is known."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    newest = graded.agg(F.max("answered_at").alias("newest"))
    since = F.col("newest") - F.lit(timedelta(days=days))
    by_clock = F.max(F.when(F.col("answered_at") < since, F.col("sequence_number")))
    by_order = F.max("sequence_number") - responses
    until = F.when(F.count("answered_at") > 0, by_clock).otherwise(by_order)
    return graded.crossJoin(newest).groupBy("student_key").agg(until.alias("earlier_until"))
