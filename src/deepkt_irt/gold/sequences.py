"""Windows over each student's whole graded history; nothing is cut away."""

from typing import TYPE_CHECKING

from deepkt_irt.settings import SequenceSettings

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_UNKNOWN = 0  # the index of no item
STEP_COLUMNS = {
    "event_ids": "event_id",
    "sequence_numbers": "sequence_number",
    "item_indexes": "item_index",
    "skill_indexes": "skill_indexes",
    "correct": "correct",
    "latency_ms": "latency_ms",
    "hint_counts": "hint_count",
    "attempt_counts": "attempt_count",
    "first_actions": "first_action",
    "answered_at": "answered_at",
}


def indexed(
    events: "DataFrame", item_vocabulary: "DataFrame", skill_vocabulary: "DataFrame"
) -> "DataFrame":
    """Graded events with integer indexes instead of ids; none is lost to a missing index.

    Args:
        events: Rows of silver.canonical_learning_events.
        item_vocabulary: Indexes of items.
        skill_vocabulary: Indexes of skills, few enough for each task to hold them all.

    Returns:
        student_key, event_id, assignment_id, event_kind, sequence_number, item_index (0 if it has
        none), skill_indexes (sorted, may be empty), correct (0 or 1), latency_ms, hint_count,
        attempt_count, first_action, answered_at.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    only = F.when(F.size("skill_ids") == 1, F.element_at("skill_ids", 1))
    none = F.array().cast("array<int>")
    return (
        events.filter("correct IS NOT NULL")
        .withColumn("only", only)
        .join(F.broadcast(_of_one(skill_vocabulary)), "only", "left")
        .crossJoin(F.broadcast(_of_all(skill_vocabulary)))
        .join(item_vocabulary.select("item_id", "item_index"), "item_id", "left")
        .withColumn(
            "known",
            F.when(F.col("only").isNotNull(), F.coalesce("only_index", none)).otherwise(
                _looked_up()
            ),
        )
        .select(
            "student_key",
            "event_id",
            "assignment_id",
            "event_kind",
            "sequence_number",
            F.coalesce("item_index", F.lit(_UNKNOWN)).alias("item_index"),
            F.col("known").alias("skill_indexes"),
            F.col("correct").cast("int").alias("correct"),
            "latency_ms",
            "hint_count",
            "attempt_count",
            "first_action",
            "answered_at",
        )
    )


def _of_one(skill_vocabulary: "DataFrame") -> "DataFrame":
    """only, only_index: by skill, the indexes of an event with that skill alone."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return skill_vocabulary.select(
        F.col("skill_id").alias("only"), F.array("skill_index").alias("only_index")
    )


def _of_all(skill_vocabulary: "DataFrame") -> "DataFrame":
    """One row: index_of, a map of all skills, which is searched from its start each time."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    entry = F.struct("skill_id", "skill_index")
    return skill_vocabulary.agg(F.map_from_entries(F.collect_list(entry)).alias("index_of"))


def _looked_up() -> "Column":
    """The indexes of several skills, sorted."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    indexes = F.transform("skill_ids", lambda skill: F.try_element_at("index_of", skill))
    return F.array_sort(F.array_distinct(F.filter(indexes, lambda index: index.isNotNull())))


def windows(steps: "DataFrame", splits: "DataFrame", settings: SequenceSettings) -> "DataFrame":
    """Rows of gold.sakt_sequences.

    The first window scores all its positions. Each later one begins `context` positions before
    what it scores, so every event is scored once and never without its recent past.

    Args:
        steps: From `indexed`.
        splits: Rows of silver.user_splits.
        settings: Length and context of the windows.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    fields = ("sequence_number", *(c for c in STEP_COLUMNS.values() if c != "sequence_number"))
    histories = steps.groupBy("student_key").agg(
        F.array_sort(F.collect_list(F.struct(*fields))).alias("history")
    )
    stride = settings.length - settings.context
    beyond = F.greatest(F.size("history") - settings.length, F.lit(0))
    last = F.ceil(beyond / stride).cast("int")
    cut = histories.withColumn("window_index", F.explode(F.sequence(F.lit(0), last))).withColumn(
        "part", F.slice("history", F.col("window_index") * stride + 1, F.lit(settings.length))
    )
    columns = [F.col(f"part.{source}").alias(name) for name, source in STEP_COLUMNS.items()]
    return cut.join(splits.select("student_key", "split", "bucket"), "student_key").select(
        "student_key",
        "window_index",
        F.when(F.col("window_index") == 0, 0).otherwise(settings.context).alias("context_length"),
        "split",
        "bucket",
        *columns,
    )
