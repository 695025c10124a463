"""The documents of a data factory: reads `adf/{pipelines,datasets,linkedServices,triggers}`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepkt_irt.azure.factory.expressions import Json, Names, is_expression, resolve
from deepkt_irt.errors import BadFile, UsageError

type Document = dict[str, Any]

FACTORY = Path("infra/bicep/adf")  # where the documents are in the project

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "integer": (int,),
    "securestring": (str,),
}


@dataclass(frozen=True)
class Factory:
    """All documents of a factory, `{"name", "properties"}` each, by name."""

    pipelines: Mapping[str, Document] = field(default_factory=dict)
    datasets: Mapping[str, Document] = field(default_factory=dict)
    linked_services: Mapping[str, Document] = field(default_factory=dict)
    triggers: Mapping[str, Document] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """A linked service with its values: `properties` are its typeProperties, without secrets."""

    name: str
    type: str
    properties: Document


@dataclass(frozen=True)
class Dataset:
    """A dataset with its values: `properties` are its typeProperties."""

    name: str
    type: str
    properties: Document
    service: Service


def read_factory(folder: Path) -> Factory:
    """Read the documents of a factory.

    Raises:
        BadFile: If one is no JSON, has a key twice, or is not called like its file.
    """
    return Factory(
        pipelines=_read(folder / "pipelines"),
        datasets=_read(folder / "datasets"),
        linked_services=_read(folder / "linkedServices"),
        triggers=_read(folder / "triggers"),
    )


def _read(folder: Path) -> dict[str, Document]:
    return {path.stem: read_document(path) for path in sorted(folder.glob("*.json"))}


def read_document(path: Path) -> Document:
    """One document `{"name", "properties"}`.

    Raises:
        BadFile: If it is no JSON, has a key twice, or is not called like its file.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_twins)
    except ValueError as error:
        raise BadFile(str(path), f"is no JSON: {error}", "correct it") from error
    if not isinstance(document, dict) or not isinstance(document.get("properties"), dict):
        raise BadFile(str(path), "has no properties", 'write {"name": …, "properties": {…}}')
    if document.keys() != {"name", "properties"}:
        extra = ", ".join(sorted(document.keys() - {"properties"}))
        raise BadFile(str(path), f"has {extra} beside properties", "keep name only")
    if document["name"] != path.stem:
        raise BadFile(str(path), f"is called {document['name']!r}", "give it its file's name")
    return document


def _without_twins(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"the key {key} stands twice")
    return dict(pairs)


def texts(value: Json, where: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value that may hold expressions, with its place."""
    if isinstance(value, str):
        yield where, value
    elif is_expression(value):
        yield from texts(value["value"], where)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from texts(each, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from texts(each, f"{where}[{index}]")


def bind(where: str, declared: Document, given: Mapping[str, Json]) -> dict[str, Json]:
    """Values of declared parameters: the given ones, or the defaults, which are literals.

    Raises:
        UsageError: If one is missing, not declared, or of another type than declared.
    """
    for problem in binding_problems(declared, given):
        raise UsageError(f"{where}: {problem}")
    return {name: given.get(name, each.get("defaultValue")) for name, each in declared.items()}


def binding_problems(declared: Document, given: Mapping[str, Json]) -> Iterator[str]:
    """Why parameters cannot be given these values; values may be expressions not yet resolved."""
    for name in sorted(given.keys() - declared.keys()):
        yield f"there is no parameter {name}"
    for name, each in declared.items():
        if name not in given and "defaultValue" not in each:
            yield f"parameter {name} has no value"
        elif name in given and not fits(given[name], each["type"]):
            yield f"parameter {name} is {given[name]!r}, not of type {each['type']}"


def fits(value: Json, kind: str) -> bool:
    """Whether a value is of a parameter's or variable's type; Booleans are no numbers."""
    if isinstance(value, bool) and kind.lower() not in {"bool", "boolean"}:
        return False
    return isinstance(value, _TYPES.get(kind.lower(), ()))


def open_dataset(factory: Factory, reference: Document) -> Dataset:
    """A dataset with the parameters that a reference, already resolved, gives it.

    Raises:
        UsageError: If there is no such dataset or linked service, or a parameter is wrong.
        ExpressionError: If an expression in it has no value.
    """
    name = reference["referenceName"]
    properties = _properties("dataset", factory.datasets, name)
    declared, given = properties.get("parameters", {}), reference.get("parameters", {})
    values = bind(f"dataset {name}", declared, given)
    names: Names = {"dataset": lambda: values}
    service = resolve(properties["linkedServiceName"], names)
    return Dataset(
        name=name,
        type=properties["type"],
        properties=resolve(properties.get("typeProperties", {}), names),
        service=open_service(factory, service),
    )


def open_service(factory: Factory, reference: Document) -> Service:
    """A linked service with the parameters that a reference, already resolved, gives it.

    Raises:
        UsageError: If there is none, or a parameter is wrong.
        ExpressionError: If an expression in it has no value.
    """
    name = reference["referenceName"]
    properties = _properties("linked service", factory.linked_services, name)
    declared, given = properties.get("parameters", {}), reference.get("parameters", {})
    values = bind(f"linked service {name}", declared, given)
    names: Names = {"linkedService": lambda: values}
    kept = _without_secrets(properties.get("typeProperties", {}))
    return Service(name, properties["type"], resolve(kept, names))


def _properties(kind: str, documents: Mapping[str, Document], name: str) -> Document:
    if name not in documents:
        raise UsageError(f"there is no {kind} {name}; there are: {', '.join(documents) or 'none'}")
    properties: Document = documents[name]["properties"]
    return properties


def _without_secrets(value: Json) -> Json:
    if isinstance(value, list):
        return [_without_secrets(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "AzureKeyVaultSecret":
        return f"<{value['secretName']}>"
    if value.get("type") == "SecureString":
        return "<secret>"
    return {key: _without_secrets(each) for key, each in value.items()}
