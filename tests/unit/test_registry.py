"""Tasks, files, console scripts and tables belong together."""

import importlib
import tomllib
from collections import Counter

import pytest

from conftest import REPOSITORY
from deepkt_irt.jobs import entry_points
from deepkt_irt.jobs.pipeline import LOCAL_ORDER, TASKS
from deepkt_irt.tables.contract import Layer
from deepkt_irt.tables.gold import MODEL_EVALUATIONS
from deepkt_irt.tables.gold_items import ITEM_PARAMETERS
from deepkt_irt.tables.ops import ERASURES, PIPELINE_RUNS, QUARANTINE, TABLE_HEALTH
from deepkt_irt.tables.registry import TABLES
from deepkt_irt.tables.silver import CLASS_TEACHERS, ERASURE_REQUESTS
from tables_page import page

SCRIPTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]


@pytest.mark.parametrize("name", sorted(TASKS))
def test_task_name_is_function_file_and_console_script(name):
    module = importlib.import_module(f"deepkt_irt.jobs.{name}")

    assert getattr(module, name) is TASKS[name].function
    assert SCRIPTS[name] == f"deepkt_irt.jobs.entry_points:{name}"
    assert entry_points.SCRIPTS[name].doc == TASKS[name].doc


def test_scripts_are_the_command_and_those_the_package_declares():
    assert set(SCRIPTS) == {"deepkt", *entry_points.SCRIPTS}
    assert set(TASKS) < set(entry_points.SCRIPTS)
    for name, each in entry_points.SCRIPTS.items():
        assert getattr(entry_points, name) is each
        assert each.doc


def test_tables_have_one_writing_task_each():
    writers = Counter(table for task in TASKS.values() for table in task.writes)

    # each of these is keyed by who wrote the row
    shared = {QUARANTINE, ITEM_PARAMETERS, MODEL_EVALUATIONS}
    assert {t for t, n in writers.items() if n > 1} == shared
    # the runner records runs, the district itself says who teaches which class, and erasures and
    # maintenance are no tasks: they would be part of every run
    by_others = {PIPELINE_RUNS, CLASS_TEACHERS, ERASURE_REQUESTS, ERASURES, TABLE_HEALTH}
    assert {t for t in TABLES if t not in writers} == by_others


def test_local_order_reads_nothing_before_it_is_written():
    written = {PIPELINE_RUNS}
    for task in LOCAL_ORDER:
        assert set(task.reads) <= written | set(task.writes), task.name
        written |= set(task.writes)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.qualified_name)
def test_table_key_columns_are_never_null(table):
    optional = {column.name for column in table.columns if column.nullable}

    assert table.key
    assert not optional & set(table.key)


def test_silver_and_gold_hold_no_source_identifier_of_a_student():
    open_tables = [t for t in TABLES if t.layer in (Layer.SILVER, Layer.GOLD)]

    assert not [t.name for t in open_tables if "student_id" in t.column_names]


def test_docs_page_of_tables_is_up_to_date():
    assert (REPOSITORY / "docs" / "tables.md").read_text() == page()
