"""Settings as a person is told of them: name, default, what is taken, and what it means."""

from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from deepkt_irt.errors import UsageError
from deepkt_irt.settings import Settings

_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "pattern": "like"}


def settings_of(part: str | None) -> list[dict[str, Any]]:
    """Each setting of a part, or of all.

    Raises:
        UsageError: If there is no such part.
    """
    parts = Settings.model_fields
    if part is not None and part not in parts:
        raise UsageError(f"no settings {part}; there are: {', '.join(parts)}")
    shown: dict[str, Any] = {name: parts[name].annotation for name in ([part] if part else parts)}
    return [
        {
            "name": f"{name}.{field}",
            "default": facts.default,
            "takes": _takes(facts),
            "meaning": facts.description,
        }
        for name, kind in shown.items()
        for field, facts in kind.model_fields.items()
    ]


def _takes(facts: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(each, name)}"
        for each in facts.metadata
        for name, sign in _BOUNDS.items()
        if getattr(each, name, None) is not None
    ]
    return ", ".join([_kind(facts.annotation), *bounds])


def _kind(annotation: Any) -> str:  # noqa: ANN401 - a type or what stands for several
    parts = [each for each in get_args(annotation) if each is not ...]
    if get_origin(annotation) is Literal:
        return " or ".join(map(str, parts))
    if get_origin(annotation) is tuple:
        return f"several of {_kind(parts[0])}"
    names = {type(None): "null", int: "whole number", float: "number", bool: "true or false"}
    if parts:
        return " or ".join(map(_kind, parts))
    return names.get(annotation, "text")
