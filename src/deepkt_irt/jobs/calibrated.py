"""Calibrated items read from their table: curves with errors, and the scale they are on."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.linking import Estimates

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FloatArray = NDArray[np.float64]

FLAGGED = ("watch", "act")  # statuses of drift


@dataclass(frozen=True)
class CalibratedItems:
    """One calibration, items in the order of their ids.

    Attributes:
        version: Of the calibration.
        item_ids: Sorted, (items,).
        estimates: Curves and their errors.
        rows: The rows of gold.item_parameters in the same order.
        population_mean: Of ability, logits.
        population_sd: Likewise.
    """

    version: str
    item_ids: pd.Index
    estimates: Estimates
    rows: pd.DataFrame
    population_mean: float
    population_sd: float

    def aligned(self, item_ids: pd.Index) -> Estimates:
        """Curves of items in another order; NaN for those not calibrated here."""
        at = self.item_ids.get_indexer(item_ids)
        found = at >= 0
        return Estimates(
            self.estimates.items.placed(at),
            np.where(found, self.estimates.difficulty_se[at], np.nan),
            np.where(found, self.estimates.slope_se[at], np.nan),
        )


def marginal(parameters: "DataFrame") -> "DataFrame":
    """The rows of gold.item_parameters that a calibration estimated."""
    return parameters.filter("estimator IS NULL")


def latest(
    parameters: "DataFrame", calibrations: "DataFrame", *, before: str | None = None
) -> CalibratedItems | None:
    """The latest calibration, or the latest before a version; None if there is none.

    Args:
        parameters: Rows of gold.item_parameters.
        calibrations: Rows of gold.calibrations.
        before: Only versions that sort before it.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    known = calibrations
    if before is not None:
        known = known.filter(F.col("calibration_version") < before)
    last = known.orderBy(F.desc("calibration_version")).limit(1).toPandas()
    if last.empty:
        return None
    version = str(last["calibration_version"].iloc[0])
    rows = parameters.filter(F.col("calibration_version") == version).toPandas()
    return calibrated_items(rows.sort_values("item_id").reset_index(drop=True), last.iloc[0])


def of_latest(rows: "DataFrame", calibrations: "DataFrame") -> "DataFrame":
    """Rows of the latest calibration; scales of different calibrations do not mix.

    A version counts once it stands in gold.calibrations, which is written last.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    last = calibrations.agg(F.max("calibration_version").alias("calibration_version"))
    return rows.join(F.broadcast(last), "calibration_version")


def calibrated_items(rows: pd.DataFrame, head: "pd.Series[Any]") -> CalibratedItems:
    """Items from rows of gold.item_parameters, sorted by id, and of gold.calibrations."""
    return CalibratedItems(
        version=str(head["calibration_version"]),
        item_ids=pd.Index(rows["item_id"]),
        estimates=Estimates(
            item_parameters(rows),
            _floats(rows["difficulty_se"]),
            _floats(rows["discrimination_se"]),
        ),
        rows=rows,
        population_mean=float(head["population_mean"]),
        population_sd=float(head["population_sd"]),
    )


def item_parameters(rows: pd.DataFrame) -> ItemParameters:
    """Curves from rows of gold.item_parameters, in their order."""
    lists = [np.asarray(each, dtype=np.float64) for each in rows["thresholds"]]
    n_steps = max((len(each) for each in lists), default=1)
    thresholds = np.full((len(lists), n_steps), np.nan)
    for row, each in zip(thresholds, lists, strict=True):
        row[: len(each)] = each
    return ItemParameters(thresholds, _floats(rows["slope"]), _floats(rows["asymptote"]))


def _floats(values: "pd.Series[float]") -> FloatArray:
    return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def flagged_since(windows: Iterable[tuple[datetime, str]]) -> datetime | None:
    """Start of the windows flagged in a row, up to the last; None if that is not flagged.

    Args:
        windows: Start and status of an item's judged windows, oldest first.
    """
    in_a_row = takewhile(lambda each: each[1] in FLAGGED, reversed(list(windows)))
    return min((start for start, _ in in_a_row), default=None)


def null_where_missing(values: FloatArray) -> "pd.Series[Any]":
    """NaN means not estimated or not defined, which a table says with null."""
    return pd.Series([None if np.isnan(each) else float(each) for each in values], dtype=object)


def judged(drift: "DataFrame") -> "DataFrame":
    """The rows of gold.item_drift in which there were enough responses."""
    return drift.filter("status <> 'insufficient_data'")


def last_judged(drift: "DataFrame") -> "DataFrame":
    """Of each item the latest row of gold.item_drift in which there were enough responses."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    last = (
        judged(drift)
        .groupBy("item_id")
        .agg(F.max_by(F.struct(*drift.columns), "window_start").alias("last"))
    )
    return last.select("last.*")
