"""Finds who needs help today, class by class, for the report."""

from typing import TYPE_CHECKING, Any

from deepkt_irt.jobs.gaming import notable_behaviour
from deepkt_irt.jobs.reading import Read, in_utc, look
from deepkt_irt.jobs.report_students import (
    SHOWN_CLASSES,
    class_label,
    last_decisions,
    student_label,
)
from deepkt_irt.reporting.help_today import ClassHelp, HelpOnSkill, NeedsHelp
from deepkt_irt.reporting.student_data import Next
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS
from deepkt_irt.tables.marts_teaching import CLASS_MEMBERS, student_today
from deepkt_irt.tables.silver import ITEMS, RESPONSE_BEHAVIOUR, SKILLS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

READS = (
    *CLASS_MEMBERS.reads,
    SKILLS,
    ITEMS,
    STUDENT_MASTERY,
    RESPONSE_BEHAVIOUR,
    BANDIT_RECOMMENDATIONS,
    BANDIT_DECISIONS,
)
_ELSEWHERE = {
    "prerequisite": "Nothing on the skill itself fits now; this comes before it.",
    "elsewhere": "Nothing on the skill itself fits now.",
}


def help_today(read: Read, settings: Settings) -> tuple[ClassHelp, ...] | None:
    """Students who need help, in the largest classes; None if no mastery is known.

    Args:
        read: Reads a table.
        settings: Of the run.
    """
    if read(STUDENT_MASTERY).isEmpty():
        return None
    rows = _listed(read, settings).collect()
    keys = sorted({row["student_key"] for row in rows if row["needs_help"]})
    behaviour = notable_behaviour(read, keys, settings.behaviour)
    decided = last_decisions(read, keys)
    refusals = {key: each["reason"] for key, each in decided.items() if each["rank"] == 0}
    found: dict[str, list[NeedsHelp]] = {}
    sizes: dict[str, tuple[int, int, int]] = {}
    for row in rows:
        sizes[row["class_key"]] = row["n_students"], row["n_needing"], row["n_unknown"]
        own, key = found.setdefault(row["class_key"], []), row["student_key"]
        if row["needs_help"]:
            own.append(_needs_help(row, behaviour.get(key), refusals.get(key)))
    return tuple(
        ClassHelp(class_label(each), *sizes[each], tuple(found[each]))
        for each in sorted(found, key=lambda each: (-sizes[each][1], each))
    )


def _listed(read: Read, settings: Settings) -> "DataFrame":
    """The most urgent students of the largest classes, one row each; of a calm class one row."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    everybody = look(student_today(settings), read)
    sizes = everybody.groupBy("class_key").agg(
        F.count("*").alias("n_students"),
        F.count_if("needs_help").alias("n_needing"),
        F.count_if(F.col("needs_help").isNull()).alias("n_unknown"),
    )
    largest = sizes.orderBy(F.desc("n_students"), "class_key").limit(SHOWN_CLASSES)
    order = (
        *(F.desc(name) for name in ("needs_help", "n_signs", "n_waiting")),
        F.col("mastery"),
        F.col("student_key"),
    )
    place = F.row_number().over(Window.partitionBy("class_key").orderBy(*order))
    placed = everybody.join(largest, "class_key").withColumn("place", place)
    urgent = F.col("needs_help") & (F.col("place") <= settings.help.per_class)
    return placed.filter((F.col("place") == 1) | urgent).orderBy("class_key", "place")


def _needs_help(row: Any, behaviour: str | None, nothing: str | None) -> NeedsHelp:  # noqa: ANN401 - a Spark row
    offered = row["next_item"] is not None
    last = row["last_answered_at"]
    return NeedsHelp(
        key=row["student_key"],
        label=student_label(row["student_key"]),
        worst=HelpOnSkill(
            skill=row["skill"],
            reasons=tuple(row["reasons"]),
            mastery=(row["mastery"], row["mastery_low"], row["mastery_high"]),
            last=f"{in_utc(last):%Y-%m-%d}" if last else None,
        ),
        n_more=row["n_skills"] - 1,
        behaviour=behaviour,
        next_item=Next(
            row["next_rank"], row["next_item"], row["next_p_correct"], row["next_reason"]
        )
        if offered
        else None,
        elsewhere=_ELSEWHERE.get(row["next_fit"]),
        nothing=nothing,
    )
