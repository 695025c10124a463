"""What the cost rests on: one frozen set of assumptions for each size of district.

Each says whether it was measured, is read off the bundle or the factory, or is assumed.
"""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deepkt_irt.errors import UsageError

MILLION = 1e6


class Assumptions(BaseModel):
    """Everything that is multiplied with a price, for one environment and one month."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # the district: assumed
    students: float = Field(ge=0, description="students who practise")
    responses_per_student_day: float = Field(10, ge=0, description="on a school day, on average")
    school_days_month: float = Field(20, ge=0, le=31, description="school days a month")
    history_days: float = Field(360, ge=0, description="school days kept: two years")
    items: float = Field(ge=0, description="questions with a text to embed")
    sources: float = Field(ge=0, description="systems that hand over responses")
    self_hosted_sources: float = Field(ge=0, description="of them behind a self-hosted runtime")

    # explanations: tokens as of the design of the prompt, the rest assumed
    explained_share_night: float = Field(0.1, ge=0, le=1, description="students explained a night")
    input_tokens: float = Field(900, ge=0, description="of one explanation")
    output_tokens: float = Field(250, ge=0, description="of one explanation")
    batch_share: float = Field(0, ge=0, le=1, description="explanations sent as a batch")
    tokens_per_item: float = Field(300, ge=0, description="embedded for one item")
    items_renewed_share: float = Field(0.1, ge=0, le=1, description="items embedded again a month")

    # runs: as the triggers fire
    daily_runs_month: float = Field(30.4, ge=0, description="runs of daily_ingestion a month")
    weekly_runs_month: float = Field(4.35, ge=0, description="runs of weekly_training a month")
    serving_runs_month: float = Field(4.35, ge=0, description="runs of model_serving a month")

    # Databricks: tasks as in the bundle, their use assumed. Measured on a laptop's core, for a
    # million responses: 48 s to predict, 3 s to read, 1 s to calibrate, so start-up comes first.
    daily_serverless_tasks: float = Field(8, ge=0, description="serverless tasks of the daily job")
    weekly_serverless_tasks: float = Field(7, ge=0, description="the same of the weekly job")
    serving_serverless_tasks: float = Field(1, ge=0, description="the same of model_serving")
    dbu_per_task: float = Field(0.3, ge=0, description="DBU of a task that has little to do")
    dbu_per_million: float = Field(0.03, ge=0, description="DBU for a million responses kept")
    serverless_dbu_hour: float = Field(4, gt=0, description="DBU that a serverless hour uses")
    ingest_hours: float = Field(0.25, ge=0, description="of the ingest node a run, its start too")
    ingest_hours_million: float = Field(0.02, ge=0, description="more for a million new responses")
    warehouse_hours_day: float = Field(ge=0, le=24, description="awake on a school day")
    alert_hours_day: float = Field(
        0.6, ge=0, le=24, description="awake for alerts: three times a day, ten minutes and more"
    )
    warehouse_clusters: float = Field(1, ge=0, description="clusters while it is awake, of 2")
    vector_search_units: float = Field(
        1, ge=0, description="of the Vector Search endpoint; 0: content is searched in the jobs"
    )

    # training: at most 12 epochs by default; 50 s an epoch and million are 19,886 responses a
    # second, on one thread of a CPU (benchmark gpu_training). Nobody timed the node's T4: 1.
    gpu_start_hours: float = Field(0.25, ge=0, description="of the GPU node a run, to start")
    epochs: float = Field(12, ge=0, description="passes over the responses")
    epoch_seconds_million: float = Field(50, ge=0, description="of one pass, a million responses")
    training_speedup: float = Field(1, gt=0, description="of the card, against one thread of a CPU")

    # data lake: assumed. Tables are replaced daily, so their old versions lie beside them.
    landed_bytes: float = Field(150, ge=0, description="of a response as it lands")
    table_bytes: float = Field(250, ge=0, description="of a response in all tables, compressed")
    table_versions: float = Field(15, ge=1, description="kept: a week, soft delete another")
    hot_days: float = Field(30, ge=0, description="school days until landed files turn cool")
    writes_per_run: float = Field(20_000, ge=0, description="storage requests of a run")
    reads_per_run: float = Field(100_000, ge=0, description="storage requests of a run")

    # Data Factory: activities counted in its pipelines, the rest assumed
    activities_run: float = Field(4, ge=0, description="of a daily run, besides the sources'")
    activities_source: float = Field(14, ge=0, description="of a daily run, for one source")
    activity_minutes_source: float = Field(6, ge=0, description="lookups, each a begun minute")
    copy_dius: float = Field(4, ge=0, description="data integration units of a copy")
    copy_hours: float = Field(0.05, ge=0, description="of the copy of one source")
    copy_hours_million: float = Field(0.1, ge=0, description="more for a million new responses")

    # secrets, logs, network: counts as of the design, volumes assumed
    vault_operations: float = Field(3_000, ge=0, description="a month")
    log_gb_day: float = Field(0.1, ge=0, description="of logs besides those of the storage")
    log_bytes_request: float = Field(1_000, ge=0, description="logged for a storage request")
    log_days: float = Field(90, ge=0, description="that logs are kept; 31 are in the price")
    alerts: float = Field(6, ge=0, description="metric series watched")
    private: bool = Field(default=True, description="private endpoints, or none")
    private_endpoints: float = Field(8, ge=0, description="in the network, if private")
    factory_endpoints: float = Field(4, ge=0, description="managed by the factory, if private")
    serverless_endpoints: float = Field(3, ge=0, description="of serverless compute, if private")
    dns_zones: float = Field(7, ge=0, description="private zones, if private")
    table_passes_run: float = Field(6, ge=0, description="times a run reads or writes the tables")
    nat_gb_start: float = Field(2, ge=0, description="fetched when a node starts")

    @model_validator(mode="after")
    def _self_hosted_are_sources(self) -> Self:
        if self.self_hosted_sources > self.sources:
            raise ValueError(
                f"self_hosted_sources={self.self_hosted_sources:g} exceeds sources={self.sources:g}"
            )
        return self

    @property
    def new_millions_day(self) -> float:
        """Responses of a school day, in millions."""
        return self.students * self.responses_per_student_day / MILLION

    @property
    def kept_millions(self) -> float:
        """Responses in the tables, in millions."""
        return self.new_millions_day * self.history_days

    @property
    def table_gb(self) -> float:
        """Size of the current version of all tables."""
        return self.kept_millions * MILLION * self.table_bytes / 1e9


SIZES: dict[str, Assumptions] = {
    "small": Assumptions(
        students=2_000, items=5_000, sources=1, self_hosted_sources=0, warehouse_hours_day=2
    ),
    "medium": Assumptions(
        students=10_000, items=20_000, sources=2, self_hosted_sources=1, warehouse_hours_day=4
    ),
    "large": Assumptions(
        students=50_000,
        items=60_000,
        sources=3,
        self_hosted_sources=1,
        warehouse_hours_day=8,
        warehouse_clusters=1.3,
    ),
}


def assumptions_of(size: str, changes: Mapping[str, object]) -> Assumptions:
    """The assumptions of a size, with some of them changed.

    Args:
        size: One of SIZES.
        changes: New values by name; texts are parsed.

    Raises:
        UsageError: If the size or a name is not known, or a value is not allowed.
    """
    if size not in SIZES:
        raise UsageError(f"no size {size!r}; there are {', '.join(SIZES)}")
    known = Assumptions.model_fields
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise UsageError(f"no assumption {unknown[0]!r}; there are {', '.join(known)}")
    try:
        return Assumptions.model_validate({**SIZES[size].model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{step}: " for step in first["loc"])
        raise UsageError(f"{where}{first['msg'].removeprefix('Value error, ')}") from error
