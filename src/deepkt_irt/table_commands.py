"""The commands that show what can be set."""

import json
from typing import Annotated

import typer

from deepkt_irt.lake_commands import JsonOption
from deepkt_irt.settings.listing import settings_of


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
        typer.echo(
            f"{each['name']}={'null' if each['default'] is None else each['default']}  {each['meaning']} ({each['takes']})"
        )


COMMANDS = (settings,)
