"""Reads how students answered: whose questions show a pattern, how often, and in which ones."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deepkt_irt.errors import NoData, UsageError
from deepkt_irt.jobs.reading import Read, find_student, item_label
from deepkt_irt.reporting.gaming import Count, Evidence, Gaming, StudentBehaviour, notable
from deepkt_irt.settings import BehaviourSettings
from deepkt_irt.silver.behaviour import PATTERNS
from deepkt_irt.silver.events import class_key
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    ITEM_TIMES,
    ITEMS,
    RESPONSE_BEHAVIOUR,
    STUDENT_KEYS,
    USERS,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_STUDENTS = 30  # shown at most; about a class
_EVIDENCE, _EVIDENCE_OF_ONE = 3, 20  # latest questions shown of each
_CANDIDATES = 10


def read_gaming(
    read: Read,
    *,
    settings: BehaviourSettings,
    student_id: str | None = None,
    class_: str | None = None,
) -> Gaming:
    """What was seen of all students, of a class, or of one student.

    Args:
        read: Reads a table.
        settings: What a verdict needs; flags are as they were written.
        student_id: As in the source's files.
        class_: Where no student is asked for: key of the class, the beginning of one, or the class
            id of the source's files.

    Raises:
        UsageError: If several classes are meant.
        NoData: If there is no such student or class, or nothing could be judged.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    about, behaviour = "all students", read(RESPONSE_BEHAVIOUR)
    if behaviour.isEmpty():
        raise NoData(
            "no question in this lake could be judged: its source tells neither response times nor "
            "help asked for, or transform_silver has not run since they are looked at"
        )
    if student_id is not None:
        key, source = find_student(read, student_id)
        about = f"student {student_id} ({source})"
        behaviour = behaviour.filter(F.col("student_key") == key)
    elif class_ is not None:
        key = find_class(read, class_)
        about = f"class {key}"
        members = read(USERS).filter(F.array_contains("class_keys", key)).select("student_key")
        behaviour = behaviour.join(members, "student_key", "left_semi")
    return _view(read, behaviour, about, settings, single=student_id is not None)


def notable_behaviour(read: Read, keys: list[str], settings: BehaviourSettings) -> dict[str, str]:
    """What was seen in how a few students answered, of those where it is worth pointing out.

    Args:
        read: Reads a table.
        keys: Student keys.
        settings: What a verdict needs.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    own = read(RESPONSE_BEHAVIOUR).filter(F.col("student_key").isin(keys))
    found = {}
    for row in _counted(own).collect():
        counts = tuple(Count(n, row[f"{n}_seen"], row[f"{n}_judged"]) for n in PATTERNS)
        told = notable(row["n_seen"], row["n_judged"], counts, settings)
        if told is not None:
            found[row["student_key"]] = told
    return found


def find_class(read: Read, text: str) -> str:
    """Key of the one class that is meant.

    Args:
        read: Reads a table.
        text: Its key, the beginning of its key, or its id in the source's files.

    Raises:
        UsageError: If several are meant alike.
        NoData: If none is; it says how many there are.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    of = read(USERS).select("source", F.explode("class_keys").alias("key"))
    known = of.distinct().withColumn("class_id", F.lit(text))
    key = F.col("key")
    rank = F.when((key == text) | (key == class_key("class_id")), 0)
    rank = rank.when(F.startswith(key, F.lit(text)) & F.lit(len(text) > len("class-")), 1)
    found = known.groupBy("key").agg(F.min(rank).alias("rank")).filter("rank IS NOT NULL")
    rows = found.orderBy("rank", "key").limit(_CANDIDATES).collect()
    alike = [row["key"] for row in rows if row["rank"] == rows[0]["rank"]]
    if not alike:
        n = known.select("key").distinct().count()
        raise NoData(
            f"no class {text!r} among the {n} of this lake; give its id in the source's files, or "
            "its key as silver.users and the report have it"
        )
    if len(alike) > 1:
        raise UsageError(f"{text!r} may be one of several classes: {', '.join(alike)}")
    return str(alike[0])


def _view(
    read: Read, behaviour: "DataFrame", about: str, settings: BehaviourSettings, *, single: bool
) -> Gaming:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    counted = _counted(behaviour)
    enough = F.col("n_judged") >= settings.min_responses
    sizes = counted.agg(
        F.count_if(enough).alias("n_students"),
        F.count_if(~enough).alias("n_too_few"),
        F.count_if(enough & (F.col("n_seen") > 0)).alias("n_with_patterns"),
        F.coalesce(F.sum("n_judged"), F.lit(0)).alias("n_judged"),
        F.coalesce(F.sum("n_seen"), F.lit(0)).alias("n_seen"),
    ).collect()[0]
    if not sizes["n_judged"]:
        raise NoData(
            f"{about}: no question could be judged; the source tells neither response times nor "
            "help asked for"
        )
    wanted = counted if single else counted.filter(enough & (F.col("n_seen") > 0))
    return Gaming(
        about=about,
        students=_students(
            read, behaviour, wanted, n_evidence=_EVIDENCE_OF_ONE if single else _EVIDENCE
        ),
        settings=settings,
        **sizes.asDict(),
    )


def _counted(behaviour: "DataFrame") -> "DataFrame":
    """By student: n_judged, n_seen, and both of each pattern."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    each = [
        column
        for name in PATTERNS
        for column in (
            F.count(name).alias(f"{name}_judged"),
            F.count_if(F.col(name)).alias(f"{name}_seen"),
        )
    ]
    return behaviour.groupBy("student_key").agg(
        F.count("*").alias("n_judged"), F.count_if(_seen()).alias("n_seen"), *each
    )


def _seen() -> "Column":
    """Whether any pattern was seen."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.coalesce(F.greatest(*PATTERNS), F.expr("false"))


def _students(
    read: Read, behaviour: "DataFrame", counted: "DataFrame", *, n_evidence: int
) -> tuple[StudentBehaviour, ...]:
    """Those with the highest rates, with their latest questions of a pattern."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    order = (F.desc(F.col("n_seen") / F.col("n_judged")), F.desc("n_judged"), "student_key")
    names = read(STUDENT_KEYS).select("student_key", "source", "student_id")
    rows = counted.orderBy(*order).limit(_STUDENTS).join(names, "student_key").orderBy(*order)
    shown = rows.collect()
    evidence = _evidence(read, behaviour, [row["student_key"] for row in shown], n_evidence)
    return tuple(
        StudentBehaviour(
            student_id=row["student_id"],
            source=row["source"],
            n_judged=row["n_judged"],
            n_seen=row["n_seen"],
            counts=tuple(Count(n, row[f"{n}_seen"], row[f"{n}_judged"]) for n in PATTERNS),
            evidence=tuple(evidence.get(row["student_key"], ())),
        )
        for row in shown
    )


def _evidence(
    read: Read, behaviour: "DataFrame", keys: list[str], n: int
) -> dict[str, list[Evidence]]:
    """The latest n questions of a few students in which something was seen, latest first."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    newest = Window.partitionBy("student_key").orderBy(F.desc("sequence_number"))
    own = behaviour.filter(F.col("student_key").isin(keys)).filter(_seen())
    latest = own.withColumn("age", F.row_number().over(newest)).filter(F.col("age") <= n)
    events = read(CANONICAL_LEARNING_EVENTS).filter(F.col("student_key").isin(keys))
    about = events.select(
        *("event_id", "latency_ms", "hint_count"), F.unix_seconds("answered_at").alias("seconds")
    )
    items = read(ITEMS).select("item_id", item_label("item"))
    times = read(ITEM_TIMES).select("item_id", "usual_ms")
    rows = latest.join(about, "event_id")
    for known in (items, times):
        rows = rows.join(known, "item_id", "left")
    found: dict[str, list[Evidence]] = {}
    for row in rows.orderBy("student_key", "age").collect():
        found.setdefault(row["student_key"], []).append(_parsed(row))
    return found


def _parsed(row: Any) -> Evidence:  # noqa: ANN401 - a Spark row
    seconds = row["seconds"]
    return Evidence(
        event_id=row["event_id"],
        sequence_number=row["sequence_number"],
        item_id=row["item_id"],
        item=row["item"] or row["item_id"],
        answered_at=None if seconds is None else datetime.fromtimestamp(seconds, UTC),
        patterns=tuple(name for name in PATTERNS if row[name]),
        latency_ms=row["latency_ms"],
        usual_ms=row["usual_ms"],
        hint_count=row["hint_count"],
    )
