"""Expressions of Bicep, read from tokens with the language's own precedence and line rules."""

from collections.abc import Callable, Sequence
from functools import partial

from deepkt_irt.azure.bicep.syntax import (
    Array,
    Binary,
    Call,
    Child,
    Condition,
    Declaration,
    Expression,
    Lambda,
    Literal,
    Loop,
    Member,
    Name,
    Object,
    Ternary,
    Text,
    Unary,
)
from deepkt_irt.azure.bicep.tokens import Token
from deepkt_irt.errors import BadFile

_PRECEDENCE = {  # the higher binds the closer
    operator: level
    for level, operators in enumerate(
        ("??", "||", "&&", "== != =~ !~", "< <= > >=", "+ -", "* / %"), start=1
    )
    for operator in operators.split()
}
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class Grammar:
    """Reads one file's tokens from left to right."""

    def __init__(self, file: str, tokens: Sequence[Token]) -> None:
        self.file = file
        self._tokens = tokens
        self._at = 0

    # --- tokens

    @property
    def next(self) -> Token:
        """The token that was not taken yet."""
        return self._tokens[self._at]

    def ahead(self, distance: int) -> Token:
        """A token further on, or the end."""
        return self._tokens[min(self._at + distance, len(self._tokens) - 1)]

    def sees(self, *texts: str) -> bool:
        """Whether the next token is one of these words or marks."""
        return self.next.kind in {"word", "mark"} and self.next.text in texts

    def take(self) -> Token:
        """The next token, which is then behind."""
        token = self.next
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def accept(self, text: str) -> bool:
        """Take a word or mark if it is the next."""
        if self.sees(text):
            self.take()
            return True
        return False

    def expect(self, text: str) -> Token:
        """Take a word or mark that must come here."""
        if not self.sees(text):
            raise self.bad(f"{text} expected, found {self.next.text}")
        return self.take()

    def word(self) -> str:
        """Take a word, which may be one of the language's."""
        if self.next.kind != "word":
            raise self.bad(f"name expected, found {self.next.text}")
        return self.take().text

    def bad(self, problem: str, line: int | None = None) -> BadFile:
        """The error for a problem at the next token, or at a line."""
        return BadFile(self.file, f"line {line or self.next.line}: {problem}", "correct the syntax")

    # --- expressions, the loosest first

    def expression(self) -> Expression:
        """A whole expression; only `?` and `:` may stand on a new line."""
        test = self._binary(0)
        if not self.sees("?"):
            return test
        self.take()
        yes = self._same_line(self.expression)
        self.expect(":")
        return Ternary(test.line, test, yes, self._same_line(self.expression))

    def _same_line[T](self, read: Callable[[], T]) -> T:
        if self.next.first:
            raise self.bad("the value must stand on the line of its operator")
        return read()

    def _binary(self, above: int) -> Expression:
        left = self._unary()
        while not self.next.first and self.next.kind == "mark":
            level = _PRECEDENCE.get(self.next.text, 0)
            if level <= above:
                break
            operator = self.take()
            right = self._same_line(partial(self._binary, level))
            left = Binary(operator.line, operator.text, left, right)
        return left

    def _unary(self) -> Expression:
        if not self.sees("!", "-"):
            return self._member()
        operator = self.take()
        value = self._same_line(self._unary)
        if operator.text == "-" and isinstance(value, Literal) and isinstance(value.value, int):
            return Literal(operator.line, -value.value)
        return Unary(operator.line, operator.text, value)

    def _member(self) -> Expression:
        value = self._primary()
        while not self.next.first and self.sees(".", ".?", "[", "::", "!"):
            mark = self.take()
            if mark.text == "[":
                safe = self.accept("?")
                value = Member(mark.line, value, self.expression(), safe)
                self.expect("]")
            elif mark.text == "::":
                value = Child(mark.line, value, self.word())
            elif mark.text != "!":  # which only tells the compiler that it is not null
                value = self._property(value, mark)
        return value

    def _property(self, target: Expression, mark: Token) -> Expression:
        name = self.word()
        if self.sees("(") and not self.next.first:
            return Call(mark.line, name, self._arguments(), target)
        return Member(mark.line, target, Literal(mark.line, name), mark.text == ".?")

    def _primary(self) -> Expression:
        token = self.next
        if token.kind == "text":
            return self._text(self.take())
        if token.kind == "number":
            return Literal(token.line, int(self.take().text))
        if self.sees("("):
            return self._lambda() if self._lambda_follows() else self._group()
        if self.sees("["):
            return self._array_or_loop()
        if self.sees("{"):
            return self.object()
        if token.kind == "word":
            return self._named()
        raise self.bad(f"value expected, found {token.text}")

    def _named(self) -> Expression:
        if self.ahead(1).text == "=>":
            return self._lambda()
        if self.sees("if"):
            raise self.bad("only a resource or module in a loop may have a condition")
        token = self.take()
        if token.text in _CONSTANTS:
            return Literal(token.line, _CONSTANTS[token.text])
        if self.sees("(") and not self.next.first:
            return Call(token.line, token.text, self._arguments())
        return Name(token.line, token.text)

    def _text(self, token: Token) -> Expression:
        if all(isinstance(each, str) for each in token.parts):
            return Literal(token.line, "".join(map(str, token.parts)))
        parts = (each if isinstance(each, str) else self._hole(each) for each in token.parts)
        return Text(token.line, tuple(parts))

    def _hole(self, tokens: Sequence[Token]) -> Expression:
        inside = type(self)(self.file, tokens)
        value = inside.expression()
        if inside.next.kind != "end":
            raise inside.bad(f"}} expected, found {inside.next.text}")
        return value

    def _group(self) -> Expression:
        self.expect("(")
        value = self.expression()
        self.expect(")")
        return value

    def _lambda_follows(self) -> bool:
        distance = 1
        while self.ahead(distance).kind == "word" or self.ahead(distance).text == ",":
            distance += 1
        return self.ahead(distance).text == ")" and self.ahead(distance + 1).text == "=>"

    def _lambda(self) -> Lambda:
        line, names = self.next.line, []
        if self.accept("("):
            while not self.accept(")"):
                names.append(self.word())
                self.accept(",")
        else:
            names.append(self.word())
        self.expect("=>")
        return Lambda(line, tuple(names), self.expression())

    def _arguments(self) -> tuple[Expression, ...]:
        self.expect("(")
        values: list[Expression] = []
        while not self.accept(")"):
            if values:
                self.expect(",")
            values.append(self.expression())
        return tuple(values)

    # --- arrays, objects, loops

    def _array_or_loop(self) -> Expression:
        start = self.expect("[")
        if self.sees("for"):
            return self.loop(start, self.expression)
        items: list[Expression] = []
        while not self.accept("]"):
            self._separated(after=bool(items), what="item")
            items.append(self.expression())
        return Array(start.line, tuple(items))

    def _separated(self, *, after: bool, what: str) -> None:
        """Items stand on lines of their own, or have commas between them."""
        if not after:
            return
        if self.accept(","):
            if self.next.first:
                raise self.bad("a comma ends no line: write one or the other")
        elif not self.next.first:
            raise self.bad(f"the next {what} needs a comma or a new line, found {self.next.text}")

    def loop(self, start: Token, body: Callable[[], Expression]) -> Loop:
        """The rest of `[for …]`, after its bracket."""
        self.expect("for")
        index = None
        if self.accept("("):
            item = self.word()
            self.expect(",")
            index = self.word()
            self.expect(")")
        else:
            item = self.word()
        self.expect("in")
        over = self.expression()
        self.expect(":")
        loop = Loop(start.line, item, index, over, body())
        self.expect("]")
        return loop

    def object(self) -> Object:
        """Keys and values in braces, with resources declared among them."""
        start = self.expect("{")
        entries: list[tuple[Expression, Expression]] = []
        children: list[Declaration] = []
        while not self.accept("}"):
            self._separated(after=bool(entries or children), what="property")
            inside = self.declaration_inside()
            if inside is not None:
                children.append(inside)
            else:
                entries.append(self._entry())
        return Object(start.line, tuple(entries), tuple(children))

    def _entry(self) -> tuple[Expression, Expression]:
        token = self.next
        is_text = token.kind == "text"
        key = self._text(self.take()) if is_text else Literal(token.line, self.word())
        self.expect(":")
        return key, self.expression()

    def declaration_inside(self) -> Declaration | None:
        """A resource declared at this place of an object; None if a property follows."""
        return None

    def resource_value(self) -> Expression:
        """What stands after the `=` of a resource or module."""
        if self.sees("["):
            return self.loop(self.take(), self._one_resource)
        return self._one_resource()

    def _one_resource(self) -> Expression:
        if not self.sees("if"):
            return self.object()
        line = self.take().line
        return Condition(line, self._group(), self.object())
