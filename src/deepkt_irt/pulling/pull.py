"""Pulls what a source has that is new, and lands it as files that ingest takes in as any other."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from deepkt_irt.pulling.connection import (
    Database,
    NumberParameter,
    RestApi,
    TimeColumn,
    TimeParameter,
)
from deepkt_irt.pulling.database import Table
from deepkt_irt.pulling.http import Client
from deepkt_irt.pulling.landed_csv import partial_of, put_in_place, sweep, written
from deepkt_irt.pulling.rest_api import (
    asked_for_number,
    asked_for_time,
    number_of,
    records,
    row,
)
from deepkt_irt.pulling.windows import (
    Window,
    first_number,
    last_instant,
    last_number,
    spans,
    time_window,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MOST_PARTS = 200  # read side by side; beyond, files have more rows


def _say_nothing(_: str) -> None:
    """Where nobody listens."""


@dataclass(frozen=True)
class Pull:
    """One pull of one connection.

    Attributes:
        connection: Where from.
        folder: Landing folder of its source.
        now: Instant of the run; files land in a folder of its day.
        open_spark: Gives a session, where the source is read through one.
        open_client: Gives a client of a REST interface.
        on_progress: Receives one short line at a time.
    """

    connection: Database | RestApi
    folder: Path
    now: datetime
    open_spark: "Callable[[], SparkSession]"
    open_client: Callable[[RestApi], Client] = Client
    on_progress: Callable[[str], None] = _say_nothing

    def run(self) -> list[Path]:
        """Land what is new; nothing of a window lands before all of it was read.

        Cut off anywhere and run again, it brings what is missing: the watermark is where the files
        that landed end. What comes again, as the overlap makes it, is known in silver.

        Returns:
            The files that landed, in the order of their windows.

        Raises:
            BackendUnavailable: If the source does not answer, or landing cannot be written.
            BadFile: If what it answers is not what the connection says.
            UsageError: If a secret is not there.
        """
        sweep(self.folder, self.connection.name)  # of a pull that was killed
        try:
            landed = self._new()
        finally:
            sweep(self.folder, self.connection.name)
        if not landed:
            self.on_progress(f"{self.connection.name}: nothing new")
        return landed

    def _new(self) -> list[Path]:
        if isinstance(self.connection, Database):
            return self._table(self.connection)
        if isinstance(self.connection.watermark, TimeParameter):
            return self._by_time(self.connection, self.connection.watermark)
        return self._by_number(self.connection, self.connection.watermark)

    def _table(self, connection: Database) -> list[Path]:
        """What is new in a table."""
        kind = connection.watermark
        if isinstance(kind, TimeColumn):
            window = time_window(kind, last_instant(self.folder, connection.name), self.now)
            if window is None:
                return []
            return self._rows(Table.open(self.open_spark(), connection), window)
        table = Table.open(self.open_spark(), connection)
        last = last_number(self.folder, connection.name)
        since = first_number(kind, last)
        highest = table.highest(since)
        if highest is None or (last is not None and highest < last):
            return []
        return self._rows(table, Window(since, highest + 1))

    def _rows[M: datetime | int](self, table: Table, window: Window[M]) -> list[Path]:
        """The rows of a window, in a file or more."""
        found = table.found(window)
        if found is None:
            return []
        n = min(-(-found.n_rows // table.connection.rows_per_file), _MOST_PARTS)
        parts = table.write_aside(window.parts(n, low=found.low, high=found.high), self._day)
        landed = (self._landed(each.partial, each.window, each.n_rows) for each in parts)
        return list(chain.from_iterable(landed))

    def _by_time(self, connection: RestApi, kind: TimeParameter) -> list[Path]:
        """What is new in an interface that is asked for times: a file for some days each."""
        window = time_window(kind, last_instant(self.folder, connection.name), self.now)
        if window is None:
            return []
        client, landed = self.open_client(connection), []
        for each in spans(window, kind.window_days) if kind.until else [window]:
            partial = self._partial(each.file_name(connection.name))
            with written(partial) as out:
                url = asked_for_time(connection, kind, each)
                for where, record in records(client, url, self.on_progress):
                    out.add([row(connection, record, where)])
            landed += self._landed(partial, each, out.n)
        return landed

    def _by_number(self, connection: RestApi, kind: NumberParameter) -> list[Path]:
        """What is new in an interface that is asked from a number on: one file."""
        last = last_number(self.folder, connection.name)
        since = first_number(kind, last)
        client, highest = self.open_client(connection), -1
        partial = self._partial(f"{connection.name}_n{since}.csv")
        with written(partial) as out:
            url = asked_for_number(connection, kind, since)
            for where, record in records(client, url, self.on_progress):
                out.add([row(connection, record, where)])
                highest = max(highest, number_of(kind, record, where))
        is_new = last is None or highest >= last
        return self._landed(partial, Window(since, highest + 1), out.n if is_new else 0)

    @property
    def _day(self) -> Path:
        return self.folder / self.now.astimezone(UTC).date().isoformat()

    def _partial(self, name: str) -> Path:
        return partial_of(self._day / name)

    def _landed[M: datetime | int](
        self, partial: Path, window: Window[M], n_rows: int
    ) -> list[Path]:
        """Land a file that was written aside; one without rows does not count."""
        if not n_rows:
            partial.unlink()
            return []
        landed = put_in_place(partial, self._day / window.file_name(self.connection.name))
        self.on_progress(f"{self.connection.name}: {n_rows:,} rows in {landed.name}")
        return [landed]
