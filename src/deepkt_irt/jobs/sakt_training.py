"""The work of task train_sakt: train, register, measure, and choose the champion."""

import hashlib
import json
import tempfile
import warnings
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from deepkt_irt.errors import NoConvergence, NoData
from deepkt_irt.irt.ability import sequential_probabilities
from deepkt_irt.irt.calibration import calibrate
from deepkt_irt.irt.responses import Responses
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics
from deepkt_irt.knowledge_tracing.baselines import item_means
from deepkt_irt.knowledge_tracing.metrics import Scores, scores
from deepkt_irt.knowledge_tracing.scoring import Scorer, seen_in_training
from deepkt_irt.knowledge_tracing.sequences import Windows, windows_of
from deepkt_irt.knowledge_tracing.training import Epoch, Trained, predict, train
from deepkt_irt.tables.gold import (
    ITEM_VOCABULARY,
    MODEL_EVALUATIONS,
    SAKT_SEQUENCES,
    SKILL_VOCABULARY,
)
from deepkt_irt.tracking import Training, Version

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MODEL = "sakt"
_PROTOCOL = "held-out students, every graded response once, from the student's own past"
_COLUMNS = (
    "student_key",
    "window_index",
    "context_length",
    "split",
    "item_indexes",
    "skill_indexes",
    "correct",
)


@dataclass(frozen=True)
class _Work:
    """What a training starts from."""

    windows: Windows
    n_items: int
    n_skills: int
    key: str


def train_and_evaluate(ctx: JobContext) -> Metrics:
    """Train or find the model of this data and these settings, and measure it.

    Raises:
        NoData: If a split has no students.
    """
    torch.set_num_threads(ctx.settings.sakt.threads)  # a fixed number, so that sums stay the same
    work = _work(ctx)
    version = ctx.models.version_of_training(MODEL, work.key)
    if version is None:
        version = _trained(ctx, work)
    else:
        ctx.progress(f"version {version.number} was trained on the same data and settings before")
    measured = _measured(ctx, work, version)
    better = _better(measured[MODEL], measured["item_mean"])
    if better:
        ctx.models.set_champion(version)
    _write(ctx, work, version, measured, is_champion=better)
    return _metrics(measured, is_champion=better)


def _work(ctx: JobContext) -> _Work:
    # by way of Arrow: toPandas turns nested arrays over one by one, twenty times slower
    windows = windows_of(ctx.read(SAKT_SEQUENCES).select(*_COLUMNS).toArrow().to_pandas())
    if not len(windows.of_split("test")):
        raise NoData("no students in the test split; bring more students")
    facts = [windows.digest, ctx.settings.sakt.model_dump(), package_version("deepkt-irt")]
    return _Work(
        windows=windows,
        n_items=_largest(ctx, "item"),
        n_skills=_largest(ctx, "skill"),
        key=hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32],
    )


def _largest(ctx: JobContext, of: str) -> int:
    table = ITEM_VOCABULARY if of == "item" else SKILL_VOCABULARY
    row = ctx.read(table).agg({f"{of}_index": "max"}).first()
    return int(row[0] or 0) if row else 0


def _trained(ctx: JobContext, work: _Work) -> Version:
    """Train and register a version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own type hints on import
        from deepkt_irt.serving import SaktService  # noqa: PLC0415 - imports MLflow, which is slow

    def told(epoch: Epoch) -> None:
        ctx.progress(
            f"epoch {epoch.number}: loss {epoch.train_loss:.4f}, "
            f"validation AUC {epoch.validation_auc:.4f}"
        )

    settings = ctx.settings.sakt
    result = train(
        work.windows, settings, n_items=work.n_items, n_skills=work.n_skills, on_epoch=told
    )
    seen = seen_in_training(work.windows, n_items=work.n_items)
    scorer = Scorer(result.model, settings, seen)
    return ctx.models.register(
        MODEL,
        _record(work, settings.model_dump(), result),
        save=scorer.save,
        service=SaktService(),
    )


def _record(work: _Work, params: dict[str, object], result: Trained) -> Training:
    return Training(
        key=work.key,
        params={**params, "data_version": work.windows.digest},
        metrics={
            "best_epoch": result.best.number,
            "best_validation_auc": result.best.validation_auc,
        },
        history=[
            {"train_loss": epoch.train_loss, "validation_auc": epoch.validation_auc}
            for epoch in result.epochs
        ],
        requirements=[f"deepkt-irt[train]=={package_version('deepkt-irt')}"],
    )


def _measured(ctx: JobContext, work: _Work, version: Version) -> dict[str, Scores]:
    """Every model on the same responses of the test students."""
    windows = work.windows
    test = windows.of_split("test")
    steps = windows.scored_steps(test)
    correct = windows.correct[steps]
    with tempfile.TemporaryDirectory() as scratch:
        # from the registered files, so that what is measured is what will score
        scorer = Scorer.load(ctx.models.files(version, Path(scratch)))
    train_steps = windows.scored_steps(windows.of_split("train"))
    means = item_means(
        windows.item[train_steps], windows.correct[train_steps], n_items=work.n_items + 1
    )
    measured = {
        MODEL: scores(correct, predict(scorer.model, windows, test)),
        "item_mean": scores(correct, means[windows.item[steps]]),
    }
    rasch = _rasch(ctx, work)
    if rasch is not None:
        measured["irt_1pl"] = scores(correct, rasch)
    return measured


def _rasch(ctx: JobContext, work: _Work) -> FloatArray | None:
    """The 1PL calibrated on training students, following each test student's ability.

    None if it cannot be calibrated on so little; that is said, not hidden.
    """
    windows = work.windows
    steps = windows.scored_steps(windows.of_split("train"))
    student = _students(windows, "train")
    _, first = np.unique(student * (work.n_items + 1) + windows.item[steps], return_index=True)
    settings = ctx.settings.calibration.model_copy(update={"min_responses_2pl": len(steps) + 1})
    try:
        fitted = calibrate(
            Responses(
                student=student[first],
                item=windows.item[steps][first],
                level=windows.correct[steps][first].astype(np.int64),
                n_students=int(windows.student.max()) + 1,
                n_items=work.n_items + 1,
            ),
            settings=settings,
        )
    except (NoData, NoConvergence) as error:
        ctx.progress(f"no 1PL baseline: {error}")
        return None
    tested = windows.scored_steps(windows.of_split("test"))
    counts = np.unique(_students(windows, "test"), return_counts=True)[1]
    return sequential_probabilities(
        np.concatenate([[0], np.cumsum(counts)]),
        windows.item[tested],
        windows.correct[tested],
        items=fitted.items,
        population_sd=fitted.population_sd,
    )


def _students(windows: Windows, split: str) -> IntArray:
    """Student of each scored step of a split; a student's windows follow one another."""
    chosen = windows.of_split(split)
    return np.repeat(windows.student[chosen], windows.lengths[chosen] - windows.context[chosen])


def _better(model: Scores, baseline: Scores) -> bool:
    return model.auc is not None and baseline.auc is not None and model.auc > baseline.auc


def _write(
    ctx: JobContext,
    work: _Work,
    version: Version,
    measured: dict[str, Scores],
    *,
    is_champion: bool,
) -> None:
    evaluation = work.key[:16]
    test = work.windows.of_split("test")
    rows = [
        {
            "evaluation_id": evaluation,
            "model_name": name,
            "model_version": version.number if name == MODEL else None,
            "mlflow_run_id": version.run_id if name == MODEL else None,
            "protocol": _PROTOCOL,
            "split": "test",
            "data_version": work.windows.digest,
            "seed": ctx.settings.sakt.seed,
            "n_students": len(np.unique(work.windows.student[test])),
            "n_responses": result.n,
            "auc": result.auc,
            "accuracy": result.accuracy,
            "log_loss": result.log_loss,
            "ece": result.ece,
            "calibration": [vars(each) for each in result.bins],
            "is_champion": is_champion and name == MODEL,
            "evaluated_at": ctx.as_of,
        }
        for name, result in measured.items()
    ]
    frame = ctx.frame(MODEL_EVALUATIONS, pd.DataFrame(rows))
    ctx.replace(MODEL_EVALUATIONS, frame, where=f"evaluation_id = '{evaluation}'")


def _metrics(measured: dict[str, Scores], *, is_champion: bool) -> Metrics:
    found = {f"auc_{name}": result.auc for name, result in measured.items()}
    known = {name: value for name, value in found.items() if value is not None}
    return {**known, "is_champion": float(is_champion)}
