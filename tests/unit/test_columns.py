"""Records judged all at once are what records judged one by one are, whatever the bytes."""

import gzip
import json
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deepkt_irt.sources import blocks, columns, files
from deepkt_irt.sources.batches import Parsing, kept_batches, kept_columns, refused_batches
from deepkt_irt.sources.catalogue import SOURCES
from deepkt_irt.sources.layout import (
    Field,
    Layout,
    certain,
    epoch_seconds,
    graded,
    instant,
    number,
    share,
)
from deepkt_irt.sources.reader import inspect, records
from deepkt_irt.tables.bronze import RAW_RESPONSES

LIMIT = 40
LAYOUT = Layout(
    table=RAW_RESPONSES,
    patterns=("*.csv",),
    fields=(
        Field("user", "student_id", filled=True, absent=frozenset({"NA"})),
        Field("correct", "correct", rule=graded, filled=True),
        Field("at", "answered_at", required=False, rule=instant, absent=frozenset({"NA"})),
        Field("text", "answer", required=False, free_text=True),
    ),
    rest="extras",
    constants={"skill_separator": ";"},
    row_number="response_order",
)
HEADER = b"user,correct,at,text,note,\n"
VALUES = st.sampled_from(
    [
        *("", "0", "1", "2", " ", "s1", "12.5", "1e3", "2024-02-30", "2024-02-28T10:00Z"),
        *("x" * 41, "é", "\x1c", "a b", "\u2028", "NA", " NA"),
        *('"quoted"', '"a,b"', '"two\nlines"', 'in"side', '"open'),
    ]
)
BROKEN = st.sampled_from(
    [b"\n", b"\r\n", b"\r", b"\n\n", b",", b"\0", b"\xff", b'"', b"\xef\xbb\xbf"]
)
ROWS = st.lists(VALUES, min_size=5, max_size=7).map(lambda row: ",".join(row).encode() + b"\n")
FILES = st.lists(st.one_of(ROWS, ROWS, BROKEN), max_size=30).map(b"".join)


@pytest.fixture
def small(monkeypatch):
    """Blocks and pieces of a few bytes, so that small files are cut in many places."""
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 64)
    monkeypatch.setattr(blocks, "_PIECE_BYTES", 100)
    monkeypatch.setattr(blocks, "_ROWS", 3)
    monkeypatch.setattr(blocks, "_CHARACTERS", 50)
    monkeypatch.setattr(columns, "_FEW_BYTES", 32)
    monkeypatch.setattr(columns, "_TINY_BYTES", 0)
    monkeypatch.setattr(files, "_CHUNK", 8)  # a NUL behind it makes no binary file


def one_by_one(path, layout):
    kept, refused = [], []
    for each in records(path, layout, max_field_characters=LIMIT):
        if each.kept is None:
            refused.append((each.row, each.column, each.reason, each.received))
        else:
            named = {name: value for name, value in each.kept.items() if value is not None}
            kept.append({"_source": "made_up", "_file": path.name, "_row": each.row} | named)
    return kept, refused


def at_once(path, layout, pieces):
    kept, refused = [], []
    for piece in pieces:
        parsing = Parsing("made_up", path.name, path, layout, LIMIT, piece)
        for batch in kept_batches(parsing):
            assert batch.schema.names == list(kept_columns(parsing))
            kept += [{k: v for k, v in row.items() if v is not None} for row in batch.to_pylist()]
        for batch in refused_batches(parsing):
            refused += [tuple(row.values())[3:] for row in batch.to_pylist()]
    return kept, refused


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=FILES, mark=st.booleans(), packed=st.booleans())
@example(body=b'a,1,,"two\r\nlines",,\r\nb,0,,,,', mark=True, packed=False)
@example(body=b"a,1,,,,\rb,0,,,,\r\n" * 9, mark=False, packed=False)
@example(body=b"a,1,NA,NA,NA,\nNA,1,,,,\n NA,1,,,,\n" * 9, mark=False, packed=False)
@example(body=b"a,7,,,,\n" * 3 + b"\xef\xbb\xbfb,0,,,,\n" * 3, mark=False, packed=False)
def test_records_at_once_are_those_one_by_one(tmp_path, small, body, mark, packed):
    whole = (b"\xef\xbb\xbf" if mark else b"") + HEADER + body
    path = tmp_path / ("a.csv.gz" if packed else "a.csv")
    path.write_bytes(gzip.compress(whole) if packed else whole)

    facts = inspect(path, LAYOUT)
    kept, refused = at_once(path, LAYOUT, facts.pieces)

    assert (kept, refused) == one_by_one(path, LAYOUT)
    assert facts.n_records == len(kept) + len(refused)
    assert at_once(path, LAYOUT, [blocks.WHOLE]) == (kept, refused)
    assert not packed or facts.pieces == (blocks.WHOLE,)


def test_pieces_cover_a_file_and_begin_at_records(tmp_path, small):
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER + b's,1,,"two\nlines",,\n' * 200)

    facts = inspect(path, LAYOUT)

    assert len(facts.pieces) > 10
    ends = [each.end for each in facts.pieces]
    assert ends == [*(each.start for each in facts.pieces[1:]), None]
    assert at_once(path, LAYOUT, facts.pieces) == one_by_one(path, LAYOUT)


def test_one_broken_record_does_not_slow_the_others_down(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER + b"s,1,,,,\n" * 9_000 + b"s,7,,,,\n" + b"s,1,,,,\n" * 9_000)
    judge = columns.ColumnJudge(["user", "correct", "at", "text", "note", ""], LAYOUT, LIMIT)

    parts = [part for block in blocks.blocks(path) for part in judge.parts(block)]

    closer = [part for part in parts if isinstance(part, blocks.Block)]
    assert sum(part.n_rows for part in parts) == 18_001
    assert sum(part.n_rows for part in closer) < 3_000
    assert any(row[1] == "7" for part in closer for row in part.rows)


def test_what_is_left_of_a_record_is_kept_as_json(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER + "s,1,,,çé,\n".encode())

    kept, _ = at_once(path, LAYOUT, [blocks.WHOLE])

    assert json.loads(kept[0]["extras"]) == {"note": "çé"}
    assert kept == one_by_one(path, LAYOUT)[0]


@pytest.mark.parametrize("rule", [graded, number, share, epoch_seconds, instant])
def test_a_value_called_certain_breaks_no_rule(rule):
    pattern = re.compile(certain(Field("x", "x", rule=rule)), re.ASCII)  # RE2 knows ASCII digits

    @given(value=st.from_regex(pattern, fullmatch=True).map(lambda text: text.rstrip("\n")))
    def holds(value):
        assert rule(value) is None

    holds()


def test_rules_without_a_pattern_are_still_judged(tmp_path):
    odd = replace(LAYOUT, fields=(Field("user", "student_id", rule=_even),), rest="", row_number="")
    path = tmp_path / "a.csv"
    path.write_bytes(b"user\n2\n4\n3\n")

    assert certain(odd.fields[0]) is None
    assert at_once(path, odd, [blocks.WHOLE]) == one_by_one(path, odd)
    assert [row for row, *_ in at_once(path, odd, [blocks.WHOLE])[1]] == [3]


def _even(value):
    return None if int(value) % 2 == 0 else "expected an even number"


def test_every_rule_in_use_has_a_pattern_or_is_judged_value_by_value():
    rules = {f.rule for s in SOURCES.values() for each in s.layouts for f in each.fields if f.rule}
    slow = {rule.__name__ for rule in rules if certain(Field("x", "x", rule=rule)) is None}

    assert slow <= {"duration", "status"}
