"""Rows of a table, for a person and for machines."""

import json
import shutil
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TableRows:
    """Rows of a table or view.

    Attributes:
        name: The table, as schema.table.
        columns: Names of the columns shown.
        rows: Values by column, as JSON has them; instants are texts in UTC.
        has_more: Whether rows were left out.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    has_more: bool


def as_json(found: TableRows) -> list[dict[str, Any]]:
    """The rows for machines."""
    return list(found.rows)


def render_text(found: TableRows) -> str:
    """A line per row where a terminal is wide enough, else a line per value."""
    lines = [[_text(row[name]) for name in found.columns] for row in found.rows]
    widths = [max(map(len, column)) for column in zip(found.columns, *lines, strict=True)]
    if sum(widths) + 2 * len(widths) <= shutil.get_terminal_size((120, 24)).columns:
        shown = [
            "  ".join(
                value.ljust(width) for value, width in zip(line, widths, strict=True)
            ).rstrip()
            for line in (found.columns, *lines)
        ]
    else:
        width = max(map(len, found.columns))
        shown = [
            "\n".join(
                f"{name.ljust(width)}  {value}"
                for name, value in zip(found.columns, line, strict=True)
            )
            + "\n"
            for line in lines
        ]
    count = f"{len(lines)} row{'s' if len(lines) != 1 else ''} of {found.name}"
    more = "; there are more, --limit shows them" if found.has_more else ""
    return "\n".join([*shown, f"({count}{more})"])


def _text(value: object) -> str:
    if value is None:
        return "null"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(text)
