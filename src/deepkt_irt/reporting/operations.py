"""How the files of tables are: what the report and the command show of it."""

from dataclasses import dataclass

_STEP = 1024
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Figures:
    """A table's files at one moment.

    Attributes:
        n_files: Files of the last version.
        n_small: Of them, small ones.
        n_bytes: Size of the files.
        stored_bytes: Size of all in storage, older versions too; None in a catalog.
        deleted_share: Share of rows that deletion vectors leave out; None if unknown.
    """

    n_files: int
    n_small: int
    n_bytes: int
    stored_bytes: int | None
    deleted_share: float | None


@dataclass(frozen=True)
class StoredTable:
    """One table before and after its upkeep.

    Attributes:
        name: As schema.table.
        n_rows: Rows it has.
        expired: Rows deleted because they were past their retention.
        before: Its files before.
        after: And after.
        steps: What was done.
        care: What it still needs, in words.
    """

    name: str
    n_rows: int
    expired: int
    before: Figures
    after: Figures
    steps: tuple[str, ...]
    care: tuple[str, ...]


@dataclass(frozen=True)
class Operations:
    """The last upkeep.

    Attributes:
        as_of: Its instant, as text.
        tables: Every table; those that need care first, then by size.
        left_out: What was not done whatever a table's state, and why, each once.
    """

    as_of: str
    tables: tuple[StoredTable, ...]
    left_out: tuple[str, ...]

    @property
    def needing_care(self) -> tuple[StoredTable, ...]:
        """Tables that need care."""
        return tuple(table for table in self.tables if table.care)

    @property
    def totals(self) -> tuple[tuple[str, str], ...]:
        """Label and figure of all tables together."""
        after = [table.after for table in self.tables]
        stored = [each.stored_bytes for each in after if each.stored_bytes is not None]
        return (
            ("tables", f"{len(after):,}"),
            ("rows", f"{sum(table.n_rows for table in self.tables):,}"),
            ("files", f"{sum(each.n_files for each in after):,}"),
            ("of them small", f"{sum(each.n_small for each in after):,}"),
            ("in the last versions", size(sum(each.n_bytes for each in after))),
            *((("in storage", size(sum(stored))),) if stored else ()),
        )


def in_order(tables: list[StoredTable]) -> tuple[StoredTable, ...]:
    """Those that need care first, then the largest."""
    return tuple(sorted(tables, key=lambda each: (not each.care, -each.after.n_bytes, each.name)))


def size(n_bytes: int) -> str:
    """A number of bytes for people, as 1.5 MiB."""
    amount, unit = float(n_bytes), 0
    while amount >= _STEP and unit < len(_UNITS) - 1:
        amount, unit = amount / _STEP, unit + 1
    return f"{amount:,.0f} {_UNITS[unit]}" if unit == 0 else f"{amount:,.1f} {_UNITS[unit]}"


def change(before: int, after: int) -> str:
    """A figure that may have changed, as 12 → 1."""
    return f"{after:,}" if before == after else f"{before:,} → {after:,}"
