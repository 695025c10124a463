"""Task calibrate_items: parameters of every item and ability of every student, by version."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepkt_irt.irt.calibration import FixedItems, Population, calibrate_cells, fit_items
from deepkt_irt.irt.fitted import FittedItems
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.linking import Estimates, Link, link
from deepkt_irt.irt.responses import Selection
from deepkt_irt.jobs.attempts import first_attempts, with_exclusions, with_levels
from deepkt_irt.jobs.calibrated import (
    CalibratedItems,
    last_judged,
    latest,
    null_where_missing,
)
from deepkt_irt.jobs.calibration_input import selected, write_responses
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.tables.gold_items import (
    CALIBRATION_RESPONSES,
    CALIBRATIONS,
    ITEM_DRIFT,
    ITEM_PARAMETERS,
    STUDENT_ABILITIES,
)
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, RESPONSE_BEHAVIOUR, USERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

BoolArray = NDArray[np.bool_]

_OWN = (CALIBRATIONS, ITEM_PARAMETERS, CALIBRATION_RESPONSES)


@dataclass(frozen=True)
class _Fit:
    """What a calibration found on its own scale; abilities are a frame of all students."""

    items: FittedItems
    abilities: "DataFrame"
    n_students: int
    reliability: float


@task(
    reads=(CANONICAL_LEARNING_EVENTS, RESPONSE_BEHAVIOUR, ITEMS, USERS, *_OWN),
    writes=(*_OWN, STUDENT_ABILITIES),
    remembers=(ITEM_DRIFT,),
)
def calibrate_items(ctx: JobContext) -> Metrics:
    """Calibrate items on first attempts and estimate abilities, as a new version.

    Attempts after the answer was shown, and those that silver.response_behaviour excludes as
    rapid guesses, are left out and counted. The new version is put on
    the scale of the one before by items that did not move; earlier versions stay. Safe to run
    again: the version is named by the run's instant and replaced, table by table. Stops with
    NoConvergence if the estimates do not settle.
    """
    settings = ctx.settings.calibration
    version = ctx.as_of.strftime("%Y%m%dT%H%M%SZ")
    attempts = with_exclusions(
        first_attempts(ctx.read(CANONICAL_LEARNING_EVENTS)), ctx.read(RESPONSE_BEHAVIOUR)
    )
    graded = with_levels(attempts.filter("is_evidence AND NOT is_excluded"), settings)
    item_ids, selection = selected(ctx, graded)
    write_responses(ctx, graded, item_ids, selection)
    before = latest(ctx.read(ITEM_PARAMETERS), ctx.read(CALIBRATIONS), before=version)
    fit = _fitted(ctx, selection)
    found = _linked(ctx, before, fit, item_ids)
    if found.method != "none" and ctx.settings.linking.method == "fixed" and before is not None:
        fixed = _fixed(before, item_ids, found.anchors)
        fit, found = _fitted(ctx, selection, fixed), _by_fixed(found)
    rows = _parameters(fit.items, found, item_ids)
    if found.method == "fixed" and before is not None:
        rows = _with_given(rows, before)
    this = f"calibration_version = '{version}'"
    stamp: dict[str, Any] = {"calibration_version": version, "calibrated_at": ctx.as_of}
    ctx.replace(
        ITEM_PARAMETERS,
        ctx.frame(ITEM_PARAMETERS, rows.assign(**stamp, estimator=None)),
        where=this,
    )
    ctx.replace(STUDENT_ABILITIES, _abilities(fit, found, stamp), where=this)
    left_out = _left_out(attempts)
    head = _head(fit, found, selection)
    head |= {"n_rapid": left_out["rapid"], "reference_version": _reference(found, before)}
    # last, because a version counts from the moment its row is here
    ctx.replace(CALIBRATIONS, ctx.frame(CALIBRATIONS, pd.DataFrame([head | stamp])), where=this)
    return _metrics(fit.items, head, left_out)


def _fitted(ctx: JobContext, selection: Selection, fixed: FixedItems | None = None) -> _Fit:
    """Estimate in memory if the responses fit there, else on the workers."""
    from deepkt_irt.jobs.calibration_statistics import OnWorkers, cells_and_groups  # noqa: PLC0415

    settings, students = ctx.settings.calibration, ctx.read(CALIBRATION_RESPONSES)
    if selection.counts.sum() > settings.max_in_memory_responses:
        workers = OnWorkers(students, n_cells=selection.n_cells, settings=settings)
        population = _population(students)
        state, items = fit_items(workers, selection, population, settings=settings, fixed=fixed)
        everyone = state.pooled(population.group_sizes)
        abilities = workers.abilities(everyone, items.scale)
        n_students = int(population.group_sizes.sum())
        return _Fit(items, abilities, n_students, _reliability(abilities))
    # sorted, so that the order in which rows come changes no digit
    rows = students.toArrow().sort_by("student_key")
    cells, group = cells_and_groups(rows, selection.n_cells)
    found = calibrate_cells(cells, group, selection, settings=settings, fixed=fixed)
    frame = pd.DataFrame(
        {
            "student_key": rows.column("student_key").to_pandas(),
            "ability": found.students.ability,
            "ability_sd": found.students.ability_sd,
            "n_responses": found.students.student_n,
        }
    )
    return _Fit(found, ctx.spark.createDataFrame(frame), len(frame), found.students.reliability)


def _reliability(abilities: "DataFrame") -> float:
    """As of abilities in memory: variance of the EAPs over it plus the mean posterior variance."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    spread, doubt = abilities.agg(F.var_pop("ability"), F.avg(F.col("ability_sd") ** 2)).collect()[
        0
    ]
    return float(spread / (spread + doubt))


def _population(students: "DataFrame") -> Population:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    sizes = students.groupBy("group_index").agg(
        F.count("*").alias("n"), F.max(F.size("cells")).alias("longest")
    )
    found = sizes.orderBy("group_index").toPandas()
    return Population(
        found["n"].to_numpy(dtype=np.int64), spread_is_free=bool(found["longest"].max() > 1)
    )


def _linked(ctx: JobContext, before: CalibratedItems | None, fit: _Fit, item_ids: pd.Index) -> Link:
    """The link to the version before, carried by items that do not drift."""
    settings = ctx.settings.linking
    if before is None or settings.method == "none":
        return Link.none(len(item_ids))
    acting = last_judged(ctx.read(ITEM_DRIFT)).filter("status = 'act'")
    drifted = acting.select("item_id").toPandas()["item_id"]
    old = before.aligned(item_ids)
    uncertain = np.where(item_ids.isin(drifted), np.nan, old.difficulty_se)
    if settings.method == "fixed":
        settings = settings.model_copy(update={"method": "stocking_lord"})
    found = link(
        replace(old, difficulty_se=uncertain),
        _estimates(fit.items),
        settings=settings,
        population_mean=before.population_mean,
        population_sd=before.population_sd,
    )
    if found.refusal:
        ctx.progress(f"no link to {before.version}: {found.refusal}")
    return found


def _estimates(fitted: FittedItems) -> Estimates:
    return Estimates(
        fitted.items, fitted.difficulty_se, fitted.discrimination_se, fitted.covariance
    )


def _fixed(before: CalibratedItems, item_ids: pd.Index, anchors: BoolArray) -> FixedItems:
    given = before.aligned(item_ids).items
    kept = np.where(anchors[:, None], given.thresholds, np.nan)
    items = ItemParameters(kept, given.slope, given.guessing)
    return FixedItems(items, before.population_sd)


def _by_fixed(found: Link) -> Link:
    """The anchors of a link, kept as they were: nothing is left to move."""
    return replace(
        Link.none(),
        method="fixed",
        anchors=found.anchors,
        screened=found.screened,
        slope_se=0.0,
        intercept_se=0.0,
    )


def _reference(found: Link, before: CalibratedItems | None) -> str | None:
    return before.version if before is not None and found.method != "none" else None


def _parameters(fitted: FittedItems, found: Link, item_ids: pd.Index) -> pd.DataFrame:
    """Rows of gold.item_parameters on the linked scale."""
    linked = found.apply_to_estimates(_estimates(fitted))
    slope = linked.items.slope
    thresholds = [each[np.isfinite(each)].tolist() for each in linked.items.thresholds]
    frame = pd.DataFrame(
        {
            "item_id": item_ids,
            "model": fitted.model,
            "difficulty": linked.items.difficulty,
            "difficulty_se": linked.difficulty_se,
            "discrimination": null_where_missing(np.where(linked.has_slope, slope, np.nan)),
            "discrimination_se": null_where_missing(linked.slope_se),
            "slope": slope,
            "guessing": null_where_missing(fitted.guessing),
            "guessing_se": null_where_missing(fitted.guessing_se),
            "asymptote": linked.items.guessing,
            "thresholds": thresholds,
            "n_responses": fitted.n_responses,
            "p_value": fitted.p_value,
            "is_anchor": found.anchors,
        }
    )
    return frame[np.isfinite(linked.items.difficulty)]


def _with_given(rows: pd.DataFrame, before: CalibratedItems) -> pd.DataFrame:
    """Fixed items keep what the version before says of them, but for what was counted."""
    mine = rows.set_index("item_id")
    given = before.rows.set_index("item_id").loc[mine.index[mine["is_anchor"]]]
    for name in ITEM_PARAMETERS.column_names:
        if name in mine.columns and name not in {"n_responses", "p_value", "is_anchor"}:
            mine.loc[given.index, name] = given[name]
    return mine.reset_index()


def _abilities(fit: _Fit, found: Link, stamp: dict[str, Any]) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return fit.abilities.select(
        "student_key",
        (found.slope * F.col("ability") + found.intercept).alias("ability"),
        (found.slope * F.col("ability_sd")).alias("ability_sd"),
        "n_responses",
        *(F.lit(value).alias(name) for name, value in stamp.items()),
    )


def _head(fit: _Fit, found: Link, selection: Selection) -> dict[str, object]:
    """The row of gold.calibrations, without its version."""
    fitted = fit.items
    mean, sd = found.apply_to_abilities(fitted.population_mean, fitted.population_sd)
    return {
        "n_students": fit.n_students,
        "n_items": len(selection.kept),
        "n_responses": int(selection.counts.sum()),
        "iterations": fitted.n_iterations,
        "log_likelihood": fitted.log_likelihood,
        "reliability": fit.reliability,
        "population_mean": float(mean),
        "population_sd": float(sd),
        "link_method": found.method,
        "link_slope": found.slope,
        "link_slope_se": _known(found.slope_se),
        "link_intercept": found.intercept,
        "link_intercept_se": _known(found.intercept_se),
        "link_refusal": found.refusal,
        "n_anchors": int(found.anchors.sum()),
        "n_anchors_screened": int(found.screened.sum()),
    }


def _left_out(attempts: "DataFrame") -> dict[str, int]:
    """First attempts that say nothing of ability, by reason."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    row = attempts.agg(
        F.count_if(F.expr("NOT is_evidence")).alias("after_answer_shown"),
        # of the excluded, those whose answer was not shown before: the rapid guesses
        F.count_if(F.expr("is_evidence AND is_excluded")).alias("rapid"),
    ).collect()[0]
    return {"after_answer_shown": row["after_answer_shown"], "rapid": row["rapid"]}


def _metrics(fitted: FittedItems, head: dict[str, object], left_out: dict[str, int]) -> Metrics:
    model = fitted.model
    numbers = {name: value for name, value in head.items() if isinstance(value, int | float)}
    return {
        "items": numbers["n_items"],
        "items_2pl": int((model == "2PL").sum()),
        "items_3pl": int((model == "3PL").sum()),
        "items_graded": int((model == "GRM").sum()),
        "items_too_few_responses": int((model == "").sum()),
        "students": numbers["n_students"],
        "responses": numbers["n_responses"],
        "responses_after_answer_shown": left_out["after_answer_shown"],
        "responses_rapid": left_out["rapid"],
        "iterations": fitted.n_iterations,
        "population_sd": numbers["population_sd"],
        "reliability": numbers["reliability"],
        "anchors": numbers["n_anchors"],
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
