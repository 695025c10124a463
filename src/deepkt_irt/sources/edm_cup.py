"""EDM Cup 2023 files: action logs, assignments, problems, unit-test scores and their relations.

One question worked on in one assignment becomes one event: its first graded response, with
what came before it. A question without a graded response becomes an ungraded event if there was
an open response or help; one that was only opened is no event. A unit-test score becomes an
event of kind `assessment`.
"""

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
    conform,
    owned_by,
    owner,
)
from deepkt_irt.sources.layout import Field, Layout, Source, epoch_seconds, share
from deepkt_irt.tables import bronze
from deepkt_irt.tables.bronze import EXTRAS
from deepkt_irt.tables.contract import Table

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def _key(name: str) -> Field:
    """A column without which a row says nothing."""
    return Field(name, name, filled=True)


def _seconds_since_1970(name: str) -> Field:
    return Field(name, name, required=False, rule=epoch_seconds)


def _plain(table: Table, pattern: str, *special: Field, optional: tuple[str, ...] = ()) -> Layout:
    """A layout whose headers are the bronze columns."""
    own = {field.column: field for field in special}
    names = [c.name for c in table.columns if not c.name.startswith("_") and c.name != EXTRAS]
    fields = (own.get(n) or Field(n, n, required=n not in optional) for n in names)
    return Layout(table=table, patterns=(pattern,), fields=tuple(fields), rest=EXTRAS)


def _side(kind: str, pattern: str, *needed: str, identifier: str = "") -> Layout:
    """A file kept as JSON records."""
    return Layout(
        table=bronze.RAW_CONTENT,
        patterns=(pattern,),
        fields=(Field(identifier, "content_id", required=False),) if identifier else (),
        rest="body",
        needed=needed,
        constants={"kind": kind},
    )


LAYOUTS = (
    _plain(
        bronze.RAW_ACTION_LOGS,
        "action_logs*.csv",
        _key("assignment_log_id"),
        Field("timestamp", "timestamp", rule=epoch_seconds, filled=True),
        _key("action"),
    ),
    _plain(
        bronze.RAW_ASSIGNMENT_DETAILS,
        "assignment_details*.csv",
        _key("assignment_log_id"),
        _key("student_id"),
        _seconds_since_1970("assignment_release_date"),
        _seconds_since_1970("assignment_due_date"),
        _seconds_since_1970("assignment_start_time"),
        _seconds_since_1970("assignment_end_time"),
        optional=("teacher_id", "class_id"),
    ),
    _plain(bronze.RAW_PROBLEM_DETAILS, "problem_details*.csv", _key("problem_id")),
    _plain(
        bronze.RAW_UNIT_TEST_SCORES,
        "*_unit_test_scores*.csv",
        _key("assignment_log_id"),
        _key("problem_id"),
        Field("score", "score", rule=share),
        optional=("id",),
    ),
    _plain(
        bronze.RAW_ASSIGNMENT_RELATIONSHIPS,
        "assignment_relationships*.csv",
        _key("unit_test_assignment_log_id"),
        _key("in_unit_assignment_log_id"),
    ),
    _plain(bronze.RAW_SEQUENCE_DETAILS, "sequence_details*.csv", _key("sequence_id")),
    _side("sequence_relation", "sequence_relationships*.csv"),
    _side("hint", "hint_details*.csv", identifier="hint_id"),
    _side("explanation", "explanation_details*.csv", identifier="explanation_id"),
    # extensions of the layout: the cup's files hold no prerequisites, and no text for people
    _side("skill_relation", "skill_prerequisites*.csv", "skill_code", "prerequisite_skill_code"),
    _side("lesson", "skill_lessons*.csv", "skill_code", "text", identifier="lesson_id"),
)

_LOG = "assignment_log_id"
_KIND_OF_ACTION = {
    "correct_response": "attempt",
    "wrong_response": "attempt",
    "open_response": "attempt",
    "hint_requested": "hint",
    "answer_requested": "answer",
    "explanation_requested": "explanation",
}
_GRADED = ("correct_response", "wrong_response")
_START = "problem_started"
_USED_ACTIONS = (*_KIND_OF_ACTION, _START)  # the others, two in five, change no event
# types that offer what to choose from; in lower case, and `exact match` is none of them
_GUESSABLE = r"(?i)multiple choice|check all|select|true|drop ?down|ordering|matching"


def canonical(raw: Raw) -> Canonical:
    """Events from the action logs and unit-test scores; items and skills from the catalogue."""
    details = _details(raw[bronze.RAW_ASSIGNMENT_DETAILS.qualified_name])
    problems = _problems(raw[bronze.RAW_PROBLEM_DETAILS.qualified_name])
    practice = _attempts(raw[bronze.RAW_ACTION_LOGS.qualified_name])
    tests = _scores(
        raw[bronze.RAW_UNIT_TEST_SCORES.qualified_name],
        raw[bronze.RAW_ASSIGNMENT_RELATIONSHIPS.qualified_name],
    )
    events = practice.unionByName(tests, allowMissingColumns=True)
    return Canonical(
        told=conform(_with_skills(_with_student(events, details), problems), TOLD),
        items=conform(problems, ITEMS),
        skills=_skills(problems, raw[bronze.RAW_CONTENT.qualified_name]),
    )


# bronze tables whose rows are of an assignment log, and what they call it
_OF_LOGS = {
    bronze.RAW_ASSIGNMENT_DETAILS.qualified_name: _LOG,
    bronze.RAW_ACTION_LOGS.qualified_name: _LOG,
    bronze.RAW_UNIT_TEST_SCORES.qualified_name: _LOG,
    bronze.RAW_ASSIGNMENT_RELATIONSHIPS.qualified_name: "unit_test_assignment_log_id",
}


def touched(raw: Raw, new: Raw) -> "DataFrame":
    """The assignment logs that new rows are of, and the students of these logs.

    New rows about a problem are of the logs in which it was worked on: its skill is the events'.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    problems = new[bronze.RAW_PROBLEM_DETAILS.qualified_name].select("problem_id").distinct()
    logs = [new[table].select(F.col(name).alias(_LOG)) for table, name in _OF_LOGS.items()]
    for table in (bronze.RAW_ACTION_LOGS, bronze.RAW_UNIT_TEST_SCORES):
        worked_on = raw[table.qualified_name].join(F.broadcast(problems), "problem_id", "left_semi")
        logs.append(worked_on.select(_LOG))
    every = reduce(lambda a, b: a.unionByName(b), logs).distinct()
    details = raw[bronze.RAW_ASSIGNMENT_DETAILS.qualified_name]
    students = details.join(F.broadcast(every), _LOG, "left_semi").select(owner("student_id"))
    return students.unionByName(every.select(F.col(_LOG).alias(OWNER))).distinct()


def of_owners(raw: Raw, owners: "DataFrame") -> Raw:
    """All rows of some students' assignment logs, and of some logs; the catalogue as a whole."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    details = raw[bronze.RAW_ASSIGNMENT_DETAILS.qualified_name]
    theirs = owned_by(details, owners, "student_id").select(F.col(_LOG).alias("log"))
    logs = theirs.unionByName(owners.select(F.col(OWNER).alias("log"))).distinct()
    known = F.broadcast(logs)
    own = {
        table: raw[table].join(known, F.col(name) == F.col("log"), "left_semi")
        for table, name in _OF_LOGS.items()
    }
    return {**raw, **own}


SCOPE = Scope(touched, of_owners)


def _seconds(column: str) -> "Column":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.col(column).try_cast("double")


def _details(raw: "DataFrame") -> "DataFrame":
    """One row per assignment log; of repeated ones the first received."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    end, start = _seconds("assignment_end_time"), _seconds("assignment_start_time")
    # sorted once, behind the shuffle, where half a sum before it would sort twice
    return raw.repartition(_LOG).groupBy(_LOG).agg(
        F.min_by(F.struct("student_id", "class_id", F.coalesce(end, start).alias("closed")),
                 F.struct("_file", "_row")).alias("assignment")
    )  # fmt: skip


def _attempts(raw: "DataFrame") -> "DataFrame":
    """One row per problem worked on in an assignment log.

    Within a problem, actions stand in order of time, then file and row. One shuffle and one sort
    serve the window, the aggregation and the join with the assignment's details.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    used = raw.filter("problem_id IS NOT NULL").filter(F.col("action").isin(*_USED_ACTIONS))
    marked = _marked(used.repartition(_LOG))
    action = F.struct("time", "action", "_file", "_row", "_batch_id")

    def asked(name: str, *, before: bool = True) -> "Column":
        when = F.col("before_first") if before else ~F.col("before_first")
        return F.count_if(when & (F.col("action") == name)).cast("int")

    events = marked.groupBy(_LOG, "problem_id").agg(
        F.max(F.when(F.col("is_first"), action)).alias("first"),
        F.max(F.when(F.col("opens"), action)).alias("opening"),
        F.count_if("graded").cast("int").alias("attempt_count"),
        F.max(F.when(F.col("before_first") & (F.col("action") == _START), F.col("time"))).alias(
            "started"
        ),
        asked("hint_requested").alias("hint_count"),
        (asked("answer_requested") > 0).alias("answer_requested"),
        (asked("answer_requested", before=False) > 0).alias("answer_requested_later"),
        (asked("explanation_requested") > 0).alias("explanation_requested"),
        F.min("_source").alias("source"),
    )
    latency = F.round((F.col("first.time") - F.col("started")) * 1000).cast("bigint")
    correct = F.col("first.action") == "correct_response"
    told = events.withColumn("tells", F.coalesce("first", "opening"))
    return told.filter("opening IS NOT NULL").select(
        "source",
        F.col(_LOG).alias("assignment_id"),
        F.col("problem_id").alias("item_id"),
        F.coalesce("first.time", "opening.time").cast("timestamp").alias("answered_at"),
        correct.alias("correct"),
        correct.cast("double").alias("score"),
        "attempt_count",
        _kind(F.col("opening.action")).alias("first_action"),
        F.when(latency > 0, latency).alias("latency_ms"),
        "hint_count",
        "answer_requested",
        "answer_requested_later",
        "explanation_requested",
        F.lit("practice").alias("event_kind"),
        F.col("tells._file").alias("file"),
        F.col("tells._row").alias("row"),
        F.col("tells._batch_id").alias("batch_id"),
        F.lit(bronze.RAW_ACTION_LOGS.qualified_name).alias("table_name"),
    )


def _kind(action: "Column") -> "Column":
    """What a first action counts as; null for one that is none."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    kind = F.lit(None).cast("string")
    for name, of_action in _KIND_OF_ACTION.items():
        kind = F.when(action == name, of_action).otherwise(kind)
    return kind


def _marked(actions: "DataFrame") -> "DataFrame":
    """Actions with their place relative to the first graded response of their problem.

    Adds time (epoch seconds), graded, is_first (the first graded response), before_first and opens
    (the first of the actions that have a kind).
    """
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    problem = Window.partitionBy(_LOG, "problem_id").orderBy("time", "_file", "_row")
    earlier = problem.rowsBetween(Window.unboundedPreceding, -1)
    graded, has_kind = F.col("action").isin(*_GRADED), F.col("action").isin(*_KIND_OF_ACTION)
    counted = actions.withColumn("time", _seconds("timestamp")).withColumns(
        {
            "graded": graded,
            "graded_before": F.coalesce(F.count_if(graded).over(earlier), F.lit(0)),
            "kinds_before": F.coalesce(F.count_if(has_kind).over(earlier), F.lit(0)),
        }
    )
    return counted.withColumns(
        {
            "is_first": F.expr("graded AND graded_before = 0"),
            "before_first": F.expr("NOT graded AND graded_before = 0"),
            "opens": has_kind & (F.col("kinds_before") == 0),
        }
    )


def _scores(raw: "DataFrame", relations: "DataFrame") -> "DataFrame":
    """Unit-test scores, each with the in-unit practice it concludes."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    practice = relations.groupBy(
        F.col("unit_test_assignment_log_id").alias("assignment_log_id")
    ).agg(F.array_sort(F.collect_set("in_unit_assignment_log_id")).alias("practice"))
    score = F.col("score").try_cast("double")
    return raw.join(practice, "assignment_log_id", "left").select(
        F.col("_source").alias("source"),
        F.col("assignment_log_id").alias("assignment_id"),
        F.col("problem_id").alias("item_id"),
        F.when(score.isin(0.0, 1.0), score == 1).alias("correct"),
        score.alias("score"),
        F.lit("assessment").alias("event_kind"),
        F.coalesce("practice", F.array().cast("array<string>")).alias("practice_assignment_ids"),
        F.col("_row").cast("double").alias("response_order"),
        F.col("_file").alias("file"),
        F.col("_row").alias("row"),
        F.col("_batch_id").alias("batch_id"),
        F.lit(bronze.RAW_UNIT_TEST_SCORES.qualified_name).alias("table_name"),
    )


def _with_student(events: "DataFrame", details: "DataFrame") -> "DataFrame":
    """Events with their student and class; those of unknown assignments with the reason."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    joined = events.join(
        details.withColumnRenamed("assignment_log_id", "assignment_id"), "assignment_id", "left"
    )
    is_unknown = F.col("assignment").isNull()
    reason = F.concat(
        F.lit("assignment log "),
        "assignment_id",
        F.lit(" is not in assignment_details, so the student is unknown"),
    )
    received = F.to_json(F.struct("assignment_id", "item_id", "answered_at", "correct", "score"))
    closed = F.col("assignment.closed").cast("timestamp")
    return joined.withColumns(
        {
            "column": F.when(is_unknown, F.lit("assignment_log_id")),
            "reason": F.when(is_unknown, reason),
            "received": F.when(is_unknown, received),
            OWNER: F.when(is_unknown, F.col("assignment_id")).otherwise(
                owner("assignment.student_id")
            ),
            "answered_at": F.coalesce("answered_at", closed),
            "student_id": F.col("assignment.student_id"),
            "class_id": F.col("assignment.class_id"),
        }
    )


def _with_skills(events: "DataFrame", problems: "DataFrame") -> "DataFrame":
    """Events with the skills of their problem; none where problem_details lacks it."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    joined = events.join(F.broadcast(problems.select("item_id", "skill_ids")), "item_id", "left")
    none = F.array().cast("array<string>")
    return joined.withColumn("skill_ids", F.coalesce("skill_ids", none))


def _problems(raw: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    first = raw.groupBy(F.col("problem_id").alias("item_id")).agg(
        F.min_by(
            F.struct("_source", "problem_type", "problem_skill_code", "problem_skill_description"),
            F.struct("_file", "_row"),
        ).alias("p")
    )
    code = F.col("p.problem_skill_code")
    return first.select(
        F.col("p._source").alias("source"),
        "item_id",
        F.col("p.problem_type").alias("item_type"),
        F.col("p.problem_type").rlike(_GUESSABLE).alias("is_guessable"),
        F.filter(F.array(code), lambda skill: skill.isNotNull()).alias("skill_ids"),
        F.col("p.problem_skill_description").alias("description"),
    )


def _skills(problems: "DataFrame", content: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    named = problems.filter("size(skill_ids) > 0").groupBy(
        "source", F.element_at("skill_ids", 1).alias("skill_id")
    )
    relations = content.filter("kind = 'skill_relation'").select(
        F.get_json_object("body", "$.skill_code").alias("skill_id"),
        F.get_json_object("body", "$.prerequisite_skill_code").alias("prerequisite"),
    )
    prerequisites = relations.groupBy("skill_id").agg(
        F.array_sort(F.collect_set("prerequisite")).alias("found")
    )
    skills = named.agg(F.min("description").alias("name")).join(prerequisites, "skill_id", "left")
    empty = F.array().cast("array<string>")
    return conform(skills.withColumn("prerequisite_ids", F.coalesce("found", empty)), SKILLS)


SOURCE = Source(name="edm_cup", layouts=LAYOUTS, canonical=canonical, scope=SCOPE)
SIMULATED = Source(name="simulator", layouts=LAYOUTS, canonical=canonical, scope=SCOPE)
