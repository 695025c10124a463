"""Canonical responses to events: pseudonyms, ids, one row per response, one order per student."""

from typing import TYPE_CHECKING

from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_CLASS_DIGITS = 16


def qualified(column: str) -> "Column":
    """`source:id`, so that ids of two systems never meet; null stays null."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.concat("source", F.lit(":"), F.col(column))


def qualified_all(column: str) -> "Column":
    """The same for an array of ids, sorted."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    each = F.transform(F.col(column), lambda part: F.concat("source", F.lit(":"), part))
    return F.array_sort(F.array_distinct(each))


def identified(responses: "DataFrame", keys: "DataFrame") -> "DataFrame":
    """Responses with student key, qualified ids, event id and how often the event came before.

    Args:
        responses: Canonical responses.
        keys: Rows of restricted.student_keys.

    Returns:
        The responses of known students; `delivery` is 1 for the first arrival of an event.
    """
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    owned = responses.filter("item_id IS NOT NULL").join(
        keys.select("source", "student_id", "student_key"), ["source", "student_id"]
    )
    class_hash = F.substring(F.sha2(qualified("class_id"), 256), 1, _CLASS_DIGITS)
    renamed = owned.withColumns(
        {
            "item_id": qualified("item_id"),
            "skill_ids": F.coalesce(qualified_all("skill_ids"), _no_text()),
            "assignment_id": qualified("assignment_id"),
            "practice_assignment_ids": qualified_all("practice_assignment_ids"),
            "class_key": F.concat(F.lit("class-"), class_hash),
        }
    ).withColumn("event_id", _event_id())
    arrival = Window.partitionBy("event_id").orderBy("batch_id", "file", "row")
    return renamed.withColumns(
        {
            "delivery": F.row_number().over(arrival),
            "first_file": F.first("file").over(arrival),
            "first_row": F.first("row").over(arrival),
            "first_correct": F.first("correct").over(arrival),
        }
    )


def events(identified_responses: "DataFrame") -> "DataFrame":
    """Rows of silver.canonical_learning_events: first deliveries in each student's order."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    order = Window.partitionBy("student_key").orderBy(
        F.col("answered_at").asc_nulls_last(),
        F.col("response_order").asc_nulls_last(),
        "file",
        "row",
        "item_id",
    )
    numbered = identified_responses.filter("delivery = 1").withColumn(
        "sequence_number", F.row_number().over(order).cast("bigint")
    )
    return numbered.select(*CANONICAL_LEARNING_EVENTS.column_names)


def repeated(identified_responses: "DataFrame") -> "DataFrame":
    """Later deliveries of an event as refused rows, saying which one was kept."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    differs = ~F.col("correct").eqNullSafe(F.col("first_correct"))
    verb = F.when(differs, "contradicts ").otherwise("repeats ")
    return _refused(
        identified_responses.filter("delivery > 1"),
        column=F.lit(None).cast("string"),
        reason=F.concat(verb, F.lit("event of "), "first_file", F.lit(" row "), "first_row"),
    )


def without_ids(responses: "DataFrame") -> "DataFrame":
    """Responses that name no student or no item, as refused rows."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    column = F.when(F.col("student_id").isNull(), "student_id").otherwise("item_id")
    return _refused(
        responses.filter("student_id IS NULL OR item_id IS NULL"),
        column=column,
        reason=F.concat(column, F.lit(" is missing")),
    )


def _event_id() -> "Column":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    parts = (
        "student_key",
        "item_id",
        "assignment_id",
        "answered_at",
        "response_order",
        "event_kind",
    )
    texts = [F.coalesce(F.col(part).cast("string"), F.lit("")) for part in parts]
    return F.sha2(F.concat_ws("|", *texts), 256)


def _refused(responses: "DataFrame", *, column: "Column", reason: "Column") -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    received = ("student_id", "item_id", "answered_at", "response_order", "correct", "score")
    return responses.select(
        "source",
        F.lit(CANONICAL_LEARNING_EVENTS.qualified_name).alias("table_name"),
        "file",
        "row",
        column.alias("column"),
        reason.alias("reason"),
        F.to_json(F.struct(*received)).alias("received"),
        "batch_id",
    )


def _no_text() -> "Column":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.array().cast("array<string>")
