"""Sources that cannot go on: each stops by itself, and the others are taken in without it."""

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from deepkt_irt.errors import BadFile, DeepktError, QualityViolation, UsageError
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.reading import in_utc
from deepkt_irt.tables.ops import STOPPED_SOURCES


@dataclass(frozen=True)
class Stop:
    """Why a source cannot go on: the first file at fault, and what is wrong with it."""

    source: str
    file: str
    error: DeepktError

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the file must have and lacks."""
        return self.error.columns if isinstance(self.error, BadFile) else ()


class Stops(dict[str, Stop]):
    """The sources a run had to stop, by name."""

    @contextmanager
    def met(self, source: str, file: str) -> Iterator[None]:
        """Stop a source if its file turns out to be at fault; the first error met stays."""
        try:
            yield
        except (BadFile, QualityViolation, UsageError) as error:
            self.setdefault(source, Stop(source, file, error))

    def raise_if_all(self, sources: Set[str]) -> None:
        """Raise the first error if none of some sources can go on."""
        if self and not sources - self.keys():
            raise next(iter(self.values())).error


def keep_stops(ctx: JobContext, stops: Mapping[str, Stop]) -> dict[str, datetime]:
    """Write which sources are stopped, and clear those that go on again.

    Returns:
        By source, since when it is stopped.
    """
    rows = ctx.read(STOPPED_SOURCES).select("source", "stopped_at").collect()
    before = {row["source"]: in_utc(row["stopped_at"]) for row in rows}
    since = {source: before.get(source, ctx.as_of) for source in sorted(stops)}
    for source in sorted(before.keys() - since.keys()):
        ctx.progress(f"source {source} goes on again")
    for source, stop in stops.items():
        ctx.progress(f"SOURCE {source} IS STOPPED, the others go on: {stop.error}")
    if before or stops:
        lines = [
            {
                "source": source,
                "file": stops[source].file,
                "columns": ", ".join(stops[source].columns) or None,
                "error": str(stops[source].error),
                "stopped_at": stopped_at,
                "tried_at": ctx.as_of,
            }
            for source, stopped_at in since.items()
        ]
        kept = pd.DataFrame(lines, columns=list(STOPPED_SOURCES.column_names))
        ctx.overwrite(STOPPED_SOURCES, ctx.frame(STOPPED_SOURCES, kept))
    return since
