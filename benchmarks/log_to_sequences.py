"""An action log to events and sequences in this package: `log_to_sequences.py FOLDER LAKE`.

Lands the files of FOLDER in a new lake and runs the tasks up to the sequences. Prints seconds by
step and counts as JSON. SETTINGS: memory of the driver.
"""

import json
import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from deepkt_irt.jobs.opening import Target, open_target
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.session import local_session
from deepkt_irt.settings import Settings
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.tables.gold import SAKT_SEQUENCES
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS
from deepkt_irt.tables.store import TableStore

STEPS = ("ingest_bronze", "transform_silver", "engineer_features")
_AS_OF = datetime(2026, 3, 1, 2, tzinfo=UTC)


def main() -> None:
    """Run the tasks and print what they took and made."""
    folder, lake, settings = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    logging.basicConfig(level=logging.WARNING)
    lake.mkdir()
    seconds = {}
    begin = time.perf_counter()
    land(source_named("edm_cup"), folder, lake / "landing", mapping=None)
    seconds["landing"], begin = time.perf_counter() - begin, time.perf_counter()
    more = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": settings["events"]}
    local_session(profile="large", memory=settings["memory"], more=more)
    opened = open_target(Target(lake=lake))
    seconds["session"] = time.perf_counter() - begin
    runner = Runner(opened.spark, opened.store, opened.place, Settings(), _AS_OF)
    for name in STEPS:
        begin = time.perf_counter()
        runner.run([TASKS[name]])
        seconds[name] = time.perf_counter() - begin
    print(json.dumps({"seconds": seconds, **_counts(opened.store)}))


def _counts(store: TableStore) -> dict[str, int]:
    events = store.read(CANONICAL_LEARNING_EVENTS)
    row = events.selectExpr(
        "count(*) AS events", "count_if(correct) AS correct", "count(correct) AS graded"
    ).first()
    sequences = store.read(SAKT_SEQUENCES).selectExpr("sum(size(event_ids)) AS positions").first()
    return {**row.asDict(), **sequences.asDict()}


if __name__ == "__main__":
    main()
