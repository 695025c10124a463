"""All settings: frozen values with their defaults, one class per model or stage.

Defaults live here only. Unknown names are refused.
"""

from typing import Any

from deepkt_irt.settings.content import ContentSettings
from deepkt_irt.settings.explanations import ChatSettings, ExplanationSettings
from deepkt_irt.settings.frozen import Frozen
from deepkt_irt.settings.items import (
    CalibrationSettings,
    DifSettings,
    DriftSettings,
    HealthSettings,
    LinkingSettings,
)
from deepkt_irt.settings.lake import (
    BehaviourSettings,
    IngestSettings,
    RosterSettings,
    SequenceSettings,
    SimulatorSettings,
    SplitSettings,
    StreamSettings,
)
from deepkt_irt.settings.maintenance import MaintenanceSettings
from deepkt_irt.settings.monitoring import AlertSettings
from deepkt_irt.settings.privacy import PrivacySettings, RetentionSettings
from deepkt_irt.settings.recommendation import (
    BanditSettings,
    OffPolicySettings,
    RecommendationSettings,
    RewardSettings,
)
from deepkt_irt.settings.students import (
    EvaluationSettings,
    GuardSettings,
    HelpSettings,
    PromotionSettings,
    SaktSettings,
    ScoringSettings,
    WideDeepSettings,
)

__all__ = [
    "AlertSettings",
    "BanditSettings",
    "BehaviourSettings",
    "CalibrationSettings",
    "ChatSettings",
    "ContentSettings",
    "DifSettings",
    "DriftSettings",
    "EvaluationSettings",
    "ExplanationSettings",
    "GuardSettings",
    "HealthSettings",
    "HelpSettings",
    "IngestSettings",
    "LinkingSettings",
    "MaintenanceSettings",
    "OffPolicySettings",
    "PrivacySettings",
    "PromotionSettings",
    "RecommendationSettings",
    "RetentionSettings",
    "RewardSettings",
    "RosterSettings",
    "SaktSettings",
    "ScoringSettings",
    "SequenceSettings",
    "Settings",
    "SimulatorSettings",
    "SplitSettings",
    "StreamSettings",
    "WideDeepSettings",
]


class Settings(Frozen):
    """Everything a run may be told."""

    ingest: IngestSettings = IngestSettings()
    roster: RosterSettings = RosterSettings()
    stream: StreamSettings = StreamSettings()
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
    help: HelpSettings = HelpSettings()
    alerts: AlertSettings = AlertSettings()
    recommendation: RecommendationSettings = RecommendationSettings()
    bandit: BanditSettings = BanditSettings()
    reward: RewardSettings = RewardSettings()
    off_policy: OffPolicySettings = OffPolicySettings()
    privacy: PrivacySettings = PrivacySettings()
    retention: RetentionSettings = RetentionSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    content: ContentSettings = ContentSettings()
    chat: ChatSettings = ChatSettings()
    explanation: ExplanationSettings = ExplanationSettings()

    def of_results(self) -> dict[str, Any]:
        """Those that decide what a task works out, as JSON has them.

        When a stream works and how files are looked after is no reason to work anything out anew.
        """
        return self.model_dump(mode="json", exclude={"stream", "maintenance"})
