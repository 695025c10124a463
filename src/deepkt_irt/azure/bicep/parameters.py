"""Reads `.bicepparam` files: which template, and the values for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from deepkt_irt.azure.bicep.azure_functions import Context, Surroundings
from deepkt_irt.azure.bicep.check import beside
from deepkt_irt.azure.bicep.expressions import Evaluator
from deepkt_irt.azure.bicep.functions import Function, a_text
from deepkt_irt.azure.bicep.nodes import Memo
from deepkt_irt.azure.bicep.reader import parse_source
from deepkt_irt.azure.bicep.values import Refused, Value, label_of, plain, unknown
from deepkt_irt.errors import BadFile, UsageError

# statements begin a line; what looks like one inside quotes or a comment is passed over
_STATEMENT = re.compile(
    r"'''.*?'''|'(?:[^'\\\n]|\\.)*'|/\*.*?\*/|//[^\n]*"
    r"|^[ \t]*(?:(?P<using>using(?=\s)[^\n]*)|(?P<param>param(?=\s)))",
    re.DOTALL | re.MULTILINE,
)
_USING = re.compile(r"using\s+(?:'([^'$\\]+)'|none)\s*(?://.*)?\s*")


@dataclass(frozen=True)
class ParameterFile:
    """One `.bicepparam` file.

    Attributes:
        using: The template it is for; None if it says `none`.
        values: By parameter.
        lines: Where each parameter stands, from 1.
    """

    path: Path
    using: Path | None
    values: dict[str, Any]
    lines: dict[str, int]


def read_parameters(path: Path, environment: Mapping[str, str] | None = None) -> ParameterFile:
    """Read a `.bicepparam` file.

    Args:
        path: The file.
        environment: What `readEnvironmentVariable` finds; nothing if not given.

    Raises:
        BadFile: If it cannot be read as what it should be.
        UsageError: If a value cannot be worked out, as a variable is missing without default.
    """
    file = path.as_posix()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(file, "cannot be read as text", "check the path") from error
    using, changed = _as_template(file, text)
    parameters = {m.start() for m in _STATEMENT.finditer(text) if m["param"]}
    lines = {text.count("\n", 0, at) + 1 for at in parameters}
    source = parse_source(path, changed.encode())
    declared = {each.name: each for each in source.of("var")}
    if len(declared) != len(source.declarations):
        raise UsageError(f"{file}: only using, param and var, each name once, are supported")
    memo = Memo()

    def symbol(name: str) -> Value:
        tree = declared[name].value
        return memo.get(name, partial(evaluator.value, tree, {}))  # type: ignore[arg-type]

    surroundings = Surroundings(Context(), "resourceGroup", path.parent, path.stem)
    evaluator = Evaluator(file, symbol, surroundings, _functions(environment or {}))
    wanted = {name: each.line for name, each in declared.items() if each.line in lines}
    values = {name: plain(symbol(name)) for name in wanted}
    return ParameterFile(path, beside(path, using) if using else None, values, wanted)


def _as_template(file: str, text: str) -> tuple[str | None, str]:
    """The template named by `using`, and the text as Bicep the grammar knows, line by line."""
    found: list[str | None] = []

    def changed(match: re.Match[str]) -> str:
        if match["param"]:
            return "var"
        if not match["using"]:
            return match[0]
        using = _USING.fullmatch(match["using"])
        if using is None:
            line = text.count("\n", 0, match.start()) + 1
            raise BadFile(
                file, f"line {line}: using needs a path in quotes", "write using 'x.bicep'"
            )
        found.append(using[1])
        return ""

    template = _STATEMENT.sub(changed, text)
    if len(found) != 1:
        raise BadFile(file, f"says using {len(found)} times", "name the template once")
    return found[0], template


def _functions(environment: Mapping[str, str]) -> dict[str, Function]:
    def read(name: Value, default: Value = None) -> str:
        found = environment.get(a_text(name), default)
        if found is None:
            raise Refused(f"environment variable {name} is not set and has no default")
        return a_text(found)

    def secret(*values: Value) -> Value:
        return unknown(f"getSecret({', '.join(label_of(each) for each in values)})")

    found = (
        Function("readEnvironmentVariable", 1, 2, read),
        Function("getSecret", 4, 5, secret),
    )
    return {each.name: each for each in found}
