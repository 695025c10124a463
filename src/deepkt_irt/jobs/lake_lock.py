"""One writer at a time in a lake folder: a lock that a process holds and its end frees.

The system keeps the lock, not the file's content, so `kill -9` and a crash free it, too. What the
file says is for the person who is refused. Readers need no lock: a Delta table is read as the
last commit left it. A catalog has no such file: there jobs queue, and Delta refuses what clashes.
"""

import fcntl
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from deepkt_irt.errors import AnotherRun, BackendUnavailable
from deepkt_irt.tables.lake_folder import open_lake_folder

log = logging.getLogger(__name__)

LOCK_FILE = "writer.lock"
_PAUSE_SECONDS = 0.2


@contextmanager
def sole_writer(
    lake: Path | None,
    command: str,
    *,
    wait_seconds: float = 0.0,
    on_wait: Callable[[str], None] = log.info,
) -> Iterator[None]:
    """Hold a lake for writing until the block ends.

    Args:
        lake: Folder of the lake, made if it is not there; None for a catalog, which needs none.
        command: Who holds it, for others to read: a command without its flags, whose values may
            name a student.
        wait_seconds: How long to wait for a holder to end; 0 refuses at once.
        on_wait: Told once, in one line, what is waited for.

    Raises:
        AnotherRun: If somebody else holds it all that time.
        BackendUnavailable: If the folder cannot be written.
    """
    if lake is None:
        yield
        return
    path = open_lake_folder(lake) / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise BackendUnavailable(f"{path} cannot be opened ({error.strerror})") from error
    try:
        _acquire(descriptor, path, wait_seconds, on_wait)
        _sign(descriptor, path, command)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _acquire(
    descriptor: int, path: Path, wait_seconds: float, on_wait: Callable[[str], None]
) -> None:
    deadline, told = time.monotonic() + wait_seconds, False
    while not _locked(descriptor):
        holder = path.read_text("utf-8").strip() or "another process"
        if time.monotonic() >= deadline:
            raise AnotherRun(
                f"{path.parent} is being written by {holder}; run again when that has ended, or "
                "wait for it with --wait SECONDS"
            )
        if not told:
            on_wait(f"waiting up to {wait_seconds:g} s for {holder}")
            told = True
        time.sleep(_PAUSE_SECONDS)


def _locked(descriptor: int) -> bool:
    """Whether the lock could be taken now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int, path: Path, command: str) -> None:
    """Say in the file who holds it, in place of who held it before and was killed."""
    host, since = socket.gethostname(), datetime.now(UTC)
    who = f"{command} (process {os.getpid()} on {host}, since {since:%Y-%m-%d %H:%M:%S} UTC)"
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, who.encode(), 0)
    except OSError as error:
        raise BackendUnavailable(f"{path} cannot be written ({error.strerror})") from error
