"""The cost is its quantities times its prices, rests on the bundle as it is, and can be changed."""

import json
import re
from itertools import pairwise

import pytest
import typer
import yaml
from typer.testing import CliRunner

from conftest import REPOSITORY
from deepkt_irt.azure.commands import COMMANDS
from deepkt_irt.azure.cost import estimate as cost
from deepkt_irt.azure.cost.assumptions import SIZES, Assumptions, assumptions_of
from deepkt_irt.azure.cost.page import EXPECTED, TOTAL, amount, dollars
from deepkt_irt.azure.cost.prices import FILE, Prices, read_prices
from deepkt_irt.errors import BadFile, UsageError

PRICES = read_prices()
PRICE_FILE = REPOSITORY / "src" / "deepkt_irt" / "azure" / "cost" / FILE
PAGE = REPOSITORY / "docs" / "cost.md"
BEGIN = "Below this line: made by `deepkt cost --markdown`, do not edit.\n\n"
PIPELINES = REPOSITORY / "infra" / "bicep" / "adf" / "pipelines"

app = typer.Typer()
app.callback()(lambda: None)  # else a single command has no name
for each in COMMANDS:
    app.command()(each)


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["cost", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def total(size: str = "medium", **changes) -> float:
    return cost.estimate(assumptions_of(size, changes), PRICES).total


def lines(size: str = "medium", **changes) -> dict[tuple[str, str], cost.Line]:
    found = cost.estimate(assumptions_of(size, changes), PRICES).lines
    return {(line.resource, line.item): line for line in found}


@pytest.mark.parametrize("size", SIZES)
def test_estimate_total_is_the_sum_of_resources_and_of_lines(size):
    found = cost.estimate(SIZES[size], PRICES)

    assert found.total == pytest.approx(sum(found.by_resource.values()))
    assert found.total == pytest.approx(sum(line.quantity * line.price for line in found.lines))
    assert list(found.by_resource) == list(cost.RESOURCES)


@pytest.mark.parametrize("size", SIZES)
def test_estimate_is_finite_and_no_line_is_negative(size):
    assert all(0 <= line.dollars < 1e6 for line in cost.estimate(SIZES[size], PRICES).lines)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "name", ["students", "responses_per_student_day", "history_days", "warehouse_hours_day"]
)
def test_more_of_it_never_costs_less_on_any_line(size, name):
    value = getattr(SIZES[size], name)
    amounts = [lines(size, **{name: value * factor}) for factor in (0, 0.5, 1, 1.1, 2.5)]

    for less, more in pairwise(amounts):
        assert [key for key in less if less[key].dollars > more[key].dollars] == []


def test_sizes_grow():
    totals = [cost.estimate(each, PRICES).total for each in SIZES.values()]

    assert totals == sorted(totals)
    assert len(set(totals)) == 3


def test_no_explanations_use_no_chat_tokens():
    found = lines(explained_share_night=0)

    assert found["Azure OpenAI", "chat, input"].quantity == 0
    assert found["Azure OpenAI", "chat, output"].dollars == 0
    assert found["Azure OpenAI", "embeddings"].quantity > 0


def test_chat_tokens_worked_out_by_hand():
    found = lines(students=1_000, explained_share_night=0.5, school_days_month=20, input_tokens=900)

    assert found["Azure OpenAI", "chat, input"].quantity == pytest.approx(9)  # millions
    assert found["Azure OpenAI", "chat, input"].dollars == pytest.approx(9 * 0.75)


def test_batches_cost_half():
    key = ("Azure OpenAI", "chat, output")

    assert lines(batch_share=1)[key].dollars == pytest.approx(lines()[key].dollars / 2)


def test_gpu_hours_worked_out_by_hand():
    changes = {"students": 1_000, "responses_per_student_day": 10, "history_days": 100}
    found = lines(**changes, epochs=10, epoch_seconds_million=36, gpu_start_hours=0.1)

    hours = 4.35 * (0.1 + 0.1)  # a million responses: 10 x 36 s
    assert found["GPU training", "GPU node, machine"].quantity == pytest.approx(hours)
    assert lines(training_speedup=2)["GPU training", "GPU node, machine"].quantity < (
        lines()["GPU training", "GPU node, machine"].quantity
    )


def test_warehouse_worked_out_by_hand():
    found = lines(
        warehouse_hours_day=3, school_days_month=20, warehouse_clusters=1, alert_hours_day=0
    )

    assert found["Databricks", "SQL warehouse"].dollars == pytest.approx(20 * 3 * 4 * 0.70)


def test_alerts_keep_the_warehouse_awake_every_day():
    found = lines(warehouse_hours_day=0, alert_hours_day=0.5)

    assert found["Databricks", "SQL warehouse"].dollars == pytest.approx(730 / 24 * 0.5 * 4 * 0.70)


def test_hours_of_alerts_fit_their_schedule_and_the_warehouse():
    resources = REPOSITORY / "resources"
    monitoring, queries = (
        yaml.safe_load((resources / name).read_text())["resources"]
        for name in ("monitoring.alerts.yml", "queries.sql_warehouses.yml")
    )
    stops_after = queries["sql_warehouses"]["queries"]["auto_stop_mins"]
    schedules = [each["schedule"] for each in monitoring["alerts"].values()]
    (cron,) = {each["quartz_cron_schedule"] for each in schedules}
    times = len(cron.split()[2].split(","))

    assert "*" not in cron.split()[2]
    assert times * stops_after < SIZES["medium"].alert_hours_day * 60 <= times * (stops_after + 5)


def test_data_factory_waits_as_long_as_the_jobs_run():
    assumed = SIZES["medium"]
    waits = lines()["Data Factory", "waiting for jobs"].quantity

    daily, weekly = cost.daily_run_hours(assumed), cost.weekly_run_hours(assumed)
    serving = cost.serving_run_hours(assumed)
    assert waits == pytest.approx(30.4 * daily + 4.35 * weekly + 4.35 * serving)


def test_serving_worked_out_by_hand_costs_the_same_however_many_responses_are_kept():
    changes = {"serving_runs_month": 5, "serving_serverless_tasks": 2, "dbu_per_task": 0.5}
    key = ("Databricks", "serverless tasks, serving")

    assert lines(**changes)[key].quantity == pytest.approx(5)
    assert lines("large", **changes)[key].dollars == pytest.approx(5 * 0.45)


def test_copies_of_self_hosted_sources_use_no_integration_units():
    found = lines(sources=2, self_hosted_sources=2)

    assert found["Data Factory", "copies"].quantity == 0
    assert found["Data Factory", "copies, self-hosted"].quantity > 0


def test_landed_files_all_lie_somewhere():
    for hot_days in (0, 30, 10_000):
        found = lines(hot_days=hot_days)
        gb = found["ADLS", "landed files, hot"].quantity + (
            found["ADLS", "landed files, cool"].quantity
        )
        assert gb == pytest.approx(10_000 * 10 * 360 * 150 / 1e9)


def test_public_pays_for_no_private_endpoint():
    found = cost.estimate(assumptions_of("small", {"private": False}), PRICES)

    assert found.by_resource["Private endpoints"] == 0
    assert found.by_resource["NAT gateway"] > 0  # the nodes have no public address either way


def test_notes_name_what_the_jobs_would_stop():
    assert cost.estimate(assumptions_of("small", {}), PRICES).notes == ()
    assert "train for 30 h" in cost.estimate(SIZES["large"], PRICES).notes[0]
    slow = assumptions_of("small", {"ingest_hours": 5})
    assert "daily run takes" in cost.estimate(slow, PRICES).notes[0]


@pytest.mark.parametrize("name", [n for n in Assumptions.model_fields if n != "private"])
def test_assumptions_refuse_negative_values(name):
    with pytest.raises(UsageError, match=name):
        assumptions_of("small", {name: "-1"})


@pytest.mark.parametrize("value", ["many", "inf", "nan", ""])
def test_assumptions_refuse_what_is_no_number(value):
    with pytest.raises(UsageError, match="students"):
        assumptions_of("small", {"students": value})


def test_assumptions_refuse_an_unknown_name_and_say_the_known_ones():
    with pytest.raises(UsageError, match="'pupils'; there are students, responses_per_student_day"):
        assumptions_of("small", {"pupils": 1})


def test_assumptions_refuse_an_unknown_size_and_more_self_hosted_sources_than_sources():
    with pytest.raises(UsageError, match="there are small, medium, large"):
        assumptions_of("huge", {})
    with pytest.raises(UsageError, match=r"^self_hosted_sources=3 exceeds sources=1$"):
        assumptions_of("small", {"self_hosted_sources": 3})


def test_every_price_is_used_and_a_missing_one_is_named(tmp_path):
    text = PRICE_FILE.read_text()
    for key in PRICES.prices:
        file = tmp_path / "mine.toml"
        file.write_text(text.replace(f"[prices.{key}]", f"[prices.other_{key}]"))
        with pytest.raises(BadFile, match=rf"mine\.toml: the price {key} is missing"):
            cost.estimate(SIZES["medium"], read_prices(file))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("date = 2026", "date = ", "no TOML text"),
        ('"USD"', '"EUR"', "currency"),
        ("amount = 0.45", "amount = -1", "amount"),
        ("checked = false", "checked = 'perhaps'", "checked"),
        ("checked = false", "seen = false", "seen|checked"),
        ("currency", "money", "money|currency"),
    ],
)
def test_read_prices_refuses_a_file_of_another_form(tmp_path, old, new, problem):
    text = PRICE_FILE.read_text()
    assert old in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace(old, new))

    with pytest.raises(BadFile, match=rf"mine\.toml: .*({problem})"):
        read_prices(file)


def test_read_prices_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadFile, match=r"none\.toml: it cannot be read"):
        read_prices(tmp_path / "none.toml")


def test_prices_that_nobody_checked_are_counted():
    some = dict(list(PRICES.prices.items())[:2])
    first = next(iter(some))
    some[first] = some[first].model_copy(update={"checked": True})

    assert len(Prices(**{**PRICES.model_dump(), "prices": some}).unchecked) == 1
    assert f"{len(PRICES.unchecked)} of the {len(PRICES.prices)}" in shown("--markdown")


def job(name: str) -> dict:
    text = (REPOSITORY / "resources" / f"{name}.job.yml").read_text()
    return yaml.safe_load(text)["resources"]["jobs"][name]


def test_assumptions_fit_the_jobs_of_the_bundle():
    daily, weekly, serving = map(job, ("daily_ingestion", "weekly_training", "model_serving"))
    serverless = [
        [task for task in each["tasks"] if "environment_key" in task]
        for each in (daily, weekly, serving)
    ]
    (training,) = [t for t in weekly["tasks"] if t.get("job_cluster_key") == "gpu"]

    assumed = SIZES["medium"]
    assert assumed.daily_serverless_tasks == len(serverless[0])
    assert assumed.weekly_serverless_tasks == len(serverless[1])
    assert assumed.serving_serverless_tasks == len(serverless[2])
    assert training["timeout_seconds"] == cost.TRAINING_HOURS_MOST * 3600
    assert daily["timeout_seconds"] == cost.DAILY_HOURS_MOST * 3600


def test_prices_name_the_sizes_of_the_bundle():
    variables = yaml.safe_load((REPOSITORY / "databricks.yml").read_text())["variables"]
    sources = {key: price.source for key, price in PRICES.prices.items()}

    for variable, key in (
        ("ingest_node_type", "ingest_node_vm"),
        ("ingest_node_type", "ingest_node_dbu"),
        ("gpu_node_type", "gpu_node_vm"),
        ("gpu_node_type", "gpu_node_dbu"),
        ("warehouse_size", "warehouse_dbu"),
    ):
        assert variables[variable]["default"] in sources[key]
    template = (REPOSITORY / "infra" / "bicep" / "main.bicep").read_text()
    for parameter, key in (("embeddingModel", "embedding"), ("chatModel", "chat_input")):
        (model,) = re.findall(rf"^param {parameter} string = '(.+)'$", template, re.MULTILINE)
        assert model in sources[key]


def counted(activities: list[dict], kinds: set[str] | None = None) -> int:
    """Activity runs of a run that goes well, on its longest way; all kinds, or some."""
    n = 0
    for activity in activities:
        inner = activity.get("typeProperties", {})
        branches = [inner.get("ifTrueActivities", []), inner.get("ifFalseActivities", [])]
        branches += [case["activities"] for case in inner.get("cases", [])]
        n += activity["type"] != "Fail" and (kinds is None or activity["type"] in kinds)
        n += max(counted(branch, kinds) for branch in branches)
    return n


def test_assumptions_fit_the_activities_of_the_factory():
    (daily, weekly, serving) = (
        json.loads((PIPELINES / f"{name}.json").read_text())["properties"]["activities"]
        for name in ("daily_ingestion", "weekly_training", "model_serving")
    )
    (loop,) = [each for each in daily if each["type"] == "ForEach"]
    of_source = loop["typeProperties"]["activities"]

    assumed = SIZES["medium"]
    assert assumed.activities_run == counted(daily)
    assert assumed.activities_source == counted(of_source)
    looking = counted(of_source, {"GetMetadata", "Lookup", "WebActivity"})
    assert assumed.activity_minutes_source == looking
    assert counted(weekly) == counted(serving) == 1


def test_cost_page_is_what_the_command_prints():
    by_hand, begin, generated = PAGE.read_text().partition(BEGIN)

    assert begin
    assert generated == shown("--markdown"), "print it again below the line in docs/cost.md"
    for name in Assumptions.model_fields:
        assert f"| `{name}` |" in generated
    assert "deepkt cost" in by_hand


def test_cost_table_has_a_row_for_each_resource_beside_what_was_expected():
    table = shown()

    assert [row for row in (*cost.RESOURCES, TOTAL) if f"\n{row} " not in table] == []
    assert "$500-2,000" in table
    assert "$1,100-3,850" in table
    head, *body = table.splitlines()[: len(cost.RESOURCES) + 2]
    ends = head.index("small") + len("small")
    assert {(row[ends - 1].isdigit(), row[ends]) for row in body} == {(True, " ")}


def test_cost_of_one_size_shows_every_line_and_takes_changes():
    before, after = shown("--size", "medium"), shown("--size", "medium", "--set", "students=20000")

    assert len(before.splitlines()) == 2 + len(cost.estimate(SIZES["medium"], PRICES).lines)
    assert f"{total(students=20_000):,.0f}" in after
    assert before != after


def test_cost_json_is_not_rounded_and_holds_what_it_rests_on():
    data = json.loads(shown("--size", "small", "--json", "--public"))["sizes"]

    assert list(data) == ["small"]
    assert data["small"]["total"] == pytest.approx(total("small", private=False))
    assert data["small"]["assumptions"]["private"] is False
    assert sum(line["dollars"] for line in data["small"]["lines"]) == data["small"]["total"]


def test_cost_takes_prices_from_a_file(tmp_path):
    file = tmp_path / "dear.toml"
    file.write_text(PRICE_FILE.read_text().replace("amount = 0.7\n", "amount = 70\n"))

    dear = json.loads(shown("--json", "--prices", str(file)))["sizes"]["small"]["total"]

    assert dear == pytest.approx(total("small") + (160 + 730 / 24 * 0.6 * 4) * (70 - 0.7))


@pytest.mark.parametrize("text", ["students", "=5", ""])
def test_cost_refuses_a_change_that_is_no_assignment(text):
    with pytest.raises(UsageError, match="write it as name=value"):
        shown("--set", text)


def test_cost_prints_for_people_or_for_machines():
    with pytest.raises(UsageError, match="exclude each other"):
        shown("--json", "--markdown")


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.00"), (9.99, "9.99"), (9.996, "10"), (1234.5, "1,234")]
)
def test_dollars_are_rounded_sensibly(value, text):
    assert dollars(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.0304, "0.0304"), (99.97, "100"), (10220, "10,220")]
)
def test_amounts_are_rounded_sensibly(value, text):
    assert amount(value) == text


def test_expected_places_an_amount():
    lake = EXPECTED["ADLS"]

    assert [lake.place(each) for each in (19, 20, 50, 51)] == ["below", "within", "within", "above"]
    assert set(EXPECTED) <= {*cost.RESOURCES, TOTAL}
