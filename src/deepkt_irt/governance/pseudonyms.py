"""Random keys that stand for students everywhere outside restricted.student_keys."""

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def new_student_keys(
    students: "DataFrame", known: "DataFrame", *, created_at: datetime
) -> "DataFrame":
    """Keys for students who have none: random, so that nothing of the id can be found in them.

    A plan that calls uuid() gives other keys each time it is evaluated. Insert the frame into
    the table of keys and read the keys back from there; never join with it. A run killed before
    the insert leaves no key, one killed after it leaves the keys the next run will find.

    Args:
        students: Columns source, student_id; repeated rows and empty ids are passed over.
        known: Rows of restricted.student_keys.
        created_at: Instant noted beside the keys, UTC.

    Returns:
        Rows of restricted.student_keys, one per new student.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    wanted = students.select("source", "student_id").filter("trim(student_id) <> ''").distinct()
    return wanted.join(known, ["source", "student_id"], "left_anti").select(
        "source",
        "student_id",
        F.regexp_replace(F.expr("uuid()"), "-", "").alias("student_key"),
        F.lit(created_at).alias("created_at"),
    )
