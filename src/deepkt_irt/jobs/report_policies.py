"""Reads how recommendations are decided and judged, for the report."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deepkt_irt.jobs.reading import Read
from deepkt_irt.reporting.policy_report import Gap, GroupShare, Interval, PolicyReport, policy_label
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS, BANDIT_REWARDS, POLICY_EVALUATIONS

READS = (
    BANDIT_RECOMMENDATIONS,
    STUDENT_MASTERY,
    BANDIT_DECISIONS,
    BANDIT_REWARDS,
    POLICY_EVALUATIONS,
)


def policy_report(read: Read, settings: Settings) -> PolicyReport | None:
    """The last decisions and the last judgement; None if nothing was ever decided.

    Args:
        read: Reads a table.
        settings: Of the run.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    decisions = read(BANDIT_DECISIONS)
    last = decisions.agg(F.unix_micros(F.max("decided_at"))).collect()[0][0]
    if last is None:
        return None
    now = decisions.filter(F.unix_micros("decided_at") == last)
    policy = now.agg(F.max("policy")).collect()[0][0]
    n_students, n_without = _offers(read)
    excluded = now.select(F.explode("exclusions").alias("e")).groupBy("e.reason")
    rows = excluded.agg(F.sum("e.n").alias("n")).orderBy(F.desc("n"), "reason").collect()
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=last)
    judged = last_judgement(read)
    return PolicyReport(
        policy=policy_label(policy),
        decided_at=f"{at:%Y-%m-%d %H:%M} UTC",
        n_students=n_students,
        n_without=n_without,
        exclusions=tuple((row["reason"].replace("_", " "), row["n"]) for row in rows),
        n_rewards=read(BANDIT_REWARDS).count(),
        n_pending=_n_pending(read, at, settings.reward.horizon_days),
        verdict=verdict_of(judged),
        gaps=tuple(_gap(row) for row in judged),
        groups=tuple(_group(each) for row in judged for each in row["groups"]),
        gate_confidence=settings.off_policy.gate_confidence,
        confidence=settings.off_policy.confidence,
    )


def _offers(read: Read) -> tuple[int, int]:
    """Students with something to practise, and those whose mastery is known who have nothing.

    A night decides about students of whom something changed; what others were offered stands.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    offered = read(BANDIT_RECOMMENDATIONS).select("student_key").distinct()
    scored = read(STUDENT_MASTERY).select("student_key").distinct()
    both = offered.withColumn("has", F.lit(True)).join(  # noqa: FBT003 - a literal
        scored, "student_key", "full"
    )
    found = both.agg(F.count("has"), F.count_if(F.col("has").isNull())).collect()[0]
    return int(found[0]), int(found[1])


def _n_pending(read: Read, at: datetime, horizon_days: float) -> int:
    """Recommendations within the horizon that have no reward yet."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    since = F.lit(at - timedelta(days=horizon_days))
    open_ones = read(BANDIT_DECISIONS).filter((F.col("decided_at") >= since) & F.expr("rank > 0"))
    return open_ones.join(read(BANDIT_REWARDS), "decision_id", "left_anti").count()


def verdict_of(judged: list[Any]) -> str | None:
    """What was decided when policies were judged last, with the day; None if they never were."""
    return f"{judged[0]['day']}: {judged[0]['decision']}" if judged else None


def last_judgement(read: Read) -> list[Any]:
    """Rows of the last evaluation, those that decided first."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    table = read(POLICY_EVALUATIONS)
    last = table.agg(F.max("evaluated_at").alias("evaluated_at"))
    day = F.date_format("evaluated_at", "yyyy-MM-dd").alias("day")
    rows = table.join(last, "evaluated_at").select("*", day)
    return rows.orderBy(F.desc("decides"), "against", "estimator").collect()


def _gap(row: Any) -> Gap:  # noqa: ANN401 - a Spark row
    return Gap(
        against=policy_label(row["against"]),
        estimator=row["estimator"],
        difference=_interval(row, "difference"),
        low_at_any_time=row["low_at_any_time"],
        n_decisions=row["n_decisions"],
        n_students=row["n_students"],
        effective_sample_size=row["effective_sample_size"],
        decides=row["decides"],
    )


def _group(each: Any) -> GroupShare:  # noqa: ANN401 - a Spark row
    return GroupShare(
        group=each["student_group"],
        n_students=each["n_students"],
        n_decisions=each["n_decisions"],
        n_items=each["n_items"],
        success=_interval(each, "predicted"),
        reward=_interval(each, "reward"),
    )


def _interval(row: Any, name: str) -> Interval | None:  # noqa: ANN401 - a Spark row
    value = row[name]
    return None if value is None else (value, row[f"{name}_low"], row[f"{name}_high"])
