"""Task monitor_items: does every item still behave, and what should be done about it?"""

from typing import TYPE_CHECKING, Any

import pandas as pd

from deepkt_irt.jobs.attempts import first_attempts, with_exclusions
from deepkt_irt.jobs.calibrated import (
    FLAGGED,
    CalibratedItems,
    flagged_since,
    judged,
    last_judged,
    latest,
)
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.item_drift import new_drift
from deepkt_irt.jobs.item_statistics import ItemJudge, Record, collected, counted
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.reporting.item_facts import GroupDif, ItemFacts, OptionFacts
from deepkt_irt.reporting.item_health import judge
from deepkt_irt.tables.gold_items import (
    CALIBRATIONS,
    ITEM_DRIFT,
    ITEM_HEALTH,
    ITEM_PARAMETERS,
    STUDENT_ABILITIES,
)
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, RESPONSE_BEHAVIOUR, USERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@task(
    reads=(
        CANONICAL_LEARNING_EVENTS,
        RESPONSE_BEHAVIOUR,
        ITEMS,
        USERS,
        CALIBRATIONS,
        ITEM_PARAMETERS,
        STUDENT_ABILITIES,
        ITEM_DRIFT,
    ),
    writes=(ITEM_DRIFT, ITEM_HEALTH),
)
def monitor_items(ctx: JobContext) -> Metrics:
    """Look for drift in windows that have ended, and judge the health of every item.

    Windows looked at before stay as they are; health is replaced in one commit. Without a
    calibration items are only counted. Attempts that calibrate_items leaves out are left out here,
    too, and counted. Safe to run again: a window is judged once.
    """
    events, users = ctx.read(CANONICAL_LEARNING_EVENTS), ctx.read(USERS)
    attempts = with_exclusions(first_attempts(events), ctx.read(RESPONSE_BEHAVIOUR))
    counting = attempts.filter("is_evidence AND NOT is_excluded")
    found = new_drift(ctx, counting)
    if found is not None:
        ctx.insert_new(ITEM_DRIFT, ctx.frame(ITEM_DRIFT, found))
    calibrated = latest(ctx.read(ITEM_PARAMETERS), ctx.read(CALIBRATIONS))
    health = _health(ctx, counted(events, users), counting, calibrated)
    ctx.overwrite(ITEM_HEALTH, ctx.frame(ITEM_HEALTH, health))
    statuses = health["status"].value_counts()
    return {
        "windows": 0 if found is None else found["window_start"].nunique(),
        "items": len(health),
        **{f"items_{name}": int(statuses.get(name, 0)) for name in ("act", "watch", "good")},
        "items_drifting": int(health["drift_status"].isin(FLAGGED).sum()),
        "responses_left_out": attempts.filter("NOT is_evidence OR is_excluded").count(),
    }


def _health(
    ctx: JobContext,
    figures: pd.DataFrame,
    counting: "DataFrame",
    calibrated: CalibratedItems | None,
) -> pd.DataFrame:
    """Rows of gold.item_health of every item met."""
    item_ids = pd.Index(figures["item_id"])
    attempts = collected(counting, ctx.read(USERS), ctx.settings.health.max_responses)
    items = ItemJudge(attempts, calibrated, item_ids, ctx.settings)
    rows = figures.merge(items.fit(), on="item_id").merge(
        _about(ctx, calibrated), on="item_id", how="left"
    )
    rows = rows.merge(_latest_drift(ctx), on="item_id", how="left")
    dif, options = items.dif(), items.options()
    records = [
        _judged(_without_nan(record), dif, options, ctx) for record in rows.to_dict("records")
    ]
    return pd.DataFrame(records, columns=list(ITEM_HEALTH.column_names))


def _about(ctx: JobContext, calibrated: CalibratedItems | None) -> pd.DataFrame:
    """item_id, is_guessable and, where calibrated, the parameters that rules look at."""
    about = ctx.read(ITEMS).select("item_id", "is_guessable").toPandas()
    names = ["item_id", "calibration_version", "model", "difficulty", "difficulty_se"]
    names += ["discrimination", "guessing"]
    rows = pd.DataFrame(columns=names) if calibrated is None else calibrated.rows[names]
    return about.merge(rows.astype(object), on="item_id", how="left")


def _latest_drift(ctx: JobContext) -> pd.DataFrame:
    """The latest judged window of each item, and since when it has been flagged in a row."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    drift = ctx.read(ITEM_DRIFT)
    latest_rows = last_judged(drift).select(
        "item_id",
        F.col("status").alias("drift_status"),
        F.col("direction").alias("drift_direction"),
        F.col("likely_cause").alias("drift_likely_cause"),
        F.col("delta").alias("drift_delta"),
    )
    history = judged(drift).select("item_id", "window_start", "status").toPandas()
    windows = history.sort_values("window_start").groupby("item_id")
    since = {
        item: flagged_since(zip(own["window_start"], own["status"], strict=True))
        for item, own in windows
    }
    found = latest_rows.toPandas()
    return found.assign(drift_since=found["item_id"].map(since))


def _without_nan(record: dict[Any, Any]) -> Record:
    """What is not known as None: NaN and NaT stand for it in pandas only."""
    return {name: None if pd.isna(value) else value for name, value in record.items()}


def _judged(
    record: Record, dif: dict[str, list[Record]], options: dict[str, list[Record]], ctx: JobContext
) -> Record:
    """A row of gold.item_health from an item's figures."""
    item = record["item_id"]
    known = {name: value for name, value in record.items() if name in _FACTS}
    facts = ItemFacts(
        **known,
        dif=tuple(GroupDif(**each) for each in dif.get(item, ())),
        options=tuple(OptionFacts(**each) for each in options.get(item, ())),
    )
    found = judge(facts, ctx.settings.health, dif=ctx.settings.dif)
    more: dict[str, Any] = {
        "dif": dif.get(item, []),
        "options": options.get(item, []),
        "status": found.status,
        "reasons": list(found.reasons),
        "suggested_action": found.suggested_action,
        "checked_at": ctx.as_of,
    }
    return {**record, **more}


_FACTS = frozenset(ItemFacts.__dataclass_fields__) - {"dif", "options"}
