"""Reading and evaluating Bicep, by small invented texts."""

import re
from pathlib import Path

import pytest

from deepkt_irt.azure.bicep.evaluation import (
    Context,
    Deployment,
    Resource,
    evaluate,
    read_parameters,
    read_template,
)
from deepkt_irt.errors import BadFile, UsageError

CONTEXT = Context(subscription_id="sub", tenant_id="ten", resource_group="rg", location="north")
GROUP = "/subscriptions/sub/resourceGroups/rg"


def write(folder: Path, **texts: str) -> Path:
    """Write `.bicep` files by name; the path of main.bicep."""
    for name, text in texts.items():
        (folder / f"{name}.bicep").write_text(text)
    return folder / "main.bicep"


def deploy(folder: Path, text: str, *, parameters: dict | None = None, **files: str) -> Deployment:
    return evaluate(write(folder, main=text, **files), parameters or {}, context=CONTEXT)


def value(folder: Path, expression: str, before: str = "") -> object:
    """What an expression comes to as a property of a resource."""
    text = f"{before}\nresource r 'A.B/cs@1' = {{\n  name: 'r'\n  value: {expression}\n}}\n"
    return one(deploy(folder, text), "r").body["value"]


def one(deployment: Deployment, symbol: str) -> Resource:
    (found,) = (each for each in deployment.resources if each.symbol == symbol)
    return found


def refusal(folder: Path, text: str, *, parameters: dict | None = None, **files: str) -> str:
    """The message of the error, after the folder."""
    with pytest.raises((UsageError, BadFile)) as caught:
        deploy(folder, text, parameters=parameters, **files)
    return str(caught.value).removeprefix(f"{folder.as_posix()}/")


# --- expressions


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3 - 8 / 4 % 3", 5),
        ("10 - 3 - 2", 5),
        ("5 -2", 3),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("1 < 2 && 3 >= 3 || false", True),
        ("!true || true", True),
        ("true || false && false", True),
        ("1 == 2 ? 'a' : 2 == 2 ? 'b' : 'c'", "b"),
        ("true\n    ? 'yes'\n    : 'no'", "yes"),
        ("'Ab' =~ 'aB'", True),
        ("'Ab' !~ 'aB'", False),
        ("'Ab' == 'ab'", False),
        ("'1' == 1", False),
        ("true == 1", False),
        ("[1, { a: 2 }] == [1, { a: 2 }]", True),
        ("null ?? 'x'", "x"),
        ("false ?? true == true", False),
        ("'b' > 'a'", True),
        ("'it\\'s ${1 + 1}  ${'x'}\\n\\u{41}\\${y}'", "it's 2  x\nA${y}"),
        ("'${true}-${[1, 'a']}'", 'True-[1,"a"]'),
        ("'''\n  no ${hole} \\n\n'''", "  no ${hole} \\n\n"),
        ("''", ""),
        ("[\n 'a'\n [1]\n -1\n (2)\n]", ["a", [1], -1, 2]),
        ("{ a: 1, 'b-c': null, '${'d'}': [] }", {"a": 1, "b-c": None, "d": []}),
        ("{ a: { b: [4, 5] } }.a['b'][1]", 5),
        ("{ a: null }.?a.b.c", None),
        ("{ a: 1 }.?b.c ?? 'none'", "none"),
        ("[1][?3] ?? 'none'", "none"),
        ("{ a: 1 }!.a", 1),
        ("{ a: true }.a && { b: false }.b", False),
        ("[for i in range(0, 3): i * 2]", [0, 2, 4]),
        ("[for (x, i) in ['a', 'b']: { '${x}': i }]", [{"a": 0}, {"b": 1}]),
        ("az.resourceGroup().location", "north"),
        ("sys.concat('a', 'b')", "ab"),
    ],
)
def test_expression_has_the_value_the_language_gives_it(
    tmp_path: Path, expression: str, expected: object
) -> None:
    found = value(tmp_path, expression)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("toUpper(toLower('Ab'))", "AB"),
        ("trim('  a ')", "a"),
        ("replace('a-b-c', '-', '')", "abc"),
        ("split('a-b;c', ['-', ';'])", ["a", "b", "c"]),
        ("split('a-b', '-')", ["a", "b"]),
        ("join(['a', 1, true], ',')", "a,1,True"),
        ("substring('abcdef', 2, 3)", "cde"),
        ("substring('abcdef', 4)", "ef"),
        ("padLeft(7, 3, '0')", "007"),
        ("format('{0}-{1:D3}-{{x}}', 'a', 7)", "a-007-{x}"),
        ("startsWith('Abc', 'aB')", True),
        ("endsWith('Abc', 'BC')", True),
        ("indexOf('abcb', 'B')", 1),
        ("lastIndexOf('abcb', 'b')", 3),
        ("indexOf([1, 2], 2)", 1),
        ("string({ a: [1] })", '{"a":[1]}'),
        ("string(7)", "7"),
        ("int('42')", 42),
        ("bool('TRUE')", True),
        ("json('{\"a\": [1]}').a", [1]),
        ("base64('ab')", "YWI="),
        ("base64ToString('YWI=')", "ab"),
        ("uri('https://a/b/', 'c')", "https://a/b/c"),
        ("uriComponent('a b/c')", "a%20b%2Fc"),
        ("min(3, 1, 2)", 1),
        ("max([3, 1])", 3),
        ("coalesce(null, 'a')", "a"),
        ("any(1)", 1),
        ("cidrSubnet('10.0.0.0/16', 24, 2)", "10.0.2.0/24"),
        ("cidrHost('10.0.0.0/24', 3)", "10.0.0.4"),
        ("concat(['a'], ['a', 'b'])", ["a", "a", "b"]),
        ("concat('a', 1)", "a1"),
        ("union(['a'], ['a', 'b', 'b'])", ["a", "b"]),
        (
            "union({ a: { b: 1, c: [1] }, d: 1 }, { a: { c: [2], e: 3 } })",
            {"a": {"b": 1, "c": [2], "e": 3}, "d": 1},
        ),
        ("intersection(['a', 'b'], ['b', 'c'])", ["b"]),
        ("intersection({ a: 1, b: 2 }, { a: 1, b: 3 })", {"a": 1}),
        ("contains('abc', 'b')", True),
        ("contains('abc', 'B')", False),
        ("contains([1, true], 1)", True),
        ("contains([true], 1)", False),
        ("contains({ Key: 1 }, 'key')", True),
        ("[empty(''), empty([]), empty({}), empty(null), empty('a')]", [True] * 4 + [False]),
        ("[length('abc'), length([1]), length({ a: 1 })]", [3, 1, 1]),
        ("[first('ab'), last([1, 2]), first([])]", ["a", 2, None]),
        ("[take([1, 2, 3], 2), skip('abc', 1)]", [[1, 2], "bc"]),
        ("array('a')", ["a"]),
        ("flatten([[1], [2, 3]])", [1, 2, 3]),
        ("items({ b: 1, a: 2 })", [{"key": "a", "value": 2}, {"key": "b", "value": 1}]),
        ("objectKeys({ b: 1, a: 2 })", ["a", "b"]),
        ("map([{ a: { b: 1 } }], x => x.a.b)", [1]),
        ("map(['a', 'b'], (x, i) => '${x}${i}')", ["a0", "b1"]),
        ("filter([{ a: true, b: 1 }, { a: true }], x => x.a && x.?b == 1)", [{"a": True, "b": 1}]),
        ("reduce([1, 2, 3], 10, (sum, x) => sum + x)", 16),
        ("sort([{ n: 2 }, { n: 1 }], (a, b) => a.n < b.n)", [{"n": 1}, {"n": 2}]),
        ("toObject([{ k: 'a', v: 1 }], x => x.k, x => x.v)", {"a": 1}),
        ("mapValues({ a: 1 }, x => x + 1)", {"a": 2}),
        ("groupBy(['ab', 'ac', 'b'], x => first(x))", {"a": ["ab", "ac"], "b": ["b"]}),
        ("resourceGroup().id", GROUP),
        ("[subscription().subscriptionId, tenant().tenantId]", ["sub", "ten"]),
        ("deployment().name", "main"),
        ("environment().suffixes.storage", "core.windows.net"),
        ("resourceId('A.B/cs/ds', 'x', 'y')", f"{GROUP}/providers/A.B/cs/x/ds/y"),
        ("resourceId('o', 'A.B/cs', 'x')", f"{GROUP[:-2]}o/providers/A.B/cs/x"),
        ("subscriptionResourceId('A.B/cs', 'x')", "/subscriptions/sub/providers/A.B/cs/x"),
        ("tenantResourceId('A.B/cs', 'x')", "/providers/A.B/cs/x"),
        ("extensionResourceId('/s', 'A.B/cs', 'x')", "/s/providers/A.B/cs/x"),
        ("listKeys('/s', '2020').keys[0].value", "<listKeys('/s').keys[0].value>"),
        ("reference('/s').a", "<reference('/s').a>"),
    ],
)
def test_function_gives_what_the_language_says(
    tmp_path: Path, expression: str, expected: object
) -> None:
    assert value(tmp_path, expression) == expected


def test_unique_string_and_guid_are_stand_ins_that_stay(tmp_path: Path) -> None:
    found = value(
        tmp_path,
        "[uniqueString('a'), uniqueString('a', 'b'), guid('a'), guid('a', 'b'), guid('a')]",
    )

    assert re.fullmatch(r"[a-z2-7]{13}", found[0])
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", found[2]
    )
    assert found[0] == "zklycewkdo64v"
    assert len(set(found)) == 4


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("nothing", "nothing is not declared"),
        ("false ? nothing : 1", "nothing is not declared"),
        ("twice(1)", "there is no function twice"),
        ("createObject('a', 1)", "there is no function createObject"),
        ("toLower()", "toLower does not take 0 values"),
        ("toLower(1)", "toLower: needs a text, got int"),
        ("utcNow()", "utcNow gives another value at every deployment"),
        ("newGuid()", "newGuid gives another value at every deployment"),
        ("'a' && true", "true or false is needed, got string"),
        ("1 + 'a'", "needs a number, got string"),
        ("1 / 0", "division by zero"),
        ("[1][2]", "there is no item 2 among 1"),
        ("{ a: 1 }.b", "there is no property b; there are: a"),
        ("{ a: null }.a.b", "null has no property b"),
        ("{ a: 1, a: 2 }", "property a stands twice"),
        ("int('x')", "int: 'x' is no whole number"),
        ("substring('abc', 2, 5)", "substring: 'abc' has no characters 2 to 7"),
        ("union([1], {})", "union: needs an array, got object"),
        ("map([1], (a, b, c) => a)", "map: needs a lambda with 1 or 2 parameters"),
        ("json('{')", "json: the text is no JSON: "),
        ("loadTextContent('gone.txt')", "loadTextContent: gone.txt cannot be read"),
        ("resourceId('A.B/cs', 'x', 'y')", "resourceId: A.B/cs needs 1 names, got 2: x/y"),
        ("fail('stop here')", "fail: stop here"),
        ("union([for i in range(0, 2): i], [3])", "a loop cannot stand here"),
        ("[for x in { a: 1 }: x]", "a loop needs an array, got {"),
        ("managementGroup().id", "managementGroup: there is no management group in a template"),
    ],
)
def test_wrong_expression_is_refused_with_file_and_line(
    tmp_path: Path, expression: str, problem: str
) -> None:
    text = f"resource r 'A.B/cs@1' = {{\n  name: 'r'\n  value: {expression}\n}}\n"

    assert refusal(tmp_path, text).startswith(f"main.bicep: line 3: {problem}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("var x = {", "line 1: "),
        ("var a = 1\nvar x = = 2", "line 2: "),
        ("var x = true\n  && false", "line 2: a statement is expected, found &&"),
        ("var x = true &&\n  false", "line 2: the value must stand on the line of its operator"),
        ("var x = [1,\n2]", "line 2: a comma ends no line"),
        ("var x = 'a\nb'", "line 1: a text ends on another line"),
        ("var x = 'a\\q'", "line 1: \\q is no escape"),
        ("var x = { ...a }", "line 1: cannot read '...a'"),
        ("var x = [for a in [1]: if (true) {}]", "line 1: only a resource or module in a loop may"),
        ("targetScope = 'planet'", "line 1: targetScope is one of"),
        ("var x = 1 var y = 2", "line 1: "),
    ],
)
def test_text_that_is_no_bicep_is_a_bad_file(tmp_path: Path, text: str, problem: str) -> None:
    path = write(tmp_path, main=text)

    with pytest.raises(BadFile, match=re.escape("main.bicep: " + problem)):
        read_template(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import { a } from 'b.bicep'", "line 1: import is not supported"),
        ("param a resourceInput<'A.B/c@1'>", "line 1: "),
        ("@sealed()\nparam a string = ''", "line 2: @sealed is not supported on param a"),
        ("param a text = ''", "line 1: there is no type text"),
        ("var a = 1\nvar a = 2", "line 2: a is declared twice, first in line 1"),
        ("var a = b\nvar b = a", "needs itself"),
        ("var b = 1\nparam a int = b", "line 2: default of a: only parameters may stand there"),
        ("module m 'br:x.y/z:1' = {}", "line 1: module m: br:x.y/z:1 is not at hand"),
        ("module m 'gone.bicep' = {}", "gone.bicep: cannot be read as text"),
        ("output a string = null", "line 1: output a: needs string, got null"),
        ("resource r 'A.B/c@1' = {}", "line 1: resource r has no name"),
    ],
)
def test_what_is_not_supported_or_wrong_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    whole = text + "\noutput z string = '${a}'" if text.startswith("var a = b") else text

    assert problem in refusal(tmp_path, whole)


def test_files_beside_the_template_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"properties": {"deep": {"url": "x", "keep": 1}}}')
    (tmp_path / "a.txt").write_text("words")

    found = value(
        tmp_path,
        "union(loadJsonContent('a.json').properties, { deep: { url: loadTextContent('a.txt') } })",
    )

    assert found == {"deep": {"url": "words", "keep": 1}}


def test_functions_and_types_of_the_file_work(tmp_path: Path) -> None:
    before = "type size = 'S' | 'M'\nparam s size = 'M'\nfunc low(t string) string => toLower(t)"

    assert value(tmp_path, "low(s)", before) == "m"


# --- parameters

PARAMETERS = """
@description('Required. Stage.')
@allowed(['dev', 'prod'])
param stage string
@minLength(2)
@maxLength(4)
param short string = 'abc'
@minValue(1)
@maxValue(5)
param count int = 2
@secure()
param secret string = ''
param names string[] = ['x']
param shape { a: int, b: string? } = { a: 1 }
param free object?
param greeting string = 'hi ${stage}'
output all array = [stage, short, count, secret, names, shape, free, greeting]
"""


def test_parameters_take_given_values_and_defaults_that_refer_to_others(tmp_path: Path) -> None:
    found = deploy(tmp_path, PARAMETERS, parameters={"stage": "dev", "count": 5})

    assert found.parameters == {
        "stage": "dev", "short": "abc", "count": 5, "secret": "", "names": ["x"],
        "shape": {"a": 1}, "free": None, "greeting": "hi dev",
    }  # fmt: skip
    assert found.outputs["all"][-1] == "hi dev"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "line 4: parameter stage is not given"),
        ({"stage": "test"}, "line 4: parameter stage: 'test' is not allowed; choose from"),
        ({"stage": "dev", "other": 1}, "there is no parameter other"),
        ({"stage": "dev", "short": "a"}, "line 7: parameter short: 'a' is shorter than 2"),
        ({"stage": "dev", "short": "abcde"}, "line 7: parameter short: 'abcde' is longer than 4"),
        ({"stage": "dev", "count": 0}, "line 10: parameter count: '0' is below 1 (@minValue)"),
        ({"stage": "dev", "count": 6}, "line 10: parameter count: '6' is above 5 (@maxValue)"),
        ({"stage": "dev", "count": "2"}, "line 10: parameter count: needs int, got string"),
        ({"stage": "dev", "count": True}, "line 10: parameter count: needs int, got bool"),
        ({"stage": "dev", "names": ["a", 1]}, "line 13: parameter names: item 1: needs string"),
        ({"stage": "dev", "shape": {"a": 1, "c": 2}}, "line 14: parameter shape: there is no"),
        ({"stage": "dev", "shape": {"b": "x"}}, "line 14: parameter shape: a: needs int, got null"),
    ],
)
def test_wrong_parameter_is_refused_by_name(tmp_path: Path, given: dict, problem: str) -> None:
    assert refusal(tmp_path, PARAMETERS, parameters=given).startswith(f"main.bicep: {problem}")


def test_a_default_must_keep_its_own_limits(tmp_path: Path) -> None:
    text = "@allowed(['a'])\nparam p string = 'b'"

    assert "line 2: parameter p: 'b' is not allowed" in refusal(tmp_path, text)


# --- resources

STORE = """
param on bool = true
resource store 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: 'st1'
  location: resourceGroup().location
  sku: { name: 'Standard_LRS' }
  properties: { open: false }
}
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: store
  name: 'default'
}
resource boxes 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [
  for (each, i) in ['a', 'b', 'c']: if (each != 'b') {
  parent: blobs
  name: '${each}${i}'
}
]
resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (on) {
  scope: store
  name: 'keep'
  dependsOn: [
    boxes[0]
  ]
}
resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: 'kv'
  scope: resourceGroup('other')
}
output lock string = lock.id
output box string = boxes[2].name
output vault string = vault.id
output uri string = vault.properties.vaultUri
output dfs string = store.properties.primaryEndpoints.dfs
output open bool = store.properties.open
output kind string = '${store.type} ${store.apiVersion}'
output keys string = store.listKeys().keys[0].value
"""
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st1"


def test_resources_have_whole_names_ids_scopes_and_bodies(tmp_path: Path) -> None:
    found = deploy(tmp_path, STORE)

    assert [each.symbol for each in found.resources] == [
        "store", "blobs", "boxes[0]", "boxes[2]", "lock",
    ]  # fmt: skip
    assert one(found, "store") == Resource(
        symbol="store",
        type="Microsoft.Storage/storageAccounts",
        api_version="2025-06-01",
        name="st1",
        id=ACCOUNT,
        scope=None,
        body={
            "name": "st1", "location": "north", "sku": {"name": "Standard_LRS"},
            "properties": {"open": False},
        },
        depends_on=(),
        file=(tmp_path / "main.bicep").as_posix(),
        line=3,
    )  # fmt: skip
    box = one(found, "boxes[2]")
    assert box.name == "st1/default/c2"
    assert box.id == f"{ACCOUNT}/blobServices/default/containers/c2"
    assert box.depends_on == ("blobs",)
    lock = one(found, "lock")
    assert lock.scope == ACCOUNT
    assert lock.id == f"{ACCOUNT}/providers/Microsoft.Authorization/locks/keep"
    assert lock.depends_on == ("boxes[0]", "store")
    assert lock.body == {"name": "keep"}


def test_outputs_read_what_is_declared_and_stand_in_for_the_rest(tmp_path: Path) -> None:
    assert deploy(tmp_path, STORE).outputs == {
        "lock": f"{ACCOUNT}/providers/Microsoft.Authorization/locks/keep",
        "box": "c2",
        "vault": "/subscriptions/sub/resourceGroups/other/providers/Microsoft.KeyVault/vaults/kv",
        "uri": "<vault.properties.vaultUri>",
        "dfs": "<store.properties.primaryEndpoints.dfs>",
        "open": False,
        "kind": "Microsoft.Storage/storageAccounts 2025-06-01",
        "keys": "<store.listKeys().keys[0].value>",
    }


def test_resource_whose_condition_fails_is_left_out_but_keeps_its_id(tmp_path: Path) -> None:
    found = deploy(tmp_path, STORE, parameters={"on": False})

    assert "lock" not in {each.symbol for each in found.resources}
    assert found.outputs["lock"].endswith("/locks/keep")


def test_properties_of_a_resource_that_is_not_deployed_cannot_be_read(tmp_path: Path) -> None:
    text = "resource r 'A.B/c@1' = if (false) {\n  name: 'r'\n}\noutput x string = r.properties.a"

    assert (
        refusal(tmp_path, text)
        == "main.bicep: line 4: r is not deployed here, so it has no properties"
    )
    safe = text.replace("r.properties.a", "r.?properties.a ?? 'none'")
    assert deploy(tmp_path, safe).outputs == {"x": "none"}


def test_resources_inside_others_take_type_version_and_name_from_them(tmp_path: Path) -> None:
    text = """
resource a 'A.B/as@2' = {
  name: 'x'
  resource b 'bs' = {
    name: 'y'
    resource c 'cs@3' existing = {
      name: 'z'
    }
  }
  resource d 'ds' = [for i in range(0, 2): {
    name: 'n${i}'
    properties: { other: b.id }
  }]
}
output ids array = [a::b.id, a::b::c.id, a::d[1].id]
"""

    found = deploy(tmp_path, text)

    base = f"{GROUP}/providers/A.B/as/x"
    assert found.outputs["ids"] == [f"{base}/bs/y", f"{base}/bs/y/cs/z", f"{base}/ds/n1"]
    assert [each.symbol for each in found.resources] == ["a", "a::b", "a::d[0]", "a::d[1]"]
    assert (one(found, "a::b").type, one(found, "a::b").api_version) == ("A.B/as/bs", "2")
    assert one(found, "a::d[1]").depends_on == ("a", "a::b")
    assert [each.type for each in read_template(tmp_path / "main.bicep").resources] == [
        "A.B/as", "A.B/as/bs", "A.B/as/bs/cs", "A.B/as/ds",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("parent: a\n  name: 'x/y'", "a parent, so its name cannot have a /"),
        ("name: 'x'", "A.B/as/bs needs 2 names, got 1: x"),
        ("parent: o\n  name: 'x'", "A.B/as/bs cannot be below A.B/os"),
        ("name: 'x/y'\n  scope: resourceGroup('o')", "use a module with that scope"),
        ("parent: a\n  name: a.properties.n", "name of r is known only while the deployment runs"),
        ("parent: a\n  name: 7", "the name of r is int, not a text"),
        ("parent: a\n  name: r.name", "needs itself"),
    ],
)
def test_resource_that_azure_would_refuse_is_refused(
    tmp_path: Path, body: str, problem: str
) -> None:
    text = (
        "resource a 'A.B/as@1' = {\n  name: 'a'\n}\nresource o 'A.B/os@1' = {\n  name: 'o'\n}\n"
        f"resource r 'A.B/as/bs@1' = {{\n  {body}\n}}\n"
    )

    message = refusal(tmp_path, text)

    assert re.match(r"main.bicep: line (7|8|9): ", message)
    assert problem in message


def test_same_resource_twice_and_circles_are_refused(tmp_path: Path) -> None:
    twice = "resource a 'A.B/c@1' = {\n  name: 'x'\n}\nresource b 'A.B/c@1' = {\n  name: 'x'\n}\n"
    circle = (
        "resource a 'A.B/c@1' = {\n  name: 'a'\n  v: b.id\n}\n"
        "resource b 'A.B/c@1' = {\n  name: 'b'\n  v: a.id\n}\n"
    )

    assert refusal(tmp_path, twice).startswith("main.bicep: line 4: b and a are the same resource")
    assert refusal(tmp_path, circle).startswith("resources wait for each other: ")


# --- modules

CALL = "{\n  params: { name: 'a' }\n}\n"
LEAF = """
param name string
param tags object = {}
param size int = 1
resource thing 'A.B/things@1' = {
  name: name
  tags: tags
}
output id string = thing.id
output secret string = thing.properties.secret
output size int = size
"""


def test_modules_pass_parameters_down_and_outputs_up(tmp_path: Path) -> None:
    text = """
module first 'leaf.bicep' = {
  params: { name: 'one', tags: { a: 'b' } }
}
module more 'leaf.bicep' = [for i in range(0, 2): {
  name: 'more-${i}'
  params: {
    name: 'm${i}'
    tags: { first: first.outputs.id, secret: first.outputs.secret }
  }
}]
module none 'leaf.bicep' = if (false) {
  params: { name: 'none' }
}
output ids array = [for i in range(0, 2): more[i].outputs.id]
output secret string = more[1].outputs.secret
output size int = first.outputs.size + 1
output none string = none.?outputs.id ?? 'nothing'
"""

    found = deploy(tmp_path, text, leaf=LEAF)

    assert [each.symbol for each in found.resources] == [
        "first/thing", "more[0]/thing", "more[1]/thing",
    ]  # fmt: skip
    things = f"{GROUP}/providers/A.B/things"
    last = one(found, "more[1]/thing")
    assert last.body["tags"] == {
        "first": f"{things}/one", "secret": "<first/thing.properties.secret>",
    }  # fmt: skip
    assert last.depends_on == ("first/thing",)
    assert Path(last.file).name == "leaf.bicep"
    assert found.outputs == {
        "ids": [f"{things}/m0", f"{things}/m1"],
        "secret": "<more[1]/thing.properties.secret>",
        "size": 2,
        "none": "nothing",
    }


def test_stand_in_fits_a_parameter_of_any_type_and_can_name_resources_there(tmp_path: Path) -> None:
    text = """
resource a 'A.B/c@1' = {
  name: 'a'
}
module m 'leaf.bicep' = {
  params: { name: '${a.properties.x}-b', tags: a.properties.tags, size: a.properties.size }
}
"""

    found = one(deploy(tmp_path, text, leaf=LEAF), "m/thing")

    assert found.name == "<a.properties.x>-b"
    assert found.body["tags"] == "<a.properties.tags>"


def test_existing_resource_stands_for_the_one_a_module_made(tmp_path: Path) -> None:
    roles = """
param name string
resource thing 'A.B/things@1' existing = {
  name: name
}
resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(thing.id, 'x')
  scope: thing
}
"""
    text = """
module leaf 'leaf.bicep' = {
  params: { name: 'one' }
}
resource last 'A.B/c@1' = {
  name: 'last'
}
module roles 'roles.bicep' = {
  params: { name: last.outputs.name }
  dependsOn: [last]
}
""".replace("last.outputs.name", "split(leaf.outputs.id, '/')[8]")

    role = one(deploy(tmp_path, text, leaf=LEAF, roles=roles), "roles/role")

    assert role.scope == f"{GROUP}/providers/A.B/things/one"
    assert role.depends_on == ("last", "leaf/thing")


@pytest.mark.parametrize(
    ("module", "problem"),
    [
        ("{\n  params: {}\n}", "line 1: module m needs parameter name"),
        ("{\n  params: { name: 'a', other: 1 }\n}", "line 2: module m has no parameter other"),
        ("if (false) {\n  params: {}\n}", "line 1: module m needs parameter name"),
        ("{\n  parameters: {}\n}", "line 2: module m cannot have parameters"),
        ("{\n  params: { name: 'a', size: 'b' }\n}", "leaf.bicep: line 4: parameter size: needs"),
        (CALL + "output x string = m.outputs.gone", "line 4: module m has no output gone"),
        (CALL + "output x string = m.id", "line 4: a module has name and outputs, no id"),
        (
            "{\n  scope: subscription()\n  params: { name: 'a' }\n}",
            "line 1: module m is for a resourceGroup, but its scope is a subscription",
        ),
        (
            CALL + "resource r 'A.B/c@1' = {\n  name: m.outputs.id\n}",
            "line 5: m.outputs.id is known only while the deployment runs, too late for name",
        ),
        (
            CALL + "var n = m.outputs.id\nresource r 'A.B/c@1' = {\n  name: n\n}",
            "line 5: name of r is known only while the deployment runs",
        ),
        (
            CALL + "var n = [m.outputs.id]\nresource r 'A.B/c@1' = [for x in n: {\n  name: x\n}]",
            "line 5: how many r there are is known only while the deployment runs",
        ),
        (
            "if (false) " + CALL + "output x string = m.outputs.id",
            "line 4: module m is not deployed here, so it has no outputs",
        ),
    ],
)
def test_module_called_wrongly_is_refused(tmp_path: Path, module: str, problem: str) -> None:
    assert problem in refusal(tmp_path, f"module m 'leaf.bicep' = {module}\n", leaf=LEAF)


def test_module_that_calls_itself_is_refused(tmp_path: Path) -> None:
    assert "calls itself" in refusal(tmp_path, "module m 'main.bicep' = {}\n")


def test_subscription_template_makes_a_group_and_deploys_into_it(tmp_path: Path) -> None:
    text = """
targetScope = 'subscription'
resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'made'
  location: 'south'
}
resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, 'locks')
}
module m 'leaf.bicep' = {
  scope: group
  params: { name: 'one', tags: {} }
}
module there 'leaf.bicep' = {
  scope: resourceGroup('old')
  params: { name: 'two' }
}
output group string = group.id
"""
    leaf = LEAF + "output place string = resourceGroup().location\n"

    found = deploy(tmp_path, text, leaf=leaf)

    assert found.target_scope == "subscription"
    assert found.outputs["group"] == "/subscriptions/sub/resourceGroups/made"
    assert one(found, "role").id.startswith("/subscriptions/sub/providers/Microsoft.Authorization/")
    thing = one(found, "m/thing")
    assert thing.id == "/subscriptions/sub/resourceGroups/made/providers/A.B/things/one"
    assert thing.depends_on == ("group",)  # by the scope of its module
    assert "/resourceGroups/old/" in one(found, "there/thing").id


def test_resource_group_is_not_there_in_a_subscription_template(tmp_path: Path) -> None:
    text = "targetScope = 'subscription'\noutput x string = resourceGroup().id"

    assert "line 2: resourceGroup: there is no resource group" in refusal(tmp_path, text)


# --- templates as they stand


def test_template_tells_what_is_declared_and_used(tmp_path: Path) -> None:
    text = """// about
@description('Required. Name.')
param name string
@secure()
@allowed(['a', 'b'])
param idle string = 'a'
var used = name
var spare = 1
resource old 'A.B/olds@1' existing = {
  name: used
}
#disable-next-line no-unused-existing-resources
module m 'leaf.bicep' = {
  params: { name: old.id }
}
module row 'leaf.bicep' = [for i in range(0, 2): {
  params: { name: 'x${i}' }
}]
@description('The id.')
output id string = m.outputs.id
output rows array = [for i in range(0, 2): row[i].outputs.size]
"""

    found = read_template(write(tmp_path, main=text))

    name, idle = found.parameters
    assert (name.description, name.has_default, name.used) == ("Required. Name.", False, True)
    assert (idle.allowed, idle.secure, idle.used, idle.line) == (("a", "b"), True, False, 6)
    assert [(each.name, each.description) for each in found.outputs] == [
        ("id", "The id."), ("rows", None),
    ]  # fmt: skip
    assert {each.name: each.used for each in found.variables} == {"used": True, "spare": False}
    (old,) = found.resources
    assert (old.type, old.api_version, old.existing, old.used) == ("A.B/olds", "1", True, True)
    assert [(each.name, each.path) for each in found.modules] == [
        ("m", "leaf.bicep"), ("row", "leaf.bicep"),
    ]  # fmt: skip
    assert found.module_outputs == {("m", "id"), ("row", "size")}
    assert [line for line, _ in found.comments] == [1, 12]


# --- parameter files


def test_parameter_file_gives_template_and_values(tmp_path: Path) -> None:
    path = tmp_path / "dev.bicepparam"
    path.write_text(
        "using '../main.bicep' // which\n"
        "/* param gone = 1 */\n"
        "var base = 'net'\n"
        "param url = 'https://${base}/a'\n"
        "param text = '''\nparam inside = 1\n'''\n"
        "param stage = readEnvironmentVariable('STAGE', 'dev')\n"
        "param owner = readEnvironmentVariable('OWNER')\n"
        "param list = [\n  1\n  { a: true }\n]\n"
    )

    found = read_parameters(path, {"OWNER": "me"})

    assert found.using == tmp_path.parent / "main.bicep"
    assert found.values == {
        "url": "https://net/a",
        "text": "param inside = 1\n",
        "stage": "dev",
        "owner": "me",
        "list": [1, {"a": True}],
    }
    assert found.lines == {"url": 4, "text": 5, "stage": 8, "owner": 9, "list": 10}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("param a = 1", "says using 0 times"),
        (
            "using 'a.bicep'\nparam a = readEnvironmentVariable('X')",
            "line 2: readEnvironmentVariable: environment variable X is not set",
        ),
        ("using 'a.bicep'\nparam a = b", "line 2: b is not declared"),
        ("using 'a.bicep'\nparam a =", "line 2: "),
        ("using a.bicep", "line 1: using needs a path in quotes"),
        ("using 'a.bicep'\nparam a = 1\nparam a = 2", "each name once"),
        ("using 'a.bicep'\noutput a string = 'b'", "only using, param and var"),
    ],
)
def test_wrong_parameter_file_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "x.bicepparam"
    path.write_text(text)

    with pytest.raises((BadFile, UsageError), match=re.escape(problem)):
        read_parameters(path)
