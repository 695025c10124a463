"""Figures that are shown in several places, each defined once over the marts.

`deepkt status` and the counters of dashboards ask the same query. The report is made with the run,
counts the same in its own way, and shows evaluations and costs of the last run; tests hold what is
named alike to be equal.
"""

import enum
from dataclasses import dataclass


class Unit(enum.StrEnum):
    """How a figure is written."""

    COUNT = "count"
    SHARE = "share"
    FIGURE = "figure"
    USD = "usd"
    HOURS = "hours"


@dataclass(frozen=True)
class Measure:
    """One figure.

    Attributes:
        name: For machines.
        title: For people.
        unit: How it is written.
        mart: View it is taken from.
        expression: SQL aggregate over the rows of the mart.
    """

    name: str
    title: str
    unit: Unit
    mart: str
    expression: str

    @property
    def query(self) -> str:
        """SQL that gives one row with the column `value`; the mart stands in braces."""
        return f"SELECT {self.expression} AS value FROM {{{self.mart}}}"  # noqa: S608


def _count(condition: str, of: str) -> str:
    return f"count(DISTINCT CASE WHEN {condition} THEN {of} END)"


def _if_known(column: str, expression: str) -> str:
    """Null where the column has no value at all: nothing was worked out, which is not 0."""
    return f"CASE WHEN count({column}) > 0 THEN {expression} END"


def _latest(column: str, condition: str) -> str:
    """Of the latest row that meets a condition; null without one."""
    return f"max_by({column}, evaluated_at) FILTER (WHERE {condition})"


# before anybody is scored, nobody can be offered anything
_WITHOUT_ITEM = "needs_help IS NOT NULL AND next_item_id IS NULL"
_CHAMPION = "is_champion AND model_name = 'sakt'"

MEASURES = (
    Measure("students", "Students", Unit.COUNT, "student_today", "count(DISTINCT student_key)"),
    Measure(
        "students_needing_help",
        "Students who need help today",
        Unit.COUNT,
        "student_today",
        _if_known("needs_help", _count("needs_help", "student_key")),
    ),
    Measure(
        "students_without_item",
        "Students with nothing to practise",
        Unit.COUNT,
        "student_today",
        _if_known("needs_help", _count(_WITHOUT_ITEM, "student_key")),
    ),
    Measure(
        "items_to_mend",
        "Items to mend now",
        Unit.COUNT,
        "item_watchlist",
        _if_known("status", "count_if(status = 'act')"),
    ),
    Measure(
        "items_to_watch",
        "Items to watch",
        Unit.COUNT,
        "item_watchlist",
        _if_known("status", "count_if(status = 'watch')"),
    ),
    Measure(
        "items_drifting",
        "Items whose difficulty has moved",
        Unit.COUNT,
        "item_watchlist",
        _if_known("status", "count_if(is_drifting)"),
    ),
    Measure("auc", "AUC of next answers", Unit.FIGURE, "model_quality", _latest("auc", _CHAMPION)),
    Measure("ece", "Their calibration error", Unit.SHARE, "model_quality",
            _latest("ece", _CHAMPION)),
    Measure(
        "mean_reward",
        "Mean worth of recommendations",
        Unit.FIGURE,
        "policy_quality",
        "sum(mean_reward * n_rewarded) / nullif(sum(n_rewarded), 0)",
    ),
    Measure(
        "explanations_verified",
        "Explanations worded by a model",
        Unit.COUNT,
        "explanation_quality",
        "coalesce(sum(n_verified), 0)",
    ),
    Measure(
        "tasks_failed",
        "Tasks that failed when last run",
        Unit.COUNT,
        "operations",
        "count_if(has_failed AND is_last)",
    ),
    Measure(
        "success_rate",
        "Task runs that succeeded",
        Unit.SHARE,
        "operations",
        "avg(CASE WHEN has_failed THEN 0.0D ELSE 1.0D END)",
    ),
    Measure(
        "quarantine_share",
        "Rows refused, of the last delivery",
        Unit.SHARE,
        "operations",
        "max_by(rows_quarantined / rows_received, started_at) FILTER (WHERE rows_received > 0)",
    ),
    Measure("tokens_used", "Tokens used", Unit.COUNT, "llm_usage", "coalesce(sum(tokens_used), 0)"),
    Measure("cost_usd", "Cost of language models", Unit.USD, "llm_usage",
            "coalesce(sum(cost_usd), 0.0D)"),
)  # fmt: skip


def measure(name: str) -> Measure:
    """The measure of that name.

    Raises:
        KeyError: If there is none.
    """
    return {each.name: each for each in MEASURES}[name]


def written(value: float | None, unit: Unit) -> str:
    """A figure for people, or that it is not known."""
    if value is None:
        return "not known"
    match unit:
        case Unit.COUNT:
            return f"{value:,.0f}"
        case Unit.SHARE:
            return f"{value:.1%}"
        case Unit.USD:
            return f"${value:,.2f}"
        case Unit.HOURS:
            return f"{value:,.1f} h"
        case Unit.FIGURE:
            return f"{value:.3f}"
