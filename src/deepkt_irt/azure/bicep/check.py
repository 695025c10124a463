"""Checks of a Bicep file that need no values, so that they reach branches nobody takes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from deepkt_irt.azure.bicep.azure_functions import UNREPEATABLE, Context, Surroundings
from deepkt_irt.azure.bicep.expressions import NAMESPACES, is_namespace, known_function
from deepkt_irt.azure.bicep.syntax import (
    Call,
    Declaration,
    Expression,
    Literal,
    Loop,
    Name,
    Object,
    Source,
    Type,
    output_of,
    parts,
)
from deepkt_irt.azure.bicep.types import SIMPLE_TYPES, accepts_null, check_decorators
from deepkt_irt.azure.bicep.values import Refused
from deepkt_irt.errors import UsageError

_MODULE_KEYS = frozenset({"name", "scope", "params", "dependsOn"})
_EARLY_KEYS = ("name", "scope", "parent")
Load = Callable[[Path], Source]


def aliases_of(source: Source) -> dict[str, Type]:
    """The types a file declares."""
    return {each.name: each.type for each in source.of("type") if each.type}


def module_path(source: Source, declaration: Declaration) -> Path:
    """Where the file of a module lies.

    Raises:
        UsageError: If it lies in a registry.
    """
    if ":" in declaration.address:
        where = f"{source.file}: line {declaration.line}: module {declaration.name}"
        raise UsageError(f"{where}: {declaration.address} is not at hand; write a file")
    return beside(source.path, declaration.address)


def beside(path: Path, relative: str) -> Path:
    """A file by its path from the folder of another, without `..` where that can be folded."""
    return Path(os.path.normpath(path.parent / relative))


def check_source(source: Source, load: Load) -> None:
    """Check one file, with the modules it calls.

    Args:
        source: The file.
        load: Gives the file of a module, checked.

    Raises:
        UsageError: At the first mistake, with file and line.
    """
    names = {each.name: each for each in source.declarations if each.kind != "output"}
    for each in source.declarations:
        try:
            _once(source, each)
            check_decorators(each)
            _types_are_known(source, each.type)
        except Refused as reason:
            raise UsageError(f"{source.file}: line {each.line}: {reason}") from reason
    modules = {each.name: load(module_path(source, each)) for each in source.of("module")}
    for each in source.declarations:
        problems = _problems(source, each, names, modules)
        for line, problem in problems:
            raise UsageError(f"{source.file}: line {line}: {problem}")


def _once(source: Source, declaration: Declaration) -> None:
    is_output = declaration.kind == "output"
    for each in source.declarations:
        if each is declaration:
            return
        if each.name == declaration.name and (each.kind == "output") is is_output:
            raise Refused(f"{declaration.name} is declared twice, first in line {each.line}")


def _types_are_known(source: Source, declared: Type | None) -> None:
    if declared is None:
        return
    is_name = declared.kind == "name"
    if is_name and declared.text not in SIMPLE_TYPES | aliases_of(source).keys():
        raise Refused(f"there is no type {declared.text}")
    for each in declared.members:
        _types_are_known(source, each)


Problems = Iterator[tuple[int, str]]  # line and what is wrong there


def _problems(
    source: Source,
    declaration: Declaration,
    names: dict[str, Declaration],
    modules: dict[str, Source],
) -> Problems:
    functions = Surroundings(Context(), source.target_scope, source.path.parent, "")
    for tree in parts(declaration):
        if isinstance(tree, Name) and tree.name not in names.keys() | NAMESPACES:
            yield tree.line, f"{tree.name} is not declared"
        elif isinstance(tree, Name) and _is_beyond(declaration, tree, names):
            yield tree.line, f"default of {declaration.name}: only parameters may stand there"
        if isinstance(tree, Call):
            yield from _call_problems(tree, functions, names)
        module, output = output_of(tree) or ("", "")
        if module in modules and output not in {each.name for each in modules[module].of("output")}:
            yield tree.line, f"module {module} has no output {output}"
    yield from _misplaced_loops(declaration)
    if declaration.kind in {"resource", "module"}:
        yield from _early_problems(declaration, names)
    if declaration.kind == "module":
        yield from _module_problems(declaration, modules[declaration.name])


def _is_beyond(declaration: Declaration, tree: Name, names: dict[str, Declaration]) -> bool:
    """Whether the default of a parameter names what is no parameter."""
    is_default = declaration.kind == "param" and tree.name in names
    return is_default and names[tree.name].kind != "param"


def _call_problems(tree: Call, functions: Surroundings, names: dict[str, Declaration]) -> Problems:
    if tree.target is not None and not is_namespace(tree.target):
        return
    if tree.name in UNREPEATABLE:
        yield tree.line, f"{tree.name} gives another value at every deployment"
        return
    known = known_function(tree.name, functions)
    own = names.get(tree.name)
    if known is None and (own is None or own.kind != "func"):
        yield tree.line, f"there is no function {tree.name}"
    if known is not None and not known.accepts(len(tree.arguments)):
        yield tree.line, f"{tree.name} does not take {len(tree.arguments)} values"


def _misplaced_loops(declaration: Declaration) -> Problems:
    """The compiler wants loops as whole values, or as properties in resources and modules."""
    holders = {"var", "output", "resource", "module"}
    good = {id(declaration.value)} if declaration.kind in holders else set()
    for tree in parts(declaration):
        if isinstance(tree, Object) and declaration.kind in {"resource", "module"}:
            good |= {id(value) for _, value in tree.entries}
            good |= {id(each.value) for each in tree.children}
        if isinstance(tree, Loop) and id(tree) not in good:
            yield tree.line, "a loop cannot stand here: make it a variable of its own"


def _early_problems(declaration: Declaration, names: dict[str, Declaration]) -> Problems:
    """Name, place, condition and number must be known before the deployment runs."""
    body = declaration.body
    if declaration.kind == "resource" and body.value("name") is None:
        yield declaration.line, f"resource {declaration.name} has no name"
    early: list[Expression | None] = [body.value(key) for key in _EARLY_KEYS]
    early.append(declaration.condition)
    early.append(declaration.loop.over if declaration.loop else None)
    for tree in (each for one in early if one is not None for each in parts(one)):
        module, output = output_of(tree) or ("", "")
        if module in names and names[module].kind == "module":
            where = f"name, scope, parent, condition or loop of {declaration.name}"
            problem = f"{module}.outputs.{output} is known only while the deployment runs"
            yield tree.line, f"{problem}, too late for {where}"
    for child in body.children:
        yield from _early_problems(child, names)


def _module_problems(declaration: Declaration, module: Source) -> Problems:
    line, name = declaration.line, declaration.name
    body = declaration.body
    for key, _ in body.entries:
        if not isinstance(key, Literal) or key.value not in _MODULE_KEYS:
            shown = key.value if isinstance(key, Literal) else "a computed key"
            yield key.line, f"module {name} cannot have {shown}"
    given = body.value("params") or Object(line, ())
    if not isinstance(given, Object):
        yield given.line, f"params of module {name} must be written out"
        return
    keys = {str(key.value): key.line for key, _ in given.entries if isinstance(key, Literal)}
    parameters = {each.name: each for each in module.of("param")}
    for known, at in keys.items():
        if known not in parameters:
            yield at, f"module {name} has no parameter {known}"
    for needed, each in parameters.items():
        if needed not in keys and not is_optional(module, each):
            yield line, f"module {name} needs parameter {needed}"


def is_optional(source: Source, parameter: Declaration) -> bool:
    """Whether a parameter may be left out."""
    nullable = parameter.type is not None and accepts_null(parameter.type, aliases_of(source))
    return parameter.value is not None or nullable
