"""What operators, members and calls give, from values that were evaluated already."""

from collections.abc import Callable

from deepkt_irt.azure.bicep.azure_functions import list_function
from deepkt_irt.azure.bicep.functions import Function, a_number
from deepkt_irt.azure.bicep.values import (
    Partial,
    Place,
    Refused,
    Unknown,
    Value,
    has_unknown,
    is_late,
    kind_of,
    label_of,
    late,
    same,
    unknown,
)

# these do their work on the text of a stand-in; of the others the result is a stand-in too
_TEXTUAL = frozenset(
    [
        "any",
        "array",
        "coalesce",
        "concat",
        "empty",
        "extensionResourceId",
        "fail",
        "format",
        "guid",
        "join",
        "resourceGroup",
        "resourceId",
        "string",
        "subscription",
        "subscriptionResourceId",
        "tenantResourceId",
        "uniqueString",
    ]
)
_ORDER: dict[str, Callable[[Value, Value], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


class Reference:
    """A resource or module as an expression sees it."""

    symbol: str

    def member(self, key: str, *, safe: bool) -> Value:
        """What `reference.key` gives; Refused if nothing."""
        raise NotImplementedError

    def child(self, name: str) -> Value:
        """What `reference::name` gives; Refused if nothing."""
        raise Refused(f"{self.symbol} has no {name} inside")


def member(target: Value, key: Value, *, safe: bool) -> Value:
    """What `target.key` or `target[key]` gives.

    Raises:
        Refused: If there is nothing and it must not be missing.
    """
    if isinstance(target, Unknown):
        inside = f"[{label_of(key)}]" if isinstance(key, int) or has_unknown(key) else f".{key}"
        return unknown(f"{label_of(target)}{inside}")
    if isinstance(target, list):
        at = a_number(key)
        if 0 <= at < len(target):
            return target[at]
        if safe:
            return None
        raise Refused(f"there is no item {at} among {len(target)}")
    if not isinstance(key, str):
        raise Refused(f"a key must be a text, not {kind_of(key)}")
    if isinstance(target, Reference):
        return target.member(key, safe=safe)
    if isinstance(target, Partial):
        return target.member(key)
    properties = target.properties if isinstance(target, Place) else target
    if not isinstance(properties, dict):
        raise Refused(f"{kind_of(target)} has no property {key}")
    if key not in properties and not safe:
        raise Refused(f"there is no property {key}; there are: {', '.join(properties) or 'none'}")
    return properties.get(key)


def method(target: Value, name: str, values: list[Value]) -> Value:
    """A function called on a resource, as `listKeys` or `getSecret`: Azure knows the answer.

    Raises:
        Refused: If there is none like that.
    """
    if not isinstance(target, Reference):
        raise Refused(f"{kind_of(target)} has no function {name}")
    if name != "getSecret" and list_function(name) is None:
        raise Refused(f"a resource has no function {name}")
    inside = ", ".join(label_of(each) for each in values)
    return unknown(f"{target.symbol}.{name}({inside})")


def applied(known: Function, values: list[Value]) -> Value:
    """A function's result, a stand-in if it needs what only Azure knows.

    Raises:
        Refused: If it cannot work with the values.
    """
    if not known.accepts(len(values)):
        raise Refused(f"does not take {len(values)} values")
    unknowable = any(has_unknown(each) for each in values)
    whole = known.name in _TEXTUAL and not any(isinstance(each, list) for each in values)
    if unknowable and not whole:
        return unknown(f"{known.name}({', '.join(label_of(each) for each in values)})")
    found = known.run(*values)
    return late(found) if is_late(values) else found


def truth(value: Value) -> bool:
    """The value, if it is true or false; Refused if not."""
    if not isinstance(value, bool):
        raise Refused(f"true or false is needed, got {kind_of(value)}")
    return value


def negated(operator: str, value: Value) -> Value:
    """`!value` or `-value`; Refused if that is nothing."""
    if has_unknown(value):
        return unknown(f"{operator}{label_of(value)}")
    return not truth(value) if operator == "!" else -a_number(value)


def compared(operator: str, left: Value, right: Value) -> Value:
    """A comparison or a sum; Refused if there is none."""
    if has_unknown(left) or has_unknown(right):
        return unknown(f"{label_of(left)} {operator} {label_of(right)}")
    if operator in {"==", "!="}:
        return same(left, right) is (operator == "==")
    if operator in {"=~", "!~"}:
        if not (isinstance(left, str) and isinstance(right, str)):
            raise Refused(f"{operator} compares texts")
        return (left.lower() == right.lower()) is (operator == "=~")
    if operator in _ORDER:
        if not (isinstance(left, str) and isinstance(right, str)):
            a_number(left), a_number(right)
        return _ORDER[operator](left, right)
    return _sum(operator, a_number(left), a_number(right))


def _sum(operator: str, left: int, right: int) -> int:
    if operator in {"/", "%"} and right == 0:
        raise Refused("division by zero")
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    return quotient if operator == "/" else left - right * quotient
