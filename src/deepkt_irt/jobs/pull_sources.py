"""Console script pull_sources: lands what is new in databases and REST interfaces."""

import argparse
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from deepkt_irt.errors import BackendUnavailable, BadFile, DeepktError
from deepkt_irt.jobs.opening import Target, open_target, parse_as_of
from deepkt_irt.jobs.scripts import target_of
from deepkt_irt.pulling.connection import KINDS, read_connection
from deepkt_irt.pulling.pull import Pull

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The instant that a pull goes up to."""
    parser.add_argument("--as-of", help="instant the run speaks about, ISO 8601; default: now")


def pull_sources(flags: argparse.Namespace) -> None:
    """Land what is new in every source that has a connection file in connections/<source>/.

    Safe to run again: what landed is not asked for again, but for the overlap. A connection that
    fails leaves the others running; its failure ends the run when all had their turn, and the next
    run brings what is missing.
    """
    opened = open_target(target_of(flags))
    now = _up_to(parse_as_of(flags.as_of))
    failed, names = [], set[tuple[str, str]]()
    for path in connection_files(opened.place.connections):
        source = path.parent.name
        try:
            connection = read_connection(path, source)
            _refuse_twice(path, (source, connection.name), names)
            Pull(
                connection,
                folder=opened.place.landing / source,
                now=now,
                open_spark=lambda: opened.spark,
                on_progress=log.info,
            ).run()
        except DeepktError as error:
            log.warning("%s/%s: %s", source, path.name, error)
            failed.append(f"{source}/{path.name}: {error}")
    if failed:
        raise BackendUnavailable(f"{len(failed)} not pulled: {'; '.join(failed)}")


def connection_files(folder: Path) -> list[Path]:
    """The connection files of a place, in the order of their sources and names."""
    return sorted(path for source in KINDS for path in (folder / source).glob("[!_.]*.toml"))


def _up_to(as_of: datetime | None) -> datetime:
    """The run's instant, but none that is still to come: its records would never be asked for."""
    now = datetime.now(UTC)
    return min(as_of, now) if as_of else now


def _refuse_twice(path: Path, name: tuple[str, str], names: set[tuple[str, str]]) -> None:
    """Refuse a second connection of a name: each would go on where the other ended."""
    if name in names:
        raise BadFile(path.name, f"another connection is named {name[1]}", "give it another name")
    names.add(name)


def pull_one(
    path: Path,
    source: str,
    lake: Path,
    *,
    as_of: datetime | None,
    on_progress: Callable[[str], None],
) -> list[Path]:
    """Land what is new behind one connection file in a lake folder.

    Args:
        path: The connection file.
        source: Source system it is for.
        lake: Where to land; a session is opened only if the source needs one.
        as_of: Instant that the pull goes up to; None: now.
        on_progress: Receives one short line at a time.

    Returns:
        The files that landed.

    Raises:
        DeepktError: If the file is wrong, or the source does not give what is new.
    """
    return Pull(
        read_connection(path, source),
        folder=lake / "landing" / source,
        now=_up_to(as_of),
        open_spark=lambda: open_target(Target(lake=lake)).spark,
        on_progress=on_progress,
    ).run()
