"""What a pull has to bring: from where the landed files end to now, and the names of new ones.

The watermark is kept nowhere beside the data: a landed file says in its name what it covers, as
`quizzes_20260301T000000000000Z_20260302T000000000000Z.csv`, and the watermark is where the last
one ends. So it is never ahead of what landed, and a pull that was cut off is simply made again.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import cast

from deepkt_irt.pulling.connection import NumberWatermark, TimeWatermark

_INSTANT = "%Y%m%dT%H%M%S%fZ"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Window[M: datetime | int]:
    """Records from `since` to before `until`: instants in UTC, or numbers."""

    since: M
    until: M

    def file_name(self, connection: str) -> str:
        """Name of the landing file with just these records."""
        return f"{connection}_{_written(self.since)}_{_written(self.until)}.csv"

    def parts(self, n: int, *, low: M, high: M) -> "list[Window[M]]":
        """The window cut into at most `n`, without gaps; of one length where records are.

        Args:
            n: Parts, at least 1.
            low: Least value there is.
            high: Greatest value there is.
        """
        cuts = [_mark(each, like=low) for each in _between(_ticks(low), _ticks(high), n)]
        edges = pairwise([self.since, *cuts, self.until])
        return [Window(since, until) for since, until in edges]


def last_instant(folder: Path, connection: str) -> datetime | None:
    """Where the files of a connection in a source's landing folder end; None without any."""
    ends = _ends(folder, connection, r"\d{8}T\d{12}Z")
    instants = [datetime.strptime(each, _INSTANT).replace(tzinfo=UTC) for each in ends]
    return max(instants, default=None)


def last_number(folder: Path, connection: str) -> int | None:
    """The same for files that numbers divide."""
    return max((int(each[1:]) for each in _ends(folder, connection, r"n\d+")), default=None)


def time_window(
    kind: TimeWatermark, last: datetime | None, now: datetime
) -> Window[datetime] | None:
    """What is to be pulled by time; None if nothing can have settled since the last pull.

    Args:
        kind: The watermark.
        last: Where the landed files end.
        now: Instant of the run.
    """
    until = now.astimezone(UTC) - timedelta(seconds=kind.settle_seconds)
    if until <= (last or kind.start):
        return None
    back = timedelta(seconds=kind.overlap_seconds)
    return Window(max(last - back, kind.start) if last else kind.start, until)


def first_number(kind: NumberWatermark, last: int | None) -> int:
    """Number that a pull begins at."""
    return kind.start if last is None else max(last - kind.overlap, kind.start)


def spans(window: Window[datetime], days: int) -> Iterator[Window[datetime]]:
    """The window in pieces of so many days; the last one may be shorter."""
    since = window.since
    while since < window.until:
        until = min(since + timedelta(days=days), window.until)
        yield Window(since, until)
        since = until


def _ends(folder: Path, connection: str, mark: str) -> list[str]:
    pattern = re.compile(rf"{re.escape(connection)}_{mark}_({mark})\.csv", re.ASCII)
    found = (pattern.fullmatch(path.name) for path in folder.glob("**/*.csv"))
    return [match[1] for match in found if match]


def _between(first: int, last: int, n: int) -> list[int]:
    """Where `n` parts of one length meet; fewer if there are not so many numbers between."""
    return sorted({first + (last - first) * k // n for k in range(1, n)} - {first})


def _ticks(mark: datetime | int) -> int:
    """A mark as a number that can be divided: microseconds of an instant."""
    return mark if isinstance(mark, int) else (mark - _EPOCH) // _MICROSECOND


def _mark[M: datetime | int](ticks: int, *, like: M) -> M:
    mark = ticks if isinstance(like, int) else _EPOCH + ticks * _MICROSECOND
    return cast("M", mark)


def _written(mark: datetime | int) -> str:
    return f"n{mark}" if isinstance(mark, int) else mark.astimezone(UTC).strftime(_INSTANT)
