"""The work of task train_wd_irt."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from deepkt_irt.errors import NoData
from deepkt_irt.jobs.calibrated import latest, null_where_missing
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.model_evaluations import Work
from deepkt_irt.jobs.model_training import Fit, Recipe, trained, work_of
from deepkt_irt.jobs.task import Metrics
from deepkt_irt.knowledge_tracing.sequences import UNIT_COLUMNS, units_of
from deepkt_irt.knowledge_tracing.versions import Version
from deepkt_irt.knowledge_tracing.wide_deep_irt import WideDeepIrt
from deepkt_irt.knowledge_tracing.wide_deep_scale import ScaleLink, mean_sigma_link
from deepkt_irt.knowledge_tracing.wide_deep_training import Epoch
from deepkt_irt.tables.gold import ITEM_VOCABULARY, WDIRT_FEATURES
from deepkt_irt.tables.gold_items import CALIBRATIONS, ITEM_PARAMETERS
from deepkt_irt.tables.silver import ITEMS

FloatArray = NDArray[np.float64]

MODEL = "wd_irt"
_SEED = 7
_OWN_SCALE = ScaleLink(slope=1.0, intercept=0.0, slope_se=0.0, intercept_se=0.0, n_items=0)


def train_and_judge(ctx: JobContext) -> Metrics:
    """Train or find the model of this data and these settings, judge it, and keep its items.

    Raises:
        ModelRefused: If the model sees what it must not see; it is not registered then.
        NoData: If a part of the students is missing.
    """
    torch.set_num_threads(ctx.settings.sakt.threads)  # a fixed number, so that sums stay the same
    frame = ctx.read(WDIRT_FEATURES).select(*UNIT_COLUMNS).toArrow().to_pandas()
    if frame.empty:
        raise NoData("no graded responses to train on; bring more files")
    items, kept = _items(ctx), ctx.settings.wide_deep.model_dump()
    calibrated = _calibrated(ctx, items)
    work = work_of(ctx, MODEL, units_of(frame), settings=kept, seed=_SEED)
    new = _maker(ctx, items)
    recipe = Recipe(
        work=work,
        source=WDIRT_FEATURES,
        params=kept,
        fit=lambda: _fit(ctx, work, new(work.seed), calibrated),
        fresh=new,
        load=WideDeepIrt.load,
        service=_service,
    )
    version, metrics = trained(ctx, recipe)
    if version is not None:
        _keep_items(ctx, version, work, items, calibrated)
    return metrics


def _items(ctx: JobContext) -> pd.DataFrame:
    """item_id and is_guessable by item_index, 0 left out."""
    vocabulary = ctx.read(ITEM_VOCABULARY).select("item_index", "item_id")
    known = ctx.read(ITEMS).select("item_id", "is_guessable")
    joined = vocabulary.join(known, "item_id", "left").toPandas()
    return joined.set_index("item_index").sort_index()


def _maker(ctx: JobContext, items: pd.DataFrame) -> Callable[[int], WideDeepIrt]:
    """Makes models of a seed.

    They are not told the calibration: it holds the answers of the students they are judged on.
    """
    guessable = np.full(int(items.index.max()) + 1, np.nan)
    guessable[items.index] = items["is_guessable"].to_numpy(dtype=np.float64)

    def new(seed: int) -> WideDeepIrt:
        return WideDeepIrt(ctx.settings.wide_deep, seed=seed, guessable=guessable)

    return new


def _calibrated(ctx: JobContext, items: pd.DataFrame) -> FloatArray:
    """Difficulty by the latest calibration where it is certain enough, NaN elsewhere, by index."""
    found = np.full(int(items.index.max()) + 1, np.nan)
    before = latest(ctx.read(ITEM_PARAMETERS), ctx.read(CALIBRATIONS))
    if before is not None:
        known = before.aligned(pd.Index(items["item_id"]))
        certain = known.difficulty_se <= ctx.settings.linking.max_anchor_se
        found[items.index] = np.where(certain, known.items.difficulty, np.nan)
    return found


def _fit(ctx: JobContext, work: Work, model: WideDeepIrt, calibrated: FloatArray) -> Fit:
    epochs: list[Epoch] = []

    def told(epoch: Epoch) -> None:
        epochs.append(epoch)
        ctx.progress(
            f"epoch {epoch.number}: loss {epoch.train_loss:.4f}, "
            f"validation loss {epoch.validation_loss:.4f}"
        )

    model.fit(work.histories, work.split, on_epoch=told)
    best = min(epochs, key=lambda epoch: epoch.validation_loss)
    link = _link(model, calibrated)
    metrics = {
        "best_epoch": float(best.number),
        "val_log_loss": best.validation_loss,
        "n_parameters": float(model.n_parameters),
        "link_slope": link.slope,
        "link_intercept": link.intercept,
        "link_slope_se": link.slope_se,
        "link_intercept_se": link.intercept_se,
        "link_items": float(link.n_items),
    }
    history = [
        {"train_loss": epoch.train_loss, "validation_log_loss": epoch.validation_loss}
        for epoch in epochs
    ]
    return Fit(model, metrics, history)


def _link(model: WideDeepIrt, calibrated: FloatArray) -> ScaleLink:
    """To the scale of the calibration; too few items in common leave the model on its own."""
    found = model.item_parameters()
    own = np.where(found.known, found.difficulty, np.nan)
    n = min(len(own), len(calibrated))
    try:
        return mean_sigma_link(own[:n], calibrated[:n])
    except NoData:
        return _OWN_SCALE


def _keep_items(
    ctx: JobContext, version: Version, work: Work, items: pd.DataFrame, calibrated: FloatArray
) -> None:
    """Write the version's items on the calibration's scale."""
    with tempfile.TemporaryDirectory() as scratch:
        model = WideDeepIrt.load(ctx.models.files(version, Path(scratch)))
    found, link = model.item_parameters(), _link(model, calibrated)
    train = work.split.train
    n = np.bincount(work.histories.item[train], minlength=len(found.known))
    right = np.bincount(
        work.histories.item[train],
        weights=work.histories.correct[train],
        minlength=len(found.known),
    )
    at = np.flatnonzero(found.known & np.isin(np.arange(len(found.known)), items.index))
    at = at[at > 0]
    slope = found.discrimination[at] / link.slope
    difficulty = link.slope * found.difficulty[at] + link.intercept
    own_slope = np.isfinite(found.discrimination_se[at])
    guessing = np.where(found.guessing[at] > 0, found.guessing[at], np.nan)
    name = f"wd_irt/{version.number}"
    rows = pd.DataFrame(
        {
            "calibration_version": name,
            "item_id": items["item_id"].reindex(at).to_numpy(),
            "model": np.where(np.isfinite(guessing), "3PL", np.where(own_slope, "2PL", "1PL")),
            "difficulty": difficulty,
            "difficulty_se": link.slope * found.difficulty_se[at],
            "discrimination": null_where_missing(np.where(own_slope, slope, np.nan)),
            "discrimination_se": null_where_missing(found.discrimination_se[at] / link.slope),
            "slope": slope,
            "guessing": null_where_missing(guessing),
            "guessing_se": null_where_missing(found.guessing_se[at]),
            "asymptote": found.guessing[at],
            "thresholds": [[each] for each in difficulty],
            "n_responses": n[at],
            "p_value": right[at] / n[at],
            "is_anchor": False,
            "calibrated_at": ctx.as_of,
            "estimator": MODEL,
        }
    )
    frame = ctx.frame(ITEM_PARAMETERS, rows)
    ctx.replace(ITEM_PARAMETERS, frame, where=f"calibration_version = '{name}'")


def _service() -> tuple[Any, pd.DataFrame]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own type hints on import
        from deepkt_irt.serving import EXAMPLE, WideDeepService  # noqa: PLC0415 - imports MLflow
    return WideDeepService(), EXAMPLE
