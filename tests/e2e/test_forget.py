"""`deepkt forget` on a whole lake: tables, models, MLflow's store, checkpoints, truth, report."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deepkt_irt.cli import main
from deepkt_irt.governance.byte_search import byte_search
from deepkt_irt.tables.contract import Layer
from deepkt_irt.tables.gold import SAKT_PREDICTIONS
from deepkt_irt.tables.ops import ERASURES
from deepkt_irt.tables.registry import TABLES
from deepkt_irt.tables.silver import STUDENT_KEYS, USER_SPLITS
from deepkt_irt.tables.store import TableStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

pytestmark = [pytest.mark.spark, pytest.mark.nightly]

LIMIT_SECONDS = 300


def others(store: TableStore, key: str) -> dict[str, tuple[int, int]]:
    """Of every table about students, how many rows are others' and a sum over their hashes."""

    def summed(rows: "DataFrame") -> tuple[int, int]:
        row = rows.selectExpr("count(*)", "sum(xxhash64(to_json(struct(*))) % 1000000007)").first()
        return row[0], row[1]

    return {
        table.qualified_name: summed(store.read(table).filter(f"student_key <> '{key}'"))
        for table in TABLES
        if "student_key" in table.column_names and table.layer is not Layer.OPS
    }


def known_student(store: TableStore) -> tuple[str, str]:
    """Key and id of one whom models were trained on."""
    trained = store.read(USER_SPLITS).filter("split = 'train'")
    # the id of one simulated student is the word test, which stands in paths here
    named = store.read(STUDENT_KEYS).filter("student_id <> 'test'")
    known = named.join(trained, "student_key").orderBy("bucket").first()
    return known["student_key"], known["student_id"]


def killed_at(process: subprocess.Popen, log: Path) -> bool:
    """Kill a process and its Spark at the next commit of a table; False if it ended before."""
    before = len(list(log.glob("*.json")))
    deadline = time.monotonic() + LIMIT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if len(list(log.glob("*.json"))) != before:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.01)
    return False


def test_forget_leaves_nothing_of_the_student_and_all_of_others(spark, demo_lake, tmp_path, capfd):
    lake = shutil.copytree(demo_lake, tmp_path / "lake")
    store = TableStore(spark, lake=lake)
    key, student_id = known_student(store)
    texts = {"key": key, "id": student_id}
    before = others(store, key)
    assert len(byte_search([lake], texts).hits) > 20
    capfd.readouterr()

    main(["forget", "--student-id", student_id, "--lake", str(lake), "--json"])

    shown = capfd.readouterr().out
    (told,) = json.loads(shown[shown.index("[\n") :])
    assert [str(hit.path.relative_to(lake)) for hit in byte_search([lake], texts).hits] == []
    assert others(store, key) == before
    models = {line["place"]: line for line in told["model"]}
    assert models["sakt version 1"]["detail"] == "trained on the student"
    assert models["sakt version 1"]["retrain_by"] > told["erased_at"]
    found = {line["place"]: line["n"] for line in told["found"]}
    assert found["gold.sakt_predictions"] > 0
    assert found["gold.bandit_decisions"] > 0
    assert found["gold.student_abilities"] > 0
    assert not (lake / "report.html").exists()
    account = TableStore(spark, lake=lake).read(ERASURES)  # the command made the table
    assert not account.filter("phase = 'concluded'").isEmpty()

    main(["report", "--lake", str(lake)])

    assert (lake / "report.html").is_file()
    assert byte_search([lake], texts).hits == []


def test_forget_that_the_system_killed_is_completed_by_the_next_run(
    spark, demo_lake, tmp_path, capfd
):
    lake = shutil.copytree(demo_lake, tmp_path / "lake")
    store = TableStore(spark, lake=lake)
    key, student_id = known_student(store)
    texts = {"key": key, "id": student_id}
    before = others(store, key)
    asked = ["forget", "--student-id", student_id, "--lake", str(lake)]
    process = subprocess.Popen(
        [sys.executable, "-m", "deepkt_irt.cli", *asked],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    table = lake / "tables" / SAKT_PREDICTIONS.layer.value / SAKT_PREDICTIONS.name
    assert killed_at(process, table / "_delta_log")
    assert byte_search([lake], texts).hits
    main([*asked, "--json"])

    shown = capfd.readouterr().out
    (told,) = json.loads(shown[shown.index("[\n") :])
    assert told["erased_at"]
    assert byte_search([lake], texts).hits == []
    assert others(store, key) == before
    account = TableStore(spark, lake=lake).read(ERASURES)
    assert account.filter("phase = 'concluded'").count() > 0
