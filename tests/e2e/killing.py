"""Kills the process of a task once, where its first rows have just been written."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def killed_once(tables: Mapping[str, Path]) -> Iterator[list[str]]:
    """Watch the processes started here meanwhile, and kill each task named at its first rows.

    Args:
        tables: Folder of the table that a task fills first, by the task's console script.

    Yields:
        The tasks killed so far.
    """
    killed: list[str] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            # commit 0 makes a table, commit 1 brings rows
            filled = [n for n, table in tables.items() if any(table.glob("_delta_log/*1.json"))]
            killed.extend(name for name in filled if name not in killed and _kill(name))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield killed
    finally:
        ended.set()
        watcher.join()


def _kill(name: str) -> bool:
    """Kill the process of a task and its Spark; False if it has none."""
    for task in psutil.Process().children():
        try:
            if name not in task.cmdline():
                continue
            for process in (*task.children(recursive=True), task):
                process.kill()
        except psutil.NoSuchProcess:
            continue
        else:
            return True
    return False
