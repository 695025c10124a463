"""Checks of a frame against its contract, before a single row is written."""

from typing import TYPE_CHECKING

from deepkt_irt.errors import SchemaMismatch
from deepkt_irt.tables.contract import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def schema_differences(table: Table, actual: dict[str, str]) -> list[str]:
    """What separates a frame's columns from the contract's, one phrase each.

    Args:
        table: The contract.
        actual: Spark's name of the type by column.
    """
    declared = {column.name: column.type for column in table.columns}
    missing, extra = declared.keys() - actual, actual.keys() - declared
    differences = [f"column {name} ({declared[name]}) is missing" for name in missing]
    differences += [f"column {name} ({actual[name]}) is not declared" for name in extra]
    differences += [
        f"column {name} is {actual[name]}, declared {declared[name]}"
        for name in declared.keys() & actual
        if actual[name] != declared[name]
    ]
    return sorted(differences)


def conformed(table: Table, frame: "DataFrame") -> "DataFrame":
    """The frame with the contract's columns in the contract's order.

    Raises:
        SchemaMismatch: If names or types differ, naming each difference.
    """
    differences = schema_differences(table, dict(frame.dtypes))
    if differences:
        raise SchemaMismatch(table.qualified_name, differences)
    return frame.select(*table.column_names)
