"""The page of tables says all that the registry says, in rows a Markdown reader can show."""

import ast
import re

import pytest

from conftest import REPOSITORY
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Check, Column, Layer, Privacy, Table
from deepkt_irt.tables.registry import TABLES, views
from tables_page import page

PAGE = page()


def section(table: Table) -> str:
    return PAGE.split(f"## {table.qualified_name}\n", 1)[1].split("\n## ", 1)[0]


def test_page_lists_every_table_and_view_once_in_the_order_of_the_registry():
    declared = [each.qualified_name for each in (*TABLES, *views(Settings()))]
    assert re.findall(r"^## (\S+)$", PAGE, re.MULTILINE) == declared


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.qualified_name)
def test_page_section_has_one_row_of_five_cells_per_column(table):
    lines = [line for line in section(table).splitlines() if line.startswith("|")]

    assert {line.count("|") for line in lines} == {6}  # a bar inside a cell would split it
    named = [line.split("|")[1].strip().removesuffix(" •") for line in lines[2:]]
    assert named == list(table.column_names)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.qualified_name)
def test_page_section_marks_exactly_the_key(table):
    assert set(re.findall(r"^\| (\w+) •", section(table), re.MULTILINE)) == set(table.key)


def test_page_of_a_table_shows_checks_nulls_privacy_and_units():
    table = Table(
        layer=Layer.GOLD,
        name="waits",
        comment="One wait.",
        columns=(
            Column("student_key", "string", "who", privacy=Privacy.PSEUDONYM),
            Column("wait_ms", "bigint", "how long", nullable=True, unit="ms"),
        ),
        key=("student_key",),
        checks=(Check("positive", "wait_ms > 0"),),
    )

    shown = page((table,))

    assert "Every row obeys: `wait_ms > 0`." in shown
    assert "| student_key • | string |  | pseudonym | who |" in shown
    assert "| wait_ms | bigint | yes |  | how long [ms] |" in shown


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.qualified_name)
def test_page_section_names_the_tasks_that_write_and_read(table):
    told = section(table)
    writers, readers = (
        set(re.findall(r"`(\w+)`", "".join(re.findall(rf"\b{does} by ([^.]+)\.", told))))
        for does in ("Written", "Read")
    )

    assert writers == {each.name for each in TASKS.values() if table in each.writes}
    reading = {each.name for each in TASKS.values() if table in (*each.reads, *each.remembers)}
    assert readers == reading - writers


def test_breakpoints_in_the_development_guide_lie_on_statements():
    guide = (REPOSITORY / "docs" / "development.md").read_text()
    places = set(re.findall(r"'b (\S+\.py):(\d+)'", guide))

    assert places
    for name, number in places:
        tree = ast.parse((REPOSITORY / "src" / name).read_text())  # found from the import path
        inside = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        lines = {
            each.lineno for node in inside for each in ast.walk(node) if hasattr(each, "lineno")
        }
        assert int(number) in lines, f"{name}:{number}"
