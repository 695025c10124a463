"""The functions of Data Factory's expressions, as plain functions of JSON values.

They refuse what is not of the documented type, where the service might convert: TypeError,
ValueError.
"""

import base64
import json
import math
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from deepkt_irt.azure.factory.expression_times import (
    add_to_time,
    adder,
    format_time,
    integer,
    number,
    parse_time,
    start_of,
    subtract_from_time,
    ticks,
)

type Json = Any

MANY = 1000  # where a function takes any number of arguments


def as_text(value: Json) -> str:
    """A JSON value in the middle of a text, or as a column: True, 1.5, compact JSON, no null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, str | int):
        return str(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{as_text(value) or 'null'} is no text")
    return value


def _boolean(value: Json) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is no Boolean")
    return value


def _array(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no array")
    return value


def _sequence(value: Json) -> Any:  # noqa: ANN401 - a text or an array
    if not isinstance(value, str | list):
        raise TypeError(f"{value!r} is neither text nor array")
    return value


def _substring(text: Json, start: Json, length: Json) -> str:
    whole, begin, count = _text(text), integer(start), integer(length)
    if begin < 0 or count < 0 or begin + count > len(whole):
        raise ValueError(f"{begin} and {count} more characters are not within {whole!r}")
    return whole[begin : begin + count]


def _contains(collection: Json, value: Json) -> bool:
    if isinstance(collection, str):
        return _text(value) in collection
    if not isinstance(collection, dict | list):
        raise TypeError(f"{collection!r} holds nothing")
    return value in collection


def _empty(value: Json) -> bool:
    if value is not None and not isinstance(value, str | list | dict):
        raise TypeError(f"{value!r} is neither text, array nor object")
    return not value


def _end(value: Json, index: int) -> Json:
    sequence = _sequence(value)
    return sequence[index] if sequence else None


def _union(*collections: Json) -> Json:
    if all(isinstance(each, dict) for each in collections):
        return {key: value for each in collections for key, value in each.items()}
    result: list[Json] = []
    for each in collections:
        result += [item for item in _array(each) if item not in result]
    return result


def _intersection(*collections: Json) -> Json:
    first, rest = collections[0], collections[1:]
    if all(isinstance(each, dict) for each in collections):
        missing = object()
        return {k: v for k, v in first.items() if all(o.get(k, missing) == v for o in rest)}
    return [each for each in _union(first) if all(each in _array(other) for other in rest)]


def _compare(left: Json, right: Json, holds: Callable[[Any, Any], bool]) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return holds(left, right)
    return holds(number(left), number(right))


def _int(value: Json) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+\s*", value):
        return int(value)
    return integer(int(value) if isinstance(value, float) and value.is_integer() else value)


def _float(value: Json) -> float:
    try:
        return float(value) if isinstance(value, str) else float(number(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is no number") from error


def _bool(value: Json) -> bool:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    return bool(number(value)) if not isinstance(value, bool) else value


def _div(left: Json, right: Json) -> int | float:
    if isinstance(left, float) or isinstance(right, float):
        return number(left) / number(right)
    quotient = abs(integer(left)) // abs(integer(right))
    return quotient if (left < 0) == (right < 0) else -quotient


def _mod(left: Json, right: Json) -> int | float:
    result = math.fmod(number(left), number(right))
    return int(result) if isinstance(left, int) and isinstance(right, int) else result


def _numbers(values: tuple[Json, ...]) -> list[int | float]:
    return [number(each) for each in (values[0] if isinstance(values[0], list) else values)]


def _range(start: Json, count: Json) -> list[int]:
    return list(range(integer(start), integer(start) + integer(count)))


def _encoded(value: Json) -> str:
    return quote(_text(value), safe="")


FUNCTIONS: dict[str, Callable[..., Json]] = {
    "concat": lambda *parts: (
        [item for each in parts for item in each]
        if all(isinstance(each, list) for each in parts)
        else "".join(as_text(each) for each in parts)
    ),
    "substring": _substring,
    "replace": lambda text, old, new: _text(text).replace(_text(old), _text(new)),
    "toLower": lambda text: _text(text).lower(),
    "toUpper": lambda text: _text(text).upper(),
    # these four do not mind the case, contains and replace do
    "indexOf": lambda text, part: _text(text).lower().find(_text(part).lower()),
    "lastIndexOf": lambda text, part: _text(text).lower().rfind(_text(part).lower()),
    "startsWith": lambda text, part: _text(text).lower().startswith(_text(part).lower()),
    "endsWith": lambda text, part: _text(text).lower().endswith(_text(part).lower()),
    "split": lambda text, separator: _text(text).split(_text(separator)),
    "trim": lambda text: _text(text).strip(),
    "contains": _contains,
    "empty": _empty,
    "first": lambda value: _end(value, 0),
    "last": lambda value: _end(value, -1),
    "length": lambda value: len(_sequence(value)),
    "join": lambda items, separator: _text(separator).join(as_text(each) for each in _array(items)),
    "union": _union,
    "intersection": _intersection,
    "skip": lambda items, count: _array(items)[max(integer(count), 0) :],
    "take": lambda items, count: _sequence(items)[: max(integer(count), 0)],
    "createArray": lambda *items: list(items),
    "array": lambda value: [value],
    "and": lambda left, right: bool(_boolean(left) & _boolean(right)),
    "or": lambda left, right: bool(_boolean(left) | _boolean(right)),
    "not": lambda value: not _boolean(value),
    "equals": lambda left, right: bool(left == right),
    "greater": lambda left, right: _compare(left, right, lambda a, b: a > b),
    "greaterOrEquals": lambda left, right: _compare(left, right, lambda a, b: a >= b),
    "less": lambda left, right: _compare(left, right, lambda a, b: a < b),
    "lessOrEquals": lambda left, right: _compare(left, right, lambda a, b: a <= b),
    "coalesce": lambda *values: next((each for each in values if each is not None), None),
    "int": _int,
    "float": _float,
    "string": as_text,
    "bool": _bool,
    "json": lambda text: json.loads(_text(text)),
    "add": lambda left, right: number(left) + number(right),
    "sub": lambda left, right: number(left) - number(right),
    "mul": lambda left, right: number(left) * number(right),
    "div": _div,
    "mod": _mod,
    "min": lambda *values: min(_numbers(values)),
    "max": lambda *values: max(_numbers(values)),
    "range": _range,
    "addDays": adder(timedelta(days=1)),
    "addHours": adder(timedelta(hours=1)),
    "addMinutes": adder(timedelta(minutes=1)),
    "addSeconds": adder(timedelta(seconds=1)),
    "addToTime": add_to_time,
    "subtractFromTime": subtract_from_time,
    "startOfHour": start_of(),
    "startOfDay": start_of(hour=0),
    "startOfMonth": start_of(hour=0, day=1),
    "dayOfWeek": lambda value: parse_time(value).isoweekday() % 7,
    "formatDateTime": format_time,
    "ticks": ticks,
    "uriComponent": _encoded,
    "encodeUriComponent": _encoded,
    "base64": lambda text: base64.b64encode(_text(text).encode()).decode(),
}

_BY_NUMBER: dict[tuple[int, int], str] = {
    (0, 1): "utcNow",
    (1, 1): "toLower toUpper trim empty first last length array not int float string bool json "
    "dayOfWeek ticks uriComponent encodeUriComponent base64",
    (1, 2): "startOfDay startOfHour startOfMonth formatDateTime",
    (2, 2): "indexOf lastIndexOf startsWith endsWith split contains join skip take and or equals "
    "greater greaterOrEquals less lessOrEquals add sub mul div mod range",
    (2, 3): "addDays addHours addMinutes addSeconds",
    (3, 3): "substring replace if",
    (3, 4): "addToTime subtractFromTime",
    (1, MANY): "concat union intersection createArray coalesce min max",
}
# name of each function: fewest and most arguments
ARITIES = {name: span for span, names in _BY_NUMBER.items() for name in names.split()}
