"""The page of who may read what: `python -m deepkt_irt.governance.access_page`."""

import sys

from deepkt_irt.governance.access import READERS, Role, is_filtered, masked_columns, may_read
from deepkt_irt.governance.erasure import EMPTIED, searches
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Table, View
from deepkt_irt.tables.registry import TABLES, views

_INTRODUCTION = """# Who may read what

Made from the registry by `make docs`; do not edit. The job `access_control` makes it hold in Unity
Catalog; who did read what stands in the workspace's own `system.access.audit`. Teachers see the
rows of their own classes' students. A masked column is null for all but privacy officers. An
erasure finds a student by the columns named last ([privacy.md](privacy.md)).
"""


def page() -> str:
    """The whole page as Markdown."""
    found = {each.table.qualified_name: each.columns for each in searches(TABLES)}
    found |= {table.qualified_name: ("emptied as a whole",) for table in EMPTIED}
    roles = [role.value.replace("_", " ") for role in READERS]
    header = ["table", *roles, "masked", "a student is found by"]
    lines = [header, ["---"] * len(header)]
    for table in TABLES:
        seen = [_seen(role, table) for role in READERS]
        masked = ", ".join(column.name for column in masked_columns(table))
        by = ", ".join(found.get(table.qualified_name, ()))
        lines.append([table.qualified_name, *seen, masked, by])
    for view in views(Settings()):
        seen = [_seen(role, view) for role in READERS]
        lines.append([f"{view.qualified_name} (view)", *seen, "", ""])
    return "\n".join([_INTRODUCTION, *("| " + " | ".join(line) + " |" for line in lines), ""])


def _seen(role: Role, table: Table | View) -> str:
    if not may_read(role, table):
        return ""
    return "own classes" if role is Role.TEACHER and is_filtered(table) else "all rows"


if __name__ == "__main__":
    sys.stdout.write(page())
