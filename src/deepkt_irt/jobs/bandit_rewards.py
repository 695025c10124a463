"""Finds what recommendations turned out to be worth, once later answers show it."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepkt_irt.bandit.rewards import learning_gain, less_gaming, target_success
from deepkt_irt.bandit.situation import Catalogue, FloatArray
from deepkt_irt.gold.mastery import reference_items
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.skill_scale import SkillScale
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import SAKT_PREDICTIONS
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS, BANDIT_REWARDS
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, RESPONSE_BEHAVIOUR

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ROWS = (
    "decision_id string, student_key string, decided_at timestamp, reward double, "
    "event_id string, n_probes bigint, is_gamed boolean"
)


def note_rewards(ctx: JobContext, catalogue: Catalogue, curves: ItemParameters) -> None:
    """Write rewards that can be seen now and were not before; what is pending gets no row.

    A recommendation is taken up by the first graded answer to its item after the decision, within
    the horizon. If it was made on several days before that, the answer counts for the last one.

    Args:
        ctx: Of the task.
        catalogue: Items and skills.
        curves: Of the items in the same order.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    seen = _probed(ctx, _taken_up(ctx)).mapInPandas(
        _worth(ctx.settings, catalogue, _scale(ctx, catalogue, curves)), _ROWS
    )
    rewards = seen.filter("reward IS NOT NULL AND NOT isnan(reward)").withColumns(
        {"kind": F.lit(ctx.settings.reward.kind), "rewarded_at": F.lit(ctx.as_of)}
    )
    ctx.insert_new(BANDIT_REWARDS, rewards)


def pending(ctx: JobContext) -> "DataFrame":
    """Decisions of the horizon that were not rewarded yet."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    since = ctx.as_of - timedelta(days=ctx.settings.reward.horizon_days)
    return (
        ctx.read(BANDIT_DECISIONS)
        .filter((F.col("decided_at") >= F.lit(since)) & (F.col("decided_at") < F.lit(ctx.as_of)))
        .filter("rank > 0")
        .join(ctx.read(BANDIT_REWARDS).select("decision_id"), "decision_id", "left_anti")
    )


def _taken_up(ctx: JobContext) -> "DataFrame":
    """Pending decisions with the answer to their item."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    answers = (
        ctx.read(CANONICAL_LEARNING_EVENTS)
        .filter("correct IS NOT NULL")
        .select("student_key", "item_id", "event_id", "sequence_number", "answered_at")
    )
    decisions = pending(ctx).select(
        "decision_id", "student_key", "decided_at", "item_id", "skill_id", "mastery",
        "last_sequence_number",
    )  # fmt: skip
    first = Window.partitionBy("decision_id").orderBy("sequence_number")
    last = Window.partitionBy("event_id").orderBy(F.desc("decided_at"), "decision_id")
    return (
        decisions.join(answers, ["student_key", "item_id"])
        .filter(F.col("sequence_number") > F.col("last_sequence_number"))
        .filter(_within_horizon("answered_at", ctx.settings.reward.horizon_days))
        .withColumn("nth_answer", F.row_number().over(first))
        .filter("nth_answer = 1")
        .withColumn("nth_decision", F.row_number().over(last))
        .filter("nth_decision = 1")
        # a later decision took the answer on another day
        .join(ctx.read(BANDIT_REWARDS).select("event_id"), "event_id", "left_anti")
        .drop("nth_answer", "nth_decision", "last_sequence_number")
    )


def _within_horizon(instant: str, days: float) -> str:
    """What was answered before the decision, and came in later, is no answer to it."""
    seconds = f"unix_timestamp({instant}) - unix_timestamp(decided_at)"
    return f"{instant} IS NULL OR ({seconds} BETWEEN 0 AND {days * 86_400:.0f})"


def _probed(ctx: JobContext, taken: "DataFrame") -> "DataFrame":
    """Answers to recommended items with what came after them on the skill."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    behaviour = ctx.read(RESPONSE_BEHAVIOUR).select("event_id", "is_excluded")
    later = (
        ctx.read(CANONICAL_LEARNING_EVENTS)
        .filter("correct IS NOT NULL AND size(skill_ids) = 1")  # of others one cannot say whose
        .join(behaviour.filter("is_excluded"), "event_id", "left_anti")
        .select(
            "student_key",
            F.col("skill_ids")[0].alias("skill_id"),
            F.col("sequence_number").alias("probe"),
            F.col("item_id").alias("probe_item"),
            F.col("correct").alias("probe_correct"),
            F.col("answered_at").alias("probed_at"),
        )
    )
    each = F.struct("probe", "probe_item", F.col("probe_correct").cast("double").alias("correct"))
    probes = (
        taken.join(later, ["student_key", "skill_id"])
        .filter("probe > sequence_number AND probe_item <> item_id")
        .filter(_within_horizon("probed_at", ctx.settings.reward.horizon_days))
        .groupBy("decision_id")
        .agg(F.array_sort(F.collect_list(each)).alias("probes"))
    )
    chance = ctx.read(SAKT_PREDICTIONS).filter("event_id IS NOT NULL")
    return (
        taken.join(probes, "decision_id", "left")
        .join(chance.select("event_id", F.col("p_correct").alias("chance")), "event_id", "left")
        .join(behaviour.withColumnRenamed("is_excluded", "is_gamed"), "event_id", "left")
        .withColumns(
            {
                "probe_items": F.col("probes.probe_item"),
                "correct": F.col("probes.correct"),
                "n_probes": F.coalesce(F.size("probes"), F.lit(0)).cast("bigint"),
                "is_gamed": F.coalesce("is_gamed", F.expr("false")),
            }
        )
        .drop("probes")
    )


def _scale(ctx: JobContext, catalogue: Catalogue, curves: ItemParameters) -> SkillScale:
    """What a mastery lets expect of other items; judged by the items that mastery is judged by."""
    item, column = np.nonzero(catalogue.skills)
    pairs = pd.DataFrame(
        {
            "skill_index": catalogue.skills[item, column],
            "item_index": item,
            "difficulty": catalogue.difficulty[item],
        }
    )
    per_skill = ctx.settings.scoring.items_per_skill
    return SkillScale.of(curves, reference_items(pairs, per_skill=per_skill))


def _worth(
    settings: Settings, catalogue: Catalogue, scale: SkillScale
) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Rewards of chunks of answers in a Spark worker; null while they are pending."""
    columns = [part.split()[0] for part in _ROWS.split(", ")]

    def run(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            reward = less_gaming(
                _measured(frame, settings, catalogue, scale),
                frame["is_gamed"].to_numpy(bool),
                settings.reward,
            )
            yield frame.assign(reward=reward)[columns]

    return run


def _measured(
    frame: pd.DataFrame, settings: Settings, catalogue: Catalogue, scale: SkillScale
) -> FloatArray:
    def numbers(name: str) -> FloatArray:
        return frame[name].to_numpy(dtype=float, na_value=float("nan"))

    if settings.reward.kind == "target_success":
        return target_success(numbers("chance"), target=settings.recommendation.target_success)
    n, correct = frame["n_probes"].to_numpy(), _flat(frame["correct"]).astype(float)
    if settings.reward.kind == "next_success":
        first = np.full(len(frame), np.nan)
        first[n > 0] = correct[(np.cumsum(n) - n)[n > 0]]
        return first
    decision = np.repeat(np.arange(len(frame)), n)
    skill = pd.Index(catalogue.skill_ids).get_indexer(pd.Index(frame["skill_id"]))
    item = pd.Index(catalogue.item_ids).get_indexer(pd.Index(_flat(frame["probe_items"])))
    gain = scale.gain(skill, numbers("mastery"), decision, item, correct)
    return learning_gain(gain, n.astype(float), min_probes=settings.reward.min_probes)


def _flat(lists: "pd.Series[Any]") -> NDArray[Any]:
    """Values of lists one after another."""
    parts = [np.asarray(each, dtype=object) for each in lists if each is not None]
    return np.concatenate([np.zeros(0, dtype=object), *parts])
