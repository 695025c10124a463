"""How the files of a source look: which file feeds which bronze table, and what a row must be.

Columns are matched by header name, never by position. Columns not named in a layout are kept
where the table has room for them (`extras`, `body`); elsewhere they are left unread, and the
ingest names them. Objects of a JSON file are made flat first (`Document`).
"""

import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
    """

    header: str
    column: str
    required: bool = True
    rule: Rule | None = None
    filled: bool = False
    free_text: bool = False


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

    def layout_of(self, name: str) -> Layout | None:
        """The layout of a file by its name; None if the source has no such file."""
        return next((layout for layout in self.layouts if layout.matches(name)), None)


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ISO_8601 = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_END_OF_TIME_SECONDS = 253_402_300_800  # the year 10000, where Python and Spark give up
EPOCH_MILLISECONDS_FROM = 1e11  # as seconds this is the year 5138

_GRADES = frozenset({"0", "1", "0.0", "1.0", "true", "false"})  # what files in the wild write


def graded(value: str) -> str | None:
    """A rule: the value says right or wrong."""
    return None if value.strip().lower() in _GRADES else "expected 0 or 1"


def number(value: str) -> str | None:
    """A rule: the value is a decimal number."""
    return None if _NUMBER.fullmatch(value.strip()) else "expected a number"


def share(value: str) -> str | None:
    """A rule: the value is a number from 0 to 1."""
    inside = _NUMBER.fullmatch(value.strip()) and 0 <= float(value) <= 1
    return None if inside else "expected a number from 0 to 1"


# weeks, or days, hours, minutes and seconds: a year or a month has no fixed length
_DURATION = re.compile(
    r"P(?=\d|T\d)(\d{1,6}(\.\d+)?W|(\d{1,6}(\.\d+)?D)?"
    r"(T(?=\d)(\d{1,9}(\.\d+)?H)?(\d{1,9}(\.\d+)?M)?(\d{1,9}(\.\d+)?S)?)?)",
    re.ASCII,
)


def duration(value: str) -> str | None:
    """A rule: the value is an ISO 8601 duration without years and months."""
    if _DURATION.fullmatch(value.strip()):
        return None
    return "expected an ISO 8601 duration such as PT12.5S, without years and months"


def epoch_seconds(value: str) -> str | None:
    """A rule: the value is a number of seconds since 1970 and before the year 10000."""
    if _NUMBER.fullmatch(value.strip()) and 0 <= float(value) < _END_OF_TIME_SECONDS:
        return None
    return "expected seconds since 1970"


def instant(value: str) -> str | None:
    """A rule: the value is epoch seconds, epoch milliseconds or ISO 8601 text."""
    text = value.strip()
    if _NUMBER.fullmatch(text):
        if 0 <= float(text) < _END_OF_TIME_SECONDS * 1000:
            return None
    elif _ISO_8601.fullmatch(text):
        try:
            datetime.fromisoformat(text)
        except ValueError:
            return "expected a time that exists"
        else:
            return None
    return "expected epoch seconds, epoch milliseconds or ISO 8601"
