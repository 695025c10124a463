"""Reads Bicep templates and works out what a deployment of them would create, without Azure.

The result is what can be known before a deployment: ids, names and all that the template writes
out. For what only Azure can give there are stand-ins such as
`<storage/account.properties.primaryEndpoints.dfs>`. `uniqueString` and `guid` give other values
than Azure does, but the same each time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from deepkt_irt.azure.bicep.azure_functions import Context, Surroundings
from deepkt_irt.azure.bicep.nodes import ResourceNode
from deepkt_irt.azure.bicep.origins import Origins
from deepkt_irt.azure.bicep.parameters import ParameterFile, read_parameters
from deepkt_irt.azure.bicep.template import Declared, Output, Parameter, Template, read_template
from deepkt_irt.azure.bicep.unit import Library, Unit
from deepkt_irt.azure.bicep.values import Refused, plain
from deepkt_irt.errors import UsageError

__all__ = [
    "Context",
    "Declared",
    "Deployment",
    "Output",
    "Parameter",
    "ParameterFile",
    "Resource",
    "Template",
    "evaluate",
    "read_parameters",
    "read_template",
]

_SOMEWHERE = Context()


@dataclass(frozen=True)
class Resource:
    """One resource that a deployment would create.

    Attributes:
        symbol: Modules and symbol, as `storage/account`, `storage/containers[0]` or, of a resource
            declared inside another, `storage/account::blobs`.
        type: As `Microsoft.Storage/storageAccounts`.
        name: With the names of its parents before it, parted by `/`.
        id: The ARM id.
        scope: Id of the resource it is scoped to, of role assignments, locks and the like.
        body: All top-level keys but parent, scope and dependsOn; `name` as written.
        depends_on: Symbols of resources its values may come from, also through modules, and of
            those that dependsOn or the scope of a module names. Of a list all that stand in it
            count, though a loop takes one.
        line: From 1, of the word `resource`.
    """

    symbol: str
    type: str
    api_version: str
    name: str
    id: str
    scope: str | None
    body: dict[str, Any]
    depends_on: tuple[str, ...]
    file: str
    line: int


@dataclass(frozen=True)
class Deployment:
    """What a template with parameters comes to.

    Attributes:
        parameters: All, also those by default.
    """

    target_scope: str
    resources: tuple[Resource, ...]
    outputs: dict[str, Any]
    parameters: dict[str, Any]


def evaluate(
    path: Path, parameters: Mapping[str, Any], *, context: Context = _SOMEWHERE
) -> Deployment:
    """Work out a template and the modules it calls.

    Args:
        path: A `.bicep` file.
        parameters: Values by name.
        context: Where it is deployed to.

    Raises:
        BadFile: If a file cannot be read, or is no Bicep.
        UsageError: If a template or a parameter is wrong, or uses what is not supported here; the
            message begins with file and line.
    """
    library = Library()
    source = library.load(path)
    surroundings = Surroundings(context, source.target_scope, path.parent, path.stem)
    unit = Unit(library, source, surroundings, parameters)
    for each in unit.units():  # before all else, as a wrong value would show up elsewhere
        each.parameters()
    nodes = list(unit.created())
    resources = _resources(nodes)
    for each in unit.units():
        for name in each.outputs:
            each.output(name)
    return Deployment(
        target_scope=source.target_scope,
        resources=resources,
        outputs={name: plain(unit.output(name)) for name in unit.outputs},
        parameters=plain(unit.parameters()),
    )


def _resources(nodes: list[ResourceNode]) -> tuple[Resource, ...]:
    symbols: dict[str, str] = {}
    for each in nodes:
        found = _told(each, lambda node: node.id)
        if found in symbols:
            raise each.wrong(f"{each.symbol} and {symbols[found]} are the same resource {found}")
        symbols[found] = each.symbol
    origins = Origins()
    order = {each.symbol: _order(_told(each, origins.of), symbols) for each in nodes}
    try:
        TopologicalSorter(order).prepare()
    except CycleError as error:
        raise UsageError(f"resources wait for each other: {' > '.join(error.args[1])}") from error
    return tuple(_told(each, partial(_resource, order[each.symbol])) for each in nodes)


def _order(ids: frozenset[str], symbols: Mapping[str, str]) -> tuple[str, ...]:
    """Symbols of the ids that the deployment makes."""
    return tuple(sorted(symbols[each] for each in ids if each in symbols))


def _told[T](node: ResourceNode, ask: Callable[[ResourceNode], T]) -> T:
    """What a question about a node gives, with the place in the file if it gives nothing."""
    try:
        return ask(node)
    except Refused as reason:
        raise node.wrong(reason) from reason


def _resource(depends_on: tuple[str, ...], node: ResourceNode) -> Resource:
    place = node.place
    return Resource(
        symbol=node.symbol,
        type=node.type,
        api_version=node.api_version,
        name=node.name,
        id=node.id,
        scope=place.id if isinstance(place, ResourceNode) else None,
        body=plain(node.body()),
        depends_on=depends_on,
        file=node.unit.source.file,
        line=node.declaration.line,
    )
