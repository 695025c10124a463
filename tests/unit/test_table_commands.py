"""What can be set, as the command line tells it."""

import json

import pytest

from deepkt_irt.cli import main
from deepkt_irt.jobs.opening import parse_settings
from deepkt_irt.settings import Settings
from deepkt_irt.settings.listing import settings_of


def test_settings_of_a_part_have_default_range_and_meaning(capsys):
    main(["settings", "sakt"])

    lines = capsys.readouterr().out.splitlines()
    assert "sakt.heads=4  attention heads; must divide width (whole number, >= 1)" in lines
    assert "sakt.dropout=0.2  after attention and in both networks (number, >= 0, < 1)" in lines
    assert lines[0].endswith("(default or sakt)")
    assert len(lines) == len(type(Settings().sakt).model_fields)


def test_every_setting_is_listed_and_says_what_it_means(capsys):
    main(["settings", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert len(found) == sum(len(each) for each in Settings().model_dump().values())
    assert [each["name"] for each in found if not each["meaning"]] == []


@pytest.mark.parametrize("kind", [int, float, str, bool])
def test_default_of_a_setting_is_one_that_it_takes(kind):
    for each in settings_of(None):
        if type(each["default"]) is kind and "," not in str(each["default"]):
            assert parse_settings([f"{each['name']}={each['default']}"]) == Settings()


def test_settings_of_an_unknown_part_name_the_parts(capsys):
    with pytest.raises(SystemExit):
        main(["settings", "alert"])

    assert "no settings alert; there are: ingest, roster, " in capsys.readouterr().err
