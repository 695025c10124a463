"""What a BI tool must be told to connect, and what it then asks for.

The values are of no workspace: who opens a file puts in the own ones.
"""

import uuid
from dataclasses import replace

from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Layer, View
from deepkt_irt.tables.registry import views

HOST = "adb-0000000000000000.0.azuredatabricks.net"
HTTP_PATH = "/sql/1.0/warehouses/0000000000000000"
CATALOG = "deepkt"
SCHEMA = Layer.GOLD.value

# what several marts have in common, by table of the semantic model: columns, and where they stand
SHARED = {
    "Class": (("class_key", "class"), ("class_skill_mastery", "student_today")),
    "Skill": (("skill_id", "skill"), ("class_skill_mastery", "student_today", "item_watchlist")),
}

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "deepkt-irt")


def marts() -> tuple[View, ...]:
    """All views, with the settings that hold if none are given, without lists.

    Drivers hand lists over as raw text; what people read of one is a column of its own.
    """
    return tuple(
        replace(view, columns=tuple(c for c in view.columns if not c.type.startswith("array<")))
        for view in views(Settings())
    )


def guid(*names: str) -> str:
    """The same identifier whenever the same thing is written."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(names)))


def sources() -> dict[str, str]:
    """SQL of every table and data source, in which a view stands as its name in braces."""
    asked = {view.name: _select(view.name, view.column_names) for view in marts()}
    for table, (columns, names) in SHARED.items():
        parts = " UNION ALL ".join(_select(name, columns) for name in names)
        known = f"{columns[0]} IS NOT NULL"
        asked[table] = f"SELECT DISTINCT {', '.join(columns)} FROM ({parts}) WHERE {known}"  # noqa: S608
    return asked


def _select(view: str, columns: tuple[str, ...]) -> str:
    return f"SELECT {', '.join(columns)} FROM {{{view}}}"  # noqa: S608
