"""Functions of Bicep that work on texts and numbers, and the register of all pure ones."""

import base64
import binascii
import hashlib
import ipaddress
import json
import re
import urllib.parse
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from deepkt_irt.azure.bicep.values import Refused, Value, as_json, kind_of, same

# stand-ins must never change, as names of resources hang on them
_NAMESPACE = uuid.UUID("9f2c8a54-3c0e-5f53-8a7a-6b1d0e4f7c21")
_HOLE = re.compile(r"\{\{|\}\}|\{(\d+)(?::([A-Za-z])(\d*))?\}")


@dataclass(frozen=True)
class Function:
    """A function with how many values it takes; `most` None for any number."""

    name: str
    least: int
    most: int | None
    run: Callable[..., Value]

    def accepts(self, count: int) -> bool:
        """Whether it can be called with so many values."""
        return self.least <= count and (self.most is None or count <= self.most)


FUNCTIONS: dict[str, Function] = {}


def function[**P, R](
    name: str, least: int, most: int | None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Enter a function into the register."""

    def enter(run: Callable[P, R]) -> Callable[P, R]:
        FUNCTIONS[name] = Function(name, least, most, run)
        return run

    return enter


# --- what a value must be


def a_text(value: Value) -> str:
    """The value, if it is a text."""
    if not isinstance(value, str):
        raise Refused(f"needs a text, got {kind_of(value)}")
    return value


def a_number(value: Value) -> int:
    """The value, if it is a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(f"needs a number, got {kind_of(value)}")
    return value


def a_list(value: Value) -> list[Value]:
    """The value, if it is an array."""
    if not isinstance(value, list):
        raise Refused(f"needs an array, got {kind_of(value)}")
    return value


def an_object(value: Value) -> dict[str, Value]:
    """The value, if it is an object."""
    if not isinstance(value, dict):
        raise Refused(f"needs an object, got {kind_of(value)}")
    return value


# --- texts


def as_text(value: Value) -> str:
    """A value as it reads in a text; true and false are capitalised there, as ARM does it."""
    if isinstance(value, str):
        return str(value)
    if value is None:
        return ""
    return str(value) if isinstance(value, bool | int) else as_json(value)


@function("format", 1, None)
def _format(pattern: Value, *values: Value) -> str:
    def filled(hole: re.Match[str]) -> str:
        if hole[1] is None:
            return hole[0][0]
        if int(hole[1]) >= len(values):
            raise Refused(f"there is no value for {hole[0]}")
        value = values[int(hole[1])]
        if hole[2] is None:
            return as_text(value)
        if hole[2] not in "Dd":
            raise Refused(f"{hole[0]} is not supported")
        return f"{a_number(value):0{int(hole[3] or 1)}d}"

    return _HOLE.sub(filled, a_text(pattern))


@function("toLower", 1, 1)
def _to_lower(text: Value) -> str:
    return a_text(text).lower()


@function("toUpper", 1, 1)
def _to_upper(text: Value) -> str:
    return a_text(text).upper()


@function("trim", 1, 1)
def _trim(text: Value) -> str:
    return a_text(text).strip()


@function("replace", 3, 3)
def _replace(text: Value, old: Value, new: Value) -> str:
    return a_text(text).replace(a_text(old), a_text(new))


@function("split", 2, 2)
def _split(text: Value, delimiters: Value) -> list[str]:
    marks = delimiters if isinstance(delimiters, list) else [delimiters]
    cut = "|".join(re.escape(a_text(each)) for each in marks)
    return re.split(cut, a_text(text)) if cut else [a_text(text)]


@function("join", 2, 2)
def _join(items: Value, delimiter: Value) -> str:
    return a_text(delimiter).join(as_text(each) for each in a_list(items))


@function("substring", 2, 3)
def _substring(text: Value, start: Value, length: Value = None) -> str:
    whole, at = a_text(text), a_number(start)
    end = len(whole) if length is None else at + a_number(length)
    if not 0 <= at <= end <= len(whole):
        raise Refused(f"{whole!r} has no characters {at} to {end}")
    return whole[at:end]


@function("padLeft", 2, 3)
def _pad_left(value: Value, width: Value, character: Value = " ") -> str:
    if len(a_text(character)) != 1:
        raise Refused("fills up with one character")
    return as_text(value).rjust(a_number(width), character)


@function("startsWith", 2, 2)
def _starts_with(text: Value, start: Value) -> bool:
    return a_text(text).lower().startswith(a_text(start).lower())


@function("endsWith", 2, 2)
def _ends_with(text: Value, end: Value) -> bool:
    return a_text(text).lower().endswith(a_text(end).lower())


@function("indexOf", 2, 2)
def _index_of(where: Value, what: Value) -> int:
    if isinstance(where, list):
        return next((at for at, each in enumerate(where) if same(each, what)), -1)
    return a_text(where).lower().find(a_text(what).lower())


@function("lastIndexOf", 2, 2)
def _last_index_of(where: Value, what: Value) -> int:
    if isinstance(where, list):
        found = [at for at, each in enumerate(where) if same(each, what)]
        return found[-1] if found else -1
    return a_text(where).lower().rfind(a_text(what).lower())


@function("uniqueString", 1, None)
def _unique_string(*texts: Value) -> str:
    """Thirteen letters and digits from a hash; Azure's own differ."""
    digest = hashlib.sha256("\x1f".join(map(a_text, texts)).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:13]


@function("guid", 1, None)
def _guid(*texts: Value) -> str:
    """A UUID from a hash; Azure's own differ."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(map(a_text, texts))))


# --- conversions


@function("string", 1, 1)
def _string(value: Value) -> str:
    return as_text(value)


@function("int", 1, 1)
def _int(value: Value) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not re.fullmatch(r"\s*[+-]?\d+\s*", a_text(value)):
        raise Refused(f"{value!r} is no whole number")
    return int(value)


@function("bool", 1, 1)
def _bool(value: Value) -> bool:
    if isinstance(value, bool | int):
        return bool(value)
    known = {"true": True, "1": True, "false": False, "0": False}
    if a_text(value).lower() not in known:
        raise Refused(f"{value!r} is neither true nor false")
    return known[value.lower()]


@function("json", 1, 1)
def _json(text: Value) -> Value:
    try:
        return json.loads(a_text(text))
    except json.JSONDecodeError as error:
        raise Refused(f"the text is no JSON: {error}") from error


@function("any", 1, 1)
def _any(value: Value) -> Value:
    return value


@function("coalesce", 1, None)
def _coalesce(*values: Value) -> Value:
    return next((each for each in values if each is not None), None)


@function("base64", 1, 1)
def _base64(text: Value) -> str:
    return base64.b64encode(a_text(text).encode()).decode()


@function("base64ToString", 1, 1)
def _base64_to_string(text: Value) -> str:
    try:
        return base64.b64decode(a_text(text), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused("the text is no base64") from error


@function("base64ToJson", 1, 1)
def _base64_to_json(text: Value) -> Value:
    return _json(_base64_to_string(text))


@function("uri", 2, 2)
def _uri(base: Value, relative: Value) -> str:
    return urllib.parse.urljoin(a_text(base), a_text(relative))


@function("uriComponent", 1, 1)
def _uri_component(text: Value) -> str:
    return urllib.parse.quote(a_text(text), safe="")


@function("uriComponentToString", 1, 1)
def _uri_component_to_string(text: Value) -> str:
    return urllib.parse.unquote(a_text(text))


@function("fail", 1, 1)
def _fail(message: Value) -> Value:
    raise Refused(a_text(message))


# --- numbers and addresses


def _numbers(values: tuple[Value, ...]) -> list[int]:
    found = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    if not found:
        raise Refused("needs at least one number")
    return [a_number(each) for each in found]


@function("min", 1, None)
def _min(*values: Value) -> int:
    return min(_numbers(values))


@function("max", 1, None)
def _max(*values: Value) -> int:
    return max(_numbers(values))


@function("range", 2, 2)
def _range(start: Value, count: Value) -> list[int]:
    if not 0 <= a_number(count) <= 10_000:
        raise Refused("counts from 0 to 10000")
    return list(range(a_number(start), a_number(start) + count))


@function("cidrSubnet", 3, 3)
def _cidr_subnet(network: Value, prefix: Value, index: Value) -> str:
    try:
        whole = ipaddress.ip_network(a_text(network))
        longer = a_number(prefix) - whole.prefixlen
        if not (longer >= 0 and 0 <= a_number(index) < 2**longer):
            raise Refused(f"{network} has no part {index} of size /{prefix}")
        size = 2 ** (whole.max_prefixlen - prefix)
        first = whole.network_address + index * size
    except ValueError as error:
        raise Refused(str(error)) from error
    return f"{first}/{prefix}"


@function("cidrHost", 2, 2)
def _cidr_host(network: Value, index: Value) -> str:
    try:
        return str(ipaddress.ip_network(a_text(network))[a_number(index) + 1])
    except (ValueError, IndexError) as error:
        raise Refused(str(error)) from error
