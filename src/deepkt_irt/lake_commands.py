"""The commands that look after a lake, and how a command has a lake to itself."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs.lake_lock import sole_writer
from deepkt_irt.progress import screen

WaitOption = Annotated[
    float,
    typer.Option(
        "--wait",
        min=0,
        metavar="SECONDS",
        help="Wait so long for another run to leave the lake; 0 refuses at once.",
    ),
]


def existing(lake: Path) -> Path:
    """A lake that is there.

    Raises:
        UsageError: If there is none.
    """
    if not (lake / "tables").is_dir():
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


COMMANDS = ()
