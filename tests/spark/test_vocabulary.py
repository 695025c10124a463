"""Indexes of items and skills: 1, 2, 3 … in the order of the ids, never changed."""

import pytest

from conftest import AS_OF, rows
from deepkt_irt.gold.vocabulary import new_entries
from deepkt_irt.tables.gold import ITEM_VOCABULARY, SKILL_VOCABULARY
from deepkt_irt.tables.quality import schema_differences

pytestmark = pytest.mark.spark


@pytest.fixture
def add(store, spark):
    """Adds ids as a run would, and gives the vocabulary."""

    def run(*ids, table=ITEM_VOCABULARY, name="item_id"):
        given = spark.createDataFrame([(each,) for each in ids], f"{name} string")
        store.insert_new(table, new_entries(given, store.read(table), added_at=AS_OF))
        return rows(store.read(table), name.replace("_id", "_index"), name)

    return run


def test_new_entries_are_numbered_from_one_in_the_order_of_the_ids(add):
    assert add("s:b", "s:a10", "s:a9", "s:b") == [(1, "s:a10"), (2, "s:a9"), (3, "s:b")]


def test_new_entries_later_ids_follow_behind_and_change_nothing(add):
    before = add("s:m", "s:n")

    after = add("s:z", "s:n", "s:a", "s:m")

    assert after == [*before, (3, "s:a"), (4, "s:z")]


def test_new_entries_an_id_no_longer_seen_keeps_its_index(add):
    add("s:a", "s:b")

    assert add("s:c") == [(1, "s:a"), (2, "s:b"), (3, "s:c")]


def test_new_entries_of_known_ids_are_none(add):
    before = add("s:a", "s:b")

    assert add("s:b", "s:a") == before
    assert add() == before


def test_new_entries_do_not_depend_on_partitions(spark, store):
    ids = spark.range(500).selectExpr("concat('s:', id) AS item_id")
    known = store.read(ITEM_VOCABULARY)

    one, many = (
        rows(new_entries(ids.repartition(n), known, added_at=AS_OF), "item_index", "item_id")
        for n in (1, 7)
    )

    assert one == many
    assert [index for index, _ in one] == list(range(1, 501))


def test_new_entries_of_skills_have_the_declared_columns(add, spark, store):
    given = spark.createDataFrame([("s:k",)], "skill_id string")
    made = new_entries(given, store.read(SKILL_VOCABULARY), added_at=AS_OF)

    assert schema_differences(SKILL_VOCABULARY, dict(made.dtypes)) == []
    assert add("s:k", table=SKILL_VOCABULARY, name="skill_id") == [(1, "s:k")]
