"""The commands that show rows of a table, and what can be set."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deepkt_irt.jobs.opening import Target, open_runner, parse_settings
from deepkt_irt.jobs.table_rows import read_rows, relation_named
from deepkt_irt.lake_commands import JsonOption, LakeOption, SetOption, existing
from deepkt_irt.lake_commands import show as say
from deepkt_irt.reporting import table_rows
from deepkt_irt.settings.listing import settings_of


def show(
    table: Annotated[str, typer.Argument(help="Table or view, as silver.items.")],
    where: Annotated[
        str, typer.Option(metavar="SQL", help="Only rows that meet this condition.")
    ] = "",
    columns: Annotated[str, typer.Option(help="Only these columns, by comma.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Rows shown, the first by key.")] = 20,
    lake: LakeOption = Path("lake"),
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show rows of a table or view as stored: persons by their pseudonyms, times in UTC."""
    chosen = parse_settings(set_ or ())
    relation = relation_named(table, chosen)
    runner = open_runner(Target(lake=existing(lake)), settings=chosen)
    wanted = [name.strip() for name in columns.split(",") if name.strip()]
    found = read_rows(runner.store.read, relation, where=where, columns=wanted, limit=limit)
    say(table_rows, found, as_json=as_json)


def settings(
    part: Annotated[str | None, typer.Argument(help="Only those of a part, as alerts.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what --set changes: each setting with its default, what it takes and what it means."""
    found = settings_of(part)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for each in found:
        default = "null" if each["default"] is None else each["default"]
        typer.echo(f"{each['name']}={default}  {each['meaning']} ({each['takes']})")


COMMANDS = (show, settings)
