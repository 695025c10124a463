"""Item models: calibration, linking, drift, fairness, health."""

from typing import Literal, Self

from pydantic import Field, model_validator

from deepkt_irt.settings.frozen import Frozen


class CalibrationSettings(Frozen):
    """Marginal maximum likelihood calibration of items."""

    n_nodes: int = Field(41, ge=11, description="quadrature nodes")
    theta_max: float = Field(5.0, gt=2, description="reach of the nodes, SDs of ability")
    min_responses: int = Field(5, ge=1, description="fewer first attempts: item not calibrated")
    min_responses_2pl: int = Field(500, ge=50, description="fewer: 1PL; no slope is reported")
    min_responses_3pl: int = Field(
        500, ge=100, description="fewer: guessing is not estimated (only guessable items)"
    )
    max_levels: int = Field(
        6, ge=3, le=12, description="more score levels: the item counts as right or wrong"
    )
    min_level_responses: int = Field(
        10, ge=1, description="a level met less often: the item counts as right or wrong"
    )
    assume_guessing: bool = Field(
        default=True,
        description="guessable 1PL items have c at its usual value: no slope makes up for it",
    )
    use_groups: bool = Field(
        default=False, description="each student_group has its own distribution of ability"
    )
    min_group_students: int = Field(
        200, ge=10, description="smaller groups count to the largest one"
    )
    max_in_memory_responses: int = Field(
        50_000_000, ge=0, description="more: the E-step runs in Spark"
    )
    prior_guessing: float = Field(0.2, gt=0, lt=0.5, description="mode of the prior of c")
    prior_guessing_n: float = Field(20.0, gt=0, description="responses that prior is worth")
    prior_sd_difficulty: float = Field(
        2.0, gt=0, description="normal prior on intercepts around their mean, logits"
    )
    prior_sd_log_slope: float = Field(0.5, gt=0, description="normal prior on log a")
    prior_sd_log_spread: float = Field(1.0, gt=0, description="normal prior on log SD of ability")
    tolerance: float = Field(1e-4, gt=0, description="largest parameter change at convergence")
    max_iterations: int = Field(500, ge=10, description="EM iterations before giving up")


class LinkingSettings(Frozen):
    """Putting a new calibration on the scale of the one before."""

    method: Literal["stocking_lord", "mean_sigma", "fixed", "none"] = Field(
        "stocking_lord", description="fixed: anchors keep their parameters (Kim 2006)"
    )
    min_anchors: int = Field(10, ge=2, description="fewer: the new version keeps its own scale")
    max_anchor_se: float = Field(0.35, gt=0, description="of b; less certain items carry no link")
    screen_z: float = Field(2.7, gt=0, description="robust z from which an anchor has moved")
    min_correlation: float = Field(
        0.95, gt=0, lt=1, description="of the anchors' difficulties, less their errors"
    )


class DriftSettings(Frozen):
    """Whether items behave as they were calibrated, window by window."""

    window_days: int = Field(28, ge=1, description="length of a window")
    baseline: str = Field("", description="calibration versions before this one hold nothing")
    max_responses: int = Field(
        5_000_000, ge=1000, description="more in new windows: a share of the students is looked at"
    )
    min_responses: int = Field(50, ge=10, description="fewer in a window: insufficient_data")
    min_history: int = Field(5, ge=1, description="responses before, to know a student's ability")
    min_anchors: int = Field(10, ge=3, description="fewer: no shift is told apart from drift")
    false_discovery_rate: float = Field(
        0.05, gt=0, lt=1, description="over a window's items, from which to act"
    )
    watch_false_discovery_rate: float = Field(
        0.20, gt=0, lt=1, description="from which to watch, which costs little"
    )
    watch: float = Field(0.3, gt=0, description="change of difficulty to watch, logits")
    act: float = Field(0.5, gt=0, description="change of difficulty to act on, logits")
    cusum_allowance: float = Field(0.5, ge=0, description="k, in standard errors of a window")
    cusum_limit: float = Field(5.0, gt=0, description="h, from which slow drift is flagged")

    @model_validator(mode="after")
    def _watch_before_act(self) -> Self:
        if self.watch > self.act:
            raise ValueError(f"watch={self.watch} must not exceed act={self.act}")
        if self.false_discovery_rate > self.watch_false_discovery_rate:
            raise ValueError(
                f"false_discovery_rate={self.false_discovery_rate} must not exceed "
                f"watch_false_discovery_rate={self.watch_false_discovery_rate}"
            )
        return self


class DifSettings(Frozen):
    """Whether an item treats groups of equal ability alike."""

    n_strata: int = Field(10, ge=3, description="bands of ability that are compared within")
    min_group: int = Field(50, ge=10, description="responses of a group on an item, at least")
    suppress_below: int = Field(10, ge=1, description="students; smaller groups are not named")
    false_discovery_rate: float = Field(0.05, gt=0, lt=1, description="over items and groups")
    ets_b: float = Field(1.0, gt=0, description="|delta| of class B, ETS delta units")
    ets_c: float = Field(1.5, gt=0, description="|delta| of class C")  # Zwick, ETS RR-12-08
    r2_large: float = Field(0.070, gt=0, description="change of R2")  # Jodoin and Gierl (2001)


class HealthSettings(Frozen):
    """Cuts beyond which an item is pointed out; each is a custom of the field."""

    min_responses: int = Field(30, ge=5, description="fewer: insufficient_data")
    max_responses: int = Field(
        5_000_000, ge=1000, description="more: fit is judged on a share of the students"
    )
    p_low: float = Field(0.20, ge=0, lt=1, description="harder items tell little")  # Haladyna
    p_high: float = Field(0.90, gt=0, le=1, description="easier items tell little")
    correlation_weak: float = Field(0.20, description="item-theta, weak below")  # Ebel
    correlation_miskeyed: float = Field(0.0, description="item-theta, miskeyed below")
    max_difficulty_se: float = Field(0.35, gt=0, description="standard error of b, logits")
    min_slope: float = Field(0.4, gt=0, description="lower discrimination")
    max_slope: float = Field(3.0, gt=0, description="higher discrimination")
    max_guessing: float = Field(0.35, gt=0, lt=1, description="lower asymptote")
    fit_low: float = Field(0.7, gt=0, lt=1, description="mean square, overfit below")  # Linacre
    fit_high: float = Field(1.3, gt=1, description="mean square, misfit above")
    fit_z: float = Field(2.0, gt=0, description="standardised mean square that counts")
    max_rmsd: float = Field(0.10, gt=0, description="of observed and expected curve")  # PISA
    max_q3: float = Field(0.20, gt=0, description="residual correlation")  # Chen and Thissen 1997
    min_pair: int = Field(50, ge=10, description="students in common for a residual correlation")
    min_option_share: float = Field(0.05, gt=0, description="a rarer wrong option distracts nobody")
    max_hint_rate: float = Field(0.5, gt=0, description="share with a hint")
    max_omit_rate: float = Field(0.10, gt=0, description="share met and never graded")
