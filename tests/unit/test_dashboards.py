"""AI/BI dashboards and alerts as files: what is checked in is what is made, and holds together."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from conftest import REPOSITORY
from deepkt_irt.dashboards.ai_bi import DASHBOARDS
from deepkt_irt.dashboards.alerts import alerts
from deepkt_irt.dashboards.checks import problems
from deepkt_irt.dashboards.formulas import model_measures
from deepkt_irt.dashboards.measures import MEASURES, Unit, measure, written
from deepkt_irt.dashboards.writing import files, main
from deepkt_irt.reporting.status import Status, as_json, render_text
from deepkt_irt.settings import Settings
from deepkt_irt.tables.registry import views

FILES = files()
TEACHING = json.loads(FILES["dashboards/ai_bi/teaching.lvdash.json"])
ALERTS = alerts(Settings().alerts)


@pytest.mark.parametrize("path", FILES)
def test_what_is_checked_in_is_what_is_made(path):
    assert (REPOSITORY / path).read_text("utf-8") == FILES[path], "run make docs"


def test_check_names_what_is_out_of_date_and_writing_mends_it(tmp_path, monkeypatch, capsys):
    assert main(tmp_path) == 0
    stale = next(iter(FILES))
    (tmp_path / stale).write_text("{}")
    monkeypatch.setattr("sys.argv", ["writing", "--check"])

    assert main(tmp_path) == 1
    assert capsys.readouterr().err == f"{stale} is out of date: run make docs\n"


@pytest.mark.parametrize("path", [path for path in FILES if path.endswith(".lvdash.json")])
def test_dashboards_hold_together(path):
    assert list(problems(json.loads(FILES[path]))) == []


def layout(document):
    return document["pages"][0]["layout"]


def table(document):
    return layout(document)[-1]["widget"]


def encoded(document):
    return table(document)["spec"]["encodings"]["columns"][0]


def counter(document):
    return layout(document)[1]["widget"]


MISTAKES = {
    "no query gives klass": lambda d: encoded(d).update(fieldName="klass"),
    "there is no dataset nobody": lambda d: table(d)["queries"][0]["query"].update(
        datasetName="nobody"
    ),
    "table is written in version 2, not 3": lambda d: table(d)["spec"].update(version=3),
    "pie is written in version None": lambda d: table(d)["spec"].update(widgetType="pie"),
    "it leaves the 12 columns": lambda d: layout(d)[-1]["position"].update(x=6),
    "it lies on": lambda d: layout(d)[-1]["position"].update(y=1),
    "there are several of that name": lambda d: layout(d)[2]["widget"].update(
        name=counter(d)["name"]
    ),
    "no SQL": lambda d: d["datasets"][0].update(queryLines=["SELECT FROM WHERE"]),
    "no widget asks it": lambda d: d["datasets"].append(
        {"name": "idle", "displayName": "", "queryLines": ["SELECT 1"]}
    ),
    "a counter needs value": lambda d: counter(d)["spec"]["encodings"].pop("value"),
    "a page is a PAGE_TYPE_CANVAS on GRID_V1": lambda d: d["pages"][0].pop("layoutVersion"),
    "there is no query main": lambda d: [
        each.update(queryName="main")
        for item in layout(d)
        if item["widget"].get("spec", {}).get("widgetType") == "filter-multi-select"
        for each in item["widget"]["spec"]["encodings"]["fields"]
    ],
}


def widget_of(document, name):
    return next(item["widget"] for page in document["pages"] for item in page["layout"]
                if item["widget"]["name"] == name)  # fmt: skip


def dataset_of(document, name):
    return next(each for each in document["datasets"] if each["name"] == name)


def test_a_figure_that_a_filter_of_its_page_leaves_alone_is_found():
    document = deepcopy(TEACHING)
    filtered = widget_of(document, "today_class")
    filtered["queries"] = filtered["queries"][1:]

    assert "widget counter_students: a filter of its page does not narrow it" in problems(document)


def test_a_measure_that_no_dataset_has_is_found():
    document = deepcopy(TEACHING)
    dataset_of(document, "students")["columns"].pop(0)

    (found,) = problems(document)

    assert found == "widget counter_students: dataset students has no measure Students"


def test_a_measure_that_is_no_sql_is_found():
    document = deepcopy(TEACHING)
    dataset_of(document, "students")["columns"][0]["expression"] = "count(DISTINCT"

    assert any("dataset students, measure Students: no SQL" in each for each in problems(document))


def test_measures_over_rows_are_those_of_the_figures_and_their_rows_have_what_they_speak_of():
    rows = dataset_of(TEACHING, "students")

    assert {each["displayName"]: each["expression"] for each in rows["columns"]} == {
        each.title: each.expression for each in MEASURES if each.mart == "student_today"
    }
    assert "".join(rows["queryLines"]).split("\n")[0] == (
        "SELECT class, student_key, needs_help, next_item_id"
    )


def test_sums_over_classes_say_that_a_student_of_two_counts_in_each():
    sums = [
        widget
        for item in TEACHING["pages"][1]["layout"]
        if "SUM(" in str((widget := item["widget"])["queries"])
    ]
    assert {each["name"] for each in sums} == {"behind", "falling"}
    for each in sums:
        assert "a student of two classes counts in each" in each["spec"]["frame"]["description"]
    for each in model_measures():
        if "SUM('class_skill_mastery'[n_" in each.dax and each.unit is Unit.COUNT:
            assert "a student of two classes in each" in each.description


def test_one_class_is_chosen_where_students_would_count_twice():
    assert widget_of(TEACHING, "classes_class")["spec"]["widgetType"] == "filter-single-select"
    (query,) = widget_of(TEACHING, "classes_class")["queries"]
    assert query["query"]["disaggregated"] is False


def test_a_measure_that_is_not_aggregated_is_found():
    document = deepcopy(TEACHING)
    assert counter(document)["queries"][0]["query"]["disaggregated"] is False

    counter(document)["queries"][0]["query"]["disaggregated"] = True

    assert "widget counter_students: a measure is aggregated over rows" in problems(document)


OUT_OF_ORDER = {
    "widget behind: its words speak of an order, and its values are in none": (
        "teaching",
        lambda d: widget_of(d, "behind")["spec"]["encodings"]["y"]["scale"].pop("sort"),
    ),
    "widget last: its words speak of an order, and its query has none": (
        "operations",
        lambda d: dataset_of(d, "last_runs").update(queryLines=["SELECT 1"]),
    ),
}


@pytest.mark.parametrize("said", OUT_OF_ORDER)
def test_what_speaks_of_an_order_and_has_none_is_found(said):
    name, mistake = OUT_OF_ORDER[said]
    document = json.loads(FILES[f"dashboards/ai_bi/{name}.lvdash.json"])
    mistake(document)

    assert said in problems(document)


def test_bars_stand_by_the_axis_that_has_the_values():
    for name, widget, by in (
        ("teaching", "behind", "x-reversed"),  # most students topmost
        ("operations", "rates", "x"),  # the least success topmost
    ):
        document = json.loads(FILES[f"dashboards/ai_bi/{name}.lvdash.json"])
        encoded = widget_of(document, widget)["spec"]["encodings"]
        assert encoded["y"]["scale"] == {"type": "categorical", "sort": {"by": by}}
        assert "sort" not in encoded["x"]["scale"]


@pytest.mark.parametrize("said", MISTAKES)
def test_planted_mistakes_are_found(said):
    document = deepcopy(TEACHING)
    MISTAKES[said](document)

    found = list(problems(document))

    assert any(said in each for each in found), found


def places_of(documents):
    """Decimals by the title of the number, of every field that is written in a format."""
    found = {}
    for document in documents:
        for page in document["pages"]:
            for item in page["layout"]:
                encodings = item["widget"].get("spec", {}).get("encodings", {}).values()
                for each in (e for part in encodings for e in (part if isinstance(part, list)
                                                               else [part])):  # fmt: skip
                    if "format" in each:
                        places = each["format"]["decimalPlaces"]["places"]
                        found.setdefault(each["displayName"], set()).add(places)
    return found


def test_numbers_have_the_decimals_of_their_kind():
    made = (json.loads(text) for path, text in FILES.items() if path.endswith(".lvdash.json"))

    places = places_of(made)

    assert places["Cost"] == places["Cost of language models"] == {2}
    assert places["AUC"] == places["AUC of next answers"] == places["ECE"] == {3}
    assert places["Seconds"] == places["Hours ago"] == {1}
    assert places["Mastery"] == places["Their calibration error"] == {1}


def test_every_measure_is_on_a_dashboard_and_asks_a_view():
    names = {view.name for view in views(Settings())}
    shown = {widget.name for each in DASHBOARDS for widget in each.widgets}
    assert {f"counter_{each.name}" for each in MEASURES} <= shown
    assert {each.mart for each in (*MEASURES, *ALERTS)} <= names


def test_alerts_of_the_bundle_ask_the_views_of_their_target():
    resources = yaml.safe_load(FILES["resources/monitoring.alerts.yml"])["resources"]["alerts"]
    assert resources.keys() == {alert.name for alert in ALERTS}
    for alert in ALERTS:
        found = resources[alert.name]
        where = "`${var.catalog}`.`${resources.schemas.gold.name}`." + alert.mart
        assert where in found["query_text"]
        assert found["evaluation"]["threshold"]["value"]["double_value"] == alert.threshold


def test_each_alert_has_its_meaning_first_look_and_remedy():
    page = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
    for alert in ALERTS:
        assert f"\n### {alert.title}\n" in page, alert.title
        section = page.split(f"\n### {alert.title}\n")[1].split("\n#")[0]
        for part in ("**Meaning.**", "**First look.**", "**Remedy.**"):
            assert part in section, f"{alert.title}: {part}"


STATUS = Status(
    at="2026-03-09 12:00 UTC",
    figures=((measure("students"), 301.0), (measure("auc"), None)),
    alerts=tuple(
        (alert, {"late_run": 40.0, "failed_task": 0.0}.get(alert.name)) for alert in ALERTS
    ),
)


def test_status_tells_what_needs_a_look_first():
    lines = render_text(STATUS).splitlines()

    assert lines[0] == "At 2026-03-09 12:00 UTC. One thing needs a look:"
    assert lines[1].split(maxsplit=1)[0] == "!"
    assert "40.0 h (hours since it ended well; more than 30.0 h is too much)" in lines[1]
    assert any(line.split() == ["Students", "301"] for line in lines)
    assert any("AUC of next answers" in line and line.endswith("not known") for line in lines)
    assert lines[-1] == "What to do: docs/operations.md."


def test_status_for_machines_keeps_what_is_not_known():
    found = as_json(STATUS)

    assert found["ok"] is False
    assert found["figures"] == {"students": 301.0, "auc": None}
    late = next(each for each in found["alerts"] if each["name"] == "late_run")
    assert late == {"name": "late_run", "fires": True, "value": 40.0, "threshold": 30.0}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1234.0, Unit.COUNT, "1,234"),
        (0.0512, Unit.SHARE, "5.1%"),
        (3.5, Unit.USD, "$3.50"),
        (31.25, Unit.HOURS, "31.2 h"),
        (0.7512, Unit.FIGURE, "0.751"),
        (None, Unit.COUNT, "not known"),
    ],
)
def test_figures_are_written_by_their_unit(value, unit, text):
    assert written(value, unit) == text


def test_files_lie_where_the_bundle_looks():
    resources = yaml.safe_load(FILES["resources/looking.dashboards.yml"])["resources"]
    for each in resources["dashboards"].values():
        assert Path("resources", each["file_path"]).resolve().relative_to(Path().resolve())
        assert str(Path(each["file_path"][3:])) in FILES
