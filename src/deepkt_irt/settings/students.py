"""Student models: training, evaluation, promotion, scoring."""

from typing import Literal, Self

from pydantic import Field, model_validator

from deepkt_irt.settings.frozen import Frozen


class SaktSettings(Frozen):
    """Architecture and training of the knowledge-tracing model."""

    architecture: Literal["default", "sakt"] = Field(
        "default", description="sakt: as published; default: what is registered"
    )
    width: int = Field(64, ge=8, description="size of every embedding")
    heads: int = Field(4, ge=1, description="attention heads; must divide width")
    item_width: int = Field(8, ge=1, description="size of the embedding of an item")
    dropout: float = Field(0.2, ge=0, lt=1, description="after attention and in both networks")
    attention_dropout: float = Field(
        0.0, ge=0, lt=1, description="of attention weights; sakt alone has it"
    )
    item_dropout: float = Field(
        0.3, ge=0, lt=1, description="share of items that training takes as unknown"
    )
    block: int = Field(100, ge=1, description="responses predicted together")
    context: int = Field(100, ge=1, description="steps the first of them sees; later ones see more")
    evidence_groups: int = Field(
        5, ge=2, description="training students are told of items what the other groups did"
    )
    batch_tokens: int = Field(1600, ge=1, description="responses per step")
    max_epochs: int = Field(12, ge=1, description="passes over the training students")
    min_steps: int = Field(600, ge=1, description="few students: more passes, up to these steps")
    patience: int = Field(3, ge=1, description="epochs without a better validation AUC")
    learning_rate: float = Field(2e-3, gt=0, description="peak of the one-cycle schedule")
    warm_up: float = Field(0.15, gt=0, lt=1, description="share of the steps that it rises for")
    weight_decay: float = Field(0.05, ge=0, description="on all but item parameters")
    item_decay: float = Field(40.0, ge=0, description="on item embeddings and deviations")
    average_decay: float = Field(
        0.995, ge=0, lt=1, description="of the moving average of the weights, per step"
    )
    seed: int = Field(7, ge=0, description="initial weights, dropout, order of batches")
    threads: int = Field(1, ge=1, description="of the CPU; more hardly help at this size")
    device: Literal["auto", "cpu"] = Field("auto", description="auto: a GPU where there is one")
    processes: int = Field(0, ge=0, description="that train together; 0: one per GPU")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads={self.heads} does not divide width={self.width}")
        return self


class WideDeepSettings(Frozen):
    """Ability from clickstreams beside item parameters: Wide & Deep IRT."""

    hidden: int = Field(8, ge=2, description="units of the first hidden layer; the second: half")
    dropout: float = Field(0.0, ge=0, lt=1, description="in both hidden layers")
    window: int = Field(200, ge=1, description="last responses the ability rests on")
    discrimination: bool = Field(default=False, description="estimate a per item; else one for all")
    guessing: bool = Field(default=True, description="estimate c of guessable items")
    prior_sd_log_slope: float = Field(0.3, gt=0, description="normal prior on log a")
    prior_guessing: float = Field(0.2, gt=0, lt=0.5, description="where the prior of c is centred")
    prior_sd_guess_logit: float = Field(0.5, gt=0, description="normal prior on logit c")
    prior_responses: float = Field(
        10.0, gt=0, description="that draw an item's share right to its skills' share"
    )
    min_latency_responses: int = Field(
        30, ge=10, description="fewer with a latency: deciles of all items"
    )
    batch_size: int = Field(16, ge=1, description="stretches of histories per step")
    max_epochs: int = Field(30, ge=1, description="passes over the training responses")
    patience: int = Field(4, ge=1, description="epochs without a better validation log loss")
    learning_rate: float = Field(5e-3, gt=0, description="of AdamW")
    weight_decay: float = Field(1e-4, ge=0, description="on the ability network")


class EvaluationSettings(Frozen):
    """What an evaluation reports."""

    n_resamples: int = Field(1_000, ge=1, description="draws of students for the intervals")
    confidence: float = Field(0.95, gt=0, lt=1, description="of the intervals")
    suppress_below: int = Field(10, ge=1, description="students; smaller groups are left out")
    top_skills: int = Field(20, ge=0, description="the most answered ones are reported")


class GuardSettings(Frozen):
    """Limits of the leakage guard, and how much it looks at."""

    auc_margin: float = Field(0.02, gt=0, description="around 0.5 on random labels, at least")
    standard_errors: float = Field(3.0, gt=0, description="of that AUC, where they are more")
    max_change: float = Field(1e-5, gt=0, description="of a probability, by what is not visible")
    min_change: float = Field(1e-4, gt=0, description="of a probability, to notice another item")
    min_changed_share: float = Field(0.5, gt=0, le=1, description="of probes that notice it")
    max_duplicated_share: float = Field(0.01, ge=0, lt=1, description="of rows")
    sample_responses: int = Field(10_000, ge=100, description="of the test; training: twice that")
    probe_segments: int = Field(20, ge=1, description="segments of test responses probed")
    probe_positions: int = Field(4, ge=3, description="in each: first, last, most skills, others")
    probe_responses: int = Field(200_000, ge=1, description="in all probes; longer are passed over")
    min_held_out: int = Field(100, ge=2, description="responses; fewer say nothing about an AUC")


class PromotionSettings(Frozen):
    """What a newly trained version must show before it scores students."""

    max_ece: float = Field(0.05, gt=0, lt=1, description="expected calibration error, at most")
    min_students: int = Field(
        30, ge=2, description="test students; fewer make no interval to be trusted"
    )  # with fewer clusters intervals are too narrow: Cameron, Gelbach and Miller (2008)
    confidence: float = Field(0.95, gt=0, lt=1, description="of the intervals of differences")
    n_resamples: int = Field(1000, ge=100, description="bootstrap samples of the test students")
    seed: int = Field(7, ge=0, description="determines those samples")


class ScoringSettings(Frozen):
    """Predictions and mastery from the champion."""

    items_per_skill: int = Field(10, ge=1, description="reference items a skill is judged by")
    max_items_per_skill: int = Field(20, ge=1, description="candidates scored per open skill")
    trend_days: float = Field(
        7.0,
        gt=0,
        description="mastery is held against that of so many days before the newest event",
    )
    trend_responses: int = Field(
        30, ge=1, description="responses ago, where a student's have no time of day"
    )
    max_changed: int = Field(
        20_000, ge=0, description="students scored by themselves; if more changed, all are"
    )


class HelpSettings(Frozen):
    """When a student is said to need help today."""

    recent_events: int = Field(
        30, ge=1, description="a skill is looked at if it is among the last so many events"
    )
    wrong_in_a_row: int = Field(
        4, ge=2, description="wrong answers on a skill since the last right one"
    )
    per_class: int = Field(5, ge=1, description="students of a class that are listed")
