"""The work of task train_sakt."""

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from deepkt_irt.errors import NoData
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.model_evaluations import Work
from deepkt_irt.jobs.model_training import Fit, Recipe, trained, work_of
from deepkt_irt.jobs.task import Metrics
from deepkt_irt.knowledge_tracing.deletion import deletion_test
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.knowledge_tracing.sequences import COLUMNS, histories_of
from deepkt_irt.knowledge_tracing.together import fit_together, read_model, write_work
from deepkt_irt.knowledge_tracing.training_state import Epoch
from deepkt_irt.settings import SaktSettings
from deepkt_irt.tables.gold import SAKT_SEQUENCES

if TYPE_CHECKING:
    import pandas as pd

MODEL = "sakt"
_EXPLAINED_STUDENTS = 200


def train_and_judge(ctx: JobContext) -> Metrics:
    """Train or find the model of this data and these settings, and judge it.

    Raises:
        ModelRefused: If the model sees what it must not see; it is not registered then.
        NoData: If a part of the students is missing.
    """
    settings = ctx.settings.sakt
    torch.set_num_threads(settings.threads)  # a fixed number, so that sums stay the same
    # by way of Arrow: toPandas turns nested arrays over one by one, twenty times slower
    frame = ctx.read(SAKT_SEQUENCES).select(*COLUMNS).toArrow().to_pandas()
    if frame.empty:
        raise NoData("no graded responses to train on; bring more files")
    kept = settings.model_dump()
    work = work_of(ctx, MODEL, histories_of(frame), settings=kept, seed=settings.seed)
    checkpoint = ctx.checkpoints / "training" / f"{MODEL}-{work.key}.pt"

    def told(epoch: Epoch) -> None:
        ctx.progress(
            f"epoch {epoch.number}: loss {epoch.train_loss:.4f}, "
            f"validation AUC {epoch.validation_auc:.4f}"
        )

    def fit() -> Fit:
        processes = settings.processes or torch.cuda.device_count()
        if processes > 1:
            model, epochs = _fit_together(work, settings, checkpoint, processes)
        else:
            model = KnowledgeTracer(settings, checkpoint=checkpoint, on_epoch=told)
            model.fit(work.histories, work.split)
            epochs = model.trained.epochs if model.trained else ()
        return _way(work, model, epochs)

    # on coin flips there is nothing to learn for long
    quick = settings.model_copy(update={"max_epochs": 3, "min_steps": 60})
    recipe = Recipe(
        work=work,
        source=SAKT_SEQUENCES,
        params=kept,
        fit=fit,
        fresh=lambda seed: KnowledgeTracer(quick.model_copy(update={"seed": seed})),
        load=KnowledgeTracer.load,
        service=_service,
    )
    _, metrics = trained(ctx, recipe)
    checkpoint.unlink(missing_ok=True)
    return metrics


def _fit_together(
    work: Work, settings: SaktSettings, checkpoint: Path, processes: int
) -> tuple[KnowledgeTracer, tuple[Epoch, ...]]:
    """Train on several GPUs of this machine, or in several processes where there is none."""
    from pyspark.ml.torch.distributor import TorchDistributor  # noqa: PLC0415 - only here

    with tempfile.TemporaryDirectory(prefix="deepkt-training-") as scratch:
        write_work(Path(scratch), work.histories, work.split, settings, checkpoint)
        on_gpu = torch.cuda.is_available() and settings.device != "cpu"
        launcher = TorchDistributor(processes, local_mode=True, use_gpu=on_gpu)
        launcher.run(fit_together, scratch)
        return read_model(Path(scratch))


def _way(work: Work, model: KnowledgeTracer, epochs: tuple[Epoch, ...]) -> Fit:
    best = max(epochs, key=lambda epoch: epoch.validation_auc)
    metrics = {
        "best_epoch": float(best.number),
        "val_auc": best.validation_auc,
        "val_log_loss": best.validation_log_loss,
        **_explains(work, model),
    }
    history = [
        {
            "train_loss": epoch.train_loss,
            "validation_auc": epoch.validation_auc,
            "validation_log_loss": epoch.validation_log_loss,
        }
        for epoch in epochs
    ]
    return Fit(model, metrics, history)


def _explains(work: Work, model: KnowledgeTracer) -> dict[str, float]:
    """How much further predictions move without their strongest influences than without others."""
    if model.settings.architecture != "default":
        return {}
    rng = np.random.default_rng(work.seed)
    student = np.unique(work.histories.student_of_response[work.split.validation])
    looked_at = rng.permutation(student)[:_EXPLAINED_STUDENTS]
    sample = work.histories.segments(np.isin(work.histories.student, looked_at))
    last = np.zeros(len(sample), dtype=bool)
    last[sample.offsets[1:] - 1] = True  # of each student the latest answer
    try:
        found = deletion_test(model, sample, last & sample.asked, seed=work.seed)
    except NoData:
        return {}  # histories too short to leave five answers out
    return {"deletion_ratio": found.ratio} if np.isfinite(found.ratio) else {}


def _service() -> "tuple[Any, pd.DataFrame]":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own type hints on import
        from deepkt_irt.serving import EXAMPLE, SaktService  # noqa: PLC0415 - imports MLflow
    return SaktService(), EXAMPLE
