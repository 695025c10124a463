"""A template with its parameters: works out symbols when they are asked for."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from deepkt_irt.azure.bicep.azure_functions import Surroundings
from deepkt_irt.azure.bicep.check import aliases_of, check_source, is_optional, module_path
from deepkt_irt.azure.bicep.expressions import Evaluator
from deepkt_irt.azure.bicep.nodes import Memo, ModuleNode, ResourceNode, nodes
from deepkt_irt.azure.bicep.reader import read_source
from deepkt_irt.azure.bicep.syntax import Declaration, Source
from deepkt_irt.azure.bicep.types import problem_of
from deepkt_irt.azure.bicep.values import Refused, Value
from deepkt_irt.errors import UsageError

_DEEPEST = 20  # modules in modules; more means that one calls itself


class Library:
    """Reads and checks each file once."""

    def __init__(self) -> None:
        self._sources: dict[Path, Source] = {}

    def load(self, path: Path) -> Source:
        """A file, checked with the modules it calls; raises as `check_source` does."""
        if path not in self._sources:
            self._sources[path] = read_source(path)
            check_source(self._sources[path], self.load)
        return self._sources[path]


class Unit:
    """One deployment of one template.

    Attributes:
        caller: The module it is the template of; None at the top.
        given: Values for parameters.
    """

    def __init__(
        self,
        library: Library,
        source: Source,
        surroundings: Surroundings,
        given: Mapping[str, Value],
        caller: ModuleNode | None = None,
    ) -> None:
        self.source, self.caller, self.given = source, caller, given
        self.evaluator = Evaluator(source.file, self.symbol, surroundings)
        self.outputs = {each.name: each for each in source.of("output")}
        self.declared = {
            each.name: each for each in source.declarations if each.kind not in {"output", "type"}
        }
        self._library = library
        self._memo = Memo()
        self._aliases = aliases_of(source)
        self._prefix = f"{caller.symbol}/" if caller else ""
        if self._prefix.count("/") > _DEEPEST:
            raise UsageError(f"{source.file}: the module calls itself")
        self._check_names()

    def _check_names(self) -> None:
        """Parameters are all known, and none is missing."""
        parameters = {each.name: each for each in self.source.of("param")}
        for name in self.given.keys() - parameters.keys():
            raise UsageError(f"{self.source.file}: there is no parameter {name}")
        for name, each in parameters.items():
            if self.given.get(name) is None and not is_optional(self.source, each):
                where = f"{self.source.file}: line {each.line}"
                raise UsageError(f"{where}: parameter {name} is not given")

    def symbol(self, name: str) -> Value:
        """The value of a symbol; KeyError if there is none."""
        declaration = self.declared[name]
        return self._memo.get(name, partial(self._made, declaration))

    def _made(self, declaration: Declaration) -> Value:
        if declaration.kind == "param":
            return self._parameter(declaration)
        if declaration.kind == "resource":
            return nodes(partial(ResourceNode, self), self, declaration, self._prefix, {})
        if declaration.kind == "module":
            return nodes(partial(ModuleNode, self), self, declaration, self._prefix, {})
        if declaration.value is None:
            raise KeyError(declaration.name)
        return self.evaluator.value(declaration.value, {})

    def _parameter(self, declaration: Declaration) -> Value:
        value = self.given.get(declaration.name)
        if value is None and declaration.value is not None:  # null asks for the default too
            value = self.evaluator.value(declaration.value, {})
        problem = problem_of(declaration, value, self._aliases)
        if problem:
            where = f"parameter {declaration.name}: {problem}"
            raise self.evaluator.refuse(declaration.line, where)
        return value

    def parameters(self) -> dict[str, Value]:
        """All parameters, given or by default."""
        return {each.name: self.symbol(each.name) for each in self.source.of("param")}

    def output(self, name: str) -> Value:
        """The value of an output."""
        return self._memo.get(f"output {name}", partial(self._output, self.outputs[name]))

    def _output(self, declaration: Declaration) -> Value:
        if declaration.value is None:
            raise Refused(f"output {declaration.name} has no value")
        value = self.evaluator.value(declaration.value, {})
        problem = problem_of(declaration, value, self._aliases)
        if problem:
            where = f"output {declaration.name}: {problem}"
            raise self.evaluator.refuse(declaration.line, where)
        return value

    def path_of(self, module: ModuleNode) -> Path:
        """The file of one of its modules."""
        return module_path(self.source, module.declaration)

    def nested(self, module: ModuleNode) -> "Unit":
        """The template of one of its modules, with the parameters it is given."""
        source = self._library.load(self.path_of(module))
        surroundings = module.surroundings(source.target_scope)
        return Unit(self._library, source, surroundings, module.parameters(), module)

    def nodes(self, *kinds: str) -> Iterator[ResourceNode | ModuleNode]:
        """Its resources and modules in the order of the file, those inside others after them."""
        for each in self.source.of(*kinds):
            try:
                found = self.symbol(each.name)
            except Refused as reason:
                raise self.evaluator.refuse(each.line, reason) from reason
            for node in found if isinstance(found, list) else [found]:
                yield from _with_inner(node)

    def created(self) -> Iterator[ResourceNode]:
        """The resources that the deployment makes, also by modules."""
        for each in self.nodes("resource", "module"):
            if isinstance(each, ResourceNode):
                if each.created:
                    yield each
            elif each.deployed:
                yield from each.child_unit.created()

    def units(self) -> "Iterator[Unit]":
        """This one and those of its modules."""
        yield self
        for each in self.nodes("module"):
            if isinstance(each, ModuleNode) and each.deployed:
                yield from each.child_unit.units()


def _with_inner(node: ResourceNode | ModuleNode) -> Iterator[ResourceNode | ModuleNode]:
    yield node
    if isinstance(node, ResourceNode):
        for each in node.inside():
            yield from _with_inner(each)
