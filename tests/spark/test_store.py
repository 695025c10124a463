"""The store keeps the contract: schema, nulls, checks, one transaction per write."""

from dataclasses import replace

import pytest

from conftest import rows
from deepkt_irt.errors import QualityViolation, SchemaMismatch
from deepkt_irt.tables import store as store_module
from deepkt_irt.tables.contract import Check, Column, Layer, Table
from deepkt_irt.tables.store import TableStore

pytestmark = pytest.mark.spark

T = Table(
    Layer.GOLD,
    "store_probe",
    "A table to probe the store.",
    (Column("id", "bigint", "key"), Column("v", "double", "value", nullable=True, unit="m")),
    ("id",),
    (Check("v_positive", "v > 0"),),
    cluster_by=("id",),
)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(store_module, "TABLES", (T,))


def test_read_table_never_written_is_empty_with_the_contracts_schema(store):
    empty = store.read(T)

    assert dict(empty.dtypes) == {"id": "bigint", "v": "double"}
    assert empty.count() == 0


@pytest.mark.connect
def test_create_stores_comments_constraints_and_not_null(store, spark):
    store.create(T)

    described = {row[0]: row[2] for row in spark.sql(f"DESCRIBE {store.sql_name(T)}").collect()}
    properties = spark.sql(f"DESCRIBE DETAIL {store.sql_name(T)}").first()["properties"]
    assert described["v"] == "value [m]"
    assert properties["delta.constraints.v_positive"] == "coalesce(v > 0, true)"
    assert properties["deepkt.key"] == "id"


def test_overwrite_frame_with_other_columns_is_refused_naming_each(store, spark):
    wrong = spark.createDataFrame([(1, 2)], "id int, w int")

    with pytest.raises(SchemaMismatch) as refused:
        store.overwrite(T, wrong)

    assert refused.value.differences == (
        "column id is int, declared bigint",
        "column v (double) is missing",
        "column w (int) is not declared",
    )


@pytest.mark.connect
def test_overwrite_row_breaking_a_check_is_refused_and_the_old_version_stays(store, frame):
    store.overwrite(T, frame(T, [{"id": 1, "v": 1.0}]))

    with pytest.raises(QualityViolation, match="v_positive"):
        store.overwrite(T, frame(T, [{"id": 2, "v": -1.0}]))

    assert rows(store.read(T), "id", "v") == [(1, 1.0)]


def test_overwrite_null_key_is_refused(store, frame):
    with pytest.raises(QualityViolation, match="NOT_NULL"):
        store.overwrite(T, frame(T, [{"id": None, "v": 1.0}]))


@pytest.mark.connect
def test_append_same_version_again_adds_nothing(store, frame):
    one = frame(T, [{"id": 1}])

    store.append(T, one, app_id="ingest", version=0)
    store.append(T, one, app_id="ingest", version=0)
    store.append(T, frame(T, [{"id": 2}]), app_id="ingest", version=1)

    assert rows(store.read(T), "id") == [(1,), (2,)]


def test_insert_new_leaves_existing_rows_as_they_are(store, frame):
    store.insert_new(T, frame(T, [{"id": 1, "v": 1.0}]))

    store.insert_new(T, frame(T, [{"id": 1, "v": 9.0}, {"id": 2, "v": 2.0}]))

    assert rows(store.read(T), "id", "v") == [(1, 1.0), (2, 2.0)]


@pytest.mark.connect
def test_replace_changes_only_the_rows_that_match(store, frame):
    store.overwrite(T, frame(T, [{"id": 1, "v": 1.0}, {"id": 7, "v": 7.0}]))

    store.replace(T, frame(T, [{"id": 8, "v": 8.0}]), where="id > 5")

    assert rows(store.read(T), "id", "v") == [(1, 1.0), (8, 8.0)]


def test_version_counts_commits_and_is_none_before_the_first(store, frame):
    assert store.version(T) is None

    store.overwrite(T, frame(T, [{"id": 1}]))
    before = store.version(T)
    store.overwrite(T, frame(T, [{"id": 1}, {"id": 2}]))

    assert store.version(T) == before + 1
    assert store.rows_written(T) == 2


def test_store_reopened_finds_the_tables_of_its_lake(store, spark, frame, tmp_path):
    store.overwrite(T, frame(T, [{"id": 1}]))

    again = store_module.TableStore(spark, lake=tmp_path / "lake")

    assert again.exists(T)
    assert rows(again.read(T), "id") == [(1,)]


def test_store_with_names_of_its_own_keeps_them_apart(spark, tmp_path):
    """A developer's schemas beside the plain ones, in one folder."""
    names = {Layer.GOLD: "dev_jo_gold"}
    TableStore(spark, lake=tmp_path, schemas=names).create(T)

    assert (tmp_path / "tables" / "dev_jo_gold" / T.name / "_delta_log").is_dir()
    assert not TableStore(spark, lake=tmp_path).exists(T)
    assert TableStore(spark, lake=tmp_path, schemas=names).read(T).count() == 0


@pytest.mark.parametrize("half", [None, ".00000000000000000000.json.1f.tmp"])
def test_table_whose_making_was_cut_off_before_its_first_commit_is_made(
    store, spark, frame, tmp_path, half
):
    log = store.folder(T) / "_delta_log"
    (log / "_staged_commits").mkdir(parents=True)
    if half:
        (log / half).write_text("half of a commit")

    again = TableStore(spark, lake=tmp_path / "lake")
    again.overwrite(T, frame(T, [{"id": 1}]))

    assert rows(again.read(T), "id") == [(1,)]


def test_two_lakes_of_one_session_keep_their_rows_apart(store, spark, frame, tmp_path):
    other = TableStore(spark, lake=tmp_path / "ano`ther lake")
    store.overwrite(T, frame(T, [{"id": 1}]))
    other.overwrite(T, frame(T, [{"id": 2}]))

    assert rows(store.read(T), "id") == [(1,)]
    assert rows(other.read(T), "id") == [(2,)]


def test_table_of_an_earlier_version_gets_the_columns_that_may_be_null(store, spark, tmp_path):
    store.overwrite(T, spark.createDataFrame([(1, 2.0)], "id bigint, v double"))
    later = replace(T, columns=(*T.columns, Column("w", "string", "new", nullable=True)))

    again = TableStore(spark, lake=tmp_path / "lake")

    assert rows(again.read(later), "id", "v", "w") == [(1, 2.0, None)]
    again.overwrite(later, spark.createDataFrame([(2, 3.0, "x")], "id bigint, v double, w string"))
    assert rows(again.read(later), "id", "w") == [(2, "x")]


def test_table_of_an_earlier_version_that_has_more_is_refused(store, spark, tmp_path):
    store.overwrite(T, spark.createDataFrame([(1, 2.0)], "id bigint, v double"))
    later = replace(T, columns=T.columns[:1])

    with pytest.raises(SchemaMismatch, match=r"earlier version made it, with v: make the lake"):
        TableStore(spark, lake=tmp_path / "lake").read(later)


def test_table_of_an_earlier_version_that_lacks_more_is_refused(store, spark, tmp_path):
    store.overwrite(T, spark.createDataFrame([(1, 2.0)], "id bigint, v double"))
    later = replace(T, columns=(*T.columns, Column("w", "string", "new")))

    with pytest.raises(SchemaMismatch, match=r"earlier version made it, without w: make the lake"):
        TableStore(spark, lake=tmp_path / "lake").read(later)
