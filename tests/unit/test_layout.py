"""What a value, a file name and a layout must be."""

import pytest

from deepkt_irt.errors import UsageError
from deepkt_irt.sources.catalogue import SOURCES, source_named
from deepkt_irt.sources.layout import epoch_seconds, graded, instant, number, share
from deepkt_irt.tables.bronze import TABLES


@pytest.mark.parametrize("value", ["0", "1", "0.0", "1.0", "true", "False", " 1 "])
def test_graded_usual_ways_to_write_it_pass(value):
    assert graded(value) is None


@pytest.mark.parametrize("value", ["2", "-1", "0.5", "yes", "nan", "1\t", "1\u00a0", "\uff11"])
def test_graded_anything_else_says_what_is_expected(value):
    assert graded(value) == "expected 0 or 1"


@pytest.mark.parametrize("value", ["12", "-5", "1.5", ".5", "1e3", " 7 "])
def test_number_decimal_passes(value):
    assert number(value) is None


@pytest.mark.parametrize("value", ["", "NA", "nan", "inf", "1,5", "0x10", "1_000", "٣x"])
def test_number_other_text_is_refused(value):
    assert number(value) is not None


@pytest.mark.parametrize("value", ["1e400", "-1e400", "9" * 400, "٣", "\uff11", "7\t"])
def test_number_what_no_double_holds_and_other_digits_are_refused(value):
    assert number(value) == "expected a number"


def test_share_only_zero_to_one_passes():
    assert share("0") is None
    assert share("0.25") is None
    assert share("1.01") is not None
    assert share("85") is not None


@pytest.mark.parametrize(
    "value",
    [
        "1630610155",
        "1630610155.519",
        "1630610155519",
        "2021-09-02",
        "2021-09-02 19:15",
        "2021-09-02T19:15:55",
        "2021-09-02T19:15:55.519Z",
        "2021-09-02T19:15:55+02:00",
    ],
)
def test_instant_epoch_and_iso_8601_pass(value):
    assert instant(value) is None


@pytest.mark.parametrize(
    "value", ["yesterday", "3/1/2026", "2021-02-30", "2021-W09-1", "-5", "1e30", "1630610155519000"]
)
def test_instant_what_spark_could_not_read_is_refused(value):
    assert instant(value) is not None


@pytest.mark.parametrize(
    "value",
    ["0001-01-01", "1899-12-31T23:59:59Z", "2200-01-01", "9999-12-31T23:59:59Z", "7258118400"],
)
def test_instant_beyond_what_later_steps_can_count_is_refused(value):
    assert instant(value) == "expected a time from 1900 to 2199; numbers from 1970 on"


def test_instant_offset_that_spark_does_not_read_is_refused():
    assert instant("2026-02-02T09:00:00+18:00") is None
    assert instant("2026-02-02T09:00:00-18:30") == "expected an offset of at most 18 hours"


def test_epoch_seconds_milliseconds_are_refused():
    assert epoch_seconds("1630610155.519") is None
    assert epoch_seconds("1630610155519") is not None


def test_layouts_name_only_columns_of_their_table():
    for source in SOURCES.values():
        for layout in source.layouts:
            named = {f.column for f in layout.fields} | set(layout.constants)
            named |= {name for name in (layout.rest, layout.row_number) if name}
            assert named <= set(layout.table.column_names), (source.name, layout.patterns)
            assert layout.table in TABLES


def test_layout_of_file_name_ignores_case_and_gz():
    dbe = source_named("dbe_kt22")
    questions, choices = dbe.layout_of("Questions.csv"), dbe.layout_of("Question_Choices.csv.gz")

    assert questions is not None
    assert questions.constants == {"kind": "question"}
    assert choices is not None
    assert choices.constants == {"kind": "choice"}
    assert dbe.layout_of("notes.txt") is None


def test_layout_of_every_edm_cup_file_has_its_own_table_or_kind():
    names = (
        *("action_logs", "assignment_details", "problem_details", "sequence_details"),
        *("training_unit_test_scores", "evaluation_unit_test_scores", "hint_details"),
        *("assignment_relationships", "sequence_relationships", "explanation_details"),
        *("skill_prerequisites", "skill_lessons"),
    )
    for source in ("edm_cup", "simulator"):
        found = [source_named(source).layout_of(f"{name}.csv") for name in names]
        assert all(found)
        kinds = {(each.table.name, each.constants.get("kind")) for each in found if each}
        assert len(kinds) == len(names) - 1  # the two files of scores share one


def test_source_named_unknown_lists_all_and_the_closest():
    with pytest.raises(UsageError) as refused:
        source_named("asistments")

    message = str(refused.value)
    assert all(name in message for name in SOURCES)
    assert "did you mean assistments?" in message
