"""The commands that look after a lake, and how a command has a lake to itself."""

import json
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from rich.markup import escape

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs import maintain_tables as maintenance
from deepkt_irt.jobs.forget_student import forget_all, request_erasure, site_of
from deepkt_irt.jobs.lake_lock import sole_writer
from deepkt_irt.jobs.opening import Target, open_runner, parse_as_of, parse_settings
from deepkt_irt.jobs.replay import parse_replay
from deepkt_irt.jobs.replay_students import FOLLOWING, replay_from_bronze
from deepkt_irt.progress import reporter_of, screen
from deepkt_irt.reporting import erasure, operations

LakeOption = Annotated[Path, typer.Option("--lake", help="Folder that holds everything.")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", help="Instant the run speaks about, ISO 8601; default now.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PART.NAME=VALUE", help="Change a setting; may be repeated."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Say only what failed.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines: JSON on standard output.")]
WaitOption = Annotated[
    float,
    typer.Option(
        "--wait",
        min=0,
        metavar="SECONDS",
        help="Seconds to wait while another run writes this lake; 0: stop at once.",
    ),
]


def existing(lake: Path) -> Path:
    """A lake with a table in it; a run that failed early leaves a folder without one.

    Raises:
        UsageError: If there is none.
    """
    if not any(lake.glob("tables/*/*/_delta_log/*.json")):
        raise UsageError(f"there is no lake at {lake}; make one with deepkt demo or deepkt run")
    return lake.resolve()


def hold(ctx: typer.Context, lake: Path, wait_seconds: float) -> None:
    """Hold a lake for writing until the command has ended.

    Raises:
        AnotherRun: If another run holds it.
    """
    ctx.with_resource(
        sole_writer(
            lake,
            f"deepkt {ctx.info_name}",
            wait_seconds=wait_seconds,
            on_wait=lambda text: screen.print(escape(text)),
        )
    )


def show(view: ModuleType, found: object, *, as_json: bool) -> None:
    """Say what was found, as the module of its view renders it."""
    if as_json:
        typer.echo(json.dumps(view.as_json(found), indent=2, allow_nan=False))
    else:
        typer.echo(view.render_text(found))


def replay(
    ctx: typer.Context,
    first: Annotated[
        str, typer.Option("--from", metavar="DATE", help="First day, as 2026-03-01, UTC.")
    ] = "",
    last: Annotated[
        str, typer.Option("--to", metavar="DATE", help="Last day, which belongs to it.")
    ] = "",
    source: Annotated[str, typer.Option(help="Only answers of this source.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Everybody, whatever the day.")] = False,
    lake: LakeOption = Path("lake"),
    as_of: AsOfOption = None,
    set_: SetOption = None,
    wait: WaitOption = 0.0,
    quiet: QuietOption = False,
) -> None:
    """Work out again, from bronze, the students who answered something in a span of days."""
    wanted = parse_replay(first=first, last=last, source=source, every=every)
    folder = existing(lake)
    settings, at = parse_settings(set_ or ()), parse_as_of(as_of)
    hold(ctx, folder, wait)
    runner = open_runner(
        Target(lake=folder),
        settings=settings,
        as_of=at,
        reporter=reporter_of(quiet=quiet),
        lasting="minutes",
    )
    replay_from_bronze(runner, wanted)
    runner.run(FOLLOWING)


def maintain(
    ctx: typer.Context,
    lake: LakeOption = Path("lake"),
    as_of: AsOfOption = None,
    set_: SetOption = None,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Merge small files, remove old ones and rows past their retention, and show what was done."""
    folder, settings, at = existing(lake), parse_settings(set_ or ()), parse_as_of(as_of)
    hold(ctx, folder, wait)
    done = maintenance.maintain(Target(lake=folder), settings, as_of=at, on_progress=lambda _: None)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in done], indent=2, allow_nan=False))
    else:
        typer.echo(operations.render_text(done))


def forget(
    ctx: typer.Context,
    student_id: Annotated[
        str | None,
        typer.Option(
            help="Student id, as in the source's files; leave out to finish interrupted erasures."
        ),
    ] = None,
    source: Annotated[str, typer.Option(help="Source system, if several know the id.")] = "",
    officer: Annotated[str, typer.Option(help="Who signs the erasure off.")] = "",
    lake: LakeOption = Path("lake"),
    set_: SetOption = None,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Erase a student from every table, file and log, and prove it; completes what was cut off."""
    target = Target(lake=existing(lake))
    hold(ctx, existing(lake), wait)
    site = site_of(target, set_=set_ or [], as_of=None)
    if student_id is not None:
        request_erasure(site, student_id, source, officer)
    show(erasure, forget_all(site, target), as_json=as_json)


COMMANDS = (replay, maintain, forget)
