"""Timestamps in expressions: reading, .NET formats, and counting on."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from deepkt_irt.errors import UsageError

type Json = Any

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_STANDARD = {
    "o": "yyyy-MM-ddTHH:mm:ss.fffffffK",
    "O": "yyyy-MM-ddTHH:mm:ss.fffffffK",
    "s": "yyyy-MM-ddTHH:mm:ss",
    "u": "yyyy-MM-dd HH:mm:ssZ",
    "d": "MM/dd/yyyy",
}
_TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|\\.|y+|M+|d+|H+|h+|m+|s+|f+|t+|K|g+|z+|F+|%|.", re.DOTALL)
_STAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,7}))?)?)?(Z|\+00:00)?"
)
_SPAN = re.compile(r"(?:(\d+)\.)?(\d\d):(\d\d):(\d\d)")
_SPANS = {
    "Second": timedelta(seconds=1),
    "Minute": timedelta(minutes=1),
    "Hour": timedelta(hours=1),
    "Day": timedelta(days=1),
    "Week": timedelta(weeks=1),
}


def number(value: Json) -> int | float:
    """The value, if it is a number.

    Raises:
        TypeError: If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value


def integer(value: Json) -> int:
    """The value, if it is a whole number.

    Raises:
        TypeError: If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def parse_time(value: Json) -> datetime:
    """A timestamp of an expression; one without a zone stays without.

    Raises:
        ValueError: If it is none, or is in another zone than UTC.
    """
    if isinstance(value, datetime):
        return value
    found = _STAMP.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f"{value!r} is no timestamp such as 2026-08-02T02:00:00Z")
    year, month, day, hour, minute, second = (int(each or 0) for each in found.groups()[:6])
    fraction = int((found.group(7) or "").ljust(7, "0")[:6])  # ticks are cut to microseconds
    zone = UTC if found.group(8) else None
    return datetime(year, month, day, hour, minute, second, fraction, zone)


def format_time(value: Json, form: str = "o") -> str:
    """A timestamp in a .NET format, standard (o, s, u, d) or custom, in English.

    Raises:
        ValueError: If the format has a letter that means something else to .NET.
    """
    if not isinstance(form, str) or not form:
        raise ValueError(f"{form!r} is no format")
    if len(form) == 1 and form not in _STANDARD:
        raise ValueError(f"the standard format {form!r} is not known here")
    moment = parse_time(value)
    return "".join(_token(each, moment) for each in _TOKEN.findall(_STANDARD.get(form, form)))


def _token(token: str, at: datetime) -> str:
    if token[0] in "'\"":
        return token[1:-1]
    if token[0] == "\\":
        return token[1:]
    if token[0] == "f" and len(token) <= 7:
        return f"{at.microsecond * 10:07d}"[: len(token)]
    hour = at.hour % 12 or 12
    values = {
        "yyyy": f"{at.year:04d}", "yy": f"{at.year % 100:02d}",
        "MMMM": _MONTHS[at.month - 1], "MMM": _MONTHS[at.month - 1][:3],
        "MM": f"{at.month:02d}", "M": str(at.month),
        "dddd": _DAYS[at.weekday()], "ddd": _DAYS[at.weekday()][:3],
        "dd": f"{at.day:02d}", "d": str(at.day),
        "HH": f"{at.hour:02d}", "H": str(at.hour), "hh": f"{hour:02d}", "h": str(hour),
        "mm": f"{at.minute:02d}", "m": str(at.minute),
        "ss": f"{at.second:02d}", "s": str(at.second),
        "tt": "AM" if at.hour < 12 else "PM", "K": "Z" if at.tzinfo else "", "%": "",
    }  # fmt: skip
    if token in values:
        return values[token]
    if token[0] in "yMdHhmsftgzF":
        raise ValueError(f"the format token {token!r} is not known here")
    return token  # other characters stand for themselves


def _add(value: Json, span: timedelta, count: Json, form: str) -> str:
    moment, steps = parse_time(value), number(count)
    return format_time(moment + span * steps, form)


def adder(span: timedelta) -> Callable[..., str]:
    """A function that counts spans on."""
    return lambda value, count, form="o": _add(value, span, count, form)


def add_to_time(value: Json, count: Json, unit: Json, form: str = "o") -> str:
    """Count units on; a day that a month lacks becomes its last.

    Raises:
        ValueError: If there is no such unit.
    """
    moment, steps = parse_time(value), integer(count)
    if unit in _SPANS:
        return format_time(moment + _SPANS[unit] * steps, form)
    if unit not in {"Month", "Year"}:
        raise ValueError(f"{unit!r} is no unit: Second, Minute, Hour, Day, Week, Month, Year")
    months = moment.year * 12 + moment.month - 1 + steps * (12 if unit == "Year" else 1)
    first = moment.replace(year=months // 12, month=months % 12 + 1, day=1)
    last = ((first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
    return format_time(first.replace(day=min(moment.day, last)), form)


def subtract_from_time(value: Json, count: Json, unit: Json, form: str = "o") -> str:
    """Count units back."""
    return add_to_time(value, -integer(count), unit, form)


def start_of(**smaller: int) -> Callable[..., str]:
    """A function that sets the smaller parts of a timestamp to their start."""
    parts: dict[str, Any] = {"minute": 0, "second": 0, "microsecond": 0, **smaller}
    return lambda value, form="o": format_time(parse_time(value).replace(**parts), form)


def ticks(value: Json) -> int:
    """Steps of 100 nanoseconds since year 1."""
    moment = parse_time(value).replace(tzinfo=UTC)
    return (moment - datetime(1, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10


def parse_span(value: Json) -> timedelta:
    """A duration `d.hh:mm:ss` or `hh:mm:ss`.

    Raises:
        UsageError: If it is none.
    """
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise UsageError(f"{value!r} is no duration such as 0.12:00:00")
    days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
