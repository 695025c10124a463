"""Tableau's files are sound, and what could be wrong with one is found."""

import pytest

from conftest import REPOSITORY
from deepkt_irt.dashboards import tableau, tableau_checks
from deepkt_irt.dashboards.connecting import marts
from deepkt_irt.dashboards.writing import files

FILES = {
    path.removeprefix(f"{tableau.FOLDER}/"): text
    for path, text in files().items()
    if path.startswith(tableau.FOLDER)
}
RUNS, BOOK = "operations.tds", "deepkt.twb"
HELP = "federated.student_today"


def _problems(files) -> list[str]:
    return list(tableau_checks.problems(files, marts()))


def test_nothing_is_wrong_with_what_is_checked_in():
    folder = REPOSITORY / tableau.FOLDER
    found = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert found.keys() == FILES.keys()
    assert _problems(found) == []


PLANTED = {
    "a column is gone":
        (RUNS, 'name="[seconds]"', 'name="[secs]"',
         "column operations.seconds: the data source does not have it"),
    "a column has another type":
        (RUNS, 'datatype="real" name="[seconds]"', 'datatype="string" name="[seconds]"',
         "column operations.seconds: double is real, not string"),
    "a text is a measure":
        (RUNS, 'name="[outcome]" role="dimension"', 'name="[outcome]" role="measure"',
         "column operations.outcome: it is a dimension"),
    "a column says something else than its contract":
        (RUNS, "<run>succeeded or failed</run>", "<run>how it ended</run>",
         "column operations.outcome: its description is not the contract's"),
    "another view is asked":
        (RUNS, "[deepkt].[gold].[operations]", "[deepkt].[gold].[runs]",
         "data source operations: it asks [deepkt].[gold].[runs]"),
    "the connection is of another kind":
        (RUNS, 'class="databricks"', 'class="spark"', "data source operations: it connects by"),
    "a password is stored":
        (RUNS, 'authentication="oauth"', 'authentication="auth-pass" password="x"',
         "data source operations: each person signs in alone"),
    "a formula names no column":
        (RUNS, "IF [has_failed] THEN 0.0", "IF [failed] THEN 0.0",
         "figure Task runs that succeeded: there is no column [failed]"),
    "a formula says something else than its SQL":
        (RUNS, "THEN 0.0 ELSE 1.0", "THEN 1.0 ELSE 0.0",
         "figure Task runs that succeeded: its formula is not the one"),
    "a shared figure is gone":
        (RUNS, 'name="[figure_tasks_failed]"', 'name="[tasks]"',
         "figure Tasks that failed when last run: operations does not have it"),
    "a sheet needs no column":
        (BOOK, 'caption="Mastery" datatype="real" default-format="p0.0%" name="[mastery]"',
         'caption="Mastery" datatype="real" default-format="p0.0%" name="[mastered]"',
         "sheet Who needs help, and on what: federated.student_today has no column [mastery]"),
    "a sheet takes what it does not declare":
        (BOOK, 'column="[next_item]" derivation', 'column="[next]" derivation',
         "sheet Who needs help, and on what: it takes [next], which it does not declare"),
    "a field is taken otherwise than its name says":
        (BOOK, 'derivation="Avg" name="[avg:mastery:qk]"',
         'derivation="Sum" name="[avg:mastery:qk]"', "[avg:mastery:qk] is not Sum of [mastery]"),
    "a shelf has no such field":
        (BOOK, f"([{HELP}].[none:class:nk] /", f"([{HELP}].[none:school:nk] /",
         f"it does not say what {HELP}.[none:school:nk] is"),
    "a mark shows no such field":
        (BOOK, f'<text column="[{HELP}].[avg:mastery:qk]"',
         f'<text column="[{HELP}].[avg:skill:qk]"', f"what {HELP}.[avg:skill:qk] is"),
    "a sheet is sorted by what it does not take":
        (BOOK, f'using="[{HELP}].[avg:n_signs:qk]"', f'using="[{HELP}].[sum:n_signs:qk]"',
         f"it does not say what {HELP}.[sum:n_signs:qk] is"),
    "a sheet is to be read from the top and is not sorted":
        (BOOK, "<computed-sort", "<natural-sort",
         "sheet Who needs help, and on what: its words speak of an order, and it has none"),
    "a sheet asks no data source":
        (BOOK, f'<datasource-dependencies datasource="{HELP}">',
         '<datasource-dependencies datasource="federated.today">',
         "there is no data source federated.today"),
    "a window shows no sheet":
        (BOOK, '<window class="worksheet" name="Items by status"',
         '<window class="worksheet" name="Items"',
         "sheet Items by status: each sheet has a window"),
    "the workbook asks another view":
        (BOOK, 'table="[deepkt].[gold].[llm_usage]"', 'table="[deepkt].[gold].[usage]"',
         "data source llm_usage: it asks [deepkt].[gold].[llm_usage], [deepkt].[gold].[usage]"),
    "the workbook is of another release":
        (BOOK, "<ManifestByVersion />", "", "workbook: it is written for release 26.1"),
    "a file is cut off": (RUNS, "</datasource>", "", "operations.tds: no XML"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", PLANTED)
def test_planted_mistakes_are_found(mistake):
    path, old, new, says = PLANTED[mistake]
    assert old in FILES[path], f"{path} has no {old}"
    found = _problems({**FILES, path: FILES[path].replace(old, new, 1)})
    assert any(says in each for each in found), found


def test_a_mart_without_a_data_source_is_found():
    lacking = {path: text for path, text in FILES.items() if path != RUNS}
    assert "operations.tds: there is no data source for the view" in _problems(lacking)
