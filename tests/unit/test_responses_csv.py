"""Mappings of response files: given, guessed, refused."""

import pytest

from deepkt_irt.errors import BadFile, UsageError
from deepkt_irt.sources.reader import inspect, records
from deepkt_irt.sources.responses_csv import (
    COPIED_COLUMNS,
    complete_mapping,
    copied_layout,
    mapped_layout,
    parse_mapping,
)


@pytest.fixture
def file(tmp_path):
    def write(text, name="answers.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_parse_mapping_text_gives_names_and_headers():
    mapping = parse_mapping("student_id=user item_id=problem separator=,")

    assert mapping == {"student_id": "user", "item_id": "problem", "separator": ","}


def test_parse_mapping_longer_than_a_file_name_may_be_is_still_text():
    assert parse_mapping(f"student_id={'u' * 400}") == {"student_id": "u" * 400}


def test_parse_mapping_file_may_hold_headers_with_blanks(tmp_path):
    path = tmp_path / "map.txt"
    path.write_text("student_id=Anon Student Id\n\nitem_id = Problem Name\n")

    assert parse_mapping(str(path)) == {
        "student_id": "Anon Student Id",
        "item_id": "Problem Name",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no_such_file.txt", "no readable file"),
        ("student=user_id", "the names are student_id, item_id"),
        ("student_id=u item", "write name=header"),
        ("student_id=Student ID", "a header with blanks in a file"),
    ],
)
def test_parse_mapping_wrong_text_says_how_to_write_it(text, said):
    with pytest.raises(UsageError, match=said):
        parse_mapping(text)


def test_complete_mapping_guesses_by_letters_and_digits_alone(file):
    header = "Anon Student Id,ProblemID,isCorrect,TIMESTAMP,KC IDs\n"

    assert complete_mapping(file(header), None) == {
        "student_id": "Anon Student Id",
        "item_id": "ProblemID",
        "correct": "isCorrect",
        "answered_at": "TIMESTAMP",
        "skill_ids": "KC IDs",
        "separator": "",
    }


def test_complete_mapping_position_in_the_sequence_beats_a_running_number(file):
    mapping = complete_mapping(file("order_id,user_id,seq_pos,problem_id,correct\n"), None)

    assert mapping["response_order"] == "seq_pos"


def test_complete_mapping_given_names_win_and_their_headers_are_not_used_twice(file):
    header = "user_id,student_id,item_id,correct,timestamp\n"

    mapping = complete_mapping(file(header), {"student_id": "user_id", "class_id": "student_id"})

    assert mapping["student_id"] == "user_id"
    assert mapping["class_id"] == "student_id"


def test_complete_mapping_score_alone_stands_in_for_correct(file):
    mapping = complete_mapping(file("user_id,item_id,score,timestamp\n"), None)

    assert mapping["score"] == "score"
    assert "correct" not in mapping


def test_complete_mapping_score_beside_correct_is_not_guessed(file):
    mapping = complete_mapping(file("user_id,item_id,correct,score,timestamp\n"), None)

    assert "score" not in mapping


@pytest.mark.parametrize("header", ["answer", "Selected Option", "studentAnswer"])
def test_complete_mapping_answer_and_group_are_guessed_by_plain_names(file, header):
    path = file(f"user_id,item_id,correct,timestamp,{header},Student Group\n")

    mapping = complete_mapping(path, None)

    assert (mapping["answer"], mapping["student_group"]) == (header, "Student Group")


@pytest.mark.parametrize(
    "header", ["response", "answer_id", "answer_text", "choice", "option", "group", "gender"]
)
def test_complete_mapping_what_may_mean_something_else_is_no_answer_and_no_group(file, header):
    mapping = complete_mapping(file(f"user_id,item_id,correct,timestamp,{header}\n"), None)

    assert header not in mapping.values()


def test_complete_mapping_column_answer_that_holds_the_result_is_no_answer(file):
    path = file("user_id,item_id,answer,timestamp\n")

    mapping = complete_mapping(path, {"correct": "answer"})

    assert mapping["correct"] == "answer"
    assert "answer" not in mapping


def test_complete_mapping_failing_guess_lists_columns_and_how_to_map(file):
    with pytest.raises(BadFile) as refused:
        complete_mapping(file("who,what,right\n"), None)

    message = str(refused.value)
    assert "student_id, item_id, correct or score, answered_at or response_order" in message
    assert "who, what, right" in message
    assert "--map 'student_id=…" in message


@pytest.mark.parametrize(
    "text", ["user_id;item_id;correct\n", "user_id\titem_id\tcorrect\n", "Answers of March\n"]
)
def test_complete_mapping_one_column_alone_is_told_to_have_no_commas(file, text):
    with pytest.raises(BadFile, match="with commas between them"):
        complete_mapping(file(text), None)


@pytest.mark.parametrize(
    ("first", "is_guessed"),
    [("35", False), ("12.5", False), ("1772359200", True), ("2026-03-01T10:00:00", True)],
)
def test_complete_mapping_column_time_of_small_numbers_is_no_clock(file, first, is_guessed):
    path = file(f"user_id,item_id,correct,time,order\nu,i,1,{first},1\n")

    assert ("answered_at" in complete_mapping(path, None)) == is_guessed
    assert complete_mapping(path, {"answered_at": "time"})["answered_at"] == "time"


def test_complete_mapping_header_that_is_not_there_is_named(file):
    with pytest.raises(BadFile, match="no column pupil among its columns user_id"):
        complete_mapping(file("user_id,item_id,correct,timestamp\n"), {"student_id": "pupil"})


def test_complete_mapping_unknown_name_is_refused(file):
    with pytest.raises(UsageError, match="no name pupil"):
        complete_mapping(file("user_id,item_id,correct,timestamp\n"), {"pupil": "user_id"})


@pytest.mark.parametrize(
    ("values", "separator"),
    [
        (["2_37_70", "14"], "_"),
        (["box_whisker", "2_37"], ""),
        (["a;b", "c"], ";"),
        (["a|b"], "|"),
        (["a~~b;c"], "~~"),
        (['"1, 2"'], ","),
        (['"Order of Operations +,-,/"'], ""),
        (["", "7"], ""),
        (["7"] * 5_000 + ["7_8"], "_"),
    ],
)
def test_complete_mapping_separator_is_what_joins_skills_anywhere_in_the_file(
    file, values, separator
):
    rows = "".join(f"u,i,1,{n},{value}\n" for n, value in enumerate(values))

    mapping = complete_mapping(file(f"user_id,item_id,correct,order,skill_id\n{rows}"), None)

    assert mapping["separator"] == separator


def test_mapped_layout_the_only_column_that_orders_must_be_filled(file):
    path = file("user_id,item_id,correct,timestamp\nu,i,1,\n")
    layout = mapped_layout(complete_mapping(path, None))

    found = list(records(path, layout, max_field_characters=100))

    assert [each.reason for each in found] == ["timestamp is empty"]


def test_mapped_layout_of_two_columns_that_order_one_may_be_empty(file):
    path = file("user_id,item_id,correct,timestamp,seq_pos\nu,i,1,,4\n")
    layout = mapped_layout(complete_mapping(path, None))

    found = list(records(path, layout, max_field_characters=100))

    assert found[0].kept["response_order"] == "4"


def test_mapped_layout_order_of_the_rows_and_separator_go_into_each_row(file):
    path = file("user_id,item_id,correct,skill\nu,i,1,a;b\nu,j,0,c\n")
    mapping = complete_mapping(path, {"response_order": "_row"})

    found = list(records(path, mapped_layout(mapping), max_field_characters=100))

    assert [each.kept["response_order"] for each in found] == ["1", "2"]
    assert {each.kept["skill_separator"] for each in found} == {";"}


def test_mapped_layout_answer_and_group_go_into_each_row_as_received(file):
    path = file("user_id,item_id,correct,order,response,group\nu,i,1,1, B ,ELL\nu,j,0,2,,\n")
    given = parse_mapping("answer=response student_group=group")
    layout = mapped_layout(complete_mapping(path, given))

    found = list(records(path, layout, max_field_characters=100))

    kept = [(each.kept["answer"], each.kept["student_group"]) for each in found]
    assert kept == [(" B ", "ELL"), (None, None)]
    assert {each.kept["extras"] for each in found} == {None}


def test_mapped_layout_answer_that_is_no_utf8_costs_no_response_but_a_group_does(file):
    path = file("user_id,item_id,correct,order,answer,student_group\n")
    path.write_bytes(path.read_bytes() + b"u,i,1,1,caf\xe9,n\nu,j,1,2,caf\xc3\xa9,caf\xe9\n")
    layout = mapped_layout(complete_mapping(path, None))

    first, second = records(path, layout, max_field_characters=100)

    assert first.kept["answer"] == "caf\\xe9"
    assert (second.column, second.reason) == ("student_group", "not UTF-8 text")


def test_copied_layout_takes_files_that_lack_the_columns_asked_for_later(file):
    def copied(lacking):
        columns = [name for name in COPIED_COLUMNS if name not in lacking]
        values = {"student_id": "u", "item_id": "i"}
        return file(",".join(columns) + "\n" + ",".join(values.get(c, "") for c in columns) + "\n")

    path = copied({"answer", "student_group"})
    assert inspect(path, copied_layout()).n_records == 1
    (found,) = records(path, copied_layout(), max_field_characters=100)
    assert (found.kept["answer"], found.kept["student_group"]) == (None, None)

    with pytest.raises(BadFile, match="column class_id missing"):
        inspect(copied({"class_id"}), copied_layout())


@pytest.mark.parametrize("text", ["NA", "N/A", "NaN", "nan", "NaT", "NULL", "null", " NA "])
def test_mapped_layout_texts_for_no_value_are_missing_but_in_free_texts(file, text):
    optional = ("answered_at", "latency_ms", "hint_count", "attempt_count", "first_action")
    names = ("skill_ids", "skill_names", "item_type", "assignment_id", "class_id")
    header = ("student_id", "item_id", "correct", "order", *optional, *names)
    values = ",".join([text] * (len(header) - 2))
    path = file(f"{','.join(header)},answer,student_group\nu,i,1,1,{values}\n")
    layout = mapped_layout(complete_mapping(path, None))

    (found,) = records(path, layout, max_field_characters=100)

    assert {found.kept[name] for name in (*optional, *names)} == {None}
    assert (found.kept["answer"], found.kept["student_group"]) == (text, text)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("NA,i,1,1", "user_id is 'NA', so missing"),
        ("u,NULL,1,1", "item_id is 'NULL', so missing"),
        ("u,i,NaN,1", "correct is 'NaN', so missing"),
        ("u,i,1,N/A", "order is 'N/A', so missing"),
    ],
)
def test_mapped_layout_text_for_no_value_is_refused_where_one_is_needed(file, row, said):
    path = file(f"user_id,item_id,correct,order\n{row}\n")
    layout = mapped_layout(complete_mapping(path, None))

    (found,) = records(path, layout, max_field_characters=100)

    assert (found.kept, found.reason) == (None, said)


def test_complete_mapping_texts_for_no_value_tell_nothing_of_a_column(file):
    path = file("user_id,item_id,correct,skill,time,order\nu,i,1,NA,NA,1\nu,i,1,2_37,35,2\n")

    mapping = complete_mapping(path, None)

    assert mapping["separator"] == "_"
    assert "answered_at" not in mapping


def test_copied_layout_keeps_every_text_since_the_copy_of_no_value_is_empty(file):
    row = ",".join({"student_id": "NA", "item_id": "i"}.get(c, "") for c in COPIED_COLUMNS)
    path = file(",".join(COPIED_COLUMNS) + f"\n{row}\n")

    (found,) = records(path, copied_layout(), max_field_characters=100)

    assert found.kept["student_id"] == "NA"


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "assist2009/interactions.csv.gz",
            {"student_id": "user_id", "item_id": "problem_id", "separator": "_",
             "response_order": "seq_pos", "latency_ms": "ms_first_response"},
        ),
        (
            "assist2012/interactions.csv.gz",
            {"student_id": "user_id", "answered_at": "timestamp", "separator": ""},
        ),
        (
            "dbe_kt22/interactions.csv.gz",
            {"student_id": "student_id", "item_id": "question_id", "skill_ids": "kc_ids",
             "answered_at": "timestamp", "response_order": "seq_pos", "separator": "_"},
        ),
    ],
)  # fmt: skip
def test_complete_mapping_research_file_needs_none_given(shared_data, name, expected):
    mapping = complete_mapping(shared_data / name, None)

    assert expected.items() <= mapping.items()
