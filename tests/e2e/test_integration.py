"""The integration test seeds what the demo simulates, finds faults, and leaves nothing behind."""

import re
import shutil
from dataclasses import fields

import pytest

from deepkt_irt.jobs.entry_points import SCRIPTS
from deepkt_irt.jobs.integration import problems_of
from deepkt_irt.jobs.opening import CATALOGS_VARIABLE
from deepkt_irt.sources.simulator import District
from deepkt_irt.tables.contract import Layer
from deepkt_irt.tables.gold import SAKT_PREDICTIONS
from deepkt_irt.tables.gold_items import ITEM_PARAMETERS
from deepkt_irt.tables.ops import INGEST_AUDIT
from deepkt_irt.tables.silver import STUDENT_KEYS
from deepkt_irt.tables.store import TableStore

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SCHEMAS = {layer: f"integration_{layer}" for layer in Layer}


def run(name, *more):
    script = SCRIPTS[name]
    schemas = ",".join(f"{layer}={schema}" for layer, schema in SCHEMAS.items())
    script.run(script.parser().parse_args(["--catalog=c", f"--schemas={schemas}", *more]))


@pytest.fixture
def copied(spark, demo_lake, tmp_path):
    """The tables of the demo, which is the same district, to plant faults in."""
    shutil.copytree(demo_lake / "tables", tmp_path / "tables")
    return TableStore(spark, lake=tmp_path)


def test_demo_of_the_same_district_has_no_problem(copied):
    assert problems_of(copied) == []


@pytest.mark.parametrize(
    ("table", "change", "problem"),
    [
        (INGEST_AUDIT, "rows_kept = 0, rows_quarantined = rows_read", "0 of .* rows kept"),
        (SAKT_PREDICTIONS, "p_correct = 1.0", "not between 0 and 1"),
        (ITEM_PARAMETERS, "difficulty = -difficulty", "correlate only -"),
    ],
)
def test_planted_fault_is_found(spark, copied, table, change, problem):
    spark.sql(f"UPDATE {copied.sql_name(table)} SET {change}")  # noqa: S608

    assert any(re.search(problem, each) for each in problems_of(copied))


def test_empty_tables_are_named(store):
    assert problems_of(store)[:2] == [
        "no file was taken in",
        "silver.canonical_learning_events is empty",
    ]


def test_seed_then_drop_leaves_nothing_behind(spark, tmp_path, monkeypatch):
    monkeypatch.setenv(CATALOGS_VARIABLE, str(tmp_path))
    catalog = tmp_path / "c"
    run("seed_district")
    landed = {path.stem for path in (catalog / "integration_bronze").glob("landing/*/*.csv")}
    TableStore(spark, lake=catalog, schemas=SCHEMAS).create(STUDENT_KEYS)

    run("drop_district", "--models=sakt=c.integration_gold.sakt")

    assert landed == {f.name for f in fields(District) if not f.name.startswith("truth_")}
    left = {p.name for p in catalog.rglob("*") if p.is_file() and "mlflow.db" not in p.name}
    assert left == set()
    assert not TableStore(spark, lake=catalog, schemas=SCHEMAS).exists(STUDENT_KEYS)
