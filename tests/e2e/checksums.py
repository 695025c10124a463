"""Row checksums of a whole lake, so that two lakes can be held against each other."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.ops import PIPELINE_RUNS
from deepkt_irt.tables.registry import TABLES
from deepkt_irt.tables.silver import CANONICAL_RESPONSES
from deepkt_irt.tables.store import TableStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# the tracker names its runs at random, and a copied file has a time of its own; other wall clocks
# are in pipeline_runs only
VOLATILE_COLUMNS = {"mlflow_run_id", "modified_ns"}
# one says what was run, one what the last run worked out
COMPARED = tuple(t for t in TABLES if t not in (PIPELINE_RUNS, CANONICAL_RESPONSES))


def checksums(store: TableStore, tables: Iterable[Table] = COMPARED) -> dict[str, tuple[int, int]]:
    """Rows and the sum of the rows' hashes by table."""
    return {table.qualified_name: _checksum(table, store.read(table)) for table in tables}


def _checksum(table: Table, data: "DataFrame") -> tuple[int, int]:
    from pyspark.sql import functions as F

    kept = [column for column in table.columns if column.name not in VOLATILE_COLUMNS]
    # a JSON text covers arrays and structs, which hash functions treat unlike nulls
    text = F.to_json(F.struct(*(column.name for column in kept)))
    # a file is the same one in the folder of the day it landed on
    text = F.regexp_replace(text, r'"\d{4}-\d\d-\d\d/', '"')
    hashed = data.select(F.xxhash64(text).cast("decimal(38,0)").alias("h"))
    row = hashed.agg(F.count("h"), F.coalesce(F.sum("h"), F.lit(0))).first()
    assert row is not None
    return int(row[0]), int(row[1])
