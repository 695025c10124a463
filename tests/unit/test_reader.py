"""Every kind of broken file and broken row, each kept, refused or named."""

import gzip
import json
from dataclasses import replace

import pytest

from deepkt_irt.errors import BadFile
from deepkt_irt.sources import blocks, files
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import layout_of_landed
from deepkt_irt.sources.layout import Field, Layout, graded, number
from deepkt_irt.sources.reader import inspect, records, unread_columns
from deepkt_irt.tables.bronze import RAW_PROBLEM_DETAILS, RAW_RESPONSES

LAYOUT = Layout(
    table=RAW_RESPONSES,
    patterns=("*.csv",),
    fields=(
        Field("user", "student_id", filled=True),
        Field("item", "item_id", filled=True),
        Field("correct", "correct", rule=graded, filled=True),
        Field("ms", "latency_ms", required=False, rule=number),
    ),
    rest="extras",
)
HEADER = "user,item,correct\n"


@pytest.fixture
def file(tmp_path):
    def write(content, name="answers.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path, *, layout=LAYOUT, limit=1_000):
    facts = inspect(path, layout)
    found = list(records(path, layout, max_field_characters=limit))
    assert facts.n_records == len(found)
    assert [each.row for each in found] == list(range(1, len(found) + 1))
    return found


def kept(found):
    return [{k: v for k, v in each.kept.items() if v is not None} for each in found if each.kept]


def refused(found):
    return [(each.row, each.column, each.reason) for each in found if each.kept is None]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("empty.csv", b"", "empty"),
        ("blank.csv", b"\n\n\n", "empty"),
        ("empty.csv.gz", b"", "empty"),
        ("columns.csv", b"a,b,c\n1,2,3\n", "column user, item, correct missing; it has a, b, c"),
        ("twice.csv", b"user,item,correct,user\n", "column user stands twice"),
        ("latin.csv", "usér,item,correct\n".encode("latin-1"), "header is not UTF-8"),
        ("picture.csv", b"\x89PNG\r\n\x00\x00\x00\rIHDR", "binary"),
        ("wide.csv", HEADER.encode("utf-16"), "binary"),
        ("plain.csv.gz", HEADER.encode(), "no gz file"),
        ("packed.csv", gzip.compress(HEADER.encode(), mtime=0), "gz file without .gz"),
        ("twice.csv.gz", gzip.compress(gzip.compress(HEADER.encode())), "a gz file is packed in"),
        ("lines.csv", b'"a\nb",user\n1,2\n', "it has a\\nb, user"),
        ("mark.csv", b"\xe2\x80\xaeuser,item\n", r"it has \u202euser, item"),
        ("long.csv", b"user,item,correct,%s\n" % (b"x" * 1_001), "name has 1,001 characters"),
        ("wide.csv", b",".join(b"c%d" % n for n in range(2_000)), "… "),
    ],
)
def test_inspect_wrong_file_is_named_with_problem_and_fix(file, name, content, problem):
    with pytest.raises(BadFile) as found:
        inspect(file(content, name), LAYOUT)

    message = str(found.value)
    assert message.startswith(f"{name}: ")
    assert problem in message
    assert "; " in message.removeprefix(name)
    assert message.isprintable()
    assert len(message) < 1_000
    lacking = ("user", "item", "correct") if name == "columns.csv" else found.value.columns
    assert found.value.columns == lacking
    assert set(lacking) <= {"user", "item", "correct"}


def test_inspect_missing_file_is_named_with_its_path(tmp_path):
    with pytest.raises(BadFile, match=r"nowhere\.csv: there is no such file"):
        inspect(tmp_path / "nowhere.csv", LAYOUT)


@pytest.mark.parametrize("cut", ["half", "checksum"])
def test_inspect_damaged_gz_is_named_before_a_row_is_used(file, cut):
    whole = gzip.compress((HEADER + "1,2,1\n" * 50_000).encode())
    damaged = whole[: len(whole) // 2] if cut == "half" else whole[:-6] + b"\0\0" + whole[-4:]

    with pytest.raises(BadFile, match="cut off or damaged"):
        inspect(file(damaged, "cut.csv.gz"), LAYOUT)


def test_inspect_facts_are_those_of_the_bytes(file):
    path = file(HEADER + "1,2,1\n\n3,4,0\n")

    facts = inspect(path, LAYOUT)

    assert facts.n_records == 2
    assert facts.n_bytes == path.stat().st_size
    assert facts.header == ("user", "item", "correct")
    assert len(facts.content_hash) == 64
    assert facts == inspect(path, LAYOUT)


def test_records_reordered_header_is_read_by_name(file):
    found = read(file("correct, item ,user\n1,i,s\n"))

    assert kept(found) == [{"student_id": "s", "item_id": "i", "correct": "1"}]


def test_records_byte_order_mark_gz_and_quoted_newline_are_read(file):
    text = '\ufeffuser,item,correct,note\ns,i,1,"two\nlines, one field"\n'

    found = read(file(gzip.compress(text.encode()), "a.csv.gz"))

    assert kept(found)[0]["student_id"] == "s"
    assert json.loads(kept(found)[0]["extras"]) == {"note": "two\nlines, one field"}


def test_records_empty_value_is_null_and_absent_optional_column_too(file):
    found = read(file("user,item,correct,note\ns,i,1,\n"))

    assert found[0].kept["latency_ms"] is None
    assert found[0].kept["extras"] is None


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("s,i,1,9", None, "too many fields: 4 instead of 3"),
        ("s,i", None, "too few fields: 2 instead of 3"),
        ("s,i,2", "correct", "correct is '2', expected 0 or 1"),
        ("s,i,", "correct", "correct is empty"),
        (" ,i,1", "user", "user is empty"),
        ("s," + "x" * 1_001 + ",1", "item", "1,001 characters, more than the 1,000 allowed"),
        ("s,a\0b,1", "item", "a NUL byte, so no text"),
    ],
)
def test_records_broken_row_is_refused_with_its_reason_between_kept_ones(file, row, column, reason):
    lines = ["a,b,1", row, "c,d,0"]
    # the broken row lies beyond what is looked at to tell binary files
    head = HEADER + "z,z,1\n" * 12_000

    found = read(file(head + "\n".join(lines) + "\n"))[12_000:]

    assert refused(found) == [(12_002, column, reason)]
    assert [each["student_id"] for each in kept(found)] == ["a", "c"]
    assert found[1].received == row


def test_records_million_characters_in_one_field_is_refused_whole(file):
    found = read(file(HEADER + "s," + "x" * 1_000_000 + ",1\ns,i,1\n"), limit=100_000)

    assert refused(found) == [(1, "item", "1,000,000 characters, more than the 100,000 allowed")]
    assert len(found[0].received) == 1_000_004
    assert len(kept(found)) == 1


def test_records_bytes_not_utf8_in_a_read_column_are_refused_escaped(file):
    found = read(file(HEADER.encode() + b"caf\xe9,i,1\ns,i,1\n"))

    assert refused(found) == [(1, "user", "not UTF-8 text")]
    assert found[0].received == "caf\\xe9,i,1"


def test_records_bytes_not_utf8_in_free_text_cost_no_response(file):
    found = read(file(b"user,item,correct,answer\ns,i,1,caf\xe9\nt,i,1,caf\xc3\xa9\n"))

    assert [json.loads(each["extras"])["answer"] for each in kept(found)] == ["caf\\xe9", "café"]


def test_records_bytes_not_utf8_in_a_column_of_free_text_are_kept_as_escapes(file):
    fields = (*LAYOUT.fields, Field("said", "answer", free_text=True))
    lines = b"s,i,1,caf\xe9\nt,i,1,caf\xc3\xa9\nu,i,1,\n\xe9,i,1,x\n"

    found = read(file(b"user,item,correct,said\n" + lines), layout=replace(LAYOUT, fields=fields))

    assert [each.get("answer") for each in kept(found)] == ["caf\\xe9", "café", None]
    assert refused(found) == [(4, "user", "not UTF-8 text")]


def test_records_unclosed_quote_keeps_what_it_swallowed(file):
    found = read(file(HEADER + 's,i,1\ns,"i,1\nt,i,1\n'))

    assert len(kept(found)) == 1
    assert found[1].reason.startswith("too few fields")
    assert "t,i,1" in found[1].received


def test_records_quote_open_for_too_long_is_refused_before_memory_ends(file, monkeypatch):
    monkeypatch.setattr(blocks, "_WHOLE_FIELD", 1_000)
    path = file(HEADER + 's,i,1\ns,"i,1\n' + "t,i,1\n" * 1_000)

    with pytest.raises(BadFile, match=r"field larger than .*; close the quote"):
        inspect(path, LAYOUT)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_line_without_an_end_is_refused_before_memory_ends(file, monkeypatch, name):
    monkeypatch.setattr(files, "_LONGEST_LINE", 2**20)
    content = HEADER.encode() + b"x" * 3 * 2**20

    with pytest.raises(BadFile, match=r"more than 1 MiB without the end of a line; export"):
        inspect(file(gzip.compress(content) if name.endswith(".gz") else content, name), LAYOUT)


def test_records_columns_without_a_name_hide_none_of_each_other(file):
    found = read(file("user,item,correct,,\ns,i,1,7,8\n"))

    assert json.loads(kept(found)[0]["extras"]) == {"column 4": "7", "column 5": "8"}


def test_records_value_of_wrong_kind_in_optional_column_is_refused(file):
    found = read(file("user,item,correct,ms\ns,i,1,fast\ns,i,1,-5\n"))

    assert refused(found) == [(1, "ms", "ms is 'fast', expected a number")]
    assert kept(found)[0]["latency_ms"] == "-5"  # as received: what it means is silver's matter


def test_records_row_number_goes_where_the_layout_says(file):
    layout = Layout(
        table=RAW_RESPONSES,
        patterns=(),
        fields=LAYOUT.fields,
        constants={"skill_separator": ";"},
        row_number="response_order",
    )

    found = read(file(HEADER + "s,i,1\ns,i,1\n"), layout=layout)

    assert [each["response_order"] for each in kept(found)] == ["1", "2"]
    assert kept(found)[0]["skill_separator"] == ";"


def test_records_columns_that_no_layout_names_are_kept_in_every_file_of_edm_cup(file):
    for layout in source_named("edm_cup").layouts:
        named = [*(each.header for each in layout.fields), *layout.needed]
        known = {"timestamp": "1600000000", "score": "1"}
        row = [known.get(name, "" if "_date" in name or "_time" in name else "x") for name in named]

        (found,) = read(
            file(",".join([*named, "mood"]) + "\n" + ",".join([*row, "fine"]) + "\n"), layout=layout
        )

        assert json.loads(found.kept[layout.rest])["mood"] == "fine"


def test_unread_columns_are_those_without_a_place():
    fields = (Field("problem_id", "problem_id"),)
    narrow = Layout(table=RAW_PROBLEM_DETAILS, patterns=(), fields=fields)

    assert unread_columns(narrow, ["problem_id", "mood", ""]) == ["mood"]
    assert unread_columns(LAYOUT, ["user", "mood"]) == []


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "source", "n_records"),
    [
        ("assist2009/interactions.csv.gz", "responses_csv", 282_609),
        ("assist2009/skill_builder_slice_10791.csv.gz", "assistments", 10_791),
        ("dbe_kt22/interactions.csv.gz", "dbe_kt22", 158_342),
        ("dbe_kt22/Questions.csv", "dbe_kt22", 212),
    ],
)
def test_records_research_file_keeps_every_record(shared_data, name, source, n_records):
    path = shared_data / name
    layout = layout_of_landed(source_named(source), path)

    assert inspect(path, layout).n_records == n_records
    found = records(path, layout, max_field_characters=100_000)
    assert sum(1 for each in found if each.kept is not None) == n_records
