"""The page of who may read what: `python -m deepkt_irt.governance.access_page`."""

import sys

from deepkt_irt.governance.access import (
    FILLED_BY_OFFICERS,
    READERS,
    Role,
    is_filtered,
    masked_columns,
    masked_view,
    may_read,
)
from deepkt_irt.governance.erasure import EMPTIED, searches
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Table, View
from deepkt_irt.tables.registry import TABLES, views

_INTRODUCTION = """# Who may read what

Made from the registry by `make docs`; do not edit. The job `access_control` makes it hold in Unity
Catalog; who did read what stands in the workspace's own `system.access.audit`. What a view asks for
a teacher is asked of the own classes' students only, be it shown as rows or as figures: so
`policy_quality` and `explanation_quality` count these students, while `model_quality` shows every
evaluation and asks the students only which version scored them. Masked columns are left out of
the view `<table>_masked`, which "masked" stands for; the table itself is for privacy officers. An
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
        masked = masked_view(table) if isinstance(table, Table) else None
        return "masked" if masked and may_read(role, masked) else ""
    if role is Role.PRIVACY_OFFICER and table in FILLED_BY_OFFICERS:
        return "all rows, writes"
    return "own classes" if role is Role.TEACHER and is_filtered(table) else "all rows"


if __name__ == "__main__":
    sys.stdout.write(page())
