"""All offline checks of Azure: the templates, what they come to, and the factory's documents."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from deepkt_irt.azure import deployment_rules, template_rules
from deepkt_irt.azure.bicep.evaluation import evaluate
from deepkt_irt.azure.bicep.parameters import read_parameters
from deepkt_irt.azure.deployment_rules import (
    ENVIRONMENTS,
    STAND_INS,
    Environment,
    read_environment,
)
from deepkt_irt.azure.factory.documents import FACTORY, Document, Factory, read_factory
from deepkt_irt.azure.factory.rules import factory_findings
from deepkt_irt.azure.role_rules import role_is_listed
from deepkt_irt.azure.template_rules import TEMPLATES, Templates, read_templates
from deepkt_irt.bundle.resolve import Choices, Resolved, resolve
from deepkt_irt.bundle.rules import Finding
from deepkt_irt.errors import BackendUnavailable, BadFile, UsageError, to_install


@dataclass(frozen=True)
class Examination:
    """What the checks saw.

    Attributes:
        templates: The Bicep files.
        environments: What each environment deploys; without one whose evaluation failed.
        factory: The factory's documents; None if they cannot be read.
        findings: What is wrong; empty if all is well.
    """

    templates: Templates
    environments: tuple[Environment, ...]
    factory: Factory | None
    findings: tuple[Finding, ...]


def examine_azure(folder: Path) -> Examination:
    """Check everything about Azure in the project in a folder.

    Raises:
        BadFile: If the folder holds no templates.
        BackendUnavailable: If a parser or the SDK's types are not installed.
    """
    templates = read_templates(folder)
    if not (templates.read or templates.broken):
        problem = "no template is there"
        raise BadFile(
            str(folder / TEMPLATES), problem, "run this where the project is, or --folder"
        )
    findings = [*template_findings(templates), *_second_parser(templates)]
    seen = [] if templates.broken else [environment_findings(folder, name) for name in ENVIRONMENTS]
    findings += [finding for _, found in seen for finding in found]
    environments = tuple(environment for environment, _ in seen if environment)
    if environments and not findings:  # else the same mistake would be told again
        findings += rights_findings(folder, environments[-1])
    bundle = resolve(folder, "prod", Choices(placeholders=True))
    factory, found = read_factory_findings(folder, bundle)
    findings += found
    if environments and factory:
        findings += deployed_factory_findings(environments[-1], factory, bundle)
    return Examination(templates, environments, factory, tuple(findings))


def template_findings(templates: Templates) -> Iterator[Finding]:
    """What is wrong in the Bicep files as they are written."""
    for rule in template_rules.RULES:
        for found in rule(templates):
            yield Finding(rule.__name__, "templates", *found)


def environment_findings(folder: Path, name: str) -> tuple[Environment | None, list[Finding]]:
    """What an environment deploys, and what is wrong with it; None if it cannot be worked out."""
    try:
        environment = read_environment(folder, name)
    except (BadFile, UsageError) as error:
        return None, [Finding("template_evaluates", name, "main.bicep", str(error))]
    return environment, [
        Finding(rule.__name__, name, *found)
        for rule in deployment_rules.RULES
        for found in rule(environment)
    ]


def _second_parser(templates: Templates) -> Iterator[Finding]:
    """Files that pycep, on which the security checks rest, cannot read."""
    try:
        from lark.exceptions import LarkError  # noqa: PLC0415 - an extra
        from pycep import BicepParser  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        need = f"pycep-parser is not installed: {to_install('azure')}"
        raise BackendUnavailable(need) from error
    parser = BicepParser()
    for path in templates.read:
        try:
            parser.parse(text=path.read_text())
        except LarkError as error:
            problem = (str(error).splitlines() or ["no reason given"])[0]
            yield Finding("pycep_reads_it", "templates", templates.name(path), problem)


def rights_findings(folder: Path, prod: Environment) -> Iterator[Finding]:
    """Rights of prod and of what a person deploys before it, which must work out, too."""
    bicep = folder / TEMPLATES
    try:
        parameters = read_parameters(bicep / "bootstrap.bicepparam", STAND_INS)
        bootstrap = evaluate(bicep / "bootstrap.bicep", parameters.values)
    except (BadFile, UsageError) as error:
        yield Finding("template_evaluates", "bootstrap", "bootstrap.bicep", str(error))
        return
    for found in role_is_listed(folder, (prod.deployment, bootstrap)):
        yield Finding("role_is_listed", "prod", *found)


def read_factory_findings(folder: Path, bundle: Resolved) -> tuple[Factory | None, list[Finding]]:
    """The factory's documents, and what is wrong with them; None if one cannot be read."""
    try:
        factory = read_factory(folder / FACTORY)
    except BadFile as error:
        return None, [Finding("document_is_json", "factory", "adf", str(error))]
    return factory, list(factory_findings(factory, bundle))


def deployed_factory_findings(
    environment: Environment, factory: Factory, bundle: Resolved
) -> Iterator[Finding]:
    """The documents as they are deployed: all of them, and still sound."""
    deployed = deployed_factory(environment)
    for kind in ("pipelines", "datasets", "linked_services", "triggers"):
        there, written = getattr(deployed, kind), getattr(factory, kind)
        for name in sorted(there.keys() ^ written.keys()):
            problem = "no template loads it" if name in written else "there is no document of it"
            yield Finding("document_is_deployed", environment.name, f"{kind}/{name}", problem)
    for found in factory_findings(deployed, bundle):
        yield replace(found, target=environment.name)


def deployed_factory(environment: Environment) -> Factory:
    """The factory that an environment deploys, with the values its templates put in."""
    kind = "Microsoft.DataFactory/factories/"

    def documents(last: str) -> dict[str, Document]:
        return {
            each.body["name"]: {"name": each.body["name"], "properties": each.body["properties"]}
            for each in environment.of(kind + last)
        }

    return Factory(
        pipelines=documents("pipelines"),
        datasets=documents("datasets"),
        linked_services=documents("linkedservices"),
        triggers=documents("triggers"),
    )
