"""Words of a Bicep file, cut by tree-sitter-bicep, which also refuses what is no Bicep."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepkt_irt.errors import BackendUnavailable, BadFile, to_install

if TYPE_CHECKING:
    from tree_sitter import Node

_COMMENTS = {"comment", "diagnostic_comment"}
_ESCAPES = {"\\\\": "\\", "\\'": "'", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\$": "$"}
_ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|.)")
_WORD = re.compile(r"[A-Za-z_]\w*")
_NUMBER = re.compile(r"-?\d+")


@dataclass(frozen=True)
class Token:
    """A word, number, text or mark.

    Attributes:
        kind: `word`, `number`, `text`, `mark` or `end`.
        text: As written; of a text its quotes.
        first: It is the first on its line.
        parts: Of a text: literal parts with escapes resolved, and the tokens of each hole.
    """

    kind: str
    text: str
    line: int
    first: bool = False
    parts: tuple["str | tuple[Token, ...]", ...] = ()


def tokens_of(file: str, data: bytes) -> tuple[list[Token], list[tuple[int, str]]]:
    """The tokens of a file, ended by one of kind `end`, and its comments by line.

    Args:
        file: Name for messages.
        data: The text, UTF-8.

    Raises:
        BadFile: If it is not Bicep.
        BackendUnavailable: If the parser is not installed.
    """
    root = _tree(data)
    if root.has_error:
        bad = next(each for each in _walk(root) if each.is_error or each.is_missing)
        found = f"{bad.type} is missing" if bad.is_missing else f"cannot read {_start(bad)!r}"
        raise BadFile(file, f"line {_line(bad)}: {found}", "correct the syntax")
    comments = [(_line(each), _text(each)) for each in _walk(root) if each.type in _COMMENTS]
    tokens = _flat(file, data, root.children)
    return [*tokens, Token("end", "end of file", root.end_point[0] + 1, first=True)], comments


def _tree(data: bytes) -> "Node":
    try:
        import tree_sitter_bicep  # noqa: PLC0415 - an extra
        from tree_sitter import Language, Parser  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise BackendUnavailable(f"Bicep cannot be read: {to_install('azure')}") from error
    return Parser(Language(tree_sitter_bicep.language())).parse(data).root_node


def _line(node: "Node") -> int:
    return node.start_point[0] + 1


def _text(node: "Node") -> str:
    return (node.text or b"").decode()


def _start(node: "Node") -> str:
    return _text(node).strip().partition("\n")[0][:40]


def _walk(node: "Node") -> Iterator["Node"]:
    yield node
    for each in node.children:
        yield from _walk(each)


def _is_text(node: "Node") -> bool:
    return node.type == "string" and node.is_named  # the type `string` is a word


def _leaves(nodes: "list[Node]") -> Iterator["Node"]:
    """Words, marks and whole texts, in order, without comments."""
    for each in nodes:
        if _is_text(each) or (each.child_count == 0 and each.type not in _COMMENTS):
            yield each
        elif each.child_count:
            yield from _leaves(each.children)


def _flat(file: str, data: bytes, nodes: "list[Node]") -> list[Token]:
    tokens: list[Token] = []
    row = -1
    for each in _leaves(nodes):
        first = each.start_point[0] > row
        row = each.end_point[0]
        tokens.extend(_tokens(file, data, each, first=first))
    return tokens


def _tokens(file: str, data: bytes, node: "Node", *, first: bool) -> Iterator[Token]:
    text, line = _text(node), _line(node)
    if _is_text(node):
        quotes = _text(node.children[0])
        whole = text.startswith("'''")
        parts = (_verbatim(text),) if whole else tuple(_parts(file, data, node))
        yield Token("text", quotes, line, first, parts)
    elif _NUMBER.fullmatch(text) and text.startswith("-"):
        # the sign is cut off, or `a -1` would be two values
        yield Token("mark", "-", line, first)
        yield Token("number", text[1:], line)
    elif text:
        kind = "word" if _WORD.fullmatch(text) else "mark"
        yield Token("number" if _NUMBER.fullmatch(text) else kind, text, line, first)


def _verbatim(text: str) -> str:
    """Text between triple quotes: no escapes, and a break right after the quotes is dropped."""
    return re.sub(r"^\r?\n", "", text[3:-3])


def _parts(file: str, data: bytes, node: "Node") -> Iterator[str | tuple[Token, ...]]:
    """Cut a text at its holes, by bytes, as blanks beside a hole belong to no node."""
    if node.start_point[0] != node.end_point[0]:
        problem = f"line {_line(node)}: a text ends on another line"
        raise BadFile(file, problem, "close it, or use three quotes")
    at, end = node.children[0].end_byte, node.children[-1].start_byte
    for each in node.children:
        if each.type == "interpolation":
            start = data.index(b"${", each.start_byte)
            if start > at:
                yield _plain(file, data[at:start], node)
            hole = _flat(file, data, each.children[1:-1])
            yield (*hole, Token("end", "}", _line(each)))
            at = each.end_byte
    if end > at:
        yield _plain(file, data[at:end], node)


def _plain(file: str, data: bytes, node: "Node") -> str:
    """Text with its escapes resolved."""

    def resolved(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[0] not in _ESCAPES:
            problem = f"line {_line(node)}: {match[0]} is no escape"
            raise BadFile(file, problem, "write \\\\ for a backslash")
        return _ESCAPES[match[0]]

    return _ESCAPE.sub(resolved, data.decode())
