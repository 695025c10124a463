"""Deletes rows that are older than their table's retention."""

from datetime import timedelta

from deepkt_irt.jobs.erasing import Site
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS, BANDIT_REWARDS
from deepkt_irt.tables.ops import PIPELINE_RUNS, QUARANTINE, TABLE_HEALTH

# by table, the column that says how old a row is, and the setting; 0 days: for ever
KEPT = (
    (QUARANTINE, "quarantined_at", "quarantine_days"),
    (PIPELINE_RUNS, "started_at", "pipeline_runs_days"),
    (TABLE_HEALTH, "as_of", "table_health_days"),
    (BANDIT_DECISIONS, "decided_at", "decisions_days"),
    (BANDIT_REWARDS, "decided_at", "rewards_days"),
)


def delete_overdue(site: Site, *, purge: bool = True) -> dict[str, int]:
    """Delete what is overdue at the run's instant.

    Args:
        site: Where.
        purge: Also remove it from storage now, for which nobody else may write; else the vacuum
            after `maintenance.keep_days` does.

    Returns:
        Rows deleted by table; tables without any are left out.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    deleted = {}
    for table, column, setting in KEPT:
        days = getattr(site.settings.retention, setting)
        if not days:
            continue
        oldest = site.as_of - timedelta(days=days)
        overdue = site.read(table).filter(F.col(column) < F.lit(oldest)).select(*table.key)
        n = overdue.count()
        if n:
            site.opened.store.delete_matching(table, overdue)
            if purge:
                site.opened.store.purge(table)
            deleted[table.qualified_name] = n
    return deleted
