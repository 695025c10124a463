"""Signing in to Azure OpenAI: by key if the environment has one, else by Microsoft Entra.

A serverless task finds no identity of Azure: it signs in by a service credential of Unity Catalog.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deepkt_irt.errors import BackendUnavailable, UsageError, to_install

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "AZURE_OPENAI_API_KEY"
_SCOPE = "https://ai.azure.com/.default"


def client_at(
    base_url: str,
    *,
    setting: str,
    timeout_seconds: float,
    max_retries: int,
    service_credential: str = "",
) -> "OpenAI":
    """A client of a resource's v1 address.

    Args:
        base_url: As https://NAME.openai.azure.com/openai/v1/.
        setting: Name of the setting that says it, for the error.
        timeout_seconds: Of a request.
        max_retries: That the client makes by itself.
        service_credential: Its name, if one is to sign in by; on Databricks only.

    Raises:
        UsageError: If no address is given.
        BackendUnavailable: If a package is not installed.
    """
    if not base_url:
        raise UsageError(f"{setting}: say where, as https://NAME.openai.azure.com/openai/v1/")
    try:
        from openai import OpenAI  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise BackendUnavailable(f"openai is not installed: {to_install('rag')}") from error
    key = os.environ.get(KEY_VARIABLE) or _entra_token(service_credential)
    return OpenAI(base_url=base_url, api_key=key, timeout=timeout_seconds, max_retries=max_retries)


def _entra_token(service_credential: str) -> Callable[[], str]:
    """Gives a token of Microsoft Entra, which it renews."""
    try:
        from azure.identity import (  # noqa: PLC0415 - not needed with a key
            DefaultAzureCredential,
            get_bearer_token_provider,
        )
    except ModuleNotFoundError as error:
        raise BackendUnavailable(
            f"no key in {KEY_VARIABLE}, and azure-identity is not installed: " + to_install("rag")
        ) from error
    if service_credential:
        from databricks.sdk.runtime import dbutils  # noqa: PLC0415 - an extra

        known: Any = dbutils.credentials  # the SDK's stub knows it without an argument
        identity = known.getServiceCredentialsProvider(service_credential)
    else:
        identity = DefaultAzureCredential()
    provider: Callable[[], str] = get_bearer_token_provider(identity, _SCOPE)
    return provider
