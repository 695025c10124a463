"""All settings: frozen values with their defaults, one class per model or stage.

Defaults live here only. Unknown names are refused.
"""

from typing import Literal, Self

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
    min_responses_3pl: int = Field(
        500, ge=100, description="fewer: guessing is not estimated (only guessable items)"
    )
    max_levels: int = Field(
        6, ge=3, le=12, description="more score levels: the item counts as right or wrong"
    )
    min_level_responses: int = Field(
        10, ge=1, description="a score level met less often joins its neighbour"
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


class LinkingSettings(_Frozen):
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


class DriftSettings(_Frozen):
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


class DifSettings(_Frozen):
    """Whether an item treats groups of equal ability alike."""

    n_strata: int = Field(10, ge=3, description="bands of ability that are compared within")
    min_group: int = Field(50, ge=10, description="responses of a group on an item, at least")
    suppress_below: int = Field(10, ge=1, description="students; smaller groups are not named")
    false_discovery_rate: float = Field(0.05, gt=0, lt=1, description="over items and groups")
    ets_b: float = Field(1.0, gt=0, description="|delta| of class B, ETS delta units")
    ets_c: float = Field(1.5, gt=0, description="|delta| of class C")  # Zwick, ETS RR-12-08
    r2_moderate: float = Field(0.035, gt=0, description="change of R2")  # Jodoin and Gierl (2001)
    r2_large: float = Field(0.070, gt=0, description="change of R2")


class HealthSettings(_Frozen):
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


class SaktSettings(_Frozen):
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


class WideDeepSettings(_Frozen):
    """Ability from clickstreams beside item parameters: Wide & Deep IRT."""

    hidden: int = Field(8, ge=2, description="units of the first hidden layer; the second: half")
    dropout: float = Field(0.0, ge=0, lt=1, description="in both hidden layers")
    window: int = Field(200, ge=1, description="last responses the ability rests on")
    discrimination: bool = Field(
        default=False, description="estimate a per item; else its anchor's, or one for all"
    )
    guessing: bool = Field(default=True, description="estimate c of guessable items")
    prior_sd_log_slope: float = Field(0.3, gt=0, description="normal prior on log a")
    prior_guessing: float = Field(0.2, gt=0, lt=0.5, description="where the prior of c is centred")
    prior_sd_guess_logit: float = Field(0.5, gt=0, description="normal prior on logit c")
    anchor_slack: float = Field(
        0.1, ge=0, description="SD by which items move off their anchors beyond its error, logits"
    )
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


class EvaluationSettings(_Frozen):
    """What an evaluation reports."""

    n_resamples: int = Field(1_000, ge=1, description="draws of students for the intervals")
    confidence: float = Field(0.95, gt=0, lt=1, description="of the intervals")
    suppress_below: int = Field(10, ge=1, description="students; smaller groups are left out")
    top_skills: int = Field(20, ge=0, description="the most answered ones are reported")


class GuardSettings(_Frozen):
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


class PromotionSettings(_Frozen):
    """What a newly trained version must show before it scores students."""

    max_ece: float = Field(0.05, gt=0, lt=1, description="expected calibration error, at most")
    min_students: int = Field(
        30, ge=2, description="test students; fewer make no interval to be trusted"
    )  # with fewer clusters intervals are too narrow: Cameron, Gelbach and Miller (2008)
    confidence: float = Field(0.95, gt=0, lt=1, description="of the intervals of differences")
    n_resamples: int = Field(1000, ge=100, description="bootstrap samples of the test students")
    seed: int = Field(7, ge=0, description="determines those samples")


class BehaviourSettings(_Frozen):
    """What is seen in how a question was answered, and when enough was seen to say so."""

    min_latencies: int = Field(10, ge=2, description="fewer on an item: its usual time is unknown")
    shortest_ms: int = Field(
        300, ge=0, description="a shorter time is one of the logging, not of a person: not known"
    )  # simple reactions alone take about 200 ms: Woods et al. (2015), Front. Hum. Neurosci. 9:131
    rapid_share: float = Field(
        0.15, gt=0, lt=1, description="of an item's median time; a faster answer is a rapid guess"
    )  # normative threshold, Wise and Ma (2012); the share: docs/decisions/0013
    longest_rapid_ms: int = Field(
        10_000, ge=1, description="no answer slower than this is a rapid guess"
    )  # Wise and Ma (2012)
    fast_share: float = Field(
        0.33, gt=0, lt=1, description="of the median; a faster wrong answer may be given to get on"
    )
    longest_fast_ms: int = Field(20_000, ge=1, description="no answer slower than this is fast")
    min_chain_hints: int = Field(2, ge=1, description="hints down to the answer that are a chain")
    min_responses: int = Field(
        20, ge=1, description="questions that could be judged; fewer: no verdict on a student"
    )
    notable_rate: float = Field(
        0.10, gt=0, lt=1, description="share of questions with a pattern that is pointed out"
    )  # response-time effort below .90: Wise and Kong (2005), Appl. Meas. Educ. 18, 163-183

    @model_validator(mode="after")
    def _rapid_is_fast(self) -> Self:
        if self.rapid_share > self.fast_share or self.longest_rapid_ms > self.longest_fast_ms:
            raise ValueError("rapid_share and longest_rapid_ms must not exceed those of fast")
        return self


class ScoringSettings(_Frozen):
    """Predictions and mastery from the champion."""

    items_per_skill: int = Field(10, ge=1, description="reference items a skill is judged by")
    max_items_per_skill: int = Field(20, ge=1, description="candidates scored per open skill")


class RecommendationSettings(_Frozen):
    """What may be recommended, and the transparent baseline policy."""

    target_success: float = Field(0.7, gt=0, lt=1, description="wanted chance of a right answer")
    success_floor: float = Field(
        0.4, ge=0, lt=1, description="items with a lower chance are not offered"
    )
    success_ceiling: float = Field(
        0.9, gt=0, le=1, description="items with a higher chance are not offered"
    )
    mastered_at: float = Field(0.85, gt=0, lt=1, description="mastery from which a skill is done")
    review_after_days: float = Field(
        30.0, gt=0, description="a mastered skill is offered again if it rested so long"
    )
    prerequisite_at: float = Field(0.6, gt=0, lt=1, description="mastery that opens what follows")
    recent_events: int = Field(
        30, ge=0, description="items among the last so many are not repeated"
    )
    hard_below: float = Field(
        0.5, ge=0, le=1, description="an item with a lower chance of a right answer is hard"
    )
    max_hard_run: int = Field(
        3, ge=1, description="hard items in a row, lately answered and recommended together"
    )
    max_rapid_share: float = Field(
        0.3, gt=0, le=1, description="items with more rapid guesses are not offered"
    )
    min_rapid_responses: int = Field(
        20, ge=1, description="timed responses from which that share is believed"
    )
    blocked_items: tuple[str, ...] = Field(
        (), description="item ids, qualified by source, that teachers do not want offered"
    )
    per_student: int = Field(5, ge=1, description="items recommended")
    max_per_skill: int = Field(2, ge=1, description="of them on the same skill")

    @model_validator(mode="after")
    def _target_is_offered(self) -> Self:
        if not self.success_floor < self.target_success < self.success_ceiling:
            raise ValueError(
                f"target_success={self.target_success} must lie between success_floor="
                f"{self.success_floor} and success_ceiling={self.success_ceiling}"
            )
        return self


class RewardSettings(_Frozen):
    """What a recommendation is held to have been worth, once it shows; in [0, 1]."""

    kind: Literal["learning_gain", "next_success", "target_success"] = Field(
        "learning_gain",
        description="learning_gain: later answers against those expected; next_success: the "
        "skill's next item right; target_success: chance near the target",
    )
    horizon_days: float = Field(
        21.0, gt=0, description="what happens later than that no longer counts"
    )
    min_probes: int = Field(
        6, ge=1, description="later responses on the skill before a gain is believed"
    )
    gaming_penalty: float = Field(
        0.25, ge=0, le=1, description="taken off if the item was answered without working on it"
    )


class BanditSettings(_Frozen):
    """A policy that learns from rewards in [0, 1]: hybrid LinUCB with a stochastic choice."""

    alpha: float = Field(
        0.01, ge=0, description="posterior SDs added to a mean; those are in SDs of a reward"
    )
    rule_weight: float = Field(
        0.02, ge=0, description="reward that a chance 1 off the target costs, before any is seen"
    )
    # one item moves success by about a fiftieth of what a reward varies by
    prior_precision: float = Field(8_000.0, gt=0, description="ridge on shared weights, in rewards")
    item_prior_precision: float = Field(
        20_000.0, gt=0, description="ridge on an item's own weights, in rewards"
    )
    min_item_updates: int = Field(
        50, ge=0, description="rewards; an item with fewer is judged by the shared part alone"
    )
    discount_per_day: float = Field(0.99, gt=0, le=1, description="what a day leaves of evidence")
    exploration: Literal["softmax", "thompson"] = Field(
        "softmax", description="how a score becomes a chance to be chosen"
    )
    temperature: float = Field(
        0.5, gt=0, description="of the softmax, in SDs of the scores of what is eligible"
    )
    floor: float = Field(
        0.05, gt=0, le=1, description="share of choices that are uniform over what is eligible"
    )
    n_draws: int = Field(200, ge=1, description="of the posterior, for Thompson propensities")
    diversity: float = Field(
        1.0, ge=0, description="taken off a score for a twin in the slate, in SDs of the scores"
    )


class OffPolicySettings(_Frozen):
    """How a policy is judged on decisions that another one made."""

    estimator: Literal["snips", "sndr"] = Field(
        "sndr", description="that decides whether a policy goes live"
    )
    max_weight: float | None = Field(
        None, gt=0, description="larger weights are clipped to it, which biases; null: none is"
    )
    n_resamples: int = Field(1000, ge=1, description="bootstrap draws of students")
    confidence: float = Field(0.95, gt=0, lt=1, description="of the intervals")
    reward_penalty: float = Field(1.0, gt=0, description="ridge of the reward model, in rewards")
    folds: int = Field(
        5, ge=2, description="of students; nothing is judged on those it learnt from"
    )
    window_days: float = Field(56.0, gt=0, description="decisions of so many days are judged on")
    min_decisions: int = Field(
        500, ge=1, description="rewarded first choices before any policy is judged"
    )
    max_decisions: int = Field(
        50_000, ge=1, description="first choices that are judged on, drawn by chance"
    )
    logged_permille: int = Field(
        1000, ge=0, le=1000, description="students whose eligible items are logged in full"
    )
    min_group: int = Field(20, ge=2, description="students; figures of smaller groups are left out")
    seed: int = Field(7, ge=0, description="deals students into folds and draws them")


class Settings(_Frozen):
    """Everything a run may be told."""

    ingest: IngestSettings = IngestSettings()
    split: SplitSettings = SplitSettings()
    sequence: SequenceSettings = SequenceSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    linking: LinkingSettings = LinkingSettings()
    drift: DriftSettings = DriftSettings()
    dif: DifSettings = DifSettings()
    health: HealthSettings = HealthSettings()
    sakt: SaktSettings = SaktSettings()
    wide_deep: WideDeepSettings = WideDeepSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    guard: GuardSettings = GuardSettings()
    promotion: PromotionSettings = PromotionSettings()
    behaviour: BehaviourSettings = BehaviourSettings()
    scoring: ScoringSettings = ScoringSettings()
    recommendation: RecommendationSettings = RecommendationSettings()
    bandit: BanditSettings = BanditSettings()
    reward: RewardSettings = RewardSettings()
    off_policy: OffPolicySettings = OffPolicySettings()
