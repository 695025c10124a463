"""The commands about Azure."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deepkt_irt.azure.cost.assumptions import SIZES, assumptions_of
from deepkt_irt.azure.cost.estimate import estimate
from deepkt_irt.azure.cost.page import markdown, plain, text_lines, text_table
from deepkt_irt.azure.cost.prices import read_prices
from deepkt_irt.bundle.commands import (
    FolderOption,
    TargetOption,
    VarOption,
    assigned,
    deployment,
    fail_if,
)
from deepkt_irt.errors import UsageError


def cost(
    *,
    size: Annotated[str | None, typer.Option(help=f"One of: {', '.join(SIZES)}; or all.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change an assumption; may be repeated."),
    ] = None,
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="With private endpoints, or none.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="For machines, not rounded.")] = False,
    markdown_: Annotated[
        bool, typer.Option("--markdown", help="The generated part of docs/cost.md.")
    ] = False,
    prices: Annotated[
        Path | None, typer.Option(help="Price file like the one in the package.")
    ] = None,
) -> None:
    """Estimate what a deployment costs a month, by resource, from assumptions one can change."""
    if json_ and markdown_:
        raise UsageError("--json and --markdown exclude each other")
    changes: dict[str, object] = dict(assigned("--set", set_))
    if private is not None:
        changes["private"] = private
    listed = read_prices(prices)
    used = {each: assumptions_of(each, changes) for each in ([size] if size else SIZES)}
    estimates = {each: estimate(assumed, listed) for each, assumed in used.items()}
    if json_:
        typer.echo(json.dumps(plain(estimates, used, listed), indent=2))
    elif markdown_:
        typer.echo(markdown(estimates, used, listed), nl=False)
    else:
        typer.echo(text_lines(size, estimates[size]) if size else text_table(estimates))


def infra_check(folder: FolderOption = Path()) -> None:
    """Hold the Bicep templates and the Data Factory documents against their rules, offline."""
    from deepkt_irt.azure.checks import examine_azure  # noqa: PLC0415 - slow to import

    seen = examine_azure(folder)
    typer.echo(f"{len(seen.templates.read)} Bicep files read")
    for each in seen.environments:
        typer.echo(f"{each.name}: {len(each.deployment.resources)} resources")
    if seen.factory:
        kinds = ("pipelines", "datasets", "linked_services", "triggers")
        counts = [f"{len(getattr(seen.factory, kind))} {kind}" for kind in kinds]
        typer.echo(f"factory: {', '.join(counts).replace('_', ' ')}")
    fail_if(str(finding) for finding in seen.findings)
    typer.echo("No rule is broken.")


def infra_picture(
    environment: Annotated[str, typer.Option(help="dev, staging or prod.")] = "prod",
    out: Annotated[Path, typer.Option(help="SVG file to write.")] = Path("docs/images/azure.svg"),
    folder: FolderOption = Path(),
) -> None:
    """Draw what an environment deploys, from its templates."""
    from deepkt_irt.azure.deployment_rules import read_environment  # noqa: PLC0415 - needs an extra
    from deepkt_irt.azure.picture import draw  # noqa: PLC0415 - beside it

    out.write_text(draw(read_environment(folder, environment)), encoding="utf-8")
    typer.echo(out)


def factory_parameters(
    target: TargetOption = "dev", var: VarOption = None, folder: FolderOption = Path()
) -> None:
    """Print what Data Factory must know of the deployed jobs, as its REST interface takes it."""
    from deepkt_irt.azure.factory.documents import FACTORY, read_factory  # noqa: PLC0415 - slow
    from deepkt_irt.azure.factory.global_parameters import global_parameters  # noqa: PLC0415 - so

    found = deployment(folder, target, var)
    pipelines = read_factory(folder / FACTORY).pipelines
    jobs = {key: job for key, job in found.bundle.resources["jobs"].items() if key in pipelines}
    ids = {key: found.job_id(key) for key in jobs}
    typer.echo(json.dumps(global_parameters(jobs, ids), indent=2))


COMMANDS = (infra_check, infra_picture, factory_parameters, cost)
