"""What the commands about models do: list versions, go back to the one before, serve one.

No Spark is started: all of it is in the model registry.
"""

import math
import tempfile
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepkt_irt.errors import NoData, NotTrained, UsageError
from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.opening import Target
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.knowledge_tracing.champions import Reign, reasons_of, reigns
from deepkt_irt.knowledge_tracing.versions import DECIDED_AT, DECISION, REASONS, VersionFacts

if TYPE_CHECKING:
    from deepkt_irt.tracking import ModelStore

_DATABASE = "mlflow.db"
_SHOWN_METRICS = 6
_SHOWN_TAGS = ("protocol", "data_version", "cohort", "git_commit")


def trained_models() -> tuple[str, ...]:
    """Names of all models that some task trains."""
    return tuple(sorted({model for task in TASKS.values() for model in task.trains}))


def open_models(target: Target) -> "ModelStore":
    """The model registry of a lake or catalog.

    Raises:
        NoData: If nothing was ever trained in the lake.
    """
    from deepkt_irt.tracking import ModelStore  # noqa: PLC0415 - lake tasks have no MLflow

    names, folder = target.names, target.folder
    if folder is None:
        place = Place.of_catalog(str(target.catalog), names)
    else:
        if not (folder / _DATABASE).is_file():
            raise NoData(f"no model was ever trained in {folder}; run its training task first")
        place = (Place.of_folder if target.catalog else Place.of_lake)(folder.resolve(), names)
    return ModelStore(
        place.tracking_uri,
        place.artifacts,
        registry_uri=place.registry_uri,
        model_names=names.models,
        experiment_names=names.experiments,
    )


def versions_of(models: "ModelStore", wanted: Iterable[str]) -> list[VersionFacts]:
    """Versions of some models, latest first within a model."""
    return [each for model in wanted for each in models.versions(model)]


def as_json(facts: Iterable[VersionFacts]) -> list[dict[str, Any]]:
    """Versions for machines."""
    return [
        {
            "model": each.version.model,
            "version": each.version.number,
            "champion": each.is_champion,
            "registered_at": each.registered_at.isoformat(),
            "champion_since": _since(each),
            "rolled_back_at": reign.until or None if (reign := _last_reign(each)) else None,
            "decision": each.tags.get(DECISION),
            "decided_at": each.tags.get(DECIDED_AT),
            "reasons": each.tags.get(REASONS),
            "champion_reasons": list(reasons_of(each.tags)),
            "run_id": each.version.run_id,
            "metrics": {
                name: value if math.isfinite(value) else None
                for name, value in sorted(each.metrics.items())
            },
            "tags": dict(sorted(each.tags.items())),
        }
        for each in facts
    ]


def render_text(facts: Iterable[VersionFacts]) -> str:
    """Versions for a person: what each is worth, and why it is champion or not."""
    lines: list[str] = []
    for each in facts:
        mark = "*" if each.is_champion else " "
        since = _since(each)
        lines.append(
            f"{mark} {each.version.model} {each.version.number}  "
            f"registered {each.registered_at:%Y-%m-%d %H:%M} UTC"
            + (f", champion since {since}" if each.is_champion and since else "")
        )
        lines.append(f"    {_figures(each) or 'no figures: its run was deleted'}")
        lines += [
            f"    {key.replace('_', ' ')}: {each.tags[key]}"
            for key in _SHOWN_TAGS
            if key in each.tags
        ]
        lines.append(f"    {_why(each)}")
    if not lines:
        return "No version is registered yet; run a training task first."
    return "\n".join([*lines, "", "* scores students"])


def roll_back(models: "ModelStore", model: str, *, at: datetime | None = None) -> tuple[str, str]:
    """Make the version champion again that was it before.

    Returns:
        Number of the champion until now, and of the one from now on.

    Raises:
        UsageError: If there is no such model, or no champion before.
        NotTrained: If the model has no champion.
    """
    before, after = models.roll_back(_known(model), at=at)
    return before.number, after.number


def serve_champion(
    models: "ModelStore", model: str, *, host: str, port: int, on_ready: Callable[[str], None]
) -> None:
    """Answer requests with the champion until the process is interrupted.

    Args:
        models: The registry.
        model: Name of the model.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        on_ready: Told one line once the server listens.

    Raises:
        UsageError: If there is no such model, or the port is taken.
        NotTrained: If the model has no champion.
        BackendUnavailable: If the packages are not installed or the model cannot be loaded.
    """
    version = models.champion(_known(model))
    if version is None:
        raise NotTrained(model)

    def ready(address: str) -> None:
        on_ready(f"{model} version {version.number} answers at {address}/invocations")

    with tempfile.TemporaryDirectory() as scratch:
        service = models.service_files(version, Path(scratch))
        from deepkt_irt.serving import answer_requests  # noqa: PLC0415 - imports torch

        answer_requests(service, host=host, port=port, on_ready=ready)


def _known(model: str) -> str:
    if model not in trained_models():
        raise UsageError(f"no model {model!r}; there are: {', '.join(trained_models())}")
    return model


def _last_reign(facts: VersionFacts) -> Reign | None:
    own = reigns({facts.version.number: facts.tags})
    return own[-1] if own else None


def _since(facts: VersionFacts) -> str | None:
    reign = _last_reign(facts)
    return reign.since or None if reign else None


def _figures(facts: VersionFacts) -> str:
    shown = sorted(facts.metrics.items())[:_SHOWN_METRICS]
    return ", ".join(f"{name} {value:.4g}" for name, value in shown)


def _why(facts: VersionFacts) -> str:
    decision, reasons = facts.tags.get(DECISION), facts.tags.get(REASONS)
    reign = _last_reign(facts)
    if reign and reign.until:
        return f"rolled back at {reign.until}"
    if decision is None:
        return "no decision is on record"
    return f"{decision}: {reasons}" if reasons else decision
