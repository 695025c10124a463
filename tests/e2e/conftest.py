"""One small simulated district, run from end to end once for all tests that look at it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deepkt_irt.cli import main
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.store import TableStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TRAINING = ["--set", "sakt.max_epochs=3", "--set", "sakt.min_steps=40"]
SMALL = ["--students", "80", "--items", "60", "--seed", "11", *TRAINING]
AS_OF = ["--as-of", "2026-03-01T02:00"]


@pytest.fixture(scope="session")
def demo_lake(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake after `deepkt demo` on a small district."""
    lake = tmp_path_factory.mktemp("demo") / "lake"
    main(["demo", "--lake", str(lake), *SMALL, *AS_OF])
    return lake


@pytest.fixture
def table(spark: "SparkSession", demo_lake: Path) -> Callable[[Table], "DataFrame"]:
    """Reads a table of the demo lake."""
    return TableStore(spark, lake=demo_lake).read


@pytest.fixture
def quick_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that do not compile their queries: many cold starts would mostly do that."""
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "spark-defaults.conf").write_text("spark.sql.codegen.wholeStage false\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(folder))
