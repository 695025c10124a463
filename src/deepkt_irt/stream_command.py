"""The command that takes in files as they land."""

from pathlib import Path
from typing import Annotated

import typer

from deepkt_irt.jobs.opening import Target, open_runner, parse_settings
from deepkt_irt.jobs.stream_events import Until, stopped_by_signals
from deepkt_irt.jobs.stream_events import stream as run_stream
from deepkt_irt.lake_commands import LakeOption, QuietOption, SetOption, WaitOption, hold
from deepkt_irt.progress import reporter_of
from deepkt_irt.tables.lake_folder import open_lake_folder


def stream(
    ctx: typer.Context,
    lake: LakeOption = Path("lake"),
    rounds: Annotated[int | None, typer.Option(min=1, help="End after so many rounds.")] = None,
    for_seconds: Annotated[
        float | None,
        typer.Option(
            min=0, help="Stop at the end of the round in which this many seconds have passed."
        ),
    ] = None,
    set_: SetOption = None,
    wait: WaitOption = 0.0,
    quiet: QuietOption = False,
) -> None:
    """Take in files as they land in a lake, to fresh mastery and next items, until Ctrl-C."""
    folder = open_lake_folder(lake)
    hold(ctx, folder, wait)
    runner = open_runner(
        Target(lake=folder),
        settings=parse_settings(set_ or ()),
        reporter=reporter_of(quiet=quiet),
        lasting="hours",
    )
    with stopped_by_signals() as stop:
        run_stream(runner, stop, Until(rounds=rounds, seconds=for_seconds))


COMMANDS = (stream,)
