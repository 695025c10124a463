"""Rows of tables and views as `deepkt show` reads them."""

from datetime import UTC, datetime

import pytest

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs.table_rows import read_rows, relation_named
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import SKILL_VOCABULARY
from deepkt_irt.tables.silver import USER_SPLITS
from looking import tables_of

pytestmark = pytest.mark.spark


@pytest.fixture
def read(frame):
    return tables_of(
        frame,
        {
            USER_SPLITS: [{"student_key": f"s{n}", "fold": n} for n in (3, 1, 2)],
            SKILL_VOCABULARY: [
                {
                    "skill_index": 1,
                    "skill_id": "a",
                    "added_at": datetime(2026, 7, 1, 9, 30, tzinfo=UTC),
                }
            ],
        },
    )


def test_rows_meet_the_condition_first_by_key_and_no_more_than_asked(read):
    found = read_rows(
        read, USER_SPLITS, where="fold >= 2", columns=["fold", "student_key"], limit=1
    )

    assert found.rows == ({"fold": 2, "student_key": "s2"},)
    assert found.has_more
    assert [row["fold"] for row in read_rows(read, USER_SPLITS).rows] == [1, 2, 3]


def test_times_are_in_utc(read):
    (row,) = read_rows(read, SKILL_VOCABULARY).rows

    assert row["added_at"] == "2026-07-01T09:30:00.000Z"


def test_view_is_asked_of_its_tables(read):
    found = read_rows(read, relation_named("gold.student_today", Settings()))

    assert found.rows == ()
    assert "student_key" in found.columns


@pytest.mark.parametrize("where", ["fold >", "folds = 1", "fold = 'x'", "fold"])
def test_condition_that_is_none_is_refused_in_one_line(read, where):
    with pytest.raises(UsageError, match=r"^--where .*: write a condition in SQL") as refused:
        read_rows(read, USER_SPLITS, where=where)

    assert len(str(refused.value).splitlines()) == 1


def test_unknown_column_names_those_that_there_are(read):
    with pytest.raises(UsageError, match=r"--columns split_: silver\.user_splits has: .*fold"):
        read_rows(read, USER_SPLITS, columns=["split_"])
