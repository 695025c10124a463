"""Evaluates expressions of Bicep."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deepkt_irt.azure.bicep.azure_functions import Surroundings, list_function
from deepkt_irt.azure.bicep.collection_functions import PURE_FUNCTIONS
from deepkt_irt.azure.bicep.functions import Function, as_text
from deepkt_irt.azure.bicep.operators import (
    Reference,
    applied,
    compared,
    member,
    method,
    negated,
    truth,
)
from deepkt_irt.azure.bicep.syntax import (
    Array,
    Binary,
    Call,
    Child,
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
from deepkt_irt.azure.bicep.values import (
    Closure,
    Late,
    Refused,
    Value,
    has_unknown,
    is_late,
    kind_of,
    label_of,
    unknown,
)
from deepkt_irt.errors import UsageError

Local = Mapping[str, Value]
NAMESPACES = frozenset({"az", "sys"})


@dataclass(frozen=True)
class Evaluator:
    """Evaluates the expressions of one file.

    Attributes:
        file: Name for messages.
        symbol: Gives the value of a declared symbol; KeyError if there is none.
        surroundings: What the file sees of Azure and the disk.
        extra: Functions beside the language's.
    """

    file: str
    symbol: Callable[[str], Value]
    surroundings: Surroundings
    extra: Mapping[str, Function] = field(default_factory=dict)

    def refuse(self, line: int, problem: object) -> UsageError:
        """The error for a problem at a line."""
        return UsageError(f"{self.file}: line {line}: {problem}")

    def value(self, tree: Expression, local: Local) -> Value:
        """The value of an expression.

        Raises:
            UsageError: If it has none; the message begins with file and line.
        """
        try:
            return self._value(tree, local)
        except Refused as reason:
            raise self.refuse(tree.line, reason) from reason

    def _value(self, tree: Expression, local: Local) -> Value:
        kinds: dict[type[Expression], Callable[[Any, Local], Value]] = {
            Literal: lambda each, _: each.value,
            Text: self._text,
            Name: self._name,
            Member: lambda each, local: self._chain(each, local)[0],
            Child: self._child,
            Call: self._call,
            Unary: lambda each, local: negated(each.operator, self.value(each.value, local)),
            Binary: self._binary,
            Ternary: self._ternary,
            Array: lambda each, local: [self.value(item, local) for item in each.items],
            Object: self.entries,
            Loop: lambda each, local: [
                self.value(each.body, turn) for turn in self.turns(each, local)
            ],
            Lambda: self._lambda,
        }
        return kinds[type(tree)](tree, local)

    def _text(self, tree: Text, local: Local) -> str:
        values = [p if isinstance(p, str) else self.value(p, local) for p in tree.parts]
        text = "".join(as_text(each) for each in values)
        return Late(text) if is_late(values) else text

    def _name(self, tree: Name, local: Local) -> Value:
        if tree.name in local:
            return local[tree.name]
        try:
            return self.symbol(tree.name)
        except KeyError as error:
            raise Refused(f"{tree.name} is not declared") from error

    def _chain(self, tree: Expression, local: Local) -> tuple[Value, bool]:
        """A value, and whether `.?` on the way to it found nothing, which ends the way."""
        if not isinstance(tree, Member):
            return self.value(tree, local), False
        target, ended = self._chain(tree.target, local)
        if ended or (target is None and tree.safe):
            return None, True
        key = self.value(tree.key, local)
        try:
            found = member(target, key, safe=tree.safe)
        except Refused as reason:
            raise self.refuse(tree.line, reason) from reason
        return found, tree.safe and found is None

    def _child(self, tree: Child, local: Local) -> Value:
        target = self.value(tree.target, local)
        if not isinstance(target, Reference):
            raise Refused(f":: needs one resource before it, got {kind_of(target)}")
        return target.child(tree.name)

    def _binary(self, tree: Binary, local: Local) -> Value:
        left = self.value(tree.left, local)
        if tree.operator == "??":
            return self.value(tree.right, local) if left is None else left
        if tree.operator in {"&&", "||"}:
            stop = tree.operator == "||"
            if not has_unknown(left) and truth(left) is stop:
                return stop
            right = self.value(tree.right, local)
            if has_unknown(left) or has_unknown(right):
                return unknown(f"{label_of(left)} {tree.operator} {label_of(right)}")
            return truth(right)
        return compared(tree.operator, left, self.value(tree.right, local))

    def _ternary(self, tree: Ternary, local: Local) -> Value:
        test = self.value(tree.test, local)
        if has_unknown(test):
            yes, no = (label_of(self.value(each, local)) for each in (tree.yes, tree.no))
            return unknown(f"{label_of(test)} ? {yes} : {no}")
        return self.value(tree.yes if truth(test) else tree.no, local)

    def entries(
        self, tree: Object, local: Local, *, without: frozenset[str] = frozenset()
    ) -> dict[str, Value]:
        """The keys and values of an object, but for some keys."""
        found: dict[str, Value] = {}
        for key, value in tree.entries:
            name = as_text(self.value(key, local))
            if name in found:
                raise self.refuse(key.line, f"property {name} stands twice")
            if name not in without:
                found[name] = self.value(value, local)
        return found

    def turns(self, loop: Loop, local: Local) -> list[dict[str, Value]]:
        """What each turn of a loop sees."""
        over = self.value(loop.over, local)
        if not isinstance(over, list):
            raise self.refuse(loop.line, f"a loop needs an array, got {label_of(over)}")
        index = loop.index or loop.item  # the item goes over the index if there is none
        return [{**local, index: at, loop.item: each} for at, each in enumerate(over)]

    def _lambda(self, tree: Lambda, local: Local) -> Closure:
        def run(*values: Value) -> Value:
            return self.value(
                tree.body, {**local, **dict(zip(tree.parameters, values, strict=True))}
            )

        return Closure(len(tree.parameters), run)

    def _call(self, tree: Call, local: Local) -> Value:
        values = [self.value(each, local) for each in tree.arguments]
        if tree.target is not None and not is_namespace(tree.target):
            target = self.value(tree.target, local)
            return method(target, tree.name, values)
        known = self.extra.get(tree.name) or known_function(tree.name, self.surroundings)
        if known is None:
            return self._own_function(tree, values)
        try:
            return applied(known, values)
        except Refused as reason:
            raise self.refuse(tree.line, f"{tree.name}: {reason}") from reason

    def _own_function(self, tree: Call, values: list[Value]) -> Value:
        try:
            closure = self.symbol(tree.name)
        except KeyError:
            closure = None
        if not isinstance(closure, Closure) or closure.arity != len(values):
            raise Refused(f"there is no function {tree.name} for {len(values)} values")
        return closure(*values)


def known_function(name: str, surroundings: Surroundings) -> Function | None:
    """A function of the language by name; None if there is none."""
    known = PURE_FUNCTIONS.get(name) or surroundings.functions().get(name)
    return known or list_function(name)


def is_namespace(tree: Expression) -> bool:
    """Whether a call on it is a call of the language's functions."""
    return isinstance(tree, Name) and tree.name in NAMESPACES
