"""Functions of Bicep that speak of Azure: scopes, resource ids, the cloud, and files beside it."""

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path

from deepkt_irt.azure.bicep.functions import Function, a_text
from deepkt_irt.azure.bicep.values import Place, Refused, Value, label_of, unknown

_ENVIRONMENT: dict[str, Value] = {
    "name": "AzureCloud",
    "resourceManager": "https://management.azure.com/",
    "portal": "https://portal.azure.com",
    "authentication": {
        "loginEndpoint": "https://login.microsoftonline.com/",
        "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
        "tenant": "common",
        "identityProvider": "AAD",
    },
    "graph": "https://graph.windows.net/",
    "suffixes": {
        "acrLoginServer": ".azurecr.io",
        "azureDatalakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
        "azureDatalakeStoreFileSystem": "azuredatalakestore.net",
        "keyvaultDns": ".vault.azure.net",
        "sqlServerHostname": ".database.windows.net",
        "storage": "core.windows.net",
    },
}
_LIST = re.compile(r"list[A-Z]\w*")
UNREPEATABLE = frozenset({"utcNow", "newGuid"})  # another value at every deployment


@dataclass(frozen=True)
class Context:
    """Where a template is deployed to; the defaults are stand-ins."""

    subscription_id: str = "00000000-0000-0000-0000-000000000001"
    tenant_id: str = "00000000-0000-0000-0000-000000000002"
    resource_group: str = "rg-example"
    location: str = "westeurope"
    management_group: str = "mg-example"


@dataclass(frozen=True)
class Surroundings:
    """What a template sees around itself.

    Attributes:
        kind: Its target scope.
        folder: Where its file lies.
        deployment: Name of the deployment.
    """

    context: Context
    kind: str
    folder: Path
    deployment: str

    @property
    def place(self) -> Place:
        """What it is deployed to."""
        if self.kind == "resourceGroup":
            return self.resource_group()
        if self.kind == "subscription":
            return self.subscription()
        return self.tenant() if self.kind == "tenant" else self.management_group()

    def subscription(self, *names: Value) -> Place:
        """`subscription()`, or another by its id."""
        found = a_text(names[0]) if names else self.context.subscription_id
        properties = {
            "id": f"/subscriptions/{found}",
            "subscriptionId": found,
            "tenantId": self.context.tenant_id,
            "displayName": unknown("subscription.displayName"),
        }
        return Place("subscription", f"/subscriptions/{found}", properties)

    def resource_group(self, *names: Value) -> Place:
        """`resourceGroup()`, or another by its name, after the id of its subscription."""
        if not names and self.kind != "resourceGroup":
            raise Refused(f"there is no resource group in a template for a {self.kind}")
        found = [a_text(each) for each in names] or [self.context.resource_group]
        subscription = found[0] if len(found) == 2 else self.context.subscription_id
        place = f"/subscriptions/{subscription}/resourceGroups/{found[-1]}"
        properties: dict[str, Value] = {"id": place, "name": found[-1]}
        properties["type"] = "Microsoft.Resources/resourceGroups"
        if not names:  # of another one the compiler knows no more
            properties["location"] = self.context.location
            properties["tags"] = unknown("resourceGroup.tags")
            properties["properties"] = {"provisioningState": "Succeeded"}
        return Place("resourceGroup", place, properties)

    def tenant(self) -> Place:
        """`tenant()`."""
        properties: dict[str, Value] = {"tenantId": self.context.tenant_id}
        properties |= {key: unknown(f"tenant.{key}") for key in ("displayName", "countryCode")}
        return Place("tenant", "", properties)

    def management_group(self, *names: Value) -> Place:
        """`managementGroup()`, or another by its name."""
        if not names and self.kind != "managementGroup":
            raise Refused(f"there is no management group in a template for a {self.kind}")
        found = a_text(names[0]) if names else self.context.management_group
        place = f"/providers/Microsoft.Management/managementGroups/{found}"
        return Place("managementGroup", place, {"id": place, "name": found})

    def functions(self) -> dict[str, Function]:
        """The functions by name."""
        found = (
            Function("resourceGroup", 0, 2, self.resource_group),
            Function("subscription", 0, 1, self.subscription),
            Function("tenant", 0, 0, self.tenant),
            Function("managementGroup", 0, 1, self.management_group),
            Function("deployment", 0, 0, self._deployment),
            Function("environment", 0, 0, lambda: _ENVIRONMENT),
            Function("resourceId", 2, None, self._resource_id),
            Function("subscriptionResourceId", 2, None, self._subscription_id),
            Function("tenantResourceId", 2, None, _tenant_id),
            Function("extensionResourceId", 3, None, _extension_id),
            Function("reference", 1, 3, _reference),
            Function("loadTextContent", 1, 2, self._load_text),
            Function("loadJsonContent", 1, 1, self._load_json),
            Function("loadFileAsBase64", 1, 1, self._load_base64),
        )
        return {each.name: each for each in found}

    def _deployment(self) -> dict[str, Value]:
        found: dict[str, Value] = {"name": self.deployment}
        if self.kind != "resourceGroup":
            found["location"] = self.context.location
        return found | {"properties": unknown("deployment.properties")}

    def _resource_id(self, *values: Value) -> str:
        """`resourceId([subscription], [resource group], type, names…)`."""
        texts = [a_text(each) for each in values]
        at = next((at for at, each in enumerate(texts) if "/" in each), 0)
        if at > 2:
            raise Refused("takes at most a subscription and a resource group before the type")
        place = self.resource_group(*texts[:at]) if at else self.place
        return below(place.id, texts[at], texts[at + 1 :])

    def _subscription_id(self, *values: Value) -> str:
        texts = [a_text(each) for each in values]
        at = 0 if "/" in texts[0] else 1
        return below(self.subscription(*texts[:at]).id, texts[at], texts[at + 1 :])

    def _read(self, path: Value) -> bytes:
        try:
            return (self.folder / a_text(path)).read_bytes()
        except OSError as error:
            raise Refused(f"{path} cannot be read") from error

    def _load_text(self, path: Value, _: Value = None) -> str:
        try:
            return self._read(path).decode()
        except UnicodeDecodeError as error:
            raise Refused(f"{path} is no text") from error

    def _load_json(self, path: Value) -> Value:
        try:
            return json.loads(self._read(path))
        except ValueError as error:
            raise Refused(f"{path} is no JSON: {error}") from error

    def _load_base64(self, path: Value) -> str:
        return base64.b64encode(self._read(path)).decode()


def list_function(name: str) -> Function | None:
    """`listKeys` and its kin, of which only Azure knows the answer; None for all else."""
    if not _LIST.fullmatch(name):
        return None

    def stand_in(*values: Value) -> Value:
        return unknown(f"{name}({label_of(values[0])})")

    return Function(name, 2, 3, stand_in)


def below(place: str, kind: str, names: list[str]) -> str:
    """The id of a resource.

    Args:
        place: Id of what it is in or scoped to; empty for the tenant.
        kind: Type, as `Microsoft.Storage/storageAccounts`.
        names: A name for each part of the type behind its provider.

    Raises:
        Refused: If there are more or fewer names than that.
    """
    provider, *parts = kind.split("/")
    if len(parts) != len(names) or not parts:
        raise Refused(f"{kind} needs {len(parts)} names, got {len(names)}: {'/'.join(names)}")
    if kind.lower() == "microsoft.resources/resourcegroups":
        return f"{place}/resourceGroups/{names[0]}"
    pairs = "/".join(f"{part}/{name}" for part, name in zip(parts, names, strict=True))
    return f"{place}/providers/{provider}/{pairs}"


def _tenant_id(kind: Value, *names: Value) -> str:
    return below("", a_text(kind), [a_text(each) for each in names])


def _extension_id(place: Value, kind: Value, *names: Value) -> str:
    return below(a_text(place), a_text(kind), [a_text(each) for each in names])


def _reference(resource: Value, *_: Value) -> Value:
    return unknown(f"reference({label_of(resource)})")
