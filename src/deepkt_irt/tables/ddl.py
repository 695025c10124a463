"""What a contract is in SQL: the statement that makes the table, its properties, its schema."""

from deepkt_irt.tables.contract import Layer, Privacy, Table, View

_UNSORTABLE = ("array", "boolean", "map", "struct")  # types Delta keeps no statistics of


def table_ddl(table: Table, name: str, *, with_checks: bool) -> str:
    """CREATE TABLE with comments, NOT NULL, clustering, properties and, if asked, the checks.

    A catalog takes checks by ALTER TABLE only; open-source Delta also as properties, in the
    same commit.
    """
    columns = ", ".join(
        f"{column.name} {column.type}{'' if column.nullable else ' NOT NULL'} "
        f"COMMENT {quoted(column.full_comment)}"
        for column in table.columns
    )
    properties = table_properties(table)
    if with_checks:
        properties |= {f"delta.constraints.{check.name}": check.sql for check in table.checks}
    parts = [
        f"CREATE TABLE IF NOT EXISTS {name} ({columns}) USING delta",
        f"CLUSTER BY ({', '.join(table.cluster_by)})" if table.cluster_by else "",
        f"COMMENT {quoted(table.comment)}",
        "TBLPROPERTIES ("
        + ", ".join(f"{quoted(k)} = {quoted(v)}" for k, v in sorted(properties.items()))
        + ")",
    ]
    return " ".join(part for part in parts if part)


def view_ddl(view: View, name: str, query: str) -> str:
    """CREATE OR REPLACE VIEW with comments.

    Args:
        view: Its contract.
        name: What SQL calls it.
        query: Its query, with what SQL calls each table.
    """
    columns = ", ".join(
        f"{column.name} COMMENT {quoted(column.full_comment)}" for column in view.columns
    )
    comment = quoted(view.comment)
    return f"CREATE OR REPLACE VIEW {name} ({columns}) COMMENT {comment} AS {query.strip()}"


def table_properties(table: Table) -> dict[str, str]:
    """Delta properties of a contract.

    Statistics leave out what tells of a person: minima and maxima stay readable in the log
    after the rows are erased.
    """
    columns = _skipped_by(table)
    statistics = {"delta.dataSkippingStatsColumns": ",".join(columns)}
    return {
        "delta.appendOnly": "false",  # erasure deletes rows of append-only tables, too
        **(statistics if columns else {"delta.dataSkippingNumIndexedCols": "0"}),
        "delta.enableChangeDataFeed": str(table.change_feed).lower(),
        "delta.enableDeletionVectors": str(table.deletion_vectors).lower(),
        "deepkt.key": ",".join(table.key),
    }


def safe_columns(table: Table) -> list[str]:
    """Columns that statistics may be kept of: they tell of no person, and can be sorted.

    Of bronze only where rows came from: nothing looks for the rest, which is text.
    """
    of_bronze = table.layer is Layer.BRONZE
    return [
        column.name
        for column in table.columns
        if column.privacy is Privacy.NONE
        and not column.type.startswith(_UNSORTABLE)
        and (column.name.startswith("_") or not of_bronze)
    ]


def _skipped_by(table: Table) -> list[str]:
    """Of them, those by which files are passed over.

    Of texts only those that files are sorted by or come from: ids are spread over all files, and
    statistics of them took a third of the time of writing.
    """
    texts = {column.name for column in table.columns if column.type == "string"}
    sorted_by = (*table.cluster_by, *(name for name in texts if name.startswith("_")))
    return [name for name in safe_columns(table) if name not in texts or name in sorted_by]


def schema_of(table: Table) -> str:
    """The columns as Spark reads a schema."""
    return ", ".join(f"{column.name} {column.type}" for column in table.columns)


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
