"""The only file that talks to MLflow: runs, registered versions, the champion."""

import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from deepkt_irt.errors import BackendUnavailable, NotTrained

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.pyfunc.model import PythonModel
    from mlflow.tracking import MlflowClient

_CHAMPION = "champion"
_TRAINING_KEY = "training_key"
_ARTIFACT = "model"


@dataclass(frozen=True)
class Version:
    """A registered version of a model.

    Attributes:
        model: Name without catalog.
        number: Version in the registry.
        run_id: MLflow run that made it.
    """

    model: str
    number: str
    run_id: str


@dataclass(frozen=True)
class Training:
    """What there is to keep of a training.

    Attributes:
        key: Names data, settings and code; the same training is never registered twice.
        params: Settings.
        metrics: Final figures.
        history: Figures per epoch, in order.
        requirements: What the model needs to be served, as pip takes it.
    """

    key: str
    params: Mapping[str, object]
    metrics: Mapping[str, float]
    history: Sequence[Mapping[str, float]]
    requirements: Sequence[str]


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
        with _quiet("open the model store"):
            import mlflow  # noqa: PLC0415 - slow to import, and absent where only lake tasks run

            mlflow.set_tracking_uri(self._tracking_uri)
            mlflow.set_registry_uri(self._registry_uri)
            return mlflow.MlflowClient(self._tracking_uri, self._registry_uri)

    def version_of_training(self, model: str, key: str) -> Version | None:
        """The version that a training with this key registered; None if there is none."""
        with _quiet(f"search versions of {model}"):
            found = self._client.search_model_versions(f"name = '{self._name(model)}'")
        matching = [each for each in found if each.tags.get(_TRAINING_KEY) == key]
        return _version(model, matching[0]) if matching else None

    def register(
        self,
        model: str,
        training: Training,
        *,
        save: Callable[[Path], None],
        service: "PythonModel",
    ) -> Version:
        """Keep a training as a run, and its model as a new version.

        Args:
            model: Name of the registered model.
            training: Settings and figures.
            save: Writes the model's files into a folder.
            service: How MLflow is to serve those files.
        """
        with _quiet(f"register {model}"):
            experiment_id = self._experiment(model)
            self._close_abandoned(experiment_id)
            run_id = self._run(experiment_id, training, save, service)
            tags = {_TRAINING_KEY: training.key}
            made = self._registered(model, run_id, tags)
        return _version(model, made)

    def set_champion(self, version: Version) -> None:
        """Make a version the one that scores students."""
        with _quiet(f"name the champion of {version.model}"):
            name = self._name(version.model)
            self._client.set_registered_model_alias(name, _CHAMPION, version.number)

    def champion(self, model: str) -> Version | None:
        """The version that scores students; None if there is none."""
        with _quiet(f"look up the champion of {model}"):
            found = None
            with _absent_is_none():
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
        with _quiet(f"fetch {version.model} {version.number}"):
            import mlflow.artifacts  # noqa: PLC0415 - slow to import

            name = self._name(version.model)
            uri = f"models:/{name}/{version.number}"
            copied = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder))
        return Path(copied) / "artifacts" / _ARTIFACT

    def delete(self, model: str) -> None:
        """Delete a registered model with all its versions; none of that name is fine, too."""
        with _quiet(f"delete {model}"), _absent_is_none():
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
        service: "PythonModel",
    ) -> str:
        import mlflow  # noqa: PLC0415 - slow to import

        with (
            mlflow.start_run(experiment_id=experiment_id) as run,
            tempfile.TemporaryDirectory() as scratch,
        ):
            mlflow.log_params(dict(training.params))
            mlflow.log_metrics(dict(training.metrics))
            for step, figures in enumerate(training.history, start=1):
                mlflow.log_metrics(dict(figures), step=step)
            save(Path(scratch) / _ARTIFACT)
            mlflow.pyfunc.log_model(
                name=_ARTIFACT,
                python_model=service,
                artifacts={_ARTIFACT: str(Path(scratch) / _ARTIFACT)},
                pip_requirements=list(training.requirements),
            )
            return str(run.info.run_id)

    def _registered(self, model: str, run_id: str, tags: dict[str, str]) -> "ModelVersion":
        import mlflow  # noqa: PLC0415 - slow to import

        name = self._name(model)
        # the key goes in with the version, so that a kill leaves no version without it
        return mlflow.register_model(f"runs:/{run_id}/{_ARTIFACT}", name, tags=tags)


def _version(model: str, found: "ModelVersion") -> Version:
    return Version(model=model, number=str(found.version), run_id=str(found.run_id))


@contextmanager
def _absent_is_none() -> Iterator[None]:
    """Passes over MLflow's complaint that something does not exist."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - slow to import

    try:
        yield
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise


@contextmanager
def _quiet(doing: str) -> Iterator[None]:
    """Without MLflow's chatter; its errors and the database's become ours."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # it also prints what it registered
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - slow to import
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - comes with MLflow

        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            first = str(error).splitlines()[0]
            raise BackendUnavailable(f"MLflow could not {doing}: {first}") from error
