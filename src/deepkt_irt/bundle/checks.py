"""All offline checks of the bundle: strict types, the rules, and targets held side by side."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from deepkt_irt.bundle.resolve import Choices, Resolved, resolve
from deepkt_irt.bundle.rules import RULES, Finding
from deepkt_irt.bundle.wheel import Wheel
from deepkt_irt.errors import BackendUnavailable, to_install

TARGETS = ("dev", "staging", "prod")
_TYPES = {
    "jobs": ("jobs", "Job"),
    "schemas": ("schemas", "Schema"),
    "volumes": ("volumes", "Volume"),
    "registered_models": ("registered_models", "RegisteredModel"),
    "experiments": ("experiments", "MlflowExperiment"),
    "secret_scopes": ("secret_scopes", "SecretScope"),
    "vector_search_endpoints": ("vector_search_endpoints", "VectorSearchEndpoint"),
    "alerts": ("alerts", "Alert"),
    "dashboards": ("dashboards", "Dashboard"),
    "sql_warehouses": ("sql_warehouses", "SqlWarehouse"),
}
_WITHIN = ("catalog_name", "schema_name")  # what a name is unique within


@dataclass(frozen=True)
class Examination:
    """What the checks saw.

    Attributes:
        bundles: The resolved targets.
        findings: What is wrong; empty if all is well.
    """

    bundles: tuple[Resolved, ...]
    findings: tuple[Finding, ...]


def examine_bundle(folder: Path, wheel: Wheel, choices: Choices) -> Examination:
    """Check every target of the bundle in a folder.

    Args:
        folder: Where `databricks.yml` is.
        wheel: The built wheel.
        choices: Variables and user.

    Raises:
        BadFile: If a file is no bundle file.
        UsageError: If the bundle cannot be resolved.
        BackendUnavailable: If the strict types are not installed.
    """
    bundles = tuple(resolve(folder, target, choices) for target in TARGETS)
    other = resolve(folder, "dev", replace(choices, user=f"another.{choices.user}"))
    findings = [finding for bundle in bundles for finding in findings_of(bundle, wheel)]
    findings += _collisions(bundles[0], (*bundles[1:], other))
    return Examination(bundles, tuple(findings))


def findings_of(bundle: Resolved, wheel: Wheel) -> Iterator[Finding]:
    """What is wrong within one target."""
    yield from _strict(bundle)
    for rule in RULES:
        for where, problem in rule(bundle, wheel):
            yield Finding(rule.__name__, bundle.target, where, problem)


def _strict(bundle: Resolved) -> Iterator[Finding]:
    """Fields that do not exist, lack or have another type, by Databricks' own classes."""
    try:
        from importlib import import_module  # noqa: PLC0415 - beside the import it makes

        for kind, resources in bundle.resources.items():
            if kind not in _TYPES:
                yield Finding("type_is_strict", bundle.target, kind, "no type is known for it")
                continue
            module, name = _TYPES[kind]
            of_dict = getattr(import_module(f"databricks.bundles.{module}"), name).from_dict
            for key, each in resources.items():
                try:
                    of_dict(each)
                except (ValueError, TypeError) as error:
                    where, problem = f"{kind}.{key}", " ".join(str(error).split())
                    yield Finding("type_is_strict", bundle.target, where, problem)
    except ModuleNotFoundError as error:
        raise BackendUnavailable(
            f"the bundle's types are not installed: {to_install('dev')}"
        ) from error


def _collisions(dev: Resolved, others: tuple[Resolved, ...]) -> Iterator[Finding]:
    """Names a developer would take from a shared target or from another developer."""
    mine = _identities(dev)
    for other in others:
        theirs = _identities(other)
        whose = "another developer" if other.target == dev.target else other.target
        for name, where in mine.items():
            if name in theirs:
                problem = f"{name[-1]} is what {whose} deploys, too"
                yield Finding("names_do_not_collide", dev.target, where, problem)


def _identities(bundle: Resolved) -> dict[tuple[str, ...], str]:
    """By what makes a resource unique in a workspace, where it is declared."""
    return {
        (
            kind,
            *(str(each.get(field, "")) for field in _WITHIN),
            str(each.get("name", each.get("display_name"))),
        ): f"{kind}.{key}"
        for kind, resources in bundle.resources.items()
        for key, each in resources.items()
    }
