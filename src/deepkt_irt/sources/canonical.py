"""What every source hands to silver: four frames of one shape, with ids as the source has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

RESPONSES = """
    source string, student_id string, student_group string, class_id string,
    assignment_id string, item_id string, skill_ids array<string>, answered_at timestamp,
    response_order double, correct boolean, score double, answer string, attempt_count int,
    first_action string, latency_ms bigint, hint_count int, answer_requested boolean,
    answer_requested_later boolean, explanation_requested boolean, event_kind string,
    practice_assignment_ids array<string>, file string, row bigint, batch_id bigint
"""
ITEMS = """
    source string, item_id string, item_type string, is_guessable boolean,
    skill_ids array<string>, title string
"""
SKILLS = """
    source string, skill_id string, name string, description string,
    prerequisite_ids array<string>
"""
REJECTED = """
    source string, table_name string, file string, row bigint, column string, reason string,
    received string, batch_id bigint
"""


@dataclass(frozen=True)
class Canonical:
    """Frames with exactly the columns above."""

    responses: "DataFrame"
    items: "DataFrame"
    skills: "DataFrame"
    rejected: "DataFrame"


Raw = Mapping[str, "DataFrame"]  # bronze frames of one source by qualified table name


def conform(frame: "DataFrame", ddl: str) -> "DataFrame":
    """The frame with exactly a shape's columns; what it lacks is null, types are cast."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    columns = []
    for part in ddl.split(","):
        name, kind = part.split()
        value = F.col(name) if name in frame.columns else F.lit(None)
        columns.append(value.cast(kind).alias(name))
    return frame.select(*columns)


def rejected_rows(raw: "DataFrame", *, table_name: str, column: str, reason: str) -> "DataFrame":
    """Bronze rows as REJECTED rows: what was wrong, and the row as received as JSON.

    Args:
        raw: Bronze rows, with provenance.
        table_name: Bronze table they stand in.
        column: Column at fault.
        reason: SQL expression that gives the reason.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    received = [name for name in raw.columns if not name.startswith("_")]
    return raw.select(
        F.col("_source").alias("source"),
        F.lit(table_name).alias("table_name"),
        F.col("_file").alias("file"),
        F.col("_row").alias("row"),
        F.lit(column).alias("column"),
        F.expr(reason).alias("reason"),
        F.to_json(F.struct(*received)).alias("received"),
        F.col("_batch_id").alias("batch_id"),
    )
