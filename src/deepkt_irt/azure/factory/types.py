"""Looks at Data Factory documents by the types of azure-mgmt-datafactory: keys, types, bounds.

The package alone says little: what it does not know it drops or keeps in silence. So a document
is read and written back, and then the read objects are walked. That referenced things exist is
looked at in `publishing`.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from deepkt_irt.azure.factory.documents import Document
from deepkt_irt.azure.factory.expressions import Json
from deepkt_irt.errors import BackendUnavailable, UsageError, to_install

_CLASSES = {
    "pipelines": "PipelineResource",
    "datasets": "DatasetResource",
    "linkedServices": "LinkedServiceResource",
    "triggers": "TriggerResource",
    "credentials": "CredentialResource",
    "integrationRuntimes": "IntegrationRuntimeResource",
}
# the package's documentation is the only place where it says which enum a text belongs to
_ENUM = re.compile(r":vartype (\w+): .*~azure\.mgmt\.datafactory\.models\.(\w+)")
_KEY = re.compile(r"(?<!\\)\.")  # keys with a dot in them have it escaped

Problems = Iterator[tuple[str, str]]  # place and what is wrong there


def type_problems(kind: str, document: Document) -> Problems:
    """What is wrong with the fields of a document, as (place, problem).

    Args:
        kind: pipelines, datasets, linkedServices, triggers, credentials or integrationRuntimes.
        document: `{"name", "properties"}`.

    Raises:
        UsageError: If there is no such kind.
        BackendUnavailable: If azure-mgmt-datafactory is not installed.
    """
    if kind not in _CLASSES:
        raise UsageError(f"no documents are called {kind}; there are: {', '.join(_CLASSES)}")
    try:
        from azure.core.exceptions import DeserializationError  # noqa: PLC0415 - an extra
        from azure.mgmt.datafactory import models  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        need = f"azure-mgmt-datafactory is not installed: {to_install('azure')}"
        raise BackendUnavailable(need) from error
    given = {"properties": document["properties"]}
    try:
        read = getattr(models, _CLASSES[kind]).deserialize(given)
    except DeserializationError as error:
        yield "properties", str(error)
        return
    yield from _lost(given, read.serialize(), "")
    yield from _Walk(models).problems(read, "")


def _lost(given: Json, kept: Json, where: str) -> Problems:
    """What of a document is not there any more, or is another, after reading and writing it."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            if key in kept or (value and isinstance(value, dict)):
                yield from _lost(value, kept.get(key, {}), _below(where, key))
            elif value is not None:
                yield _below(where, key), "is not known, or only read from the service"
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for index, (each, other) in enumerate(zip(given, kept, strict=True)):
            yield from _lost(each, other, f"{where}[{_label(each, index)}]")
    elif type(given) is not type(kept) or (given != kept and not _same_time(given, kept)):
        yield where, f"{given!r} is taken for {kept!r}"


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _label(value: Json, index: int) -> str:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return name if isinstance(name, str) else str(index)


def _same_time(given: Json, kept: Json) -> bool:
    if not isinstance(given, str):
        return False
    try:
        return datetime.fromisoformat(given) == datetime.fromisoformat(kept)
    except ValueError:
        return False


class _Walk:
    """Goes through the objects of a read document."""

    def __init__(self, models: Any) -> None:  # noqa: ANN401 - a module of an extra
        self.models = models

    def problems(self, value: Any, where: str) -> Problems:  # noqa: ANN401 - objects of an extra
        if isinstance(value, dict):
            for key, each in value.items():
                yield from self.problems(each, _below(where, key))
        elif isinstance(value, list):
            for index, each in enumerate(value):
                yield from self.problems(each, f"{where}[{_label(each, index)}]")
        elif hasattr(value, "_attribute_map"):
            yield from self.fields(value, where)

    def fields(self, value: Any, where: str) -> Problems:  # noqa: ANN401 - an object of an extra
        kind = type(value)
        if vars(kind).get("_subtype_map"):  # a base: none of its kinds was found
            yield where, f"is no {kind.__name__} of a known type"
            return
        for key in value.__dict__.get("additional_properties") or {}:
            yield _below(where, key), "is not known"
        enums = dict(_ENUM.findall(kind.__doc__ or ""))
        for name, described in kind._attribute_map.items():  # noqa: SLF001 - the only way to it
            if name == "additional_properties":
                continue
            place, one = where, getattr(value, name)
            for key in _KEY.split(described["key"]):
                place = _below(place, key.replace("\\.", "."))
            rules = kind._validation.get(name, {})  # noqa: SLF001 - the only way to them
            yield from _bounds(rules, one, place)
            yield from self.choice(enums.get(name), one, place)
            yield from self.problems(one, place)

    def choice(self, enum: str | None, value: Json, where: str) -> Problems:
        """Texts that their enum does not have; objects are for `problems`."""
        known: Any = getattr(self.models, enum or "", None)
        if not hasattr(known, "__members__"):
            return
        allowed = [str(each.value) for each in known]
        for each in value if isinstance(value, list) else [value]:
            if each is not None and each not in allowed:
                yield where, f"{each!r} is none of {', '.join(allowed)}"


def _bounds(rule: Document, value: Any, where: str) -> Problems:  # noqa: ANN401 - of an extra
    if value is None:
        if rule.get("required") and not rule.get("readonly"):
            yield where, "is missing"
        return
    outside: dict[str, Callable[[Any], bool]] = {
        "minimum": lambda bound: value < bound,
        "maximum": lambda bound: value > bound,
        "min_length": lambda bound: len(value) < bound,
        "max_length": lambda bound: len(value) > bound,
        "pattern": lambda bound: not re.fullmatch(bound, value),
    }
    for name, test in outside.items():
        if name in rule and test(rule[name]):
            yield where, f"{value!r} breaks {name.replace('_', ' ')} {rule[name]}"
