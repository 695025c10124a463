"""What a deployment costs a month: quantities from assumptions, times prices.

One function for each resource; its docstring is the formula, and docs/cost.md shows it. Not in
it: taxes, discounts and free allowances, disks of nodes, the machine of a self-hosted runtime,
traffic that leaves Azure, and the environments besides the one that is counted.
"""

from collections.abc import Callable
from dataclasses import dataclass

from deepkt_irt.azure.cost.assumptions import MILLION, Assumptions
from deepkt_irt.azure.cost.prices import Prices

HOURS_MONTH = 730.0
LOG_DAYS_INCLUDED = 31.0
# as in resources/*.job.yml: what runs longer is stopped
TRAINING_HOURS_MOST = 10.0
DAILY_HOURS_MOST = 4.0


@dataclass(frozen=True)
class Line:
    """One kind of use in a month.

    Attributes:
        resource: What it belongs to, as "Data Factory".
        item: What is used.
        quantity: How much, in units.
        unit: Of the quantity.
        price: USD for one unit.
    """

    resource: str
    item: str
    quantity: float
    unit: str
    price: float

    @property
    def dollars(self) -> float:
        """USD a month."""
        return self.quantity * self.price


Lines = tuple[Line, ...]


@dataclass(frozen=True)
class Estimate:
    """All lines of a month, and what must be said about them."""

    lines: Lines
    notes: tuple[str, ...] = ()

    @property
    def by_resource(self) -> dict[str, float]:
        """USD a month by resource, in order."""
        sums = dict.fromkeys((line.resource for line in self.lines), 0.0)
        for line in self.lines:
            sums[line.resource] += line.dollars
        return sums

    @property
    def total(self) -> float:
        """USD a month."""
        return sum(line.dollars for line in self.lines)


def serverless_dbu(tasks: float, a: Assumptions) -> float:
    """DBU of a run's serverless tasks: tasks x dbu_per_task + million kept x dbu_per_million."""
    return tasks * a.dbu_per_task + a.kept_millions * a.dbu_per_million


def ingest_hours(a: Assumptions) -> float:
    """Hours of the ingest node in a daily run: ingest_hours, and more for what is new."""
    return a.ingest_hours + a.new_millions_day * a.ingest_hours_million


def training_hours(a: Assumptions) -> float:
    """Hours that a training works: epochs x seconds of an epoch, by the speed-up."""
    seconds = a.epochs * a.epoch_seconds_million * a.kept_millions
    return seconds / 3600 / a.training_speedup


def daily_run_hours(a: Assumptions) -> float:
    """Hours that a daily run takes, one task after the other."""
    dbu = serverless_dbu(a.daily_serverless_tasks, a)
    return ingest_hours(a) + dbu / a.serverless_dbu_hour


def weekly_run_hours(a: Assumptions) -> float:
    """Hours that a weekly run takes; calibration runs beside training, and is counted."""
    dbu = serverless_dbu(a.weekly_serverless_tasks, a)
    return a.gpu_start_hours + training_hours(a) + dbu / a.serverless_dbu_hour


def serving_dbu(a: Assumptions) -> float:
    """DBU of a run of model_serving, which reads no responses: tasks x dbu_per_task."""
    return a.serving_serverless_tasks * a.dbu_per_task


def serving_run_hours(a: Assumptions) -> float:
    """Hours that a run of model_serving takes where no champion is new."""
    return serving_dbu(a) / a.serverless_dbu_hour


def databricks(a: Assumptions, p: Prices) -> Lines:
    """Serverless tasks + ingest node + SQL warehouse + Vector Search endpoint.

    Serverless tasks: runs x (tasks x dbu_per_task + million responses kept x dbu_per_million),
    for the daily and the weekly job; for model_serving, which reads no responses, runs x tasks x
    dbu_per_task. Ingest node: daily runs x (ingest_hours + million new x ingest_hours_million),
    at the price of the machine and of its DBU. Warehouse: (school days x
    warehouse_hours_day x clusters + all days x alert_hours_day) x DBU of its size; it stops ten
    minutes after the last query, which counts as awake. Vector Search: units x 730 hours, as the
    endpoint never sleeps.
    """
    daily = a.daily_runs_month * serverless_dbu(a.daily_serverless_tasks, a)
    weekly = a.weekly_runs_month * serverless_dbu(a.weekly_serverless_tasks, a)
    serving = a.serving_runs_month * serving_dbu(a)
    hours = a.daily_runs_month * ingest_hours(a)
    awake = a.school_days_month * a.warehouse_hours_day * a.warehouse_clusters
    awake += HOURS_MONTH / 24 * a.alert_hours_day
    name = "Databricks"
    return (
        Line(name, "serverless tasks, daily", daily, "DBU", p["serverless_jobs_dbu"]),
        Line(name, "serverless tasks, weekly", weekly, "DBU", p["serverless_jobs_dbu"]),
        Line(name, "serverless tasks, serving", serving, "DBU", p["serverless_jobs_dbu"]),
        Line(name, "ingest node, machine", hours, "hour", p["ingest_node_vm"]),
        Line(name, "ingest node, DBU", hours * p["ingest_node_dbu"], "DBU", p["jobs_dbu"]),
        Line(name, "SQL warehouse", awake * p["warehouse_dbu"], "DBU", p["serverless_sql_dbu"]),
        Line(
            name,
            "Vector Search endpoint",
            a.vector_search_units * HOURS_MONTH,
            "hour",
            p["vector_search_hour"],
        ),
    )


def gpu_training(a: Assumptions, p: Prices) -> Lines:
    """Weekly runs x hours, at the price of the machine and of its DBU.

    Hours: gpu_start_hours + epochs x epoch_seconds_million x million responses kept / 3600
    / training_speedup.
    """
    hours = a.weekly_runs_month * (a.gpu_start_hours + training_hours(a))
    name = "GPU training"
    return (
        Line(name, "GPU node, machine", hours, "hour", p["gpu_node_vm"]),
        Line(name, "GPU node, DBU", hours * p["gpu_node_dbu"], "DBU", p["jobs_dbu"]),
    )


def runs(a: Assumptions) -> float:
    """Runs of the daily and the weekly job a month; model_serving touches no table."""
    return a.daily_runs_month + a.weekly_runs_month


def data_lake(a: Assumptions, p: Prices) -> Lines:
    """Bytes stored + requests.

    Hot: responses kept x table_bytes x table_versions, and landed files of hot_days. Cool: landed
    files older than that. Requests: runs of the daily and the weekly job x
    writes_per_run and x reads_per_run.
    """
    landed_gb_day = a.new_millions_day * MILLION * a.landed_bytes / 1e9
    hot_days = min(a.hot_days, a.history_days)
    landed_hot, cool = landed_gb_day * hot_days, landed_gb_day * (a.history_days - hot_days)
    writes, reads = runs(a) * a.writes_per_run / 1e4, runs(a) * a.reads_per_run / 1e4
    name = "ADLS"
    return (
        Line(name, "tables, all versions", a.table_gb * a.table_versions, "GB", p["lake_hot_gb"]),
        Line(name, "landed files, hot", landed_hot, "GB", p["lake_hot_gb"]),
        Line(name, "landed files, cool", cool, "GB", p["lake_cool_gb"]),
        Line(name, "writes", writes, "10,000", p["lake_writes"]),
        Line(name, "reads", reads, "10,000", p["lake_reads"]),
    )


def azure_openai(a: Assumptions, p: Prices) -> Lines:
    """Tokens of explanations + tokens of embeddings.

    Explanations: students x explained_share_night x school days; each has input_tokens and
    output_tokens, and the batched share costs less by batch_discount. Embeddings: items x
    items_renewed_share x tokens_per_item.
    """
    explained = a.students * a.explained_share_night * a.school_days_month / MILLION
    paid = 1 - a.batch_share * p["batch_discount"]
    embedded = a.items * a.items_renewed_share * a.tokens_per_item / MILLION
    name, unit = "Azure OpenAI", "M tokens"
    return (
        Line(name, "chat, input", explained * a.input_tokens, unit, paid * p["chat_input"]),
        Line(name, "chat, output", explained * a.output_tokens, unit, paid * p["chat_output"]),
        Line(name, "embeddings", embedded, unit, p["embedding"]),
    )


def data_factory(a: Assumptions, p: Prices) -> Lines:
    """Activity runs + copies + lookups + waiting for the jobs.

    Activity runs: daily runs x (activities_run + sources x activities_source), and one for each
    run of the other jobs; a copy behind a self-hosted runtime has its own price. Copies: daily
    runs x hours x copy_dius for sources in Azure, hours alone for self-hosted ones; hours are
    copy_hours and, shared among the sources, million new x copy_hours_million. Lookups: minutes
    in the managed network. Waiting: hours of all three jobs, since the activity that started a
    job lives as long as it does.
    """
    on_site = a.daily_runs_month * a.self_hosted_sources
    in_azure = a.daily_runs_month * a.sources - on_site
    each = a.daily_runs_month * (a.activities_run + a.sources * a.activities_source)
    activities = each + a.weekly_runs_month + a.serving_runs_month - on_site
    hours = a.copy_hours + a.new_millions_day * a.copy_hours_million / max(a.sources, 1)
    lookups = a.daily_runs_month * a.sources * a.activity_minutes_source / 60
    waits = a.daily_runs_month * daily_run_hours(a) + a.weekly_runs_month * weekly_run_hours(a)
    waits += a.serving_runs_month * serving_run_hours(a)
    name, diu = "Data Factory", in_azure * hours * a.copy_dius
    on_site_price = p["factory_self_hosted_runs"]
    return (
        Line(name, "activity runs", activities / 1e3, "1,000", p["factory_runs"]),
        Line(name, "activity runs, self-hosted", on_site / 1e3, "1,000", on_site_price),
        Line(name, "copies", diu, "DIU-hour", p["factory_diu"]),
        Line(name, "copies, self-hosted", on_site * hours, "hour", p["factory_self_hosted_hour"]),
        Line(name, "lookups", lookups, "hour", p["factory_activity_hour"]),
        Line(name, "waiting for jobs", waits, "hour", p["factory_external_hour"]),
    )


def key_vault(a: Assumptions, p: Prices) -> Lines:
    """Operations on secrets."""
    operations = a.vault_operations / 1e4
    return (Line("Key Vault", "operations", operations, "10,000", p["vault_operations"]),)


def monitoring(a: Assumptions, p: Prices) -> Lines:
    """Logs taken in + logs kept + alerts.

    Logs: log_gb_day over the month, and log_bytes_request for every request to the data lake.
    Kept: GB a month x months beyond the 31 days that the price includes.
    """
    requests = runs(a) * (a.writes_per_run + a.reads_per_run)
    gb = a.log_gb_day * HOURS_MONTH / 24 + requests * a.log_bytes_request / 1e9
    months = max(a.log_days - LOG_DAYS_INCLUDED, 0) * 24 / HOURS_MONTH
    name = "Log Analytics"
    return (
        Line(name, "logs taken in", gb, "GB", p["log_gb"]),
        Line(name, "logs kept", gb * months, "GB-month", p["log_retention_gb"]),
        Line(name, "alerts", a.alerts, "series", p["alert_series"]),
    )


def private_network(a: Assumptions, p: Prices) -> Lines:
    """Private endpoints by the hour and by the GB + private DNS zones; nothing if public.

    Hours: all endpoints x 730. GB: runs of the daily and the weekly job x GB of the tables x
    table_passes_run.
    """
    n = a.private_endpoints + a.factory_endpoints + a.serverless_endpoints
    endpoints, zones = (n, a.dns_zones) if a.private else (0, 0)
    gb = runs(a) * a.table_gb * a.table_passes_run if a.private else 0
    name = "Private endpoints"
    return (
        Line(name, "endpoints", endpoints * HOURS_MONTH, "hour", p["private_endpoint_hour"]),
        Line(name, "traffic", gb, "GB", p["private_endpoint_gb"]),
        Line(name, "DNS zones", zones, "zone", p["dns_zone"]),
    )


def nat_gateway(a: Assumptions, p: Prices) -> Lines:
    """Gateway and its public address x 730 hours + nat_gb_start for each start of a node."""
    gb, name = runs(a) * a.nat_gb_start, "NAT gateway"
    return (
        Line(name, "gateway", HOURS_MONTH, "hour", p["nat_hour"]),
        Line(name, "traffic", gb, "GB", p["nat_gb"]),
        Line(name, "public IP", HOURS_MONTH, "hour", p["public_ip_hour"]),
    )


RESOURCES: dict[str, Callable[[Assumptions, Prices], Lines]] = {
    "Databricks": databricks,
    "GPU training": gpu_training,
    "ADLS": data_lake,
    "Azure OpenAI": azure_openai,
    "Data Factory": data_factory,
    "Key Vault": key_vault,
    "Log Analytics": monitoring,
    "Private endpoints": private_network,
    "NAT gateway": nat_gateway,
}


def estimate(a: Assumptions, prices: Prices) -> Estimate:
    """What a month costs.

    Args:
        a: What is used.
        prices: What it costs.

    Raises:
        BadFile: If a price is missing.
    """
    lines = tuple(line for lines_of in RESOURCES.values() for line in lines_of(a, prices))
    return Estimate(lines, _notes(a))


def _notes(a: Assumptions) -> tuple[str, ...]:
    """What would not run as it is counted."""
    training, daily = training_hours(a), daily_run_hours(a)
    notes = []
    if training > TRAINING_HOURS_MOST:
        notes.append(
            f"{a.kept_millions:,.0f} million responses train for {training:,.0f} h, but the task "
            f"is stopped after {TRAINING_HOURS_MOST:g} h: train on the card, or on fewer days"
        )
    if daily > DAILY_HOURS_MOST:
        notes.append(
            f"a daily run takes {daily:,.1f} h, but is stopped after {DAILY_HOURS_MOST:g} h: "
            "rebuild less, or on more compute"
        )
    return tuple(notes)
