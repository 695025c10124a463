"""All settings: frozen values with their defaults, one class per model or stage.

Defaults live here only. Unknown names are refused.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SimulatorSettings(_Frozen):
    """A simulated district."""

    n_students: int = Field(300, ge=10, description="students besides `test`")
    n_items: int = Field(160, ge=20, description="practice and unit-test items together")
    seed: int = Field(7, ge=0, description="determines every value written")


class IngestSettings(_Frozen):
    """Reading landing files."""

    max_field_characters: int = Field(100_000, ge=100, description="longer fields are quarantined")


class SplitSettings(_Frozen):
    """Students in thousandths of the hash range."""

    validation_permille: int = Field(100, ge=1, le=400, description="students for early stopping")
    test_permille: int = Field(200, ge=1, le=500, description="students held out")
    n_folds: int = Field(5, ge=2, description="cross-validation folds")


class SequenceSettings(_Frozen):
    """Windows over whole histories."""

    length: int = Field(200, ge=4, description="positions in a window, context included")
    context: int = Field(100, ge=0, description="leading positions already scored before")

    @model_validator(mode="after")
    def _context_fits(self) -> Self:
        if self.context >= self.length:
            raise ValueError(f"context={self.context} must be below length={self.length}")
        return self


class CalibrationSettings(_Frozen):
    """Marginal maximum likelihood calibration of items."""

    n_nodes: int = Field(41, ge=11, description="quadrature nodes")
    theta_max: float = Field(5.0, gt=2, description="reach of the nodes, SDs of ability")
    min_responses: int = Field(5, ge=1, description="fewer first attempts: item not calibrated")
    min_responses_2pl: int = Field(500, ge=50, description="fewer: 1PL; no slope is reported")
    prior_sd_difficulty: float = Field(
        2.0, gt=0, description="normal prior on intercepts around their mean, logits"
    )
    prior_sd_log_slope: float = Field(0.5, gt=0, description="normal prior on log a")
    prior_sd_log_spread: float = Field(1.0, gt=0, description="normal prior on log SD of ability")
    tolerance: float = Field(1e-4, gt=0, description="largest parameter change at convergence")
    max_iterations: int = Field(500, ge=10, description="EM iterations before giving up")


class SaktSettings(_Frozen):
    """Architecture and training of the knowledge-tracing model."""

    width: int = Field(64, ge=8, description="size of every embedding")
    heads: int = Field(4, ge=1, description="attention heads; must divide width")
    dropout: float = Field(0.2, ge=0, lt=1, description="in attention and feed-forward")
    batch_size: int = Field(16, ge=1, description="windows per step")
    max_epochs: int = Field(12, ge=1, description="passes over the training students")
    min_steps: int = Field(600, ge=1, description="few students: more passes, up to these steps")
    patience: int = Field(3, ge=1, description="epochs without a better validation AUC")
    learning_rate: float = Field(2e-3, gt=0, description="peak of the one-cycle schedule")
    weight_decay: float = Field(0.05, ge=0, description="on all but item difficulties")
    difficulty_decay: float = Field(2.0, ge=0, description="on item difficulties")
    seed: int = Field(7, ge=0, description="initial weights, dropout, order of batches")
    threads: int = Field(1, ge=1, description="of the CPU; more hardly help at this size")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads={self.heads} does not divide width={self.width}")
        return self


class ScoringSettings(_Frozen):
    """Predictions and mastery from the champion."""

    items_per_skill: int = Field(10, ge=1, description="reference items a skill is judged by")
    max_items_per_skill: int = Field(20, ge=1, description="candidates scored per open skill")


class RecommendationSettings(_Frozen):
    """The transparent baseline policy."""

    target_success: float = Field(0.7, gt=0, lt=1, description="wanted chance of a right answer")
    mastered_at: float = Field(0.85, gt=0, lt=1, description="mastery from which a skill is done")
    prerequisite_at: float = Field(0.6, gt=0, lt=1, description="mastery that opens what follows")
    recent_events: int = Field(
        30, ge=0, description="items among the last so many are not repeated"
    )
    per_student: int = Field(5, ge=1, description="items recommended")
    max_per_skill: int = Field(2, ge=1, description="of them on the same skill")


class Settings(_Frozen):
    """Everything a run may be told."""

    ingest: IngestSettings = IngestSettings()
    split: SplitSettings = SplitSettings()
    sequence: SequenceSettings = SequenceSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    sakt: SaktSettings = SaktSettings()
    scoring: ScoringSettings = ScoringSettings()
    recommendation: RecommendationSettings = RecommendationSettings()
