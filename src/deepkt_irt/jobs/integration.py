"""Console scripts of the job integration_test: seed a district, hold what came of it, drop it.

The district is simulated, so its truth is known and can be made again where it is needed. All
three work only in schemas called `integration_…`: nothing invented gets among real data, and
nothing real is dropped.
"""

import argparse
import logging
import shutil
import tempfile
from pathlib import Path

import numpy as np

from deepkt_irt.errors import QualityViolation, UsageError
from deepkt_irt.jobs.calibrated import marginal
from deepkt_irt.jobs.context import VOLUMES
from deepkt_irt.jobs.opening import Opened, Target, open_target
from deepkt_irt.jobs.scripts import target_of
from deepkt_irt.settings import SimulatorSettings
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.sources.simulator import simulate, write_district
from deepkt_irt.tables.contract import Layer
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, SAKT_PREDICTIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_content import CONTENT_EMBEDDINGS
from deepkt_irt.tables.gold_items import ITEM_PARAMETERS
from deepkt_irt.tables.ops import INGEST_AUDIT
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS
from deepkt_irt.tables.store import TableStore

log = logging.getLogger(__name__)

PREFIX = "integration_"
DISTRICT = SimulatorSettings(n_students=80, n_items=60, seed=11)
_MIN_CORRELATION = 0.8  # of difficulties with their truth; .9 and more is usual at this size
_SOURCE = "simulator"
_FILLED = (
    CANONICAL_LEARNING_EVENTS,
    ITEM_PARAMETERS,
    SAKT_PREDICTIONS,
    STUDENT_MASTERY,
    BANDIT_RECOMMENDATIONS,
    CONTENT_EMBEDDINGS,
)


def seed_district(flags: argparse.Namespace) -> None:
    """Write the files of a small simulated district into the landing volume.

    What an earlier run left is dropped first. Works only in schemas called integration_….
    """
    target = _integration(target_of(flags))
    _drop(target, open_target(target))
    opened = open_target(target)
    if target.folder is None:
        for volume, layer in VOLUMES.items():
            opened.spark.sql(f"CREATE VOLUME IF NOT EXISTS {target.names.schema(layer)}.{volume}")
    with tempfile.TemporaryDirectory() as scratch:
        files, truth = Path(scratch) / "files", Path(scratch) / "truth"
        write_district(simulate(DISTRICT), files, truth_folder=truth)
        landed = land(source_named(_SOURCE), files, opened.place.landing, mapping=None)
    log.info("%d files landed in %s", len(landed), opened.place.landing)


def verify_district(flags: argparse.Namespace) -> None:
    """Hold the tables against what was seeded; fails naming all that is wrong.

    Every row of every file must be kept, tables that people read must be filled, chances lie
    between 0 and 1, and difficulties follow those the answers were drawn with.
    """
    opened = open_target(_integration(target_of(flags)))
    wrong = problems_of(opened.store)
    if wrong:
        raise QualityViolation("integration test", "; ".join(wrong))
    log.info("all that was seeded came through")


def drop_district(flags: argparse.Namespace) -> None:
    """Drop the schemas, files and models of the integration test, whatever state they are in.

    Works only in schemas called integration_…, and on models in them.
    """
    target = _integration(target_of(flags))
    opened = open_target(target)
    from deepkt_irt.tracking import ModelStore  # noqa: PLC0415 - slow to import

    place = opened.place
    models = ModelStore(place.tracking_uri, place.artifacts, registry_uri=place.registry_uri)
    for name in target.names.models.values():
        models.delete(name)
    _drop(target, opened)


def problems_of(store: TableStore) -> list[str]:
    """What is wrong with tables that come of the seeded district; empty if nothing is."""
    return [*_unkept(store), *_unfilled(store), *_unlike_truth(store)]


def _integration(target: Target) -> Target:
    """The target, if all it names belongs to the integration test.

    Raises:
        UsageError: If a schema or model could hold real data.
    """
    for layer in Layer:
        name = target.names.schema(layer)
        if not name.startswith(PREFIX):
            raise UsageError(f"schema {name} is not of the integration test: {PREFIX}… is needed")
    for name in target.names.models.values():
        if f".{PREFIX}" not in name:
            raise UsageError(f"model {name} is in no schema of the integration test")
    return target


def _drop(target: Target, opened: Opened) -> None:
    """Drop schemas with all that is in them."""
    for volume, layer in VOLUMES.items():
        schema = target.names.schema(layer)
        if target.folder is None:
            opened.spark.sql(f"DROP VOLUME IF EXISTS {schema}.{volume}")
        elif (target.folder / schema / volume).exists():
            shutil.rmtree(target.folder / schema / volume)
    opened.store.drop_schemas()


def _unkept(store: TableStore) -> list[str]:
    """Files of which a row is missing."""
    rows = store.read(INGEST_AUDIT).select("file", "rows_read", "rows_kept").collect()
    if not rows:
        return ["no file was taken in"]
    return [f"{file}: {kept:,} of {read:,} rows kept" for file, read, kept in rows if kept != read]


def _unfilled(store: TableStore) -> list[str]:
    empty = [table.qualified_name for table in _FILLED if store.read(table).isEmpty()]
    chances = store.read(SAKT_PREDICTIONS).filter("NOT (p_correct > 0 AND p_correct < 1)")
    wrong = [] if chances.isEmpty() else ["a predicted chance is not between 0 and 1"]
    return [f"{name} is empty" for name in empty] + wrong


def _unlike_truth(store: TableStore) -> list[str]:
    truth = simulate(DISTRICT).truth_items
    found = marginal(store.read(ITEM_PARAMETERS)).select("item_id", "difficulty").toPandas()
    found["problem_id"] = found["item_id"].str.removeprefix(f"{_SOURCE}:")
    both = found.merge(truth, on="problem_id").dropna(subset=["difficulty"])
    if len(both) < len(truth) / 2:
        return [f"{len(both)} of {len(truth)} items are calibrated"]
    r = float(np.corrcoef(both["difficulty"], both["b"])[0, 1])
    log.info("difficulties of %d items correlate %.3f with their truth", len(both), r)
    return [] if r > _MIN_CORRELATION else [f"difficulties correlate only {r:.3f} with their truth"]
