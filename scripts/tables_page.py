"""The page of all tables, made from the registries: `python scripts/tables_page.py`."""

import sys
from collections.abc import Iterable

from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Table, View
from deepkt_irt.tables.registry import TABLES, views

_INTRODUCTION = """# Tables

Made from the registries of tables and tasks by `make docs`; do not edit. Key columns are
marked with a dot (•). A table that no task writes is written by the runner, by a command or by
people.
"""


_VIEWS = """# Views

Made for looking: the report, dashboards, alerts and `deepkt status` ask them. In a catalog
`apply_access` makes them, and a teacher sees the own classes in them.
"""


def page(contracts: Iterable[Table] = TABLES) -> str:
    """The whole page as Markdown: tables, then the views over them."""
    tables, looks = map(_section, contracts), map(_section, views(Settings()))
    return "\n".join([_INTRODUCTION, *tables, _VIEWS, *looks])


def _section(table: Table | View) -> str:
    lines = [f"## {table.qualified_name}", "", table.comment, ""]
    if lineage := _lineage(table):
        lines += [lineage, ""]
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


def _lineage(table: Table | View) -> str:
    """Which tasks write the table, and which others read it; empty if none does."""
    writers = [each.name for each in TASKS.values() if table in each.writes]
    readers = [
        each.name
        for each in TASKS.values()
        if table in (*each.reads, *each.remembers) and each.name not in writers
    ]
    told = (("Written by", writers), ("Read by", readers))
    return " ".join(
        f"{does} {', '.join(f'`{name}`' for name in sorted(names))}."
        for does, names in told
        if names
    )


if __name__ == "__main__":
    sys.stdout.write(page())
