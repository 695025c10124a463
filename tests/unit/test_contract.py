"""Contracts refuse to contradict themselves, and their DDL says all they promise."""

import pytest

from deepkt_irt.tables.contract import Check, Column, Layer, Privacy, Table
from deepkt_irt.tables.ddl import table_ddl, table_properties
from deepkt_irt.tables.quality import schema_differences

ID = Column("id", "string", "the student's key", privacy=Privacy.PSEUDONYM)
SHARE = Column("share", "double", "part of 1", nullable=True, unit="ratio")
TABLE = Table(
    Layer.GOLD, "shares", "It's a share.", (ID, SHARE), ("id",), (Check("small", "share <= 1"),)
)


@pytest.mark.parametrize(
    ("columns", "key", "problem"),
    [
        ((ID, ID), ("id",), "id twice"),
        ((ID,), ("other",), "key other"),
        ((Column("Bad-Name", "int", "x"),), (), "Bad-Name"),
        ((Column("mute", "int", " "),), (), "mute has no comment"),
    ],
)
def test_table_contradicting_itself_is_refused(columns, key, problem):
    with pytest.raises(ValueError, match=problem):
        Table(Layer.GOLD, "t", "a table", columns, key)


def test_schema_differences_names_each_one():
    differences = schema_differences(TABLE, {"share": "float", "extra": "int"})

    assert differences == [
        "column extra (int) is not declared",
        "column id (string) is missing",
        "column share is float, declared double",
    ]


def test_table_ddl_holds_comments_not_null_checks_and_escapes_quotes():
    ddl = table_ddl(TABLE, "gold.x", with_checks=True)

    assert "id string NOT NULL COMMENT 'the student\\'s key'" in ddl
    assert "share double COMMENT 'part of 1 [ratio]'" in ddl
    assert "COMMENT 'It\\'s a share.'" in ddl
    assert "'delta.constraints.small' = 'coalesce(share <= 1, true)'" in ddl


def test_table_ddl_leaves_checks_to_a_catalog():
    assert "constraints" not in table_ddl(TABLE, "gold.x", with_checks=False)


def test_table_properties_keeps_no_statistics_of_pseudonyms():
    assert table_properties(TABLE)["delta.dataSkippingStatsColumns"] == "share"
