"""What is counted of every item, and how well its responses fit its curve."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepkt_irt.irt.dif import compare_groups
from deepkt_irt.irt.fit import information_summary, item_fit, option_statistics
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.local_dependence import LocalDependence, q3
from deepkt_irt.irt.predictive import LeaveOneOut, leave_one_out
from deepkt_irt.jobs.attempts import share_of_students
from deepkt_irt.jobs.calibrated import CalibratedItems
from deepkt_irt.settings import DifSettings, Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

Record = dict[str, Any]


def counted(events: "DataFrame", users: "DataFrame") -> pd.DataFrame:
    """Figures of every item met that need no model, counted in Spark over all events.

    Args:
        events: Rows of silver.canonical_learning_events.
        users: Rows of silver.users.

    Returns:
        item_id and exposure, first_seen_at, last_seen_at, omit_rate, hint_rate,
        answer_requested_rate, latency_p10_ms, latency_median_ms, latency_p90_ms.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    graded = F.col("correct").isNotNull() | F.col("score").isNotNull()
    met = events.groupBy("item_id", "source").agg(
        F.count_distinct("student_key").alias("n_met"),
        F.count_distinct(F.when(graded, F.col("student_key"))).alias("n_graded"),
        F.min("answered_at").alias("first_seen_at"),
        F.max("answered_at").alias("last_seen_at"),
        F.avg((F.col("hint_count") > 0).cast("double")).alias("hint_rate"),
        F.avg(F.col("answer_requested").cast("double")).alias("answer_requested_rate"),
        F.percentile_approx("latency_ms", [0.1, 0.5, 0.9]).alias("times"),
    )
    students = users.groupBy("source").agg(F.count("*").alias("n_students"))
    times = {
        f"latency_{name}_ms": F.get("times", F.lit(place)).cast("double")
        for place, name in enumerate(("p10", "median", "p90"))
    }
    # an item that nobody was ever graded on is ungraded by nature, not omitted
    omitted = F.when(F.col("n_graded") > 0, 1 - F.col("n_graded") / F.col("n_met"))
    found = met.join(students, "source").select(
        "item_id",
        (F.col("n_met") / F.col("n_students")).alias("exposure"),
        "first_seen_at",
        "last_seen_at",
        omitted.alias("omit_rate"),
        "hint_rate",
        "answer_requested_rate",
        *(value.alias(name) for name, value in times.items()),
    )
    return found.toPandas().sort_values("item_id").reset_index(drop=True)


class ItemJudge:
    """Fit, fairness and options of items, from the first attempts that count.

    Args:
        attempts: Columns student_key, item_id, share, answer, student_group; sorted by student.
        calibrated: The latest calibration; None: nothing is known of curves.
        item_ids: All items met, sorted; results are in their order.
        settings: Of the run.
    """

    def __init__(
        self,
        attempts: pd.DataFrame,
        calibrated: CalibratedItems | None,
        item_ids: pd.Index,
        settings: Settings,
    ) -> None:
        self._ids, self._settings = item_ids, settings
        self._mean, self._sd = 0.0, 1.0
        items = ItemParameters.dichotomous(np.full(len(item_ids), np.nan))
        if calibrated is not None:
            items = calibrated.aligned(item_ids).items
            self._mean, self._sd = calibrated.population_mean, calibrated.population_sd
        self._items, self._attempts = items, attempts
        self._item = item_ids.get_indexer(pd.Index(attempts["item_id"])).astype(np.int64)
        codes, students = pd.factorize(attempts["student_key"], sort=True)
        self._student, self._n_students = codes.astype(np.int64), len(students)
        share = attempts["share"].to_numpy(dtype=np.float64)
        self._score = items.at_levels(self._item, share)

    def fit(self) -> pd.DataFrame:
        """Columns n_responses to information_peak_at of gold.item_health, by item."""
        found = item_fit(self._item, self._score, predicted=self._predicted)
        dependence = self._dependence()
        information = information_summary(self._items, target=self._mean)
        partner = [self._ids[each] if each >= 0 else None for each in dependence.partner]
        return pd.DataFrame(
            {
                "item_id": self._ids,
                "n_responses": found.n,
                "p_value": found.p_value,
                "p_low": found.p_low,
                "p_high": found.p_high,
                "item_theta_correlation": found.item_theta_correlation,
                "infit": found.infit,
                "infit_z": found.infit_z,
                "outfit": found.outfit,
                "outfit_z": found.outfit_z,
                "rmsd": found.rmsd,
                "q3_max": dependence.q3,
                "q3_item_id": partner,
                "q3_p": dependence.p,
                "information_at_target": information.at_target,
                "information_peak_at": information.peak_at,
            }
        )

    def options(self) -> dict[str, list[Record]]:
        """Answers given to each item, by item id; those of few students are left out."""
        known = self._attempts["answer"].notna().to_numpy()
        if not known.any():
            return {}
        found = option_statistics(
            self._attempts["answer"].to_numpy()[known],
            self._item[known],
            self._score[known],
            self._predicted.ability[known],
        )
        least = self._settings.dif.suppress_below
        options: dict[str, list[Record]] = {}
        for place in np.flatnonzero(found.n >= least):
            record = {
                "answer": found.answer[place],
                "n": int(found.n[place]),
                "share": float(found.share[place]),
                "mean_ability": _known(found.mean_ability[place]),
                "point_biserial": _known(found.point_biserial[place]),
                "is_key": bool(found.is_correct[place]),
            }
            options.setdefault(self._ids[found.item[place]], []).append(record)
        return options

    def dif(self) -> dict[str, list[Record]]:
        """Each named group of enough students against all others, by item id."""
        settings = self._settings.dif
        group, names = self._groups(settings)
        if len(names) < 2:
            return {}
        found = compare_groups(
            self._student,
            self._item,
            self._score,
            group=group,
            items=self._items,
            population_mean=self._mean,
            population_sd=self._sd,
            settings=settings,
        )
        odds, logistic = found.mantel_haenszel, found.logistic
        tested: dict[str, list[Record]] = {}
        for which, item in zip(*np.nonzero(np.isfinite(odds.delta)), strict=True):
            record = {
                "group_name": names[which],
                "n": int(odds.n[which, item]),
                "delta": float(odds.delta[which, item]),
                "delta_se": _known(odds.delta_se[which, item]),
                "p": _known(odds.p[which, item]),
                "q": _known(odds.q[which, item]),
                "ets_class": str(odds.ets_class[which, item]),
                "r2_change": _known(logistic.r2_change[which, item]),
            }
            tested.setdefault(self._ids[item], []).append(record)
        return tested

    def _groups(self, settings: DifSettings) -> tuple[IntArray, list[str]]:
        """Group of each student, -1 where unknown or too small to be named, and the names."""
        named = self._attempts.groupby(self._student)["student_group"].first()
        sizes = named.value_counts()
        names = sorted(sizes.index[sizes >= settings.suppress_below])
        group = pd.Index(names).get_indexer(pd.Index(named)).astype(np.int64)
        return group, names

    @cached_property
    def _predicted(self) -> LeaveOneOut:
        return leave_one_out(
            self._student,
            self._item,
            self._score,
            n_students=self._n_students,
            items=self._items,
            population_mean=self._mean,
            population_sd=self._sd,
        )

    def _dependence(self) -> LocalDependence:
        return q3(
            self._student,
            self._item,
            self._score,
            predicted=self._predicted,
            min_pair=self._settings.health.min_pair,
        )


def collected(attempts: "DataFrame", users: "DataFrame", most: int) -> pd.DataFrame:
    """First attempts that count with the student's group, sorted; bounded by `most` rows."""
    groups = users.select("student_key", "student_group")
    seen = share_of_students(attempts, most, n=attempts.count())
    rows = seen.join(groups, "student_key", "left")
    columns = ("student_key", "item_id", "share", "answer", "student_group")
    found = rows.select(*columns).toPandas()
    return found.sort_values(["student_key", "item_id"]).reset_index(drop=True)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
