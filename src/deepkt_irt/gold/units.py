"""What Wide & Deep IRT learns from: unit tests after their practice, or whole histories."""

from typing import TYPE_CHECKING

from deepkt_irt.gold.sequences import STEP_COLUMNS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# a unit's practice and test are not one stretch of the student's history
_STEP_COLUMNS = {
    name: column for name, column in STEP_COLUMNS.items() if column != "sequence_number"
}
_WHOLE = ""  # the unit of a student whose tests name no practice


def units(steps: "DataFrame", events: "DataFrame", splits: "DataFrame") -> "DataFrame":
    """Rows of gold.wdirt_features.

    A unit test is predicted from the practice it concludes, as far as that came before it (Pu,
    Yan and Zhang 2024). Of students without such tests every answer is predicted from all before.

    Args:
        steps: From `sequences.indexed`.
        events: Rows of silver.canonical_learning_events.
        splits: Rows of silver.user_splits.
    """
    tests = _tests(events)
    tested = tests.select("student_key").distinct()
    whole = _whole(steps.join(tested, "student_key", "left_anti"))
    rows = _of_tests(steps, tests).unionByName(whole)
    return rows.join(splits.select("student_key", "split", "bucket"), "student_key")


def _tests(events: "DataFrame") -> "DataFrame":
    """Unit tests with their practice: student_key, unit_id, practice_ids, first_number."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    graded = events.filter("event_kind = 'assessment' AND correct IS NOT NULL")
    named = graded.filter(F.size("practice_assignment_ids") > 0)
    return named.groupBy("student_key", F.col("assignment_id").alias("unit_id")).agg(
        F.array_sort(F.array_distinct(F.flatten(F.collect_list("practice_assignment_ids")))).alias(
            "practice_ids"
        ),
        F.min("sequence_number").alias("first_number"),
    )


def _of_tests(steps: "DataFrame", tests: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    practice = tests.select("*", F.explode("practice_ids").alias("of"), F.lit(0).alias("asked"))
    own = tests.select("*", F.col("unit_id").alias("of"), F.lit(1).alias("asked"))
    wanted = practice.unionByName(own).drop("practice_ids")
    # one pass over the steps serves both
    found = wanted.join(
        steps.withColumn("of", F.col("assignment_id")), ["student_key", "of"]
    ).filter(
        "CASE asked WHEN 1 THEN event_kind = 'assessment' "
        "ELSE event_kind = 'practice' AND sequence_number < first_number END"
    )
    n_practice = F.size(F.filter("history", lambda step: step["asked"] == 0))
    visible = F.transform(
        "history", lambda step: F.when(step["asked"] == 1, n_practice).otherwise(F.lit(-1))
    )
    return _rows(found, visible)


def _whole(steps: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    visible = F.transform("history", lambda _, place: place)
    return _rows(steps.withColumns({"unit_id": F.lit(_WHOLE), "asked": F.lit(1)}), visible)


def _rows(steps: "DataFrame", visible: "Column") -> "DataFrame":
    """One row a unit, practice first, each part in order."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    fields = ("asked", "sequence_number", *_STEP_COLUMNS.values())
    history = F.array_sort(F.collect_list(F.struct(*fields)))
    columns = [F.col(f"history.{source}").alias(name) for name, source in _STEP_COLUMNS.items()]
    grouped = steps.groupBy("student_key", "unit_id").agg(history.alias("history"))
    return grouped.select("student_key", "unit_id", visible.alias("visible"), *columns)
