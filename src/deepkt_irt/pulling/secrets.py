"""Secrets by where they are kept: an environment variable, or a scope of the workspace."""

import os

from deepkt_irt.errors import BackendUnavailable, UsageError, to_install
from deepkt_irt.pulling.connection import Secret


def secret(where: Secret) -> str:
    """The secret itself, for a header or a login; it goes into no file, message or log.

    Raises:
        UsageError: If the environment variable is not set.
        BackendUnavailable: If the workspace does not give it.
    """
    if where.env:
        value = os.environ.get(where.env)
        if not value:
            raise UsageError(f"environment variable {where.env} is not set; it holds the secret")
        return value
    return _of_scope(where)


def _of_scope(where: Secret) -> str:
    name = f"secret {where.key} of scope {where.scope}"
    try:
        from databricks.sdk import WorkspaceClient  # noqa: PLC0415 - an extra
        from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415
    except ModuleNotFoundError as error:
        need = f"databricks-sdk is not installed: {to_install('pull')}"
        raise BackendUnavailable(f"{name}: {need}") from error
    try:
        # inside Databricks this is the runtime's own dbutils
        value: str = WorkspaceClient(product="deepkt-irt").dbutils.secrets.get(
            where.scope, where.key
        )
    except (DatabricksError, TimeoutError, OSError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise BackendUnavailable(f"{name} cannot be read: {first}") from error
    return value
