"""Pages of a few chosen students for the report, and what a trace shows of one."""

from typing import TYPE_CHECKING, Any

from deepkt_irt.jobs.explain import explanations_of
from deepkt_irt.jobs.gaming import notable_behaviour
from deepkt_irt.jobs.reading import Read, in_utc, item_label, look
from deepkt_irt.reporting.policy_report import policy_label
from deepkt_irt.reporting.student_data import Answer, Next, SkillMastery, Student
from deepkt_irt.settings import BehaviourSettings
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, SAKT_PREDICTIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS
from deepkt_irt.tables.gold_explanations import RAG_EXPLANATIONS
from deepkt_irt.tables.gold_items import STUDENT_ABILITIES
from deepkt_irt.tables.marts_teaching import CLASS_MEMBERS
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    ITEMS,
    RESPONSE_BEHAVIOUR,
    SKILLS,
    USER_SPLITS,
    USERS,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

READS = (
    CANONICAL_LEARNING_EVENTS,
    ITEMS,
    SKILLS,
    *CLASS_MEMBERS.reads,
    USER_SPLITS,
    STUDENT_ABILITIES,
    SAKT_PREDICTIONS,
    STUDENT_MASTERY,
    BANDIT_RECOMMENDATIONS,
    BANDIT_DECISIONS,
    RESPONSE_BEHAVIOUR,
    RAG_EXPLANATIONS,
)
_KEY_CHARACTERS = 8
_CLASS_CHARACTERS = len("class-") + 6
SHOWN_CLASSES = 20


def student_pages(
    read: Read, keys: list[str], *, last_answers: int, settings: BehaviourSettings
) -> tuple[Student, ...]:
    """Pages of some students in the order of the keys.

    Args:
        read: Reads a table.
        keys: Student keys; few, since their rows are brought to the driver.
        last_answers: Recent responses shown of each.
        settings: When what was seen in how they answered is worth pointing out.
    """
    users, members = _by_student(read(USERS), keys), _by_student(look(CLASS_MEMBERS, read), keys)
    splits = _by_student(read(USER_SPLITS), keys)
    abilities = _by_student(_latest_abilities(read), keys)
    mastery, answers = _by_student(_mastery(read), keys), _answers(read, keys, last_answers)
    chosen, decided = recommended_to(read, keys), last_decisions(read, keys)
    behaviour, told = notable_behaviour(read, keys, settings), explanations_of(read, keys)
    return tuple(
        Student(
            label=student_label(key),
            classes=tuple(sorted(class_label(r["class_key"]) for r in members[key])),
            split=splits[key][0]["split"],
            ability=next(((r["ability"], r["ability_sd"]) for r in abilities.get(key, ())), None),
            n_events=users[key][0]["n_events"],
            mastery=tuple(_skill_mastery(r) for r in _least_first(mastery.get(key, []))),
            answers=tuple(_answer(r) for r in answers.get(key, ())),
            next_items=tuple(
                Next(r["rank"], r["label"], r["p_correct"], r["reason"])
                for r in chosen.get(key, [])
            ),
            behaviour=behaviour.get(key),
            decided=decided_how(decided[key]) if key in decided else None,
            explanations=told.get(key, ()),
        )
        for key in keys
        if key in users
    )


def recommended_to(read: Read, keys: list[str]) -> dict[str, list[Any]]:
    """Recommendations of a few students with the items' labels, best first."""
    items = read(ITEMS).select("item_id", item_label())
    rows = read(BANDIT_RECOMMENDATIONS).join(items, "item_id")
    return _by_student(rows.orderBy("student_key", "rank"), keys)


def last_decisions(read: Read, keys: list[str]) -> dict[str, Any]:
    """The last first choice on a few students: policy, day, reason, rank (0: none), exclusions."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    told = F.struct("policy", F.date_format("decided_at", "yyyy-MM-dd").alias("day"), "reason",
                    "rank", "exclusions")  # fmt: skip
    first = read(BANDIT_DECISIONS).filter("rank <= 1").filter(F.col("student_key").isin(keys))
    last = first.groupBy("student_key").agg(F.max_by(told, "decided_at").alias("d"))
    return {row["student_key"]: row["d"] for row in last.collect()}


def decided_how(last: Any) -> str:  # noqa: ANN401 - a Spark struct
    """What decided, and what it left out, in a sentence."""
    out = sorted(last["exclusions"], key=lambda each: -each["n"])
    kept_out = ", ".join(f"{each['reason'].replace('_', ' ')} {each['n']}" for each in out)
    nothing = f": {last['reason']}" if last["rank"] == 0 else ""
    return (
        f"decided by {policy_label(last['policy'])} on {last['day']}{nothing}; "
        f"not offered: {kept_out or 'nothing was kept out'}"
    )


def student_label(key: str) -> str:
    """A student key shortened for people."""
    return f"Student {key[:_KEY_CHARACTERS]}"


def class_label(key: str) -> str:
    """A class key shortened for people; the empty one is of students of no class."""
    return key[:_CLASS_CHARACTERS] or "No class"


def spread_over_ability(read: Read, *, n: int) -> list[str]:
    """Keys of at most n students from the lowest to the highest ability."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    abilities = _latest_abilities(read)
    shares = [place / n for place in range(n)]
    cuts = abilities.agg(F.percentile_approx("ability", shares)).collect()[0][0] or []
    # bands between quantiles: a window over all students would bring them to one worker
    place = sum((F.col("ability") >= cut).cast("int") for cut in cuts) if cuts else F.lit(0)
    grouped = abilities.withColumn("place", place)
    first = grouped.groupBy("place").agg(F.min(F.struct("ability", "student_key")).alias("s"))
    return [row["s"]["student_key"] for row in first.orderBy("place").collect()]


def _latest_abilities(read: Read) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    latest = F.max_by(F.struct("ability", "ability_sd"), "calibration_version").alias("a")
    return read(STUDENT_ABILITIES).groupBy("student_key").agg(latest).select("student_key", "a.*")


def _mastery(read: Read) -> "DataFrame":
    return read(STUDENT_MASTERY).join(read(SKILLS).select("skill_id", "name"), "skill_id")


def _answers(read: Read, keys: list[str], last: int) -> dict[str, list[Any]]:
    """The latest responses of some students with what was predicted before each."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    own = read(CANONICAL_LEARNING_EVENTS).filter(F.col("student_key").isin(keys))
    newest = Window.partitionBy("student_key").orderBy(F.desc("sequence_number"))
    recent = own.withColumn("age", F.row_number().over(newest)).filter(F.col("age") <= last)
    predicted = read(SAKT_PREDICTIONS).filter(F.col("student_key").isin(keys))
    names = F.map_from_entries(F.collect_list(F.struct("skill_id", "name"))).alias("names")
    labels = read(ITEMS).select("item_id", item_label())
    shown = (
        recent.join(predicted.select("event_id", "p_correct"), "event_id", "left")
        .join(labels, "item_id", "left")
        .crossJoin(read(SKILLS).agg(names))
        .withColumn("skill", F.transform("skill_ids", lambda s: F.col("names")[s]))
        .drop("names")
    )
    return _by_student(shown.orderBy("student_key", "age"), keys)


def _by_student(frame: "DataFrame", keys: list[str]) -> dict[str, list[Any]]:
    """Rows of a few students on the driver."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    found: dict[str, list[Any]] = {}
    for row in frame.filter(F.col("student_key").isin(keys)).collect():
        found.setdefault(row["student_key"], []).append(row)
    return found


def _least_first(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: (row["mastery"], row["name"]))


def _skill_mastery(row: Any) -> SkillMastery:  # noqa: ANN401 - a Spark row
    return SkillMastery(
        skill=row["name"],
        value=row["mastery"],
        low=row["mastery_low"],
        high=row["mastery_high"],
        n=row["n_responses"],
        before=row["mastery_before"],
        trend=row["trend"],
    )


def _answer(row: Any) -> Answer:  # noqa: ANN401 - a Spark row
    time, latency = row["answered_at"], row["latency_ms"]
    return Answer(
        when=f"{in_utc(time):%Y-%m-%d %H:%M}" if time else f"no. {row['sequence_number']}",
        item=row["label"] or row["item_id"],
        skills=tuple(name for name in row["skill"] if name),
        correct=row["correct"],
        hints=row["hint_count"],
        seconds=latency / 1000 if latency is not None else None,
        predicted=row["p_correct"],
    )
