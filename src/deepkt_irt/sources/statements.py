"""Statements in bronze.raw_statements to canonical responses, whatever system they came from.

Statements about one item within one registration make one response: its result is that of the
first attempt that was graded. Where there is no registration, all of a student's attempts at an
item are one response, since nothing tells them apart.
"""

from functools import reduce
from typing import TYPE_CHECKING

from deepkt_irt.sources import responses
from deepkt_irt.sources.canonical import (
    ITEMS,
    TOLD,
    Canonical,
    Raw,
    Scope,
    conform,
    owned_by,
    owner,
    rejected_rows,
)
from deepkt_irt.sources.statement_values import SKILL_SEPARATOR
from deepkt_irt.tables.bronze import RAW_RESPONSES, RAW_STATEMENTS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_TABLE = RAW_STATEMENTS.qualified_name
_RESPONSE = ("_source", "student", "item", "enrolment")  # what makes one response
_AS_RESPONSES = ", ".join(f"{column.name} {column.type}" for column in RAW_RESPONSES.columns)
_MILLISECONDS_OF = {"W": 604_800_000, "D": 86_400_000, "H": 3_600_000, "M": 60_000, "S": 1_000}
_REASONS = {
    "statement_id": "CASE WHEN again THEN concat('repeats ', first._file, ' row ', first._row) "
    "WHEN NOT is_void THEN concat('voided by ', void._file, ' row ', void._row) END",
    "object_id": "CASE WHEN NOT again AND is_void AND NOT is_there THEN "
    "concat('voids ', object_id, ', which is not there') END",
    "verb": "CASE WHEN NOT again AND void IS NULL AND role IS NULL THEN "
    "concat(verb, ' counts in nothing') END",
}
"""Why a statement is refused, by the column at fault; null: it is not, or not for that."""


def canonical(raw: Raw) -> Canonical:
    """All frames from bronze.raw_statements alone.

    Refused are statements whose id came before, statements that were voided, those that void what
    is not there, and those whose verb counts in nothing.
    """
    judged = _judged(raw[_TABLE])
    counted = judged.filter(" AND ".join(f"({reason}) IS NULL" for reason in _REASONS.values()))
    mapped = responses.canonical({RAW_RESPONSES.qualified_name: _answered(counted)})
    refused = [_refused(judged, column, reason) for column, reason in _REASONS.items()]
    return Canonical(
        told=reduce(lambda a, b: a.unionByName(b), refused, _of_statements(mapped.told)),
        items=_titled(mapped.items, counted),
        skills=mapped.skills,
    )


def touched(raw: Raw, new: Raw) -> "DataFrame":
    """The students that new statements name, and those of statements with ids that these name.

    A new statement may void one of another student, or be what an older one voids.
    """
    named = _ids(new[_TABLE])
    related = _with_ids(raw[_TABLE], named)
    return related.unionByName(new[_TABLE]).select(owner("student_id")).distinct()


def of_owners(raw: Raw, owners: "DataFrame") -> Raw:
    """All statements of some students or of nobody, and of others what decides whether those count.

    Whether a statement counts depends on those with the same id, on what voids it and on what it
    voids.
    """
    own = owned_by(raw[_TABLE], owners, "student_id")
    decides = _with_ids(raw[_TABLE], _ids(own))
    return {**raw, _TABLE: own.unionByName(decides).distinct()}


SCOPE = Scope(touched, of_owners)


def _id(column: str) -> "Column":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.lower(F.trim(column))  # UUIDs, whatever their case


def _ids(statements: "DataFrame") -> "DataFrame":
    """Ids of statements, and of those that they void."""
    voids = statements.filter("role = 'void'").select(_id("object_id").alias("id"))
    return statements.select(_id("statement_id").alias("id")).unionByName(voids).distinct()


def _with_ids(statements: "DataFrame", ids: "DataFrame") -> "DataFrame":
    """The statements with one of some ids, and those that void one of them."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    known = F.broadcast(ids)
    same = statements.join(known, _id("statement_id") == known["id"], "left_semi")
    voids = statements.filter("role = 'void'")
    return same.unionByName(voids.join(known, _id("object_id") == known["id"], "left_semi"))


def _judged(raw: "DataFrame") -> "DataFrame":
    """Each statement with what makes its response, and what speaks against it.

    Added are `again` and `first` (of its id), `is_void`, `void` (the first statement that voids
    it) and `is_there` (whether what it voids is).
    """
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    place = F.struct("_batch_id", "_file", "_row")
    known = raw.withColumns(
        {
            "student": F.trim("student_id"),
            "item": F.trim("object_id"),
            "enrolment": F.coalesce(F.trim("registration"), F.lit("")),
            "id": _id("statement_id"),
            "time": responses.instant(F.trim("answered_at")),
            "is_void": F.col("role").eqNullSafe("void"),
        }
    )
    meant = known.withColumn(
        "meant", F.when(F.col("is_void"), F.lower("item")).otherwise(F.col("id"))
    )
    of_id = Window.partitionBy("_source", "id")
    of_meant = Window.partitionBy("_source", "meant")
    return meant.withColumns(
        {
            "first": F.min(place).over(of_id),
            "again": F.min(place).over(of_id) != place,
            "void": F.min(F.when(F.col("is_void"), place)).over(of_meant),
            "is_there": F.bool_or(~F.col("is_void")).over(of_meant),
        }
    )


def _refused(judged: "DataFrame", column: str, reason: str) -> "DataFrame":
    told = judged.selectExpr(*RAW_STATEMENTS.column_names, f"{reason} AS _reason")
    refused = told.filter("_reason IS NOT NULL")
    return conform(rejected_rows(refused, table_name=_TABLE, column=column, reason="_reason"), TOLD)


def _of_statements(told: "DataFrame") -> "DataFrame":
    """What was made as from rows of responses, as of the statements these were made from."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return told.withColumn("table_name", F.lit(_TABLE))


def _attempts(counted: "DataFrame") -> "DataFrame":
    """One row per attempt: its first statement that is no grade, and the grade it got last."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    tells = counted.filter("role IN ('response', 'grade')")
    place = F.struct("time", "_file", "_row")
    from_answer = F.struct(F.col("role") == "grade", *("time", "_file", "_row"))
    is_graded = F.col("success").isNotNull() | F.col("score").isNotNull()
    skills = F.struct("skill_ids", "skill_names")
    kept = [name for name in RAW_STATEMENTS.column_names if name != "_source"]
    return tells.groupBy(*_RESPONSE, F.coalesce("attempt_id", "id").alias("attempt")).agg(
        F.min_by(F.struct("time", *kept), from_answer).alias("told"),
        F.max_by(F.struct("success", "score"), F.when(is_graded, place)).alias("result"),
        F.min_by(skills, F.when(F.col("skill_ids").isNotNull(), place)).alias("tagged"),
    )


def _answered(counted: "DataFrame") -> "DataFrame":
    """One row per response in the shape of bronze.raw_responses: its first graded attempt."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    response = Window.partitionBy(*_RESPONSE)
    order = response.orderBy(
        F.col("result").isNull(), *(f"told.{name}" for name in ("time", "_file", "_row"))
    )
    attempts = _attempts(counted).withColumns(
        {"place": F.row_number().over(order), "n_attempts": F.count("*").over(response)}
    )
    first = attempts.filter("place = 1").join(_help(counted), list(_RESPONSE), "left")
    received = F.col("told.attempt_count").try_cast("double").try_cast("int")
    return conform(
        first.select(
            "_source",
            F.col("student").alias("student_id"),
            F.col("item").alias("item_id"),
            "tagged.*",
            F.lit(SKILL_SEPARATOR).alias("skill_separator"),
            F.col("result.success").alias("correct"),
            "result.score",
            *(f"told.{name}" for name in ("answer", "answered_at", "item_type", "class_id")),
            _milliseconds("told.duration").alias("latency_ms"),
            F.greatest("n_attempts", received).alias("attempt_count"),
            *_help_used(),
            *(f"told.{name}" for name in ("_file", "_row", "_batch_id", "_ingested_at")),
        ),
        _AS_RESPONSES,
    )


def _milliseconds(duration: str) -> "Column":
    """An ISO 8601 duration in milliseconds; null stays null."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    found = (
        F.coalesce(F.regexp_extract(duration, f"([0-9.]+){unit}", 1).try_cast("double"), F.lit(0.0))
        * milliseconds
        for unit, milliseconds in _MILLISECONDS_OF.items()
    )
    return F.when(F.col(duration).isNotNull(), F.round(reduce(lambda a, b: a + b, found)))


def _help(counted: "DataFrame") -> "DataFrame":
    """When hints and the answer were asked for, where they were."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    def times(role: str) -> "Column":
        return F.collect_list(F.when(F.col("role") == role, F.col("time")))

    asked = counted.filter("role IN ('hint', 'answer')").groupBy(*_RESPONSE)
    return asked.agg(times("hint").alias("hints"), times("answer").alias("answers"))


def _help_used() -> list["Column"]:
    """Help before the response; null where none is told of, which need not mean that none was."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    def before(times: str) -> "Column":
        return F.size(F.filter(times, lambda time: time < F.col("told.time")))

    n_hints, n_answers = before("hints"), before("answers")
    helped = n_hints + n_answers > 0
    shown = F.size("answers") > 0
    # bottom_hint goes with the first action: what was shown later is told where nothing was before
    bottom = F.when((n_answers > 0) | (shown & ~helped), "1").when(~shown, "0")
    return [
        F.when(F.col("hints").isNotNull(), n_hints).alias("hint_count"),
        F.when(helped, "hint").when(~helped, "attempt").alias("first_action"),
        F.when(F.col("answers").isNotNull(), bottom).alias("bottom_hint"),
    ]


def _titled(items: "DataFrame", counted: "DataFrame") -> "DataFrame":
    """Items with the names that statements give them."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    names = counted.groupBy(F.col("item").alias("item_id")).agg(F.min("title").alias("name"))
    joined = items.join(names, "item_id", "left")
    return conform(joined.withColumn("title", F.col("name")), ITEMS)
