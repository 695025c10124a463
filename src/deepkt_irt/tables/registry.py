"""Every table of the lake, declared once; nothing else names a table by a string."""

from deepkt_irt.tables import (
    bronze,
    gold,
    gold_bandit,
    gold_content,
    gold_explanations,
    gold_items,
    ops,
    rosters,
    silver,
)
from deepkt_irt.tables.contract import Table

TABLES: tuple[Table, ...] = (
    *bronze.TABLES,
    *silver.TABLES,
    *rosters.TABLES,
    *gold.TABLES,
    *gold_bandit.TABLES,
    *gold_items.TABLES,
    *gold_explanations.TABLES,
    *gold_content.TABLES,
    *ops.TABLES,
)


def table_named(qualified_name: str) -> Table:
    """The contract of `schema.table`.

    Raises:
        KeyError: If no such table is declared.
    """
    for table in TABLES:
        if table.qualified_name == qualified_name:
            return table
    raise KeyError(f"no table {qualified_name}")
