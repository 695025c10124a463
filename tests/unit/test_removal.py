"""Records are taken out of a file, and every other byte stays."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.errors import BadFile
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.reader import read_rows
from deepkt_irt.sources.removal import without
from made_up_statements import HOME, caliper, envelope, lines
from made_up_statements import xapi as statement

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
WHO = st.sampled_from(["ann", "ben", " ann ", "annie", "an,n", 'a"nn'])


def quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def taken(tmp_path, content: bytes, name="a.csv", unwanted="ann"):
    path, target = tmp_path / name, tmp_path / f"_{name}.erasing"
    path.write_bytes(content)
    return without(path, target, {"who": {unwanted}}), target.read_bytes()


def test_rows_of_the_student_go_and_others_keep_quotes_line_ends_and_marks(tmp_path):
    others = [b'"ben","said ""ann""\r\ntwice"\r\n', b"\r\n", b"ben, x\n", b"\xff\xfe,no utf-8\n"]
    header = b"\xef\xbb\xbfwho,what\r\n"
    theirs = [b'"ann","two\r\nlines"\r\n', b" ann ,x\n"]

    removed, left = taken(tmp_path, header + theirs[0] + b"".join(others) + theirs[1])

    assert left == header + b"".join(others)
    assert removed.n_left == 3
    assert removed.received == ("ann,two\r\nlines", " ann ,x")


def test_row_with_too_few_fields_goes_if_the_id_stands_anywhere(tmp_path):
    removed, left = taken(tmp_path, b"who,what\nann\nx,y,ann\nben\nben,ann\n")

    assert left == b"who,what\nben\nben,ann\n"
    assert removed.n_left == 2


def test_row_goes_if_one_of_a_list_is_the_student(tmp_path):
    path, target = tmp_path / "a.csv", tmp_path / "_a.csv.erasing"
    others = b'g-2,"annie, ben"\nann,\n'
    path.write_bytes(b'id,speaks_for\ng-1,"ben, ann"\n' + others)

    removed = without(path, target, {"speaks_for": {"ann"}}, lists={"speaks_for"})

    assert target.read_bytes() == b"id,speaks_for\n" + others
    assert (removed.n_left, removed.received) == (2, ('g-1,"ben, ann"',))


def test_gz_stays_gz_and_the_same_again_gives_the_same_bytes(tmp_path):
    content = gzip.compress(b"who,what\nann,1\nben,2\n")

    first, left = taken(tmp_path, content, "a.csv.gz")
    again, same = taken(tmp_path, content, "a.csv.gz")

    assert gzip.decompress(left) == b"who,what\nben,2\n"
    assert (first, left) == (again, same)


def test_damaged_file_is_refused(tmp_path):
    content = gzip.compress(b"who,what\n" + b"ben,2\n" * 5_000)

    with pytest.raises(BadFile, match="cut off or damaged"):
        taken(tmp_path, content[:-20], "a.csv.gz")


@given(rows=st.lists(st.tuples(WHO, TEXT), max_size=8), end=st.sampled_from(["\n", "\r\n"]))
def test_what_stays_reads_as_before(tmp_path_factory, rows, end):
    folder = tmp_path_factory.mktemp("removal")
    lines = ["who,what", *(f"{quoted(who)},{quoted(what)}" for who, what in rows)]

    removed, _ = taken(folder, (end.join(lines) + end).encode())

    (folder / "left.csv").write_bytes((folder / "_a.csv.erasing").read_bytes())
    others = [list(row) for row in rows if row[0].strip(" ") != "ann"]
    assert list(read_rows(folder / "left.csv")) == others
    assert (removed.n_left, len(removed.received)) == (len(others), len(rows) - len(others))


def taken_from_json(tmp_path, source, student, content, name="a.json"):
    path, target = tmp_path / name, tmp_path / f"_{name}.erasing"
    path.write_bytes(content)
    document = source_named(source).layouts[0].document
    return without(path, target, {"student_id": {student}}, document), target.read_bytes()


def test_statements_of_the_student_go_and_other_lines_keep_every_byte(tmp_path):
    others = [b'{ "id": "x", "n": 1.50 }\r\n', b"\n", b"{broken\n", b'{"actor": 1}\n']
    theirs = [lines(statement(1)).encode(), b'{"account": {"name": "ann"}\n']

    removed, left = taken_from_json(
        tmp_path, "xapi", f"{HOME}|ann", theirs[0] + b"".join(others) + theirs[1]
    )

    assert left == b"".join(others)
    assert removed.n_left == 3
    assert [json.loads(removed.received[0])] == [statement(1)]
    assert removed.received[1].encode() + b"\n" == theirs[1]  # broken, but it names the student


@pytest.mark.parametrize("indent", [None, 2])
def test_envelope_and_array_keep_the_values_of_others(tmp_path, indent):
    events = [caliper(n, "GradeEvent", "Graded", who=who) for n, who in enumerate(["ann", "ben"])]
    whole = json.dumps(envelope(*events), indent=indent).encode()
    packed = gzip.compress(json.dumps(events, indent=indent).encode())

    removed, left = taken_from_json(tmp_path, "caliper", f"{HOME}/user/ann", whole)
    _, others = taken_from_json(tmp_path, "caliper", f"{HOME}/user/ann", packed, "a.json.gz")

    assert json.loads(left) == envelope(events[1])
    assert json.loads(gzip.decompress(others)) == events[1:]
    assert removed.n_left == 1
    assert taken_from_json(tmp_path, "caliper", "nobody", whole)[1] == whole


@given(who=st.lists(st.sampled_from(["ann", "ben", "annie"]), min_size=1, max_size=6))
def test_statements_that_stay_read_as_before(tmp_path_factory, who):
    folder = tmp_path_factory.mktemp("removal")
    given = [statement(n, who=name) for n, name in enumerate(who)]

    removed, left = taken_from_json(folder, "xapi", f"{HOME}|ann", lines(*given).encode())

    stay = [each for each, name in zip(given, who, strict=True) if name != "ann"]
    assert left == lines(*stay).encode()
    assert (removed.n_left, len(removed.received)) == (len(stay), len(given) - len(stay))
