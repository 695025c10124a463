"""Resources and modules of a template that is being evaluated."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from deepkt_irt.azure.bicep.azure_functions import Context, Surroundings, below
from deepkt_irt.azure.bicep.expressions import Local
from deepkt_irt.azure.bicep.operators import Reference
from deepkt_irt.azure.bicep.syntax import Declaration, Expression, Object
from deepkt_irt.azure.bicep.values import (
    Partial,
    Place,
    Refused,
    Value,
    has_unknown,
    is_late,
    kind_of,
    late,
    settled,
    unknown,
)
from deepkt_irt.errors import UsageError

if TYPE_CHECKING:
    from deepkt_irt.azure.bicep.unit import Unit

_EARLY = ("id", "name", "type", "apiVersion")  # what is known before the deployment runs
_NO_BODY = frozenset({"parent", "scope", "dependsOn"})
_GROUP = "microsoft.resources/resourcegroups"


class Memo:
    """Values that are worked out once, when they are first asked for."""

    def __init__(self) -> None:
        self._values: dict[str, Value] = {}
        self._running: set[str] = set()

    def get[T](self, key: str, compute: Callable[[], T]) -> T:
        """The value of a key; Refused if it needs itself."""
        if key in self._values:
            known: T = self._values[key]
            return known
        if key in self._running:
            raise Refused(f"{key} needs itself")
        self._running.add(key)
        try:
            value = compute()
        finally:
            self._running.discard(key)
        self._values[key] = value
        return value


class Node(Reference):
    """One resource or module; a loop makes several.

    Attributes:
        unit: The template it stands in.
        local: What its expressions see beside the symbols of the file.
        symbol: With the modules it is in, as `storage/containers[0]`.
    """

    def __init__(self, unit: "Unit", declaration: Declaration, symbol: str, local: Local) -> None:
        self.unit, self.declaration, self.symbol = unit, declaration, symbol
        self.local: Local = local
        self.memo = Memo()

    @property
    def deployed(self) -> bool:
        """Whether its condition holds."""
        test = self.declaration.condition
        if test is None:
            return True
        value = self.memo.get(f"condition of {self.symbol}", lambda: self.value(test))
        if not isinstance(value, bool):
            problem = f"its value is {value}" if has_unknown(value) else f"got {kind_of(value)}"
            raise self.unit.evaluator.refuse(test.line, f"true or false is needed, {problem}")
        return value

    def value(self, tree: Expression) -> Value:
        """The value of one of its expressions."""
        return self.unit.evaluator.value(tree, self.local)

    def own(self, key: str) -> Value:
        """The value of a property it has; None if it has not."""
        tree = self.declaration.body.value(key)
        if tree is None:
            return None
        return self.memo.get(f"{self.symbol}.{key}", lambda: self.value(tree))

    def early(self, key: str) -> Value:
        """The same, if it is known before the deployment runs."""
        value = self.own(key)
        if is_late(value):
            problem = f"{key} of {self.symbol} is known only while the deployment runs: {value}"
            raise self.wrong(problem)
        return value

    def wrong(self, problem: object) -> UsageError:
        """The error for a problem with it."""
        return self.unit.evaluator.refuse(self.declaration.line, problem)


class ResourceNode(Node):
    """One resource, with those declared inside."""

    def __init__(
        self,
        unit: "Unit",
        declaration: Declaration,
        symbol: str,
        local: Local,
        outer: "ResourceNode | None" = None,
    ) -> None:
        super().__init__(unit, declaration, symbol, local)
        self.outer = outer
        kind, _, version = declaration.address.partition("@")
        self.type: str = f"{outer.type}/{kind}" if outer else kind
        self.api_version: str = version or (outer.api_version if outer else "")
        self.children: dict[str, ResourceNode | list[ResourceNode]] = {}
        # one dictionary for all of them, as they may refer to each other
        self.local = inside = {**local}
        for each in declaration.body.children:
            self.children[each.name] = nodes(self._inner, unit, each, f"{symbol}::", inside)
            inside[each.name] = self.children[each.name]

    def _inner(self, declaration: Declaration, symbol: str, local: Local) -> "ResourceNode":
        return ResourceNode(self.unit, declaration, symbol, local, self)

    def inside(self) -> "list[ResourceNode]":
        """The resources declared inside, not those inside these."""
        rows = [each if isinstance(each, list) else [each] for each in self.children.values()]
        return [each for row in rows for each in row]

    @property
    def created(self) -> bool:
        """Whether the deployment makes it."""
        above = self.outer is None or self.outer.created or self.outer.declaration.existing
        return not self.declaration.existing and above and self.deployed

    @property
    def own_name(self) -> str:
        """The name as written, without those of its parents."""
        name = self.early("name")
        if not isinstance(name, str) or not name:
            raise self.wrong(f"the name of {self.symbol} is {kind_of(name)}, not a text")
        return str(name)

    @property
    def parent(self) -> "ResourceNode | None":
        """The resource it is below; None if there is none, or only its name says so."""
        if self.outer is not None:
            return self.outer
        parent = self.early("parent")
        if parent is None:
            return None
        if not isinstance(parent, ResourceNode):
            raise self.wrong(f"the parent of {self.symbol} is no resource")
        head, _, _ = self.type.rpartition("/")
        if head.lower() != parent.type.lower():
            raise self.wrong(f"{self.type} cannot be below {parent.type}")
        return parent

    @property
    def name(self) -> str:
        """The whole name."""
        return self.memo.get(f"name of {self.symbol}", self._name)

    def _name(self) -> str:
        return f"{self.parent.name}/{self.own_name}" if self.parent else self.own_name

    @property
    def place(self) -> "Place | ResourceNode":
        """What it is deployed to or scoped to, its parents too."""
        if self.parent is not None:
            return self.parent.place
        scope = self.early("scope")
        here = self.unit.evaluator.surroundings.place
        if scope is None:
            return here
        if not isinstance(scope, Place | ResourceNode):
            raise self.wrong(f"{self.symbol} cannot be scoped to {kind_of(scope)}")
        elsewhere = isinstance(scope, Place) and scope.id not in {here.id, ""}
        if elsewhere and not self.declaration.existing:
            raise self.wrong(f"{self.symbol} lies in another scope: use a module with that scope")
        return scope

    @property
    def id(self) -> str:
        """The ARM id."""
        return self.memo.get(f"id of {self.symbol}", self._id)

    def _id(self) -> str:
        if self.parent is not None:
            if "/" in self.own_name:
                raise self.wrong(f"{self.symbol} has a parent, so its name cannot have a /")
            return f"{self.parent.id}/{self.type.rpartition('/')[2]}/{self.own_name}"
        try:
            return below(self.place.id, self.type, self.own_name.split("/"))
        except Refused as reason:
            raise self.wrong(f"{self.symbol}: {reason}") from reason

    def body(self) -> dict[str, Value]:
        """What is sent to Azure, but for parent, scope and order."""
        tree: Object = self.declaration.body
        evaluator = self.unit.evaluator
        return evaluator.entries(tree, self.local, without=_NO_BODY)

    def member(self, key: str, *, safe: bool) -> Value:
        if key in _EARLY:
            early = {"name": "own_name", "apiVersion": "api_version"}
            return getattr(self, early.get(key, key))
        if not self.declaration.existing and not self.created:
            if safe:
                return None
            raise Refused(f"{self.symbol} is not deployed here, so it has no {key}")
        label = f"{self.symbol}.{key}"
        value = late(self.own(key))
        if isinstance(value, dict):
            return Partial(label, value)
        return unknown(label) if value is None or self.declaration.existing else value

    def child(self, name: str) -> Value:
        if name not in self.children:
            raise Refused(f"{self.symbol} has no {name} inside")
        return self.children[name]


class Outputs(Reference):
    """`module.outputs`."""

    def __init__(self, module: "ModuleNode") -> None:
        self.symbol, self._module = f"{module.symbol}.outputs", module

    def member(self, key: str, *, safe: bool) -> Value:
        unit = self._module.child_unit
        if key not in unit.outputs:
            if safe:
                return None
            raise Refused(f"module {self._module.symbol} has no output {key}")
        return late(unit.output(key))


class ModuleNode(Node):
    """One module, with the deployment of its template."""

    @property
    def child_unit(self) -> "Unit":
        """The template with its parameters."""
        return self.memo.get(f"module {self.symbol}", lambda: self.unit.nested(self))

    def member(self, key: str, *, safe: bool) -> Value:
        if key == "name":
            return self.name
        if key != "outputs":
            raise Refused(f"a module has name and outputs, no {key}")
        if self.deployed:
            return Outputs(self)
        if safe:
            return None
        raise Refused(f"module {self.symbol} is not deployed here, so it has no outputs")

    @property
    def name(self) -> str:
        """Name of its deployment."""
        given = self.early("name")
        if given is None:
            return self.declaration.name
        if not isinstance(given, str):
            raise self.wrong(f"the name of module {self.symbol} is {kind_of(given)}, not a text")
        return str(given)

    def parameters(self) -> dict[str, Value]:
        """What is given to its template."""
        given = self.own("params")
        return {} if given is None else {key: settled(each) for key, each in given.items()}

    def surroundings(self, kind: str) -> Surroundings:
        """What its template sees, if that is for this kind of scope.

        Raises:
            UsageError: If the module is not scoped to that.
        """
        here = self.unit.evaluator.surroundings
        scope = self.early("scope")
        found, context = (
            self._target(scope, here) if scope is not None else (here.kind, here.context)
        )
        if found != kind:
            problem = f"module {self.symbol} is for a {kind}, but its scope is a {found}"
            raise self.wrong(problem)
        return Surroundings(context, kind, self.unit.path_of(self).parent, self.name)

    def _target(self, scope: Value, here: Surroundings) -> tuple[str, Context]:
        context = here.context
        if isinstance(scope, ResourceNode) and scope.type.lower() == _GROUP:
            location = scope.own("location")
            changed = {"location": str(location)} if isinstance(location, str) else {}
            context = replace(context, resource_group=scope.own_name, **changed)
            return "resourceGroup", context
        if not isinstance(scope, Place):
            raise self.wrong(f"module {self.symbol} cannot be scoped to {kind_of(scope)}")
        parts = scope.id.split("/")  # /subscriptions/<id>/resourceGroups/<name>
        if scope.kind in {"resourceGroup", "subscription"}:
            context = replace(context, subscription_id=parts[2])
        if scope.kind == "resourceGroup":
            context = replace(context, resource_group=parts[4])
        if scope.kind == "managementGroup":
            context = replace(context, management_group=parts[-1])
        return scope.kind, context


def nodes[N: Node](
    make: Callable[[Declaration, str, Local], N],
    unit: "Unit",
    declaration: Declaration,
    prefix: str,
    local: Local,
) -> N | list[N]:
    """The node of a declaration, or the list of them if it is a loop.

    Raises:
        UsageError: If it is known only while the deployment runs how many there are.
    """
    symbol = prefix + declaration.name
    loop = declaration.loop
    if loop is None:
        return make(declaration, symbol, local)
    over = unit.evaluator.value(loop.over, local)
    if is_late(over):
        problem = f"how many {symbol} there are is known only while the deployment runs: {over}"
        raise unit.evaluator.refuse(declaration.line, problem)
    turns = unit.evaluator.turns(loop, local)
    return [make(declaration, f"{symbol}[{at}]", each) for at, each in enumerate(turns)]
