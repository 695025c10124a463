"""How the files of a source look: which file feeds which bronze table, and what a row must be.

Columns are matched by header name, never by position. Columns not named in a layout are kept
as JSON where the table has a column for them (`extras`, `body`); elsewhere they are left unread,
and the ingest names them. Objects of a JSON file are made flat first (`Document`), and stand as a
whole beside what is used of them.
"""

import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from deepkt_irt.sources.canonical import Canonical, Raw, Scope
from deepkt_irt.tables.contract import Table

Rule = Callable[[str], str | None]
"""Says what is wrong with a value, or None."""


@dataclass(frozen=True)
class Field:
    """One column of a file.

    Attributes:
        header: Name in the file.
        column: Name in the bronze table.
        required: Whether a file without it is refused.
        rule: What a value that is not empty must be; None: any text.
        filled: Whether an empty value is refused.
        free_text: Whether bytes that are no UTF-8 are kept as escapes; else they refuse the row.
        absent: Texts that stand for no value, as an empty one does.
    """

    header: str
    column: str
    required: bool = True
    rule: Rule | None = None
    filled: bool = False
    free_text: bool = False
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Document:
    """How the JSON objects of a file become rows.

    Attributes:
        list_name: Member of an envelope that holds a list of objects.
        flat: An object as text by header; what it lacks is left out. It takes any JSON object.
        whole: Header under which the object stands as a whole, as JSON on one line.
    """

    list_name: str
    flat: Callable[[Mapping[str, Any]], dict[str, str]]
    whole: str


@dataclass(frozen=True)
class Layout:
    """One kind of file of a source.

    Attributes:
        table: Bronze table the rows go to.
        patterns: File names it goes by; compressed ones end in .gz beside.
        fields: Columns read.
        rest: Column that takes all other columns as JSON; empty: they are left unread.
        needed: Headers a file must have although they go to the rest.
        constants: Values written beside what the file has.
        row_number: Column that takes the record's number; empty: none does.
        document: How JSON becomes rows; None: the file is CSV.
    """

    table: Table
    patterns: tuple[str, ...]
    fields: tuple[Field, ...]
    rest: str = ""
    needed: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    row_number: str = ""
    document: Document | None = None

    @property
    def label(self) -> str:
        """What this kind of file is called: the name it goes by."""
        return self.patterns[0] if self.patterns else self.table.name

    def matches(self, name: str) -> bool:
        """Whether a file of that name has this layout."""
        plain = name.removesuffix(".gz").lower()
        return any(fnmatch.fnmatch(plain, pattern) for pattern in self.patterns)


@dataclass(frozen=True)
class Source:
    """One source system.

    Attributes:
        name: As given to --source.
        layouts: Its files; the first that matches a name counts.
        canonical: Bronze frames of the source to canonical ones.
        scope: How to work out again only what new rows can change.
        mapped: Whether the layout depends on a mapping kept beside each file.
    """

    name: str
    layouts: tuple[Layout, ...]
    canonical: Callable[[Raw], Canonical]
    scope: Scope
    mapped: bool = False

    @property
    def takes(self) -> str:
        """The names its files go by, in words."""
        patterns = dict.fromkeys(p for layout in self.layouts for p in layout.patterns)
        return f"it takes {', '.join(patterns)}, each also as .gz, and .zip files of them"

    def layout_of(self, name: str) -> Layout | None:
        """The layout of a file by its name; None if the source has no such file."""
        return next((layout for layout in self.layouts if layout.matches(name)), None)


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_ISO_8601 = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1900, 2199  # nanoseconds, in which pandas counts, reach from 1678 to 2262
_END_OF_TIME_SECONDS = 7_258_118_400  # the year 2200
_LARGEST_OFFSET = timedelta(hours=18)  # that Spark reads
EPOCH_MILLISECONDS_FROM = 1e11  # as seconds this is the year 5138

_GRADES = frozenset({"0", "1", "0.0", "1.0", "true", "false"})  # what files in the wild write

# Rules look past blanks alone, since these are all that is trimmed where the values are used: a
# tab or a no-break space behind a 1 would make the answer a wrong one.


def graded(value: str) -> str | None:
    """A rule: the value says right or wrong."""
    return None if value.strip(" ").lower() in _GRADES else "expected 0 or 1"


def number(value: str) -> str | None:
    """A rule: the value is a decimal number that a double can hold."""
    return "expected a number" if _double(value) is None else None


def share(value: str) -> str | None:
    """A rule: the value is a number from 0 to 1."""
    found = _double(value)
    return None if found is not None and 0 <= found <= 1 else "expected a number from 0 to 1"


def _double(value: str) -> float | None:
    """The decimal number a text writes; None if it is none, or beyond a double."""
    text = value.strip(" ")
    if not _NUMBER.fullmatch(text):
        return None
    found = float(text)
    return found if isfinite(found) else None


# weeks, or days, hours, minutes and seconds: a year or a month has no fixed length
_DURATION = re.compile(
    r"P(?=\d|T\d)(\d{1,6}(\.\d+)?W|(\d{1,6}(\.\d+)?D)?"
    r"(T(?=\d)(\d{1,9}(\.\d+)?H)?(\d{1,9}(\.\d+)?M)?(\d{1,9}(\.\d+)?S)?)?)",
    re.ASCII,
)


def duration(value: str) -> str | None:
    """A rule: the value is an ISO 8601 duration without years and months."""
    if _DURATION.fullmatch(value.strip(" ")):
        return None
    return "expected an ISO 8601 duration such as PT12.5S, without years and months"


def epoch_seconds(value: str) -> str | None:
    """A rule: the value is a number of seconds since 1970 and before the year 2200."""
    found = _double(value)
    return (
        None
        if found is not None and 0 <= found < _END_OF_TIME_SECONDS
        else ("expected seconds since 1970")
    )


def instant(value: str) -> str | None:
    """A rule: the value is epoch seconds, epoch milliseconds or ISO 8601 text, of 1900 to 2199."""
    text = value.strip(" ")
    if _ISO_8601.fullmatch(text):
        return _wrong_time(text)
    found = _double(text)
    if found is None:
        return "expected epoch seconds, epoch milliseconds or ISO 8601"
    seconds = found / 1000 if found >= EPOCH_MILLISECONDS_FROM else found
    return None if 0 <= seconds < _END_OF_TIME_SECONDS else _WRONG_YEAR


def day(value: str) -> str | None:
    """A rule: the value is a day of 1900 to 2199."""
    text = value.strip(" ")
    return _wrong_time(text) if _DAY.fullmatch(text) else "expected a day such as 2026-08-31"


_WRONG_YEAR = f"expected a time from {_FIRST_YEAR} to {_LAST_YEAR}; numbers from 1970 on"


def _wrong_time(text: str) -> str | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return "expected a time that exists"
    if abs(time.utcoffset() or timedelta()) > _LARGEST_OFFSET:
        return "expected an offset of at most 18 hours"
    return None if _FIRST_YEAR <= time.year <= _LAST_YEAR else _WRONG_YEAR


_ISO_DAY = r"(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])"
_ISO_TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?(Z|[+-](0\d|1[0-3]):[0-5]\d)?"
_FRACTION = r"(\.\d{1,15})?"
_EPOCH = r"([0-6]?\d{1,9}|[1-9]\d{11}|[1-6]\d{12})"  # seconds, or milliseconds
_CERTAIN: dict[Rule, str] = {
    graded: "^[01]$",
    number: rf"^\d{{1,15}}{_FRACTION}$",
    share: rf"^(0{_FRACTION}|1(\.0{{1,15}})?)$",
    epoch_seconds: rf"^[0-6]?\d{{1,9}}{_FRACTION}$",
    instant: rf"^({_EPOCH}{_FRACTION}|{_ISO_DAY}([T ]{_ISO_TIME})?)$",
    day: rf"^{_ISO_DAY}$",
}


def certain(field: Field) -> str | None:
    """A regular expression (RE2) that only values match against which nothing speaks, for speed.

    Returns:
        None if there is none: each value must be judged.
    """
    if field.rule is not None:
        return _CERTAIN.get(field.rule)
    return "[!-~]" if field.filled else None
