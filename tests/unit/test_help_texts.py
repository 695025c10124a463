"""Every flag says what it is for, and no two of a command say the same."""

import pytest
import typer

from deepkt_irt.cli import app
from deepkt_irt.jobs import entry_points
from deepkt_irt.jobs.scripts import Script

SCRIPTS = [each for each in vars(entry_points).values() if isinstance(each, Script)]
COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda each: each.name)
def test_each_flag_of_a_script_has_a_help_of_its_own(script):
    helps = {tuple(each.option_strings): each.help for each in script.parser()._actions}

    assert [flags for flags, text in helps.items() if not text] == []
    assert len(set(helps.values())) == len(helps), helps


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_of_a_command_has_a_help_of_its_own(name):
    helps = {each.name: each.help for each in COMMANDS[name].params if each.name != "help"}

    assert [option for option, text in helps.items() if not text] == []
    assert len(set(helps.values())) == len(helps), helps
