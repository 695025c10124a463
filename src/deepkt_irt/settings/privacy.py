"""How long what tells of students is kept, and what follows when one is forgotten."""

from pydantic import Field

from deepkt_irt.settings.frozen import Frozen


class PrivacySettings(Frozen):
    """After an erasure."""

    retrain_within_days: int = Field(
        7, ge=1, description="models that learnt from an erased student are trained anew by then"
    )  # weekly_training runs on Sundays


class RetentionSettings(Frozen):
    """Days that rows are kept, by table; 0: as long as the lake is. Older ones are deleted."""

    quarantine_days: int = Field(
        365, ge=0, description="ops.quarantine: refused rows as received, which may name anybody"
    )
    pipeline_runs_days: int = Field(730, ge=0, description="ops.pipeline_runs")
    table_health_days: int = Field(730, ge=0, description="ops.table_health")
    decisions_days: int = Field(
        0, ge=0, description="gold.bandit_decisions: the log that policies are judged on"
    )
    rewards_days: int = Field(0, ge=0, description="gold.bandit_rewards")
