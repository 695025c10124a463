"""Writes and reads TMDL, the text that a semantic model of Power BI is kept in.

An object is a line with its kind and name; what belongs to it is indented by one tab more, and an
expression of several lines by two. Only what our model holds is read; anything else is refused
with its line, so that a slip of the hand is found before Power BI meets it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_KINDS = (
    "ref table", "database", "model", "table", "column", "measure", "hierarchy", "level",
    "partition", "relationship", "expression", "annotation",
)  # fmt: skip
_NAME = r"'(?:[^']|'')+'|[^\s='.:]+"
_DECLARED = re.compile(
    rf"^(?P<kind>{'|'.join(_KINDS)})(?: (?P<name>{_NAME}))?(?: (?P<is>=)(?: (?P<value>.+))?)?$"
)
_PROPERTY = re.compile(
    r"^(?P<name>\w+)(?:: (?P<text>.+)| (?P<is>=)(?: (?P<value>.+))?)?$"
)  # fmt: skip
_EXPRESSIONS = {"source"}  # properties that hold one; all others hold a text


class TmdlError(ValueError):
    """A line that is no TMDL."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")


@dataclass(frozen=True)
class Node:
    """An object of the model.

    Attributes:
        kind: Of _KINDS.
        name: Without quotation marks.
        expression: After the equals sign.
        properties: By name; an empty text stands for one that is on.
        children: Objects that belong to it.
        description: For people.
    """

    kind: str
    name: str = ""
    expression: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    children: tuple["Node", ...] = ()
    description: str = ""

    def of(self, kind: str) -> dict[str, "Node"]:
        """Its children of a kind, by name."""
        return {child.name: child for child in self.children if child.kind == kind}


def quoted(name: str) -> str:
    """A name as TMDL writes it."""
    if re.fullmatch(r"[^\s='.:]+", name):
        return name
    return "'" + name.replace("'", "''") + "'"


def written(nodes: Iterable[Node]) -> str:
    """The text of a file with these objects."""
    return "\n\n".join("\n".join(_lines(node, 0)) for node in nodes) + "\n"


def _lines(node: Node, depth: int) -> list[str]:
    indent = "\t" * depth
    lines = [f"{indent}/// {line}" for line in node.description.splitlines()]
    declared = f"{indent}{node.kind} {quoted(node.name)}" if node.name else indent + node.kind
    lines += _assigned(declared, node.expression, depth) if node.expression else [declared]
    for name, value in node.properties.items():
        if name in _EXPRESSIONS:
            lines += _assigned(f"{indent}\t{name}", value, depth + 1, apart=True)
        else:
            lines.append(f"{indent}\t{name}: {value}" if value else f"{indent}\t{name}")
    for number, child in enumerate(node.children):
        if number or node.properties:
            lines.append("")
        lines += _lines(child, depth + 1)
    return lines


def _assigned(before: str, expression: str, depth: int, *, apart: bool = False) -> list[str]:
    lines = expression.splitlines()
    if len(lines) == 1 and not apart:
        return [f"{before} = {expression}"]
    indent = "\t" * (depth + 2)
    return [f"{before} =", *(f"{indent}{line}" if line else "" for line in lines)]


def read(text: str) -> tuple[Node, ...]:
    """The objects of a file.

    Raises:
        TmdlError: If a line is no TMDL.
    """
    reader = _Reader(text)
    nodes = []
    while reader.depth() >= 0:
        nodes.append(reader.node(0))
    return tuple(nodes)


class _Reader:
    """Goes through the lines of a file once."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._at = 0

    def depth(self) -> int:
        """How far the next line that holds something is indented; -1 at the end."""
        while self._at < len(self._lines) and not self._lines[self._at].strip():
            self._at += 1
        if self._at == len(self._lines):
            return -1
        line = self._lines[self._at]
        depth = len(line) - len(line.lstrip("\t"))
        if line[depth] == " ":
            raise TmdlError(self._at + 1, "lines are indented by tabs")
        return depth

    def node(self, depth: int) -> Node:
        """The object whose description or declaration is next."""
        description = self._description(depth)
        line = self._take(depth)
        declared = _DECLARED.match(line)
        if not declared:
            raise TmdlError(self._at, f"no object is declared: {line}")
        expression = self._expression(declared, depth)
        properties: dict[str, str] = {}
        children = []
        while self.depth() > depth:
            line = self._lines[self._at].strip()
            if line.startswith("///") or _DECLARED.match(line):
                children.append(self.node(depth + 1))
            else:
                name, value = self._property(depth + 1)
                if name in properties:
                    raise TmdlError(self._at, f"{name} stands there twice")
                properties[name] = value
        name = (declared["name"] or "").removeprefix("'").removesuffix("'").replace("''", "'")
        return Node(
            declared["kind"], name, expression, properties, tuple(children), description
        )  # fmt: skip

    def _description(self, depth: int) -> str:
        lines = []
        while self.depth() == depth and self._lines[self._at].strip().startswith("///"):
            lines.append(self._take(depth).removeprefix("///").strip())
            if not "".join(self._lines[self._at : self._at + 1]).strip():
                raise TmdlError(self._at, "a description stands right above what it describes")
        return "\n".join(lines)

    def _take(self, depth: int) -> str:
        if self.depth() != depth:
            raise TmdlError(self._at + 1, f"a line indented by {depth} tabs is missing")
        self._at += 1
        return self._lines[self._at - 1].strip()

    def _property(self, depth: int) -> tuple[str, str]:
        line = self._take(depth)
        found = _PROPERTY.match(line)
        if not found:
            raise TmdlError(self._at, f"neither an object nor a property: {line}")
        if found["is"] and found["name"] not in _EXPRESSIONS:
            raise TmdlError(self._at, f"{found['name']} takes a text after a colon")
        return found["name"], found["text"] or self._expression(found, depth)

    def _expression(self, found: re.Match[str], depth: int) -> str:
        """What stands after an equals sign, on its line or on those below it."""
        if not found["is"] or found["value"]:
            return found["value"] or ""
        start, indent, lines = self._at, "\t" * (depth + 2), list[str]()
        while self._at < len(self._lines) and (
            not (line := self._lines[self._at]).strip() or line.startswith(indent)
        ):
            lines.append(line.removeprefix(indent))
            self._at += 1
        if not (expression := "\n".join(lines).rstrip()):
            raise TmdlError(start, f"an expression indented by {depth + 2} tabs is missing")
        return expression
