"""Every table and view of the lake, declared once; nothing else names one by a string."""

from deepkt_irt.settings import Settings
from deepkt_irt.tables import (
    bronze,
    gold,
    gold_bandit,
    gold_content,
    gold_explanations,
    gold_items,
    marts_items,
    marts_models,
    marts_operations,
    marts_teaching,
    ops,
    rosters,
    silver,
)
from deepkt_irt.tables.contract import Table, View

TABLES: tuple[Table, ...] = (
    *bronze.TABLES,
    *silver.TABLES,
    *rosters.TABLES,
    *gold.TABLES,
    *gold_bandit.TABLES,
    *gold_items.TABLES,
    *gold_explanations.TABLES,
    *gold_content.TABLES,
    *ops.TABLES,
)


def views(settings: Settings) -> tuple[View, ...]:
    """What is made for looking: each asks tables, and some rules in them are settings."""
    return (
        marts_teaching.class_skill_mastery(settings),
        marts_teaching.student_today(settings),
        marts_items.ITEM_WATCHLIST,
        marts_models.MODEL_QUALITY,
        marts_models.POLICY_QUALITY,
        marts_models.EXPLANATION_QUALITY,
        marts_operations.OPERATIONS,
        marts_operations.LLM_USAGE,
    )
