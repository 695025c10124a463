"""All offline checks of Azure: the templates, what they come to, and the factory's documents."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepkt_irt.azure import deployment_rules, template_rules
from deepkt_irt.azure.bicep import evaluate
from deepkt_irt.azure.bicep_parameters import read_parameters
from deepkt_irt.azure.deployment_rules import ENVIRONMENTS, Environment, read_environment
from deepkt_irt.azure.factory import Factory, read_factory
from deepkt_irt.azure.factory_rules import factory_findings
from deepkt_irt.azure.template_rules import TEMPLATES, Templates, read_templates
from deepkt_irt.bundle.resolve import Choices, resolve
from deepkt_irt.bundle.rules import Finding
from deepkt_irt.errors import BackendUnavailable, BadFile, UsageError

FACTORY = TEMPLATES / "adf"


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
        BackendUnavailable: If a parser or the SDK's types are not installed.
    """
    templates = read_templates(folder)
    findings = [
        Finding(rule.__name__, "templates", *found)
        for rule in template_rules.RULES
        for found in rule(templates)
    ]
    findings += _second_parser(templates)
    environments = []
    if not templates.broken:
        findings += _bootstrap(folder)
        for name in ENVIRONMENTS:
            try:
                environment = read_environment(folder, name)
            except (BadFile, UsageError) as error:
                findings.append(Finding("template_evaluates", name, "main.bicep", str(error)))
                continue
            environments.append(environment)
            findings += _deployed(environment)
    factory = _factory(folder, findings)
    return Examination(templates, tuple(environments), factory, tuple(findings))


def _second_parser(templates: Templates) -> Iterator[Finding]:
    """Files that pycep, on which the security checks rest, cannot read."""
    try:
        from lark.exceptions import LarkError  # noqa: PLC0415 - an extra
        from pycep import BicepParser  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        need = "pycep-parser is not installed: pip install 'deepkt-irt[azure]'"
        raise BackendUnavailable(need) from error
    parser = BicepParser()
    for path in templates.read:
        try:
            parser.parse(text=path.read_text())
        except LarkError as error:
            problem = (str(error).splitlines() or ["no reason given"])[0]
            yield Finding("pycep_reads_it", "templates", templates.name(path), problem)


def _bootstrap(folder: Path) -> Iterator[Finding]:
    """The template a person deploys first works out, too."""
    bicep = folder / TEMPLATES
    try:
        parameters = read_parameters(bicep / "bootstrap.bicepparam")
        evaluate(bicep / "bootstrap.bicep", parameters.values)
    except (BadFile, UsageError) as error:
        yield Finding("template_evaluates", "bootstrap", "bootstrap.bicep", str(error))


def _deployed(environment: Environment) -> Iterator[Finding]:
    for rule in deployment_rules.RULES:
        for found in rule(environment):
            yield Finding(rule.__name__, environment.name, *found)


def _factory(folder: Path, findings: list[Finding]) -> Factory | None:
    try:
        factory = read_factory(folder / FACTORY)
    except BadFile as error:
        findings.append(Finding("document_is_json", "factory", "adf", str(error)))
        return None
    findings += factory_findings(factory, resolve(folder, "prod", Choices(placeholders=True)))
    return factory
