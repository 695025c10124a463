"""Runs a command and measures it: seconds, and the most memory all its processes had at once."""

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_EVERY_SECONDS = 0.25


@dataclass(frozen=True)
class Measured:
    """One run of a command.

    Attributes:
        output: What it printed.
        seconds: From its start to its end.
        peak_mb: Most memory of it and its descendants at one moment; what they share counts once.
    """

    output: str
    seconds: float
    peak_mb: float


def measured(command: Sequence[object], environment: Mapping[str, str]) -> Measured:
    """Run a command to its end.

    Raises:
        CalledProcessError: If it fails; what it said to standard error is shown.
    """
    begin = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own scripts
        [str(part) for part in command],
        env=dict(environment),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        watch = _Watch(process.pid)
        watch.start()
        output, _ = process.communicate()
        watch.stop()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, [str(part) for part in command])
    return Measured(output, time.perf_counter() - begin, watch.peak_kb / 1024)


class _Watch(threading.Thread):
    """Looks at a process and its descendants again and again."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._end = pid, threading.Event()
        self.peak_kb = 0

    def run(self) -> None:
        while not self._end.wait(_EVERY_SECONDS):
            self.peak_kb = max(self.peak_kb, sum(map(_proportional_kb, _tree(self._pid))))

    def stop(self) -> None:
        self._end.set()
        self.join()


def _tree(root: int) -> set[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = set(), [root]
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += children.get(pid, [])
    return found


def _parent(process: Path) -> int | None:
    """Process id of the parent; None if the process has ended meanwhile."""
    try:
        stat = (process / "stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])


def _proportional_kb(pid: int) -> int:
    """Memory of a process, with its share of what it has in common with others; 0 if it ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
