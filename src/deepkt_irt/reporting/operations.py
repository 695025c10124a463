"""How the files of tables are: what the report and the command show of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_STEP = 1024
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class TableFiles:
    """The files of a table's last version.

    Attributes:
        n_rows: Rows the table has.
        n_files: Files they are in.
        n_small: Of them, those below `maintenance.small_file_bytes`.
        n_bytes: Size of the files.
        stored_bytes: Size of all files in storage, of older versions too; None in a catalog.
        deleted_share: Share of the rows in the files that deletion vectors leave out, 0 to 1; None
            if the platform does not say.
    """

    n_rows: int
    n_files: int
    n_small: int
    n_bytes: int
    stored_bytes: int | None
    deleted_share: float | None


@dataclass(frozen=True)
class TableUpkeep:
    """What was done for the files of one table.

    Attributes:
        name: The table, as schema.table.
        expired: Rows deleted because they were past their retention.
        before: Its files before, expired rows already deleted.
        after: And after; the rows are the same.
        steps: What was done.
        left_out: What is not done whatever the table's state, and why; None if nothing.
        care: What it still needs, in words.
        seconds: Time it took.
    """

    name: str
    expired: int
    before: TableFiles
    after: TableFiles
    steps: tuple[str, ...]
    left_out: str | None
    care: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Operations:
    """The last upkeep.

    Attributes:
        as_of: Its instant, as text.
        tables: Every table, in the order shown.
    """

    as_of: str
    tables: tuple[TableUpkeep, ...]

    @property
    def needing_care(self) -> tuple[TableUpkeep, ...]:
        """Tables that need care."""
        return tuple(table for table in self.tables if table.care)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is not done whatever a table's state, and why, each once."""
        return tuple(sorted({table.left_out for table in self.tables if table.left_out}))


def totals(tables: Sequence[TableUpkeep]) -> tuple[tuple[str, str], ...]:
    """Label and figure of all tables together, after their upkeep."""
    after = [table.after for table in tables]
    stored = [each.stored_bytes for each in after if each.stored_bytes is not None]
    return (
        ("tables", f"{len(after):,}"),
        ("rows", f"{sum(each.n_rows for each in after):,}"),
        ("files", f"{sum(each.n_files for each in after):,}"),
        ("small files", f"{sum(each.n_small for each in after):,}"),
        ("in the last versions", size(sum(each.n_bytes for each in after))),
        *((("in storage", size(sum(stored))),) if stored else ()),
    )


def in_order(tables: Iterable[TableUpkeep]) -> tuple[TableUpkeep, ...]:
    """Those that need care first, then the largest."""
    return tuple(sorted(tables, key=lambda each: (not each.care, -each.after.n_bytes, each.name)))


def size(n_bytes: int) -> str:
    """A number of bytes for people, as 1.5 MiB; whole below one KiB."""
    amount, unit = float(n_bytes), 0
    while amount >= _STEP and unit < len(_UNITS) - 1:
        amount, unit = amount / _STEP, unit + 1
    return f"{amount:,.0f} {_UNITS[unit]}" if unit == 0 else f"{amount:,.1f} {_UNITS[unit]}"


def change(before: int, after: int) -> str:
    """A figure that may have changed, as 12 → 1."""
    return f"{after:,}" if before == after else f"{before:,} → {after:,}"


def in_words(done: TableUpkeep) -> str:
    """One line about one table."""
    files = f"{change(done.before.n_files, done.after.n_files)} files"
    did = ", ".join(done.steps) or "nothing to do"
    expired = f"; {done.expired:,} rows were past their retention" if done.expired else ""
    needs = f"; needs care: {', '.join(done.care)}" if done.care else ""
    return f"{done.name}: {files}; {did}{expired}{needs}"


def render_text(tables: Sequence[TableUpkeep]) -> str:
    """A line for each table that needed something, those that need care first, and the totals."""
    shown = [each for each in in_order(tables) if each.steps or each.expired or each.care]
    together = ", ".join(f"{figure} {label}" for label, figure in totals(tables))
    return "\n".join([*map(in_words, shown), f"In all {together}."])
