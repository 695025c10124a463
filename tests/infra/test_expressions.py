from datetime import UTC, datetime

import pytest

from deepkt_irt.azure.factory.expressions import (
    ExpressionError,
    evaluate,
    parse,
    references,
    resolve,
)

NAMES = {
    "pipeline": lambda: {"parameters": {"name": "it's", "n": 3}, "RunId": "r1"},
    "activity": lambda name: {"output": {"firstRow": {"a b": 7}, "list": [1, 2]}},
    "variables": lambda name: {"yes": True, "none": None}[name],
    "item": lambda: {"source": "lms"},
    "utcNow": lambda: datetime(2026, 8, 2, 14, 5, 6, 789000, UTC),
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("jo@example.org", "jo@example.org"),
        ("", ""),
        ("@@home", "@home"),
        ("say @@{x}", "say @{x}"),
        ("@@{x}", "@{x}"),
        ("@3", 3),
        ("@-1.5e1", -15.0),
        ("@'it''s'", "it's"),
        ("@true", True),
        ("@null", None),
        ("@{3}", "3"),
        ("n=@{pipeline().parameters.n}, @{variables('none')}!", "n=3, !"),
        ("@{variables('yes')} @{createArray(1, 'a')}", 'True [1,"a"]'),
        ("@activity('x').output.firstRow['a b']", 7),
        ("@activity('x').output.list[1]", 2),
        ("@item().source", "lms"),
        ("@item()?.missing?.deeper", None),
        ("@item()?['missing']", None),
        ("@ concat( 'a' ,\n 'b' ) ", "ab"),
        ("@CONCAT('a', 1, true)", "a1True"),
    ],
)
def test_evaluate_texts_and_references(text, value):
    assert evaluate(text, NAMES) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("substring('abcdef', 1, 2)", "bc"),
        ("replace('a-b-a', 'a', 'c')", "c-b-c"),
        ("toUpper(toLower('aB'))", "AB"),
        ("indexOf('Hello', 'LL')", 2),
        ("lastIndexOf('abab', 'ab')", 2),
        ("startsWith('Hello', 'hE')", True),
        ("endsWith('Hello', 'LO')", True),
        ("split('a/b', '/')", ["a", "b"]),
        ("trim('  a ')", "a"),
        ("contains('abc', 'B')", False),
        ("contains(createArray(1, 2), 2)", True),
        ("contains(json('{\"k\": 1}'), 'k')", True),
        ("empty(json('[]'))", True),
        ("empty('')", True),
        ("first('abc')", "a"),
        ("last(createArray(1, 2))", 2),
        ("length('abc')", 3),
        ("join(createArray('a', 1), ';')", "a;1"),
        ("union(createArray(1, 2), createArray(2, 3))", [1, 2, 3]),
        ("union(json('{\"a\": 1}'), json('{\"a\": 2}'))", {"a": 2}),
        ("intersection(createArray(1, 2), createArray(2, 3))", [2]),
        ("skip(createArray(1, 2, 3), 1)", [2, 3]),
        ("take('abc', 2)", "ab"),
        ("array('a')", ["a"]),
        ("and(true, not(false))", True),
        ("or(false, false)", False),
        ("equals('a', 'A')", False),
        ("greater(2, 1)", True),
        ("lessOrEquals('2026-01-01', '2026-01-02')", True),
        ("if(true, 'y', div(1, 0))", "y"),
        ("coalesce(null, '', 'x')", ""),
        ("int('12')", 12),
        ("float('1.5')", 1.5),
        ("string(1.0)", "1"),
        ("string(json('{\"a\": [1, true]}'))", '{"a":[1,true]}'),
        ("bool('TRUE')", True),
        ("add(1, 2.5)", 3.5),
        ("sub(1, 3)", -2),
        ("mul(2, 3)", 6),
        ("div(-7, 2)", -3),
        ("mod(-7, 2)", -1),
        ("min(createArray(2, 1))", 1),
        ("max(2, 1, 3)", 3),
        ("range(2, 3)", [2, 3, 4]),
        ("uriComponent('a b/ä')", "a%20b%2F%C3%A4"),
        ("base64('hello')", "aGVsbG8="),
    ],
)
def test_evaluate_functions(expression, value):
    assert evaluate(f"@{expression}", NAMES) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("utcNow()", "2026-08-02T14:05:06.7890000Z"),
        ("utcnow('yyyy/MM/dd hh:mm tt')", "2026/08/02 02:05 PM"),
        ("formatDateTime('2026-08-02T04:05:06.1234567Z')", "2026-08-02T04:05:06.1234560Z"),
        ("formatDateTime('2026-08-02', 'ddd, d MMM yy H''h''')", "Sun, 2 Aug 26 0h"),
        ("formatDateTime('2026-08-02T04:05:06Z', 'yyyy-MM-ddTHH:mm:ssZ')", "2026-08-02T04:05:06Z"),
        ("formatDateTime('2026-08-02T04:05:06.5Z', 'ss.fff')", "06.500"),
        ("addDays('2026-08-02', -1, 'yyyy-MM-dd')", "2026-08-01"),
        ("addHours('2026-08-02T23:00:00Z', 2)", "2026-08-03T01:00:00.0000000Z"),
        ("addMinutes('2026-08-02', 0.5, 's')", "2026-08-02T00:00:30"),
        ("addSeconds('2026-08-02', 1, 's')", "2026-08-02T00:00:01"),
        ("addToTime('2026-01-31', 1, 'Month', 'd')", "02/28/2026"),
        ("subtractFromTime('2024-02-29', 1, 'Year', 'yyyy-MM-dd')", "2023-02-28"),
        ("startOfHour('2026-08-02T14:05:06Z', 's')", "2026-08-02T14:00:00"),
        ("startOfDay('2026-08-02T14:05:06Z', 's')", "2026-08-02T00:00:00"),
        ("startOfMonth('2026-08-02T14:05:06Z', 's')", "2026-08-01T00:00:00"),
        ("dayOfWeek('2026-08-02')", 0),
        ("ticks('0001-01-01T00:00:01Z')", 10_000_000),
    ],
)
def test_evaluate_times(expression, value):
    assert evaluate(f"@{expression}", NAMES) == value


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("@concat('a'", 12, "')' expected, found the end"),
        ("@concat('a',)", 13, "a value expected"),
        ("@'abc", 2, "not closed"),
        ("@pipeline", 2, "functions end in"),
        ("a @{item() b}", 12, "'}' expected, found 'b'"),
        ("@item() b", 9, "should end here"),
        ("@item()?", 9, "after '?'"),
        ("@item().", 9, "a property expected"),
        ("@add(1)", 2, "takes 2 arguments, not 1"),
        ("@and(true, true, true)", 2, "takes 2 arguments, not 3"),
        ("@concat()", 2, "1 or more arguments"),
        ("@nosuch(1)", 2, "no function nosuch"),
        ("@concat('a', guid())", 14, "guid is refused"),
        ("@activity(item())", 2, "written out"),
        ("@variables()", 2, "takes 1 arguments, not 0"),
    ],
)
def test_parse_bad_syntax_names_text_and_position(text, position, problem):
    with pytest.raises(ExpressionError) as caught:
        parse(text)

    assert f"{text!r}, character {position}: " in str(caught.value)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("@item().missing", "character 8: there is no 'missing'; there are: source"),
        ("@activity('x').output.list[2]", "there is no 2; there are: 2 elements"),
        ("@variables('none').a", "cannot be taken of a NoneType"),
        ("@trigger().scheduledTime", "trigger cannot be used here"),
        ("@if('true', 1, 2)", "the condition of if is no Boolean"),
        ("@and(false, 'x')", "'x' is no Boolean"),
        ("@or(true, equals(1, div(1, 0)))", "div: "),
        ("@substring('abc', 2, 2)", "not within 'abc'"),
        ("@int('1.5')", "is no whole number"),
        ("@greater('1', 2)", "is no number"),
        ("@addDays('yesterday', 1)", "is no timestamp"),
        ("@addDays('2026-08-02T00:00:00+02:00', 1)", "is no timestamp"),
        ("@formatDateTime('2026-08-02', 'yyy')", "token 'yyy' is not known"),
        ("@formatDateTime('2026-08-02', 'G')", "standard format 'G'"),
        ("@addToTime('2026-08-02', 1, 'month')", "is no unit"),
        ("@json('{')", "json: "),
        ("@length(1)", "neither text nor array"),
    ],
)
def test_evaluate_without_value_says_why(text, problem):
    with pytest.raises(ExpressionError, match=r"character \d+: ") as caught:
        evaluate(text, NAMES)

    assert problem in str(caught.value)


def test_resolve_reaches_all_texts_and_unwraps_expressions():
    given = {
        "plain": 1,
        "wrapped": {"value": "@item().source", "type": "Expression"},
        "list": ["@{1}", {"deep": "@true"}],
        "data": {"value": "@{1}", "type": "String"},
    }

    found = resolve(given, NAMES)

    assert found["wrapped"] == "lms"
    assert found["list"] == ["1", {"deep": True}]
    assert found["data"] == {"value": "1", "type": "String"}


def test_references_finds_every_kind():
    text = (
        "@{activity('c').output.x} @{pipeline().parameters.p} @{pipeline().globalParameters['g']} "
        "@{if(variables('v'), item().z, dataset().d)} @{pipeline().RunId} @{linkedService().l} "
        "@{trigger().scheduledTime} @{pipeline().parameters[concat('a', 'b')]} "
        "@{length(pipeline().parameters)}"
    )

    assert references(text) == {
        ("activity", "c"),
        ("parameter", "p"),
        ("globalParameter", "g"),
        ("variable", "v"),
        ("item", ""),
        ("dataset", "d"),
        ("pipeline", "RunId"),
        ("linkedService", "l"),
        ("trigger", "scheduledTime"),
        ("parameter", "*"),
        ("parameter", ""),
    }
    assert references("no @@{expression} at all") == set()
