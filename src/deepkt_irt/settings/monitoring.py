"""From when on something needs a look."""

from pydantic import Field

from deepkt_irt.settings.frozen import Frozen


class AlertSettings(Frozen):
    """What each alert bears before it fires."""

    late_hours: float = Field(30.0, gt=0, description="since the day's job ended well")
    stale_hours: float = Field(72.0, gt=0, description="since a file brought rows")
    quarantine_share: float = Field(
        0.05, ge=0, lt=1, description="of the rows of the last delivery that were refused"
    )
    auc_drop: float = Field(
        0.02, ge=0, lt=1, description="of a model's latest AUC below the champion's before it"
    )
    ece_rise: float = Field(
        0.02, ge=0, lt=1, description="of its calibration error above the champion's before it"
    )
    drifting_share: float = Field(
        0.05, ge=0, lt=1, description="of the items watched whose difficulty has moved"
    )
    abstained_share: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="of the explanations of the last seven days that a model was to word, those "
        "it did not, or not provably",
    )
    cost_usd: float = Field(25.0, ge=0, description="of language models, today and yesterday")
    without_recommendation_share: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="of the students whose mastery is known, those without an offer",
    )
