"""Writes delimited text as the Copy activity does, by a DelimitedText dataset's properties."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from deepkt_irt.azure.factory.documents import Document
from deepkt_irt.azure.factory.expression_functions import as_text
from deepkt_irt.azure.factory.expression_times import format_time
from deepkt_irt.azure.factory.expressions import Json
from deepkt_irt.azure.factory.world import ActivityFailed, only
from deepkt_irt.errors import UsageError

# the service tells the two apart, so plain UTF-8 has a byte order mark
_ENCODINGS = {"UTF-8": "utf-8-sig", "UTF-8 without BOM": "utf-8"}
_DATASET = {
    *("location", "columnDelimiter", "rowDelimiter", "quoteChar", "escapeChar"),
    *("firstRowAsHeader", "nullValue", "encodingName"),
}
_SINK = {"type", "quoteAllText", "fileExtension"}


@dataclass(frozen=True)
class Form:
    """How rows become text; the defaults are the service's."""

    delimiter: str = ","
    ends: str = "\r\n"
    quote: str = '"'
    escape: str = "\\"
    null: str = ""
    header: bool = False
    quote_all: bool = False
    encoding: str = "utf-8-sig"

    def write(self, path: Path, columns: Sequence[str], rows: Sequence[Sequence[Json]]) -> int:
        """Write rows, and return the number of bytes.

        Args:
            path: The file; its folders are made.
            columns: Names of the columns.
            rows: A value per column in each.

        Raises:
            UsageError: If it is not documented how a value is written.
            ActivityFailed: If a value is an object or an array.
        """
        lines = [columns, *rows] if self.header else list(rows)
        text = "".join(self._line(each) + self.ends for each in lines)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.write_bytes(text.encode(self.encoding))

    def _line(self, values: Sequence[Json]) -> str:
        return self.delimiter.join(self._field(each) for each in values)

    def _field(self, value: Json) -> str:
        if value is None:
            return self.null
        text = _plain(value)
        special = (self.delimiter, self.quote, "\r", "\n")
        # an empty text is quoted, so that it is not taken for null
        if not (self.quote_all or not text or any(each in text for each in special if each)):
            return text
        if not self.quote:
            if text:
                raise UsageError(f"{text!r} cannot be written without a quoteChar")
            return text
        if self.escape == self.quote:
            return self.quote + text.replace(self.quote, self.quote * 2) + self.quote
        if self.escape in text:
            problem = f"{text!r} has the escapeChar in it, and readers differ on it"
            raise UsageError(f"{problem}: make escapeChar the quoteChar")
        return self.quote + text.replace(self.quote, self.escape + self.quote) + self.quote


def _plain(value: Json) -> str:
    if isinstance(value, dict | list):
        raise ActivityFailed(
            "UserErrorUnsupportedHierarchicalComplexValue", f"{value!r} is complex"
        )
    if isinstance(value, date):
        problem = f"{value!r} has no documented form in text"
        raise UsageError(f"{problem}: convert it in the query, or set a dateTimeFormat")
    if isinstance(value, Decimal):
        return str(value)
    if not isinstance(value, str | bool | int | float):
        raise UsageError(f"values of type {type(value).__name__} are not emulated")
    return as_text(value)


def with_times(rows: Sequence[Sequence[Json]], form: str | None) -> list[list[Json]]:
    """Rows with their timestamps as text, in a .NET format; as they are without one."""
    return [
        [format_time(v, form) if form and isinstance(v, datetime) else v for v in row]
        for row in rows
    ]


def read_form(dataset: Document, settings: Document, where: str) -> Form:
    """Form of a DelimitedText dataset, and of the formatSettings of a sink.

    Raises:
        UsageError: If they ask for what is not emulated.
    """
    only(dataset, _DATASET, f"dataset {where}")
    only(settings, _SINK, f"sink of {where}")
    encoding = dataset.get("encodingName", "UTF-8")
    if encoding not in _ENCODINGS:
        raise UsageError(f"dataset {where}: encoding {encoding} is not emulated")
    return Form(
        delimiter=dataset.get("columnDelimiter", ","),
        ends=dataset.get("rowDelimiter", "\r\n"),
        quote=dataset.get("quoteChar", '"'),
        escape=dataset.get("escapeChar", "\\"),
        null=dataset.get("nullValue", ""),
        header=dataset.get("firstRowAsHeader", False),
        quote_all=settings.get("quoteAllText", False),
        encoding=_ENCODINGS[encoding],
    )
