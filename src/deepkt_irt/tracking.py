"""The only file that talks to MLflow: runs, registered versions, the champion and those before."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from deepkt_irt.errors import NotTrained, UsageError
from deepkt_irt.knowledge_tracing.champions import (
    Reign,
    SetTag,
    Write,
    champion_before,
    is_withdrawn,
    promotion,
    reigns,
    rollback,
)
from deepkt_irt.knowledge_tracing.versions import (
    DECIDED_AT,
    DECISION,
    REASONS,
    TRAINING_KEY,
    Provenance,
    TableRead,
    Training,
    Version,
    VersionFacts,
    cohort_hash,
    commit_of_environment,
    fitting,
)
from deepkt_irt.mlflow_errors import absent_is_none, quietly

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from mlflow.data.dataset import Dataset
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature
    from mlflow.pyfunc.model import PythonModel
    from mlflow.tracking import MlflowClient
    from numpy.typing import NDArray

__all__ = [
    "ModelStore",
    "Provenance",
    "TableRead",
    "Training",
    "Version",
    "VersionFacts",
    "cohort_hash",
    "commit_of_environment",
    "signature_of",
]

_CHAMPION = "champion"
_ARTIFACT = "model"


class ModelStore:
    """Runs and models of one lake or workspace.

    Args:
        tracking_uri: Where runs are kept, such as sqlite:///lake/mlflow.db.
        artifact_root: Where files are kept; None lets the server decide.
        registry_uri: Where models are registered; None: with the runs.
        model_names: Name in the registry where it is not the model's own.
        experiment_names: Experiment by model where it is not `<model>-training` in the
            project's shared folder.
    """

    def __init__(
        self,
        tracking_uri: str,
        artifact_root: str | None,
        *,
        registry_uri: str | None = None,
        model_names: Mapping[str, str] | None = None,
        experiment_names: Mapping[str, str] | None = None,
    ) -> None:
        self._tracking_uri, self._artifacts = tracking_uri, artifact_root
        self._registry_uri = registry_uri or tracking_uri
        self._model_names = dict(model_names or {})
        self._experiment_names = dict(experiment_names or {})

    def _name(self, model: str) -> str:
        return self._model_names.get(model, model)

    @cached_property
    def _client(self) -> "MlflowClient":
        with quietly("open the model store"):
            import mlflow  # noqa: PLC0415 - slow to import, and absent where only lake tasks run

            self._select()
            return mlflow.MlflowClient(self._tracking_uri, self._registry_uri)

    def _select(self) -> None:
        """Make this the store of MLflow's functions that take none; there is one per process."""
        import mlflow  # noqa: PLC0415 - slow to import

        mlflow.set_tracking_uri(self._tracking_uri)
        mlflow.set_registry_uri(self._registry_uri)

    def version_of_training(self, model: str, key: str) -> Version | None:
        """The version that a training with this key registered; None if there is none."""
        with quietly(f"search versions of {model}"):
            matching = [e for e in self._each(model) if e.tags.get(TRAINING_KEY) == key]
        return _version(model, matching[0]) if matching else None

    def versions(self, model: str) -> tuple[VersionFacts, ...]:
        """All versions with their figures, latest first."""
        champion = self.champion(model)
        with quietly(f"list versions of {model}"):
            return tuple(
                VersionFacts(
                    version=_version(model, each),
                    registered_at=datetime.fromtimestamp(each.creation_timestamp / 1000, UTC),
                    metrics=self._metrics(str(each.run_id)),
                    tags=dict(each.tags),
                    is_champion=champion is not None and champion.number == str(each.version),
                )
                for each in sorted(self._each(model), key=lambda each: -int(each.version))
            )

    def register(
        self,
        model: str,
        training: Training,
        *,
        save: Callable[[Path], None],
        service: "PythonModel",
        signature: "ModelSignature | None" = None,
        input_example: "pd.DataFrame | None" = None,
    ) -> Version:
        """Keep a training as a run, and its model as a new version.

        Args:
            model: Name of the registered model.
            training: Settings, figures and provenance.
            save: Writes the model's files into a folder.
            service: How MLflow is to serve those files.
            signature: Names and types of what it takes and gives, from `signature_of`; Unity
                Catalog registers no version without one.
            input_example: Rows as the service takes them; kept with the model. Without a
                signature MLflow works one out by asking the model.
        """
        with quietly(f"register {model}"):
            self._select()
            experiment_id = self._experiment(model)
            self._close_abandoned(experiment_id)
            run_id = self._run(
                experiment_id,
                training,
                save,
                {
                    "python_model": service,
                    "signature": signature,
                    "input_example": input_example,
                },
            )
            made = self._registered(model, run_id, training.tags)
        return _version(model, made)

    def note_decision(
        self,
        version: Version,
        *,
        promoted: bool,
        reasons: Sequence[str],
        at: datetime,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Keep with a version what was decided of it, and why; a later decision replaces it.

        Args:
            version: The version judged.
            promoted: Whether it is to become champion.
            reasons: Sentences.
            at: Instant of the decision.
            metrics: Figures it was judged by; they go to its run.
        """
        told = {
            REASONS: "; ".join(reasons),
            DECIDED_AT: at.isoformat(),
            DECISION: "promoted" if promoted else "kept back",
        }
        with quietly(f"note what was decided of {version.model} {version.number}"):
            for name, figure in (metrics or {}).items():
                self._client.log_metric(version.run_id, name, figure)
            for key, value in told.items():
                self._tag(version.model, SetTag(version.number, key, value))

    def set_champion(
        self, version: Version, *, at: datetime | None = None, reason: str = ""
    ) -> None:
        """Make a version the one that scores students; it stays so if it is already.

        Args:
            version: The new champion.
            at: Since when; None: now.
            reason: Why, in one sentence.
        """
        with quietly(f"name the champion of {version.model}"):
            writes = promotion(
                self._reigns(version.model),
                current=self._champion_number(version.model),
                version=version.number,
                at=(at or datetime.now(UTC)).isoformat(),
                reason=reason,
            )
            self._write(version.model, writes)

    def roll_back(self, model: str, *, at: datetime | None = None) -> tuple[Version, Version]:
        """Make the version champion again that was it before; repeated, the one before that.

        Args:
            model: Name of the model.
            at: Instant of the rollback; None: now.

        Returns:
            The champion until now, and the one from now on.

        Raises:
            NotTrained: If there is no champion.
            UsageError: If there was none before it.
        """
        until_now = self.champion(model)
        if until_now is None:
            raise NotTrained(model)
        with quietly(f"roll back {model}"):
            history = self._reigns(model)
            try:
                number, writes = rollback(
                    history, current=until_now.number, at=(at or datetime.now(UTC)).isoformat()
                )
            except UsageError as error:
                raise UsageError(f"model {model}: {error}") from error
            self._write(model, writes)
            found = self._client.get_model_version(self._name(model), number)
        return until_now, _version(model, found)

    def held_against(self, version: Version) -> str | None:
        """Number of the champion beside a version: that before it if it is champion itself."""
        champion = self.champion(version.model)
        if champion is None or champion.number != version.number:
            return champion.number if champion else None
        with quietly(f"look up the champion before {version.model} {version.number}"):
            return champion_before(self._reigns(version.model), champion.number)

    def was_rolled_back(self, version: Version) -> bool:
        """Whether a person took the version back after it was champion; no job undoes that."""
        with quietly(f"look up when {version.model} {version.number} was champion"):
            return is_withdrawn(self._reigns(version.model), version.number)

    def champion(self, model: str) -> Version | None:
        """The version that scores students; None if there is none."""
        with quietly(f"look up the champion of {model}"):
            found = None
            with absent_is_none():
                name = self._name(model)
                found = self._client.get_model_version_by_alias(name, _CHAMPION)
        return _version(model, found) if found else None

    def champion_files(self, model: str, folder: Path) -> tuple[Version, Path]:
        """Copy the champion's files to a folder.

        Raises:
            NotTrained: If there is no champion.
        """
        version = self.champion(model)
        if version is None:
            raise NotTrained(model)
        return version, self.files(version, folder)

    def files(self, version: Version, folder: Path) -> Path:
        """Copy a version's files to a folder, and return where they are."""
        with quietly(f"fetch {version.model} {version.number}"):
            return self._download(version, folder) / "artifacts" / _ARTIFACT

    def service_files(self, version: Version, folder: Path) -> Path:
        """Copy all that it takes to serve a version to a folder, and return where it is."""
        with quietly(f"fetch {version.model} {version.number}"):
            return self._download(version, folder)

    def delete(self, model: str) -> None:
        """Delete a registered model with all its versions; none of that name is fine, too."""
        with quietly(f"delete {model}"), absent_is_none():
            self._client.delete_registered_model(self._name(model))

    def _experiment(self, model: str) -> str:
        plain = f"/Shared/deepkt-irt/{model.replace('_', '-')}-training"
        full = self._experiment_names.get(model, plain)
        found = self._client.get_experiment_by_name(full)
        if found is not None:
            return str(found.experiment_id)
        return self._client.create_experiment(full, artifact_location=self._artifacts)

    def _close_abandoned(self, experiment_id: str) -> None:
        """A run still open was cut off with its process."""
        for run in self._client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
            self._client.set_terminated(run.info.run_id, status="KILLED")

    def _run(
        self,
        experiment_id: str,
        training: Training,
        save: Callable[[Path], None],
        served: Mapping[str, object],
    ) -> str:
        import mlflow  # noqa: PLC0415 - slow to import

        with (
            mlflow.start_run(experiment_id=experiment_id) as run,
            tempfile.TemporaryDirectory() as scratch,
        ):
            for each in training.provenance.tables if training.provenance else ():
                mlflow.log_input(_dataset(each), context="training")
            mlflow.log_params(dict(training.params))
            mlflow.log_metrics(dict(training.metrics))
            for step, figures in enumerate(training.history, start=1):
                mlflow.log_metrics(dict(figures), step=step)
            save(Path(scratch) / _ARTIFACT)
            mlflow.pyfunc.log_model(
                name=_ARTIFACT,
                artifacts={_ARTIFACT: str(Path(scratch) / _ARTIFACT)},
                pip_requirements=list(training.requirements),
                # an endpoint installs from public registries, where this package is not
                code_paths=[str(Path(__file__).parent)],
                **served,
            )
            return str(run.info.run_id)

    def _registered(self, model: str, run_id: str, tags: dict[str, str]) -> "ModelVersion":
        import mlflow  # noqa: PLC0415 - slow to import

        name = self._name(model)
        # the key goes in with the version, so that a kill leaves no version without it
        return mlflow.register_model(f"runs:/{run_id}/{_ARTIFACT}", name, tags=tags)

    def _each(self, model: str) -> "list[ModelVersion]":
        """All versions, with their tags."""
        name = self._name(model)
        found = self._client.search_model_versions(f"name = '{name}'")
        # Unity Catalog gives tags of single versions only
        return [self._client.get_model_version(name, str(each.version)) for each in found]

    def _metrics(self, run_id: str) -> Mapping[str, float]:
        with absent_is_none():
            return dict(self._client.get_run(run_id).data.metrics)
        return {}

    def _reigns(self, model: str) -> tuple[Reign, ...]:
        return reigns({str(each.version): each.tags for each in self._each(model)})

    def _champion_number(self, model: str) -> str | None:
        champion = self.champion(model)
        return champion.number if champion else None

    def _write(self, model: str, writes: Iterable[Write]) -> None:
        """Carry out writes one by one; their order is what makes a repetition whole."""
        for each in writes:
            if isinstance(each, SetTag):
                self._tag(model, each)
            else:
                name = self._name(model)
                self._client.set_registered_model_alias(name, _CHAMPION, each.version)

    def _tag(self, model: str, tag: SetTag) -> None:
        name, value = self._name(model), fitting(tag.value)
        self._client.set_model_version_tag(name, tag.version, tag.key, value)

    def _download(self, version: Version, folder: Path) -> Path:
        import mlflow.artifacts  # noqa: PLC0415 - slow to import

        uri = f"models:/{self._name(version.model)}/{version.number}"
        copied = mlflow.artifacts.download_artifacts(
            artifact_uri=uri,
            dst_path=str(folder),
            tracking_uri=self._tracking_uri,
            registry_uri=self._registry_uri,
        )
        return Path(copied)


def signature_of(
    given: "pd.DataFrame", predicted: "NDArray[np.float64] | pd.DataFrame"
) -> "ModelSignature":
    """Names and types of what a model takes and gives, by example.

    Args:
        given: Rows as the service takes them; no array in them may be empty.
        predicted: What it gives for them.
    """
    with quietly("describe the model's input"):
        from mlflow.models import infer_signature  # noqa: PLC0415 - slow to import

        return infer_signature(given, predicted)


def _dataset(read: TableRead) -> "Dataset":
    """A table as the input of a run; from that, Unity Catalog draws a model's lineage.

    No row is read: MLflow's own loaders would count and describe the whole table.
    """
    from mlflow.data.delta_dataset_source import DeltaDatasetSource  # noqa: PLC0415 - slow to import
    from mlflow.data.meta_dataset import MetaDataset  # noqa: PLC0415 - slow to import

    source = DeltaDatasetSource(
        path=read.folder, delta_table_name=read.full_name, delta_table_version=read.version
    )
    # MLflow declares a profile abstract that this class of its own does without
    return MetaDataset(source, name=read.name, digest=f"v{read.version}")  # type: ignore[abstract]


def _version(model: str, found: "ModelVersion") -> Version:
    return Version(model=model, number=str(found.version), run_id=str(found.run_id))
