"""`deepkt forget` on a whole lake: tables, models, MLflow's store, checkpoints, truth, report."""

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from deepkt_irt.cli import main
from deepkt_irt.governance.byte_search import byte_search
from deepkt_irt.tables.contract import Layer
from deepkt_irt.tables.ops import ERASURES
from deepkt_irt.tables.registry import TABLES
from deepkt_irt.tables.silver import STUDENT_KEYS, USER_SPLITS
from deepkt_irt.tables.store import TableStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

pytestmark = [pytest.mark.spark, pytest.mark.nightly]


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


def test_forget_leaves_nothing_of_the_student_and_all_of_others(spark, demo_lake, tmp_path, capfd):
    lake = shutil.copytree(demo_lake, tmp_path / "lake")
    store = TableStore(spark, lake=lake)
    trained = store.read(USER_SPLITS).filter("split = 'train'")
    # the id of one simulated student is the word test, which stands in paths here
    named = store.read(STUDENT_KEYS).filter("student_id <> 'test'")
    known = named.join(trained, "student_key").orderBy("bucket").first()
    key, student_id = known["student_key"], known["student_id"]
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
