"""The page of all tables, made from the registry: `python -m deepkt_irt.tables.docs`."""

import sys

from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Table, View
from deepkt_irt.tables.registry import TABLES, views

_INTRODUCTION = """# Tables

Made from the registry by `make docs`; do not edit. Key columns are marked with a dot (•).
"""


_VIEWS = """# Views

Made for looking: the report, dashboards, alerts and `deepkt status` ask them. In a catalog
`apply_access` makes them, and a teacher sees the own classes in them.
"""


def page() -> str:
    """The whole page as Markdown."""
    tables, looks = map(_section, TABLES), map(_section, views(Settings()))
    return "\n".join([_INTRODUCTION, *tables, _VIEWS, *looks])


def _section(table: Table | View) -> str:
    lines = [f"## {table.qualified_name}", "", table.comment, ""]
    match table:
        case Table(checks=checks) if checks:
            rules = "; ".join(f"`{check.condition}`" for check in checks)
            lines += [f"Every row obeys: {rules}.", ""]
        case View(reads=reads):
            asked = ", ".join(sorted(each.qualified_name for each in reads))
            lines += [f"Asks {asked}.", ""]
    lines += ["| column | type | null | privacy | meaning |", "|---|---|---|---|---|"]
    for column in table.columns:
        mark = " •" if column.name in table.key else ""
        null = "yes" if column.nullable else ""
        privacy = "" if column.privacy.value == "none" else column.privacy.value
        lines.append(
            f"| {column.name}{mark} | {column.type} | {null} | {privacy} | {column.full_comment} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(page())
