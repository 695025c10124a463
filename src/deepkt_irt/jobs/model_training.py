"""What training any model takes: find or train, examine for leakage, register, and judge."""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.errors import ModelRefused, NoData
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.model_evaluations import PROTOCOL, Work, groups_of, judged
from deepkt_irt.jobs.task import Metrics
from deepkt_irt.knowledge_tracing.guard import examine
from deepkt_irt.knowledge_tracing.histories import FloatArray, Histories, Model
from deepkt_irt.knowledge_tracing.protocols import user_splits
from deepkt_irt.knowledge_tracing.versions import (
    Provenance,
    Training,
    Version,
    cohort_hash,
    commit_of_environment,
    serving_requirements,
)
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.silver import USERS

if TYPE_CHECKING:
    import pandas as pd


class Kept(Model, Protocol):
    """A model that is kept as files."""

    def save(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Fit:
    """A fitted model, and the way there.

    Attributes:
        model: Fitted.
        metrics: Its figures on the validation responses.
        history: Figures per epoch, in order.
    """

    model: Kept
    metrics: Mapping[str, float]
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Recipe:
    """How a registered model is made.

    Attributes:
        work: What it is trained on.
        source: Table that this was read from.
        params: Settings, as they are kept with the version.
        fit: Trains it on the work's histories.
        fresh: Makes one to be fitted quickly on coin flips, from a seed.
        load: Reads one from a version's files.
        service: How MLflow is to serve it, and rows as it takes them.
    """

    work: Work
    source: Table
    params: Mapping[str, object]
    fit: Callable[[], Fit]
    fresh: Callable[[int], Model]
    load: Callable[[Path], Model]
    service: Callable[[], "tuple[Any, pd.DataFrame]"]


def work_of(
    ctx: JobContext,
    model: str,
    read: tuple[Histories, NDArray[Any]],
    *,
    settings: Mapping[str, object],
    seed: int,
) -> Work:
    """What a model is trained on, named by data, parts of the students, settings and code.

    Args:
        ctx: Of the training task.
        model: Name of the registered model.
        read: Histories and the part of each student.
        settings: All that decides the training.
        seed: Likewise.

    Raises:
        NoData: If a part has no students.
    """
    histories, labels = read
    (split,) = user_splits(labels).splits(histories)
    facts = [
        histories.digest,
        hashlib.sha256("".join(labels.tolist()).encode()).hexdigest(),
        settings,
        package_version("deepkt-irt"),
    ]
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    groups = groups_of(ctx.read(USERS), histories)
    return Work(model, histories, split, key, seed, groups)


def trained(ctx: JobContext, recipe: Recipe) -> tuple[Version | None, Metrics]:
    """The version of this training, made now or before, and how it was judged.

    Returns:
        No version where there are too few responses to train or to examine a model: then none is
        registered, and it is said why.

    Raises:
        ModelRefused: If the model sees what it must not see; it is not registered then.
    """
    version = ctx.models.version_of_training(recipe.work.model, recipe.work.key)
    if version is None:
        try:
            version = _made(ctx, recipe)
        except NoData as error:
            ctx.progress(f"no version of {recipe.work.model} is registered: {error}")
            return None, {"is_champion": 0.0}
    else:
        ctx.progress(f"version {version.number} was trained on the same data and settings before")
    return version, judged(ctx, recipe.work, version, lambda of: predicted(ctx, recipe, of))


def predicted(ctx: JobContext, recipe: Recipe, version: Version) -> FloatArray:
    """What a registered version says of the test responses: from its files, as it will score."""
    work = recipe.work
    with tempfile.TemporaryDirectory() as scratch:
        model = recipe.load(ctx.models.files(version, Path(scratch)))
        return model.predict(work.histories, work.split.test)


def _made(ctx: JobContext, recipe: Recipe) -> Version:
    began = time.monotonic()
    fit = recipe.fit()
    seconds = time.monotonic() - began
    _guard(ctx, recipe, fit.model)
    from deepkt_irt.tracking import signature_of  # noqa: PLC0415 - imports MLflow, which is slow

    service, example = recipe.service()
    return ctx.models.register(
        recipe.work.model,
        _record(ctx, recipe, fit, seconds),
        save=fit.model.save,
        service=service,
        signature=signature_of(example, np.zeros(len(example))),
        input_example=example,
    )


def _guard(ctx: JobContext, recipe: Recipe, model: Model) -> None:
    """Refuse a model that leaks.

    Raises:
        ModelRefused: If it does.
    """
    found = examine(
        recipe.fresh,
        recipe.work.histories,
        recipe.work.split,
        seed=recipe.work.seed,
        fitted=model,
        settings=ctx.settings.guard,
    )
    for finding in found.findings:
        ctx.progress(finding.sentence)
    if not found.passed:
        raise ModelRefused(recipe.work.model, found.reasons)


def _record(ctx: JobContext, recipe: Recipe, fit: Fit, seconds: float) -> Training:
    work = recipe.work
    student = work.histories.student_of_response[work.split.train]
    return Training(
        key=work.key,
        params={**recipe.params, "data_version": work.histories.digest},
        metrics={**fit.metrics, "training_seconds": seconds},
        history=fit.history,
        requirements=serving_requirements(),
        provenance=Provenance(
            protocol=PROTOCOL,
            data_version=work.histories.digest,
            cohort=cohort_hash(work.histories.names[np.unique(student)]),
            tables=(ctx.table_read(recipe.source),),
            commit=commit_of_environment(),
        ),
    )
