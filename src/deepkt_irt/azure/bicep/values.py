"""Values that evaluation works with, beside plain text, numbers, lists and dictionaries."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Value = Any  # text, int, bool, None, list, dict, or one of the classes here


class Refused(Exception):
    """A function or operator cannot work with what it was given."""


class Unknown(str):
    """Stands for a value that only Azure can give; fits any type, as `<account.properties.x>`."""

    __slots__ = ()


class Late(str):
    """Text that is known only while the template's deployment runs."""

    __slots__ = ()


class LateUnknown(Late, Unknown):
    """Both."""

    __slots__ = ()


class Partial(dict[str, Value]):
    """What a template declares of an object to which Azure adds keys."""

    def __init__(self, label: str, declared: dict[str, Value]) -> None:
        super().__init__(declared)
        self.label = label

    def member(self, key: str) -> Value:
        """A declared value, else a stand-in."""
        if key not in self:
            return unknown(f"{self.label}.{key}")
        value = self[key]
        return Partial(f"{self.label}.{key}", value) if isinstance(value, dict) else value


@dataclass(frozen=True)
class Place:
    """What a template or resource can be scoped to: a resource group, subscription and the like.

    Attributes:
        kind: `resourceGroup`, `subscription`, `managementGroup` or `tenant`.
        id: Its ARM id; empty for the tenant.
        properties: What an expression can read of it.
    """

    kind: str
    id: str
    properties: dict[str, Value]


@dataclass(frozen=True)
class Closure:
    """A lambda with what it sees; called with as many values as it has parameters."""

    arity: int
    run: Callable[..., Value]

    def __call__(self, *values: Value) -> Value:
        return self.run(*values[: self.arity])


def unknown(label: str) -> Unknown:
    """A stand-in for something Azure gives during the deployment."""
    return LateUnknown(f"<{label}>")


def label_of(value: Value) -> str:
    """A value as it reads inside a stand-in."""
    if isinstance(value, Unknown):
        return value[1:-1]
    if isinstance(value, str):
        return f"'{value}'"
    return as_json(value) if isinstance(value, dict | list | bool | int | None) else "…"


def as_json(value: Value) -> str:
    """A value as JSON text without blanks."""
    return json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False)


def mapped(value: Value, change: Callable[[str], str]) -> Value:
    """A value with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [mapped(each, change) for each in value]
    if isinstance(value, dict):
        return {key: mapped(each, change) for key, each in value.items()}
    return value


def late(value: Value) -> Value:
    """A value of which it is noted that the deployment must run to know it."""
    return mapped(value, lambda t: LateUnknown(t) if isinstance(t, Unknown) else Late(t))


def settled(value: Value) -> Value:
    """A value as a nested deployment sees it, which starts when it is known."""
    return mapped(value, lambda t: Unknown(t) if isinstance(t, Unknown) else str(t))


def plain(value: Value) -> Value:
    """A value of nothing but text, numbers, lists and dictionaries."""
    if isinstance(value, Place):
        return plain(value.properties)
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    symbol = getattr(value, "symbol", None)
    if symbol is None:
        raise Refused("a function is no value")
    return f"<{symbol}>"


def is_late(value: Value) -> bool:
    """Whether some text in a value is known only while the deployment runs."""
    if isinstance(value, dict):
        return any(is_late(each) for each in value.values())
    if isinstance(value, list):
        return any(is_late(each) for each in value)
    return isinstance(value, Late)


def has_unknown(value: Value) -> bool:
    """Whether a value has a stand-in at its top."""
    return isinstance(value, Unknown)


def same(left: Value, right: Value) -> bool:
    """Equality as Bicep has it: 1 is not true, and order counts in arrays only."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def kind_of(value: Value) -> str:
    """The Bicep type of a value, in a word."""
    if value is None:
        return "null"
    for known, name in ((bool, "bool"), (int, "int"), (str, "string"), (list, "array")):
        if isinstance(value, known):
            return name
    return "object" if isinstance(value, dict | Place) else "resource"
