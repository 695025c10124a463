"""The commands about the bundle: check it, run its jobs here, and look after what is deployed.

Of the last kind each asks the workspace that DATABRICKS_HOST or a profile names.
"""

import logging
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs.opening import CATALOGS_VARIABLE
from deepkt_irt.sources.catalogue import SOURCES, source_named
from deepkt_irt.sources.responses_csv import parse_mapping

if TYPE_CHECKING:
    from deepkt_irt.bundle.workspace import Deployment

JobArgument = Annotated[str, typer.Argument(help="Key of the job, as daily_ingestion.")]
OnlyOption = Annotated[str | None, typer.Option(help="Tasks to run, by comma.")]
TargetOption = Annotated[str, typer.Option(help="Target of the bundle.")]
ParamOption = Annotated[list[str] | None, typer.Option(help="Job parameter, name=value.")]
VarOption = Annotated[list[str] | None, typer.Option(help="Bundle variable, name=value.")]
FolderOption = Annotated[Path, typer.Option(help="Where databricks.yml is.")]
WheelsOption = Annotated[Path, typer.Option(help="Folder with the built wheel.")]


def bundle_check(folder: FolderOption = Path(), wheels: WheelsOption = Path("dist")) -> None:
    """Resolve the bundle for every target and hold it against its rules, without a workspace."""
    from deepkt_irt.bundle.checks import examine_bundle  # noqa: PLC0415 - needs an extra
    from deepkt_irt.bundle.resolve import Choices  # noqa: PLC0415 - needs an extra
    from deepkt_irt.bundle.wheel import read_wheel  # noqa: PLC0415 - beside the others

    wheel = read_wheel(wheels)
    seen = examine_bundle(folder, wheel, Choices(placeholders=True))
    for bundle in seen.bundles:
        counts = [f"{len(each)} {kind}" for kind, each in bundle.resources.items()]
        typer.echo(f"{bundle.target}: {', '.join(counts)}")
        if bundle.placeholders:
            typer.echo(f"   to be given at deployment: {', '.join(bundle.placeholders)}")
    fail_if(str(finding) for finding in seen.findings)
    typer.echo(f"No rule is broken; wheel {wheel.package} {wheel.version}.")


def bundle_run(
    job: JobArgument,
    target: TargetOption = "dev",
    param: ParamOption = None,
    var: VarOption = None,
    only: OnlyOption = None,
    catalogs: Annotated[Path, typer.Option(help="Folder of the catalogs.")] = Path("catalogs"),
    folder: FolderOption = Path(),
    wheels: WheelsOption = Path("dist"),
) -> None:
    """Run a job of the bundle here, through the built wheel; a catalog is a folder."""
    from deepkt_irt.bundle.resolve import Choices, resolve  # noqa: PLC0415 - needs an extra
    from deepkt_irt.bundle.running import FAILED, open_run, unpack_wheel  # noqa: PLC0415 - so

    _log_to_screen()
    bundle = resolve(folder, target, Choices(variables=assigned("--var", var)))
    with tempfile.TemporaryDirectory() as scratch:
        run_ = open_run(
            bundle,
            job,
            unpacked=unpack_wheel(wheels, Path(scratch)),
            parameters=assigned("--param", param),
            only=only.split(",") if only else (),
            environment={CATALOGS_VARIABLE: str(catalogs.resolve())},
        )
        outcomes = run_.run()
    for key, outcome in outcomes.items():
        typer.echo(f"{key}: {outcome.state}")
    if any(outcome.state == FAILED for outcome in outcomes.values()):
        raise typer.Exit(1)


def bundle_verify(
    target: TargetOption = "dev", var: VarOption = None, folder: FolderOption = Path()
) -> None:
    """Hold what is deployed in the workspace against the bundle: all there, as declared."""
    found = deployment(folder, target, var)
    fail_if(found.problems())
    typer.echo(f"All that {target} declares is deployed.")


def bundle_start(
    job: JobArgument,
    target: TargetOption = "dev",
    param: ParamOption = None,
    var: VarOption = None,
    only: OnlyOption = None,
    minutes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Minutes to wait; the job goes on after that.",
            show_default="as long as the job may take",
        ),
    ] = None,
    folder: FolderOption = Path(),
) -> None:
    """Start a deployed job, wait for its end, and fail if any of its tasks failed."""
    _log_to_screen()
    found = deployment(folder, target, var)
    tasks = only.split(",") if only else ()
    found.run_job(job, assigned("--param", param), minutes=minutes, only=tasks)
    typer.echo(f"{job}: succeeded")


def bundle_land(
    source: Annotated[str, typer.Option(help=f"One of: {', '.join(SOURCES)}.")],
    data: Annotated[Path, typer.Option(help="File or folder to read.")],
    mapping: Annotated[
        str | None, typer.Option("--map", help="File, or text, of lines like student_id=user_id.")
    ] = None,
    target: TargetOption = "dev",
    var: VarOption = None,
    folder: FolderOption = Path(),
) -> None:
    """Look at files and put them into the landing volume of a deployed target."""
    chosen, named = source_named(source), parse_mapping(mapping) if mapping else None
    for path in deployment(folder, target, var).land(chosen, data, mapping=named):
        typer.echo(path)


COMMANDS = (bundle_check, bundle_run, bundle_verify, bundle_start, bundle_land)


def deployment(folder: Path, target: str, var: Sequence[str] | None) -> "Deployment":
    """A target of the bundle and the workspace it is deployed to."""
    from deepkt_irt.bundle.workspace import open_deployment  # noqa: PLC0415 - needs an extra

    return open_deployment(folder, target, variables=assigned("--var", var))


def _log_to_screen() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)


def fail_if(problems: Iterable[str]) -> None:
    """Say all that is wrong, and end with status 1 if anything is."""
    told = tuple(problems)
    for problem in told:
        typer.secho(problem, fg="red", err=True)
    if told:
        raise typer.Exit(1)


def assigned(flag: str, texts: Sequence[str] | None) -> dict[str, str]:
    """What `name=value` texts assign.

    Raises:
        UsageError: If one is not written so.
    """
    pairs = [text.partition("=") for text in texts or ()]
    wrong = [name for name, equals, _ in pairs if not (name and equals)]
    if wrong:
        raise UsageError(f"{flag} {wrong[0]!r}: write it as name=value")
    return {name: value for name, _, value in pairs}
