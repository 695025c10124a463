"""Splits: by hash of the student, stable, disjoint, of the sizes asked for."""

import hashlib

import pytest

from conftest import AS_OF, rows
from deepkt_irt.settings import SplitSettings
from deepkt_irt.silver.splits import user_splits
from deepkt_irt.tables.quality import schema_differences
from deepkt_irt.tables.silver import STUDENT_KEYS, USER_SPLITS

pytestmark = pytest.mark.spark

N = 4000
DEFAULT = SplitSettings()


@pytest.fixture
def students(frame):
    def build(names, *, source="s", prefix="key of"):
        return frame(
            STUDENT_KEYS,
            [
                {
                    "source": source,
                    "student_id": name,
                    "student_key": f"{prefix} {name}",
                    "created_at": AS_OF,
                }
                for name in names
            ],
        )

    return build


@pytest.fixture
def many(students):
    return students([str(number) for number in range(N)])


def expected(student, purpose, below, source="s"):
    digest = hashlib.sha256(f"{purpose}|{source}|{student}".encode()).hexdigest()
    return int(digest[:8], 16) % below


@pytest.mark.connect
def test_user_splits_bucket_and_fold_are_those_of_a_sha256_anyone_can_redo(students):
    made = user_splits(students(["ann", "Ünal", "17"]), DEFAULT)

    assert rows(made, "student_key", "bucket", "fold") == sorted(
        (f"key of {name}", expected(name, "split", 1000), expected(name, "fold", 5))
        for name in ("ann", "Ünal", "17")
    )


def test_user_splits_have_the_declared_columns(students):
    assert schema_differences(USER_SPLITS, dict(user_splits(students(["a"]), DEFAULT).dtypes)) == []


def test_user_splits_do_not_depend_on_the_random_key(students):
    names = ["ann", "bob", "cleo"]

    one, other = (
        [row[1:] for row in rows(made, "student_key", "split", "fold", "bucket")]
        for made in (
            user_splits(students(names), DEFAULT),
            user_splits(students(names, prefix="new key of"), DEFAULT),
        )
    )

    assert one == other


def test_user_splits_the_same_id_in_two_sources_is_two_students(students):
    names = [str(number) for number in range(50)]

    here = rows(user_splits(students(names), DEFAULT), "student_key", "bucket")
    there = rows(user_splits(students(names, source="t"), DEFAULT), "student_key", "bucket")

    assert sum(a == b for a, b in zip(here, there, strict=True)) < 5


def test_user_splits_give_the_shares_asked_for_in_one_split_each(many):
    made = user_splits(many, SplitSettings(validation_permille=150, test_permille=250)).toPandas()

    assert made["student_key"].is_unique
    assert len(made) == N
    shares = made["split"].value_counts(normalize=True)
    # four standard deviations of a share of N students
    assert shares["test"] == pytest.approx(0.25, abs=0.028)
    assert shares["validation"] == pytest.approx(0.15, abs=0.023)
    assert shares["train"] == pytest.approx(0.60, abs=0.031)


def test_user_splits_follow_the_bucket_test_first(many):
    made = user_splits(many, DEFAULT).toPandas()

    ranges = made.groupby("split")["bucket"].agg(["min", "max"])
    assert ranges.loc["test"].tolist() == [0, 199]
    assert ranges.loc["validation"].tolist() == [200, 299]
    assert ranges.loc["train"].tolist() == [300, 999]


def test_user_splits_more_test_students_move_nobody_out_of_the_test_split(many):
    small = user_splits(many, SplitSettings(test_permille=100)).filter("split = 'test'")
    large = user_splits(many, SplitSettings(test_permille=300)).filter("split = 'test'")

    assert set(rows(small, "student_key")) < set(rows(large, "student_key"))


@pytest.mark.parametrize("n_folds", [5, 7])
def test_user_splits_folds_are_even_and_independent_of_the_split(many, n_folds):
    made = user_splits(many, SplitSettings(n_folds=n_folds)).toPandas()

    assert sorted(made["fold"].unique()) == list(range(n_folds))
    even = made["fold"].value_counts(normalize=True)
    assert even.to_numpy() == pytest.approx(1 / n_folds, abs=0.026)
    tested = made.groupby("fold")["split"].agg(lambda split: (split == "test").mean())
    assert tested.to_numpy() == pytest.approx(0.2, abs=0.08)
