"""Declarations of a Bicep file."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from deepkt_irt.azure.bicep.grammar import Grammar
from deepkt_irt.azure.bicep.syntax import Declaration, Decorator, Lambda, Literal, Source, Type
from deepkt_irt.azure.bicep.tokens import tokens_of
from deepkt_irt.errors import BadFile, UsageError

_SCOPES = ("resourceGroup", "subscription", "managementGroup", "tenant")
_UNSUPPORTED = ("import", "assert", "extension", "provider", "using", "extends")


class Reader(Grammar):
    """Reads whole files."""

    target_scope = "resourceGroup"

    def declarations(self) -> tuple[Declaration, ...]:
        """All statements of the file that give a symbol."""
        found: list[Declaration] = []
        while self.next.kind != "end":
            if not self.next.first:
                raise self.bad(f"a statement begins on a new line, found {self.next.text}")
            decorators = self._decorators()
            one = self._statement(decorators)
            if one is not None:
                found.append(one)
        return tuple(found)

    def _decorators(self) -> tuple[Decorator, ...]:
        found: list[Decorator] = []
        while self.sees("@"):
            line = self.take().line
            name = self.word()
            if name == "sys" and self.accept("."):
                name = self.word()
            found.append(Decorator(name, self._arguments(), line))
        return tuple(found)

    def _statement(self, decorators: tuple[Decorator, ...]) -> Declaration | None:
        keyword = self.next.text if self.next.kind == "word" else ""
        known: dict[str, Callable[[tuple[Decorator, ...]], Declaration]] = {
            "param": self._param,
            "var": self._var,
            "resource": self._resource,
            "module": self._module,
            "output": self._output,
            "func": self._func,
            "type": self._type_alias,
        }
        if keyword in known:
            return known[keyword](decorators)
        self._setting(keyword)
        return None

    def _setting(self, keyword: str) -> None:
        """A statement without symbol."""
        if keyword in _UNSUPPORTED:
            raise UsageError(f"{self.file}: line {self.next.line}: {keyword} is not supported")
        if keyword not in {"targetScope", "metadata"}:
            raise self.bad(f"a statement is expected, found {self.next.text}")
        self.take()
        if keyword == "targetScope":
            self._target_scope()
        else:
            self.word()
            self.expect("=")
            self.expression()

    def _target_scope(self) -> None:
        self.expect("=")
        value = self.expression()
        if not isinstance(value, Literal) or value.value not in _SCOPES:
            raise self.bad(f"targetScope is one of {', '.join(_SCOPES)}", value.line)
        self.target_scope = str(value.value)

    def _param(self, decorators: tuple[Decorator, ...]) -> Declaration:
        line, name = self.take().line, self.word()
        declared = self.type()
        value = self.expression() if self.accept("=") else None
        return Declaration("param", name, line, decorators, value, declared)

    def _var(self, decorators: tuple[Decorator, ...]) -> Declaration:
        line, name = self.take().line, self.word()
        self.expect("=")
        return Declaration("var", name, line, decorators, self.expression())

    def _output(self, decorators: tuple[Decorator, ...]) -> Declaration:
        line, name = self.take().line, self.word()
        declared = self.type()
        self.expect("=")
        return Declaration("output", name, line, decorators, self.expression(), declared)

    def _type_alias(self, decorators: tuple[Decorator, ...]) -> Declaration:
        line, name = self.take().line, self.word()
        self.expect("=")
        return Declaration("type", name, line, decorators, None, self.type())

    def _func(self, decorators: tuple[Decorator, ...]) -> Declaration:
        line, name = self.take().line, self.word()
        names: list[str] = []
        self.expect("(")
        while not self.accept(")"):
            if names:
                self.expect(",")
            names.append(self.word())
            self.type()
        declared = self.type()
        self.expect("=>")
        value = Lambda(line, tuple(names), self.expression())
        return Declaration("func", name, line, decorators, value, declared)

    def _resource(self, decorators: tuple[Decorator, ...]) -> Declaration:
        line, name = self.take().line, self.word()
        address = self._address()
        existing = self.accept("existing")
        self.expect("=")
        value = self.resource_value()
        return Declaration("resource", name, line, decorators, value, None, address, existing)

    def _module(self, decorators: tuple[Decorator, ...]) -> Declaration:
        line, name = self.take().line, self.word()
        address = self._address()
        self.expect("=")
        return Declaration("module", name, line, decorators, self.resource_value(), None, address)

    def _address(self) -> str:
        token = self.next
        value = self._text(self.take()) if token.kind == "text" else None
        if not isinstance(value, Literal):
            raise self.bad("a type or path in quotes, without holes, is expected", token.line)
        return str(value.value)

    def declaration_inside(self) -> Declaration | None:
        at = self._at
        decorators = self._decorators()
        # a property may be called `resource` too
        if self.sees("resource") and self.ahead(1).kind == "word" and self.ahead(2).kind == "text":
            return self._resource(decorators)
        if self._at != at:
            raise self.bad("a resource must follow its decorator")
        return None

    # --- types

    def type(self) -> Type:
        """A type, with its alternatives."""
        members = [self._one_type()]
        while self.accept("|"):
            members.append(self._one_type())
        if len(members) == 1:
            return members[0]
        text = " | ".join(each.text for each in members)
        return Type("union", text, members[0].line, tuple(members))

    def _one_type(self) -> Type:
        found = self._base_type()
        while not self.next.first and self.sees("[", "?"):
            if self.accept("["):
                self.expect("]")
                found = Type("array", f"{found.text}[]", found.line, (found,))
            else:
                self.take()
                found = Type("nullable", f"{found.text}?", found.line, (found,))
        return found

    def _base_type(self) -> Type:
        token = self.next
        if self.sees("{"):
            return self._object_type()
        if self.accept("("):
            inner = self.type()
            self.expect(")")
            return inner
        if token.kind == "word" and token.text not in {"true", "false", "null"}:
            self.take()
            if self.sees("<", "."):
                line = token.line
                raise UsageError(f"{self.file}: line {line}: type {token.text} is not supported")
            return Type("name", token.text, token.line)
        value = self._unary()
        if not isinstance(value, Literal):
            raise self.bad("a type is expected", token.line)
        text = f"'{value.value}'" if isinstance(value.value, str) else token.text
        return Type("literal", text, token.line, value=value.value)

    def _object_type(self) -> Type:
        line = self.expect("{").line
        keys: list[str] = []
        members: list[Type] = []
        while not self.accept("}"):
            self._separated(after=bool(keys), what="property")
            if self.sees("@", "*"):
                raise UsageError(
                    f"{self.file}: line {self.next.line}: {self.next.text} inside a type "
                    "is not supported"
                )
            key, _ = self._key()
            self.expect(":")
            keys.append(key)
            members.append(self.type())
        text = "{" + ", ".join(f"{k}: {m.text}" for k, m in zip(keys, members, strict=True)) + "}"
        return Type("object", text, line, tuple(members), tuple(keys))

    def _key(self) -> tuple[str, int]:
        token = self.take()
        return "".join(map(str, token.parts)) if token.kind == "text" else token.text, token.line


def read_source(path: Path) -> Source:
    """Read a `.bicep` file.

    Raises:
        BadFile: If it cannot be read, or is no Bicep.
        UsageError: If it uses what is not supported here.
    """
    try:
        data = path.read_text(encoding="utf-8").encode()
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(path.as_posix(), "cannot be read as text", "check the path") from error
    return parse_source(path, data)


@cache  # every environment is worked out from the same files
def parse_source(path: Path, data: bytes) -> Source:
    """Read Bicep text as if it stood in a file; raises as `read_source` does."""
    file = path.as_posix()
    tokens, comments = tokens_of(file, data)
    reader = Reader(file, tokens)
    declarations = reader.declarations()
    return Source(path, reader.target_scope, declarations, tuple(comments))
