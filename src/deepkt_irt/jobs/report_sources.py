"""What the report says of sources, from what ingest noted."""

from deepkt_irt.jobs.reading import Read, in_utc
from deepkt_irt.jobs.source_columns import SAID
from deepkt_irt.reporting.source_report import ColumnChange, SourceReport, StoppedSource
from deepkt_irt.sources.evolution import Status
from deepkt_irt.tables.ops import SOURCE_COLUMNS, STOPPED_SOURCES

READS = (SOURCE_COLUMNS, STOPPED_SOURCES)


def source_report(read: Read) -> SourceReport:
    """Stopped sources, and columns that the latest delivery of their kind of file changed."""
    stopped = read(STOPPED_SOURCES).orderBy("source").collect()
    changed = read(SOURCE_COLUMNS).filter("is_change").orderBy(*SOURCE_COLUMNS.key).collect()
    return SourceReport(
        stopped=tuple(
            StoppedSource(
                source=row["source"],
                since=f"{in_utc(row['stopped_at']):%Y-%m-%d %H:%M} UTC",
                error=row["error"],
            )
            for row in stopped
        ),
        changes=tuple(
            ColumnChange(
                source=row["source"],
                layout=row["layout"],
                column=row["column"],
                what=SAID[Status(row["status"])],
                file=row["file"],
                refused_share=row["refused_share"],
            )
            for row in changed
        ),
    )
