"""What a parameter or output may hold: types and the decorators that narrow them."""

from collections.abc import Callable, Mapping

from deepkt_irt.azure.bicep.functions import as_text
from deepkt_irt.azure.bicep.syntax import (
    Array,
    Declaration,
    Decorator,
    Expression,
    Literal,
    Object,
    Type,
)
from deepkt_irt.azure.bicep.values import Place, Refused, Unknown, Value, kind_of, same

_SIMPLE: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "int": int,
    "bool": bool,
    "array": list,
    "object": (dict, Place),
}
SIMPLE_TYPES = frozenset(_SIMPLE)
_DECORATORS = {
    "param": {
        "description", "metadata", "allowed", "secure",
        "minLength", "maxLength", "minValue", "maxValue",
    },
    "var": {"description"},
    "resource": {"description", "batchSize", "onlyIfNotExists"},
    "module": {"description", "batchSize"},
    "output": {"description", "metadata", "secure"},
    "func": {"description"},
    "type": {"description"},
}  # fmt: skip
_LIMITS: dict[str, tuple[Callable[[Value], int], int, str]] = {
    "minLength": (len, 1, "is shorter than"),
    "maxLength": (len, -1, "is longer than"),
    "minValue": (int, 1, "is below"),
    "maxValue": (int, -1, "is above"),
}
Aliases = Mapping[str, Type]


def constant(tree: Expression) -> Value:
    """The value of an expression that refers to nothing.

    Raises:
        Refused: If it refers to something.
    """
    if isinstance(tree, Literal):
        return tree.value
    if isinstance(tree, Array):
        return [constant(each) for each in tree.items]
    if isinstance(tree, Object):
        return {as_text(constant(key)): constant(value) for key, value in tree.entries}
    raise Refused("a value that is written out is needed")


def described(declaration: Declaration) -> str | None:
    """The text of `@description`; None if there is none."""
    decorator = declaration.decorator("description")
    return as_text(argument(decorator)) if decorator else None


def argument(decorator: Decorator) -> Value:
    """The one value of a decorator; Refused if there is not just one, written out."""
    if len(decorator.arguments) != 1:
        raise Refused(f"@{decorator.name} takes one value")
    return constant(decorator.arguments[0])


def check_decorators(declaration: Declaration) -> None:
    """Refused if a decorator is unknown there, has no proper value or does not suit the type."""
    for each in declaration.decorators:
        if each.name not in _DECORATORS[declaration.kind]:
            raise Refused(f"@{each.name} is not supported on {declaration.kind} {declaration.name}")
        if each.name in {"secure", "onlyIfNotExists"}:
            if each.arguments:
                raise Refused(f"@{each.name} takes no value")
            continue
        value = argument(each)
        wanted = {"description": str, "metadata": dict, "allowed": list}.get(each.name, int)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise Refused(f"@{each.name} does not take {kind_of(value)}")


def problem_of(declaration: Declaration, value: Value, aliases: Aliases) -> str | None:
    """What is wrong with the value of a parameter or output; None if nothing is."""
    if declaration.type is None or isinstance(value, Unknown):
        return None
    wrong = _mismatch(declaration.type, value, aliases)
    if wrong or value is None:
        return wrong
    return _beyond_limits(declaration, value)


def _beyond_limits(declaration: Declaration, value: Value) -> str | None:
    allowed = declaration.decorator("allowed")
    if allowed:
        choices = argument(allowed)
        for each in value if isinstance(value, list) else [value]:
            if not any(same(each, choice) for choice in choices):
                shown = ", ".join(as_text(choice) for choice in choices)
                return f"{as_text(each)!r} is not allowed; choose from: {shown}"
    for name, (measure, sign, words) in _LIMITS.items():
        limit = declaration.decorator(name)
        if limit and sign * measure(value) < sign * argument(limit):
            return f"{as_text(value)!r} {words} {argument(limit)} (@{name})"
    return None


def accepts_null(declared: Type, aliases: Aliases) -> bool:
    """Whether null is a value of the type."""
    return _mismatch(declared, None, aliases) is None


def _mismatch(declared: Type, value: Value, aliases: Aliases) -> str | None:
    """What is wrong; a stand-in for what Azure gives fits everywhere."""
    if isinstance(value, Unknown):
        return None
    if declared.kind == "name" and declared.text in aliases:
        return _mismatch(aliases[declared.text], value, aliases)
    if declared.kind == "nullable":
        return None if value is None else _mismatch(declared.members[0], value, aliases)
    if declared.kind == "name":
        is_bool = isinstance(value, bool) and declared.text == "int"
        fits = isinstance(value, _SIMPLE[declared.text]) and not is_bool
        return None if fits else f"needs {declared.text}, got {kind_of(value)}"
    if declared.kind in {"array", "object"}:
        return _mismatch_inside(declared, value, aliases)
    if declared.kind == "literal":
        fits = same(declared.value, value)
    else:
        fits = any(_mismatch(each, value, aliases) is None for each in declared.members)
    return None if fits else f"{as_text(value)!r} is not {declared.text}"


def _mismatch_inside(declared: Type, value: Value, aliases: Aliases) -> str | None:
    if kind_of(value) != declared.kind:
        return f"needs {declared.text}, got {kind_of(value)}"
    if declared.kind == "array":
        found = [_mismatch(declared.members[0], each, aliases) for each in value]
        return next((f"item {at}: {each}" for at, each in enumerate(found) if each), None)
    for extra in value.keys() - set(declared.keys):
        return f"there is no property {extra} in {declared.text}"
    for key, member in zip(declared.keys, declared.members, strict=True):
        wrong = _mismatch(member, value.get(key), aliases)
        if wrong:
            return f"{key}: {wrong}"
    return None
