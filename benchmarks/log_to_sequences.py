"""An action log to events and sequences here: `log_to_sequences.py FOLDER TARGET SETTINGS`.

Lands the files of FOLDER in a new lake below TARGET and runs the tasks up to the sequences.
SETTINGS are JSON: memory of the driver. Spark's event log goes to TARGET/spark. Prints when each
step began and ended, in epoch seconds, and counts, as JSON.
"""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    """Run the tasks and print when they ran and what they made."""
    folder, target, settings = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    logging.basicConfig(level=logging.WARNING)
    lake, events, spans = target / "lake", target / "spark", {}
    lake.mkdir()
    events.mkdir()
    with _noted(spans, "landing"):
        land(source_named("edm_cup"), folder, lake / "landing", mapping=None)
    with _noted(spans, "session"):
        more = {
            "spark.eventLog.enabled": "true",
            "spark.eventLog.compress": "false",
            "spark.eventLog.dir": events.as_uri(),
        }
        local_session(profile="large", memory=settings["memory"], more=more)
        opened = open_target(Target(lake=lake))
    runner = Runner(opened.spark, opened.store, opened.place, Settings(), _AS_OF)
    for name in STEPS:
        with _noted(spans, name):
            runner.run([TASKS[name]])
    print(json.dumps({"spans": spans, **_counts(opened.store)}))


@contextmanager
def _noted(spans: dict[str, tuple[float, float]], name: str) -> Iterator[None]:
    begin = time.time()
    yield
    spans[name] = (begin, time.time())


def _counts(store: TableStore) -> dict[str, int]:
    events = store.read(CANONICAL_LEARNING_EVENTS)
    row = events.selectExpr(
        "count(*) AS events", "count_if(correct) AS correct", "count(correct) AS graded"
    ).first()
    sequences = store.read(SAKT_SEQUENCES).selectExpr("sum(size(event_ids)) AS positions").first()
    return {**row.asDict(), **sequences.asDict()}


if __name__ == "__main__":
    main()
