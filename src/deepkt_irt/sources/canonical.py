"""What every source hands to silver: four frames of one shape, with ids as the source has them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

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
    received string, batch_id bigint, owner string
"""


@dataclass(frozen=True)
class Canonical:
    """Frames with exactly the columns above."""

    responses: "DataFrame"
    items: "DataFrame"
    skills: "DataFrame"
    rejected: "DataFrame"


Raw = Mapping[str, "DataFrame"]  # bronze frames of one source by qualified table name


@dataclass(frozen=True)
class Scope:
    """How to work out again only what new rows can change.

    Attributes:
        touched: All bronze frames and those of the new rows, to the owners (column `owner`, each
            once) whose responses or refused rows the new rows can change.
        of_owners: Bronze frames and owners to the frames from which `canonical` makes the same
            responses and refused rows of these owners as from all; it may make others' beside.
    """

    touched: Callable[[Raw, Raw], "DataFrame"]
    of_owners: Callable[[Raw, "DataFrame"], Raw]


OWNER = "owner"
"""Column that says whose a row is: student id in the source, or what else is worked out as a whole;
empty where nobody is named."""


def owner(student_id: str) -> "Column":
    """A student's id as an owner; empty where it is missing."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.coalesce(F.trim(student_id), F.lit("")).alias(OWNER)


def owned_by(frame: "DataFrame", owners: "DataFrame", student_id: str) -> "DataFrame":
    """The rows of some owners, and those that name nobody.

    Args:
        frame: Rows of one source.
        owners: Column `owner`, each once.
        student_id: The frame's column that names the student.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    asked = F.broadcast(owners.select(F.col(OWNER).alias("_asked")))
    placed = frame.withColumn("_owner", owner(student_id))
    theirs = placed.join(asked, F.col("_owner") == F.col("_asked"), "left")
    return theirs.filter("_asked IS NOT NULL OR _owner = ''").select(*frame.columns)


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
    """Bronze rows as REJECTED rows: what was wrong, whose it is, and what was received as JSON.

    Args:
        raw: Bronze rows, with provenance and student_id.
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
        owner("student_id"),
    )
