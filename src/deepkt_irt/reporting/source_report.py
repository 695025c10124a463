"""What the report says of sources: which are stopped, and which of their columns changed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StoppedSource:
    """A source of which nothing is taken in.

    Attributes:
        source: Its name.
        since: Run that stopped it, as text.
        error: The file at fault, what is wrong with it, and what to do.
    """

    source: str
    since: str
    error: str


@dataclass(frozen=True)
class ColumnChange:
    """A column that the latest delivery of its kind of file changed.

    Attributes:
        source: Its source.
        layout: Kind of file.
        column: Name in the files.
        what: What became of it, in words.
        file: The latest file that shows it.
        refused_share: Of the rows of the latest delivery that had it, those refused for it, 0 to 1.
    """

    source: str
    layout: str
    column: str
    what: str
    file: str
    refused_share: float


@dataclass(frozen=True)
class SourceReport:
    """Sources by name, stopped ones and changed columns."""

    stopped: tuple[StoppedSource, ...] = ()
    changes: tuple[ColumnChange, ...] = ()
