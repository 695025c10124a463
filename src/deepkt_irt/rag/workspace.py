"""The Databricks workspace as search and embedders need it: a client, and its errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deepkt_irt.errors import BackendUnavailable, to_install

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


def open_workspace() -> "WorkspaceClient":
    """A client of the workspace that the environment names.

    Raises:
        BackendUnavailable: If none is named, or databricks-sdk is not installed.
    """
    try:
        from databricks.sdk import WorkspaceClient  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        need = f"databricks-sdk is not installed: {to_install('rag')}"
        raise BackendUnavailable(need) from error
    try:
        return WorkspaceClient(product="deepkt-irt")
    except ValueError as error:
        raise BackendUnavailable(f"no workspace is named: {first_line(error)}") from error


@contextmanager
def asking(what: str) -> Iterator[None]:
    """The workspace's errors as ours, saying what was asked of it."""
    from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415 - an extra

    try:
        yield
    except (DatabricksError, TimeoutError, OSError, ValueError) as error:
        problem = f"the workspace could not {what}: {first_line(error)}"
        raise BackendUnavailable(problem) from error


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
