"""What the files of a table need, what is done about it, and how it is said."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.governance.erasure import holds_persons
from deepkt_irt.jobs.table_upkeep import Step, care, left_out, statement, steps_for
from deepkt_irt.reporting.operations import (
    TableFiles,
    TableUpkeep,
    change,
    in_order,
    in_words,
    render_text,
    size,
    totals,
)
from deepkt_irt.settings import MaintenanceSettings
from deepkt_irt.tables.bronze import RAW_RESPONSES
from deepkt_irt.tables.contract import Column, Layer, Privacy, Table
from deepkt_irt.tables.registry import TABLES
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, SKILLS

SETTINGS = MaintenanceSettings()
MANAGED = MaintenanceSettings(predictive_optimization=True)
TIDY = TableFiles(
    n_rows=100, n_files=1, n_small=1, n_bytes=5_000, stored_bytes=5_000, deleted_share=0.0
)
IN_CATALOG = replace(TIDY, stored_bytes=None)
CLUSTERED = Table(
    Layer.GOLD,
    "probe",
    "A clustered table.",
    (Column("day", "date", "a day"), Column("what", "string", "a word")),
    ("day",),
    cluster_by=("day",),
)


def upkeep(name, files=TIDY, *, care=()):
    return TableUpkeep(
        name=name,
        expired=0,
        before=files,
        after=files,
        steps=(),
        left_out=None,
        care=care,
        seconds=1.0,
    )


def test_tidy_table_in_a_lake_needs_nothing():
    assert steps_for(SKILLS, TIDY, SETTINGS) == []
    assert care(TIDY, SETTINGS) == []


@pytest.mark.parametrize(("n_small", "merged"), [(9, False), (10, True), (10_000, True)])
def test_small_files_are_merged_from_the_set_number_on(n_small, merged):
    files = replace(TIDY, n_files=n_small, n_small=n_small)

    assert (Step.OPTIMIZE in steps_for(SKILLS, files, SETTINGS)) is merged
    assert bool(care(files, SETTINGS)) is merged


def test_clustered_table_is_merged_as_soon_as_it_has_two_files():
    two = replace(TIDY, n_files=2)

    assert steps_for(CLUSTERED, two, SETTINGS) == [Step.OPTIMIZE]
    assert steps_for(CLUSTERED, TIDY, SETTINGS) == []


def test_first_deleted_row_of_persons_is_written_out_and_others_from_a_share_on():
    few, many = (replace(TIDY, deleted_share=share) for share in (0.01, 0.06))

    assert holds_persons(CANONICAL_LEARNING_EVENTS)
    assert not holds_persons(SKILLS)
    assert steps_for(CANONICAL_LEARNING_EVENTS, few, SETTINGS) == [Step.PURGE]
    assert steps_for(SKILLS, few, SETTINGS) == []
    assert steps_for(SKILLS, many, SETTINGS) == [Step.PURGE]


def test_deleted_rows_that_nobody_counted_are_written_out_to_be_safe():
    unknown = replace(IN_CATALOG, deleted_share=None)

    assert Step.PURGE in steps_for(SKILLS, unknown, SETTINGS)
    assert care(unknown, SETTINGS) == []  # what is unknown is not claimed


def test_old_files_are_looked_for_where_there_are_any():
    assert steps_for(SKILLS, replace(TIDY, stored_bytes=5_001), SETTINGS) == [Step.VACUUM]
    assert Step.VACUUM in steps_for(SKILLS, IN_CATALOG, SETTINGS)  # a catalog does not tell


def test_steps_stand_in_the_order_in_which_each_helps_the_next():
    worn = replace(IN_CATALOG, n_files=50, n_small=50, deleted_share=0.5)

    assert steps_for(SKILLS, worn, SETTINGS) == list(Step)


def test_what_unity_catalog_does_by_itself_is_left_to_it_but_the_purge():
    worn = replace(IN_CATALOG, n_files=50, n_small=50, deleted_share=0.5)

    assert steps_for(SKILLS, worn, MANAGED) == [Step.PURGE]
    assert "Unity Catalog does it" in left_out(worn, MANAGED)
    assert left_out(IN_CATALOG, SETTINGS) is None
    assert left_out(TIDY, SETTINGS).startswith("analyze: open-source Delta")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.qualified_name)
def test_statistics_of_the_catalog_leave_out_what_tells_of_persons(table):
    columns = statement(Step.ANALYZE, table, "t").split("FOR COLUMNS ")[1].split(", ")
    telling = {c.name for c in table.columns if c.privacy is not Privacy.NONE}

    assert set(columns) & telling == set()
    assert set(columns) <= set(table.column_names)


def test_statements_name_the_table_as_it_is_called():
    name = "delta.`/data/my lake/tables/silver/skills`"

    assert statement(Step.OPTIMIZE, SKILLS, name) == f"OPTIMIZE {name}"
    assert statement(Step.PURGE, SKILLS, name) == f"REORG TABLE {name} APPLY (PURGE)"
    assert statement(Step.VACUUM, RAW_RESPONSES, name) == f"VACUUM {name}"


@pytest.mark.parametrize("days", [6, 0, -1, 31])
def test_files_are_kept_neither_too_short_for_readers_nor_longer_than_the_log(days):
    with pytest.raises(ValueError, match="keep_days"):
        MaintenanceSettings(keep_days=days)


@given(
    st.builds(
        TableFiles,
        n_rows=st.integers(0, 10**10),
        n_files=st.integers(0, 10**6),
        n_small=st.integers(0, 10**6),
        n_bytes=st.integers(0, 10**14),
        stored_bytes=st.none() | st.integers(0, 10**14),
        deleted_share=st.none() | st.floats(0, 1),
    )
)
def test_whatever_the_files_steps_come_once_in_order_and_care_is_in_words(files):
    steps = steps_for(CANONICAL_LEARNING_EVENTS, files, SETTINGS)

    assert steps == [step for step in Step if step in steps]
    assert all(line and "None" not in line for line in care(files, SETTINGS))


def test_tables_that_need_care_come_first_then_the_largest():
    large = replace(TIDY, n_bytes=10**9)
    tables = [
        upkeep("a.small"),
        upkeep("b.large", large),
        upkeep("c.worn", care=("12 small files of 12",)),
    ]

    assert [each.name for each in in_order(tables)] == ["c.worn", "b.large", "a.small"]


def test_totals_are_of_all_tables_and_storage_only_where_it_is_known():
    assert dict(totals([upkeep("a"), upkeep("b")])) == {
        "tables": "2",
        "rows": "200",
        "files": "2",
        "small files": "2",
        "in the last versions": "9.8 KiB",
        "in storage": "9.8 KiB",
    }
    assert "in storage" not in dict(totals([upkeep("a", IN_CATALOG)]))


@pytest.mark.parametrize(
    ("n_bytes", "said"),
    [
        (0, "0 bytes"),
        (1023, "1,023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 * 1024**3, "5.0 GiB"),
        (9_000 * 1024**4, "9,000.0 TiB"),
    ],
)
def test_size_for_people(n_bytes, said):
    assert size(n_bytes) == said


def test_line_of_a_table_says_what_changed_was_done_and_is_still_needed():
    worn, merged = replace(TIDY, n_files=12), replace(TIDY, n_files=1)
    done = replace(
        upkeep("ops.quarantine", care=("9% of the rows in its files are deleted ones",)),
        before=worn,
        after=merged,
        expired=1_204,
        steps=("optimize", "vacuum"),
    )

    assert in_words(done) == (
        "ops.quarantine: 12 → 1 files; optimize, vacuum; 1,204 rows were past their retention; "
        "needs care: 9% of the rows in its files are deleted ones"
    )
    assert in_words(upkeep("gold.items")) == "gold.items: 1 files; nothing to do"
    assert change(3, 3) == "3"


def test_text_leaves_out_tables_that_needed_nothing_and_ends_with_the_totals():
    worn = upkeep("c.worn", replace(TIDY, n_files=12, n_small=12), care=("12 small files of 12",))

    first, last = render_text([upkeep("a.tidy"), worn]).splitlines()

    assert first == "c.worn: 12 files; nothing to do; needs care: 12 small files of 12"
    assert last.startswith("In all 2 tables, 200 rows, 13 files, 13 small files, 9.8 KiB in the ")
    assert last.endswith(" 9.8 KiB in storage.")
