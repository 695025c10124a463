"""Models under a named protocol on a person's own files: what `deepkt evaluate` does."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.errors import NoData, UsageError
from deepkt_irt.jobs.engineer_features import engineer_features
from deepkt_irt.jobs.ingest_bronze import ingest_bronze
from deepkt_irt.jobs.opening import Target, open_runner
from deepkt_irt.jobs.runner import Reporter
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.jobs.transform_silver import transform_silver
from deepkt_irt.settings import Settings
from deepkt_irt.sources.landing import land
from deepkt_irt.sources.layout import Source
from deepkt_irt.tables.gold import ITEM_VOCABULARY, SAKT_SEQUENCES, SKILL_VOCABULARY
from deepkt_irt.tables.silver import ITEMS, SKILLS, USERS

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

    from deepkt_irt.knowledge_tracing.evaluation import Evaluation
    from deepkt_irt.knowledge_tracing.histories import Histories, Model
    from deepkt_irt.tables.contract import Table

PROTOCOLS = ("leap", "pykt_question", "temporal", "cold_start")
_NEURAL = ("default", "sakt", "wd_irt")
_BASELINES = ("item_mean", "irt_1pl_skill", "pfa", "best_lr", "bkt", "boosted_trees")
MODELS = (*_NEURAL, *_BASELINES)
_TASKS = (ingest_bronze, transform_silver, engineer_features)


@dataclass(frozen=True)
class Material:
    """What models are evaluated on.

    Attributes:
        histories: Of all students.
        groups: Group of each student, None where unknown, (students,).
        guessable: 1 options are offered, 0 not, NaN unknown, by item index, (items + 1,).
        skill_names: Name of each skill by its index as text.
    """

    histories: "Histories"
    groups: NDArray[Any]
    guessable: NDArray[np.float64]
    skill_names: Mapping[str, str]


def material_of(
    source: Source,
    data: Path,
    *,
    mapping: Mapping[str, str] | None,
    settings: Settings,
    reporter: Reporter,
) -> Material:
    """Files taken in by the pipeline's own tasks, in a lake that is thrown away.

    Raises:
        BadFile: If a file cannot be read.
        NoData: If no graded response came of them.
    """
    with tempfile.TemporaryDirectory(prefix="deepkt-evaluate-") as folder:
        lake = Path(folder)
        land(source, data, lake / "landing", mapping=mapping, limits=settings.ingest)
        runner = open_runner(Target(lake=lake), settings=settings, reporter=reporter)
        runner.run([TASKS[task.__name__] for task in _TASKS])
        return read_material(runner.store.read)


def read_material(read: Callable[["Table"], "DataFrame"]) -> Material:
    """Histories and what is known beside them, from the tables of a lake.

    Raises:
        NoData: If there is no graded response.
    """
    from deepkt_irt.jobs.model_evaluations import groups_of  # noqa: PLC0415 - slow to import
    from deepkt_irt.knowledge_tracing.sequences import COLUMNS, histories_of  # noqa: PLC0415

    frame = read(SAKT_SEQUENCES).select(*COLUMNS).toArrow().to_pandas()
    if frame.empty:
        raise NoData("no graded response came of the files, so that no model can be evaluated")
    histories, _ = histories_of(frame)
    items = read(ITEM_VOCABULARY).join(read(ITEMS), "item_id", "left")
    skills = read(SKILL_VOCABULARY).join(read(SKILLS), "skill_id", "left")
    named = skills.select("skill_index", "name").toPandas()
    return Material(
        histories=histories,
        groups=groups_of(read(USERS), histories),
        guessable=_by_index(items.select("item_index", "is_guessable").toPandas()),
        skill_names=dict(zip(named["skill_index"].astype(str), named["name"], strict=True)),
    )


def _by_index(items: "pd.DataFrame") -> NDArray[np.float64]:
    values = np.full(int(items["item_index"].max()) + 1, np.nan)
    values[items["item_index"].to_numpy()] = items["is_guessable"].to_numpy(dtype=np.float64)
    return values


def checked_choice(protocol: str, models: str) -> tuple[str, ...]:
    """Models from their names by comma.

    Raises:
        UsageError: If the protocol or a model is unknown.
    """
    chosen = tuple(name.strip() for name in models.split(",") if name.strip())
    _refuse_unknown("protocol", [protocol], PROTOCOLS)
    _refuse_unknown("model", chosen, MODELS)
    return chosen


def as_json(found: "Evaluation") -> dict[str, Any]:
    """All of an evaluation as plain values."""
    from deepkt_irt.knowledge_tracing import evaluation  # noqa: PLC0415 - slow to import

    return evaluation.as_json(found)


def evaluated(
    material: Material,
    *,
    protocol: str,
    models: Sequence[str],
    settings: Settings,
    on_progress: Callable[[str], None],
) -> "Evaluation":
    """Fit and judge models as a protocol says.

    Raises:
        NoData: If there are too few students for the protocol.
    """
    import torch  # noqa: PLC0415 - slow to import

    from deepkt_irt.knowledge_tracing import protocols  # noqa: PLC0415 - slow to import
    from deepkt_irt.knowledge_tracing.evaluation import evaluate  # noqa: PLC0415

    torch.set_num_threads(settings.sakt.threads)
    seed = settings.sakt.seed
    found = evaluate(
        material.histories,
        protocols.PROTOCOLS[protocol].splits(material.histories, seed=seed),
        {name: partial(_model, name, material, settings) for name in models},
        seed=seed,
        groups=material.groups,
        protocol=protocol,
        settings=settings.evaluation,
        on_progress=on_progress,
    )
    return _with_skill_names(found, material.skill_names)


def _refuse_unknown(kind: str, given: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in given if name not in known]
    if unknown or not given:
        named = ", ".join(unknown) or "none given"
        raise UsageError(f"no {kind} {named}; there are: {', '.join(known)}")


def _model(name: str, material: Material, settings: Settings, seed: int) -> "Model":
    if name in _BASELINES:
        from deepkt_irt.knowledge_tracing.baseline_models import BASELINES  # noqa: PLC0415

        return BASELINES[name](seed)
    if name == "wd_irt":
        from deepkt_irt.knowledge_tracing.wide_deep_irt import WideDeepIrt  # noqa: PLC0415

        return WideDeepIrt(settings.wide_deep, seed=seed, guessable=material.guessable)
    from deepkt_irt.knowledge_tracing.sakt import PUBLISHED  # noqa: PLC0415
    from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer  # noqa: PLC0415

    chosen = PUBLISHED if name == "sakt" else settings.sakt
    return KnowledgeTracer(chosen.model_copy(update={"seed": seed}))


def _with_skill_names(found: "Evaluation", names: Mapping[str, str]) -> "Evaluation":
    def named(rows: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(replace(row, name=names.get(row.name, row.name)) for row in rows)

    models = {
        name: replace(
            result, breakdowns={**result.breakdowns, "skill": named(result.breakdowns["skill"])}
        )
        for name, result in found.models.items()
    }
    return replace(found, models=models)
