"""What is deployed in a workspace, through databricks-sdk: is all there, job ids, runs, files.

The SDK authenticates as its environment says: a profile, GitHub's or Azure's identity.
"""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepkt_irt.bundle.document import Tree
from deepkt_irt.bundle.resolve import Choices, Resolved, resolve
from deepkt_irt.errors import BackendUnavailable, BadFile, UsageError, to_install
from deepkt_irt.sources.landing import land
from deepkt_irt.sources.layout import Source
from deepkt_irt.sources.reader import content_hash

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service._internal import Wait
    from databricks.sdk.service.jobs import BaseJob, Run

log = logging.getLogger(__name__)

_SUCCESS = "SUCCESS"
_CHUNK = 1 << 20
_MINUTES = 240  # waited where a job says no timeout
_MORE_MINUTES = 10  # than its timeout: to be told of it


@dataclass(frozen=True)
class Deployment:
    """One target of the bundle, in the workspace that holds it.

    Attributes:
        client: The workspace.
        bundle: The resolved target.
    """

    client: "WorkspaceClient"
    bundle: Resolved

    def problems(self) -> Iterator[str]:
        """What of the target is missing in the workspace, or is not as declared."""
        for key, job in self.bundle.resources.get("jobs", {}).items():
            yield from self._job_problems(key, job)
        for kind in ("schemas", "volumes", "registered_models", "experiments"):
            for key, each in self.bundle.resources.get(kind, {}).items():
                if not self._exists(kind, each):
                    yield f"{kind}.{key}: {_full_name(each)} is not deployed"
        with _asking("list secret scopes, warehouses, endpoints, dashboards and alerts"):
            names: dict[str, set[str | None]] = {
                "dashboards": {each.display_name for each in self.client.lakeview.list()},
                "alerts": {each.display_name for each in self.client.alerts_v2.list_alerts()},
                "secret_scopes": {each.name for each in self.client.secrets.list_scopes()},
                "sql_warehouses": {each.name for each in self.client.warehouses.list()},
                "vector_search_endpoints": {
                    each.name for each in self.client.vector_search_endpoints.list_endpoints()
                },
            }
        for kind, there in names.items():
            for key, each in self.bundle.resources.get(kind, {}).items():
                name = each.get("name", each.get("display_name"))
                if name not in there:
                    yield f"{kind}.{key}: {name} is not deployed"

    def job_id(self, key: str) -> int:
        """Id of a deployed job.

        Raises:
            UsageError: If it is not deployed, or stands there twice.
        """
        name = self.bundle.resources["jobs"][key]["name"]
        found = self._jobs_called(name)
        if len(found) != 1:
            raise UsageError(f"{len(found)} jobs are called {name!r}, one was expected: deploy")
        return int(found[0].job_id or 0)

    def run_job(
        self,
        key: str,
        parameters: Mapping[str, str],
        *,
        minutes: int | None = None,
        only: Sequence[str] = (),
    ) -> None:
        """Start a deployed job and wait until it has ended.

        Args:
            key: Key of the job in the bundle.
            parameters: Values in place of the job's defaults.
            minutes: How long to wait; None for as long as the job may take.
            only: Keys of the tasks to run; none for all.

        Raises:
            UsageError: If the job is not deployed, or has no such task.
            BackendUnavailable: If it failed, a task of it failed, or it takes longer, and goes on.
        """
        if key not in self.bundle.resources.get("jobs", {}):
            jobs = ", ".join(self.bundle.resources.get("jobs", {}))
            raise UsageError(f"no job {key!r}; there are: {jobs}")
        tasks = {task["task_key"] for task in self.bundle.resources["jobs"][key]["tasks"]}
        for name in only:
            if name not in tasks:
                raise UsageError(f"job {key} has no task {name}")
        job_id = self.job_id(key)
        with _asking(f"run job {key}"):
            waiting = self.client.jobs.run_now(
                job_id, job_parameters=dict(parameters), only=list(only) or None
            )
            log.info("%s: run %s of job %s", key, waiting.run_id, job_id)
            run = self._ended(key, waiting, self._minutes(key) if minutes is None else minutes)
        result, failed = _result(run), [t.task_key for t in run.tasks or () if _failed(t)]
        if result != _SUCCESS or failed:
            which = f", tasks {', '.join(failed)}" if failed else ""
            where = run.run_page_url or f"run {waiting.run_id}"
            raise BackendUnavailable(f"job {key} ended with {result}{which}; see {where}")

    def land(self, source: Source, data: Path, *, mapping: Mapping[str, str] | None) -> list[str]:
        """Put files into the landing volume, looked at first; those already there stay.

        Args:
            source: The source system.
            data: One file, or a folder with files of the source's layouts.
            mapping: Canonical name to header, for sources that take a mapping.

        Returns:
            Their paths in the volume, sorted.

        Raises:
            BadFile: If a file cannot be read, or another one landed under its name.
        """
        volume = self.bundle.resources["volumes"]["landing"]
        names = (volume[each] for each in ("catalog_name", "schema_name", "name"))
        folder = "/".join(("/Volumes", *names, source.name))
        with tempfile.TemporaryDirectory() as scratch:
            land(source, data, Path(scratch), mapping=mapping)
            root = Path(scratch) / source.name
            for held in (path for path in root.iterdir() if path.is_dir()):  # by a zip file
                with _asking(f"make {folder}/{held.name}"):
                    self.client.files.create_directory(f"{folder}/{held.name}")
            # the mapping's name has _ in front, so that it is there before its file
            files = sorted(filter(Path.is_file, root.rglob("*")), key=lambda p: p.name[0] != "_")
            places = ((path, path.relative_to(root).as_posix()) for path in files)
            return sorted(self._upload(path, f"{folder}/{place}") for path, place in places)

    def _upload(self, path: Path, target: str) -> str:
        from databricks.sdk.errors import NotFound  # noqa: PLC0415 - an extra

        with _asking(f"take {target}"):
            try:
                there = self.client.files.download(target).contents
            except NotFound:
                with path.open("rb") as content:
                    self.client.files.upload(target, content, overwrite=False)
                return target
            digest = hashlib.sha256()
            while there and (chunk := there.read(_CHUNK)):
                digest.update(chunk)
        if digest.hexdigest() != content_hash(path):
            problem = "a file of this name with other content landed before"
            raise BadFile(path.name, problem, "give it a new name")
        return target

    def _minutes(self, key: str) -> int:
        seconds = self.bundle.resources["jobs"][key].get("timeout_seconds")
        return int(seconds) // 60 + _MORE_MINUTES if seconds else _MINUTES

    def _ended(self, key: str, waiting: "Wait[Run]", minutes: int) -> "Run":
        from databricks.sdk.errors import OperationFailed  # noqa: PLC0415 - an extra

        try:
            return waiting.result(timeout=timedelta(minutes=minutes))
        except OperationFailed:  # says only that; the run itself knows which task it was
            return self.client.jobs.get_run(waiting.run_id)
        except TimeoutError as error:
            page = self.client.jobs.get_run(waiting.run_id).run_page_url
            raise BackendUnavailable(
                f"job {key} has not ended, it was waited for {minutes} minutes; it goes on, "
                f"follow it at {page or f'run {waiting.run_id}'}"
            ) from error

    def _jobs_called(self, name: str) -> "list[BaseJob]":
        with _asking("list jobs"):
            return list(self.client.jobs.list(name=name))

    def _job_problems(self, key: str, job: Tree) -> Iterator[str]:
        found = self._jobs_called(job["name"])
        if len(found) != 1:
            ids = ", ".join(str(each.job_id) for each in found)
            twice = f"there {len(found)} times ({ids}), delete all but one"
            yield f"jobs.{key}: {job['name']} is {twice if found else 'not deployed'}"
            return
        with _asking(f"describe job {key}"):
            settings = self.client.jobs.get(int(found[0].job_id or 0)).settings
        there = settings.as_dict() if settings else {}
        wanted, has = ({t["task_key"] for t in each.get("tasks", [])} for each in (job, there))
        if wanted != has:
            yield f"jobs.{key}: tasks differ: {', '.join(sorted(wanted ^ has))}"
        declared, live = (each.get("schedule", {}).get("pause_status") for each in (job, there))
        if declared != live:
            yield f"jobs.{key}: its schedule is {live}, declared {declared}"

    def _exists(self, kind: str, resource: Tree) -> bool:
        from databricks.sdk.errors import NotFound  # noqa: PLC0415 - an extra

        look: dict[str, Callable[[str], object]] = {
            "schemas": self.client.schemas.get,
            "volumes": self.client.volumes.read,
            "registered_models": self.client.registered_models.get,
            "experiments": self.client.experiments.get_by_name,
        }
        with _asking(f"look for {_full_name(resource)}"):
            try:
                look[kind](_full_name(resource))
            except NotFound:
                return False
        return True


def open_deployment(folder: Path, target: str, *, variables: Mapping[str, str]) -> Deployment:
    """A target of the bundle in a folder, and the workspace the environment names.

    Raises:
        BadFile: If a file is no bundle file.
        UsageError: If the bundle cannot be resolved.
        BackendUnavailable: If no workspace can be reached.
    """
    try:
        from databricks.sdk import WorkspaceClient  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        need = f"databricks-sdk is not installed: {to_install('bundle')}"
        raise BackendUnavailable(need) from error
    try:
        client = WorkspaceClient(product="deepkt-irt")
    except ValueError as error:
        raise BackendUnavailable(
            "no workspace is named, or no way to sign in: databricks auth login, then name the "
            f"profile in DATABRICKS_CONFIG_PROFILE ({_first_line(error)})"
        ) from error
    with _asking("say who asks"):
        user = str(client.current_user.me().user_name)
    choices = Choices(variables=variables, user=user, placeholders=True)
    return Deployment(client, resolve(folder, target, choices))


def _full_name(resource: Tree) -> str:
    parts = (resource.get(each) for each in ("catalog_name", "schema_name", "name"))
    return ".".join(str(part) for part in parts if part)


def _result(run: "Run") -> str:
    result: Any = run.state.result_state if run.state else None
    return str(result.value) if result else "no result"


def _failed(task: Any) -> bool:  # noqa: ANN401 - RunTask, of an extra
    result = task.state.result_state if task.state else None
    return result is not None and result.value not in {_SUCCESS, "EXCLUDED"}


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """The workspace's errors as ours, saying what was asked of it."""
    from databricks.sdk.errors import PermissionDenied  # noqa: PLC0415 - an extra
    from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415 - an extra

    try:
        yield
    except PermissionDenied as error:
        raise BackendUnavailable(f"not allowed to {what}: {_first_line(error)}") from error
    except (DatabricksError, TimeoutError, OSError, ValueError) as error:
        problem = f"the workspace could not {what}: {_first_line(error)}"
        raise BackendUnavailable(problem) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
