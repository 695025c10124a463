"""Every query of every dashboard, data source and alert, as checked in, over a demo lake."""

import json
import re

import pytest
import yaml

from conftest import REPOSITORY
from deepkt_irt.cli import main
from deepkt_irt.dashboards.checks import wrong_types
from deepkt_irt.dashboards.connecting import sources
from deepkt_irt.settings import Settings
from deepkt_irt.tables.registry import views
from deepkt_irt.tables.store import TableStore
from looking import counters_of, marts_of, type_in

pytestmark = [pytest.mark.spark, pytest.mark.nightly]

NAMES = {view.name for view in views(Settings())}
DASHBOARDS = sorted((REPOSITORY / "dashboards" / "ai_bi").glob("*.lvdash.json"))
_QUALIFIED = re.compile(r"`\$\{var\.catalog\}`\.`\$\{resources\.schemas\.gold\.name\}`\.")


def queries():
    """SQL by where it is checked in."""
    found = {}
    for path in DASHBOARDS:
        for dataset in json.loads(path.read_text("utf-8"))["datasets"]:
            found[f"{path.stem} {dataset['name']}"] = "".join(dataset["queryLines"])
    alerts = yaml.safe_load((REPOSITORY / "resources" / "monitoring.alerts.yml").read_text("utf-8"))
    for name, alert in alerts["resources"]["alerts"].items():
        found[f"alert {name}"] = _QUALIFIED.sub("", alert["query_text"])
    for name, query in sources().items():
        found[f"source {name}"] = query.format(**{view: view for view in NAMES})
    return found


@pytest.fixture(scope="module")
def marts(spark, demo_lake):
    found = marts_of(TableStore(spark, lake=demo_lake).read)
    for name, mart in found.items():
        mart.createOrReplaceTempView(name)
    return found


@pytest.mark.parametrize("where", queries())
def test_a_query_runs_and_gives_rows(spark, marts, where):
    rows = spark.sql(queries()[where]).collect()

    empty = ("spending", "requests", "alert token_spend", "alert abstained", "alert auc_drop",
             "alert ece_rise", "teaching needing", "items flagged", "alert drifting",
             "llm_usage")  # fmt: skip
    assert rows or any(each in where for each in empty), "a demo has something to show here"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_field_exists_with_the_right_type(marts, path):
    assert list(wrong_types(json.loads(path.read_text("utf-8")), type_in(marts))) == []


def test_keys_of_views_are_keys(marts):
    for view in views(Settings()):
        rows = marts[view.name]
        assert rows.count() == rows.select(*view.key).distinct().count(), view.name


@pytest.fixture
def told(demo_lake, capsys):
    """What `deepkt status --json` says; it ends with 1 if something needs a look."""
    code = 0
    try:
        main(["status", "--lake", str(demo_lake), "--json"])
    except SystemExit as ended:
        code = ended.code
    found = json.loads(capsys.readouterr().out)
    assert code == (0 if found["ok"] else 1)
    return found["figures"]


def test_status_says_what_dashboards_count(spark, marts, told):
    counted = {
        name: spark.sql(query).collect()[0]["value"]
        for path in DASHBOARDS
        for name, query in counters_of(json.loads(path.read_text("utf-8")))
    }
    assert counted == pytest.approx(told)


def tile(page, section, label):
    """The figure of a tile of a section of the report."""
    text = page.split(f'<section id="{section}"')[1].split("</section>")[0]
    (found,) = re.findall(rf"<b>([\d,]+)</b>\s*<span>{re.escape(label)}</span>", text)
    return float(found.replace(",", ""))


def test_report_shows_what_status_says(told, demo_lake):
    page = (demo_lake / "report.html").read_text("utf-8")

    assert tile(page, "data", "students") == told["students"]
    assert tile(page, "attention", "\N{BLACK SQUARE} act") == told["items_to_mend"]
    assert tile(page, "attention", "\N{BLACK UP-POINTING TRIANGLE} watch") == told["items_to_watch"]
    champion = page.split("sakt (champion)")[1].split("</tr>")[0]
    shown = [float(each) for each in re.findall(r">(0\.\d{3})<", champion)]
    assert (shown[0], shown[-1]) == (round(told["auc"], 3), round(told["ece"], 3))
