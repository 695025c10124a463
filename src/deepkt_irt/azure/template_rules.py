"""Rules about what stands in the Bicep files, before anything is evaluated."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from deepkt_irt.azure.bicep.template import Template, read_template
from deepkt_irt.errors import BadFile, UsageError

Problems = Iterator[tuple[str, str]]  # place and what is wrong there

TEMPLATES = Path("infra/bicep")
# where outputs of the files that are deployed are used
_READERS = {
    "main.bicep": (".github/workflows/deploy.yml", "infra/first_time/*"),
    "bootstrap.bicep": ("infra/first_time/*",),
}


@dataclass(frozen=True)
class Templates:
    """All Bicep files of the project in a folder.

    Attributes:
        folder: Where the project is.
        broken: Files that cannot be read, with the reason.
    """

    folder: Path
    read: dict[Path, Template] = field(default_factory=dict)
    broken: dict[Path, str] = field(default_factory=dict)

    @cached_property
    def api_versions(self) -> dict[str, str]:
        """The one list of API versions, by resource type."""
        found: dict[str, str] = json.loads(
            (self.folder / TEMPLATES / "api_versions.json").read_text()
        )
        return found

    def name(self, path: Path) -> str:
        return str(path.relative_to(self.folder / TEMPLATES))


def read_templates(folder: Path) -> Templates:
    """Read every Bicep file of the project in a folder."""
    found = Templates(folder)
    for path in sorted((folder / TEMPLATES).rglob("*.bicep")):
        try:
            found.read[path] = read_template(path)
        except (BadFile, UsageError) as error:
            found.broken[path] = str(error)
    return found


def template_is_bicep(templates: Templates) -> Problems:
    """Every file is parsed without an error node."""
    for path, problem in templates.broken.items():
        yield templates.name(path), problem


def parameter_is_described(templates: Templates) -> Problems:
    """A parameter says Required or Optional, rightly, and what it is; and is used."""
    for path, template in templates.read.items():
        for each in template.parameters:
            where, word = f"{templates.name(path)}:{each.line}", "Optional. "
            if not each.has_default:
                word = "Required. "
            if not (each.description or "").startswith(word):
                yield where, f"the description of parameter {each.name} must begin with {word!r}"
            if not each.used:
                yield where, f"parameter {each.name} is not used"


def output_is_used(templates: Templates) -> Problems:
    """An output is described, and read by what calls the module or deploys the file."""
    taken = _taken_outputs(templates)
    for path, template in templates.read.items():
        for each in template.outputs:
            where = f"{templates.name(path)}:{each.line}"
            if not each.description:
                yield where, f"output {each.name} is not described"
            if not _is_used(templates, path, each.name, taken):
                yield where, f"output {each.name} is used nowhere"


def symbol_is_used(templates: Templates) -> Problems:
    """A variable or an existing resource that nothing refers to is dead."""
    for path, template in templates.read.items():
        looked_up = [each for each in template.resources if each.existing]
        for each in (*template.variables, *looked_up):
            if not each.used:
                yield f"{templates.name(path)}:{each.line}", f"{each.kind} {each.name} is not used"


def api_version_is_listed(templates: Templates) -> Problems:
    """API versions come from one list, which holds no type that is not used."""
    met = set()
    for path, template in templates.read.items():
        for each in template.resources:
            met.add(each.type)
            listed = templates.api_versions.get(each.type, "no version")
            if each.api_version != listed:
                problem = f"{each.type}@{each.api_version}, the list has {listed}"
                yield f"{templates.name(path)}:{each.line}", problem
    for name in sorted(templates.api_versions.keys() - met):
        yield "api_versions.json", f"{name} is used nowhere"


def module_is_called(templates: Templates) -> Problems:
    """Every file below modules/ is called by another."""
    called = {
        (path.parent / module.path).resolve()
        for path, template in templates.read.items()
        for module in template.modules
    }
    for path in templates.read:
        if path.parent.name == "modules" and path.resolve() not in called:
            yield templates.name(path), "no template calls this module"


def skip_has_a_reason(templates: Templates) -> Problems:
    """A security check that is passed over says why, beside the resource."""
    for path, template in templates.read.items():
        for line, text in template.comments:
            found = re.search(r"checkov:skip=(\w+)(.*)", text)
            if found and len(found.group(2).strip(" :").split()) < 3:
                problem = f"the skip of {found.group(1)} gives no reason"
                yield f"{templates.name(path)}:{line}", problem


RULES: tuple[Callable[[Templates], Problems], ...] = (
    template_is_bicep,
    parameter_is_described,
    output_is_used,
    symbol_is_used,
    api_version_is_listed,
    module_is_called,
    skip_has_a_reason,
)


def _taken_outputs(templates: Templates) -> set[tuple[Path, str]]:
    """Outputs of modules that some template reads, by file and name."""
    taken = set()
    for path, template in templates.read.items():
        files = {each.name: (path.parent / each.path).resolve() for each in template.modules}
        taken |= {(files[symbol], name) for symbol, name in template.module_outputs}
    return taken


def _is_used(templates: Templates, path: Path, name: str, taken: set[tuple[Path, str]]) -> bool:
    if path.name not in _READERS:
        return (path.resolve(), name) in taken
    files = (file for glob in _READERS[path.name] for file in sorted(templates.folder.glob(glob)))
    return any(re.search(rf"\b{name}\b", file.read_text()) for file in files if file.is_file())
