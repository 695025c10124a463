"""What may be recommended, who decides, what it was worth, and how that is judged."""

from typing import Literal, Self

from pydantic import Field, model_validator

from deepkt_irt.settings.frozen import Frozen


class RecommendationSettings(Frozen):
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
    decide_again_days: float = Field(
        7.0, gt=0, description="recommendations that stood so long are decided on anew"
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


class RewardSettings(Frozen):
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


class BanditSettings(Frozen):
    """A policy that learns from rewards in [0, 1]: hybrid LinUCB with a stochastic choice."""

    alpha: float = Field(
        0.01, ge=0, description="posterior SDs added to a mean; those are in SDs of a reward"
    )
    rule_weight: float = Field(
        0.02, ge=0, description="reward that a chance 1 off the target costs, before any is seen"
    )
    # one item moves mastery by about a two-hundredth of what a reward varies by
    prior_precision: float = Field(
        40_000.0, gt=0, description="ridge on shared weights, in rewards"
    )
    item_prior_precision: float = Field(
        40_000.0, gt=0, description="ridge on an item's own weights, in rewards"
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


class OffPolicySettings(Frozen):
    """How a policy is judged on decisions that another one made."""

    estimator: Literal["snips", "sndr"] = Field(
        "sndr", description="that decides whether a policy goes live"
    )
    max_weight: float | None = Field(
        None, gt=0, description="larger weights are clipped to it, which biases; null: none is"
    )
    n_resamples: int = Field(2000, ge=1, description="bootstrap draws of students")
    confidence: float = Field(0.95, gt=0, lt=1, description="of the intervals of groups")
    gate_confidence: float = Field(
        0.99, gt=0, lt=1, description="that no question of a window lets a policy live by chance"
    )
    gate_tightest_at: int = Field(
        10_000, ge=1, description="decisions at which the gate's bound is least wide"
    )
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
