"""Explanations: who words them, what that may cost, and what is held to be good enough."""

from typing import Literal, Self

from pydantic import Field, model_validator

from deepkt_irt.settings.frozen import Frozen
from deepkt_irt.settings.language_models import PRICES, Price


class ChatSettings(Frozen):
    """The language model that words explanations, and the limits it is asked within."""

    provider: Literal["offline", "azure_openai"] = Field(
        "offline", description="offline: fixed sentences over the evidence, without a network"
    )
    base_url: str = Field("", description="as https://NAME.openai.azure.com/openai/v1/")
    service_credential: str = Field(
        "", description="of Unity Catalog, by which a task on Databricks signs in"
    )
    deployment: str = Field("gpt-4o", min_length=1, description="name of the deployment")
    batch_deployment: str = Field(
        "", description="deployment of the Batch API for whole nights; empty: none, ask one by one"
    )
    model: str = Field(
        "gpt-5.4-mini", min_length=1, description="behind both; decides price and retirement date"
    )
    input_price: float | None = Field(
        None, ge=0, description="US dollars a million tokens; null: as the price table says"
    )
    output_price: float | None = Field(
        None, ge=0, description="US dollars a million tokens; null: as the price table says"
    )
    effort: Literal["none", "minimal", "low", "medium", "high"] | None = Field(
        None, description="of reasoning; null: as the model has it, for models that do not reason"
    )
    max_output_tokens: int = Field(2000, ge=100, description="of an answer, reasoning included")
    timeout_seconds: float = Field(45.0, gt=0, description="of a request")
    max_retries: int = Field(4, ge=0, description="of a request that was not answered")
    max_wait_seconds: float = Field(
        120.0,
        gt=0,
        description="the service may ask for; a request told to wait longer is given up",
    )
    max_failures: int = Field(
        10, ge=1, description="requests in a row that were given up; then nobody asks in this run"
    )
    concurrency: int = Field(8, ge=1, le=256, description="requests under way together")
    requests_per_minute: int = Field(600, ge=1, description="at most, retries included")
    tokens_per_minute: int = Field(200_000, ge=1, description="at most, in and out")
    budget_usd: float = Field(5.0, ge=0, description="that a run may cost at most")
    batch_poll_seconds: float = Field(60.0, gt=0, description="between looks at a batch")
    batch_wait_hours: float = Field(
        2.0, gt=0, description="for a batch, within the task's time; then it is cancelled"
    )
    max_batch_requests: int = Field(50_000, ge=1, le=100_000, description="in one batch")

    @property
    def price(self) -> Price | None:
        """What tokens cost; None if nobody said."""
        known = PRICES.get(self.model)
        if self.input_price is not None and self.output_price is not None:
            return Price(self.input_price, self.output_price)
        return known

    @model_validator(mode="after")
    def _both_prices_or_none(self) -> Self:
        if (self.input_price is None) != (self.output_price is None):
            raise ValueError("give input_price and output_price, or neither")
        return self


class ExplanationSettings(Frozen):
    """What is explained, from what, and how an explanation is held against its evidence."""

    audiences: tuple[Literal["teacher", "student"], ...] = Field(
        ("teacher", "student"), min_length=1, description="whom an explanation is for"
    )
    locale: Literal["en"] = Field("en", description="language of evidence and explanation")
    recent_answers: int = Field(4, ge=1, description="last graded answers on the skill, counted")
    min_wrong_answers: int = Field(
        20, ge=5, description="wrong answers to an item before one of them is called common"
    )
    common_share: float = Field(
        0.3, gt=0, le=1, description="of an item's wrong answers; such an answer is a common one"
    )
    n_sources: int = Field(4, ge=1, le=10, description="passages an explanation may cite")
    min_similarity: float = Field(
        0.2, ge=-1, le=1, description="of a passage to the question; below it none is cited"
    )
    max_source_characters: int = Field(
        1500, ge=100, description="of a passage that are shown to a model"
    )
    max_grade_student: float = Field(
        8.0, gt=0, description="Flesch-Kincaid grade an explanation for a student may have"
    )
    max_grade_teacher: float = Field(
        13.0, gt=0, description="Flesch-Kincaid grade an explanation for a teacher may have"
    )
    max_characters: int = Field(1500, ge=200, description="of an explanation, steps included")
    max_per_run: int = Field(
        20_000, ge=1, description="explanations a model may be asked for in one run"
    )
    trace: Literal["off", "figures", "texts"] = Field(
        "figures",
        description="MLflow's traces of what a model was asked: none, figures alone, or redacted "
        "texts, too",
    )
    trace_share: float = Field(
        1.0, ge=0, le=1, description="of the explanations asked for that leave a trace"
    )
    max_traces: int = Field(
        500, ge=1, description="of a run; where more is asked, a smaller share leaves one"
    )
    per_write: int = Field(200, ge=1, description="worded explanations kept in one transaction")
