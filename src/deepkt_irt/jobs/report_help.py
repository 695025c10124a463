"""Finds who needs help today, class by class, for the report."""

from typing import TYPE_CHECKING, Any

from deepkt_irt.jobs.gaming import notable_behaviour
from deepkt_irt.jobs.reading import Read
from deepkt_irt.jobs.report_students import (
    SHOWN_CLASSES,
    class_label,
    class_members,
    last_decisions,
    recommended_to,
    student_label,
)
from deepkt_irt.reporting.help_today import SIGNS, ClassHelp, HelpOnSkill, NeedsHelp, rules
from deepkt_irt.reporting.student_data import Next
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS
from deepkt_irt.tables.silver import ITEMS, RESPONSE_BEHAVIOUR, SKILLS, USERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

READS = (
    USERS,
    SKILLS,
    ITEMS,
    STUDENT_MASTERY,
    RESPONSE_BEHAVIOUR,
    BANDIT_RECOMMENDATIONS,
    BANDIT_DECISIONS,
)


def help_today(read: Read, settings: Settings) -> tuple[ClassHelp, ...] | None:
    """Students who need help, in the largest classes; None if no mastery is known.

    Args:
        read: Reads a table.
        settings: Of the run.
    """
    if read(STUDENT_MASTERY).isEmpty():
        return None
    rows = _listed(read, settings).collect()
    keys = sorted({row["student_key"] for row in rows if row["student_key"] is not None})
    behaviour = notable_behaviour(read, keys, settings.behaviour)
    offers, decided = recommended_to(read, keys), last_decisions(read, keys)
    refusals = {key: each["reason"] for key, each in decided.items() if each["rank"] == 0}
    found: dict[str, list[NeedsHelp]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for row in rows:
        sizes[row["class"]] = row["n_students"], row["n_needing"]
        found.setdefault(row["class"], [])
        key = row["student_key"]
        if key is None:
            continue
        worst = _on_skill(row, settings.recommendation.prerequisite_at)
        offer, elsewhere = best_offer(offers.get(key, []), row["skill_id"], row["prerequisite_ids"])
        found[row["class"]].append(
            NeedsHelp(
                label=student_label(key),
                worst=worst,
                n_more=row["n_skills"] - 1,
                behaviour=behaviour.get(key),
                next_item=offer,
                elsewhere=elsewhere,
                nothing=refusals.get(key),
            )
        )
    return tuple(
        ClassHelp(class_label(each) or "All students", *sizes[each], tuple(found[each]))
        for each in sorted(found, key=lambda each: (-sizes[each][1], each))
    )


def _listed(read: Read, settings: Settings) -> "DataFrame":
    """The most urgent students of the largest classes, one row each; of a calm class one row."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    members = class_members(read)
    sizes = members.groupBy("class").agg(F.count("*").alias("n_students"))
    largest = sizes.orderBy(F.desc("n_students"), "class").limit(SHOWN_CLASSES)
    own = Window.partitionBy("class")
    order = (F.desc("n_signs"), F.desc("n_waiting"), "mastery", "student_key")
    needing = members.join(_most_urgent(read, settings), "student_key").withColumns(
        {"n_needing": F.count("*").over(own), "place": F.row_number().over(own.orderBy(*order))}
    )
    shown = needing.filter(F.col("place") <= settings.help.per_class)
    return largest.join(shown, "class", "left").fillna(0, ["n_needing"]).orderBy("class", "place")


def _most_urgent(read: Read, settings: Settings) -> "DataFrame":
    """Of each student who needs help the skill that speaks for it most, and how many do."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    skills = read(SKILLS)
    waiting = skills.select(F.explode("prerequisite_ids").alias("skill_id")).groupBy("skill_id")
    signs = {
        sign: F.coalesce(F.expr(rule), F.lit(False))  # noqa: FBT003 - Spark's signature
        for sign, rule in rules(
            settings.help, opens_at=settings.recommendation.prerequisite_at
        ).items()
    }
    known = read(STUDENT_MASTERY).join(read(USERS).select("student_key", "n_events"), "student_key")
    speaking = (
        known.withColumns(signs)
        .withColumn("n_signs", sum((F.col(sign).cast("int") for sign in SIGNS), F.lit(0)))
        .filter("n_signs > 0")
        .join(waiting.agg(F.count("*").alias("n_waiting")), "skill_id", "left")
        .fillna(0, ["n_waiting"])
        .join(skills.select("skill_id", "name", "prerequisite_ids"), "skill_id")
        .withColumn("last", F.date_format("last_answered_at", "yyyy-MM-dd"))
    )
    own = Window.partitionBy("student_key")
    order = (F.desc("n_signs"), F.desc("n_waiting"), "mastery", "skill_id")
    return (
        speaking.withColumn("n_skills", F.count("*").over(own))
        .withColumn("rank", F.row_number().over(own.orderBy(*order)))
        .filter("rank = 1")
        .drop("rank")
    )


def _on_skill(row: Any, opens_at: float) -> HelpOnSkill:  # noqa: ANN401 - a Spark row
    return HelpOnSkill(
        skill=row["name"],
        signs=tuple(sign for sign in SIGNS if row[sign]),
        mastery=(row["mastery"], row["mastery_low"], row["mastery_high"]),
        before=row["mastery_before"],
        wrong_in_a_row=row["wrong_in_a_row"] or 0,
        n_waiting=row["n_waiting"],
        opens_at=opens_at,
        last=row["last"],
    )


def best_offer(
    rows: list[Any], skill_id: str, prerequisite_ids: list[str]
) -> tuple[Next | None, str | None]:
    """The best item on the skill, else on one before it, else of all; why not on the skill."""
    places = (
        ({skill_id}, None),
        ({*prerequisite_ids}, "Nothing on the skill itself fits now; this comes before it."),
        ({row["skill_id"] for row in rows}, "Nothing on the skill itself fits now."),
    )
    for skills, why in places:
        for row in rows:
            if row["skill_id"] in skills:
                return Next(row["rank"], row["label"], row["p_correct"], row["reason"]), why
    return None, None
