"""Which students train, validate and test: by hash of the student, for every model alike."""

from typing import TYPE_CHECKING

from deepkt_irt.settings import SplitSettings

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_BUCKETS = 1000


def user_splits(students: "DataFrame", settings: SplitSettings) -> "DataFrame":
    """Rows of silver.user_splits.

    The hash is of the source's id, so a student keeps the split when the lake is built anew
    with new random keys. Whoever holds a list of source ids can compute their buckets, too, so
    a bucket narrows down who a pseudonym may be.

    Args:
        students: Columns source, student_id, student_key.
        settings: Sizes of the splits.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    test_end = settings.test_permille
    validation_end = test_end + settings.validation_permille
    bucket = F.col("bucket")
    return students.select(
        "student_key",
        _hashed("split", below=_BUCKETS).alias("bucket"),
        _hashed("fold", below=settings.n_folds).alias("fold"),
    ).withColumn(
        "split",
        F.when(bucket < test_end, "test")
        .when(bucket < validation_end, "validation")
        .otherwise("train"),
    )


def _hashed(purpose: str, *, below: int) -> "Column":
    """0 to `below` - 1 by 32 bits of a SHA-256, independent for each purpose."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    text = F.sha2(F.concat_ws("|", F.lit(purpose), "source", "student_id"), 256)
    number = F.conv(F.substring(text, 1, 8), 16, 10).cast("bigint")
    return F.pmod(number, F.lit(below)).cast("int")
