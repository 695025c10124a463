"""Console script maintain_tables: looks after the files of every table, and says how they are."""

import argparse
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pandas as pd

from deepkt_irt.errors import AnotherRun
from deepkt_irt.jobs.erasing import Site
from deepkt_irt.jobs.opening import Target, open_target, parse_as_of, parse_settings
from deepkt_irt.jobs.retention import delete_overdue
from deepkt_irt.jobs.scripts import add_settings, target_of
from deepkt_irt.jobs.table_upkeep import Step, care, left_out, measured, statement, steps_for
from deepkt_irt.reporting.operations import TableUpkeep, in_words
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.ops import TABLE_HEALTH
from deepkt_irt.tables.registry import TABLES

log = logging.getLogger(__name__)

_TABLES_AT_ONCE = 4  # each mostly waits for small Spark jobs


_COLUMNS = {  # of ops.table_health, before and after, by what they hold
    "files": "n_files",
    "small_files": "n_small",
    "bytes": "n_bytes",
    "stored_bytes": "stored_bytes",
    "deleted_share": "deleted_share",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The run's instant and its settings."""
    parser.add_argument("--as-of", help="instant the run speaks about, ISO 8601; default: now")
    add_settings(parser)


def maintain_tables(flags: argparse.Namespace) -> None:
    """Merge small files, remove old ones, and delete rows past their retention, in every table.

    Safe to run again, and beside other jobs: no row changes, files of the last
    maintenance.keep_days stay, and a table that another run writes meanwhile is left for the next
    time. Where Unity Catalog's predictive optimization is on, set
    maintenance.predictive_optimization=true, and only the rest is done. ops.table_health shows
    the files of every table before and after, and what still needs care.
    """
    maintain(target_of(flags), parse_settings(flags.set), as_of=parse_as_of(flags.as_of))


def maintain(
    target: Target,
    settings: Settings,
    *,
    as_of: datetime | None = None,
    on_progress: Callable[[str], None] = log.info,
) -> list[TableUpkeep]:
    """Look after every table of a lake or catalog, and keep the account of it.

    Returns:
        What was done, by table in the registry's order.

    Raises:
        BackendUnavailable: If Spark cannot start or the lake cannot be written.
    """
    at = as_of or datetime.now(UTC).replace(microsecond=0)
    site = Site(open_target(target), target.folder, settings, at)
    # a catalog has other writers, whose files not committed yet a purge would take
    expired = delete_overdue(site, purge=site.lake is not None)
    store = site.opened.store
    tables = [table for table in TABLES if store.exists(table)]

    def one(table: Table) -> TableUpkeep:
        done = _looked_after(site, table, expired.get(table.qualified_name, 0))
        on_progress(in_words(done))
        return done

    with ThreadPoolExecutor(_TABLES_AT_ONCE) as pool:
        found = list(pool.map(one, tables))
    if found:
        rows = store.frame(TABLE_HEALTH, _rows(found, at))
        store.append(TABLE_HEALTH, rows, app_id=f"maintain_tables/{at.isoformat()}", version=1)
    return found


def _looked_after(site: Site, table: Table, expired: int) -> TableUpkeep:
    settings, store, begun = site.settings.maintenance, site.opened.store, time.monotonic()
    before = measured(store, table, small_file_bytes=settings.small_file_bytes)
    done, clash = [], []
    try:
        for step in steps_for(table, before, settings):
            if step is Step.VACUUM:
                store.keep_removed_files(table, days=settings.keep_days)
            store.upkeep(table, statement(step, table, store.sql_name(table)))
            done.append(step)
    except AnotherRun:
        clash.append("another run wrote it meanwhile; the next maintenance does the rest")
    after = measured(store, table, small_file_bytes=settings.small_file_bytes)
    return TableUpkeep(
        name=table.qualified_name,
        expired=expired,
        before=before,
        after=after,
        steps=tuple(done),
        left_out=left_out(after, settings),
        care=(*clash, *care(after, settings)),
        seconds=time.monotonic() - begun,
    )


def _rows(found: list[TableUpkeep], as_of: datetime) -> pd.DataFrame:
    """As rows of ops.table_health."""
    rows = [
        {
            "as_of": as_of,
            "table_name": each.name,
            "n_rows": each.after.n_rows,
            "rows_expired": each.expired,
            **{f"{name}_before": getattr(each.before, at) for name, at in _COLUMNS.items()},
            **{f"{name}_after": getattr(each.after, at) for name, at in _COLUMNS.items()},
            "steps": list(each.steps),
            "left_out": each.left_out,
            "care": list(each.care),
            "seconds": each.seconds,
        }
        for each in found
    ]
    # counts that may be missing stay counts: pandas would make fractions of them
    whole = dict.fromkeys(("stored_bytes_before", "stored_bytes_after"), "Int64")
    return pd.DataFrame(rows).astype(whole)
