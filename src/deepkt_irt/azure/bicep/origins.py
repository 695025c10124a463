"""Which resources a value comes from, also through variables, parameters and outputs."""

from deepkt_irt.azure.bicep.expressions import Local
from deepkt_irt.azure.bicep.nodes import ModuleNode, Node, ResourceNode
from deepkt_irt.azure.bicep.syntax import Child, Expression, Member, Name, Object, output_of, parts
from deepkt_irt.azure.bicep.unit import Unit
from deepkt_irt.azure.bicep.values import Value
from deepkt_irt.errors import UsageError

_NO_VALUE = frozenset({"dependsOn"})


class Origins:
    """Finds ids of resources; those a value could come from, as it reads expressions.

    Of `x[i]` it is the one, of an item of a list all that stand in the list.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], frozenset[str]] = {}

    def of(self, node: ResourceNode) -> frozenset[str]:
        """Ids of what a resource refers to or waits for, without its own."""
        found = set(self._of_node(node))
        found |= {node.parent.id} if node.parent else set()
        above: Node | None = node
        while above is not None:  # what its modules wait for, it waits for
            for key in ("dependsOn", "scope"):
                tree = above.declaration.body.value(key)
                found |= self._of_tree(above.unit, tree, above.local) if tree else frozenset()
            above = above.unit.caller
        return frozenset(found - {node.id})

    def _of_node(self, node: Node) -> frozenset[str]:
        declaration = node.declaration
        trees = [value for key, value in declaration.body.entries if _text(key) not in _NO_VALUE]
        trees += [declaration.condition] if declaration.condition else []
        trees += [declaration.loop.over] if declaration.loop else []
        return frozenset[str]().union(
            *(self._of_tree(node.unit, each, node.local) for each in trees)
        )

    def _of_tree(self, unit: Unit, tree: Expression, local: Local) -> frozenset[str]:
        found: set[str] = set()
        seen: set[int] = set()  # parts of what was found as a whole
        for each in parts(tree):
            if id(each) in seen:
                continue
            named = output_of(each)
            if named and isinstance(each, Member) and _is_module(unit, named[0]):
                holder = each.target.target if isinstance(each.target, Member) else each.target
                found |= self._of_output(_nodes(unit, holder, local), named[1])
            elif isinstance(each, Child) or _is_item(unit, each):
                found |= self._of_value(_nodes(unit, each, local))
            else:
                if isinstance(each, Name):
                    found |= self._of_name(unit, each.name, local)
                continue
            seen |= {id(one) for one in parts(each)}
        return frozenset(found)

    def _of_name(self, unit: Unit, name: str, local: Local) -> frozenset[str]:
        if name in local:
            return self._of_value(local[name])
        declaration = unit.declared.get(name)
        if declaration is None:
            return frozenset()
        key = (id(unit), name)
        if key not in self._known:
            self._known[key] = frozenset()  # ends circles
            self._known[key] = self._of_symbol(unit, name)
        return self._known[key]

    def _of_symbol(self, unit: Unit, name: str) -> frozenset[str]:
        declaration = unit.declared[name]
        if declaration.kind in {"resource", "module"}:
            return self._of_value(unit.symbol(name))
        caller = unit.caller
        if declaration.kind == "param" and caller is not None and name in unit.given:
            given = caller.declaration.body.value("params")
            tree = given.value(name) if isinstance(given, Object) else None
            return self._of_tree(caller.unit, tree, caller.local) if tree else frozenset()
        return self._of_tree(unit, declaration.value, {}) if declaration.value else frozenset()

    def _of_output(self, modules: Value, output: str) -> frozenset[str]:
        found: set[str] = set()
        for each in modules if isinstance(modules, list) else [modules]:
            if isinstance(each, ModuleNode) and each.deployed:
                inner = each.child_unit
                tree = inner.outputs[output].value if output in inner.outputs else None
                found |= self._of_tree(inner, tree, {}) if tree else frozenset()
        return frozenset(found)

    def _of_value(self, value: Value) -> frozenset[str]:
        """Ids behind a symbol; an existing resource also comes from what its name comes from."""
        if isinstance(value, list):
            return frozenset[str]().union(*(self._of_value(each) for each in value))
        if isinstance(value, ResourceNode):
            own = frozenset({value.id})
            return own | self._of_node(value) if value.declaration.existing else own
        if isinstance(value, ModuleNode) and value.deployed:
            return frozenset(each.id for each in value.child_unit.created())
        return frozenset()


def _is_module(unit: Unit, name: str) -> bool:
    return name in unit.declared and unit.declared[name].kind == "module"


def _is_item(unit: Unit, tree: Expression) -> bool:
    """Whether it is `x[i]`, one of what a loop makes."""
    if not (isinstance(tree, Member) and isinstance(tree.target, Name)):
        return False
    declaration = unit.declared.get(tree.target.name)
    return declaration is not None and declaration.kind == "resource" and bool(declaration.loop)


def _nodes(unit: Unit, tree: Expression, local: Local) -> Value:
    """The node an expression names; all of a loop if it is open which, as in a lambda."""
    try:
        return unit.evaluator.value(tree, local)
    except UsageError:
        while isinstance(tree, Member | Child):
            tree = tree.target
        return unit.symbol(tree.name) if isinstance(tree, Name) else []


def _text(key: Expression) -> object:
    return getattr(key, "value", None)
