"""Canonical responses to events: pseudonyms, ids, one row per response, one order per student."""

from typing import TYPE_CHECKING

from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, CANONICAL_RESPONSES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

DELIVERED_BEFORE = "^(repeats|contradicts) event of "  # the reasons of responses that came twice
_CLASS_DIGITS = 16
_BESIDE = (
    *("file", "row", "batch_id", "is_refused"),
    *("table_name", "column", "reason", "received", "owner"),
)
_RESPONSE = tuple(name for name in CANONICAL_RESPONSES.column_names if name not in _BESIDE)


def qualified(column: str) -> "Column":
    """`source:id`, so that ids of two systems never meet; null stays null."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.concat("source", F.lit(":"), F.col(column))


def qualified_all(column: str) -> "Column":
    """The same for an array of ids, sorted, each once."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    each = F.transform(F.col(column), lambda part: F.concat("source", F.lit(":"), part))
    return F.array_sort(F.array_distinct(each))


def class_key(column: str) -> "Column":
    """Pseudonym of a class by its id in the source; null stays null."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    digits = F.substring(F.sha2(qualified(column), 256), 1, _CLASS_DIGITS)
    return F.concat(F.lit("class-"), digits)


def named(told: "DataFrame") -> "DataFrame":
    """The responses that say which student answered which item; the others are no events."""
    return told.filter("NOT is_refused").filter(~(_blank("student_id") | _blank("item_id")))


def identified(told: "DataFrame", keys: "DataFrame") -> "DataFrame":
    """Every row told with its student key, qualified ids, event id and what speaks against it.

    One frame for events and refused rows alike: they cannot overlap, nor miss a response.

    Args:
        told: Rows of restricted.canonical_responses.
        keys: Rows of restricted.student_keys, with one for each student named.

    Returns:
        The rows, those of a student in one partition; `reason` is null where one becomes an
        event, `column` is the column at fault, `response` the response as it was.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    missing = F.when(_blank("student_id"), "student_id").when(_blank("item_id"), "item_id")
    marked = told.withColumns(
        {"response": F.struct(*_RESPONSE), "column": F.coalesce("column", missing)}
    )
    owned = marked.join(
        keys.select("source", "student_id", "student_key"), ["source", "student_id"], "left"
    )
    renamed = owned.withColumns(
        {
            "item_id": qualified("item_id"),
            "skill_ids": F.coalesce(qualified_all("skill_ids"), no_ids()),
            "assignment_id": qualified("assignment_id"),
            "practice_assignment_ids": qualified_all("practice_assignment_ids"),
            "class_key": class_key("class_id"),
        }
    )
    placed = renamed.withColumn("event_id", _event_id())
    # those of nobody are apart: together they would fill one partition
    spread = placed.withColumn("_whose", F.coalesce("student_key", "event_id"))
    # one exchange of rows serves this window and that of `events`
    return _with_reason(spread.repartition("_whose"))


def events(identified_responses: "DataFrame") -> "DataFrame":
    """Rows of silver.canonical_learning_events, numbered in each student's order."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    order = Window.partitionBy("_whose").orderBy(
        F.col("answered_at").asc_nulls_last(),
        F.col("response_order").asc_nulls_last(),
        "file",
        "row",
        "item_id",
    )
    numbered = identified_responses.filter("reason IS NULL").withColumn(
        "sequence_number", F.row_number().over(order).cast("bigint")
    )
    return numbered.select(*CANONICAL_LEARNING_EVENTS.column_names)


def refused(identified_responses: "DataFrame") -> "DataFrame":
    """The rows that become no event, with the reason, as rejected rows."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    judged_here = F.lit(CANONICAL_LEARNING_EVENTS.qualified_name)
    return identified_responses.filter("reason IS NOT NULL").select(
        "source",
        F.when(F.col("is_refused"), F.col("table_name")).otherwise(judged_here).alias("table_name"),
        "file",
        "row",
        "column",
        "reason",
        F.coalesce("received", F.to_json("response")).alias("received"),
        "batch_id",
        "owner",
    )


def no_ids() -> "Column":
    """An empty array of ids."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.array().cast("array<string>")


def _blank(column: str) -> "Column":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.coalesce(F.trim(column), F.lit("")) == ""


def _event_id() -> "Column":
    """Hash of what makes a response itself; of where it stands if it names nobody or nothing.

    Hashed as a JSON array, in which a missing value is not an empty one and no id can run into
    the next, and with the instant as a number, which no session's time zone changes.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    # a test's scores have no order but that of their rows, which another delivery changes
    is_score = (F.col("event_kind") == "assessment") & F.col("assignment_id").isNotNull()
    order = F.when(~is_score, F.col("response_order")).cast("string")
    instant = F.unix_micros("answered_at").cast("string")
    identity = F.array("student_key", "item_id", "assignment_id", instant, order, "event_kind")
    place = F.array("file", F.col("row").cast("string"))
    return F.sha2(F.to_json(F.when(F.col("column").isNull(), identity).otherwise(place)), 256)


def _with_reason(owned: "DataFrame") -> "DataFrame":
    """Why a row is no event: it was refused, misses an id, or an earlier one is the same event."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    arrival = Window.partitionBy("_whose", "event_id").orderBy("batch_id", "file", "row")
    first = F.first(F.struct("file", "row", "correct", "score"))
    placed = owned.withColumns(
        {"delivery": F.row_number().over(arrival), "first": first.over(arrival)}
    )
    same = F.col("correct").eqNullSafe(F.col("first.correct")) & F.col("score").eqNullSafe(
        F.col("first.score")
    )
    verb = F.when(same, "repeats").otherwise("contradicts")
    again = F.concat(verb, F.lit(" event of "), "first.file", F.lit(" row "), "first.row")
    return placed.withColumn(
        "reason",
        F.when(F.col("is_refused"), F.col("reason"))
        .when(F.col("column").isNotNull(), F.concat("column", F.lit(" is missing")))
        .when(F.col("delivery") > 1, again),
    )
