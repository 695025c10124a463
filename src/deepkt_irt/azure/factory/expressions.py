"""Data Factory's expression language: reads `@f(x).y` and `text @{x}`, and evaluates them.

Reading already refuses what the service refuses when it publishes: bad syntax, unknown functions,
wrong numbers of arguments. Not repeatable functions (guid, rand) are refused as well.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deepkt_irt.azure.factory.expression_functions import ARITIES, FUNCTIONS, MANY, as_text
from deepkt_irt.errors import UsageError

type Json = Any  # what JSON can hold: values of expressions have no narrower type
type Names = Mapping[str, Callable[..., Json]]

# functions that lead to a value of the run, and how many names they take
_ROOTS = dict.fromkeys(("pipeline", "item", "trigger", "dataset", "linkedService"), 0)
_ROOTS |= {"activity": 1, "variables": 1}
_SPELLINGS = {name.lower(): name for name in (*_ROOTS, *ARITIES)}
_REFUSED = {"guid", "rand"}
_UNDER_PIPELINE = {"parameters": "parameter", "globalParameters": "globalParameter"}

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"[A-Za-z_]\w*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_CONSTANTS = {"true": True, "false": False, "null": None}


class ExpressionError(UsageError):
    """An expression cannot be read or has no value."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        shown = " ".join(text.split())
        super().__init__(f"{shown!r}, character {position + 1}: {problem}")
        self.position = position


@dataclass(frozen=True)
class Literal:
    """A value that is written out."""

    value: Json


@dataclass(frozen=True)
class Call:
    """A function and its arguments; `position` counts characters from 0."""

    name: str
    arguments: tuple["Node", ...]
    position: int


@dataclass(frozen=True)
class Access:
    """A property or an element; a `safe` one is null where there is none."""

    base: "Node"
    key: "Node"
    safe: bool
    position: int


@dataclass(frozen=True)
class Template:
    """Text with expressions in it."""

    parts: tuple["Node", ...]


type Node = Literal | Call | Access | Template


class _Reader:
    """Recursive descent over one text."""

    def __init__(self, text: str, at: int = 0) -> None:
        self.text, self.at = text, at

    def error(self, problem: str, at: int | None = None) -> ExpressionError:
        return ExpressionError(self.text, self.at if at is None else at, problem)

    def skip(self) -> None:
        self.at += len(_SPACE.match(self.text, self.at).group())  # type: ignore[union-attr] # matches always

    def take(self, token: str) -> bool:
        self.skip()
        found = self.text.startswith(token, self.at)
        self.at += len(token) if found else 0
        return found

    def need(self, token: str) -> None:
        if not self.take(token):
            found = repr(self.text[self.at]) if self.at < len(self.text) else "the end"
            raise self.error(f"{token!r} expected, found {found}")

    def expression(self) -> Node:
        node = self.primary()
        while True:
            self.skip()
            start = self.at
            safe = self.take("?")
            if self.take("."):
                node = Access(node, Literal(self.word("a property")), safe, start)
            elif self.take("["):
                key = self.expression()
                self.need("]")
                node = Access(node, key, safe, start)
            elif safe:
                raise self.error("'.' or '[' expected after '?'")
            else:
                return node

    def word(self, what: str) -> str:
        self.skip()
        found = _WORD.match(self.text, self.at)
        if not found:
            raise self.error(f"{what} expected")
        self.at = found.end()
        return found.group()

    def primary(self) -> Node:
        self.skip()
        start = self.at
        if quoted := _QUOTED.match(self.text, start):
            self.at = quoted.end()
            return Literal(quoted.group(1).replace("''", "'"))
        if number := _NUMBER.match(self.text, start):
            self.at = number.end()
            whole = not (number.group(1) or number.group(2))
            return Literal(int(number.group()) if whole else float(number.group()))
        if self.text.startswith("'", start):
            raise self.error("the text is not closed")
        name = self.word("a value")
        if name in _CONSTANTS:
            return Literal(_CONSTANTS[name])
        if not self.take("("):
            raise self.error(f"{name} is no value: texts stand in '', functions end in ()", start)
        return self.call(name, start)

    def call(self, name: str, start: int) -> Call:
        arguments: list[Node] = []
        if not self.take(")"):
            arguments.append(self.expression())
            while self.take(","):
                arguments.append(self.expression())
            self.need(")")
        problem = _call_problem(name, arguments)
        if problem:
            raise self.error(problem, start)
        return Call(_SPELLINGS[name.lower()], tuple(arguments), start)

    def template(self) -> Node:
        """The whole text, as one value: an expression, a literal, or both mixed."""
        if self.text.startswith("@") and self.text[1:2] not in {"@", "{"}:
            self.at = 1
            node = self.expression()
            self.skip()
            if self.at < len(self.text):
                raise self.error("the expression should end here")
            return node
        parts = tuple(self.parts())
        literal = all(isinstance(part, Literal) for part in parts)
        joined = "".join(str(part.value) for part in parts if isinstance(part, Literal))
        return Literal(joined) if literal else Template(parts)

    def parts(self) -> Iterator[Node]:
        if self.text.startswith("@@") and not self.text.startswith("@@{"):
            self.at = 1  # the first of the two goes
        while self.at < len(self.text):
            opening = self.text.find("@{", self.at)
            if opening < 0:
                yield Literal(self.text[self.at :])
                return
            escaped = opening > self.at and self.text[opening - 1] == "@"
            yield Literal(self.text[self.at : opening - escaped])
            self.at = opening + 2
            if escaped:
                yield Literal("@{")
                continue
            yield self.expression()
            self.need("}")


def _call_problem(name: str, arguments: list[Node]) -> str | None:
    known = _SPELLINGS.get(name.lower(), "")
    if name.lower() in _REFUSED:
        return f"{name} is refused: it gives something else at every run"
    if not known:
        return f"there is no function {name}"
    if known in _ROOTS:
        fewest = most = _ROOTS[known]
        if not all(
            isinstance(a, Literal) and isinstance(a.value, str) for a in arguments
        ):  # the service finds out what depends on what without running anything
            return f"{name} takes a text that is written out"
    else:
        fewest, most = ARITIES[known]
    if fewest <= len(arguments) <= most:
        return None
    more = " or more" if most == MANY else f" to {most}"
    wanted = str(fewest) if fewest == most else f"{fewest}{more}"
    return f"{name} takes {wanted} arguments, not {len(arguments)}"


def parse(text: str) -> Node:
    """Read a text of a document; one without expressions is a literal.

    Raises:
        ExpressionError: On bad syntax, an unknown function, or a wrong number of arguments.
    """
    return _Reader(text).template()


def evaluate(text: str, names: Names) -> Json:
    """Value of a text of a document.

    Args:
        text: Literal, `@expression`, or text with `@{expression}`.
        names: What pipeline, activity, variables, item, trigger, dataset and linkedService give
            here (absent: not allowed here), and the clock `utcNow`, which gives a datetime.

    Raises:
        ExpressionError: If it cannot be read, or has no value.
    """
    return _value(parse(text), text, names)


def _value(node: Node, text: str, names: Names) -> Json:
    match node:
        case Literal(value):
            return value
        case Template(parts):
            return "".join(as_text(_value(part, text, names)) for part in parts)
        case Access():
            return _accessed(node, text, names)
        case Call("if", (condition, *branches), at):  # only the branch that is taken is looked at
            chosen = _value(condition, text, names)
            if isinstance(chosen, bool):
                return _value(branches[not chosen], text, names)
            raise ExpressionError(text, at, "the condition of if is no Boolean")
        case Call():
            return _called(node, text, names)


def _called(node: Call, text: str, names: Names) -> Json:
    arguments = [_value(each, text, names) for each in node.arguments]
    if node.name in _ROOTS and node.name not in names:
        raise ExpressionError(text, node.position, f"{node.name} cannot be used here")
    try:
        if node.name in _ROOTS:
            return names[node.name](*arguments)
        if node.name == "utcNow":
            return FUNCTIONS["formatDateTime"](names["utcNow"](), *arguments)
        return FUNCTIONS[node.name](*arguments)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ExpressionError(text, node.position, f"{node.name}: {error}") from error


def _accessed(node: Access, text: str, names: Names) -> Json:
    base, key = _value(node.base, text, names), _value(node.key, text, names)
    if node.safe and base is None:
        return None
    fits = isinstance(base, list) and isinstance(key, int) and not isinstance(key, bool)
    if fits and 0 <= key < len(base):
        return base[key]
    if isinstance(base, dict) and isinstance(key, str):
        fits = True
        if key in base:
            return base[key]
    if not fits:
        problem = f"{key!r} cannot be taken of a {type(base).__name__} value"
        raise ExpressionError(text, node.position, problem)
    if node.safe:
        return None
    there = ", ".join(base) if isinstance(base, dict) else f"{len(base)} elements"
    raise ExpressionError(text, node.position, f"there is no {key!r}; there are: {there}")


def resolve(value: Json, names: Names) -> Json:
    """Evaluate all texts of a JSON value; `{"value": …, "type": "Expression"}` is its value.

    Raises:
        ExpressionError: If one cannot be read, or has no value.
    """
    if isinstance(value, str):
        return evaluate(value, names)
    if isinstance(value, list):
        return [resolve(each, names) for each in value]
    if not isinstance(value, dict):
        return value
    if is_expression(value):
        return resolve(value["value"], names)
    return {key: resolve(each, names) for key, each in value.items()}


def is_expression(value: Json) -> bool:
    """Whether a JSON value is an expression object, not data."""
    keys = {"type", "value"}
    return isinstance(value, dict) and value.keys() == keys and value["type"] == "Expression"


def references(text: str) -> set[tuple[str, str]]:
    """What a text refers to, as (kind, name).

    Kinds are activity, parameter, globalParameter, variable, dataset, linkedService (names of
    parameters), item, trigger and pipeline (names of system values). A name is empty where the
    whole is meant, as always with item, and `*` where only the run can tell.

    Raises:
        ExpressionError: If the text cannot be read.
    """
    return set(_references(parse(text), ()))


def _references(node: Node, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """References in a node that is followed by a path of properties."""
    match node:
        case Template(parts):
            for part in parts:
                yield from _references(part, ())
        case Access(base, key, _, _):
            fixed = isinstance(key, Literal) and isinstance(key.value, str)
            yield from _references(base, (str(key.value) if fixed else "*", *path))  # type: ignore[union-attr] # fixed
            yield from _references(key, ())
        case Call(name, arguments, _):
            if name in _ROOTS:
                yield _root(name, arguments, path)
            for each in arguments:
                yield from _references(each, ())


def _root(name: str, arguments: tuple[Node, ...], path: tuple[str, ...]) -> tuple[str, str]:
    first = path[0] if path else ""
    if arguments and isinstance(arguments[0], Literal):
        return {"variables": "variable"}.get(name, name), str(arguments[0].value)
    if name == "item":
        return name, ""
    if name == "pipeline" and first in _UNDER_PIPELINE:
        return _UNDER_PIPELINE[first], path[1] if len(path) > 1 else ""
    return name, first
