"""What a Bicep file declares, without evaluating it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepkt_irt.azure.bicep.reader import read_source
from deepkt_irt.azure.bicep.syntax import (
    Child,
    Declaration,
    Literal,
    Member,
    Name,
    Source,
    output_of,
    parts,
)
from deepkt_irt.azure.bicep.types import argument, described
from deepkt_irt.azure.bicep.values import Refused
from deepkt_irt.errors import UsageError


@dataclass(frozen=True)
class Declared:
    """How one variable, resource or module stands in a template file.

    Attributes:
        kind: `var`, `resource` or `module`.
        name: Symbol; of a resource inside another `outer::inner`.
        line: From 1.
        used: Something else in the file refers to it.
        type: Of a resource, whole, as `Microsoft.Storage/storageAccounts/blobServices`.
        api_version: Of a resource.
        existing: The resource is only looked up.
        path: Of a module, as written.
    """

    kind: str
    name: str
    line: int
    used: bool
    type: str = ""
    api_version: str = ""
    existing: bool = False
    path: str = ""


@dataclass(frozen=True)
class Parameter:
    """One parameter; `allowed` are the values of `@allowed`, None if all are."""

    name: str
    type: str
    description: str | None
    has_default: bool
    allowed: tuple[object, ...] | None
    secure: bool
    file: str
    line: int
    used: bool


@dataclass(frozen=True)
class Output:
    """One output."""

    name: str
    description: str | None
    file: str
    line: int


@dataclass(frozen=True)
class Template:
    """One `.bicep` file.

    Attributes:
        resources: Also those inside others, after them.
        module_outputs: Module symbol and output name of each reference to an output; the name is
            `*` where all outputs are taken as one object.
        comments: Line and text of each, with its marks.
    """

    path: Path
    target_scope: str
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...]
    variables: tuple[Declared, ...]
    resources: tuple[Declared, ...]
    modules: tuple[Declared, ...]
    module_outputs: frozenset[tuple[str, str]]
    comments: tuple[tuple[int, str], ...]


def read_template(path: Path) -> Template:
    """Read a `.bicep` file.

    Raises:
        BadFile: If it cannot be read, or is no Bicep.
        UsageError: If it uses what is not supported here.
    """
    source = read_source(path)
    used = _used(source)
    try:
        parameters = tuple(_parameter(source, each, used) for each in source.of("param"))
        outputs = tuple(
            Output(each.name, described(each), source.file, each.line)
            for each in source.of("output")
        )
    except Refused as reason:
        raise UsageError(f"{source.file}: {reason}") from reason
    return Template(
        path=path,
        target_scope=source.target_scope,
        parameters=parameters,
        outputs=outputs,
        variables=tuple(
            Declared("var", each.name, each.line, each.name in used) for each in source.of("var")
        ),
        resources=tuple(_resources(source.of("resource"), used)),
        modules=tuple(
            Declared("module", each.name, each.line, each.name in used, path=each.address)
            for each in source.of("module")
        ),
        module_outputs=frozenset(_module_outputs(source)),
        comments=source.comments,
    )


def _used(source: Source) -> frozenset[str]:
    """Names that something other than their own declaration refers to."""
    return frozenset(
        each.name
        for declaration in source.declarations
        for each in parts(declaration)
        if isinstance(each, Name | Child) and each.name != declaration.name
    )


def _parameter(source: Source, declaration: Declaration, used: frozenset[str]) -> Parameter:
    allowed = declaration.decorator("allowed")
    return Parameter(
        name=declaration.name,
        type=declaration.type.text if declaration.type else "",
        description=described(declaration),
        has_default=declaration.value is not None,
        allowed=tuple(argument(allowed)) if allowed else None,
        secure=declaration.decorator("secure") is not None,
        file=source.file,
        line=declaration.line,
        used=declaration.name in used,
    )


def _resources(
    declarations: tuple[Declaration, ...], used: frozenset[str], outer: Declared | None = None
) -> Iterator[Declared]:
    for each in declarations:
        kind, _, version = each.address.partition("@")
        one = Declared(
            kind="resource",
            name=f"{outer.name}::{each.name}" if outer else each.name,
            line=each.line,
            used=each.name in used,
            type=f"{outer.type}/{kind}" if outer else kind,
            api_version=version or (outer.api_version if outer else ""),
            existing=each.existing,
        )
        yield one
        yield from _resources(each.body.children, used, one)


def _module_outputs(source: Source) -> Iterator[tuple[str, str]]:
    modules = {each.name for each in source.of("module")}
    inner: set[int] = set()
    for tree in parts(source.declarations):
        found = output_of(tree)
        if found and isinstance(tree, Member):
            inner.add(id(tree.target))
            if found[0] in modules:
                yield found
        elif isinstance(tree, Member) and id(tree) not in inner:
            holder = tree.target.target if isinstance(tree.target, Member) else tree.target
            whole = isinstance(tree.key, Literal) and tree.key.value == "outputs"
            if whole and isinstance(holder, Name) and holder.name in modules:
                yield holder.name, "*"
