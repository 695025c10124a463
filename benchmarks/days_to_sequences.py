"""A log and then its days to sequences: `days_to_sequences.py FOLDER DAYS MEMORY`.

Takes FOLDER/log into a new lake in FOLDER, then FOLDER/day1 and so on, each by the tasks up to the
sequences. Prints seconds by task and rows written by table, of the history and each day, as JSON.
"""

import json
import logging
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deepkt_irt.jobs.opening import Opened, Target, open_target
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.session import local_session
from deepkt_irt.settings import Settings
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.tables.registry import TABLES

STEPS = ("ingest_bronze", "transform_silver", "engineer_features")
_AS_OF = datetime(2026, 3, 1, 2, tzinfo=UTC)


def main() -> None:
    """Run the history and the days, and print what they took and wrote."""
    folder, n_days, memory = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    logging.basicConfig(level=logging.WARNING)
    lake = folder / "lake"
    lake.mkdir()
    local_session(profile="large", memory=memory)
    opened = open_target(Target(lake=lake))
    history = _taken_in(opened, lake, folder / "log", _AS_OF)
    days = [
        _taken_in(opened, lake, folder / f"day{number}", _AS_OF + timedelta(days=number))
        for number in range(1, n_days + 1)
    ]
    rows = {table.qualified_name: opened.store.read(table).count() for table in _written(opened)}
    print(json.dumps({"history": history, "days": days, "rows": rows}))


def _taken_in(opened: Opened, lake: Path, files: Path, as_of: datetime) -> dict[str, Any]:
    land(source_named("edm_cup"), files, lake / "landing", mapping=None)
    runner = Runner(opened.spark, opened.store, opened.place, Settings(), as_of)
    before = {table.qualified_name: opened.store.version(table) for table in TABLES}
    seconds = {}
    for name in STEPS:
        begin = time.perf_counter()
        runner.run([TASKS[name]])
        seconds[name] = time.perf_counter() - begin
    rows = {
        table.qualified_name: opened.store.rows_written(table) or 0
        for table in _written(opened)
        if opened.store.version(table) != before[table.qualified_name]
    }
    return {"seconds": seconds, "rows": rows}


def _written(opened: Opened) -> list[Any]:
    """The tables of data: of the pipeline's own records a day always writes all that is new."""
    return [table for table in TABLES if opened.store.exists(table) and table.layer.value != "ops"]


if __name__ == "__main__":
    main()
