"""Rules about what the templates come to with the parameters of one environment."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepkt_irt.azure.bicep.evaluation import Deployment, Resource, evaluate
from deepkt_irt.azure.bicep.parameters import read_parameters
from deepkt_irt.azure.template_rules import TEMPLATES, Problems

ENVIRONMENTS = ("dev", "staging", "prod")
# what the parameter files read from the environment of the deployment
STAND_INS = {
    "ALERT_EMAIL": "alerts@example.org",
    "BUDGET_START": "2026-01-01",
    "DATABRICKS_SERVICE_OBJECT_ID": "databricks-service",
    "ENVIRONMENT": "prod",
    "REPOSITORY": "example/deepkt-irt",
    "REST_API_URL": "https://lms.example.org/api",
    "SQL_SERVER_DATABASE": "responses",
    "SQL_SERVER_HOST": "sql.example.org",
    "SQL_SERVER_USER": "reader",
}
# what has diagnostic settings, of the types this project uses
DIAGNOSED = (
    "Microsoft.CognitiveServices/accounts",
    "Microsoft.Databricks/workspaces",
    "Microsoft.DataFactory/factories",
    "Microsoft.KeyVault/vaults",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/publicIPAddresses",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Storage/storageAccounts/blobServices",
)
# what is reached through private endpoints, with the groups each needs
PRIVATE = {
    "Microsoft.CognitiveServices/accounts": {"account"},
    "Microsoft.Databricks/workspaces": {"databricks_ui_api"},
    "Microsoft.DataFactory/factories": {"dataFactory"},
    "Microsoft.KeyVault/vaults": {"vault"},
    "Microsoft.Storage/storageAccounts": {"blob", "dfs"},
}
_DATABRICKS = "Microsoft.Databricks/workspaces"
_SETTINGS = "Microsoft.Insights/diagnosticSettings"
_ENDPOINT = "Microsoft.Network/privateEndpoints"
_NAMES = {  # what Azure takes as a name
    "Microsoft.Storage/storageAccounts": re.compile(r"[a-z0-9]{3,24}"),
    "Microsoft.KeyVault/vaults": re.compile(r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{1,22}[a-zA-Z0-9]"),
    "Microsoft.CognitiveServices/accounts": re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{1,63}"),
    "Microsoft.DataFactory/factories": re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{1,61}[a-zA-Z0-9]"),
    _DATABRICKS: re.compile(r"[a-zA-Z0-9_-]{3,64}"),
}


@dataclass(frozen=True)
class Environment:
    """One environment as its parameter file has it."""

    name: str
    deployment: Deployment

    @property
    def is_private(self) -> bool:
        return self.name != "dev"

    def of(self, kind: str) -> list[Resource]:
        """Resources of a type."""
        return [each for each in self.deployment.resources if each.type == kind]


def read_environment(folder: Path, name: str) -> Environment:
    """Evaluate main.bicep as an environment deploys it, with every source switched on.

    Args:
        folder: Where the project is.
        name: Of the environment.

    Raises:
        BadFile: If a file cannot be read, or is no Bicep.
        UsageError: If a template or a parameter is wrong.
    """
    parameters = read_parameters(folder / TEMPLATES / f"{name}.bicepparam", STAND_INS)
    return Environment(name, evaluate(folder / TEMPLATES / "main.bicep", parameters.values))


def resource_is_tagged(environment: Environment) -> Problems:
    """What has a location is tagged with the workload and the environment."""
    for each in environment.deployment.resources:
        tags = each.body.get("tags", {})
        if "location" in each.body and not {"workload", "environment"} <= tags.keys():
            yield _place(each), "lacks the tags workload and environment"


def resource_is_diagnosed(environment: Environment) -> Problems:
    """What can send its log to the workspace does, the factory's into tables of its own."""
    settings = {each.scope: each for each in environment.of(_SETTINGS)}
    for each in environment.deployment.resources:
        if each.type not in DIAGNOSED:
            continue
        found = settings.get(each.id)
        if found is None:
            yield _place(each), "has no diagnostic setting"
            continue
        tables = found.body["properties"].get("logAnalyticsDestinationType")
        if each.type == "Microsoft.DataFactory/factories" and tables != "Dedicated":
            yield _place(found), "logAnalyticsDestinationType must be Dedicated"


def access_is_private(environment: Environment) -> Problems:
    """Nothing answers from outside where the environment is private; all has its endpoints."""
    if not environment.is_private:
        return
    reached: dict[str, set[str]] = {}
    for endpoint in environment.of(_ENDPOINT):
        for link in endpoint.body["properties"]["privateLinkServiceConnections"]:
            to = link["properties"]
            reached.setdefault(to["privateLinkServiceId"], set()).update(to["groupIds"])
    for kind, groups in PRIVATE.items():
        for each in environment.of(kind):
            if each.body["properties"].get("publicNetworkAccess") != "Disabled":
                yield _place(each), "publicNetworkAccess must be Disabled"
            for group in sorted(groups - reached.get(each.id, set())):
                yield _place(each), f"has no private endpoint for {group}"


def storage_is_closed(environment: Environment) -> Problems:
    """A lake with folders that takes identities only, encrypted, nothing public."""
    wanted = {
        "allowBlobPublicAccess": False,
        "allowSharedKeyAccess": False,
        "isHnsEnabled": True,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
    }
    for each in environment.of("Microsoft.Storage/storageAccounts"):
        properties = each.body["properties"]
        yield from _differs(each, properties, wanted)
        if (
            properties.get("networkAcls", {}).get("defaultAction") != "Deny"
            and environment.is_private
        ):
            yield _place(each), "networkAcls.defaultAction must be Deny"


def secrets_and_models_take_identities(environment: Environment) -> Problems:
    """The vault knows roles and cannot be purged; the language models take no keys."""
    for each in environment.of("Microsoft.KeyVault/vaults"):
        wanted = {"enableRbacAuthorization": True, "enablePurgeProtection": True}
        yield from _differs(each, each.body["properties"], wanted)
    for each in environment.of("Microsoft.CognitiveServices/accounts"):
        yield from _differs(each, each.body["properties"], {"disableLocalAuth": True})


def databricks_is_in_the_network(environment: Environment) -> Problems:
    """The workspace has no public addresses; its subnets are its own and have a security group."""
    subnets = {
        subnet["name"]: subnet["properties"]
        for network in environment.of("Microsoft.Network/virtualNetworks")
        for subnet in network.body["properties"]["subnets"]
    }
    for each in environment.of(_DATABRICKS):
        parameters = each.body["properties"].get("parameters", {})
        if each.body.get("sku", {}).get("name") != "premium":
            yield _place(each), "sku must be premium"
        if parameters.get("enableNoPublicIp", {}).get("value") is not True:
            yield _place(each), "enableNoPublicIp must be true"
        for key in ("customPublicSubnetName", "customPrivateSubnetName"):
            name = parameters.get(key, {}).get("value")
            subnet = subnets.get(str(name), {})
            services = [d["properties"]["serviceName"] for d in subnet.get("delegations", [])]
            if services != [_DATABRICKS]:
                yield _place(each), f"subnet {name} is not delegated to {_DATABRICKS}"
            if "networkSecurityGroup" not in subnet:
                yield _place(each), f"subnet {name} has no network security group"


def name_is_allowed(environment: Environment) -> Problems:
    """Names have the form Azure wants, and none rests on what is known only later."""
    for each in environment.deployment.resources:
        last = each.name.rsplit("/", 1)[-1]
        pattern = _NAMES.get(each.type)
        if pattern and not pattern.fullmatch(last):
            yield _place(each), f"name {last!r} does not fit {pattern.pattern}"
        if "<" in each.name:
            yield _place(each), f"name {each.name!r} is not known before the deployment"


def prod_is_locked(environment: Environment) -> Problems:
    """Nobody deletes the data, the secrets or the workspace of prod by mistake."""
    if environment.name != "prod":
        return
    locks = environment.of("Microsoft.Authorization/locks")
    whole_group = any(each.scope is None for each in locks)
    locked = {each.scope for each in locks}
    for kind in ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults"):
        for each in environment.of(kind):
            if not whole_group and each.id not in locked:
                yield _place(each), "has no lock"


def failure_raises_an_alert(environment: Environment) -> Problems:
    """One failed pipeline, activity or trigger is enough, and somebody hears of it."""
    alerts = {
        criterion["metricName"]: (each, criterion)
        for each in environment.of("Microsoft.Insights/metricAlerts")
        for criterion in each.body["properties"]["criteria"]["allOf"]
    }
    for metric in ("PipelineFailedRuns", "ActivityFailedRuns", "TriggerFailedRuns"):
        if metric not in alerts:
            yield "alerts", f"there is none for {metric}"
            continue
        each, criterion = alerts[metric]
        if (criterion["operator"], criterion["threshold"]) != ("GreaterThan", 0):
            yield _place(each), f"{metric} must raise it above 0"
    for each in environment.of("Microsoft.Insights/metricAlerts"):
        if not each.body["properties"].get("actions"):
            yield _place(each), "has no action group"


def address_is_set(environment: Environment) -> Problems:
    """No placeholder of a factory document is left."""
    for each in environment.deployment.resources:
        if "/factories/" in each.type and ".invalid" in json.dumps(each.body):
            yield _place(each), "an address is still a placeholder ending in .invalid"


def models_are_deployed_one_by_one(environment: Environment) -> Problems:
    """Model deployments of one account conflict unless each waits for the one before."""
    deployments = environment.of("Microsoft.CognitiveServices/accounts/deployments")
    known = {each.symbol for each in deployments}
    free = [each for each in deployments if not known & set(each.depends_on)]
    for each in free[1:]:
        yield _place(each), "waits for no other deployment of its account"


Rule = Callable[[Environment], Problems]
RULES: tuple[Rule, ...] = (
    resource_is_tagged,
    resource_is_diagnosed,
    access_is_private,
    storage_is_closed,
    secrets_and_models_take_identities,
    databricks_is_in_the_network,
    name_is_allowed,
    prod_is_locked,
    failure_raises_an_alert,
    address_is_set,
    models_are_deployed_one_by_one,
)


def _place(resource: Resource) -> str:
    return f"{resource.file}:{resource.line}: {resource.symbol}"


def _differs(resource: Resource, properties: dict[str, Any], wanted: dict[str, Any]) -> Problems:
    for key, value in wanted.items():
        if properties.get(key) != value:
            yield _place(resource), f"{key} must be {json.dumps(value)}"
