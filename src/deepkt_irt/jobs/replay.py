"""Which students are to be worked out again although nothing about them is new."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from deepkt_irt.errors import UsageError
from deepkt_irt.sources.catalogue import source_named

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Replay:
    """The students who answered something in a span of time; each with the whole history.

    Attributes:
        start: First instant of the span, UTC.
        end: First instant after it, UTC.
        source: Only answers of this source; empty for all.
    """

    start: datetime
    end: datetime
    source: str = ""

    def answered(self, rows: "DataFrame") -> "DataFrame":
        """The rows answered in the span.

        Args:
            rows: With the columns `source` and `answered_at`; a row without a time is in no span.
        """
        from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

        at = F.col("answered_at")
        inside = (at >= F.lit(self.start)) & (at < F.lit(self.end))
        return rows.filter(inside & (F.col("source") == self.source) if self.source else inside)

    def __str__(self) -> str:
        """For people."""
        last = self.end - timedelta(days=1)
        span = f"answered from {self.start:%Y-%m-%d} to {last:%Y-%m-%d}"
        return f"{span} in {self.source}" if self.source else span


def parse_replay(*, first: str, last: str, source: str, every: bool) -> Replay | None:
    """What a person asks to be worked out again; None: everybody.

    Args:
        first: First day, as 2026-03-01, UTC; empty if not given.
        last: Last day, which belongs to it; likewise.
        source: Only answers of this source; empty for all.
        every: Everybody, whatever the day.

    Raises:
        UsageError: If the days are none, stand the wrong way round, or contradict `every`.
    """
    if every:
        if first or last or source:
            raise UsageError("--all works everybody out again: leave out --from, --to and --source")
        return None
    if not (first and last):
        raise UsageError("give --from DATE and --to DATE, or --all")
    start, end = _day("--from", first), _day("--to", last)
    if end < start:
        raise UsageError(f"--to {last} is before --from {first}")
    name = source_named(source).name if source else ""
    return Replay(start, end + timedelta(days=1), name)


def _day(flag: str, text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text!r} is no date like 2026-03-01") from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
