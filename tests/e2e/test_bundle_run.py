"""The bundle's jobs, run from the built wheel, leave the tables that a direct run leaves."""

import shutil
from pathlib import Path

import pytest

from conftest import REPOSITORY
from deepkt_irt.cli import main
from deepkt_irt.tables.contract import Layer
from deepkt_irt.tables.silver import STUDENT_KEYS
from deepkt_irt.tables.store import TableStore
from e2e.checksums import checksums
from e2e.conftest import AS_OF, TRAINING

pytestmark = [pytest.mark.spark, pytest.mark.slow]

DEVELOPED = {layer: f"dev_developer_{layer.value}" for layer in Layer}
LAKE_ONLY = "ingest_bronze,transform_silver,engineer_features"
SETTINGS = ",".join(TRAINING[1::2])


def bundle_run(job: str, catalogs: Path, wheels: Path, *more: str) -> None:
    folders = ["--folder", str(REPOSITORY), "--wheels", str(wheels), "--catalogs", str(catalogs)]
    given = ["--param", f"as_of={AS_OF[1]}", "--param", f"settings={SETTINGS}"]
    main(["bundle-run", job, *given, *folders, *more])


def test_daily_then_weekly_leave_what_a_direct_run_leaves(spark, demo_lake, tmp_path, wheel_folder):
    lake = tmp_path / "deepkt_dev"
    # pseudonyms are random: give both lakes the same ones, so that all else can be compared
    keys = demo_lake / "tables" / STUDENT_KEYS.layer.value / STUDENT_KEYS.name
    shutil.copytree(keys, lake / "tables" / DEVELOPED[Layer.RESTRICTED] / STUDENT_KEYS.name)
    landing = lake / DEVELOPED[Layer.BRONZE] / "landing"
    shutil.copytree(demo_lake / "landing" / "simulator", landing / "simulator")

    bundle_run("daily_ingestion", tmp_path, wheel_folder, "--only", LAKE_ONLY)
    bundle_run("weekly_training", tmp_path, wheel_folder)

    found = checksums(TableStore(spark, lake=lake, schemas=DEVELOPED))
    assert found == checksums(TableStore(spark, lake=demo_lake))
    assert (lake / DEVELOPED[Layer.OPS] / "reports" / "report.html").is_file()
