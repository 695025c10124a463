"""The page of all tables, made from the registry: `python -m deepkt_irt.tables.docs`."""

import sys

from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.registry import TABLES

_INTRODUCTION = """# Tables

Made from the registry by `make docs`; do not edit. Key columns are marked with a dot (•).
"""


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_INTRODUCTION, *(_section(table) for table in TABLES)])


def _section(table: Table) -> str:
    lines = [f"## {table.qualified_name}", "", table.comment, ""]
    if table.checks:
        rules = "; ".join(f"`{check.condition}`" for check in table.checks)
        lines += [f"Every row obeys: {rules}.", ""]
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
