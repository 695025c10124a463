"""JSON files object by object: each is kept or refused with its reason, none is passed over."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.errors import BadFile
from deepkt_irt.sources import documents, xapi
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.documents import members
from deepkt_irt.sources.layout import Document
from deepkt_irt.sources.reader import inspect, records
from made_up_statements import caliper, envelope, lines
from made_up_statements import xapi as statement

NAMES = Document("data", lambda value: {"name": str(value.get("name", ""))}, whole="all")
XAPI = source_named("xapi").layouts[0]


@pytest.fixture
def found(tmp_path):
    def read(content, name="a.json"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(members(path, NAMES))

    return read


def named(found):
    return [each.flat.get("name", each.fault) for each in found]


@pytest.mark.parametrize(
    "content",
    [
        '{"name":"a"}\n\n{"name":"b"}\n',
        '\n{"name":"a"}\r\n{"name":"b"}',
        '[{"name":"a"},{"name":"b"}]',
        '[\n  {"name":\n "a"},\n  {"name": "b"}\n]\n',
        '{"data":[{"name":"a"}]}\n[{"name":"b"}]\n',
        '{\n"sensor": "s",\n"data": [{"name":"a"},{"name":"b"}]\n}',
        '\ufeff{"name":"a"}\n{"name":"b"}\n',
    ],
)
def test_members_are_found_in_lines_arrays_and_envelopes(found, content):
    assert named(found(content)) == ["a", "b"]
    assert named(found(gzip.compress(content.encode()), "a.json.gz")) == ["a", "b"]


def test_members_keep_the_whole_object_on_one_line(found):
    (member,) = found('{ "name": "é",\n "n": 1.50 }')

    assert member.flat["all"] == member.received == '{"name":"é","n":1.5}'


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"name": ', "no JSON: Expecting value"),
        ("name", "no JSON: Expecting value"),
        ('{"name": "a", "name": "b"}', "no JSON: a name stands twice in one object"),
        ('{"n": NaN}', "no JSON: NaN is no JSON number"),
        ('{"n": 1e999}', "no JSON: 1e999 is no JSON number"),
        ("[" * 100_000, "no JSON: "),
        ("7", "a JSON value, but no object"),
        ('["a"]', "a JSON value, but no object"),
        ('{"name": "\\ud800"}', "half of a surrogate pair, so no text"),
        (b'{"name": "caf\xe9"}', "no JSON: not UTF-8 text"),
    ],
)
def test_members_what_is_no_object_stands_between_the_others_with_its_fault(found, line, fault):
    line = line if isinstance(line, bytes) else line.encode()

    first, broken, last = found(b'{"name":"a"}\n' + line + b'\n{"name":"b"}\n')

    assert named([first, last]) == ["a", "b"]
    assert broken.fault.startswith(fault)
    assert broken.received.encode()  # so that quarantine can keep it


def test_members_broken_first_line_is_one_among_sound_ones(found):
    assert [bool(each.fault) for each in found('{"name"\n{"name":"b"}\n')] == [True, False]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.json", b"", "the file is empty"),
        ("a.json", b" \n\n", "the file is empty"),
        ("a.json", b"user,item\n1,2\n", "neither JSON lines nor a whole JSON document"),
        ("a.json", b'[{"name":"a"},\n{"name":"b"}\n', "neither JSON lines nor a whole"),
        ("a.json", b"{\0", "a binary file, not JSON text"),
        ("a.json", gzip.compress(b"{}", mtime=0), "gz file without .gz"),
        ("a.json.gz", gzip.compress(b"{}\n" * 9_000, mtime=0)[:-9], "cut off or damaged"),
    ],
)
def test_members_wrong_file_is_named_with_problem(found, name, content, problem):
    with pytest.raises(BadFile, match=problem) as refused:
        found(content, name)

    assert str(refused.value).startswith(f"{name}: ")


@pytest.mark.parametrize("content", ['{"a": 1}\n{"name": "long"}\n', '{\n"name": "too long"}'])
def test_members_longer_than_a_unit_may_be_are_refused(found, monkeypatch, content):
    monkeypatch.setattr(documents, "_UNIT_BYTES", 12)

    with pytest.raises(BadFile, match="MiB in one line or document; land it as one JSON object"):
        found(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
SOUND = (
    statement(1, result={"success": True, "score": {"raw": 3, "max": 4}, "duration": "PT3S"}),
    caliper(2, "AssessmentItemEvent", "Completed", value="B"),
    caliper(3, "GradeEvent", "Graded", given=1),
)


@st.composite
def mutated(draw):
    """A sound statement in which one value, anywhere, is another or gone."""
    whole = json.loads(json.dumps(draw(st.sampled_from(SOUND))))
    place = whole
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not (isinstance(inner, (dict, list)) and inner and draw(st.booleans())):
            break
        place = inner
    if draw(st.booleans()):
        place[key] = draw(JSON)
    else:
        del place[key]
    return whole


@pytest.mark.parametrize("source", ["xapi", "caliper"])
@given(statements=st.lists(mutated() | JSON, min_size=1, max_size=4))
def test_records_of_any_json_are_kept_as_text_or_refused_with_a_reason(
    tmp_path_factory, source, statements
):
    layout = source_named(source).layouts[0]
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in (SOUND[0], *statements)))

    found = list(records(path, layout, max_field_characters=10_000))

    assert inspect(path, layout).n_records == len(found)
    for each in found:
        if each.kept is None:
            assert each.reason
            assert each.received
        else:
            assert set(each.kept) == {n for n in layout.table.column_names if n[0] != "_"}
            assert "".join(filter(None, each.kept.values())).encode()
            assert all(each.kept[f.column] for f in layout.fields if f.filled)


def refusal(tmp_path, value, limit=10_000, layout=XAPI):
    (tmp_path / "a.jsonl").write_text(lines(value))
    (record,) = records(tmp_path / "a.jsonl", layout, max_field_characters=limit)
    assert json.loads(record.received) == value
    return record.column, record.reason


@pytest.mark.parametrize(
    ("changed", "column", "reason"),
    [
        ({"id": None}, "statement_id", "statement_id is empty"),
        ({"actor": {"objectType": "Group", "mbox": "mailto:a@b.example"}}, "student_id", "empty"),
        ({"actor": "ann"}, "student_id", "student_id is empty"),
        ({"verb": {}}, "verb", "verb is empty"),
        ({"object": {"objectType": "SubStatement"}}, "object_id", "object_id is empty"),
        ({"timestamp": None}, "answered_at", "answered_at is empty"),
        ({"timestamp": "yesterday"}, "answered_at", "expected epoch seconds"),
        ({"result": {"score": {"scaled": -0.5}}}, "score", "expected a number from 0 to 1"),
        ({"result": {"score": {"raw": 5, "max": 4}}}, "score", "score is '1.25', expected"),
        ({"result": {"success": "yes"}}, "success", "success is 'yes', expected 0 or 1"),
        ({"result": {"duration": "5 s"}}, "duration", "expected an ISO 8601 duration"),
        ({"result": {"response": "x" * 9_999}}, "statement", "more than the 5,000 allowed"),
    ],
)
def test_records_statement_with_a_fault_is_refused_whole(tmp_path, changed, column, reason):
    at, why = refusal(tmp_path, statement(1) | changed, 5_000)

    assert at == column or (column == "statement" and at == "answer")
    assert reason in why


def test_records_of_an_envelope_are_its_events(tmp_path):
    events = [caliper(n, "AssessmentItemEvent", "Completed", minute=n) for n in (1, 2)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(envelope(*events), indent=2))
    layout = source_named("caliper").layouts[0]

    found = list(records(path, layout, max_field_characters=10_000))

    assert [each.row for each in found] == [1, 2]
    assert [json.loads(each.kept["statement"]) for each in found] == events
    assert xapi.flat(events[0])["student_id"] == ""  # and of another source they are refused
