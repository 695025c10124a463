"""Graded responses in bronze.raw_responses to canonical responses, whatever file they came from."""

from functools import reduce
from typing import TYPE_CHECKING

from deepkt_irt.sources.canonical import (
    ITEMS,
    OWNER,
    SKILLS,
    TOLD,
    Canonical,
    Raw,
    Scope,
    as_received,
    conform,
    owned_by,
    owner,
    rejected_rows,
)
from deepkt_irt.sources.layout import EPOCH_MILLISECONDS_FROM
from deepkt_irt.tables.bronze import RAW_RESPONSES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_TABLE = RAW_RESPONSES.qualified_name
_ACTIONS = {"0": "attempt", "1": "hint", "2": "scaffold"}  # ASSISTments codes
_KNOWN_ACTIONS = ("attempt", "hint", "answer", "explanation", "scaffold")
_CHOICE_TYPES = (
    *("choose_1", "choose_n", "rank", "multiple choice", "true/false"),
    *("choice", "true-false", "matching", "sequencing"),  # as xAPI names them
)


def canonical(raw: Raw) -> Canonical:
    """All frames from bronze.raw_responses alone.

    Rows that repeat a response once per skill become one response with several skills. Refused
    are rows without time and order, rows that contradict the response they repeat, and rows that
    repeat it without a new skill. A latency of 0 or less is missing; its row is listed among the
    refused with that reason, the response is kept.
    """
    typed = _typed(raw[_TABLE])
    placed = typed.filter("time IS NOT NULL OR order IS NOT NULL")
    marked = _marked(placed)
    unplaced = _refused(
        typed.filter("time IS NULL AND order IS NULL"),
        column="response_order",
        reason="'neither time nor order, so its place in the sequence is unknown'",
    )
    impossible = _refused(
        placed.filter("latency_received <= 0"),
        column="latency_ms",
        reason="concat('latency ', latency_ms, ' is not above 0: the response is kept, the "
        "latency is missing')",
    )
    return Canonical(
        told=reduce(
            lambda a, b: a.unionByName(conform(b, TOLD)), (unplaced, impossible), _told(marked)
        ),
        items=_items(typed),
        skills=_skills(typed),
    )


def touched(_: Raw, new: Raw) -> "DataFrame":
    """The students that new rows name."""
    return new[_TABLE].select(owner("student_id")).distinct()


def of_owners(raw: Raw, owners: "DataFrame") -> Raw:
    """All responses of some students, and those that name nobody."""
    return {**raw, _TABLE: owned_by(raw[_TABLE], owners, "student_id")}


SCOPE = Scope(touched, of_owners)


def instant(value: "Column") -> "Column":
    """Epoch seconds, epoch milliseconds or ISO 8601 text as a timestamp; else null."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    number = value.try_cast("double")
    seconds = F.when(number >= EPOCH_MILLISECONDS_FROM, number / 1000).otherwise(number)
    return F.coalesce(seconds.try_cast("timestamp"), value.try_cast("timestamp"))


def _typed(raw: "DataFrame") -> "DataFrame":
    """Values as what they are, beside the texts received."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    def whole(column: str) -> "Column":
        return F.col(column).try_cast("double").try_cast("bigint")

    right = F.lower(F.trim("correct"))
    credit = F.coalesce(
        F.col("score").try_cast("double"),
        F.when(right.isin("1", "1.0", "true"), 1.0).when(right.isin("0", "0.0", "false"), 0.0),
    )
    graded = F.when(right.isNotNull(), right.isin("1", "1.0", "true"))
    action = F.lower(F.trim("first_action"))
    for code, name in _ACTIONS.items():
        action = F.when(action.isin(code, f"{code}.0"), name).otherwise(action)
    action = F.when(action.isin(*_KNOWN_ACTIONS), action)
    bottom = F.col("bottom_hint").try_cast("double")
    return raw.select(
        *RAW_RESPONSES.column_names,
        F.trim("student_id").alias("student"),
        F.trim("item_id").alias("item"),
        F.coalesce(graded, F.when(credit.isin(0.0, 1.0), credit == 1)).alias("right"),
        credit.alias("credit"),
        instant(F.trim("answered_at")).alias("time"),
        F.col("response_order").try_cast("double").alias("order"),
        whole("latency_ms").alias("latency_received"),
        whole("attempt_count").try_cast("int").alias("attempts"),
        whole("hint_count").try_cast("int").alias("hints"),
        action.alias("action"),
        F.when(bottom.isNotNull(), (bottom == 1) & (action == "hint")).alias("answer_shown"),
        F.when(bottom.isNotNull(), (bottom == 1) & (action == "attempt")).alias("shown_later"),
        _parts("skill_ids").alias("skills"),
    )


def _split(column: str, separator: "Column") -> "Column":
    """A joined text as an array; without a separator or text, of one element."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    pattern = F.concat(F.lit(r"\Q"), separator, F.lit(r"\E"))
    return F.when(separator.isNull(), F.array(column)).otherwise(F.split(column, pattern))


def _parts(column: str) -> "Column":
    """Trimmed ids without empty ones; `12.0`, as pandas writes integers, is `12`."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    split = _split(column, F.col("skill_separator"))
    trimmed = F.transform(split, lambda part: F.regexp_replace(F.trim(part), r"^(\d+)\.0$", "$1"))
    return F.coalesce(F.filter(trimmed, lambda part: part != ""), F.array().cast("array<string>"))


def _marked(placed: "DataFrame") -> "DataFrame":
    """Each row with the first row of its response and what it adds to it.

    Student, item, order and time make a response. Rows of two files are never one response.
    """
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    response = Window.partitionBy("_file", "student", "item", "order", "time").orderBy("_row")
    before = response.rowsBetween(Window.unboundedPreceding, -1)
    all_rows = response.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    marked = placed.withColumn("first", F.first(F.struct("_row", "right")).over(response))
    same = F.col("right").eqNullSafe(F.col("first.right"))
    marked = marked.withColumns(
        {
            "is_first": F.col("_row") == F.col("first._row"),
            "contradicts": ~same,
            "agreed": F.when(same, F.col("skills")),
        }
    )
    seen = F.flatten(F.collect_list("agreed").over(before))
    nothing_new = F.size(F.array_except("skills", seen)) == 0
    return marked.withColumns(
        {
            "repeats": ~F.col("is_first") & nothing_new,
            "all_skills": F.flatten(F.collect_list("agreed").over(all_rows)),
        }
    )


def _trimmed(column: str) -> "Column":
    """A text without blanks around it; null where nothing is left."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.nullif(F.trim(column), F.lit(""))


def _told(marked: "DataFrame") -> "DataFrame":
    """The first row of each response; those that say otherwise, or nothing new, as refused."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    otherwise, nothing_new = F.col("contradicts"), F.col("repeats")
    contradicts = F.concat(
        F.lit("contradicts row "), "first._row", F.lit(": one response with two results")
    )
    repeats = F.concat(F.lit("repeats row "), "first._row", F.lit(" without a new skill"))
    columns = {
        "source": F.col("_source"),
        "student_id": F.col("student"),
        "student_group": _trimmed("student_group"),
        "class_id": F.col("class_id"),
        "assignment_id": F.col("assignment_id"),
        "item_id": F.col("item"),
        "skill_ids": F.array_sort(F.array_distinct("all_skills")),
        "answered_at": F.col("time"),
        "response_order": F.col("order"),
        "correct": F.col("right"),
        "score": F.col("credit"),
        "answer": _trimmed("answer"),
        "attempt_count": F.col("attempts"),
        "first_action": F.col("action"),
        "latency_ms": F.when(F.col("latency_received") > 0, F.col("latency_received")),
        "hint_count": F.col("hints"),
        "answer_requested": F.col("answer_shown"),
        "answer_requested_later": F.col("shown_later"),
        "event_kind": F.lit("practice"),
        "file": F.col("_file"),
        "row": F.col("_row"),
        "batch_id": F.col("_batch_id"),
        "table_name": F.lit(_TABLE),
        "column": F.when(otherwise, "correct").when(nothing_new, "skill_ids"),
        "reason": F.when(otherwise, contradicts).when(nothing_new, repeats),
        "received": F.when(otherwise | nothing_new, as_received(RAW_RESPONSES.column_names)),
        OWNER: owner("student_id"),
    }
    told = marked.filter("is_first OR contradicts OR repeats")
    return conform(told.select(*(value.alias(name) for name, value in columns.items())), TOLD)


def _refused(typed: "DataFrame", *, column: str, reason: str) -> "DataFrame":
    return rejected_rows(
        typed.selectExpr(*RAW_RESPONSES.column_names, f"{reason} AS _reason"),
        table_name=_TABLE,
        column=column,
        reason="_reason",
    )


def _items(typed: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    met = typed.groupBy(F.col("_source").alias("source"), F.col("item").alias("item_id")).agg(
        F.min("item_type").alias("item_type"),
        F.array_sort(F.array_distinct(F.flatten(F.collect_set("skills")))).alias("skill_ids"),
    )
    return conform(met.withColumn("is_guessable", F.lower("item_type").isin(*_CHOICE_TYPES)), ITEMS)


def _skills(typed: "DataFrame") -> "DataFrame":
    """Skills with the names that stand in the same place; an unnamed one keeps a null name."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    kinds = typed.select("_source", "skills", "skill_names", "skill_separator").distinct()
    n_skills = F.size("skills")
    # names may be joined otherwise than ids: ids by _, say, and names by ;
    joined_alike = _split("skill_names", F.col("skill_separator"))
    by_semicolon = F.split("skill_names", ";")
    found = F.when(F.size(joined_alike) == n_skills, joined_alike).when(
        F.size(by_semicolon) == n_skills, by_semicolon
    )
    unnamed = F.transform("skills", lambda _: F.lit(None).cast("string"))
    pairs = kinds.select(
        F.col("_source").alias("source"),
        F.explode(
            F.arrays_zip(
                F.col("skills").alias("skill_id"), F.coalesce(found, unnamed).alias("name")
            )
        ).alias("pair"),
    )
    named = pairs.groupBy("source", F.col("pair.skill_id").alias("skill_id")).agg(
        F.min(_trimmed("pair.name")).alias("name")
    )
    none = F.array().cast("array<string>")
    return conform(named.withColumn("prerequisite_ids", none), SKILLS)
