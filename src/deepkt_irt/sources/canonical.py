"""What every source hands to silver: three frames of one shape, with ids as the source has them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
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
TOLD = f"""
    {RESPONSES}, table_name string, column string, reason string, received string, owner string
"""


@dataclass(frozen=True)
class Canonical:
    """What a source tells.

    Attributes:
        told: Columns of TOLD: the responses, and with them what was refused, which has a reason.
            One frame, so that what both rest on is worked out once.
        items: Columns of ITEMS.
        skills: Columns of SKILLS.
    """

    told: "DataFrame"
    items: "DataFrame"
    skills: "DataFrame"

    @property
    def responses(self) -> "DataFrame":
        """Columns of RESPONSES of what was not refused."""
        return conform(self.told.filter("reason IS NULL"), RESPONSES)

    @property
    def rejected(self) -> "DataFrame":
        """Columns of REJECTED of what was."""
        return conform(self.told.filter("reason IS NOT NULL"), REJECTED)


def told(responses: "DataFrame", *rejected: "DataFrame") -> "DataFrame":
    """Responses and refused rows as one frame.

    Args:
        responses: Columns of RESPONSES.
        rejected: Frames with columns of REJECTED.
    """
    owned = conform(responses.withColumn(OWNER, owner("student_id")), TOLD)
    return reduce(lambda a, b: a.unionByName(conform(b, TOLD)), rejected, owned)


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


def owned_by(frame: "DataFrame", owners: "DataFrame", by: str) -> "DataFrame":
    """The rows of some owners, and those that name nobody.

    Args:
        frame: Rows of one source.
        owners: Column `owner`, each once.
        by: The frame's column that names the owner.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    asked = F.broadcast(owners.select(F.col(OWNER).alias("_asked")))
    placed = frame.withColumn("_owner", owner(by))
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


def as_received(names: Iterable[str]) -> "Column":
    """The values of some bronze columns as JSON; those of provenance are passed over."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.to_json(F.struct(*(name for name in names if not name.startswith("_"))))


def rejected_rows(raw: "DataFrame", *, table_name: str, column: str, reason: str) -> "DataFrame":
    """Bronze rows as REJECTED rows: what was wrong, whose it is, and what was received as JSON.

    Args:
        raw: Bronze rows, with provenance and student_id.
        table_name: Bronze table they stand in.
        column: Column at fault.
        reason: SQL expression that gives the reason.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return raw.select(
        F.col("_source").alias("source"),
        F.lit(table_name).alias("table_name"),
        F.col("_file").alias("file"),
        F.col("_row").alias("row"),
        F.lit(column).alias("column"),
        F.expr(reason).alias("reason"),
        as_received(raw.columns).alias("received"),
        F.col("_batch_id").alias("batch_id"),
        owner("student_id"),
    )
