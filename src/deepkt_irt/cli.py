"""The `deepkt` command: parses what was typed, calls the package, shows what came of it.

Exit status: 0 done, 1 a failure reported in one line, 2 wrong usage, 130 interrupted.
"""

import json
import logging
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as Grid

from deepkt_irt.azure.commands import COMMANDS as AZURE_COMMANDS
from deepkt_irt.bundle.commands import COMMANDS as BUNDLE_COMMANDS
from deepkt_irt.errors import DeepktError, UsageError
from deepkt_irt.jobs.doctor import examine
from deepkt_irt.jobs.opening import (
    Target,
    checked,
    open_runner,
    parse_as_of,
    parse_settings,
)
from deepkt_irt.jobs.pipeline import LOCAL_ORDER
from deepkt_irt.jobs.pull_sources import pull_one
from deepkt_irt.jobs.task import Task
from deepkt_irt.lake_commands import COMMANDS as LAKE_COMMANDS
from deepkt_irt.lake_commands import (
    AsOfOption,
    JsonOption,
    LakeOption,
    QuietOption,
    SetOption,
    WaitOption,
    existing,
    hold,
)
from deepkt_irt.model_commands import COMMANDS as MODEL_COMMANDS
from deepkt_irt.progress import ScreenReporter, reporter_of, screen
from deepkt_irt.pulling.connection import is_connection
from deepkt_irt.settings import Settings, SimulatorSettings
from deepkt_irt.sources.catalogue import SOURCES, source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.sources.responses_csv import parse_mapping
from deepkt_irt.sources.simulator import simulate, write_district
from deepkt_irt.stream_command import COMMANDS as STREAM_COMMANDS
from deepkt_irt.table_commands import COMMANDS as TABLE_COMMANDS
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.lake_folder import open_lake_folder
from deepkt_irt.tables.registry import TABLES
from deepkt_irt.view_commands import COMMANDS as VIEW_COMMANDS

app = typer.Typer(
    name="deepkt",
    help="From logs of answered questions to calibrated items, mastery and what to practise next.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 140},  # of a wide terminal, so that summaries are whole
)
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="TASK", help="Run this task and all after it.")
]
_INTERRUPTED = 130  # what typer makes of an interrupt, too
OnlyOption = Annotated[str | None, typer.Option("--only", metavar="TASK", help="Run this task.")]


@app.command()
def demo(
    ctx: typer.Context,
    lake: LakeOption = Path("lake"),
    students: Annotated[int, typer.Option(help="Simulated students.")] = 300,
    items: Annotated[int, typer.Option(help="Simulated items.")] = 160,
    seed: Annotated[int, typer.Option(help="Determines every simulated value.")] = 7,
    as_of: AsOfOption = None,
    set_: SetOption = None,
    wait: WaitOption = 0.0,
    quiet: QuietOption = False,
) -> None:
    """Simulate a district with known truth, run everything on it, and write the report."""
    options = {"n_students": "--students", "n_items": "--items", "seed": "--seed"}
    settings = checked(SimulatorSettings, options, n_students=students, n_items=items, seed=seed)
    asked = _asked(as_of=as_of, assignments=set_)
    folder = open_lake_folder(lake)
    hold(ctx, folder, wait)
    with tempfile.TemporaryDirectory() as scratch:
        district = simulate(settings)
        write_district(district, Path(scratch), truth_folder=folder / "truth")
        land(source_named("simulator"), Path(scratch), folder / "landing", mapping=None)
    _run_all(folder, asked, quiet=quiet)


@app.command()
def run(
    ctx: typer.Context,
    source: Annotated[str, typer.Option(help=f"One of: {', '.join(SOURCES)}.")],
    data: Annotated[Path, typer.Option(help="File or folder to read, or a connection.toml.")],
    mapping: Annotated[
        str | None,
        typer.Option("--map", help="File, or text, of lines like student_id=user_id."),
    ] = None,
    lake: LakeOption = Path("lake"),
    as_of: AsOfOption = None,
    from_: FromOption = None,
    only: OnlyOption = None,
    set_: SetOption = None,
    wait: WaitOption = 0.0,
    quiet: QuietOption = False,
) -> None:
    """Run everything on your own files; again with more files, only those are read."""
    chosen = source_named(source)
    asked = _asked(as_of=as_of, from_=from_, only=only, assignments=set_)
    folder = open_lake_folder(lake)
    hold(ctx, folder, wait)
    tell = logging.getLogger(__name__).debug if quiet else partial(screen.print, markup=False)
    if is_connection(data):
        if mapping:
            raise UsageError("a connection file names its columns itself; leave --map away")
        pull_one(data, source, folder, as_of=asked.as_of, on_progress=tell)
    else:
        land(
            chosen,
            data,
            folder / "landing",
            mapping=parse_mapping(mapping) if mapping else None,
            limits=asked.settings.ingest,
            on_passed_over=tell,
        )
    _run_all(folder, asked, quiet=quiet)


@app.command()
def report(
    ctx: typer.Context,
    lake: LakeOption = Path("lake"),
    out: Annotated[Path | None, typer.Option(help="Also write the page here.")] = None,
    wait: WaitOption = 0.0,
    quiet: QuietOption = False,
) -> None:
    """Write the report page of a lake again."""
    folder = existing(lake)
    hold(ctx, folder, wait)
    _run_all(folder, _asked(only="publish_report"), quiet=quiet)
    if out is not None:
        try:
            out.write_bytes((folder / "report.html").read_bytes())
        except OSError as error:
            raise UsageError(f"--out {out}: {error.strerror}") from error


@app.command()
def tables(as_json: JsonOption = False) -> None:
    """List every table with its key and columns."""
    if as_json:
        typer.echo(json.dumps([_table_facts(table) for table in TABLES], indent=2))
        return
    grid = Grid("table", "columns", "key", "holds", box=None)
    for table in TABLES:
        key = ", ".join(table.key)
        grid.add_row(table.qualified_name, str(len(table.columns)), key, table.comment)
    Console(highlight=False).print(grid)


@app.command()
def stages(as_json: JsonOption = False) -> None:
    """List the tasks in run order with what they read and write."""
    facts = [
        {
            "name": task.name,
            "reads": [table.qualified_name for table in task.reads],
            "writes": [table.qualified_name for table in task.writes],
        }
        for task in LOCAL_ORDER
    ]
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for number, task in enumerate(LOCAL_ORDER, start=1):
        typer.echo(f"{number}. {task.name}: {task.summary}")
        typer.echo(f"   reads  {', '.join(facts[number - 1]['reads']) or '-'}")
        typer.echo(f"   writes {', '.join(facts[number - 1]['writes']) or '-'}")


@app.command()
def doctor(
    lake: LakeOption = Path("lake"), set_: SetOption = None, as_json: JsonOption = False
) -> None:
    """Check whether this machine can run the pipeline, and say how to mend it."""
    findings = examine(lake, parse_settings(set_ or []))
    if as_json:
        typer.echo(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            mark = "ok  " if finding.ok else "AMISS"
            typer.echo(f"{mark} {finding.subject}: {finding.found}")
            if not finding.ok:
                typer.echo(f"      mend: {finding.mend}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


for command in (
    *VIEW_COMMANDS,
    *LAKE_COMMANDS,
    *STREAM_COMMANDS,
    *MODEL_COMMANDS,
    *TABLE_COMMANDS,
    *BUNDLE_COMMANDS,
    *AZURE_COMMANDS,
):
    app.command()(command)


@dataclass(frozen=True)
class _Asked:
    """What a run was asked for, checked before anything is written."""

    tasks: list[Task]
    settings: Settings
    as_of: datetime | None
    is_forced: bool


def _asked(
    *,
    as_of: str | None = None,
    from_: str | None = None,
    only: str | None = None,
    assignments: Sequence[str] | None = None,
) -> _Asked:
    return _Asked(
        tasks=_chosen(from_, only),
        settings=parse_settings(assignments or ()),
        as_of=parse_as_of(as_of),
        is_forced=bool(from_ or only),
    )


def _run_all(lake: Path, asked: _Asked, *, quiet: bool = False) -> None:
    reporter = reporter_of(quiet=quiet)
    runner = open_runner(
        Target(lake=lake),
        settings=asked.settings,
        as_of=asked.as_of,
        reporter=reporter,
        lasting="minutes" if len(asked.tasks) > 1 else "seconds",
    )
    runner.run(asked.tasks, force=asked.is_forced)
    if isinstance(reporter, ScreenReporter):
        screen.print(f"All done in {reporter.seconds:.0f} s.")
    if any(task.name == "publish_report" for task in asked.tasks):
        typer.echo(f"Report: {runner.place.report_path}")


def _chosen(from_: str | None, only: str | None) -> list[Task]:
    names = [task.name for task in LOCAL_ORDER]
    for name in (from_, only):
        if name is not None and name not in names:
            raise UsageError(f"no task {name!r}; there are: {', '.join(names)}")
    if from_ and only:
        raise UsageError("give --from or --only, not both")
    if only:
        return [LOCAL_ORDER[names.index(only)]]
    return list(LOCAL_ORDER[names.index(from_) :] if from_ else LOCAL_ORDER)


def _table_facts(table: Table) -> dict[str, Any]:
    return {
        "name": table.qualified_name,
        "key": list(table.key),
        "comment": table.comment,
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nullable": column.nullable,
                "comment": column.full_comment,
            }
            for column in table.columns
        ],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every failure ends in one line and a status.

    Args:
        arguments: What was typed after `deepkt`; None reads it from the process.
    """
    status = _status(list(arguments) if arguments is not None else sys.argv[1:])
    if status == _INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all that is left is to end
        # not on the screen, which would say again what the interrupt cut off
        typer.echo("deepkt: stopped; the same command goes on where it stopped", err=True)
    if status:
        sys.exit(status)


def _status(arguments: list[str]) -> int:
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    logging.getLogger("pyspark").setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(_is_not_py4j)
    try:
        result = app(arguments, standalone_mode=False)
    except DeepktError as error:
        screen.print(f"deepkt: {error}", style="red", markup=False, soft_wrap=True)
        return 2 if isinstance(error, UsageError) else 1
    except (typer.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a person must never meet a traceback
        return _unexpected(error)
    return result if isinstance(result, int) else 0


def _is_not_py4j(record: logging.LogRecord) -> bool:
    """Whether it is not what py4j says, with a traceback, past its own logger when interrupted."""
    return not str(record.msg).endswith("while sending command.")


def _unexpected(error: Exception) -> int:
    """Report a click usage error as such, anything else with the place of its traceback."""
    if hasattr(error, "format_message"):
        screen.print(f"deepkt: {error.format_message()}", style="red", markup=False)
        return 2
    with tempfile.NamedTemporaryFile(
        "w", prefix="deepkt-error-", suffix=".txt", delete=False
    ) as file:
        traceback.print_exception(error, file=file)
    first = (str(error).splitlines() or [""])[0]
    screen.print(
        f"deepkt: unexpected {type(error).__name__}: {first[:300]} (details: {file.name})",
        style="red",
        markup=False,
        soft_wrap=True,
    )
    return 1


if __name__ == "__main__":
    main()
