"""Which students are scored again: those of whom something changed that their scores rest on."""

import pytest

from conftest import rows
from deepkt_irt.jobs.reading import held
from deepkt_irt.jobs.score_basis import BASIS, outdated, with_basis

pytestmark = pytest.mark.spark

SEQUENCES = (
    "student_key string, window_index int, event_ids array<string>, latency_ms array<bigint>"
)
STUDENTS = (
    "student_key string, open_skills array<int>, counts array<struct<skill_index:int,n:int>>, "
    "basis_skills array<int>"
)
HASHES = {1: "one", 2: "two"}
WINDOWS = [("ann", 0, ["a", "b"], [5, None]), ("ann", 1, ["c"], [7]), ("bob", 0, ["d"], [None])]
KNOWN = [("ann", [1], [(1, 3)], [1]), ("bob", [2], None, [2])]


@pytest.fixture
def basis(spark):
    def of(windows=WINDOWS, known=KNOWN, hashes=HASHES, common="v1"):
        made = with_basis(
            spark.createDataFrame(known, STUDENTS),
            spark.createDataFrame(windows, SEQUENCES),
            hashes,
            common,
        )
        return dict(rows(made, "student_key", BASIS))

    return of


def test_basis_changes_for_those_alone_whom_a_change_concerns(basis):
    before = basis()

    def changed(**given):
        now = basis(**given)
        return {student for student in before if now[student] != before[student]}

    assert changed(windows=WINDOWS[::-1], known=KNOWN[::-1]) == set()
    assert changed(windows=[("ann", 0, ["a", "b"], [None, 5]), *WINDOWS[1:]]) == {"ann"}
    assert changed(known=[("ann", [1], [(1, 4)], [1]), KNOWN[1]]) == {"ann"}
    assert changed(hashes=HASHES | {2: "other", 3: "new"}) == {"bob"}
    assert changed(common="v2") == {"ann", "bob"}


def test_basis_of_a_student_without_a_sequence_is_none(basis):
    assert set(basis(windows=WINDOWS[:2])) == {"ann"}


def test_outdated_are_new_changed_and_gone_students(spark):
    schema = f"student_key string, {BASIS} string"
    now = spark.createDataFrame([("same", "x"), ("new", "x"), ("changed", "y")], schema)
    scored = [("same", "x"), ("same", "x"), ("changed", "x"), ("gone", "x"), ("gone", None)]
    before = spark.createDataFrame(scored, schema)

    found = outdated(now, before, at_most=3)

    assert found is not None
    told = {(row[0], row[1]) for row in found.collect()}
    assert told == {("new", "x"), ("changed", "y"), ("gone", None)}
    assert outdated(now, before, at_most=2) is None


def test_held_rows_are_kept_though_their_source_is_gone(spark, tmp_path):
    spark.range(2).selectExpr("cast(id AS string) AS student_key").write.parquet(
        str(tmp_path / "t")
    )
    found = held(spark.read.parquet(str(tmp_path / "t")), at_most=2)
    for path in (tmp_path / "t").iterdir():
        path.unlink()

    assert found is not None
    assert rows(found, "student_key") == [("0",), ("1",)]
