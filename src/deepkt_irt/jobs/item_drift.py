"""Drift of items in the windows of time that have passed since the last look."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepkt_irt.irt.drift import Drift, detect_drift
from deepkt_irt.irt.drift_evidence import Reference, WindowResponses
from deepkt_irt.irt.drift_state import DriftState, state_of_history
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.jobs.attempts import share_of_students
from deepkt_irt.jobs.calibrated import (
    CalibratedItems,
    calibrated_items,
    null_where_missing,
)
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.settings import DriftSettings
from deepkt_irt.tables.gold_items import (
    CALIBRATIONS,
    ITEM_DRIFT,
    ITEM_PARAMETERS,
    STUDENT_ABILITIES,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_DAY = 86_400
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Held:
    """What windows are held against, items by id.

    Attributes:
        items: Each item by the first version that knew it well enough, else by the latest.
        versions: That version by item, in the same order.
        chain: Versions on this scale, oldest first, with the instant each was made.
    """

    items: CalibratedItems
    versions: "pd.Series[str]"
    chain: pd.DataFrame


def new_drift(ctx: JobContext, attempts: "DataFrame") -> pd.DataFrame | None:
    """Rows of gold.item_drift for windows that have ended and are not in it yet.

    Each item is held against the first calibration that knew it well enough, so that drift is
    not calibrated away. Students whom a calibration before the window knew start from there.

    Args:
        ctx: Of a task that reads calibrations and drift.
        attempts: First attempts that count, with times.

    Returns:
        The rows; None without a calibration, or without a new window.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    settings = ctx.settings.drift
    held = _held(ctx)
    if held is None:
        return None
    timed = attempts.filter("answered_at IS NOT NULL").withColumn("window", _window_of(settings))
    ended = int((ctx.as_of - _FIRST).total_seconds()) // (_DAY * settings.window_days)
    last = ctx.read(ITEM_DRIFT).agg(F.max("window_start")).collect()[0][0]
    done = -1 if last is None else _index(last, settings)
    known = timed.filter(F.col("window") < ended)
    new = known.filter(F.col("window") > done)
    sizes = {row["window"]: row["count"] for row in new.groupBy("window").count().collect()}
    if not sizes:
        return None
    seen = share_of_students(new, settings.max_responses, n=sum(sizes.values()))
    # of all windows: of the new one alone, no item would be faster than usual
    usual = known.groupBy("item_id").agg(F.percentile_approx("latency_ms", 0.5).alias("usual"))
    return _judged(ctx, _collected(ctx, seen, usual, sorted(sizes), held), held, settings)


def _window_of(settings: DriftSettings) -> "Column":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return F.floor(F.unix_seconds("answered_at") / (_DAY * settings.window_days)).cast("int")


def _index(start: datetime, settings: DriftSettings) -> int:
    at = start if start.tzinfo else start.replace(tzinfo=UTC)
    return int((at - _FIRST).total_seconds()) // (_DAY * settings.window_days)


def _held(ctx: JobContext) -> _Held | None:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    chain = _chain(ctx.read(CALIBRATIONS).toPandas(), ctx.settings.drift.baseline)
    if chain.empty:
        return None
    versions = [str(each) for each in chain["calibration_version"]]
    parameters = ctx.read(ITEM_PARAMETERS).filter(F.col("calibration_version").isin(versions))
    known = F.col("difficulty_se") <= ctx.settings.linking.max_anchor_se
    row = F.struct(*ITEM_PARAMETERS.column_names)
    version = F.col("calibration_version")
    chosen = parameters.groupBy("item_id").agg(
        F.min_by(row, F.when(known, version)).alias("first"), F.max_by(row, version).alias("last")
    )
    rows = chosen.select(F.coalesce("first", "last").alias("row")).select("row.*").toPandas()
    rows = rows.sort_values("item_id").reset_index(drop=True)
    return _Held(calibrated_items(rows, chain.iloc[-1]), rows["calibration_version"], chain)


def _chain(heads: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """The latest version and those whose scale it is on, oldest first."""
    before = zip(heads["calibration_version"], heads["reference_version"], strict=True)
    by_version: dict[str, str | None] = dict(before)
    chain: list[str] = []
    at = max(by_version, default=None)
    while at is not None and at >= baseline:
        chain.append(at)
        at = by_version.get(at)
    mine = heads[heads["calibration_version"].isin(chain)]
    return mine.sort_values("calibration_version")


def _collected(
    ctx: JobContext, new: "DataFrame", usual: "DataFrame", windows: list[int], held: _Held
) -> pd.DataFrame:
    """The responses of new windows with what was known of each student before, in order."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    abilities = ctx.read(STUDENT_ABILITIES).select(
        "calibration_version",
        "student_key",
        "ability",
        "ability_sd",
        F.col("n_responses").alias("n_known"),
    )
    versions = F.create_map(*_pairs(windows, held, ctx.settings.drift))
    known = new.withColumn("calibration_version", versions[F.col("window")]).join(
        abilities, ["calibration_version", "student_key"], "left"
    )
    timed = known.join(usual, "item_id").withColumn(
        "log_time", F.try_divide(F.col("latency_ms"), F.col("usual"))
    )
    found = timed.select(
        "student_key",
        "item_id",
        "window",
        "sequence_number",
        "share",
        F.ln("log_time").alias("log_time"),
        "ability",
        "ability_sd",
        "n_known",
    ).toPandas()
    return found.sort_values(["window", "student_key", "sequence_number"]).reset_index(drop=True)


def _pairs(windows: list[int], held: _Held, settings: DriftSettings) -> list["Column"]:
    """Alternately each new window and the last version made before it; null if there is none."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    pairs: list[Column] = []
    made = pd.to_datetime(held.chain["calibrated_at"], utc=True)
    for window in windows:
        before = held.chain["calibration_version"][made <= _start(window, settings)]
        version = None if before.empty else str(before.iloc[-1])
        pairs += [F.lit(window), F.lit(version).cast("string")]
    return pairs


def _start(window: int, settings: DriftSettings) -> datetime:
    return _FIRST + timedelta(days=window * settings.window_days)


def _judged(
    ctx: JobContext, found: pd.DataFrame, held: _Held, settings: DriftSettings
) -> pd.DataFrame:
    """One window after the other, each with the state that those before left."""
    ids = held.items.item_ids.union(pd.Index(found["item_id"].unique()))
    known = held.items.aligned(ids)
    versions = held.versions.set_axis(held.items.item_ids).reindex(ids)
    history = ctx.read(ITEM_DRIFT).toPandas()
    state, acting = _history(history, ids, versions, known.difficulty_se, settings)
    parts = []
    for _, own in found.groupby("window", sort=True):
        drift = detect_drift(
            _responses(own, ids, known.items),
            _reference(own, held, known.items, known.difficulty_se, may_anchor=~acting),
            settings=settings,
            state=state,
        )
        state = drift.state
        acting[drift.item[drift.status != "insufficient_data"]] = False
        acting[drift.item[drift.status == "act"]] = True
        parts.append(_rows(drift, ids, versions, settings))
    return pd.concat(parts, ignore_index=True).assign(checked_at=ctx.as_of)


def _history(
    history: pd.DataFrame,
    ids: pd.Index,
    versions: "pd.Series[str]",
    difficulty_se: NDArray[np.float64],
    settings: DriftSettings,
) -> tuple[DriftState, NDArray[np.bool_]]:
    """What earlier windows left: running sums, and which items were at act when last judged.

    Windows in which an item was held against another version tell nothing of this one.
    """
    at = ids.get_indexer(pd.Index(history["item_id"]))
    judged = history["status"] != "insufficient_data"
    same = judged & (history["calibration_version"].to_numpy() == versions.to_numpy()[at])
    mine, item = history[same & (at >= 0)], at[same & (at >= 0)]
    state = state_of_history(
        item,
        mine["window_start"].to_numpy(),
        mine["delta"].to_numpy(dtype=np.float64),
        mine["delta_se"].to_numpy(dtype=np.float64),
        difficulty_se=difficulty_se,
        settings=settings,
    )
    acting = np.zeros(len(ids), dtype=bool)
    last = mine.assign(item=item).sort_values("window_start").groupby("item")["status"].last()
    acting[last.index[last == "act"].to_numpy(dtype=np.int64)] = True
    return state, acting


def _responses(own: pd.DataFrame, ids: pd.Index, items: ItemParameters) -> WindowResponses:
    item = ids.get_indexer(pd.Index(own["item_id"])).astype(np.int64)
    student = pd.factorize(own["student_key"], sort=True)[0].astype(np.int64)
    return WindowResponses(
        student=student,
        item=item,
        score=items.at_levels(item, own["share"].to_numpy(dtype=np.float64)),
        window=own["window"].to_numpy(dtype=np.int64),
        n_students=int(student.max()) + 1,
        log_time=own["log_time"].to_numpy(dtype=np.float64),
    )


def _reference(
    own: pd.DataFrame,
    held: _Held,
    items: ItemParameters,
    difficulty_se: NDArray[np.float64],
    *,
    may_anchor: NDArray[np.bool_],
) -> Reference:
    students = own.groupby("student_key", sort=True)[["ability", "ability_sd", "n_known"]].first()
    n_known = students["n_known"].fillna(0).to_numpy(dtype=np.int64)
    return Reference(
        items=items,
        population_mean=students["ability"].fillna(held.items.population_mean).to_numpy(),
        population_sd=students["ability_sd"].fillna(held.items.population_sd).to_numpy(),
        n_known=n_known,
        difficulty_se=difficulty_se,
        is_anchor=may_anchor,
    )


def _rows(
    drift: Drift, ids: pd.Index, versions: "pd.Series[str]", settings: DriftSettings
) -> pd.DataFrame:
    """Rows of gold.item_drift; NaN becomes null."""
    starts = [_start(int(each), settings) for each in drift.window]
    numbers: dict[str, Any] = {
        "observed": drift.observed,
        "expected": drift.expected,
        "z": drift.z,
        "delta": drift.delta,
        "delta_se": drift.delta_se,
        "shift": drift.shift,
        "p": drift.p,
        "q": drift.q,
        "cusum_harder": drift.cusum_harder,
        "cusum_easier": drift.cusum_easier,
    }
    version = versions.to_numpy(dtype=object)[drift.item]
    return pd.DataFrame(
        {
            "item_id": ids[drift.item],
            "window_start": starts,
            "window_end": [each + timedelta(days=settings.window_days) for each in starts],
            "calibration_version": [None if pd.isna(each) else each for each in version],
            "n_responses": drift.n,
            **{name: null_where_missing(values) for name, values in numbers.items()},
            "status": drift.status,
            "direction": drift.direction,
            "likely_cause": drift.likely_cause,
            "is_anchor": drift.is_anchor,
        }
    )
