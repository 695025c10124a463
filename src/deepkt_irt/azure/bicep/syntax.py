"""What a Bicep file consists of: expressions, types and declarations as plain values.

The tree is our own, because the one of tree-sitter-bicep is right about words and braces but wrong
about precedence: it reads `a.b && c.d` as `(a.b && c).d`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Expression:
    """A part of an expression; `line` counts from 1."""

    line: int


@dataclass(frozen=True)
class Literal(Expression):
    """A text without holes, whole number, true, false or null."""

    value: str | int | bool | None


@dataclass(frozen=True)
class Text(Expression):
    """A text with holes: literal parts and expressions in turn."""

    parts: tuple[str | Expression, ...]


@dataclass(frozen=True)
class Name(Expression):
    """A symbol, or a variable of a loop or lambda."""

    name: str


@dataclass(frozen=True)
class Member(Expression):
    """`target.key` and `target[key]`; with `safe` a missing one is null."""

    target: Expression
    key: Expression
    safe: bool = False


@dataclass(frozen=True)
class Child(Expression):
    """`target::name`, a resource declared inside another."""

    target: Expression
    name: str


@dataclass(frozen=True)
class Call(Expression):
    """`name(…)`, or `target.name(…)` on a resource or namespace."""

    name: str
    arguments: tuple[Expression, ...]
    target: Expression | None = None


@dataclass(frozen=True)
class Unary(Expression):
    """`!value` or `-value`."""

    operator: str
    value: Expression


@dataclass(frozen=True)
class Binary(Expression):
    """Two values and what stands between them."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Ternary(Expression):
    """`test ? yes : no`."""

    test: Expression
    yes: Expression
    no: Expression


@dataclass(frozen=True)
class Array(Expression):
    """Items in brackets."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Object(Expression):
    """Keys with values, and the resources declared among them."""

    entries: tuple[tuple[Expression, Expression], ...]
    children: "tuple[Declaration, ...]" = ()

    def value(self, key: str) -> Expression | None:
        """The value under a key that is written out; None if there is none."""
        for each, value in self.entries:
            if isinstance(each, Literal) and each.value == key:
                return value
        return None


@dataclass(frozen=True)
class Loop(Expression):
    """`[for item in over: body]`, or `[for (item, index) in over: body]`."""

    item: str
    index: str | None
    over: Expression
    body: Expression


@dataclass(frozen=True)
class Condition(Expression):
    """`if (test) {…}`, the value of a resource or module."""

    test: Expression
    body: Expression


@dataclass(frozen=True)
class Lambda(Expression):
    """`(a, b) => body`."""

    parameters: tuple[str, ...]
    body: Expression


@dataclass(frozen=True)
class Type:
    """A type as written.

    Attributes:
        kind: `name`, `literal`, `array`, `tuple`, `union`, `nullable` or `object`.
        text: The type in words, for messages; of a `name` the name.
        members: Item type, alternatives, or the types of the properties.
        keys: Names of the properties of an `object`, in the order of `members`.
        value: Of a `literal`.
    """

    kind: str
    text: str
    line: int
    members: "tuple[Type, ...]" = ()
    keys: tuple[str, ...] = ()
    value: str | int | bool | None = None


@dataclass(frozen=True)
class Decorator:
    """`@name(…)` before a declaration."""

    name: str
    arguments: tuple[Expression, ...]
    line: int


@dataclass(frozen=True)
class Declaration:
    """One statement that gives a symbol.

    Attributes:
        kind: `param`, `var`, `resource`, `module`, `output`, `func` or `type`.
        line: Where it stands, from 1; of the keyword, not of its decorators.
        value: None only of a parameter without default and of a type.
        type: Of parameters, outputs and types.
        address: Of a resource `type@version`, of a module its path.
    """

    kind: str
    name: str
    line: int
    decorators: tuple[Decorator, ...] = ()
    value: Expression | None = None
    type: Type | None = None
    address: str = ""
    existing: bool = False

    def decorator(self, name: str) -> Decorator | None:
        """The decorator of that name; None if there is none."""
        return next((each for each in self.decorators if each.name == name), None)

    @property
    def body(self) -> Object:
        """The object of a resource or module, inside its loop and condition."""
        value = self.value
        while isinstance(value, Loop | Condition):
            value = value.body
        return value if isinstance(value, Object) else Object(self.line, ())

    @property
    def loop(self) -> Loop | None:
        """The loop that makes several of it; None if there is one."""
        return self.value if isinstance(self.value, Loop) else None

    @property
    def condition(self) -> Expression | None:
        """What must hold for it to be deployed; None if nothing."""
        value = self.loop.body if self.loop else self.value
        return value.test if isinstance(value, Condition) else None


@dataclass(frozen=True)
class Source:
    """A Bicep file that was read.

    Attributes:
        comments: Line and text of each, with its marks.
    """

    path: Path
    target_scope: str
    declarations: tuple[Declaration, ...]
    comments: tuple[tuple[int, str], ...]

    @property
    def file(self) -> str:
        """The path as messages name it."""
        return self.path.as_posix()

    def of(self, *kinds: str) -> tuple[Declaration, ...]:
        """Declarations of these kinds, in order."""
        return tuple(each for each in self.declarations if each.kind in kinds)


def parts(tree: object, bound: frozenset[str] = frozenset()) -> Iterator[Expression]:
    """An expression and all in it, also of declarations, without names it binds itself.

    Args:
        tree: Expression, declaration, decorator or tuple of these.
        bound: Names that loops, lambdas and enclosing resources give.
    """
    if isinstance(tree, Name) and tree.name in bound:
        return
    if isinstance(tree, Expression):
        yield tree
    if isinstance(tree, Loop):
        yield from parts(tree.over, bound)
        bound |= {tree.item, tree.index or tree.item}
        yield from parts(tree.body, bound)
    elif isinstance(tree, Expression | Declaration | Decorator):
        if isinstance(tree, Lambda):
            bound |= set(tree.parameters)
        if isinstance(tree, Object):
            bound |= {each.name for each in tree.children}
        for each in fields(tree):
            yield from parts(getattr(tree, each.name), bound)
    elif isinstance(tree, tuple):
        for item in tree:
            yield from parts(item, bound)


def output_of(tree: Expression) -> tuple[str, str] | None:
    """Module and output that `m.outputs.x` or `m[i].outputs.x` names; None for all else."""
    if not (isinstance(tree, Member) and isinstance(tree.key, Literal)):
        return None
    module = tree.target
    if isinstance(module, Member) and module.key == Literal(module.line, "outputs"):
        holder = module.target
        if isinstance(holder, Member):
            holder = holder.target
        if isinstance(holder, Name):
            return holder.name, str(tree.key.value)
    return None
