"""Keys of students: random, one each, whatever happens."""

import hashlib
import re
from datetime import UTC, datetime

import pytest

from conftest import AS_OF, rows
from deepkt_irt.governance.pseudonyms import new_student_keys
from deepkt_irt.tables.quality import schema_differences
from deepkt_irt.tables.silver import STUDENT_KEYS

pytestmark = pytest.mark.spark


@pytest.fixture
def students(spark):
    return spark.createDataFrame(
        [("s", "ann"), ("s", "ann"), ("s", "bob"), ("t", "ann"), ("s", None), ("s", " ")],
        "source string, student_id string",
    )


@pytest.fixture
def insert(store):
    """Inserts keys as a run would, and gives what is then known."""

    def run(students, *, created_at=AS_OF):
        keys = new_student_keys(students, store.read(STUDENT_KEYS), created_at=created_at)
        store.insert_new(STUDENT_KEYS, keys)
        return rows(store.read(STUDENT_KEYS), *STUDENT_KEYS.column_names)

    return run


def test_new_student_keys_one_per_source_and_student_none_for_the_nameless(students, insert):
    known = insert(students)

    assert [(source, student) for source, student, *_ in known] == [
        ("s", "ann"),
        ("s", "bob"),
        ("t", "ann"),
    ]
    assert len({key for _, _, key, _ in known}) == 3


def test_new_student_keys_have_the_declared_columns(students, store):
    made = new_student_keys(students, store.read(STUDENT_KEYS), created_at=AS_OF)

    assert schema_differences(STUDENT_KEYS, dict(made.dtypes)) == []


@pytest.mark.connect
def test_new_student_keys_a_second_run_changes_no_key_and_adds_only_the_new(
    students, insert, spark
):
    before = insert(students)
    more = students.unionByName(
        spark.createDataFrame([("s", "cleo")], "source string, student_id string")
    )

    after = insert(more, created_at=datetime(2026, 4, 1, tzinfo=UTC))

    assert [row for row in after if row[1] != "cleo"] == before
    assert len(after) == len(before) + 1


def test_new_student_keys_a_frame_made_before_another_run_inserted_gives_no_second_key(
    students, store
):
    """As after kill -9: what one run planned, another has done by the time it is written."""
    stale = new_student_keys(students, store.read(STUDENT_KEYS), created_at=AS_OF)
    store.insert_new(
        STUDENT_KEYS, new_student_keys(students, store.read(STUDENT_KEYS), created_at=AS_OF)
    )
    before = rows(store.read(STUDENT_KEYS), "source", "student_id", "student_key")

    store.insert_new(STUDENT_KEYS, stale)

    assert rows(store.read(STUDENT_KEYS), "source", "student_id", "student_key") == before


def test_new_student_keys_are_random_and_hold_nothing_of_the_id(students, store):
    known = store.read(STUDENT_KEYS)
    first, second = (
        {row.student_id: row.student_key for row in made.filter("source = 's'").collect()}
        for made in (new_student_keys(students, known, created_at=AS_OF) for _ in range(2))
    )

    assert first["ann"] != second["ann"]
    for student, key in first.items():
        assert re.fullmatch(r"[0-9a-f]{32}", key)
        assert student not in key
        for text in (student, f"s:{student}", f"s|{student}"):
            for digest in (hashlib.md5, hashlib.sha1, hashlib.sha256):
                assert key != digest(text.encode()).hexdigest()[:32]
