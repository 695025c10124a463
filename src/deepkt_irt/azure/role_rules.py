"""Who may do what in Azure: just the list, held against what the templates assign."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from deepkt_irt.azure.bicep.evaluation import Deployment, Resource
from deepkt_irt.azure.template_rules import TEMPLATES, Problems

# whose principal a template takes, as the evaluation calls what is known only later
_HOLDERS = {
    "<dataFactoryIdentity/identity.properties.principalId>": "data-factory",
    "<databricks/accessConnector.identity.principalId>": "access-connector",
    "<deployer/deploy/identity.properties.principalId>": "deploy",
    "<deployer/plan/identity.properties.principalId>": "plan",
}
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Right = tuple[str, str, str]  # identity, role or actions, what it is on


def role_is_listed(folder: Path, deployments: Iterable[Deployment]) -> Problems:
    """What is assigned is in role_assignments.json, and all of that is assigned.

    Args:
        folder: Where the project is.
        deployments: What an environment with everything switched on comes to, and what a person
            deploys before it.
    """
    listed = json.loads((folder / TEMPLATES / "role_assignments.json").read_text())
    wanted = {_listed(each): each for each in listed}
    made: dict[Right, str] = {}
    for deployment in deployments:
        for where, right, resource in _assigned(deployment):
            made[right] = where
            if right not in wanted:
                yield where, f"{' '.join(right)} is not in role_assignments.json"
            yield from _careless(where, resource, wanted.get(right, {}))
    for right in sorted(wanted.keys() - made.keys()):
        yield "role_assignments.json", f"{' '.join(right)} is assigned nowhere"


def _listed(entry: dict[str, str]) -> Right:
    role = entry["roleId"] or "+".join(sorted(entry["actions"]))
    place = entry["scope"]
    if "scopeName" in entry:
        place = f"{place}/{entry['scopeName']}"
    return entry["identity"], role, place


def _assigned(deployment: Deployment) -> Iterator[tuple[str, Right, Resource]]:
    own = {
        each.body["name"]: "+".join(
            sorted(
                action
                for some in each.body["properties"]["permissions"]
                for action in some["actions"]
            )
        )
        for each in deployment.resources
        if each.type == "Microsoft.Authorization/roleDefinitions"
    }
    for each in deployment.resources:
        if each.type == "Microsoft.Authorization/roleAssignments":
            properties = each.body["properties"]
            principal = str(properties.get("principalId"))
            role = str(properties.get("roleDefinitionId")).rpartition("/")[2]
            right = (_HOLDERS.get(principal, principal), own.get(role, role), _place(each))
            yield f"{each.file}:{each.line}", right, each


def _careless(where: str, resource: Resource, entry: dict[str, list[str]]) -> Problems:
    """An assignment to something else than a principal, or an unbounded right to give rights."""
    properties = resource.body["properties"]
    if properties.get("principalType") != "ServicePrincipal":
        yield where, "principalType must be ServicePrincipal"
    allowed = set(_GUID.findall(properties.get("condition", "")))
    if allowed != set(entry.get("onlyRoleIds", [])):
        yield where, "its condition does not allow just the roles of the list"


def _place(resource: Resource) -> str:
    """Type of what a role is given on; a container with its name."""
    scope = resource.scope or resource.id.rpartition("/providers/")[0]
    if "/providers/" not in scope:
        kind = "resourceGroups" if "/resourceGroups/" in scope else "subscriptions"
        return f"Microsoft.Resources/{kind}"
    names = scope.rpartition("/providers/")[2].split("/")
    kind = "/".join([names[0], *names[1::2]])
    return f"{kind}/{names[-1]}" if kind.endswith("/containers") else kind
