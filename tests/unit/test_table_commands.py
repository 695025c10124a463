"""Rows of tables and what can be set, as the command line tells it."""

import json

import pytest

from deepkt_irt.cli import main
from deepkt_irt.jobs.opening import parse_settings
from deepkt_irt.jobs.table_rows import relation_named
from deepkt_irt.reporting.table_rows import TableRows, render_text
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


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["silver.item"], r"no table 'silver.item'; there are like it: silver.items, "),
        (["gold.student_tody"], "there are like it: gold.student_today"),
        (["xyz"], "no table 'xyz'; there are: deepkt tables lists all"),
        (["silver.items"], "there is no lake at"),
    ],
)
def test_table_that_is_not_there_is_refused_with_the_nearest(capsys, tmp_path, asked, said):
    with pytest.raises(SystemExit) as ended:
        main(["show", *asked, "--lake", str(tmp_path / "none")])

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_table_is_found_by_its_name_alone():
    assert relation_named("student_today", Settings()).qualified_name == "gold.student_today"


def test_rows_stand_in_lines_where_they_fit_and_else_value_by_value(monkeypatch):
    row = {"item_id": "i1", "skills": ["a", "b"], "n": None}
    found = TableRows("silver.items", tuple(row), (row,), has_more=True)
    more = "(1 row of silver.items; there are more, --limit shows them)"

    monkeypatch.setenv("COLUMNS", "80")
    assert render_text(found).splitlines() == [
        "item_id  skills      n",
        'i1       ["a", "b"]  null',
        more,
    ]
    monkeypatch.setenv("COLUMNS", "20")
    assert render_text(found).splitlines() == [
        "item_id  i1",
        'skills   ["a", "b"]',
        "n        null",
        "",
        more,
    ]
