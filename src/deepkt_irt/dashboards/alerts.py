"""What somebody is told of without asking: a figure over the marts, and how much it bears.

The same queries are SQL alerts of the bundle and the lines of `deepkt status`. What an alert
means, where to look first and what to do is on docs/operations.md, under its title.
"""

from dataclasses import dataclass
from string import Template

from deepkt_irt.dashboards.measures import Unit
from deepkt_irt.settings import AlertSettings

_HOURS = "(unix_micros($now) - unix_micros(max(ended_at))) / 3.6e9D"


@dataclass(frozen=True)
class Alert:
    """One alert; it fires if its value is greater than its threshold, never if it is not known.

    Attributes:
        name: For machines.
        title: For people.
        says: What the value is.
        unit: How it is written.
        threshold: What it bears.
        expression: SQL aggregate; `$now` stands for the moment of asking.
        mart: View it is taken from.
        where: Rows that count.
    """

    name: str
    title: str
    says: str
    unit: Unit
    threshold: float
    expression: str
    mart: str
    where: str = "true"

    def query(self) -> str:
        """SQL that gives the value now, or no row if it is not known; the mart is in braces."""
        value, where = self.asked("current_timestamp()")
        rows = f"FROM {{{self.mart}}} WHERE {where}"
        return f"SELECT value FROM (SELECT {value} AS value {rows}) WHERE value IS NOT NULL"  # noqa: S608

    def asked(self, now: str) -> tuple[str, str]:
        """The aggregate as a number, and the condition of the rows that count.

        Args:
            now: SQL of the moment of asking.
        """
        value = f"CAST({self.expression} AS double)"
        return Template(value).substitute(now=now), Template(self.where).substitute(now=now)

    def fires(self, value: float | None) -> bool:
        """Whether somebody has to look."""
        return value is not None and value > self.threshold


def alerts(settings: AlertSettings) -> tuple[Alert, ...]:
    """All of them, the most urgent first."""
    return (*_of_runs(settings), *_of_models(settings), *_of_people(settings))


def _of_runs(settings: AlertSettings) -> tuple[Alert, ...]:
    return (
        Alert("failed_task", "A task failed", "tasks whose last run failed", Unit.COUNT, 0,
              "count_if(has_failed AND is_last)", "operations",
              "started_at > $now - INTERVAL 8 DAYS"),  # what is never run again is no news
        Alert("late_run", "The day's job is late", "hours since it ended well", Unit.HOURS,
              settings.late_hours, _HOURS, "operations",
              "task = 'publish_report' AND NOT has_failed"),
        Alert("stale_data", "No new data", "hours since a delivery brought rows", Unit.HOURS,
              settings.stale_hours, _HOURS, "operations",
              "task IN ('ingest_bronze', 'stream_events') AND rows_in > 0 AND NOT has_failed"),
        Alert("quarantine_share", "Many rows are refused", "of the last delivery", Unit.SHARE,
              settings.quarantine_share,
              "max_by(rows_quarantined / rows_received, started_at)", "operations",
              "rows_received > 0"),
    )  # fmt: skip


def _of_models(settings: AlertSettings) -> tuple[Alert, ...]:
    latest = "is_latest AND NOT is_baseline"
    return (
        Alert("auc_drop", "A model predicts worse", "AUC below that of the champion before",
              Unit.FIGURE, settings.auc_drop, "max(auc_before - auc)", "model_quality", latest),
        Alert("ece_rise", "A model's chances are off", "calibration error above the champion's",
              Unit.FIGURE, settings.ece_rise, "max(ece - ece_before)", "model_quality", latest),
        Alert("drifting_items", "Items drift", "of the items watched", Unit.SHARE,
              settings.drifting_share, "avg(int(is_drifting))", "item_watchlist",
              "drift_status IN ('stable', 'watch', 'act')"),
    )  # fmt: skip


def _of_people(settings: AlertSettings) -> tuple[Alert, ...]:
    return (
        Alert("abstained_explanations", "Explanations are held back",
              "of those a model was asked for in seven days", Unit.SHARE, settings.abstained_share,
              "sum(n_abstained) / nullif(sum(n_abstained + n_verified), 0)", "explanation_quality",
              "day > date_sub(to_date($now), 7)"),
        Alert("token_spend", "Language models cost much", "today and yesterday", Unit.USD,
              settings.cost_usd, "sum(cost_usd)", "llm_usage",
              "day >= date_sub(to_date($now), 1)"),
        Alert("without_recommendation", "Students have nothing to practise",
              "of those whose mastery is known",
              Unit.SHARE, settings.without_recommendation_share,
              "count(DISTINCT CASE WHEN next_item_id IS NULL THEN student_key END) "
              "/ nullif(count(DISTINCT student_key), 0)", "student_today",
              "needs_help IS NOT NULL"),
    )  # fmt: skip
