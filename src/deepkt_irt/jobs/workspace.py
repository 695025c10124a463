"""The workspace a script runs in: its client, its errors as ours, and who else is at work there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deepkt_irt.errors import AnotherRun, BackendUnavailable, to_install
from deepkt_irt.jobs.names import parse_names
from deepkt_irt.jobs.opening import Target

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import BaseRun


def workspace_client() -> "WorkspaceClient":
    """The client of the workspace that the environment names.

    Raises:
        BackendUnavailable: If the package is missing or no workspace is named.
    """
    try:
        from databricks.sdk import WorkspaceClient  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        need = f"databricks-sdk is not installed: {to_install('train')}"
        raise BackendUnavailable(need) from error
    with asking("be found"):
        return WorkspaceClient(product="deepkt-irt")


@contextmanager
def asking(what: str) -> Iterator[None]:
    """The workspace's errors as ours, saying what was asked of it."""
    from databricks.sdk.errors import OperationFailed  # noqa: PLC0415 - an extra
    from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415 - an extra

    try:
        yield
    except (DatabricksError, OperationFailed, TimeoutError, OSError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise BackendUnavailable(f"the workspace could not {what}: {first}") from error


def refuse_beside_others(client: "WorkspaceClient", target: Target, *, job: str) -> None:
    """Refuse to go on while a run of another job works in the same schemas.

    Args:
        client: The workspace.
        target: Catalog and schemas.
        job: Name of the job that asks; in development a prefix stands before it.

    Raises:
        AnotherRun: If there is such a run, also one that has not started yet.
        BackendUnavailable: If the workspace does not say.
    """
    with asking("say which jobs run"):
        active = [
            run
            for run in client.jobs.list_runs(active_only=True)
            if not (run.run_name or "").endswith(job) and _works_in(run, target)
        ]
    if active:
        names = ", ".join(sorted({f"{run.run_name} (run {run.run_id})" for run in active}))
        raise AnotherRun(f"{names} writes the same tables; start {job} when that has ended")


def _works_in(run: "BaseRun", target: Target) -> bool:
    """Whether a run's parameters name the same catalog and schemas."""
    given = {each.name: each.value or each.default or "" for each in run.job_parameters or ()}
    if given.get("catalog") != target.catalog:
        return False
    return parse_names(schemas=given.get("schemas", "")).schemas == target.names.schemas
